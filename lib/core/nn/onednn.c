/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  oneDNN backend: creation and execution of a plan. onednn.h describes the parts. */
#include "onednn.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

bool srec_onednn_supports(srec_precision precision)
{
    if (precision == SREC_PRECISION_F32)
        return true;
    /* Instruction sets are bit masks: a later set includes the bits of the earlier ones. */
    const unsigned effective = (unsigned)dnnl_get_effective_cpu_isa();
    const unsigned bf16 = (unsigned)dnnl_cpu_isa_avx512_core_bf16;
    return precision == SREC_PRECISION_BF16 && (effective & bf16) == bf16;
}

/* ---- creation ---------------------------------------------------------------------------------------------- */

static void free_step(srec_onednn_step *step)
{
    if (step->primitive)
        dnnl_primitive_destroy(step->primitive);
    if (step->copy)
        dnnl_primitive_destroy(step->copy);
    if (step->weights)
        dnnl_memory_destroy(step->weights);
    if (step->bias)
        dnnl_memory_destroy(step->bias);
    if (step->scratch)
        dnnl_memory_destroy(step->scratch);
}

static void free_port(srec_onednn_port *port)
{
    if (port->reorder)
        dnnl_primitive_destroy(port->reorder);
    if (port->memory)
        dnnl_memory_destroy(port->memory);
    volk_free(port->plane);
}

static void onednn_free(void *state)
{
    srec_onednn *o = state;
    if (!o)
        return;
    for (unsigned n = 0; o->steps && n < o->graph->n_nodes; n++)
        free_step(&o->steps[n]);
    for (unsigned i = 0; i < SREC_NN_MAX_PORTS; i++) {
        free_port(&o->in[i]);
        free_port(&o->out[i]);
    }
    for (unsigned v = 0; o->memory && v < o->graph->n_values; v++)
        if (o->memory[v])
            dnnl_memory_destroy(o->memory[v]);
    for (unsigned v = 0; o->md && v < o->graph->n_values; v++)
        if (o->md[v])
            dnnl_memory_desc_destroy(o->md[v]);
    if (o->stream)
        dnnl_stream_destroy(o->stream);
    if (o->engine)
        dnnl_engine_destroy(o->engine);
    free(o->type);
    free(o->permuted);
    free(o->shared);
    free(o->offset);
    free(o->md);
    free(o->memory);
    free(o->steps);
    volk_free(o->arena);
    volk_free(o->scratch);
    free(o);
}

static bool allocate_tables(srec_onednn *o)
{
    const srec_graph *g = o->graph;
    o->type = calloc(g->n_values, sizeof *o->type);
    o->permuted = calloc(g->n_values, sizeof *o->permuted);
    o->shared = calloc(g->n_values, sizeof *o->shared);
    o->offset = calloc(g->n_values, sizeof *o->offset);
    o->md = calloc(g->n_values, sizeof *o->md);
    o->memory = calloc(g->n_values, sizeof *o->memory);
    o->steps = calloc(g->n_nodes, sizeof *o->steps);
    return o->type && o->permuted && o->shared && o->offset && o->md && o->memory && o->steps;
}

static srec_status build(srec_onednn *o)
{
    SREC_ONEDNN_TRY(dnnl_engine_create(&o->engine, dnnl_cpu, 0));
    SREC_ONEDNN_TRY(dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags));
    srec_status status = srec_onednn_lay_out(o);
    return status == SREC_OK ? srec_onednn_make_primitives(o) : status;
}

static srec_status onednn_create(const srec_graph *g, const srec_compute *compute, size_t height, size_t width,
                                 void **state, srec_error *error)
{
    srec_onednn *o = calloc(1, sizeof *o);
    if (!o)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    o->graph = g;
    o->height = height;
    o->width = width;
    const int processors = omp_get_num_procs();
    o->threads = compute->threads && compute->threads < (unsigned)processors ? (int)compute->threads : processors;
    o->settings = *compute;
    o->compute = compute->precision == SREC_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
    srec_status status = SREC_ERR_MEMORY;
    if (allocate_tables(o)) {
        const int before = omp_get_max_threads(); /* oneDNN divides the work when it creates a primitive */
        omp_set_num_threads(o->threads);
        status = build(o);
        omp_set_num_threads(before);
    }
    if (status != SREC_OK) {
        onednn_free(o);
        return srec_fail(error, status, "network %s at %zux%zu: %s", g->name, width, height,
                         status == SREC_ERR_MEMORY ? "out of memory; use a smaller tile" : "oneDNN cannot run it");
    }
    *state = o;
    return SREC_OK;
}

/* ---- execution --------------------------------------------------------------------------------------------- */

/* One row of small cells of a pixel shuffle: factor x factor samples of the large plane each. */
typedef struct {
    size_t factor;
    size_t cells;        /* in the row */
    size_t cell_bytes;   /* all channels of a small sample */
    size_t run_bytes;    /* all channels of a large sample */
    size_t channels;     /* of the large plane */
    size_t sample_bytes; /* one channel */
    bool up;             /* small to large */
} shuffle_row;

static void move_bytes(bool up, uint8_t *small, uint8_t *large, size_t bytes)
{
    memcpy(up ? large : small, up ? small : large, bytes);
}

