/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "descrambler_internal.h"

#include "prediction.h"
#include "vector_math.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define VALUES 256u
#define LLR_LIMIT 40.0f     /* beyond it a bit is certain in f32 anyway */
#define VARIANCE_MIN 1e-12f /* noise variance of an amplitude; a level's own width is 1e-2 */
#define AMPLITUDE_LIMIT 1e3f
#define SUM_MIN 1e-24f /* below, rounded-up exponentials (1.8e-35 each) could show: the exact way */
#define BATCH 32u      /* features whose exponentials are taken together */
#define TABLE_STRIDE (3 * 2 * VALUES)
#define CLASSES 41u         /* tables of predictions: by deviation in quarter octaves .. */
#define CLASS_LOWEST (-28)  /* .. from 2^-7 to 2^3 */
#define SURE 0.25f          /* levels of deviation: below, the byte is certain and stays as it is */
#define NO_NEWS 0.9f /* of its variance: a prediction no better says less than the model's own table */
#define NOISE_MAX 100.0f /* times its variance: noise of a feature of which nothing is known */

struct srec_descrambler {
    float levels;
    unsigned n_tables;
    float *tables; /* (n_tables + CLASSES, 3, 512): p, p v, p v^2 over the byte value, written twice in a row; v = (byte
                      - 128) / levels; the model's, then those of predictions, around 128 */
    unsigned n_steps, longest;
    unsigned *ladder;  /* NULL: no covariances */
    float *covariance; /* those of all steps, one after the other */
    float *scratch;    /* of one patch: prediction's, then observed, noise, mean, variance */
};

/* A row that is a probability: finite, not negative, sum 1. */
static bool is_distribution(const float *p)
{
    double sum = 0;
    for (unsigned i = 0; i < VALUES; i++) {
        if (!(p[i] >= 0.0f))
            return false;
        sum += p[i];
    }
    return fabs(sum - 1.0) < 1e-2;
}

static void fill_table(const srec_descrambler *d, unsigned t, const float *prior)
{
    float *p = d->tables + (size_t)t * TABLE_STRIDE, *pv = p + 2 * VALUES, *pvv = pv + 2 * VALUES;
    for (unsigned i = 0; i < 2 * VALUES; i++) {
        float v = ((float)(i % VALUES) - 128.0f) / d->levels;
        p[i] = prior[i % VALUES];
        pv[i] = p[i] * v;
        pvv[i] = pv[i] * v;
    }
}

/* Half Gaussian, half Laplace: predictions are now and then far off. */
static void fill_prediction_table(const srec_descrambler *d, unsigned class)
{
    const double deviation = d->levels * exp2(((double)class + CLASS_LOWEST) / 4);
    double gauss[VALUES], laplace[VALUES], sum[2] = {0, 0};
    float prior[VALUES];
    for (unsigned i = 0; i < VALUES; i++) {
        double v = fabs((double)i - 128) / deviation;
        sum[0] += gauss[i] = exp(-0.5 * v * v);
        sum[1] += laplace[i] = exp(-sqrt(2) * v);
    }
    for (unsigned i = 0; i < VALUES; i++)
        prior[i] = (float)(0.5 * gauss[i] / sum[0] + 0.5 * laplace[i] / sum[1]);
    fill_table(d, d->n_tables + class, prior);
}

/* Ladder and covariances of the priors; SREC_OK and nothing if there are none. */
static srec_status copy_covariance(srec_descrambler *d, const srec_priors *priors)
{
    if (!priors->covariance)
        return SREC_OK;
    if (!priors->ladder || priors->n_steps < 1 || priors->n_steps > SREC_LADDER_MAX_STEPS)
        return SREC_ERR_ARG;
    size_t values = 0;
    for (unsigned r = 0; r < priors->n_steps; r++) {
        const unsigned k = priors->ladder[r];
        if (!priors->covariance[r] || k < 1 || k > 4096)
            return SREC_ERR_ARG;
        for (size_t i = 0; i < (size_t)k * k; i++)
            if (!isfinite(priors->covariance[r][i]))
                return SREC_ERR_ARG;
        for (size_t i = 0; i < k; i++)
            if (!(priors->covariance[r][i * (k + 1)] > 0.0f))
                return SREC_ERR_ARG;
        values += (size_t)k * k;
        if (k > d->longest)
            d->longest = k;
    }
    d->n_steps = priors->n_steps;
    d->ladder = malloc(d->n_steps * sizeof *d->ladder);
    d->covariance = malloc(values * sizeof *d->covariance);
    d->scratch =
        volk_malloc((srec_predict_scratch(d->longest) + 4u * d->longest) * sizeof *d->scratch, volk_get_alignment());
    if (!d->ladder || !d->covariance || !d->scratch)
        return SREC_ERR_MEMORY;
    memcpy(d->ladder, priors->ladder, d->n_steps * sizeof *d->ladder);
    float *to = d->covariance;
    for (unsigned r = 0; r < d->n_steps; to += (size_t)d->ladder[r] * d->ladder[r], r++)
        memcpy(to, priors->covariance[r], (size_t)d->ladder[r] * d->ladder[r] * sizeof *to);
    return SREC_OK;
}

