/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/scrambler.h>

#include "key_internal.h"
#include "permutation.h"
#include "vector_math.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHACHA_BLOCK 64u
#define CHUNK        8192u /* bytes of keystream made at a time: fits the first-level cache */

struct srec_scrambler {
    uint8_t key[SREC_KEY_BYTES];
    uint8_t keystream[CHUNK];
    uint8_t payload[SREC_PAYLOAD_MAX]; /* or its keystream, between two steps */
    uint16_t order[SREC_PAYLOAD_MAX];  /* of the current packet */
};

static const char *const cipher_names[SREC_CIPHERS] = { "add", "none", "xor" };

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

srec_status srec_scrambler_create(const srec_key *key, uint64_t session, srec_scrambler **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!key || !out)
        return srec_fail(error, SREC_ERR_ARG, "scrambler: NULL argument");
    srec_scrambler *s = calloc(1, sizeof *s);
    if (!s)
        return srec_fail(error, SREC_ERR_MEMORY, "scrambler: out of memory");
    srec_status status = srec_key_derive_payload(key, session, s->key);
    if (status != SREC_OK) {
        srec_scrambler_free(s);
        return srec_fail(error, status, "scrambler: %s", srec_strerror(status));
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

/* Write \p n bytes of keystream from a multiple of the block size; n <= CHUNK. */
static void blocks(const srec_scrambler *s, const uint8_t nonce[SREC_NONCE_BYTES], uint64_t offset, uint8_t *out,
                   size_t n)
{
    memset(out, 0, n);
    crypto_stream_chacha20_ietf_xor_ic(out, out, n, nonce, (uint32_t)(offset / CHACHA_BLOCK), s->key);
}

static bool in_range(uint64_t offset, size_t n)
{
    const uint64_t limit =
        (uint64_t)SREC_PERMUTATION_FIRST_BLOCK * CHACHA_BLOCK; /* the words of the order begin here */
    return offset <= limit && n <= limit - offset;
}

/* The operations that combine bytes and keystream. Each is a separate function, so that the compiler vectorises its
 * loop. */
static void add(const uint8_t *in, const uint8_t *ks, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(in[i] + ks[i]); /* mod 256: the cast reduces the sum */
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

/* n bytes of a packet from an offset on. */
typedef struct {
    uint64_t packet;
    uint64_t offset;
    const uint8_t *in;
    uint8_t *out;
    size_t n;
} span;

static srec_status run(srec_scrambler *s, span at, void (*combine)(const uint8_t *, const uint8_t *, uint8_t *, size_t))
{
    if (!s || (at.n && (!at.in || !at.out)) || !in_range(at.offset, at.n))
        return SREC_ERR_ARG;
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    srec_packet_nonce(at.packet, nonce);
    while (at.n) {
        size_t skip = at.offset % CHACHA_BLOCK, length = CHUNK - skip;
        if (length > at.n)
            length = at.n;
        blocks(s, nonce, at.offset - skip, s->keystream, skip + length);
        combine(at.in, s->keystream + skip, at.out, length);
        at.in += length;
        at.out += length;
        at.offset += length;
        at.n -= length;
    }
    return SREC_OK;
}

srec_status srec_scrambler_keystream(srec_scrambler *s, uint64_t packet, uint64_t offset, uint8_t *out, size_t n)
{
    return run(s, (span){ packet, offset, out, out, n }, copy);
}

srec_status srec_scrambler_apply(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out,
                                 size_t n)
{
    return run(s, (span){ packet, offset, in, out, n }, add);
}

srec_status srec_scrambler_remove(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out,
                                  size_t n)
{
    return run(s, (span){ packet, offset, in, out, n }, subtract);
}

srec_status srec_scrambler_xor(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out,
                               size_t n)
{
    return run(s, (span){ packet, offset, in, out, n }, exclusive_or);
}

static bool valid_payload(const srec_scrambler *s, srec_cipher cipher, const void *in, const void *out, size_t n)
{
    return s && (unsigned)cipher < SREC_CIPHERS && n <= SREC_PAYLOAD_MAX && (!n || (in && out));
}

srec_status srec_scrambler_scramble(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const uint8_t *in,
                                    uint8_t *out, size_t n)
{
    if (!valid_payload(s, cipher, in, out, n))
        return SREC_ERR_ARG;
    if (cipher != SREC_CIPHER_NONE)
        run(s, (span){ packet, 0, in, s->payload, n }, cipher == SREC_CIPHER_XOR ? exclusive_or : add);
    else if (n)
        memcpy(s->payload, in, n);
    srec_permutation_draw(s->key, packet, s->order, n);
    for (size_t i = 0; i < n; i++)
        out[s->order[i]] = s->payload[i];
    return SREC_OK;
}

srec_status srec_scrambler_descramble(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const uint8_t *in,
                                      uint8_t *out, size_t n)
{
    if (!valid_payload(s, cipher, in, out, n))
        return SREC_ERR_ARG;
    srec_permutation_draw(s->key, packet, s->order, n);
    for (size_t i = 0; i < n; i++)
        s->payload[i] = in[s->order[i]];
    if (cipher != SREC_CIPHER_NONE)
        run(s, (span){ packet, 0, s->payload, out, n }, cipher == SREC_CIPHER_XOR ? exclusive_or : subtract);
    else if (n)
        memcpy(out, s->payload, n);
    return SREC_OK;
}

/* The eight LLRs of a byte as one vector of their bits, the sign on top. Compilers turn a product into a shift by lane,
 * but not a loop over the lanes. */
typedef uint32_t byte_llrs __attribute__((vector_size(8 * sizeof(float))));

/* out[i] = the LLRs at place order[i], negated where the bits of keystream[i] are 1. */
SREC_CLONES static void gather_llr(const uint16_t *order, const uint8_t *keystream, const float *in, float *out,
                                   size_t n)
{
    const byte_llrs to_sign = { 1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31 };
    for (size_t i = 0; i < n; i++) {
        byte_llrs v;
        memcpy(&v, in + 8 * (size_t)order[i], sizeof v);
        v ^= keystream[i] * to_sign & 0x80000000u;
        memcpy(out + 8 * i, &v, sizeof v);
    }
}

srec_status srec_scrambler_restore_llr(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const float *in,
                                       float *out, size_t n)
{
    if (!valid_payload(s, cipher, in, out, n))
        return SREC_ERR_ARG;
    if (cipher == SREC_CIPHER_XOR)
        run(s, (span){ packet, 0, s->payload, s->payload, n }, copy);
    else
        memset(s->payload, 0, n);
    srec_permutation_draw(s->key, packet, s->order, n);
    gather_llr(s->order, s->payload, in, out, n);
    return SREC_OK;
}

srec_status srec_scrambler_restore_amplitude(srec_scrambler *s, uint64_t packet, const float *in, float *out, size_t n)
{
    if (!valid_payload(s, SREC_CIPHER_NONE, in, out, n))
        return SREC_ERR_ARG;
    srec_permutation_draw(s->key, packet, s->order, n);
    for (size_t i = 0; i < n; i++)
        memcpy(out + 2 * i, in + 2 * (size_t)s->order[i], 2 * sizeof *in);
    return SREC_OK;
}
