/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Images in memory. */
#ifndef SREC_IMAGE_H
#define SREC_IMAGE_H

#include <srec/api.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_IMAGE_MAX_SIDE 65535u /*!< maximum width and height, pixels */

/*! An image in memory that belongs to the caller: 8 bits per sample, grey or interleaved RGB, rows from top to bottom.
 */
typedef struct srec_image {
    uint32_t width;   /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint32_t height;  /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint8_t channels; /*!< 1 (grey) or 3 (RGB) */
    size_t stride;    /*!< bytes from one row to the next, at least width * channels */
    uint8_t *data;    /*!< (height, stride) samples; a function that only reads them says so */
} srec_image;

SREC_END_DECLS
#endif /* SREC_IMAGE_H */
