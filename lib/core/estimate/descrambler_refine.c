/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Re-weights each feature using a prediction from the rest of its patch. */
#include "descrambler_internal.h"
#include "likelihood.h"
#include "prediction.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define SURE       0.25f /* in levels: below this deviation the byte is certain and stays unchanged */
#define USUAL      3.0f  /* in feature variances: added to the power of a patch and to its expected power */
/* Number of features from which on a patch gets a second round: so many features predict each other well. */
#define AGAIN_FROM 64u
#define NOISE_MAX  100.0f /* multiple of its variance: noise of an unknown feature */

typedef struct {
    float mean;
    float variance;
} gaussian;

/* The features of one patch. */
typedef struct {
    size_t n;
    const float *covariance;  /* (n, n) */
    const uint8_t *keystream; /* (n), or NULL */
    const float *soft;        /* (n, soft_per_byte) */
    unsigned soft_per_byte;
    srec_likelihood_of *likelihood_of;
    float *mean; /* (n) estimates */
    float *deviation;
} patch;

/* Arrays of one float per feature, and the scratch of the prediction. */
typedef struct {
    float *prediction;
    float *prior_mean; /* of the present estimates */
    float *prior_variance;
    float *observed; /* what the byte alone says */
    float *noise;    /* its variance */
    float *predicted_mean;
    float *predicted_variance;
} workspace;

static workspace workspace_of(const srec_descrambler *d)
{
    float *arrays = d->scratch + srec_predict_scratch(d->longest);
    return (workspace){
        .prediction = d->scratch,
        .prior_mean = arrays,
        .prior_variance = arrays + d->longest,
        .observed = arrays + 2u * d->longest,
        .noise = arrays + 3u * d->longest,
        .predicted_mean = arrays + 4u * d->longest,
        .predicted_variance = arrays + 5u * d->longest,
    };
}

/* Table of predictions whose width is nearest to a variance. */
static unsigned prediction_table(const srec_descrambler *d, float variance)
{
    const int width = (int)lrintf(2.0f * log2f(variance)) - SREC_WIDTH_LOWEST;
    const unsigned nearest = width < 0 ? 0 : width < (int)SREC_WIDTHS ? (unsigned)width : SREC_WIDTHS - 1;
    return d->n_tables + nearest;
}

/* Estimate a byte again, with a prediction as its prior. The estimate stays unchanged if likelihood and prediction
 * exclude each other.
 * \param[in,out] likelihood (256); values that the prediction makes impossible become 0 */
static void estimate_again(const srec_descrambler *d, float *likelihood, uint8_t key, gaussian prior, float *mean,
                           float *deviation)
{
    /* The key and the distance of the prior's centre from 128 are both offsets into the table. */
    const float away = prior.mean * d->levels;
    const int shift = (int)lrintf(away < -127.0f ? -127.0f : away < 127.0f ? away : 127.0f);
    /* Byte values do not wrap around: values beyond 0 and 255, seen from the prediction, are impossible. */
    const uint8_t first = (uint8_t)(shift > 0 ? key : key + shift);
    for (unsigned i = 0; i < (unsigned)abs(shift); i++)
        likelihood[(uint8_t)(first + i)] = 0.0f;
    const unsigned table = prediction_table(d, prior.variance);
    if (srec_posterior(d, likelihood, table, (uint8_t)(key + shift), mean, deviation) > 0.0f)
        *mean += (float)shift / d->levels;
}

/* Variance of the features of a patch, as a multiple of the covariance's. The number of features does not determine it:
 * at a small eta a busy patch has as many features as a calm patch at a large eta, but larger ones. */
static float size_of_patch(const patch *p)
{
    float found = USUAL;
    float expected = USUAL;
    for (size_t i = 0; i < p->n; i++) {
        found += p->mean[i] * p->mean[i] + p->deviation[i] * p->deviation[i];
        expected += p->covariance[i * (p->n + 1)];
    }
    return found / expected;
}

/* The information from each byte alone: the estimate without its prior.
 * \return true if any byte is uncertain */
static bool remove_priors(const srec_descrambler *d, const patch *p, float step, float size, const workspace *w)
{
    const float *restrict mean = p->mean;
    const float *restrict deviation = p->deviation;
    const float *restrict prior_mean = w->prior_mean;
    const float *restrict prior_variance = w->prior_variance;
    float *restrict observed = w->observed;
    float *restrict noise = w->noise;
    bool doubt = false;
    for (size_t i = 0; i < p->n; i++) {
        const float prior = prior_variance[i];
        const float most = prior * (NOISE_MAX / (1.0f + NOISE_MAX));
        float known = deviation[i] * deviation[i] + step;
        known = known < most ? known : most;
        noise[i] = known * prior / (prior - known) / size;
        observed[i] = (mean[i] * prior - prior_mean[i] * known) / (prior - known);
    }
    for (size_t i = 0; i < p->n; i++)
        doubt |= deviation[i] * d->levels > SURE;
    return doubt;
}

