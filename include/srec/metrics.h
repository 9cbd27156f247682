/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SREC_METRICS_H
#define SREC_METRICS_H

#include <srec/image.h>
#include <srec/status.h>

SREC_BEGIN_DECLS

/*! Peak signal-to-noise ratio over all samples, peak 255, dB; identical pictures give 100.
 *  Pictures of different size or channels: SREC_ERR_ARG. Both are only read. */
SREC_API srec_status srec_psnr(const srec_image *a, const srec_image *b, double *db);

/*! Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003): 11x11 Gaussian window sigma 1.5, weights
 *  0.0448
 *  0.2856 0.3001 0.2363 0.1333, K1 0.01, K2 0.03, 2x2 mean between scales, mean over channels; 0 .. 1.
 *  Pictures under 176 pixels on a side use as many scales as fit, weights renormalised; under 11: SREC_ERR_ARG. */
SREC_API srec_status srec_ms_ssim(const srec_image *a, const srec_image *b, double *value);

SREC_END_DECLS
#endif /* SREC_METRICS_H */
