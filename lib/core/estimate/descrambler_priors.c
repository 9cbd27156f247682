/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Priors of the descrambler: its creation, the tables of byte values and the covariances of features. */
#include "descrambler_internal.h"
#include "prediction.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

/* True if the row is a probability distribution: finite, not negative, sum 1. */
static bool is_distribution(const float *p)
{
    double sum = 0;
    for (unsigned i = 0; i < SREC_BYTE_VALUES; i++) {
        if (!(p[i] >= 0.0f))
            return false;
        sum += p[i];
    }
    return fabs(sum - 1.0) < 1e-2;
}

static void fill_table(const srec_descrambler *d, unsigned t, const float *prior)
{
    float *p = srec_prior_table(d, t), *pv = p + 2 * SREC_BYTE_VALUES, *pvv = pv + 2 * SREC_BYTE_VALUES;
    for (unsigned i = 0; i < 2 * SREC_BYTE_VALUES; i++) {
        float v = ((float)(i % SREC_BYTE_VALUES) - 128.0f) / d->levels;
        p[i] = prior[i % SREC_BYTE_VALUES];
        pv[i] = p[i] * v;
        pvv[i] = pv[i] * v;
    }
}

/* Half Gaussian, half Laplace: a prediction is sometimes far off. */
static void fill_prediction_table(const srec_descrambler *d, unsigned width)
{
    const double deviation = d->levels * exp2(((double)width + SREC_WIDTH_LOWEST) / 4);
    double gauss[SREC_BYTE_VALUES], laplace[SREC_BYTE_VALUES], sum[2] = { 0, 0 };
    float prior[SREC_BYTE_VALUES];
    for (unsigned i = 0; i < SREC_BYTE_VALUES; i++) {
        double v = fabs((double)i - 128) / deviation;
        sum[0] += gauss[i] = exp(-0.5 * v * v);
        sum[1] += laplace[i] = exp(-sqrt(2) * v);
    }
    for (unsigned i = 0; i < SREC_BYTE_VALUES; i++)
        prior[i] = (float)(0.5 * gauss[i] / sum[0] + 0.5 * laplace[i] / sum[1]);
    fill_table(d, d->n_tables + width, prior);
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
    d->scratch = volk_malloc((srec_predict_scratch(d->longest) + SREC_REFINE_ARRAYS * d->longest) * sizeof *d->scratch,
                             volk_get_alignment());
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
        if (!is_distribution(priors->tables + (size_t)t * SREC_BYTE_VALUES))
            return srec_fail(error, SREC_ERR_ARG, "descrambler: prior table %u is no distribution", t);
    srec_descrambler *d = calloc(1, sizeof *d);
    if (!d)
        return srec_fail(error, SREC_ERR_MEMORY, "descrambler: out of memory");
    d->levels = priors->levels;
    d->n_tables = priors->n_tables;
    srec_status status = copy_covariance(d, priors);
    const unsigned n = d->n_tables + (d->ladder ? SREC_WIDTHS : 0);
    d->tables = volk_malloc(sizeof(float) * 3 * 2 * SREC_BYTE_VALUES * n, volk_get_alignment());
    if (status == SREC_OK && !d->tables)
        status = SREC_ERR_MEMORY;
    if (status != SREC_OK) {
        srec_descrambler_free(d);
        return srec_fail(error, status, "descrambler: %s", srec_strerror(status));
    }
    for (unsigned t = 0; t < d->n_tables; t++)
        fill_table(d, t, priors->tables + (size_t)t * SREC_BYTE_VALUES);
    for (unsigned width = 0; d->ladder && width < SREC_WIDTHS; width++)
        fill_prediction_table(d, width);
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
