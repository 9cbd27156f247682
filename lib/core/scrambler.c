/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/scrambler.h>

#include "key_internal.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHACHA_BLOCK 64u
#define CHUNK 8192u /* keystream made at a time: stays in the first-level cache */

struct srec_scrambler {
    uint8_t key[SREC_KEY_BYTES];
    uint8_t keystream[CHUNK];
};

static const char *const cipher_names[SREC_CIPHERS] = {"add", "none", "xor"};

const char *srec_cipher_name(srec_cipher cipher)
{
    return (unsigned)cipher < SREC_CIPHERS ? cipher_names[cipher] : NULL;
}

srec_status srec_cipher_parse(const char *name, srec_cipher *out)
{
    for (unsigned i = 0; name && out && i < SREC_CIPHERS; i++)
        if (strcmp(name, cipher_names[i]) == 0) {
            *out = (srec_cipher)i;
            return SREC_OK;
        }
    return SREC_ERR_ARG;
}

srec_cipher srec_cipher_for(srec_feature_format format)
{
    return format == SREC_FEATURES_AMPLITUDE ? SREC_CIPHER_ADD : SREC_CIPHER_XOR;
}

_Static_assert(SREC_KEY_BYTES == crypto_stream_chacha20_ietf_KEYBYTES, "the payload key is a ChaCha20 key");

srec_status srec_scrambler_create(const srec_key *key, uint64_t session, srec_scrambler **out)
{
    if (!key || !out)
        return SREC_ERR_ARG;
    *out = NULL;
    srec_scrambler *s = calloc(1, sizeof *s);
    if (!s)
        return SREC_ERR_MEMORY;
    srec_status status = srec_key_derive_payload(key, session, s->key);
    if (status != SREC_OK) {
        srec_scrambler_free(s);
        return status;
    }
    *out = s;
    return SREC_OK;
}

void srec_scrambler_free(srec_scrambler *s)
{
    if (!s)
        return;
    sodium_memzero(s, sizeof *s);
    free(s);
}

/* \p n bytes of keystream from a multiple of the block size; n <= CHUNK. */
static void blocks(const srec_scrambler *s, const uint8_t nonce[12], uint64_t offset, uint8_t *out, size_t n)
{
    memset(out, 0, n);
    crypto_stream_chacha20_ietf_xor_ic(out, out, n, nonce, (uint32_t)(offset / CHACHA_BLOCK), s->key);
}

static bool in_range(uint64_t offset, size_t n)
{
    const uint64_t limit = (uint64_t)1 << 38; /* 2^32 blocks of 64 bytes */
    return offset <= limit && n <= limit - offset;
}

/* Which operation a run of keystream is for. Written apart so that each loop is one that the compiler vectorises. */
static void add(const uint8_t *in, const uint8_t *ks, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(in[i] + ks[i]); /* mod 256: the cast is the reduction */
}

static void subtract(const uint8_t *in, const uint8_t *ks, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(in[i] - ks[i]);
}

static void exclusive_or(const uint8_t *in, const uint8_t *ks, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[i] ^ ks[i];
}

static void copy(const uint8_t *in, const uint8_t *ks, uint8_t *out, size_t n)
{
    (void)in;
    memcpy(out, ks, n);
}

static srec_status run(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out, size_t n,
                       void (*combine)(const uint8_t *, const uint8_t *, uint8_t *, size_t))
{
    if (!s || (n && (!in || !out)) || !in_range(offset, n))
        return SREC_ERR_ARG;
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    srec_packet_nonce(packet, nonce);
    while (n) {
        size_t skip = offset % CHACHA_BLOCK, length = CHUNK - skip;
        if (length > n)
            length = n;
        blocks(s, nonce, offset - skip, s->keystream, skip + length);
        combine(in, s->keystream + skip, out, length);
        in += length;
        out += length;
        offset += length;
        n -= length;
    }
    return SREC_OK;
}

srec_status srec_scrambler_keystream(srec_scrambler *s, uint64_t packet, uint64_t offset, uint8_t *out, size_t n)
{
    return run(s, packet, offset, out, out, n, copy);
}

srec_status srec_scrambler_apply(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out,
                                 size_t n)
{
    return run(s, packet, offset, in, out, n, add);
}

srec_status srec_scrambler_remove(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out,
                                  size_t n)
{
    return run(s, packet, offset, in, out, n, subtract);
}

srec_status srec_scrambler_xor(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out,
                               size_t n)
{
    return run(s, packet, offset, in, out, n, exclusive_or);
}

srec_status srec_scrambler_xor_llr(srec_scrambler *s, uint64_t packet, uint64_t offset, const float *in, float *out,
                                   size_t n)
{
    uint8_t ks[512];
    if (!s || (n && (!in || !out)) || !in_range(offset, n))
        return SREC_ERR_ARG;
    for (size_t done = 0; done < n;) {
        size_t length = n - done < sizeof ks ? n - done : sizeof ks;
        srec_status status = run(s, packet, offset + done, ks, ks, length, copy);
        if (status != SREC_OK)
            return status;
        for (size_t i = 0; i < 8 * length; i++) {
            float llr = in[8 * done + i];
            out[8 * done + i] = ks[i >> 3] >> (7 - (i & 7)) & 1 ? -llr : llr;
        }
        done += length;
    }
    return SREC_OK;
}
