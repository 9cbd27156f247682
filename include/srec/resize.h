/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Half and double size by cubic convolution (Keys 1981, a = -1/2) with replicated edges. Any thread may call these
 *  functions. */
#ifndef SREC_RESIZE_H
#define SREC_RESIZE_H

#include <srec/image.h>
#include <srec/status.h>

SREC_BEGIN_DECLS

/*! Halve an image, with a low-pass filter of eight taps per direction. At scale 2 a sender transmits this image.
 *
 *  \param[in] in   the image; it is only read
 *  \param[in] out  the result: ceil(width / 2) x ceil(height / 2) pixels, the same channels. The function writes the
 *                  pixels to `data`
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_image_halve(const srec_image *in, const srec_image *out) SREC_WARN_UNUSED;

/*! Double an image without super-resolution.
 *
 *  \param[in] in   the image; it is only read
 *  \param[in] out  the result: 2 width x 2 height pixels (the last row and the last column may be missing), the same
 *                  channels. The function writes the pixels to `data`
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_image_double(const srec_image *in, const srec_image *out) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_RESIZE_H */
