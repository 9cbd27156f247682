/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "convolutional.h"

#include <fec.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static const unsigned polynomials[SREC_CONV_RATE] = { V39POLYA, V39POLYB, V39POLYC };

static uint8_t parity_of(unsigned v)
{
    v ^= v >> 8;
    v ^= v >> 4;
    v ^= v >> 2;
    v ^= v >> 1;
    return v & 1;
}

void srec_conv_encode(const uint8_t *in, size_t n, uint8_t *bits)
{
    unsigned state = 0;
    for (size_t i = 0; i < 8 * n + SREC_CONV_TAIL; i++) {
        unsigned bit = i < 8 * n ? in[i >> 3] >> (7 - (i & 7)) & 1 : 0;
        state = (state << 1 | bit) & 0x1ff;
        for (unsigned k = 0; k < SREC_CONV_RATE; k++)
            *bits++ = parity_of(state & polynomials[k]);
    }
}

/* libfec fills its own tables at the first use, which must not happen in two threads at once. */
static pthread_mutex_t first_use = PTHREAD_MUTEX_INITIALIZER;

srec_status srec_conv_decode(const float *llr, size_t n, uint8_t *out)
{
    const size_t count = srec_conv_bits(n), steps = 8 * n + SREC_CONV_TAIL;
    if (!llr || !out || !n || n > 65536)
        return SREC_ERR_ARG;
    unsigned char *symbols = malloc(count), *data = malloc(n + 2);
    pthread_mutex_lock(&first_use);
    void *viterbi = create_viterbi39((int)(8 * n));
    pthread_mutex_unlock(&first_use);
    srec_status status = SREC_ERR_MEMORY;
    if (!symbols || !data || !viterbi)
        goto done;
    /* 8-bit soft symbols; 255 means a certain 1. The scale puts the mean magnitude at a quarter of the range. */
    double mean = 0;
    for (size_t i = 0; i < count; i++)
        mean += isfinite(llr[i]) ? fabs((double)llr[i]) : 0;
    mean /= (double)count;
    float scale = mean > 1e-9 ? (float)(32.0 / mean) : 0.0f;
    for (size_t i = 0; i < count; i++) {
        float v = llr[i] == llr[i] ? 127.5f - scale * llr[i] : 127.5f;
        symbols[i] = (unsigned char)(v > 0.0f ? (v < 255.0f ? v : 255.0f) : 0.0f);
    }
    init_viterbi39(viterbi, 0);
    update_viterbi39_blk(viterbi, symbols, (int)steps);
    chainback_viterbi39(viterbi, data, (unsigned)(8 * n), 0);
    for (size_t i = 0; i < n; i++)
        out[i] = data[i];
    status = SREC_OK;
done:
    if (viterbi)
        delete_viterbi39(viterbi);
    free(symbols);
    free(data);
    return status;
}