srec_status srec_descrambler_create(const srec_priors *priors, srec_descrambler **out)
{
    if (!out)
        return SREC_ERR_ARG;
    *out = NULL;
    if (!priors || !priors->tables || priors->n_tables < 1 || priors->n_tables > 64 || !(priors->levels > 0.0f) ||
        !isfinite(priors->levels))
        return SREC_ERR_ARG;
    for (unsigned t = 0; t < priors->n_tables; t++)
        if (!is_distribution(priors->tables + (size_t)t * VALUES))
            return SREC_ERR_ARG;
    srec_descrambler *d = calloc(1, sizeof *d);
    if (!d)
        return SREC_ERR_MEMORY;
    d->levels = priors->levels;
    d->n_tables = priors->n_tables;
    srec_status status = copy_covariance(d, priors);
    const unsigned n = d->n_tables + (d->ladder ? CLASSES : 0);
    d->tables = volk_malloc(sizeof(float) * TABLE_STRIDE * n, volk_get_alignment());
    if (status == SREC_OK && !d->tables)
        status = SREC_ERR_MEMORY;
    if (status != SREC_OK) {
        srec_descrambler_free(d);
        return status;
    }
    for (unsigned t = 0; t < d->n_tables; t++)
        fill_table(d, t, priors->tables + (size_t)t * VALUES);
    for (unsigned class = 0; d->ladder && class < CLASSES; class ++)
        fill_prediction_table(d, class);
    *out = d;
    return SREC_OK;
}

void srec_descrambler_free(srec_descrambler *d)
{
    if (!d)
        return;
    volk_free(d->tables);
    volk_free(d->scratch);
    free(d->ladder);
    free(d->covariance);
    free(d);
}

/* NaN says nothing: 0. */
static float limit_llr(float llr)
{
    if (!(llr == llr))
        return 0.0f;
    return llr > LLR_LIMIT ? LLR_LIMIT : llr < -LLR_LIMIT ? -LLR_LIMIT : llr;
}

/* Received byte value (not rounded) and 1 / (2 variance) in byte levels; a NaN says nothing: precision 0. The received
 * value may lie far outside 0 .. 255, which is evidence for the outermost levels. */
static void limit_amplitude(const float soft[2], float *c, float *precision)
{
    float y = soft[0], variance = soft[1];
    bool usable = y == y && variance == variance;
    y = !usable ? 0.0f : y > AMPLITUDE_LIMIT ? AMPLITUDE_LIMIT : y < -AMPLITUDE_LIMIT ? -AMPLITUDE_LIMIT : y;
    *c = y / SREC_PAM256_STEP + 127.5f;
    *precision =
        usable ? SREC_PAM256_STEP * SREC_PAM256_STEP / (2.0f * (variance > VARIANCE_MIN ? variance : VARIANCE_MIN))
               : 0.0f;
}

/* Moments of the plaintext p = (c - key) mod 256 under prior(p) exp(log_likelihood[c]). */
static void exact(const srec_descrambler *d, const double *log_likelihood, unsigned key, unsigned table, float *mean,
                  float *deviation)
{
    const float *prior = d->tables + (size_t)table * TABLE_STRIDE;
    double weight[VALUES], best = -INFINITY, sum = 0, first = 0, second = 0;
    for (unsigned p = 0; p < VALUES; p++) {
        weight[p] = prior[p] > 0.0f ? log((double)prior[p]) + log_likelihood[(p + key) % VALUES] : -INFINITY;
        if (weight[p] > best)
            best = weight[p];
    }
    for (unsigned p = 0; p < VALUES; p++) {
        weight[p] = exp(weight[p] - best);
        sum += weight[p];
        first += weight[p] * (((double)p - 128.0) / d->levels);
    }
    first /= sum;
    for (unsigned p = 0; p < VALUES; p++) {
        double away = ((double)p - 128.0) / d->levels - first;
        second += weight[p] * away * away;
    }
    *mean = (float)first;
    *deviation = (float)sqrt(second / sum);
}

