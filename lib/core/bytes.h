/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Unsigned numbers of 1 to 8 bytes, little endian, at any address. */
#ifndef SREC_BYTES_H
#define SREC_BYTES_H

#include <stdint.h>

static inline void put_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

#endif /* SREC_BYTES_H */
