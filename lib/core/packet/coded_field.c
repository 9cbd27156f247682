/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "coded_field.h"

#include "estimate/plausibility.h"
#include "fec/convolutional.h"
#include "integers.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define AMPLITUDE_ONE 54u /* pam256: byte of a coded bit 1; a coded bit 0 is 255 - 54 */

static unsigned repeats(srec_modulation m)
{
    static const unsigned repeat[SREC_MODULATIONS] = {
        [SREC_BPSK] = 2, [SREC_QPSK] = 2, [SREC_16QAM] = 4, [SREC_64QAM] = 6, [SREC_256QAM] = 8, [SREC_PAM256] = 1
    };
    return (unsigned)m < SREC_MODULATIONS ? repeat[m] : 0;
}

/* Bits on the air of a coded field. The frame holds whole bytes of them, or one byte per bit (pam256). */
static size_t field_bits(srec_modulation m, size_t n) { return srec_conv_bits(n) * repeats(m); }

size_t srec_field_bytes(srec_modulation m, size_t n)
{
    const size_t bits = field_bits(m, n);
    return m == SREC_PAM256 ? bits : (bits + 23) / 24 * 3;
}

/* Copy r of the coded bits travels in its own block, which starts at a different position of the code. The copies of
 * a bit therefore meet different positions of the constellation, at different times. Within a block, a stride
 * separates neighbouring bits of the code. The stride is coprime to the length (a multiple of 24): 24 k + 1 near its
 * square root. */
typedef struct {
    size_t coded;   /* bits of the code */
    size_t stride;  /* from one sent bit to the next */
    size_t advance; /* from the start of a copy to that of the next */
    size_t start;   /* of the present copy */
    size_t left;    /* bits of the present copy that are not sent yet */
    size_t at;      /* next bit of the code */
} interleaver;

static interleaver interleave(srec_modulation m, size_t coded)
{
    size_t stride = 25;
    while (stride * stride < coded)
        stride += 24;
    while (greatest_common_divisor(stride, coded) != 1)
        stride += 24;
    assert(coded && repeats(m));
    return (interleaver){
        .coded = coded,
        .stride = stride % coded,
        .advance = coded / repeats(m) + 1,
        .left = coded,
    };
}

/* \return index of the coded bit that is sent next */
static size_t next_bit(interleaver *i)
{
    if (!i->left) {
        i->start = (i->start + i->advance) % i->coded;
        i->at = i->start;
        i->left = i->coded;
    }
    const size_t bit = i->at;
    i->at = bit + i->stride >= i->coded ? bit + i->stride - i->coded : bit + i->stride;
    i->left--;
    return bit;
}

/* Energy dispersal. Much of a signal field is zero, which would put most of its symbols on few points. The coded bits
 * are therefore inverted by the sequence of x^15 + x^14 + 1 started from 100101010000000 (ETSI EN 300 429). */
#define DISPERSAL_START 0x00a9u
static unsigned disperse(unsigned *state)
{
    unsigned bit = (*state >> 13 ^ *state >> 14) & 1;
    *state = (*state << 1 | bit) & 0x7fff;
    return bit;
}

srec_status srec_field_write(srec_modulation m, const uint8_t *in, size_t n, uint8_t *out)
{
    const size_t coded = srec_conv_bits(n);
    const size_t bits = field_bits(m, n);
    uint8_t *code = malloc(coded);
    if (!code)
        return SREC_ERR_MEMORY;
    srec_conv_encode(in, n, code);
    unsigned state = DISPERSAL_START;
    for (size_t i = 0; i < coded; i++)
        code[i] ^= (uint8_t)disperse(&state);
    memset(out, 0, srec_field_bytes(m, n));
    interleaver order = interleave(m, coded);
    for (size_t j = 0; j < bits; j++) {
        const unsigned bit = code[next_bit(&order)];
        if (m == SREC_PAM256)
            out[j] = bit ? AMPLITUDE_ONE : 255 - AMPLITUDE_ONE;
        else
            out[j >> 3] |= (uint8_t)(bit << (7 - (j & 7)));
    }
    free(code);
    return SREC_OK;
}

/* LLR of bit j of a field on the air. pam256: antipodal amplitudes, LLR = 2 a y / variance. */
static float field_llr(srec_modulation m, const float *soft, size_t j)
{
    if (m != SREC_PAM256)
        return soft[j];
    const float variance = soft[2 * j + 1] > 1e-9f ? soft[2 * j + 1] : 1e-9f;
    return (255.0f - 2.0f * AMPLITUDE_ONE) * SREC_PAM256_STEP * soft[2 * j] / variance;
}

srec_status srec_field_read(srec_modulation m, const float *soft, size_t n, uint8_t *out)
{
    const size_t coded = srec_conv_bits(n);
    const size_t bits = field_bits(m, n);
    float *llr = calloc(coded, sizeof *llr);
    if (!llr)
        return SREC_ERR_MEMORY;
    interleaver order = interleave(m, coded);
    for (size_t j = 0; j < bits; j++)
        llr[next_bit(&order)] += field_llr(m, soft, j);
    unsigned state = DISPERSAL_START;
    for (size_t i = 0; i < coded; i++)
        if (disperse(&state))
            llr[i] = -llr[i];
    const srec_status status = srec_conv_decode(llr, n, out);
    free(llr);
    return status;
}

srec_status srec_field_count_errors(srec_modulation m, const float *soft, const uint8_t *content, size_t n,
                                    srec_damage *damage)
{
    const size_t bits = field_bits(m, n);
    uint8_t *sent = malloc(srec_field_bytes(m, n));
    float *llr = malloc(bits * sizeof *llr);
    srec_status status = sent && llr ? srec_field_write(m, content, n, sent) : SREC_ERR_MEMORY;
    for (size_t j = 0; status == SREC_OK && j < bits; j++) {
        const bool one = m == SREC_PAM256 ? sent[j] == AMPLITUDE_ONE : sent[j >> 3] >> (7 - (j & 7)) & 1;
        llr[j] = one ? -field_llr(m, soft, j) : field_llr(m, soft, j);
    }
    if (status == SREC_OK)
        srec_count_header_errors(llr, bits, damage);
    free(sent);
    free(llr);
    return status;
}