/* Channels are (dy, dx, c): factor samples of the large row are contiguous on both sides. */
static void shuffle_runs(const shuffle_row *r, uint8_t *small, uint8_t *large, size_t dy)
{
    const size_t bytes = r->factor * r->run_bytes;
    for (size_t x = 0; x < r->cells; x++)
        move_bytes(r->up, small + x * r->cell_bytes + dy * bytes, large + x * bytes, bytes);
}

/* Channels are (c, dy, dx): every sample is moved separately. */
static void shuffle_samples(const shuffle_row *r, uint8_t *small, uint8_t *large, size_t dy)
{
    const size_t f = r->factor;
    for (size_t x = 0; x < r->cells; x++)
        for (size_t dx = 0; dx < f; dx++)
            for (size_t c = 0; c < r->channels; c++)
                move_bytes(r->up, small + x * r->cell_bytes + (c * f * f + dy * f + dx) * r->sample_bytes,
                           large + (x * f + dx) * r->run_bytes + c * r->sample_bytes, r->sample_bytes);
}

static void shuffle(const srec_onednn *o, const srec_node *node)
{
    const bool up = node->op == SREC_OP_PIXEL_SHUFFLE;
    const unsigned small = up ? node->in[0] : node->out;
    const unsigned large = up ? node->out : node->in[0];
    const srec_value *s = &o->graph->values[small];
    const srec_value *l = &o->graph->values[large];
    const size_t sample = srec_onednn_sample_bytes(o->type[small]);
    const size_t rows = srec_value_height(s, o->height);
    const shuffle_row r = {
        .factor = node->factor,
        .cells = srec_value_height(s, o->width),
        .cell_bytes = s->channels * sample,
        .run_bytes = l->channels * sample,
        .channels = l->channels,
        .sample_bytes = sample,
        .up = up,
    };
    const bool permuted = o->permuted[small] == node->factor;
#pragma omp parallel for num_threads(o->threads) schedule(static)
    for (size_t y = 0; y < rows; y++)
        for (size_t dy = 0; dy < r.factor; dy++) {
            uint8_t *from = o->arena + o->offset[small] + y * r.cells * r.cell_bytes;
            uint8_t *to = o->arena + o->offset[large] + (y * r.factor + dy) * r.cells * r.factor * r.run_bytes;
            if (permuted)
                shuffle_runs(&r, from, to, dy);
            else
                shuffle_samples(&r, from, to, dy);
        }
}

/* Convert between the caller's f32 plane and the value, where they differ. */
static srec_status convert(const srec_onednn *o, const srec_onednn_port *port, unsigned value, bool input)
{
    if (!port->reorder)
        return SREC_OK;
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, input ? port->memory : o->memory[value] },
                                     { DNNL_ARG_TO, input ? o->memory[value] : port->memory } };
    SREC_ONEDNN_TRY(dnnl_primitive_execute(port->reorder, o->stream, 2, args));
    return SREC_OK;
}

static srec_status run_step(const srec_onednn *o, unsigned n)
{
    const srec_onednn_step *step = &o->steps[n];
    if (srec_is_cancelled(&o->settings))
        return SREC_ERR_CANCELLED;
    if (step->copy)
        SREC_ONEDNN_TRY(dnnl_primitive_execute(step->copy, o->stream, 2, step->copy_args));
    if (step->primitive)
        SREC_ONEDNN_TRY(dnnl_primitive_execute(step->primitive, o->stream, step->n_args, step->args));
    else
        shuffle(o, &o->graph->nodes[n]);
    return SREC_OK;
}

static srec_status run_steps(const srec_onednn *o)
{
    const srec_graph *g = o->graph;
    srec_status status = SREC_OK;
    for (unsigned i = 0; i < g->n_inputs && status == SREC_OK; i++)
        status = convert(o, &o->in[i], i, true);
    for (unsigned n = 0; n < g->n_nodes && status == SREC_OK; n++)
        status = run_step(o, n);
    for (unsigned i = 0; i < g->n_outputs && status == SREC_OK; i++)
        status = convert(o, &o->out[i], g->outputs[i], false);
    if (status == SREC_OK)
        SREC_ONEDNN_TRY(dnnl_stream_wait(o->stream));
    return status;
}

static srec_status onednn_run(void *state, srec_error *error)
{
    const srec_onednn *o = state;
    const int before = omp_get_max_threads(); /* of this thread only */
    omp_set_num_threads(o->threads);
    const srec_status status = run_steps(o);
    omp_set_num_threads(before);
    if (status == SREC_ERR_CANCELLED)
        return srec_fail(error, status, "cancelled");
    return status == SREC_OK ? status : srec_fail(error, status, "network %s: oneDNN failed", o->graph->name);
}

static float *onednn_input(void *state, unsigned i)
{
    srec_onednn *o = state;
    return o->in[i].plane ? o->in[i].plane : (float *)(void *)(o->arena + o->offset[i]);
}

static const float *onednn_output(const void *state, unsigned i)
{
    const srec_onednn *o = state;
    const size_t offset = o->offset[o->graph->outputs[i]];
    return o->out[i].plane ? o->out[i].plane : (const float *)(const void *)(o->arena + offset);
}

static size_t onednn_bytes(const void *state)
{
    const srec_onednn *o = state;
    return o->arena_bytes + o->weight_bytes + o->scratch_bytes;
}

const srec_backend_ops srec_onednn_ops = {
    .create = onednn_create,
    .free = onednn_free,
    .input = onednn_input,
    .output = onednn_output,
    .run = onednn_run,
    .bytes = onednn_bytes,
};
