/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Measures damage in the features of a packet (srec/damage.h), for the descrambler. */
#ifndef SREC_PLAUSIBILITY_H
#define SREC_PLAUSIBILITY_H

#include <srec/damage.h>

#include <stddef.h>
#include <string.h>

#define SREC_RATIO_OCTAVES 9 /* likelihood ratios from 2^-9 to 2^9; others count as the nearest of these */
#define SREC_RATIO_BINS    (2 * SREC_RATIO_OCTAVES * 8)

/* Histogram of likelihood ratios, 8 bins per octave. */
typedef struct {
    uint32_t count[SREC_RATIO_BINS];
} srec_ratios;

/* Add a byte that is \p ratio times as likely to be random as to follow its prior.
 * \param ratio not negative, not NaN */
static inline void srec_ratios_add(srec_ratios *r, float ratio)
{
    int32_t bits;
    memcpy(&bits, &ratio, sizeof bits);
    const int32_t bin = (bits >> 20) - ((127 - SREC_RATIO_OCTAVES) << 3); /* exponent and 3 bits of the fraction */
    r->count[bin < 0 ? 0 : bin < SREC_RATIO_BINS ? bin : SREC_RATIO_BINS - 1]++;
}

/* Most probable share of random bytes, after 25 additional bytes that follow their priors. */
double srec_ratios_random_share(const srec_ratios *r);

/* For each of the k features of a patch, find the feature with the strongest correlation.
 * \param covariance (k, k) positive on its diagonal
 * \param[out] partner, correlation (k) */
void srec_find_partners(const float *covariance, size_t k, uint16_t *partner, float *correlation);

/* The estimates of a patch, from each byte alone. */
typedef struct srec_related_patch {
    const float *mean;        /* (n) */
    const float *deviation;   /* (n) */
    const float *before;      /* (n) means of the previous patch if it has as many features, else NULL */
    const uint16_t *partner;  /* (n) srec_find_partners() */
    const float *correlation; /* (n) with the partner */
    size_t n;
    float variance; /* of a feature in a usual patch */
} srec_related_patch;

/* Add the relations of a patch. All patches have the same weight, whatever the variance of their features.
 * \param[in,out] damage receives the relations */
void srec_relate(const srec_related_patch *p, srec_damage *damage);

/* Compare the bits of a coded field with their LLRs.
 * \param llr (n) positive where the sign is right
 * \param[in,out] damage receives the header's figures */
void srec_count_header_errors(const float *llr, size_t n, srec_damage *damage);

#endif /* SREC_PLAUSIBILITY_H */
