/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The secret order in which the feature bytes of a packet travel. An attacker who knows the image knows every
 *  feature, but not its place in the packet, and therefore cannot replace it by another one.
 *
 *      order    place order[i] of the payload carries byte i of the slice, i = 0 .. n - 1
 *      shuffle  Fisher-Yates: for i = 0 .. n - 1: draw j from 0 .. i, order[i] = order[j], order[j] = i
 *      words    ChaCha20 (RFC 8439) under the payload key of the session, nonce of the packet (scrambler.h), block
 *               counter from 2^31 on, which the keystream of the scrambler never reaches; 64 bits each, little endian
 *      draw     four from a word, for i, i + 1, i + 2, i + 3 (the last word: for those that are left): x = word; for
 *               each, m = x (i + 1), j = m / 2^64, x = m mod 2^64. If at the end x < 2^64 mod the product of the four
 *               (i + 1), all four are drawn again from the next word. Every order is then equally likely
 *               (Brackett-Rozas and Lemire, Batched ranged random integer generation, 2024)
 *
 *  The computing time depends on the order. */
#ifndef SREC_PERMUTATION_H
#define SREC_PERMUTATION_H

#include "key_internal.h"

#include <stddef.h>

#define SREC_PERMUTATION_FIRST_BLOCK 0x80000000u

/* \param payload_key of the session
 * \param[out] order (n), n <= SREC_PAYLOAD_MAX */
void srec_permutation_draw(const uint8_t payload_key[SREC_KEY_BYTES], uint64_t packet, uint16_t *order, size_t n);

#endif /* SREC_PERMUTATION_H */
