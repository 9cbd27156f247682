/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The specification of the soft descrambler: sums over all plaintexts in double precision. */
#include "descrambler_internal.h"
#include "likelihood.h"

#include <math.h>

/* Moments of the plaintext p = (c - key) mod 256 under prior(p) exp(log_likelihood[c]). */
static void exact(const srec_descrambler *d, const double *log_likelihood, unsigned key, unsigned table, float *mean,
                  float *deviation)
{
    const float *prior = srec_prior_table(d, table);
    double weight[SREC_BYTE_VALUES], best = -INFINITY, sum = 0, first = 0, second = 0;
    for (unsigned p = 0; p < SREC_BYTE_VALUES; p++) {
        weight[p] = prior[p] > 0.0f ? log((double)prior[p]) + log_likelihood[(p + key) % SREC_BYTE_VALUES] : -INFINITY;
        if (weight[p] > best)
            best = weight[p];
    }
    for (unsigned p = 0; p < SREC_BYTE_VALUES; p++) {
        weight[p] = exp(weight[p] - best);
        sum += weight[p];
        first += weight[p] * (((double)p - 128.0) / d->levels);
    }
    first /= sum;
    for (unsigned p = 0; p < SREC_BYTE_VALUES; p++) {
        double away = ((double)p - 128.0) / d->levels - first;
        second += weight[p] * away * away;
    }
    *mean = (float)first;
    *deviation = (float)sqrt(second / sum);
}

void srec_descrambler_exact_llr(const srec_descrambler *d, uint8_t key, const float llr[8], uint8_t table, float *mean,
                                float *deviation)
{
    double log_likelihood[SREC_BYTE_VALUES];
    for (unsigned c = 0; c < SREC_BYTE_VALUES; c++) {
        log_likelihood[c] = 0;
        for (unsigned b = 0; b < 8; b++)
            if (c >> (7 - b) & 1)
                log_likelihood[c] -= srec_limit_llr(llr[b]); /* relative to all bits 0 */
    }
    exact(d, log_likelihood, key, table, mean, deviation);
}

void srec_descrambler_exact_amplitude(const srec_descrambler *d, uint8_t key, const float soft[2], uint8_t table,
                                      float *mean, float *deviation)
{
    double log_likelihood[SREC_BYTE_VALUES];
    float received, precision;
    srec_limit_amplitude(soft, &received, &precision);
    for (unsigned c = 0; c < SREC_BYTE_VALUES; c++)
        log_likelihood[c] = -((double)c - received) * ((double)c - received) * precision;
    exact(d, log_likelihood, key, table, mean, deviation);
}
