/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The soft descrambler: posterior mean and standard deviation of every feature, given what the channel says of its
 *  scrambled byte, the keystream and the model's prior.
 *
 *  likelihood of the 256 ciphertext values (from 8 LLRs: two 16-entry tables, outer product; from an amplitude: a
 *  Gaussian), rotated by the key byte, times the prior, normalised. With the prior tables doubled to 512 entries
 *  the
 *  rotation is a pointer offset and the three sums are three 256-long dot products. */
#ifndef SREC_DESCRAMBLER_H
#define SREC_DESCRAMBLER_H

#include <srec/damage.h>
#include <srec/model.h>
#include <srec/modem.h>
#include <srec/scrambler.h>

SREC_BEGIN_DECLS

/*! One thread at a time per handle. Independent of sessions: the scrambler of the packet's session gives the
 *  keystream. */
typedef struct srec_descrambler srec_descrambler;

/*! \p priors is copied (tables doubled: 6 kB each). */
SREC_API srec_status srec_descrambler_create(const srec_priors *priors, srec_descrambler **out);
SREC_API void srec_descrambler_free(srec_descrambler *d);

/*! Each byte on its own.
 *  \param keystream (n) of the packet; NULL if the payload was sent in clear
 *  \param soft      (n, 8) LLRs, most significant bit first, positive for bit 0; any finite or infinite value, NaN
 *  counts as 0
 *  \param tables    (n) prior table of each feature, < n_tables
 *  \param[out] mean, deviation (n) in units of the normalised feature */
SREC_API srec_status srec_descrambler_llr(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                          const uint8_t *tables, size_t n, float *mean, float *deviation);

/*! \param soft (n, 2): received amplitude y and noise variance per real dimension (pam256: byte c is sent as (c -
 *  127.5) * SREC_PAM256_STEP) */
SREC_API srec_status srec_descrambler_amplitude(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                                const uint8_t *tables, size_t n, float *mean, float *deviation);

/*! All that can be told: each byte on its own as above, then, where the model knows the covariance of a patch's
 *  features, with what
 *  the others tell: each is predicted from the others' estimates, leaving itself out, and weighed anew with that in
 *  its prior.
 *  A byte whose certain neighbours say where it must lie, modulo 256, is mostly resolved by it.
 *  \param modulation tells what \p soft holds (srec_modem_soft_per_byte())
 *  \param rate_map (n_patches) ladder step of each patch; their features, \p n in all, follow each other
 *  \return SREC_OK, SREC_ERR_ARG if steps and \p n do not fit */
SREC_API srec_status srec_descrambler_soft(srec_descrambler *d, srec_modulation modulation, const uint8_t *keystream,
                                           const float *soft, const uint8_t *tables, const uint8_t *rate_map,
                                           size_t n_patches, size_t n, float *mean, float *deviation);

/*! What the last soft call's features say about damage; the header's figures are 0. After hard decisions all are 0.
 *  */
SREC_API void srec_descrambler_damage(const srec_descrambler *d, srec_damage *out);

/*! Hard decisions, as the paper does: deviation 0. */
SREC_API srec_status srec_descrambler_hard(srec_descrambler *d, srec_modulation modulation, const uint8_t *keystream,
                                           const float *soft, size_t n, float *mean, float *deviation);

SREC_END_DECLS
#endif /* SREC_DESCRAMBLER_H */
