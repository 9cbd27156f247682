/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/estimator.h>

#include <stdlib.h>
#include <string.h>

#define SOFT_MOST 8u /* soft values of a byte */

struct srec_estimator {
    const srec_model *model;
    srec_descrambler *descramblers[SREC_FEATURE_FORMATS];
    const srec_descrambler *last; /* the descrambler of the last payload */
    uint8_t keystream[SREC_PAYLOAD_MAX];
    uint8_t tables[SREC_PAYLOAD_MAX];         /* prior of each feature */
    float soft[SOFT_MOST * SREC_PAYLOAD_MAX]; /* in the order of the slice */
};

/* \param priors  of each format; NULL: none */
static srec_status create(const srec_model *model, const srec_priors *const priors[SREC_FEATURE_FORMATS],
                          srec_estimator **out, srec_error *error)
{
    *out = NULL;
    srec_estimator *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "estimator: out of memory");
    e->model = model;
    for (int f = 0; f < SREC_FEATURE_FORMATS; f++) {
        if (!priors[f])
            continue;
        const srec_status status = srec_descrambler_create(priors[f], &e->descramblers[f], error);
        if (status != SREC_OK) {
            srec_estimator_free(e);
            return status;
        }
    }
    *out = e;
    return SREC_OK;
}

srec_status srec_estimator_create(const srec_model *model, srec_estimator **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!model || !out)
        return srec_fail(error, SREC_ERR_ARG, "estimator: NULL argument");
    const srec_priors *priors[SREC_FEATURE_FORMATS];
    for (int f = 0; f < SREC_FEATURE_FORMATS; f++)
        priors[f] = srec_model_priors(model, (srec_feature_format)f);
    return create(model, priors, out, error);
}

srec_status srec_estimator_create_from_priors(const srec_priors *priors, srec_feature_format format,
                                              srec_estimator **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!priors || !out)
        return srec_fail(error, SREC_ERR_ARG, "estimator: NULL argument");
    if ((unsigned)format >= SREC_FEATURE_FORMATS)
        return srec_fail(error, SREC_ERR_ARG, "estimator: unknown feature format %d", (int)format);
    const srec_priors *all[SREC_FEATURE_FORMATS] = { NULL };
    all[format] = priors;
    return create(NULL, all, out, error);
}

void srec_estimator_free(srec_estimator *e)
{
    if (!e)
        return;
    for (int f = 0; f < SREC_FEATURE_FORMATS; f++)
        srec_descrambler_free(e->descramblers[f]);
    free(e);
}

/* Undoes the secret order, and the cipher where that is possible on soft values. */
static srec_status restore(srec_estimator *e, srec_scrambler *scrambler, const srec_feature_payload *p)
{
    if (p->modulation == SREC_PAM256)
        return srec_scrambler_restore_amplitude(scrambler, p->packet, p->soft, e->soft, p->n_features);
    return srec_scrambler_restore_llr(scrambler, p->packet, p->cipher, p->soft, e->soft, p->n_features);
}

static srec_feature_format format_of(srec_modulation modulation)
{
    return modulation == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
}

static bool is_valid(const srec_feature_payload *p)
{
    return p->soft && p->tables && p->rate_map && p->n_features && p->n_features <= SREC_PAYLOAD_MAX;
}

srec_status srec_estimator_run_features(srec_estimator *e, srec_scrambler *scrambler, const srec_feature_payload *p,
                                        bool soft, float *mean, float *deviation)
{
    if (!e || !scrambler || !p || !mean || !deviation || !is_valid(p))
        return SREC_ERR_ARG;
    const size_t n = p->n_features;
    srec_descrambler *d = e->descramblers[format_of(p->modulation)];
    if (!d)
        return SREC_ERR_ARG;
    const uint8_t *keystream = p->cipher == SREC_CIPHER_ADD ? e->keystream : NULL;
    e->last = d;
    srec_status status = restore(e, scrambler, p);
    if (status == SREC_OK && keystream)
        status = srec_scrambler_keystream(scrambler, p->packet, 0, e->keystream, n);
    if (status != SREC_OK)
        return status;
    const srec_descrambler_input in = {
        .modulation = p->modulation,
        .keystream = keystream,
        .soft = e->soft,
        .tables = p->tables,
        .n = n,
        .rate_map = p->rate_map,
        .n_patches = p->n_patches,
    };
    return soft ? srec_descrambler_soft(d, &in, mean, deviation) : srec_descrambler_hard(d, &in, mean, deviation);
}

srec_status srec_estimator_run(srec_estimator *e, srec_scrambler *scrambler, const srec_payload *p, bool soft,
                               float *mean, float *deviation)
{
    if (!e || !e->model || !p || !p->slice || p->slice->format != format_of(p->modulation))
        return SREC_ERR_ARG;
    const size_t n = srec_slice_bytes(e->model, p->slice);
    if (!n || n > SREC_PAYLOAD_MAX)
        return SREC_ERR_ARG;
    const srec_status status = srec_slice_prior_tables(e->model, p->slice, e->tables, n);
    if (status != SREC_OK)
        return status;
    const srec_feature_payload payload = {
        .modulation = p->modulation,
        .cipher = p->cipher,
        .packet = p->packet,
        .n_features = n,
        .tables = e->tables,
        .n_patches = p->slice->n_patches,
        .rate_map = p->slice->rate_map,
        .soft = p->soft,
    };
    return srec_estimator_run_features(e, scrambler, &payload, soft, mean, deviation);
}

void srec_estimator_damage(const srec_estimator *e, srec_damage *out)
{
    if (e->last)
        srec_descrambler_damage(e->last, out);
    else
        memset(out, 0, sizeof *out);
}
