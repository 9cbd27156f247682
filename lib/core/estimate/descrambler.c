/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "descrambler_internal.h"

#include "plausibility.h"
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

#define VALUES          256u
#define LLR_LIMIT       40.0f  /* a larger LLR makes the bit certain in f32 anyway */
#define VARIANCE_MIN    1e-12f /* noise variance of an amplitude; the width of a level is 1e-2 */
#define AMPLITUDE_LIMIT 1e3f
/* Below this sum, exponentials that were rounded up (1.8e-35 each) could matter: use the exact method. */
#define SUM_MIN         1e-24f
#define BATCH           32u /* features whose exponentials are computed together */
#define TABLE_STRIDE    (3 * 2 * VALUES)
#define SAMPLE          8u    /* one byte in this many is compared with random ones */
#define CLASSES         41u   /* tables of predictions, one for each quarter octave of the deviation */
#define CLASS_LOWEST    (-28) /* from 2^-7 to 2^3 */
#define SURE            0.25f /* in levels: below this deviation the byte is certain and stays unchanged */
#define USUAL           3.0f  /* in feature variances: added to the power of a patch and to its expected power */
/* Number of features from which on a patch gets a second round: so many features predict each other well. */
#define AGAIN_FROM      64u
#define NOISE_MAX       100.0f /* multiple of its variance: noise of an unknown feature */

struct srec_descrambler {
    float levels;
    unsigned n_tables;
    /* (n_tables + CLASSES, 3, 512): p, p v, p v^2 over the byte value, written twice in a row; v = (byte - 128) /
     * levels. The model's tables come first, then those of predictions, which are centred at 128. */
    float *tables;
    unsigned n_steps, longest;
    unsigned *ladder;  /* NULL: no covariances */
    float *covariance; /* of all steps, one after the other */
    /* (sum of ladder) results of srec_find_partners() for all steps, one after the other. */
    uint16_t *partner;
    float *correlation; /* with that partner */
    float *scratch;     /* of one patch: scratch of the prediction, then six arrays of refine_patch() */
    srec_ratios ratios; /* of the last call */
    srec_damage damage;
};

/* True if the row is a probability distribution: finite, not negative, sum 1. */
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

/* Half Gaussian, half Laplace: a prediction is sometimes far off. */
static void fill_prediction_table(const srec_descrambler *d, unsigned class)
{
    const double deviation = d->levels * exp2(((double)class + CLASS_LOWEST) / 4);
    double gauss[VALUES], laplace[VALUES], sum[2] = { 0, 0 };
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

/* Copy the ladder and the covariances of the priors.
 * \return SREC_OK also if the priors have no covariance */
static srec_status copy_covariance(srec_descrambler *d, const srec_priors *priors)
{
    if (!priors->covariance)
        return SREC_OK;
    if (!priors->ladder || priors->n_steps < 1 || priors->n_steps > SREC_LADDER_MAX_STEPS)
        return SREC_ERR_ARG;
    size_t values = 0;
    size_t features = 0;
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
        features += k;
        if (k > d->longest)
            d->longest = k;
    }
    d->n_steps = priors->n_steps;
    d->ladder = malloc(d->n_steps * sizeof *d->ladder);
    d->covariance = malloc(values * sizeof *d->covariance);
    d->partner = malloc(features * sizeof *d->partner);
    d->correlation = malloc(features * sizeof *d->correlation);
    d->scratch =
        volk_malloc((srec_predict_scratch(d->longest) + 6u * d->longest) * sizeof *d->scratch, volk_get_alignment());
    if (!d->ladder || !d->covariance || !d->partner || !d->correlation || !d->scratch)
        return SREC_ERR_MEMORY;
    memcpy(d->ladder, priors->ladder, d->n_steps * sizeof *d->ladder);
    float *to = d->covariance;
    for (unsigned r = 0, first = 0; r < d->n_steps; first += d->ladder[r], r++) {
        const size_t k = d->ladder[r];
        memcpy(to, priors->covariance[r], k * k * sizeof *to);
        srec_find_partners(to, k, d->partner + first, d->correlation + first);
        to += k * k;
    }
    return SREC_OK;
}

