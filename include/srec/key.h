/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Keys and sessions. One 256-bit master key per link; everything else is derived from it by libsodium's KDF.
 *
 *      payload key = KDF(master, session, "srecpayl")     keystream of the scrambler
 *      header key  = KDF(master, session, "srechead")     AEAD of the packet header
 *      marks key   = KDF(master, 0, "srecmark")           tag of a receiver's exported marks
 *
 *  A session id is 64 random bits, new at every start of a transmitter, so no (key, nonce) pair repeats across
 *  restarts. */
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

/*! A key, all zero, in memory of its own: locked (not swapped), left out of core dumps, between guard pages, wiped
 *  by
 *  srec_key_free(). Where the system refuses to lock it (ulimit -l), the rest still holds. A program that keeps one
 *  such
 *  key and hands its address around has the master key in memory once. \return NULL if there is no memory */
SREC_API srec_key *srec_key_new(void);
SREC_API void srec_key_free(srec_key *key); /*!< of srec_key_new(); may be NULL */

/*! 1 if both are the same key, else 0; takes equally long in either case. */
SREC_API int srec_key_equal(const srec_key *a, const srec_key *b);

/*! Write \p key to a new file of exactly 32 bytes, mode 0600. An existing file is left alone: SREC_ERR_IO. Nothing
 *  is
 *  left behind on error. */
SREC_API srec_status srec_key_write(const srec_key *key, const char *path, srec_error *error);

/*! Read a key file, or a pipe (/dev/stdin, /dev/fd/N, a named one). Anything but exactly 32 bytes is
 *  SREC_ERR_FORMAT. On
 *  error \p key is zeroed. Waits SREC_KEY_WRITER_S for a program to open a named pipe, and SREC_KEY_BYTES_S for its
 *  bytes:
 *  SREC_ERR_IO after that, SREC_ERR_CANCELLED if a signal handler runs meanwhile. */
SREC_API srec_status srec_key_read(srec_key *key, const char *path, srec_error *error);
#define SREC_KEY_WRITER_S 10
#define SREC_KEY_BYTES_S  120

/*! A key as programs take it: 64 hex digits, seed:N, or else the path of a key file or pipe for srec_key_read().
 *  \param[out] warning one line if the key is doubtful (others can read its file; it is for tests only), else an
 *  empty
 *                      message; may be NULL
 *  \return as srec_key_read(); SREC_ERR_FORMAT also for a bad number after "seed:" */
SREC_API srec_status srec_key_parse(srec_key *key, const char *text, srec_error *warning, srec_error *error);

/*! A key from a number, for tests and simulations that must repeat. Not secret: 64 bits of seed at most. */
SREC_API void srec_key_from_seed(srec_key *key, uint64_t seed);

/*! Zero a key in a way the compiler keeps. */
SREC_API void srec_key_wipe(srec_key *key);

SREC_END_DECLS
#endif /* SREC_KEY_H */
