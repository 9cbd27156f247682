/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Interleaver of coded layers: multiples of the golden section of the length fill any interval evenly, so that a burst
 *  takes an equal share of every LDPC block, spread over the block. */
#include "layer_packet_internal.h"

#include <string.h>

#define GOLDEN_SECTION 0.6180339887498949

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

size_t srec_layer_stride(size_t n_bits)
{
    size_t stride = (size_t)(GOLDEN_SECTION * (double)n_bits);
    while (common_divisor(n_bits, stride) != 1)
        stride++;
    return stride;
}

void srec_layer_interleave(const uint8_t *bits, size_t n_bits, uint8_t *out)
{
    const size_t stride = srec_layer_stride(n_bits);
    size_t at = 0;
    memset(out, 0, n_bits / 8);
    for (size_t i = 0; i < n_bits; i++) {
        out[at / 8] = (uint8_t)(out[at / 8] | bits[i] << (7 - at % 8));
        at += stride;
        at -= at >= n_bits ? n_bits : 0;
    }
}

void srec_layer_deinterleave(const int8_t *llr, size_t n_bits, int8_t *out)
{
    const size_t stride = srec_layer_stride(n_bits);
    size_t at = 0;
    for (size_t i = 0; i < n_bits; i++) {
        out[i] = llr[at];
        at += stride;
        at -= at >= n_bits ? n_bits : 0;
    }
}
