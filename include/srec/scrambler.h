/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The scrambler: ciphers and secret order.
 *
 *  The keystream is ChaCha20 (RFC 8439, libsodium) with the payload key of the session. The nonce is the packet number
 *  (12 bytes: u32 0, u64 packet number, little endian), and the block counter starts at 0. There are two ciphers:
 *
 *      add   c = (p + keystream) mod 256    the paper's cipher (SREC eq. 3, 9, 10; inverse: eq. 5)
 *      xor   c = p ^ keystream              equally secret; the LLRs of p are those of c with changed signs, so
 *                                           encryption costs soft decoding nothing. Not for amplitudes (pam256)
 *
 *  The bytes of a packet are then put in a secret order, with every cipher and in clear too. The order comes from the
 *  same key and nonce, with a block counter from 2^31 (docs/packet-format.md).
 *
 *  Payloads have no integrity. An attacker who flips a bit on the air flips a bit of a feature, but he does not know of
 *  which feature. The packet header has integrity. docs/security.md describes all properties. */
#ifndef SREC_SCRAMBLER_H
#define SREC_SCRAMBLER_H

#include <srec/key.h>
#include <srec/model.h>
#include <stddef.h>

SREC_BEGIN_DECLS

/*! Ciphers of a payload. The values are those of the signal field (packet.h). */
typedef enum srec_cipher {
    SREC_CIPHER_ADD = 0,  /*!< addition modulo 256 */
    SREC_CIPHER_NONE = 1, /*!< in clear */
    SREC_CIPHER_XOR = 2   /*!< exclusive or */
} srec_cipher;

#define SREC_CIPHERS 3 /*!< number of values of srec_cipher */

/*! Name of a cipher.
 *
 *  \param[in] cipher  the cipher
 *  \return "add", "none" or "xor" in static storage; NULL if \p cipher is out of range */
SREC_API const char *srec_cipher_name(srec_cipher cipher);

/*! Find a cipher by its name.
 *
 *  \param[in]  name  "add", "none" or "xor", in lower case
 *  \param[out] out   the cipher
 *  \return SREC_OK; SREC_ERR_ARG for other names */
SREC_API srec_status srec_cipher_parse(const char *name, srec_cipher *out) SREC_WARN_UNUSED;

/*! The cipher that costs soft decoding least.
 *
 *  \param[in] format  the feature format
 *  \return SREC_CIPHER_XOR for bits, SREC_CIPHER_ADD for amplitudes */
SREC_API srec_cipher srec_cipher_for(srec_feature_format format);

/*! Maximum feature bytes of a packet. */
#define SREC_PAYLOAD_MAX 30000u

/*! Holds the payload key of one session. One thread at a time may use a scrambler; different scramblers are
 *  independent. */
typedef struct srec_scrambler srec_scrambler;

/*! Create a scrambler.
 *
 *  \param[in]  key      the master key; it is not needed afterwards
 *  \param[in]  session  the session
 *  \param[out] out      the scrambler, or NULL on error
 *  \param[out] error    says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium fails */
SREC_API srec_status srec_scrambler_create(const srec_key *key, uint64_t session, srec_scrambler **out,
                                           srec_error *error) SREC_WARN_UNUSED;

/*! Wipe and free a scrambler.
 *
 *  \param[in] s  the scrambler; may be NULL */
SREC_API void srec_scrambler_free(srec_scrambler *s);

/*! Scramble the feature bytes of a packet: apply the cipher, then the secret order. A transmitter calls this function.
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet; use each number once per session
 *  \param[in]  cipher  the cipher
 *  \param[in]  in      (n) feature bytes
 *  \param[out] out     (n) payload of the packet; may be \p in
 *  \param[in]  n       number of bytes, at most SREC_PAYLOAD_MAX
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_scramble(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const uint8_t *in,
                                             uint8_t *out, size_t n) SREC_WARN_UNUSED;

/*! Descramble decided bytes, the inverse of srec_scrambler_scramble().
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet
 *  \param[in]  cipher  the cipher
 *  \param[in]  in      (n) payload of the packet
 *  \param[out] out     (n) feature bytes; may be \p in
 *  \param[in]  n       number of bytes, at most SREC_PAYLOAD_MAX
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_descramble(srec_scrambler *s, uint64_t packet, srec_cipher cipher,
                                               const uint8_t *in, uint8_t *out, size_t n) SREC_WARN_UNUSED;

/*! Prepare LLRs for the descrambler: reverse the secret order, and for xor remove the keystream too. For add,
 *  srec_descrambler_soft() takes the keystream.
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet
 *  \param[in]  cipher  the cipher
 *  \param[in]  in      (n, 8) LLRs of the payload in the order of the air, most significant bit first
 *  \param[out] out     (n, 8) LLRs of the feature bytes (none, xor) or of their sum with the keystream (add); not \p in
 *  \param[in]  n       number of bytes, at most SREC_PAYLOAD_MAX
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_restore_llr(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const float *in,
                                                float *out, size_t n) SREC_WARN_UNUSED;

/*! Prepare amplitudes for the descrambler: reverse the secret order.
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet
 *  \param[in]  in      (n, 2) amplitudes and variances of the payload in the order of the air
 *  \param[out] out     (n, 2) amplitudes and variances in the order of the features; not \p in
 *  \param[in]  n       number of bytes, at most SREC_PAYLOAD_MAX
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_restore_amplitude(srec_scrambler *s, uint64_t packet, const float *in, float *out,
                                                      size_t n) SREC_WARN_UNUSED;

/*! Generate the keystream of a packet, from any position.
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet
 *  \param[in]  offset  position of the first byte; offset + n is at most 2^37
 *  \param[out] out     (n) keystream
 *  \param[in]  n       number of bytes
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_keystream(srec_scrambler *s, uint64_t packet, uint64_t offset, uint8_t *out,
                                              size_t n) SREC_WARN_UNUSED;

/*! Add the keystream: out[i] = (in[i] + keystream[offset + i]) mod 256 (SREC eq. 3).
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet; use each number once per session
 *  \param[in]  offset  position of the first keystream byte; offset + n is at most 2^37
 *  \param[in]  in      (n) bytes
 *  \param[out] out     (n) bytes; may be \p in
 *  \param[in]  n       number of bytes
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_apply(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in,
                                          uint8_t *out, size_t n) SREC_WARN_UNUSED;

/*! Subtract the keystream: out[i] = (in[i] - keystream[offset + i]) mod 256, the hard descrambler (SREC eq. 5).
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet
 *  \param[in]  offset  position of the first keystream byte; offset + n is at most 2^37
 *  \param[in]  in      (n) bytes
 *  \param[out] out     (n) bytes; may be \p in
 *  \param[in]  n       number of bytes
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_remove(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in,
                                           uint8_t *out, size_t n) SREC_WARN_UNUSED;

/*! Apply the keystream by exclusive or, which scrambles and descrambles: out[i] = in[i] ^ keystream[offset + i].
 *
 *  \param[in]  s       the scrambler
 *  \param[in]  packet  number of the packet; use each number once per session to scramble
 *  \param[in]  offset  position of the first keystream byte; offset + n is at most 2^37
 *  \param[in]  in      (n) bytes
 *  \param[out] out     (n) bytes; may be \p in
 *  \param[in]  n       number of bytes
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_xor(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in,
                                        uint8_t *out, size_t n) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_SCRAMBLER_H */
