/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The keystream and the two ways it joins the feature bytes. Keystream = ChaCha20 (RFC 8439 block function,
 *  libsodium) under
 *  the payload key of the session, nonce = packet number (12 bytes: u32 0, u64 packet, little endian), counter from
 *  0.
 *
 *      add   c = (p + keystream) mod 256        the paper's cipher (SREC eq. 3, 9, 10; back: eq. 5); any modulation
 *      xor   c = p ^ keystream                  equally secret. The soft values of p are those of c with signs
 *      flipped, so soft
 *                                               decoding loses nothing against clear; bits only, an amplitude
 *                                               (pam256) needs add
 *
 *  Then the bytes of a packet are put in a secret order, drawn from the same key and nonce, counter from 2^31
 *  (docs/packet-format.md), whatever the cipher, in clear too.
 *
 *  No integrity: whoever can flip a bit on the air flips it in the plaintext of a feature, though he cannot know of
 *  which one. The packet header is what is authenticated. docs/security.md has the whole of it. */
#ifndef SREC_SCRAMBLER_H
#define SREC_SCRAMBLER_H

#include <srec/key.h>
#include <srec/model.h>
#include <stddef.h>

SREC_BEGIN_DECLS

/*! What a payload has been through. */
typedef enum srec_cipher {
    SREC_CIPHER_ADD = 0,
    SREC_CIPHER_NONE = 1, /*!< in clear */
    SREC_CIPHER_XOR = 2
} srec_cipher;
#define SREC_CIPHERS 3

SREC_API const char *srec_cipher_name(srec_cipher cipher); /*!< "add", "none", "xor"; NULL if there is no such */
SREC_API srec_status srec_cipher_parse(const char *name, srec_cipher *out);
/*! The cipher that costs soft decoding least: xor where features travel as bits, add where they do as amplitudes.
 *  */
SREC_API srec_cipher srec_cipher_for(srec_feature_format format);

/*! Most feature bytes of a packet. */
#define SREC_PAYLOAD_MAX 30000u

/*! Holds the payload key of one session; one thread at a time per handle. */
typedef struct srec_scrambler srec_scrambler;

SREC_API srec_status srec_scrambler_create(const srec_key *key, uint64_t session, srec_scrambler **out);
SREC_API void srec_scrambler_free(srec_scrambler *s); /*!< wipes the key */

/*! All that a transmitter does to the feature bytes of a packet: the cipher, then the secret order.
 *  \param packet use each number once per session
 *  \param in, out (n) \p out may be \p in; n <= SREC_PAYLOAD_MAX, else SREC_ERR_ARG */
SREC_API srec_status srec_scrambler_scramble(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const uint8_t *in,
                                             uint8_t *out, size_t n);

/*! The inverse, on bytes. */
SREC_API srec_status srec_scrambler_descramble(srec_scrambler *s, uint64_t packet, srec_cipher cipher,
                                               const uint8_t *in, uint8_t *out, size_t n);

/*! A receiver's first steps, on soft values: the order undone, for xor also the keystream. For add the keystream is
 *  left to srec_descrambler_soft().
 *  \param in  (n, 8) LLRs of a payload's bits, most significant bit first, in the order of the air
 *  \param out (n, 8) LLRs of the slice's bits: of the plaintext (none, xor) or of the sum (add); not \p in
 *  \param n   <= SREC_PAYLOAD_MAX */
SREC_API srec_status srec_scrambler_restore_llr(srec_scrambler *s, uint64_t packet, srec_cipher cipher, const float *in,
                                                float *out, size_t n);

/*! The order undone on amplitudes and variances (n, 2); \p out not \p in. */
SREC_API srec_status srec_scrambler_restore_amplitude(srec_scrambler *s, uint64_t packet, const float *in, float *out,
                                                      size_t n);

/*! Keystream bytes offset .. offset + n - 1 of packet \p packet: random access. offset + n <= 2^37. */
SREC_API srec_status srec_scrambler_keystream(srec_scrambler *s, uint64_t packet, uint64_t offset, uint8_t *out,
                                              size_t n);

/*! out[i] = (in[i] + keystream[offset + i]) mod 256. \p out may be \p in; buffers need no alignment.
 *  \param packet use each number once per session */
SREC_API srec_status srec_scrambler_apply(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in,
                                          uint8_t *out, size_t n);

/*! out[i] = (in[i] - keystream[offset + i]) mod 256: the hard descrambler. */
SREC_API srec_status srec_scrambler_remove(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in,
                                           uint8_t *out, size_t n);

/*! out[i] = in[i] ^ keystream[offset + i]: scrambles and descrambles. */
SREC_API srec_status srec_scrambler_xor(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in,
                                        uint8_t *out, size_t n);

SREC_END_DECLS
#endif /* SREC_SCRAMBLER_H */
