/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The soft descrambler. It computes the posterior mean and standard deviation of every feature, from the soft values
 *  of its scrambled byte, the keystream and the prior of the model.
 *
 *  For each byte it computes the likelihood of the 256 ciphertext values: from 8 LLRs as the outer product of two
 *  tables of 16 entries, from an amplitude as a Gaussian. It rotates the likelihood by the key byte, multiplies it by
 *  the prior and normalises it. The prior tables hold each row twice in a row, so the rotation is a pointer offset, and
 *  the moments are three dot products of 256 values. */
#ifndef SREC_DESCRAMBLER_H
#define SREC_DESCRAMBLER_H

#include <srec/damage.h>
#include <srec/model.h>
#include <srec/modem.h>
#include <srec/scrambler.h>

SREC_BEGIN_DECLS

/*! A descrambler. One thread at a time may use it; different descramblers are independent. It belongs to no session:
 *  the scrambler of the session of a packet generates the keystream. */
typedef struct srec_descrambler srec_descrambler;

/*! Create a descrambler for one feature format.
 *
 *  \param[in]  priors  the priors; they are copied, 6 kB per table
 *  \param[out] out     the descrambler, or NULL on error
 *  \param[out] error   says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_MEMORY; SREC_ERR_ARG if a row is no probability distribution, or if ladder and covariances
 *          are invalid */
SREC_API srec_status srec_descrambler_create(const srec_priors *priors, srec_descrambler **out,
                                             srec_error *error) SREC_WARN_UNUSED;

/*! Free a descrambler.
 *
 *  \param[in] d  the descrambler; may be NULL */
SREC_API void srec_descrambler_free(srec_descrambler *d);

/*! The received bytes of one packet. Fields that are not set are 0 or NULL: BPSK, no keystream, no patches. */
typedef struct srec_descrambler_input {
    srec_modulation modulation; /*!< determines the soft values per byte: srec_modem_soft_per_byte() */
    const uint8_t *keystream;   /*!< (n) keystream that was added modulo 256; NULL: none */
    const float *soft;          /*!< (n, 8) LLRs, most significant bit first, positive for bit 0. Infinite values are
                                 *   allowed; NaN counts as 0. pam256: (n, 2) received amplitude, and noise variance
                                 *   per real dimension; NaN: nothing is known of the byte */
    const uint8_t *tables;      /*!< (n) index of the prior table of each feature: srec_slice_prior_tables(); hard
                                 *   decisions do not read it */
    size_t n;                   /*!< number of features */
    const uint8_t *rate_map; /*!< (n_patches) ladder step of each patch; the features are ordered patch by patch. Only
                                 *   srec_descrambler_soft() reads it */
    size_t n_patches;        /*!< number of patches */
} srec_descrambler_input;

/*! Estimate features, each byte separately. In pam256, byte c was sent as the amplitude (c - 127.5) * SREC_PAM256_STEP.
 *
 *  \param[in]  d          the descrambler
 *  \param[in]  in         the bytes
 *  \param[out] mean       (n) posterior mean, in units of the normalised feature
 *  \param[out] deviation  (n) posterior standard deviation, in the same units
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_descrambler_bytes(srec_descrambler *d, const srec_descrambler_input *in, float *mean,
                                            float *deviation) SREC_WARN_UNUSED;

/*! Estimate features from soft values, with re-weighting. A receiver calls this function.
 *
 *  It first estimates each byte separately, as srec_descrambler_bytes() does. If the model has the covariance of the
 *  features of a patch, it then predicts each feature from the estimates of the other features of its patch, and
 *  estimates it again with this prediction as its prior (expectation propagation, Minka 2001). This resolves most bytes
 *  whose soft values allow several values, if their neighbours are certain.
 *
 *  \param[in]  d          the descrambler
 *  \param[in]  in         the bytes
 *  \param[out] mean       (n) posterior mean, in units of the normalised feature
 *  \param[out] deviation  (n) posterior standard deviation, in the same units
 *  \return SREC_OK; SREC_ERR_ARG, also if the model has a covariance and the ladder steps do not add up to n
 *          features */
SREC_API srec_status srec_descrambler_soft(srec_descrambler *d, const srec_descrambler_input *in, float *mean,
                                           float *deviation) SREC_WARN_UNUSED;

/*! Signs of damage in the features of the last call. The figures of the header are 0. After hard decisions all figures
 *  are 0, and srec_descrambler_bytes() measures no correlation.
 *
 *  \param[in]  d    the descrambler
 *  \param[out] out  the figures */
SREC_API void srec_descrambler_damage(const srec_descrambler *d, srec_damage *out) SREC_NONNULL(1, 2);

/*! Decide each byte first, as in the paper (SREC eq. 5). The deviation is 0.
 *
 *  \param[in]  d          the descrambler
 *  \param[in]  in         the bytes
 *  \param[out] mean       (n) decided values, in units of the normalised feature
 *  \param[out] deviation  (n) zeros
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_descrambler_hard(srec_descrambler *d, const srec_descrambler_input *in, float *mean,
                                           float *deviation) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_DESCRAMBLER_H */