/* Estimate the features of a patch again, each with the prediction from the others as its prior: expectation
 * propagation (Minka 2001). The predictions become the priors in the workspace. */
static void refine_patch(const srec_descrambler *d, const patch *p, const workspace *w)
{
    _Alignas(64) float likelihood[SREC_BYTE_VALUES];
    const float step = 1.0f / (12.0f * d->levels * d->levels); /* variance of rounding to a byte */
    const float size = size_of_patch(p);
    const srec_observations observations = {
        .covariance = p->covariance,
        .observed = w->observed,
        .noise = w->noise,
        .n = p->n,
    };
    if (!remove_priors(d, p, step, size, w) ||
        !srec_predict(&observations, w->prediction, w->predicted_mean, w->predicted_variance))
        return;
    for (size_t i = 0; i < p->n; i++) {
        if (p->deviation[i] * d->levels <= SURE)
            continue;
        const gaussian prior = { w->predicted_mean[i], fmaxf(w->predicted_variance[i] * size, step) };
        w->prior_mean[i] = prior.mean;
        w->prior_variance[i] = prior.variance;
        p->likelihood_of(p->soft + i * p->soft_per_byte, likelihood);
        estimate_again(d, likelihood, p->keystream ? p->keystream[i] : 0, prior, p->mean + i, p->deviation + i);
    }
}

/* Where the covariance and the partners of each step begin. */
typedef struct {
    const float *covariance[SREC_LADDER_MAX_STEPS];
    size_t first_partner[SREC_LADDER_MAX_STEPS];
} steps;

static steps steps_of(const srec_descrambler *d)
{
    steps s = { .covariance = { NULL } };
    const float *covariance = d->covariance;
    size_t features = 0;
    for (unsigned r = 0; r < d->n_steps; r++) {
        s.covariance[r] = covariance;
        s.first_partner[r] = features;
        covariance += (size_t)d->ladder[r] * d->ladder[r];
        features += d->ladder[r];
    }
    return s;
}

/* Measures relations between features. Call it before refine_patch(), which makes features related. */
static void relate_patches(srec_descrambler *d, const srec_descrambler_input *in, const float *mean,
                           const float *deviation)
{
    const steps s = steps_of(d);
    size_t at = 0;
    for (size_t p = 0; p < in->n_patches; p++) {
        const unsigned step = in->rate_map[p];
        const size_t n = d->ladder[step];
        const srec_related_patch related = {
            .mean = mean + at,
            .deviation = deviation + at,
            .before = p && in->rate_map[p - 1] == step ? mean + at - n : NULL,
            .partner = d->partner + s.first_partner[step],
            .correlation = d->correlation + s.first_partner[step],
            .n = n,
            .variance = s.covariance[step][0],
        };
        srec_relate(&related, &d->damage);
        at += n;
    }
}

void srec_descrambler_refine(srec_descrambler *d, const srec_descrambler_input *in, float *mean, float *deviation)
{
    relate_patches(d, in, mean, deviation);
    const steps s = steps_of(d);
    const workspace w = workspace_of(d);
    const bool amplitude = in->modulation == SREC_PAM256;
    patch p = {
        .soft_per_byte = srec_modem_soft_per_byte(in->modulation),
        .likelihood_of = amplitude ? srec_likelihood_of_amplitude : srec_likelihood_of_llr,
    };
    const unsigned was = srec_flush_subnormals();
    for (size_t i = 0, at = 0; i < in->n_patches; i++, at += p.n) {
        p.n = d->ladder[in->rate_map[i]];
        p.covariance = s.covariance[in->rate_map[i]];
        p.keystream = in->keystream ? in->keystream + at : NULL;
        p.soft = in->soft + at * p.soft_per_byte;
        p.mean = mean + at;
        p.deviation = deviation + at;
        for (size_t j = 0; j < p.n; j++) {
            w.prior_mean[j] = 0.0f;
            w.prior_variance[j] = p.covariance[j * (p.n + 1)];
        }
        for (int round = 0; round < (p.n < AGAIN_FROM ? 1 : 2); round++)
            refine_patch(d, &p, &w);
    }
    srec_restore_subnormals(was);
}