srec_status srec_descrambler_create(const srec_priors *priors, srec_descrambler **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "descrambler: NULL argument");
    *out = NULL;
    if (!priors || !priors->tables || priors->n_tables < 1 || priors->n_tables > 64 || !(priors->levels > 0.0f) ||
        !isfinite(priors->levels))
        return srec_fail(error, SREC_ERR_ARG, "descrambler: priors without tables or levels");
    for (unsigned t = 0; t < priors->n_tables; t++)
        if (!is_distribution(priors->tables + (size_t)t * VALUES))
            return srec_fail(error, SREC_ERR_ARG, "descrambler: prior table %u is no distribution", t);
    srec_descrambler *d = calloc(1, sizeof *d);
    if (!d)
        return srec_fail(error, SREC_ERR_MEMORY, "descrambler: out of memory");
    d->levels = priors->levels;
    d->n_tables = priors->n_tables;
    srec_status status = copy_covariance(d, priors);
    const unsigned n = d->n_tables + (d->ladder ? CLASSES : 0);
    d->tables = volk_malloc(sizeof(float) * TABLE_STRIDE * n, volk_get_alignment());
    if (status == SREC_OK && !d->tables)
        status = SREC_ERR_MEMORY;
    if (status != SREC_OK) {
        srec_descrambler_free(d);
        return srec_fail(error, status, "descrambler: %s", srec_strerror(status));
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
    free(d->partner);
    free(d->correlation);
    free(d);
}

/* NaN carries no information: 0. */
static float limit_llr(float llr)
{
    if (!(llr == llr))
        return 0.0f;
    return llr > LLR_LIMIT ? LLR_LIMIT : llr < -LLR_LIMIT ? -LLR_LIMIT : llr;
}

/* Received byte value (not rounded) and 1 / (2 variance), in byte levels. NaN carries no information: precision 0. The
 * received value may lie far outside 0 .. 255, which is evidence for the outermost levels. */
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

/* Likelihoods of 0 and of 1 for n bits; the larger one is 1. */
SREC_CLONES static void bit_likelihoods(const float *restrict llr, size_t n, float *restrict zero, float *restrict one)
{
    for (size_t i = 0; i < n; i++) {
        float l = llr[i] == llr[i] ? llr[i] : 0.0f, size = l < 0.0f ? -l : l;
        float e = srec_vexp(size < LLR_LIMIT ? -size : -LLR_LIMIT);
        zero[i] = l < 0.0f ? e : 1.0f;
        one[i] = l < 0.0f ? 1.0f : e;
    }
}

/* Likelihood of the 256 ciphertext values: the product over the bits, as the outer product of two nibbles' tables. */
SREC_CLONES static void likelihood_llr(const float *zero, const float *one, float *restrict likelihood)
{
    float nibble[2][16];
    for (unsigned half = 0; half < 2; half++) {
        const float *z = zero + 4 * half, *o = one + 4 * half;
        float high[4] = { z[0] * z[1], z[0] * o[1], o[0] * z[1], o[0] * o[1] };
        float low[4] = { z[2] * z[3], z[2] * o[3], o[2] * z[3], o[2] * o[3] };
        for (unsigned i = 0; i < 16; i++)
            nibble[half][i] = high[i >> 2] * low[i & 3];
    }
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 16; j++)
            likelihood[16 * i + j] = nibble[0][i] * nibble[1][j];
}

/* Likelihood from an amplitude: a Gaussian around it, relative to the nearest level k0, because (k - c)^2 - (k0 - c)^2
 * = (k - k0) (k + k0 - 2 c) loses no digits when c is far away. */
SREC_CLONES static void likelihood_amplitude(float c, float precision, float *restrict likelihood)
{
    float nearest = c > 0.0f ? (c < 255.0f ? floorf(c + 0.5f) : 255.0f) : 0.0f;
    for (int k = 0; k < (int)VALUES; k++)
        likelihood[k] = srec_vexp(-precision * (((float)k - nearest) * ((float)k + nearest - 2.0f * c)));
}

/* Posterior moments. Ciphertext c and key k mean plaintext c - k, so the table is read from 256 - k on.
 * \return the evidence, the sum of prior times likelihood; 0 if the sums are too small to be reliable */
