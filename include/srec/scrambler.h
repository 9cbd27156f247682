/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The keystream and the two ways it joins the feature bytes. Keystream = ChaCha20 (RFC 8439 block function, libsodium) under
 *  the payload key of the session, nonce = packet number (12 bytes: u32 0, u64 packet, little endian), counter from 0.
 *
 *      add   c = (p + keystream) mod 256        the paper's cipher (SREC eq. 3, 9, 10; back: eq. 5); any modulation
 *      xor   c = p ^ keystream                  equally secret. The soft values of p are those of c with signs flipped, so soft
 *                                               decoding loses nothing against clear; bits only, an amplitude (pam256) needs add
 *
 *  No integrity: whoever can flip a bit on the air flips it in the plaintext. The packet header is what is authenticated. */
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
/*! The cipher that costs soft decoding least: xor where features travel as bits, add where they do as amplitudes. */
SREC_API srec_cipher srec_cipher_for(srec_feature_format format);

/*! Holds the payload key of one session; one thread at a time per handle. */
typedef struct srec_scrambler srec_scrambler;

SREC_API srec_status srec_scrambler_create(const srec_key *key, uint64_t session, srec_scrambler **out);
SREC_API void srec_scrambler_free(srec_scrambler *s); /*!< wipes the key */

/*! Keystream bytes offset .. offset + n - 1 of packet \p packet: random access. offset + n <= 2^38. */
SREC_API srec_status srec_scrambler_keystream(srec_scrambler *s, uint64_t packet, uint64_t offset, uint8_t *out, size_t n);

/*! out[i] = (in[i] + keystream[offset + i]) mod 256. \p out may be \p in; buffers need no alignment.
 *  \param packet use each number once per session */
SREC_API srec_status srec_scrambler_apply(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out, size_t n);

/*! out[i] = (in[i] - keystream[offset + i]) mod 256: the hard descrambler. */
SREC_API srec_status srec_scrambler_remove(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out, size_t n);

/*! out[i] = in[i] ^ keystream[offset + i]: scrambles and descrambles. */
SREC_API srec_status srec_scrambler_xor(srec_scrambler *s, uint64_t packet, uint64_t offset, const uint8_t *in, uint8_t *out, size_t n);

/*! The same on soft values, receiving: the LLR of a plaintext bit is that of the sent bit, negated where the keystream bit is 1.
 *  \param in, out (n, 8) LLRs, most significant bit first; \p out may be \p in */
SREC_API srec_status srec_scrambler_xor_llr(srec_scrambler *s, uint64_t packet, uint64_t offset, const float *in, float *out, size_t n);

SREC_END_DECLS
#endif /* SREC_SCRAMBLER_H */
