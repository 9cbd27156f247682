/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Integer arithmetic. */
#ifndef SREC_INTEGERS_H
#define SREC_INTEGERS_H

#include <stddef.h>

static inline size_t greatest_common_divisor(size_t a, size_t b)
{
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif /* SREC_INTEGERS_H */