static float posterior(const srec_descrambler *d, const float *likelihood, unsigned table, unsigned key, float *mean,
                       float *deviation)
{
    const float *p = d->tables + (size_t)table * TABLE_STRIDE + (VALUES - key) % VALUES;
    float s0, s1, s2;
    volk_32f_x2_dot_prod_32f(&s0, likelihood, p, VALUES);
    volk_32f_x2_dot_prod_32f(&s1, likelihood, p + 2 * VALUES, VALUES);
    volk_32f_x2_dot_prod_32f(&s2, likelihood, p + 4 * VALUES, VALUES);
    if (!(s0 > SUM_MIN))
        return 0.0f;
    float m = s1 / s0, variance = s2 / s0 - m * m;
    *mean = m;
    *deviation = variance > 0.0f ? sqrtf(variance) : 0.0f;
    return s0;
}

/* At a good SNR most products of likelihoods are subnormal. They do not contribute (SUM_MIN), and some processors take
 * a hundred times as long for each.
 * \return the previous setting, to be restored */
static unsigned flush_subnormals(void)
{
#ifdef __SSE__
    unsigned was = _mm_getcsr();
    _mm_setcsr(was | _MM_FLUSH_ZERO_ON); /* flushes results only: a prior may be subnormal */
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

/* Evidence for a random byte: the mean likelihood of all 256 values. */
static float evidence_of_random(const float *zero, const float *one)
{
    float sum[8];
    for (unsigned b = 0; b < 8; b++)
        sum[b] = zero[b] + one[b];
    return (sum[0] * sum[1]) * (sum[2] * sum[3]) * ((sum[4] * sum[5]) * (sum[6] * sum[7])) / VALUES;
}

static void forget_damage(srec_descrambler *d)
{
    d->damage = (srec_damage){ 0 };
    memset(&d->ratios, 0, sizeof d->ratios);
}

void srec_descrambler_damage(const srec_descrambler *d, srec_damage *out) { *out = d->damage; }

/* Checks the arguments, and resets the measurements of the last call. */
static srec_status check(srec_descrambler *d, const float *soft, const uint8_t *tables, size_t n, const float *mean,
                         const float *deviation)
{
    if (!d || (n && (!soft || !tables || !mean || !deviation)))
        return SREC_ERR_ARG;
    for (size_t i = 0; i < n; i++)
        if (tables[i] >= d->n_tables)
            return SREC_ERR_ARG;
    forget_damage(d);
    return SREC_OK;
}

/* Likelihood of the 256 ciphertext values from the soft values of a byte: 8 LLRs, or 2 values of an amplitude. */
typedef void likelihood_of(const float *soft, float *likelihood);

static void of_llr(const float *soft, float *likelihood)
{
    float zero[8], one[8];
    bit_likelihoods(soft, 8, zero, one);
    likelihood_llr(zero, one, likelihood);
}

static void of_amplitude(const float *soft, float *likelihood)
{
    float c, precision;
    limit_amplitude(soft, &c, &precision);
    likelihood_amplitude(c, precision, likelihood);
}

srec_status srec_descrambler_llr(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                 const uint8_t *tables, size_t n, float *mean, float *deviation)
{
    srec_status status = check(d, soft, tables, n, mean, deviation);
    if (status != SREC_OK)
        return status;
    _Alignas(64) float likelihood[VALUES];
    float zero[8 * BATCH], one[8 * BATCH];
    unsigned was = flush_subnormals();
    for (size_t i = 0; i < n; i++) {
        size_t j = i % BATCH;
        if (j == 0)
            bit_likelihoods(soft + 8 * i, 8 * (n - i < BATCH ? n - i : BATCH), zero, one);
        const uint8_t key = keystream ? keystream[i] : 0;
        likelihood_llr(zero + 8 * j, one + 8 * j, likelihood);
        const float evidence = posterior(d, likelihood, tables[i], key, mean + i, deviation + i);
        if (!(evidence > 0.0f))
            srec_descrambler_exact_llr(d, key, soft + 8 * i, tables[i], mean + i, deviation + i);
        if (i % SAMPLE == 0)
            srec_ratios_add(&d->ratios, evidence_of_random(zero + 8 * j, one + 8 * j) / evidence);
    }
    d->damage.features = (double)n;
    d->damage.features_random = (double)n * srec_ratios_random_share(&d->ratios);
    restore_subnormals(was);
    return SREC_OK;
}

srec_status srec_descrambler_amplitude(srec_descrambler *d, const uint8_t *keystream, const float *soft,
                                       const uint8_t *tables, size_t n, float *mean, float *deviation)
{
    srec_status status = check(d, soft, tables, n, mean, deviation);
    if (status != SREC_OK)
        return status;
    _Alignas(64) float likelihood[VALUES];
    unsigned was = flush_subnormals();
    for (size_t i = 0; i < n; i++) {
        const uint8_t key = keystream ? keystream[i] : 0;
        of_amplitude(soft + 2 * i, likelihood);
        const float evidence = posterior(d, likelihood, tables[i], key, mean + i, deviation + i);
        if (!(evidence > 0.0f))
            srec_descrambler_exact_amplitude(d, key, soft + 2 * i, tables[i], mean + i, deviation + i);
        if (i % SAMPLE == 0) {
            float random;
            volk_32f_accumulator_s32f(&random, likelihood, VALUES);
            srec_ratios_add(&d->ratios, random / (VALUES * evidence));
        }
    }
    d->damage.features = (double)n;
    d->damage.features_random = (double)n * srec_ratios_random_share(&d->ratios);
    restore_subnormals(was);
    return SREC_OK;
}

/* Estimate a byte again, with a prediction as its prior. The estimate stays unchanged if likelihood and prediction
 * exclude each other.
 * \param predicted, variance of the feature */
static void weigh_anew(const srec_descrambler *d, float *likelihood, uint8_t key, float predicted, float variance,
                       float *mean, float *deviation)
{
    /* The key and the distance of the prior's centre from 128 are both offsets into the table. */
    const float away = predicted * d->levels;
    const int shift = (int)lrintf(away < -127.0f ? -127.0f : away < 127.0f ? away : 127.0f);
    const int class = (int)lrintf(2.0f * log2f(variance)) - CLASS_LOWEST;
    /* Byte values do not wrap around: values beyond 0 and 255, seen from the prediction, are impossible. */
    const uint8_t first = (uint8_t)(shift > 0 ? key : key + shift);
    for (unsigned i = 0; i < (unsigned)abs(shift); i++)
        likelihood[(uint8_t)(first + i)] = 0.0f;
    if (posterior(d, likelihood,
                  d->n_tables + (class < 0              ? 0
                                 : class < (int)CLASSES ? (unsigned)class
                                                        : CLASSES - 1),
                  (uint8_t)(key + shift), mean, deviation))
        *mean += (float)shift / d->levels;
}

/* Variance of the features of a patch, as a multiple of the covariance's. The number of features does not determine it:
 * at a small eta a busy patch has as many features as a calm patch at a large eta, but larger ones. */
static float size_of_patch(const float *covariance, size_t k, const float *mean, const float *deviation)
{
    float found = USUAL, expected = USUAL;
    for (size_t i = 0; i < k; i++) {
        found += mean[i] * mean[i] + deviation[i] * deviation[i];
        expected += covariance[i * (k + 1)];
    }
    return found / expected;
}

/* Estimate the features of a patch again, each with the prediction from the others as its prior: expectation
 * propagation (Minka 2001).
 * \param[in,out] told_mean, told_variance Gaussian priors of the estimates */
static void refine_patch(const srec_descrambler *d, const float *covariance, size_t k, likelihood_of *likelihood_from,
                         unsigned soft_per_byte, const uint8_t *keystream, const float *soft, float *mean,
                         float *deviation, float *told_mean, float *told_variance)
{
    _Alignas(64) float likelihood[VALUES];
    float *observed = told_variance + d->longest, *noise = observed + d->longest, *predicted = noise + d->longest,
          *variance = predicted + d->longest;
    const float step = 1.0f / (12.0f * d->levels * d->levels); /* variance of rounding to a byte */
    const float size = size_of_patch(covariance, k, mean, deviation);
    bool doubt = false;
    for (size_t i = 0; i < k; i++) {
        /* The information from the byte alone: the estimate without its prior. */
        const float most = told_variance[i] * (NOISE_MAX / (1.0f + NOISE_MAX));
        float known = deviation[i] * deviation[i] + step;
        known = known < most ? known : most;
        noise[i] = known * told_variance[i] / (told_variance[i] - known) / size;
        observed[i] = (mean[i] * told_variance[i] - told_mean[i] * known) / (told_variance[i] - known);
        doubt = doubt || deviation[i] * d->levels > SURE;
    }
    if (!doubt || !srec_predict(covariance, observed, noise, k, d->scratch, predicted, variance))
        return;
    for (size_t i = 0; i < k; i++) {
        if (deviation[i] * d->levels <= SURE)
            continue;
        told_mean[i] = predicted[i];
        told_variance[i] = fmaxf(variance[i] * size, step);
        likelihood_from(soft + i * soft_per_byte, likelihood);
        weigh_anew(d, likelihood, keystream ? keystream[i] : 0, told_mean[i], told_variance[i], mean + i,
                   deviation + i);
    }
}

/* Measures relations between features. Call it before refine_patch(), which makes features related. */
static void relate_patches(srec_descrambler *d, const uint8_t *rate_map, size_t n_patches, const float *mean,
                           const float *deviation)
{
    unsigned first[SREC_LADDER_MAX_STEPS] = { 0 }; /* index of each step's first partner */
    const float *variance[SREC_LADDER_MAX_STEPS];
    variance[0] = d->covariance;
    for (unsigned r = 1; r < d->n_steps; r++) {
        first[r] = first[r - 1] + d->ladder[r - 1];
        variance[r] = variance[r - 1] + (size_t)d->ladder[r - 1] * d->ladder[r - 1];
    }
    size_t at = 0;
    for (size_t p = 0; p < n_patches; p++) {
        const unsigned step = rate_map[p];
        const size_t k = d->ladder[step];
        const float *before = p && rate_map[p - 1] == step ? mean + at - k : NULL;
        srec_relate(mean + at, deviation + at, before, d->partner + first[step], d->correlation + first[step], k,
                    variance[step][0], &d->damage);
        at += k;
    }
}

srec_status srec_descrambler_soft(srec_descrambler *d, srec_modulation modulation, const uint8_t *keystream,
                                  const float *soft, const uint8_t *tables, const uint8_t *rate_map, size_t n_patches,
                                  size_t n, float *mean, float *deviation)
{
    const unsigned soft_per_byte = srec_modem_soft_per_byte(modulation);
    if (!d || !soft_per_byte || (n_patches && !rate_map))
        return SREC_ERR_ARG;
    if (d->ladder) {
        size_t needed = 0;
        for (size_t p = 0; p < n_patches; p++) {
            if (rate_map[p] >= d->n_steps)
                return SREC_ERR_ARG;
            needed += d->ladder[rate_map[p]];
        }
        if (needed != n)
            return SREC_ERR_ARG;
    }
    const bool amplitude = modulation == SREC_PAM256;
    srec_status status =
        (amplitude ? srec_descrambler_amplitude : srec_descrambler_llr)(d, keystream, soft, tables, n, mean, deviation);
    if (status != SREC_OK || !d->ladder)
        return status;
    relate_patches(d, rate_map, n_patches, mean, deviation);
    const float *covariances[SREC_LADDER_MAX_STEPS], *at = d->covariance;
    for (unsigned r = 0; r < d->n_steps; at += (size_t)d->ladder[r] * d->ladder[r], r++)
        covariances[r] = at;
    float *told_mean = d->scratch + srec_predict_scratch(d->longest), *told_variance = told_mean + d->longest;
    unsigned was = flush_subnormals();
    for (size_t p = 0, i = 0; p < n_patches; i += d->ladder[rate_map[p]], p++) {
        const size_t k = d->ladder[rate_map[p]];
        const float *covariance = covariances[rate_map[p]];
        for (size_t j = 0; j < k; j++) {
            told_mean[j] = 0.0f;
            told_variance[j] = covariance[j * (k + 1)];
        }
        for (int round = 0; round < (k < AGAIN_FROM ? 1 : 2); round++)
            refine_patch(d, covariance, k, amplitude ? of_amplitude : of_llr, soft_per_byte,
                         keystream ? keystream + i : NULL, soft + i * soft_per_byte, mean + i, deviation + i, told_mean,
                         told_variance);
    }
    restore_subnormals(was);
    return SREC_OK;
}

srec_status srec_descrambler_hard(srec_descrambler *d, srec_modulation modulation, const uint8_t *keystream,
                                  const float *soft, size_t n, float *mean, float *deviation)
{
    unsigned soft_per_byte = srec_modem_soft_per_byte(modulation);
    if (!d || !soft_per_byte || (n && (!soft || !mean || !deviation)))
        return SREC_ERR_ARG;
    forget_damage(d);
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
