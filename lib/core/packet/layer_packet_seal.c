/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Keystream and tag of coded layers. */
#include "crypto/key_internal.h"
#include "layer_packet_internal.h"

#include <sodium.h>
#include <string.h>

#define KEYSTREAM_CHUNK       4096u /* bytes, whole blocks */
#define CHACHA_BLOCK          64u
#define KEYSTREAM_FIRST_BLOCK 1u /* block 0 is the tag's one-time key */

_Static_assert(SREC_LAYER_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "the tag is never shortened");
_Static_assert(SREC_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "the layer key is an AEAD key");

typedef struct {
    uint8_t keystream[KEYSTREAM_CHUNK];
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
} cipher;

static void make_keystream(cipher *s, const uint8_t *key, size_t offset, size_t n)
{
    memset(s->keystream, 0, n);
    crypto_stream_chacha20_ietf_xor_ic(s->keystream, s->keystream, n, s->nonce,
                                       KEYSTREAM_FIRST_BLOCK + (uint32_t)(offset / CHACHA_BLOCK), key);
}

/* out = in + sign * keystream, mod 256. \param sign 1 encrypts, -1 decrypts \param out (n) may be in */
static void add_keystream(const uint8_t *key, uint64_t origin, int sign, const uint8_t *in, size_t n, uint8_t *out)
{
    cipher s;
    srec_packet_nonce(origin, s.nonce);
    for (size_t at = 0; at < n; at += KEYSTREAM_CHUNK) {
        const size_t length = n - at < KEYSTREAM_CHUNK ? n - at : KEYSTREAM_CHUNK;
        make_keystream(&s, key, at, length);
        for (size_t i = 0; i < length; i++)
            out[at + i] = (uint8_t)(in[at + i] + sign * s.keystream[i]); /* the cast is the reduction */
    }
    sodium_memzero(&s, sizeof s);
}

/* The associated data of the tag. \return its length */
static size_t list_tagged(const srec_layer_packet *p, const uint8_t *c, uint8_t *out)
{
    srec_layer_fixed_fields(p, out);
    memcpy(out + SREC_LAYER_FIXED_BYTES, c, p->piece.n_bytes);
    return SREC_LAYER_FIXED_BYTES + p->piece.n_bytes;
}

void srec_layer_seal(const uint8_t key[SREC_KEY_BYTES], const srec_layer_packet *p, uint8_t *fixed_and_c, uint8_t *out)
{
    const size_t n = p->piece.n_bytes;
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    srec_packet_nonce(p->origin, nonce);
    if (p->signal.cipher == SREC_CIPHER_NONE)
        memcpy(out, p->piece.bytes, n);
    else
        add_keystream(key, p->origin, 1, p->piece.bytes, n, out);
    const size_t n_tagged = list_tagged(p, out, fixed_and_c);
    crypto_aead_chacha20poly1305_ietf_encrypt(out + n, NULL, NULL, 0, fixed_and_c, n_tagged, NULL, nonce, key);
}

srec_status srec_layer_open(const uint8_t key[SREC_KEY_BYTES], const srec_layer_packet *p, uint8_t *fixed_and_c,
                            uint8_t *in)
{
    const size_t n = p->piece.n_bytes;
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    srec_packet_nonce(p->origin, nonce);
    const size_t n_tagged = list_tagged(p, in, fixed_and_c);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(NULL, NULL, NULL, in + n, SREC_LAYER_TAG_BYTES, fixed_and_c, n_tagged,
                                                  nonce, key) != 0) {
        memset(in, 0, n + SREC_LAYER_TAG_BYTES);
        return SREC_ERR_AUTH;
    }
    if (p->signal.cipher != SREC_CIPHER_NONE)
        add_keystream(key, p->origin, -1, in, n, in);
    return SREC_OK;
}