void srec_descrambler_exact_llr(const srec_descrambler *d, uint8_t key, const float llr[8], uint8_t table, float *mean,
                                float *deviation)
{
    double log_likelihood[VALUES];
    for (unsigned c = 0; c < VALUES; c++) {
        log_likelihood[c] = 0;
        for (unsigned b = 0; b < 8; b++)
            if (c >> (7 - b) & 1)
                log_likelihood[c] -= limit_llr(llr[b]); /* relative to all bits 0 */
    }
    exact(d, log_likelihood, key, table, mean, deviation);
}

void srec_descrambler_exact_amplitude(const srec_descrambler *d, uint8_t key, const float soft[2], uint8_t table,
                                      float *mean, float *deviation)
{
    double log_likelihood[VALUES];
    float received, precision;
    limit_amplitude(soft, &received, &precision);
    for (unsigned c = 0; c < VALUES; c++)
        log_likelihood[c] = -((double)c - received) * ((double)c - received) * precision;
    exact(d, log_likelihood, key, table, mean, deviation);
}

/* Likelihood of 0 and of 1 for n bits, the likelier of both being 1. */
SREC_CLONES static void bit_likelihoods(const float *restrict llr, size_t n, float *restrict zero, float *restrict one)
{
    for (size_t i = 0; i < n; i++) {
        float l = llr[i] == llr[i] ? llr[i] : 0.0f, size = l < 0.0f ? -l : l;
        float e = srec_vexp(size < LLR_LIMIT ? -size : -LLR_LIMIT);
        zero[i] = l < 0.0f ? e : 1.0f;
        one[i] = l < 0.0f ? 1.0f : e;
    }
}

/* Likelihood of the 256 ciphertext values: product over bits, as the outer product of two nibbles' tables. */
SREC_CLONES static void likelihood_llr(const float *zero, const float *one, float *restrict likelihood)
{
    float nibble[2][16];
    for (unsigned half = 0; half < 2; half++) {
        const float *z = zero + 4 * half, *o = one + 4 * half;
        float high[4] = {z[0] * z[1], z[0] * o[1], o[0] * z[1], o[0] * o[1]};
        float low[4] = {z[2] * z[3], z[2] * o[3], o[2] * z[3], o[2] * o[3]};
        for (unsigned i = 0; i < 16; i++)
            nibble[half][i] = high[i >> 2] * low[i & 3];
    }
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 16; j++)
            likelihood[16 * i + j] = nibble[0][i] * nibble[1][j];
}

/* From an amplitude: Gaussian around it, relative to the nearest level k0, since
 * (k - c)^2 - (k0 - c)^2 = (k - k0) (k + k0 - 2 c) loses no digits when c is far away. */
SREC_CLONES static void likelihood_amplitude(float c, float precision, float *restrict likelihood)
{
    float nearest = c > 0.0f ? (c < 255.0f ? floorf(c + 0.5f) : 255.0f) : 0.0f;
    for (int k = 0; k < (int)VALUES; k++)
        likelihood[k] = srec_vexp(-precision * (((float)k - nearest) * ((float)k + nearest - 2.0f * c)));
}

/* Posterior moments: ciphertext c and key k mean plaintext c - k, so the table is read from 256 - k on.
 * \return false if the sums are too small to trust */
static bool posterior(const srec_descrambler *d, const float *likelihood, unsigned table, unsigned key, float *mean,
                      float *deviation)
{
    const float *p = d->tables + (size_t)table * TABLE_STRIDE + (VALUES - key) % VALUES;
    float s0, s1, s2;
    volk_32f_x2_dot_prod_32f(&s0, likelihood, p, VALUES);
    volk_32f_x2_dot_prod_32f(&s1, likelihood, p + 2 * VALUES, VALUES);
    volk_32f_x2_dot_prod_32f(&s2, likelihood, p + 4 * VALUES, VALUES);
    if (!(s0 > SUM_MIN))
        return false;
    float m = s1 / s0, variance = s2 / s0 - m * m;
    *mean = m;
    *deviation = variance > 0.0f ? sqrtf(variance) : 0.0f;
    return true;
}

/* Products of likelihoods are subnormal all the time once the SNR is good. They count nothing there (SUM_MIN), and some
 * processors take a hundred times as long over each. \return what to put back */
