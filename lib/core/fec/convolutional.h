/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Convolutional code of the packet header: K = 9, rate 1/3, polynomials 0x1ed 0x19b 0x127 (libfec's V39), zero
 *  tail. */
#ifndef SREC_CONVOLUTIONAL_H
#define SREC_CONVOLUTIONAL_H

#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

#define SREC_CONV_TAIL 8u
#define SREC_CONV_RATE 3u

/* Number of coded bits of n data bytes. */
static inline size_t srec_conv_bits(size_t n_bytes) { return SREC_CONV_RATE * (8 * n_bytes + SREC_CONV_TAIL); }

/* \param bits (srec_conv_bits(n)) one coded bit per byte, 0 or 1 */
void srec_conv_encode(const uint8_t *in, size_t n, uint8_t *bits);

/* Viterbi decoding by libfec.
 * \param llr (srec_conv_bits(n)) positive for bit 0
 * \param[out] out (n) */
srec_status srec_conv_decode(const float *llr, size_t n, uint8_t *out);

#endif /* SREC_CONVOLUTIONAL_H */
