/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>

#include "bytes.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GAINS 64u  /* fading gains generated at a time */
#define BATCH 512u /* complex Gaussians generated at a time: 8 bytes of keystream each, 4 kB */

struct srec_channel {
    srec_channel_kind kind;
    unsigned coherence;
    float sigma;       /* noise standard deviation per real dimension: sqrt(N0 / 2) */
    uint64_t position; /* number of the next sample */
    uint8_t key[crypto_stream_chacha20_KEYBYTES];
    uint64_t gains_first; /* fading block of the first gain held: a multiple of GAINS; ~0: none held */
    float gain[2 * GAINS];
};

enum { STREAM_NOISE = 0, STREAM_FADING = 1 }; /* independent random streams of one seed; used as nonce */

/* Standard complex Gaussians first .. first + n - 1 of a stream, by Box-Muller. Unit variance per real dimension, n <=
 * BATCH. */
static void gaussians(const srec_channel *c, uint64_t stream, uint64_t first, size_t n, float *out)
{
    uint32_t random[2 * (BATCH + 8)];
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = { (uint8_t)stream };
    size_t skip = first % 8, bytes = 8 * (skip + n); /* a ChaCha20 block holds 8 samples */
    memset(random, 0, bytes);
    crypto_stream_chacha20_xor_ic((uint8_t *)random, (const uint8_t *)random, bytes, nonce, first / 8, c->key);
    for (size_t i = 0; i < n; i++) {
        uint32_t a = random[2 * (skip + i)], b = random[2 * (skip + i) + 1];
        float u = ((float)(a >> 8) + 0.5f) * 0x1p-24f; /* (0, 1) */
        float radius = sqrtf(-2.0f * logf(u)), angle = (float)(b >> 8) * (6.28318530717958648f * 0x1p-24f);
        out[2 * i] = radius * cosf(angle);
        out[2 * i + 1] = radius * sinf(angle);
    }
}

srec_status srec_channel_create(srec_channel_kind kind, float snr_db, uint64_t seed, unsigned coherence,
                                srec_channel **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "channel: NULL argument");
    *out = NULL;
    if (kind != SREC_CHANNEL_AWGN && kind != SREC_CHANNEL_RAYLEIGH)
        return srec_fail(error, SREC_ERR_ARG, "channel: unknown kind %d", (int)kind);
    if (coherence < 1)
        return srec_fail(error, SREC_ERR_ARG, "channel: coherence must be at least 1 symbol");
    if (sodium_init() < 0)
        return srec_fail(error, SREC_ERR_INTERNAL, "channel: libsodium does not start");
    srec_channel *c = calloc(1, sizeof *c);
    if (!c)
        return srec_fail(error, SREC_ERR_MEMORY, "channel: out of memory");
    c->kind = kind;
    c->coherence = coherence;
    c->gains_first = UINT64_MAX;
    put_le(c->key, seed, 8);
    if (srec_channel_set_snr(c, snr_db) != SREC_OK) {
        free(c);
        return srec_fail(error, SREC_ERR_ARG, "channel: snr_db %g: must be -50 to 100 dB", (double)snr_db);
    }
    *out = c;
    return SREC_OK;
}

void srec_channel_free(srec_channel *c) { free(c); }

srec_status srec_channel_set_snr(srec_channel *c, float snr_db)
{
    if (!c || !(snr_db >= -50.0f && snr_db <= 100.0f))
        return SREC_ERR_ARG;
    c->sigma = sqrtf(0.5f * powf(10.0f, -0.1f * snr_db));
    return SREC_OK;
}

void srec_channel_seek(srec_channel *c, uint64_t sample)
{
    if (c)
        c->position = sample;
}

static void gain_at(srec_channel *c, uint64_t sample, float gain[2])
{
    uint64_t block = sample / c->coherence, first = block - block % GAINS;
    if (first != c->gains_first) {
        gaussians(c, STREAM_FADING, first, GAINS, c->gain);
        for (unsigned i = 0; i < 2 * GAINS; i++)
            c->gain[i] *= 0.707106781f; /* E|gain|^2 = 1 */
        c->gains_first = first;
    }
    gain[0] = c->gain[2 * (block - first)];
    gain[1] = c->gain[2 * (block - first) + 1];
}

srec_status srec_channel_apply(srec_channel *c, const float *in, float *out, float *gain_iq, size_t n)
{
    if (!c || (n && (!in || !out)))
        return SREC_ERR_ARG;
    float noise[2 * BATCH];
    while (n) {
        size_t length = n < BATCH ? n : BATCH;
        gaussians(c, STREAM_NOISE, c->position, length, noise);
        for (size_t i = 0; i < length; i++) {
            float g[2] = { 1.0f, 0.0f }, re = in[2 * i], im = in[2 * i + 1];
            if (c->kind == SREC_CHANNEL_RAYLEIGH)
                gain_at(c, c->position + i, g);
            out[2 * i] = g[0] * re - g[1] * im + c->sigma * noise[2 * i];
            out[2 * i + 1] = g[0] * im + g[1] * re + c->sigma * noise[2 * i + 1];
            if (gain_iq) {
                gain_iq[2 * i] = g[0];
                gain_iq[2 * i + 1] = g[1];
            }
        }
        c->position += length;
        in += 2 * length;
        out += 2 * length;
        if (gain_iq)
            gain_iq += 2 * length;
        n -= length;
    }
    return SREC_OK;
}

static const char *const kind_names[] = { "awgn", "rayleigh" };

srec_status srec_channel_kind_parse(const char *name, srec_channel_kind *out)
{
    for (unsigned i = 0; name && out && i < sizeof kind_names / sizeof *kind_names; i++)
        if (strcasecmp(name, kind_names[i]) == 0) {
            *out = (srec_channel_kind)i;
            return SREC_OK;
        }
    return SREC_ERR_ARG;
}

const char *srec_channel_kind_name(srec_channel_kind kind)
{
    return (unsigned)kind < sizeof kind_names / sizeof *kind_names ? kind_names[kind] : NULL;
}
