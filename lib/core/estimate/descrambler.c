/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Estimates from each byte alone: posterior moments from likelihoods and prior tables, and hard decisions. */
#include "descrambler_internal.h"
#include "likelihood.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <volk/volk.h>

/* Below this sum, exponentials that were rounded up (1.8e-35 each) could matter: use the exact method. */
#define SUM_MIN         1e-24f
#define BATCH           32u /* features whose exponentials are computed together */
#define EVIDENCE_PERIOD 8u  /* one byte in this many is compared with random ones */

float srec_posterior(const srec_descrambler *d, const float *likelihood, unsigned table, unsigned key, float *mean,
                     float *deviation)
{
    const float *p = srec_prior_table(d, table) + (SREC_BYTE_VALUES - key) % SREC_BYTE_VALUES;
    float s0;
    float s1;
    float s2;
    volk_32f_x2_dot_prod_32f(&s0, likelihood, p, SREC_BYTE_VALUES);
    volk_32f_x2_dot_prod_32f(&s1, likelihood, p + 2 * SREC_BYTE_VALUES, SREC_BYTE_VALUES);
    volk_32f_x2_dot_prod_32f(&s2, likelihood, p + 4 * SREC_BYTE_VALUES, SREC_BYTE_VALUES);
    if (!(s0 > SUM_MIN))
        return 0.0f;
    const float m = s1 / s0;
    const float variance = s2 / s0 - m * m;
    *mean = m;
    *deviation = variance > 0.0f ? sqrtf(variance) : 0.0f;
    return s0;
}

/* Evidence for a random byte: the mean likelihood of all 256 values. */
static float evidence_of_random(const float *zero, const float *one)
{
    float sum[8];
    for (unsigned b = 0; b < 8; b++)
        sum[b] = zero[b] + one[b];
    return (sum[0] * sum[1]) * (sum[2] * sum[3]) * ((sum[4] * sum[5]) * (sum[6] * sum[7])) / SREC_BYTE_VALUES;
}

static void forget_damage(srec_descrambler *d)
{
    d->damage = (srec_damage){ 0 };
    memset(&d->ratios, 0, sizeof d->ratios);
}

void srec_descrambler_damage(const srec_descrambler *d, srec_damage *out) { *out = d->damage; }

static void estimate_llr(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation)
{
    _Alignas(64) float likelihood[SREC_BYTE_VALUES];
    float zero[8 * BATCH];
    float one[8 * BATCH];
    const size_t n = in->n;
    for (size_t i = 0; i < n; i++) {
        const size_t j = i % BATCH;
        if (j == 0)
            srec_bit_likelihoods(in->soft + 8 * i, 8 * (n - i < BATCH ? n - i : BATCH), zero, one);
        const uint8_t key = in->keystream ? in->keystream[i] : 0;
        srec_likelihood_llr(zero + 8 * j, one + 8 * j, likelihood);
        const float evidence = srec_posterior(d, likelihood, in->tables[i], key, mean + i, deviation + i);
        if (!(evidence > 0.0f))
            srec_descrambler_exact_llr(d, key, in->soft + 8 * i, in->tables[i], mean + i, deviation + i);
        if (i % EVIDENCE_PERIOD == 0)
            srec_ratios_add(&d->ratios, evidence_of_random(zero + 8 * j, one + 8 * j) / evidence);
    }
}

static void estimate_amplitude(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation)
{
    _Alignas(64) float likelihood[SREC_BYTE_VALUES];
    for (size_t i = 0; i < in->n; i++) {
        const uint8_t key = in->keystream ? in->keystream[i] : 0;
        srec_likelihood_of_amplitude(in->soft + 2 * i, likelihood);
        const float evidence = srec_posterior(d, likelihood, in->tables[i], key, mean + i, deviation + i);
        if (!(evidence > 0.0f))
            srec_descrambler_exact_amplitude(d, key, in->soft + 2 * i, in->tables[i], mean + i, deviation + i);
        if (i % EVIDENCE_PERIOD == 0) {
            float random;
            volk_32f_accumulator_s32f(&random, likelihood, SREC_BYTE_VALUES);
            srec_ratios_add(&d->ratios, random / (SREC_BYTE_VALUES * evidence));
        }
    }
}

/* \param tables prior tables are read */
static bool is_valid(const srec_descrambler *d, const srec_descrambler_input *in, bool tables, const float *mean,
                     const float *deviation)
{
    if (!d || !in || !srec_modem_soft_per_byte(in->modulation))
        return false;
    if (in->n && (!in->soft || (tables && !in->tables) || !mean || !deviation))
        return false;
    for (size_t i = 0; tables && i < in->n; i++)
        if (in->tables[i] >= d->n_tables)
            return false;
    return true;
}

srec_status srec_descrambler_bytes(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation)
{
    if (!is_valid(d, in, true, mean, deviation))
        return SREC_ERR_ARG;
    forget_damage(d);
    const unsigned was = srec_flush_subnormals();
    if (in->modulation == SREC_PAM256)
        estimate_amplitude(d, in, mean, deviation);
    else
        estimate_llr(d, in, mean, deviation);
    d->damage.features = (double)in->n;
    d->damage.features_random = (double)in->n * srec_ratios_random_share(&d->ratios);
    srec_restore_subnormals(was);
    return SREC_OK;
}

/* True if the ladder steps add up to the number of features. */
static bool fits_ladder(const srec_descrambler *d, const srec_descrambler_input *in)
{
    size_t needed = 0;
    for (size_t p = 0; p < in->n_patches; p++) {
        if (in->rate_map[p] >= d->n_steps)
            return false;
        needed += d->ladder[in->rate_map[p]];
    }
    return needed == in->n;
}

srec_status srec_descrambler_soft(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation)
{
    if (!d || !in || (in->n_patches && !in->rate_map) || (d->ladder && !fits_ladder(d, in)))
        return SREC_ERR_ARG;
    const srec_status status = srec_descrambler_bytes(d, in, mean, deviation);
    if (status == SREC_OK && d->ladder)
        srec_descrambler_refine(d, in, mean, deviation);
    return status;
}

srec_status srec_descrambler_hard(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation)
{
    if (!is_valid(d, in, false, mean, deviation))
        return SREC_ERR_ARG;
    forget_damage(d);
    const unsigned soft_per_byte = srec_modem_soft_per_byte(in->modulation);
    uint8_t c[SREC_BYTE_VALUES];
    for (size_t done = 0; done < in->n;) {
        const size_t length = in->n - done < sizeof c ? in->n - done : sizeof c;
        const srec_status status = srec_modem_decide(in->modulation, in->soft + done * soft_per_byte, length, c);
        if (status != SREC_OK)
            return status;
        for (size_t i = 0; i < length; i++, done++) {
            const uint8_t key = in->keystream ? in->keystream[done] : 0;
            mean[done] = ((float)(uint8_t)(c[i] - key) - 128.0f) / d->levels;
            deviation[done] = 0.0f;
        }
    }
    return SREC_OK;
}