static unsigned flush_subnormals(void)
{
#ifdef __SSE__
    unsigned was = _mm_getcsr();
    _mm_setcsr(was | _MM_FLUSH_ZERO_ON); /* results only: a prior may well be subnormal */
    return was;
#else
    return 0;
#endif
}

static void restore_subnormals(unsigned was)
{
#ifdef __SSE__
    _mm_setcsr(was);
#else
    (void)was;
#endif
}

static srec_status check(const srec_descrambler *d, const float *soft, const uint8_t *tables, size_t n,
                         const float *mean, const float *deviation)
{
    if (!d || (n && (!soft || !tables || !mean || !deviation)))
        return SREC_ERR_ARG;
    for (size_t i = 0; i < n; i++)
        if (tables[i] >= d->n_tables)
            return SREC_ERR_ARG;
    return SREC_OK;
}

/* One feature: its soft values are 8 LLRs or 2 of an amplitude. */
typedef void weigh_feature(const srec_descrambler *d, uint8_t key, const float *soft, unsigned table, float *mean,
                           float *deviation);

/* \p zero, one: likelihoods of the LLRs \p soft */
static void weigh_bits(const srec_descrambler *d, uint8_t key, const float *zero, const float *one, const float *soft,
                       unsigned table, float *mean, float *deviation)
{
    _Alignas(64) float likelihood[VALUES];
    likelihood_llr(zero, one, likelihood);
    if (!posterior(d, likelihood, table, key, mean, deviation))
        srec_descrambler_exact_llr(d, key, soft, (uint8_t)table, mean, deviation);
}

static void weigh_llr(const srec_descrambler *d, uint8_t key, const float *soft, unsigned table, float *mean,
                      float *deviation)
{
    float zero[8], one[8];
    bit_likelihoods(soft, 8, zero, one);
    weigh_bits(d, key, zero, one, soft, table, mean, deviation);
}

static void weigh_amplitude(const srec_descrambler *d, uint8_t key, const float *soft, unsigned table, float *mean,
                            float *deviation)
{
    _Alignas(64) float likelihood[VALUES];
    float c, precision;
    limit_amplitude(soft, &c, &precision);
    likelihood_amplitude(c, precision, likelihood);
    if (!posterior(d, likelihood, table, key, mean, deviation))
        srec_descrambler_exact_amplitude(d, key, soft, (uint8_t)table, mean, deviation);
}

srec_status srec_descrambler_llr(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                 const uint8_t *tables, size_t n, float *mean, float *deviation)
{
    srec_status status = check(d, soft, tables, n, mean, deviation);
    if (status != SREC_OK)
        return status;
    float zero[8 * BATCH], one[8 * BATCH];
    unsigned was = flush_subnormals();
    for (size_t i = 0; i < n; i++) {
        size_t j = i % BATCH;
        if (j == 0)
            bit_likelihoods(soft + 8 * i, 8 * (n - i < BATCH ? n - i : BATCH), zero, one);
        weigh_bits(d, keystream ? keystream[i] : 0, zero + 8 * j, one + 8 * j, soft + 8 * i, tables[i], mean + i,
                   deviation + i);
    }
    restore_subnormals(was);
    return SREC_OK;
}

srec_status srec_descrambler_amplitude(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                       const uint8_t *tables, size_t n, float *mean, float *deviation)
{
    srec_status status = check(d, soft, tables, n, mean, deviation);
    if (status != SREC_OK)
        return status;
    unsigned was = flush_subnormals();
    for (size_t i = 0; i < n; i++)
        weigh_amplitude(d, keystream ? keystream[i] : 0, soft + 2 * i, tables[i], mean + i, deviation + i);
    restore_subnormals(was);
    return SREC_OK;
}

