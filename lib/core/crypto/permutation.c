/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "permutation.h"
#include "bytes.h"

#include <sodium.h>
#include <srec/scrambler.h>
#include <string.h>

#define WORDS 128u /* drawn at a time: a whole number of ChaCha20 blocks of 8 */
#define BATCH 4u   /* indices drawn from one word */

_Static_assert(SREC_PAYLOAD_MAX <= UINT16_MAX, "an index has 16 bits, and BATCH of them fit a word");

/* Extend the order of the first \p n bytes by the next \p count, 1 .. BATCH.
 * \return count; 0: nothing has been done, because this word is one of the few that would make some orders more
 * likely */
static inline unsigned extend(uint16_t *order, size_t n, unsigned count, uint64_t word)
{
    size_t index[BATCH];
    uint64_t product = 1, rest = word;
    for (unsigned k = 0; k < count; k++) {
        const unsigned __int128 m = (unsigned __int128)rest * (n + k + 1);
        index[k] = (size_t)(m >> 64);
        rest = (uint64_t)m;
        product *= n + k + 1;
    }
    if (rest < product && rest < (0u - product) % product) /* the second term is 2^64 mod product; rarely needed */
        return 0;
    for (unsigned k = 0; k < count; k++) {
        order[n + k] = order[index[k]];
        order[index[k]] = (uint16_t)(n + k);
    }
    return count;
}

void srec_permutation_draw(const uint8_t payload_key[SREC_KEY_BYTES], uint64_t packet, uint16_t *order, size_t n)
{
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES], words[8 * WORDS];
    uint32_t block = SREC_PERMUTATION_FIRST_BLOCK;
    srec_packet_nonce(packet, nonce);
    for (size_t i = 0; i < n; block += WORDS / 8) {
        memset(words, 0, sizeof words);
        crypto_stream_chacha20_ietf_xor_ic(words, words, sizeof words, nonce, block, payload_key);
        for (size_t w = 0; w < WORDS && i < n; w++) {
            const uint64_t word = get_le(words + 8 * w, 8);
            i += n - i >= BATCH ? extend(order, i, BATCH, word) : extend(order, i, (unsigned)(n - i), word);
        }
    }
    sodium_memzero(words, sizeof words);
}
