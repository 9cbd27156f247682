/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What a packet's features say about damage (srec/damage.h), measured by the descrambler on its way. */
#ifndef SREC_PLAUSIBILITY_H
#define SREC_PLAUSIBILITY_H

#include <srec/damage.h>

#include <stddef.h>
#include <string.h>

#define SREC_RATIO_OCTAVES 9 /* ratios of likelihoods from 2^-9 to 2^9, others count as these */
#define SREC_RATIO_BINS    (2 * SREC_RATIO_OCTAVES * 8)

/* How often each ratio came, 8 bins an octave. */
typedef struct {
    uint32_t count[SREC_RATIO_BINS];
} srec_ratios;

/* A byte is \p ratio times as likely to be random as to follow its prior. \param ratio not negative, not NaN */
static inline void srec_ratios_add(srec_ratios *r, float ratio)
{
    int32_t bits;
    memcpy(&bits, &ratio, sizeof bits);
    const int32_t bin = (bits >> 20) - ((127 - SREC_RATIO_OCTAVES) << 3); /* exponent and 3 bits of the fraction */
    r->count[bin < 0 ? 0 : bin < SREC_RATIO_BINS ? bin : SREC_RATIO_BINS - 1]++;
}

/* Share of random bytes: the most probable one, after 25 more bytes that follow their priors. */
double srec_ratios_random_share(const srec_ratios *r);

/* For each of the k features of a patch the one it is most correlated with.
 * \param covariance (k, k) positive on its diagonal \param[out] partner, correlation (k) */
void srec_find_partners(const float *covariance, size_t k, uint16_t *partner, float *correlation);

/* Add a patch's relations. Patches count alike, however busy they are.
 * \param mean, deviation (k) estimates from each byte alone
 * \param before (k) means of the patch before if it has as many features, else NULL
 * \param variance of a feature in a usual patch \param damage its relations grow */
void srec_relate(const float *mean, const float *deviation, const float *before, const uint16_t *partner,
                 const float *correlation, size_t k, float variance, srec_damage *damage);

/* Compare a coded field's bits with their LLRs.
 * \param llr (n) positive where the sign is right \param damage its header's figures grow */
void srec_count_header_errors(const float *llr, size_t n, srec_damage *damage);

#endif /* SREC_PLAUSIBILITY_H */
