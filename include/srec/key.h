/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Keys and sessions. A link has one master key of 256 bits. The KDF of libsodium derives all other keys from it:
 *
 *      payload key = KDF(master, session, "srecpayl")     keystream of the scrambler
 *      header key  = KDF(master, session, "srechead")     AEAD of the packet header
 *      layer key   = KDF(master, session, "sreclayr")     keystream and tag of coded layers
 *      marks key   = KDF(master, 0, "srecmark")           tag of a receiver's exported marks
 *
 *  A session id is a random number of 64 bits that a transmitter draws at each start. So no pair of key and nonce
 *  repeats after a restart. */
#ifndef SREC_KEY_H
#define SREC_KEY_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_KEY_BYTES 32 /*!< bytes of a key */

/*! A master key. */
typedef struct srec_key {
    uint8_t bytes[SREC_KEY_BYTES]; /*!< the secret */
} srec_key;

/*! Generate a key: 32 random bytes from the operating system. Any thread may call this function.
 *
 *  \param[out] key  the key
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_INTERNAL if libsodium does not start */
SREC_API srec_status srec_key_generate(srec_key *key) SREC_WARN_UNUSED;

/*! Draw a random session id. Any thread may call this function.
 *
 *  \param[out] session  the session id, never 0
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_INTERNAL if libsodium does not start */
SREC_API srec_status srec_session_generate(uint64_t *session) SREC_WARN_UNUSED;

/*! Allocate memory for a key. The memory is locked (not swapped), excluded from core dumps and surrounded by guard
 *  pages, and srec_key_free() wipes it. If the system refuses to lock it (ulimit -l), the other protections still hold.
 *  A program that keeps one such key and passes its address holds the master key in memory once.
 *
 *  \return a key of zeros; NULL if there is no memory */
SREC_API srec_key *srec_key_new(void) SREC_WARN_UNUSED;

/*! Wipe and free a key.
 *
 *  \param[in] key  a key from srec_key_new(); may be NULL */
SREC_API void srec_key_free(srec_key *key);

/*! Compare two keys in constant time.
 *
 *  \param[in] a  a key; may be NULL
 *  \param[in] b  a key; may be NULL
 *  \return 1 if both are the same key, else 0 */
SREC_API int srec_key_equal(const srec_key *a, const srec_key *b);

/*! Write a key to a new file of 32 bytes, mode 0600. The function does not change an existing file, and leaves no file
 *  behind on error.
 *
 *  \param[in]  key    the key
 *  \param[in]  path   path of the new file
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_IO, also if the file exists */
SREC_API srec_status srec_key_write(const srec_key *key, const char *path, srec_error *error) SREC_WARN_UNUSED;

/*! Read a key from a file or a pipe (/dev/stdin, /dev/fd/N, or a named pipe).
 *
 *  The function waits at most SREC_KEY_WRITER_S seconds until a program opens a named pipe, and at most
 *  SREC_KEY_BYTES_S seconds for its next bytes.
 *
 *  \param[out] key    the key; zeros on error
 *  \param[in]  path   path of the file or pipe
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_IO, also after the waiting times; SREC_ERR_FORMAT if it does not hold
 *          exactly 32 bytes, or is a terminal; SREC_ERR_CANCELLED if a signal handler ran while the function waited */
SREC_API srec_status srec_key_read(srec_key *key, const char *path, srec_error *error) SREC_WARN_UNUSED;

#define SREC_KEY_WRITER_S 10  /*!< maximum wait for the writer of a named pipe, seconds */
#define SREC_KEY_BYTES_S  120 /*!< maximum wait for bytes, seconds */

/*! Read a key as programs accept it: 64 hexadecimal digits, seed:N, or the path of a key file or pipe.
 *
 *  \param[out] key      the key; zeros on error
 *  \param[in]  text     the text
 *  \param[out] warning  one line if the key is weak (a test key, or a file that other users can read or change), else
 *                       an empty message; may be NULL
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return as srec_key_read(); SREC_ERR_FORMAT also for a bad number after "seed:", and for 32 or more hexadecimal
 *          digits that are not 64 and name no file */
SREC_API srec_status srec_key_parse(srec_key *key, const char *text, srec_error *warning,
                                    srec_error *error) SREC_WARN_UNUSED;

/*! Derive a key from a number, for tests and simulations that must be repeatable. The key is not secret.
 *
 *  \param[out] key   the key
 *  \param[in]  seed  the number */
SREC_API void srec_key_from_seed(srec_key *key, uint64_t seed) SREC_NONNULL(1);

/*! Overwrite a key with zeros. The compiler cannot remove this.
 *
 *  \param[out] key  the key; may be NULL */
SREC_API void srec_key_wipe(srec_key *key);

SREC_END_DECLS
#endif /* SREC_KEY_H */
