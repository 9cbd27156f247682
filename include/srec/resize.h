/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Half and double size by Keys' cubic convolution (1981), a = -1/2; edges are replicated. */
#ifndef SREC_RESIZE_H
#define SREC_RESIZE_H

#include <srec/image.h>
#include <srec/status.h>

SREC_BEGIN_DECLS

/*! Half the size, low-pass filtered: what is sent with scale 2. Eight taps a side.
 *  \param in  only read  \param out ceil(width / 2) x ceil(height / 2), as many channels; data is written
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_image_halve(const srec_image *in, const srec_image *out);

/*! Twice the size, without super-resolution. \param out 2 width x 2 height; the last row or column may be missing
 *  */
SREC_API srec_status srec_image_double(const srec_image *in, const srec_image *out);

SREC_END_DECLS
#endif /* SREC_RESIZE_H */
