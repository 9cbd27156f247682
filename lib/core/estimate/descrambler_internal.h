/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Inside the descrambler. descrambler.c estimates bytes separately, descrambler_refine.c re-weights the features of a
 *  patch, descrambler_exact.c is the specification of both, and descrambler_priors.c prepares their tables. */
#ifndef SREC_DESCRAMBLER_INTERNAL_H
#define SREC_DESCRAMBLER_INTERNAL_H

#include "plausibility.h"

#include <srec/descrambler.h>

#define SREC_BYTE_VALUES  256u
/* Tables of predictions, one for each quarter octave of the deviation. */
#define SREC_WIDTHS       41u
#define SREC_WIDTH_LOWEST (-28) /* from 2^-7 to 2^3 */

struct srec_descrambler {
    float levels; /* byte levels per unit of a feature */
    unsigned n_tables;
    /* (n_tables + SREC_WIDTHS, 3, 512): p, p v, p v^2 over the byte value, written twice in a row; v = (byte - 128) /
     * levels. The model's tables come first, then those of predictions, which are centred at 128. */
    float *tables;
    unsigned n_steps;
    unsigned longest;  /* features of the longest step */
    unsigned *ladder;  /* (n_steps) features of each step; NULL: no covariances */
    float *covariance; /* of all steps, one after the other */
    /* (sum of ladder) results of srec_find_partners() for all steps, one after the other. */
    uint16_t *partner;
    float *correlation; /* with that partner */
    float *scratch;     /* of one patch: scratch of the prediction, then SREC_REFINE_ARRAYS arrays of longest */
    srec_ratios ratios; /* of the last call */
    srec_damage damage;
};

#define SREC_REFINE_ARRAYS 6u

/* A table: p over the byte value; p v and p v^2 follow. */
static inline float *srec_prior_table(const srec_descrambler *d, unsigned table)
{
    return d->tables + (size_t)table * (3 * 2 * SREC_BYTE_VALUES);
}

/* Posterior moments. Ciphertext c and key k mean plaintext c - k, so the table is read from 256 - k on.
 * \param likelihood (256) of the ciphertext values
 * \return the evidence, the sum of prior times likelihood; 0 if the sums are too small to be reliable */
float srec_posterior(const srec_descrambler *d, const float *likelihood, unsigned table, unsigned key, float *mean,
                     float *deviation);

/* Second step of srec_descrambler_soft(): measure the relations between features, then estimate the features of each
 * patch again, with predictions from the others as their priors. The input is checked.
 * \param[in,out] mean, deviation (in->n) estimates from each byte alone */
void srec_descrambler_refine(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation);

/* The specification of the soft descrambler: it weighs all 256 plaintexts one by one, in logarithms and double
 * precision. The public functions agree with these within rounding errors, and call them for the few features whose
 * prior and channel contradict each other so much that f32 underflows. Each call estimates one feature. */
void srec_descrambler_exact_llr(const srec_descrambler *d, uint8_t key, const float llr[8], uint8_t table, float *mean,
                                float *deviation);
void srec_descrambler_exact_amplitude(const srec_descrambler *d, uint8_t key, const float soft[2], uint8_t table,
                                      float *mean, float *deviation);

#endif /* SREC_DESCRAMBLER_INTERNAL_H */
