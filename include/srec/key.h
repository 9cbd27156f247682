/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Keys and sessions. One 256-bit master key per link; everything else is derived from it by libsodium's KDF.
 *
 *      payload key = KDF(master, session, "srecpayl")     keystream of the scrambler
 *      header key  = KDF(master, session, "srechead")     AEAD of the packet header
 *
 *  A session id is 64 random bits, new at every start of a transmitter, so no (key, nonce) pair repeats across restarts. */
#ifndef SREC_KEY_H
#define SREC_KEY_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_KEY_BYTES 32

typedef struct srec_key {
    uint8_t bytes[SREC_KEY_BYTES];
} srec_key;

/*! 32 random bytes from the operating system. */
SREC_API srec_status srec_key_generate(srec_key *key);

/*! A random session id, never 0. */
SREC_API srec_status srec_session_generate(uint64_t *session);

/*! Write \p key to a new file of exactly 32 bytes, mode 0600. An existing file is left alone: SREC_ERR_IO. */
SREC_API srec_status srec_key_write(const srec_key *key, const char *path, srec_error *error);

/*! Read a key file. Anything but exactly 32 bytes is SREC_ERR_FORMAT. On error \p key is zeroed. */
SREC_API srec_status srec_key_read(srec_key *key, const char *path, srec_error *error);

/*! A key from a number, for tests and simulations that must repeat. Not secret: 64 bits of seed at most. */
SREC_API void srec_key_from_seed(srec_key *key, uint64_t seed);

/*! Zero a key in a way the compiler keeps. */
SREC_API void srec_key_wipe(srec_key *key);

SREC_END_DECLS
#endif /* SREC_KEY_H */
