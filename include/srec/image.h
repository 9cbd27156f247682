/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SREC_IMAGE_H
#define SREC_IMAGE_H

#include <srec/api.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_IMAGE_MAX_SIDE 65535u

/*! A picture that somebody else owns: 8 bits a sample, grey or RGB interleaved, rows top to bottom. */
typedef struct srec_image {
    uint32_t width;   /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint32_t height;  /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint8_t channels; /*!< 1 grey, 3 RGB */
    size_t stride;    /*!< bytes from row to row, >= width * channels */
    uint8_t *data;    /*!< (height, stride); functions that only read say so */
} srec_image;

SREC_END_DECLS
#endif /* SREC_IMAGE_H */
