/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Checks and conversions of pixels. */
#ifndef SREC_PIXELS_H
#define SREC_PIXELS_H

#include <srec/image.h>

#include <stdbool.h>
#include <stddef.h>

static inline bool image_valid(const srec_image *i)
{
    return i && i->data && i->width >= 1 && i->height >= 1 && i->width <= SREC_IMAGE_MAX_SIDE &&
           i->height <= SREC_IMAGE_MAX_SIDE && (i->channels == 1 || i->channels == 3) &&
           i->stride >= (size_t)i->width * i->channels;
}

/* Rounds and limits a sample. \param v in 0 .. 1 */
static inline uint8_t byte_of_unit(float v)
{
    v = v * 255.0f + 0.5f;
    return (uint8_t)(v > 0.0f ? (v < 255.0f ? v : 255.0f) : 0.0f);
}

#endif /* SREC_PIXELS_H */
