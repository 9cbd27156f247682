/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bytes.h"
#include "key_internal.h"

#include <sodium.h>
#include <string.h>

_Static_assert(SREC_KEY_BYTES == crypto_kdf_KEYBYTES, "the master key is a KDF key");

#define STACK_BYTES 4096u /* upper bound of what the KDF leaves on the stack */

srec_key *srec_key_new(void)
{
    if (sodium_init() < 0)
        return NULL;
    srec_key *key = sodium_malloc(sizeof *key);
    if (key)
        sodium_memzero(key, sizeof *key);
    return key;
}

void srec_key_free(srec_key *key) { sodium_free(key); /* wipes it */ }

int srec_key_equal(const srec_key *a, const srec_key *b) { return a && b && sodium_memcmp(a, b, sizeof *a) == 0; }

srec_status srec_key_generate(srec_key *key)
{
    if (!key)
        return SREC_ERR_ARG;
    if (sodium_init() < 0)
        return SREC_ERR_INTERNAL;
    crypto_kdf_keygen(key->bytes);
    return SREC_OK;
}

srec_status srec_session_generate(uint64_t *session)
{
    if (!session)
        return SREC_ERR_ARG;
    if (sodium_init() < 0)
        return SREC_ERR_INTERNAL;
    do
        randombytes_buf(session, sizeof *session);
    while (*session == 0);
    return SREC_OK;
}

void srec_key_from_seed(srec_key *key, uint64_t seed)
{
    uint8_t wide[crypto_generichash_KEYBYTES] = { 0 };
    for (unsigned i = 0; i < 8; i++)
        wide[i] = (uint8_t)(seed >> (8 * i));
    crypto_generichash(key->bytes, sizeof key->bytes, wide, sizeof wide, NULL, 0);
}

void srec_key_wipe(srec_key *key)
{
    if (key)
        sodium_memzero(key, sizeof *key);
}

static srec_status derive(const srec_key *key, uint64_t session, const char context[crypto_kdf_CONTEXTBYTES],
                          uint8_t *out)
{
    if (!key || !out)
        return SREC_ERR_ARG;
    memset(out, 0, SREC_KEY_BYTES);
    if (sodium_init() < 0)
        return SREC_ERR_INTERNAL;
    const int failed = crypto_kdf_derive_from_key(out, SREC_KEY_BYTES, session, context, key->bytes);
    sodium_stackzero(STACK_BYTES);
    return failed ? SREC_ERR_INTERNAL : SREC_OK;
}

srec_status srec_key_derive_payload(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES])
{
    return derive(key, session, "srecpayl", out);
}

srec_status srec_key_derive_layers(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES])
{
    return derive(key, session, "sreclayr", out);
}

srec_status srec_key_derive_header(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES])
{
    return derive(key, session, "srechead", out);
}

srec_status srec_key_derive_marks(const srec_key *key, uint8_t out[SREC_KEY_BYTES])
{
    return derive(key, 0, "srecmark", out);
}

void srec_packet_nonce(uint64_t packet, uint8_t nonce[SREC_NONCE_BYTES])
{
    memset(nonce, 0, 4);
    put_le(nonce + 4, packet, 8);
}
