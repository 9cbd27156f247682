/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backend.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct srec_plan {
    const srec_backend_ops *ops;
    void *state;
    size_t height, width;
};

bool srec_compute_supports(srec_backend backend, srec_precision precision)
{
    if (backend == SREC_BACKEND_ONEDNN)
        return srec_onednn_supports(precision);
    return backend == SREC_BACKEND_REFERENCE && precision == SREC_PRECISION_F32;
}

srec_status srec_precision_parse(const char *name, srec_precision *out, srec_error *error)
{
    if (!name || !out)
        return srec_fail(error, SREC_ERR_ARG, "no name of a precision");
    const bool automatic = strcmp(name, "auto") == 0, bf16 = strcmp(name, "bf16") == 0,
               has_bf16 = srec_onednn_supports(SREC_PRECISION_BF16);
    if (!automatic && !bf16 && strcmp(name, "f32") != 0)
        return srec_fail(error, SREC_ERR_ARG, "unknown precision '%s': auto, f32 or bf16", name);
    if (bf16 && !has_bf16)
        return srec_fail(error, SREC_ERR_UNSUPPORTED, "this processor has no bfloat16: use precision auto or f32");
    *out = bf16 || (automatic && has_bf16) ? SREC_PRECISION_BF16 : SREC_PRECISION_F32;
    return SREC_OK;
}

/* True if no plane has more samples than 31 bits can count. This keeps every product of sizes within size_t, and the
 * offsets of other libraries within int. */
static bool counts_fit(const srec_graph *g, size_t height, size_t width)
{
    for (unsigned i = 0; i < g->n_values; i++) {
        const srec_value *v = &g->values[i];
        /* At most 2^40 each. */
        const uint64_t h = (uint64_t)height * v->num / v->den, w = (uint64_t)width * v->num / v->den;
        if (h > INT32_MAX || w > INT32_MAX || h * w > INT32_MAX / v->channels)
            return false;
    }
    return true;
}

srec_status srec_plan_create(const srec_graph *g, const srec_compute *compute, size_t height, size_t width,
                             srec_plan **out, srec_error *error)
{
    if (!g || !compute || !out)
        return srec_fail(error, SREC_ERR_ARG, "no graph");
    *out = NULL;
    unsigned granule = srec_graph_granule(g);
    if (!height || !width || height % granule || width % granule || height > 1u << 20 || width > 1u << 20)
        return srec_fail(error, SREC_ERR_ARG, "network %s: %zux%zu is not a multiple of %u", g->name, width, height,
                         granule);
    if (!counts_fit(g, height, width))
        return srec_fail(error, SREC_ERR_MEMORY,
                         "network %s at %zux%zu: a plane of more than 2^31 samples; use a smaller tile", g->name, width,
                         height);
    if (!srec_compute_supports(compute->backend, compute->precision))
        return srec_fail(error, SREC_ERR_UNSUPPORTED, "this processor or backend has no bfloat16; use f32");
    srec_plan *p = calloc(1, sizeof *p);
    if (!p)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    p->ops = compute->backend == SREC_BACKEND_REFERENCE ? &srec_reference_ops : &srec_onednn_ops;
    p->height = height;
    p->width = width;
    srec_status status = p->ops->create(g, compute, height, width, &p->state, error);
    if (status != SREC_OK)
        srec_plan_free(p);
    else
        *out = p;
    return status;
}

void srec_plan_free(srec_plan *p)
{
    if (!p)
        return;
    p->ops->free(p->state);
    free(p);
}

size_t srec_plan_height(const srec_plan *p) { return p->height; }
size_t srec_plan_width(const srec_plan *p) { return p->width; }
float *srec_plan_input(srec_plan *p, unsigned i) { return p->ops->input(p->state, i); }
const float *srec_plan_output(const srec_plan *p, unsigned i) { return p->ops->output(p->state, i); }
srec_status srec_plan_run(srec_plan *p, srec_error *error) { return p->ops->run(p->state, error); }
size_t srec_plan_bytes(const srec_plan *p) { return p->ops->bytes(p->state); }