/* The features of a patch, each with what the others predict as its prior. */
static void refine_patch(const srec_descrambler *d, const float *covariance, size_t k, weigh_feature *weigh,
                         unsigned soft_per_byte, const uint8_t *keystream, const float *soft, float *mean,
                         float *deviation)
{
    float *observed = d->scratch + srec_predict_scratch(d->longest), *noise = observed + d->longest,
          *predicted = noise + d->longest, *variance = predicted + d->longest;
    const float step = 1.0f / (12.0f * d->levels * d->levels); /* variance of rounding to a byte */
    bool doubt = false;
    for (size_t i = 0; i < k; i++) {
        /* what its byte alone says of it: the estimate with the prior taken out */
        const float prior = covariance[i * (k + 1)], known = deviation[i] * deviation[i] + step;
        noise[i] = known < prior * (NOISE_MAX / (1.0f + NOISE_MAX)) ? known * prior / (prior - known)
                                                                          : NOISE_MAX * prior;
        observed[i] = mean[i] * (noise[i] / known < (1.0f + NOISE_MAX) ? noise[i] / known : 1.0f + NOISE_MAX);
        doubt = doubt || deviation[i] * d->levels > SURE;
    }
    if (!doubt || !srec_predict(covariance, observed, noise, k, d->scratch, predicted, variance))
        return;
    for (size_t i = 0; i < k; i++) {
        if (deviation[i] * d->levels <= SURE || variance[i] > NO_NEWS * covariance[i * (k + 1)])
            continue;
        const float away = predicted[i] * d->levels;
        /* the key and a prior around a value other than 128 are both offsets of the table */
        const int shift = (int)lrintf(away < -127.0f ? -127.0f : away < 127.0f ? away : 127.0f);
        const int class = (int)lrintf(2.0f * log2f(variance[i] > step ? variance[i] : step)) - CLASS_LOWEST;
        const unsigned table = d->n_tables + (class < 0 ? 0 : class < (int)CLASSES ? (unsigned)class : CLASSES - 1);
        weigh(d, (uint8_t)((keystream ? keystream[i] : 0) + shift), soft + i * soft_per_byte, table, mean + i,
              deviation + i);
        mean[i] += (float)shift / d->levels;
    }
}

static srec_status refine(const srec_descrambler *d, weigh_feature *weigh, unsigned soft_per_byte,
                          const uint8_t *keystream, const float *soft, const uint8_t *rate_map, size_t n_patches,
                          size_t n, float *mean, float *deviation)
{
    if (!d || (n_patches && !rate_map) || (n && (!soft || !mean || !deviation)))
        return SREC_ERR_ARG;
    if (!d->ladder)
        return SREC_OK;
    size_t needed = 0;
    for (size_t p = 0; p < n_patches; p++) {
        if (rate_map[p] >= d->n_steps)
            return SREC_ERR_ARG;
        needed += d->ladder[rate_map[p]];
    }
    if (needed != n)
        return SREC_ERR_ARG;
    const float *covariance[SREC_LADDER_MAX_STEPS], *at = d->covariance;
    for (unsigned r = 0; r < d->n_steps; at += (size_t)d->ladder[r] * d->ladder[r], r++)
        covariance[r] = at;
    unsigned was = flush_subnormals();
    for (size_t p = 0, i = 0; p < n_patches; i += d->ladder[rate_map[p]], p++)
        refine_patch(d, covariance[rate_map[p]], d->ladder[rate_map[p]], weigh, soft_per_byte,
                     keystream ? keystream + i : NULL, soft + i * soft_per_byte, mean + i, deviation + i);
    restore_subnormals(was);
    return SREC_OK;
}

srec_status srec_descrambler_refine_llr(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                        const uint8_t *rate_map, size_t n_patches, size_t n, float *mean,
                                        float *deviation)
{
    return refine(d, weigh_llr, 8, keystream, soft, rate_map, n_patches, n, mean, deviation);
}

srec_status srec_descrambler_refine_amplitude(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                              const uint8_t *rate_map, size_t n_patches, size_t n, float *mean,
                                              float *deviation)
{
    return refine(d, weigh_amplitude, 2, keystream, soft, rate_map, n_patches, n, mean, deviation);
}

srec_status srec_descrambler_hard(srec_descrambler *d, srec_modulation modulation, const uint8_t *keystream,
                                  const float *soft, size_t n, float *mean, float *deviation)
{
    unsigned soft_per_byte = srec_modem_soft_per_byte(modulation);
    if (!d || !soft_per_byte || (n && (!soft || !mean || !deviation)))
        return SREC_ERR_ARG;
    uint8_t c[VALUES];
    for (size_t done = 0; done < n;) {
        size_t length = n - done < sizeof c ? n - done : sizeof c;
        srec_status status = srec_modem_decide(modulation, soft + done * soft_per_byte, length, c);
        if (status != SREC_OK)
            return status;
        for (size_t i = 0; i < length; i++, done++) {
            mean[done] = ((float)(uint8_t)(c[i] - (keystream ? keystream[done] : 0)) - 128.0f) / d->levels;
            deviation[done] = 0.0f;
        }
    }
    return SREC_OK;
}
