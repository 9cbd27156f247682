/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Image quality. Any thread may call these functions. */
#ifndef SREC_METRICS_H
#define SREC_METRICS_H

#include <srec/image.h>
#include <srec/status.h>

SREC_BEGIN_DECLS

/*! Peak signal-to-noise ratio over all samples, with a peak of 255.
 *
 *  \param[in]  a   an image; it is only read
 *  \param[in]  b   an image of the same size and channels; it is only read
 *  \param[out] db  PSNR in dB; 100 for equal images
 *  \return SREC_OK; SREC_ERR_ARG if the sizes or channels differ */
SREC_API srec_status srec_psnr(const srec_image *a, const srec_image *b, double *db);

/*! Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003), mean over the channels.
 *
 *  The window is an 11x11 Gaussian with sigma 1.5, the weights are 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333, K1 =
 *  0.01, K2 = 0.03, and 2x2 means lead from scale to scale. Images with a side under 176 pixels use as many scales as
 *  fit, with renormalised weights.
 *
 *  \param[in]  a      an image with sides of at least 11 pixels; it is only read
 *  \param[in]  b      an image of the same size and channels; it is only read
 *  \param[out] value  MS-SSIM, 0 .. 1
 *  \return SREC_OK; SREC_ERR_ARG if the sizes or channels differ, or if a side is under 11 pixels; SREC_ERR_MEMORY */
SREC_API srec_status srec_ms_ssim(const srec_image *a, const srec_image *b, double *value);

SREC_END_DECLS
#endif /* SREC_METRICS_H */
