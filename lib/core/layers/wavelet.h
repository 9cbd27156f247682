/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  9/7 wavelet transform (ISO/IEC 15444-1, Annex F), as OpenJPEG scales it: low bands have gain 1 for a constant
 *  signal, high bands gain 1 for an alternating one. */
#ifndef SREC_WAVELET_H
#define SREC_WAVELET_H

#include <srec/status.h>

#include <stdbool.h>
#include <stdint.h>

/* Transform a plane in place. The low band of each level is in its upper left corner, ceil(side / 2) samples long, and
 * is divided again.
 * \param plane   (height, width), sides at most 65535
 * \param levels  the sides of all levels must be 2 or more
 * \param inverse  bands to samples
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_wavelet_transform(float *plane, uint32_t width, uint32_t height, unsigned levels, bool inverse);

#endif /* SREC_WAVELET_H */
