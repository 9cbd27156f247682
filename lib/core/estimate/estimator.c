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

srec_status srec_estimator_create(const srec_model *model, srec_estimator **out, srec_error *error)
{
    if (!model || !out)
        return srec_fail(error, SREC_ERR_ARG, "estimator: NULL argument");
    *out = NULL;
    srec_estimator *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "estimator: out of memory");
    e->model = model;
    for (int f = 0; f < SREC_FEATURE_FORMATS; f++) {
        const srec_priors *priors = srec_model_priors(model, (srec_feature_format)f);
        const srec_status status = srec_descrambler_create(priors, &e->descramblers[f], error);
        if (status != SREC_OK) {
            srec_estimator_free(e);
            return status;
        }
    }
    *out = e;
    return SREC_OK;
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
static srec_status restore(srec_estimator *e, srec_scrambler *scrambler, const srec_payload *p, size_t n)
{
    if (p->modulation == SREC_PAM256)
        return srec_scrambler_restore_amplitude(scrambler, p->packet, p->soft, e->soft, n);
    return srec_scrambler_restore_llr(scrambler, p->packet, p->cipher, p->soft, e->soft, n);
}

srec_status srec_estimator_run(srec_estimator *e, srec_scrambler *scrambler, const srec_payload *p, bool soft,
                               float *mean, float *deviation)
{
    if (!e || !scrambler || !p || !p->slice || !p->soft || !mean || !deviation ||
        (unsigned)p->slice->format >= SREC_FEATURE_FORMATS)
        return SREC_ERR_ARG;
    const size_t n = srec_slice_bytes(e->model, p->slice);
    if (!n || n > SREC_PAYLOAD_MAX)
        return SREC_ERR_ARG;
    srec_descrambler *d = e->descramblers[p->slice->format];
    const uint8_t *keystream = p->cipher == SREC_CIPHER_ADD ? e->keystream : NULL;
    e->last = d;
    srec_status status = restore(e, scrambler, p, n);
    if (status == SREC_OK && keystream)
        status = srec_scrambler_keystream(scrambler, p->packet, 0, e->keystream, n);
    if (status == SREC_OK && soft)
        status = srec_slice_prior_tables(e->model, p->slice, e->tables, n);
    if (status != SREC_OK)
        return status;
    const srec_descrambler_input in = {
        .modulation = p->modulation,
        .keystream = keystream,
        .soft = e->soft,
        .tables = e->tables,
        .n = n,
        .rate_map = p->slice->rate_map,
        .n_patches = p->slice->n_patches,
    };
    return soft ? srec_descrambler_soft(d, &in, mean, deviation) : srec_descrambler_hard(d, &in, mean, deviation);
}

void srec_estimator_damage(const srec_estimator *e, srec_damage *out)
{
    if (e->last)
        srec_descrambler_damage(e->last, out);
    else
        memset(out, 0, sizeof *out);
}
