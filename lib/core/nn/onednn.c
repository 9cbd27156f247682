/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  oneDNN backend: every call to the library is in this file (oneDNN 2.x C API).
 *
 *  Activations are nhwc, which is what the library's own choice (`any`) comes to on AVX-512 machines and keeps pixel shuffles cheap;
 *  weights are reordered once into the layout the library chooses. A convolution does bias, residual sum and ReLU in one pass.
 *
 *  The residual sum is the library's `sum` post-op, which adds to what the destination holds, and not `binary_add`, which version 2.6.3
 *  computes wrongly in its gemm convolutions (chosen for odd channel counts). Where the added tensor is read for the last time the
 *  destination takes over its buffer, so nothing is copied and nothing more is read.
 *
 *  Pixel shuffles: PyTorch orders the shuffled channels (c, dy, dx). Where a convolution alone writes or reads them, its weights are
 *  permuted to (dy, dx, c) when the plan is made, and the shuffle copies whole runs of c instead of single samples. */
#include "backend.h"

#include <dnnl.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

typedef struct {
    dnnl_primitive_t primitive; /* NULL: a shuffle */
    dnnl_exec_arg_t args[SREC_NN_MAX_NODE_INPUTS + 2]; /* the most a concat has: sources, destination, scratch; a convolution has 5 */
    int n_args;
    dnnl_primitive_t before; /* conv: copies the added tensor where the sum is to come; NULL: it is there already */
    dnnl_exec_arg_t before_args[2];
    dnnl_memory_t weights, bias, scratch; /* owned */
} step;

/* bf16 plans: the caller's f32 side of an input or output, and what converts. */
typedef struct {
    float *plane;
    dnnl_memory_t memory;
    dnnl_primitive_t primitive;
} port;

typedef struct {
    const srec_graph *g;
    size_t height, width;
    int threads;
    dnnl_data_type_t compute;  /* dnnl_f32 or dnnl_bf16 */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t *type;    /* (n_values) */
    unsigned *permuted;        /* (n_values) factor f: channels are (f, f, c) instead of (c, f, f); 0: as in the graph */
    unsigned *shared;          /* (n_values) the value whose buffer it lives in: itself, or what was added to it */
    size_t *offset;            /* (n_values) in the arena */
    dnnl_memory_t *memory;     /* (n_values) */
    step *steps;               /* (n_nodes) */
    uint8_t *arena, *scratch;
    size_t arena_bytes, weight_bytes, scratch_bytes;
    port in[SREC_NN_MAX_PORTS], out[SREC_NN_MAX_PORTS];
} onednn;

bool srec_onednn_supports(srec_precision precision)
{
    if (precision == SREC_PRECISION_F32)
        return true;
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_avx512_core_bf16:
    case dnnl_cpu_isa_avx512_core_amx: return precision == SREC_PRECISION_BF16;
    default: return false;
    }
}

static size_t element(dnnl_data_type_t type) { return type == dnnl_bf16 ? 2 : 4; }

static void describe(const onednn *o, unsigned value, dnnl_memory_desc_t *md)
{
    const srec_value *v = &o->g->values[value];
    dnnl_dims_t dims = { 1, v->channels, (dnnl_dim_t)srec_value_height(v, o->height), (dnnl_dim_t)srec_value_height(v, o->width) };
    dnnl_memory_desc_init_by_tag(md, 4, dims, o->type[value], dnnl_nhwc);
}

static bool is_output(const srec_graph *g, unsigned value)
{
    for (unsigned i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] == value)
            return true;
    return false;
}

/* Types: all bf16 in a bf16 plan, but what a convolution or a sum writes to an output that is not read again is f32, also where it is
 * merely shuffled before it leaves. Any other output is converted at the end of the run. */
static void choose_types(onednn *o)
{
    const srec_graph *g = o->g;
    for (unsigned v = 0; v < g->n_values; v++)
        o->type[v] = o->compute;
    for (unsigned i = 0; i < g->n_outputs; i++) {
        const unsigned v = g->outputs[i];
        const srec_node *node = &g->nodes[g->values[v].producer];
        if (g->values[v].consumers)
            continue;
        if (node->op == SREC_OP_CONV || node->op == SREC_OP_ADD || node->op == SREC_OP_MUL)
            o->type[v] = dnnl_f32;
        if (node->op != SREC_OP_PIXEL_SHUFFLE && node->op != SREC_OP_PIXEL_UNSHUFFLE)
            continue;
        const srec_value *in = &g->values[node->in[0]];
        if (in->consumers == 1 && in->producer >= 0 && g->nodes[in->producer].op == SREC_OP_CONV && !is_output(g, node->in[0]))
            o->type[v] = o->type[node->in[0]] = dnnl_f32;
    }
}

/* Which values have their channels in (f, f, c) order. */
static void choose_orders(onednn *o)
{
    const srec_graph *g = o->g;
    for (unsigned v = 0; v < g->n_values; v++) {
        const srec_value *value = &g->values[v];
        if (value->producer < 0 || is_output(g, v))
            continue;
        const srec_node *producer = &g->nodes[value->producer];
        bool from_conv = producer->op == SREC_OP_CONV && producer->add < 0, from_unshuffle = producer->op == SREC_OP_PIXEL_UNSHUFFLE;
        unsigned factor = from_unshuffle ? producer->factor : 0;
        bool ok = from_conv || from_unshuffle;
        for (unsigned n = 0; n < g->n_nodes && ok; n++) {
            const srec_node *node = &g->nodes[n];
            ok = node->add != (int)v;
            for (unsigned i = 0; i < node->n_in && ok; i++)
                if (node->in[i] == v) {
                    if (from_unshuffle)
                        ok = node->op == SREC_OP_CONV;
                    else {
                        ok = node->op == SREC_OP_PIXEL_SHUFFLE && (!factor || factor == node->factor);
                        factor = node->factor;
                    }
                }
        }
        if (ok)
            o->permuted[v] = factor;
    }
}

/* Where channel \p channel of the graph lies in memory. */
static size_t place(unsigned factor, size_t channels, size_t channel)
{
    if (!factor)
        return channel;
    size_t area = (size_t)factor * factor;
    return channel % area * (channels / area) + channel / area;
}

#define TRY(call)                       \
    do {                                \
        if ((call) != dnnl_success)     \
            return SREC_ERR_INTERNAL;   \
    } while (0)

/* A memory of its own with \p from's values in \p want's layout. */
static srec_status reorder_into(onednn *o, const dnnl_memory_desc_t *have, void *data, const dnnl_memory_desc_t *want, dnnl_memory_t *out)
{
    dnnl_memory_t source = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t p = NULL;
    dnnl_status_t s = dnnl_memory_create(&source, have, o->engine, data);
    if (s == dnnl_success)
        s = dnnl_memory_create(out, want, o->engine, DNNL_MEMORY_ALLOCATE);
    if (s == dnnl_success)
        s = dnnl_reorder_primitive_desc_create(&pd, have, o->engine, want, o->engine, NULL);
    if (s == dnnl_success)
        s = dnnl_primitive_create(&p, pd);
    if (s == dnnl_success) {
        dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, source }, { DNNL_ARG_TO, *out } };
        s = dnnl_primitive_execute(p, o->stream, 2, args);
    }
    if (s == dnnl_success)
        s = dnnl_stream_wait(o->stream);
    if (p)
        dnnl_primitive_destroy(p);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (source)
        dnnl_memory_destroy(source);
    o->weight_bytes += dnnl_memory_desc_get_size(want);
    return s == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

/* The node's weights, channels permuted as its values demand, in the layout \p want. */
static srec_status take_weights(onednn *o, unsigned n, const dnnl_memory_desc_t *want)
{
    const srec_node *node = &o->g->nodes[n];
    const size_t *s = node->weight->shape, taps = s[2] * s[3];
    const unsigned fin = o->permuted[node->in[0]], fout = o->permuted[node->out];
    float *file = malloc(node->weight->count * sizeof *file), *w = malloc(node->weight->count * sizeof *w);
    srec_status status = SREC_ERR_MEMORY;
    if (file && w) {
        srec_tensor_to_f32(node->weight, file);
        for (size_t i = 0; i < s[0]; i++)
            for (size_t j = 0; j < s[1]; j++)
                memcpy(w + (place(fout, s[0], i) * s[1] + place(fin, s[1], j)) * taps, file + (i * s[1] + j) * taps, taps * sizeof *w);
        dnnl_memory_desc_t have;
        dnnl_dims_t dims = { (dnnl_dim_t)s[0], (dnnl_dim_t)s[1], (dnnl_dim_t)s[2], (dnnl_dim_t)s[3] };
        dnnl_memory_desc_init_by_tag(&have, 4, dims, dnnl_f32, dnnl_oihw);
        status = reorder_into(o, &have, w, want, &o->steps[n].weights);
    }
    if (status == SREC_OK) {
        dnnl_memory_desc_t md;
        dnnl_dims_t dims = { (dnnl_dim_t)s[0] };
        dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_x);
        memset(w, 0, s[0] * sizeof *w);
        if (node->bias) {
            srec_tensor_to_f32(node->bias, file);
            for (size_t i = 0; i < s[0]; i++)
                w[place(fout, s[0], i)] = file[i];
        }
        status = reorder_into(o, &md, w, &md, &o->steps[n].bias);
    }
    free(file);
    free(w);
    return status;
}

static void argument(step *s, int which, dnnl_memory_t memory) { s->args[s->n_args++] = (dnnl_exec_arg_t){ which, memory }; }

/* Wraps up a primitive description: primitive, scratch size. Takes ownership of \p pd. */
static srec_status finish_primitive(onednn *o, step *s, dnnl_primitive_desc_t pd)
{
    size_t scratch = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
    if (scratch > o->scratch_bytes)
        o->scratch_bytes = scratch;
    dnnl_status_t status = dnnl_primitive_create(&s->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    return status == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

/* Before the step: value \p from into the buffer of \p to. */
static srec_status make_copy(onednn *o, step *s, unsigned from, unsigned to)
{
    dnnl_memory_desc_t a, b;
    dnnl_primitive_desc_t pd;
    describe(o, from, &a);
    describe(o, to, &b);
    TRY(dnnl_reorder_primitive_desc_create(&pd, &a, o->engine, &b, o->engine, NULL));
    dnnl_status_t status = dnnl_primitive_create(&s->before, pd);
    dnnl_primitive_desc_destroy(pd);
    s->before_args[0] = (dnnl_exec_arg_t){ DNNL_ARG_FROM, o->memory[from] };
    s->before_args[1] = (dnnl_exec_arg_t){ DNNL_ARG_TO, o->memory[to] };
    return status == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

static srec_status make_conv(onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->g->nodes[n];
    step *s = &o->steps[n];
    dnnl_memory_desc_t src, dst, weights, bias;
    describe(o, node->in[0], &src);
    describe(o, node->out, &dst);
    const size_t *shape = node->weight->shape;
    dnnl_dims_t wdims = { (dnnl_dim_t)shape[0], (dnnl_dim_t)shape[1], (dnnl_dim_t)shape[2], (dnnl_dim_t)shape[3] };
    dnnl_dims_t bdims = { (dnnl_dim_t)shape[0] }, strides = { node->stride, node->stride }, left = { node->pad, node->pad }, right;
    for (int i = 0; i < 2; i++)
        right[i] = (dst.dims[2 + i] - 1) * strides[i] + wdims[2 + i] - src.dims[2 + i] - left[i];
    TRY(dnnl_memory_desc_init_by_tag(&weights, 4, wdims, o->compute, dnnl_format_tag_any));
    TRY(dnnl_memory_desc_init_by_tag(&bias, 1, bdims, dnnl_f32, dnnl_x));

    dnnl_post_ops_t post;
    TRY(dnnl_post_ops_create(&post));
    dnnl_status_t status = dnnl_success;
    if (node->add >= 0)
        status = dnnl_post_ops_append_sum(post, 1.0f);
    if (status == dnnl_success && node->relu)
        status = dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attr, post);
    dnnl_post_ops_destroy(post);
    dnnl_convolution_desc_t desc;
    if (status == dnnl_success)
        status = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &src, &weights, &bias, &dst, strides, left, right);
    dnnl_primitive_desc_t pd;
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&pd, &desc, attr, o->engine, NULL);
    if (status != dnnl_success)
        return SREC_ERR_INTERNAL;
    const dnnl_memory_desc_t want = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    srec_status done = finish_primitive(o, s, pd);
    if (done == SREC_OK)
        done = take_weights(o, n, &want);
    if (done != SREC_OK)
        return done;
    argument(s, DNNL_ARG_SRC, o->memory[node->in[0]]);
    argument(s, DNNL_ARG_WEIGHTS, s->weights);
    argument(s, DNNL_ARG_BIAS, s->bias);
    argument(s, DNNL_ARG_DST, o->memory[node->out]);
    return node->add >= 0 && o->shared[node->out] == node->out ? make_copy(o, s, (unsigned)node->add, node->out) : SREC_OK;
}

static srec_status make_concat(onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->g->nodes[n];
    step *s = &o->steps[n];
    dnnl_memory_desc_t src[SREC_NN_MAX_NODE_INPUTS], dst;
    for (unsigned i = 0; i < node->n_in; i++) {
        describe(o, node->in[i], &src[i]);
        argument(s, DNNL_ARG_MULTIPLE_SRC + (int)i, o->memory[node->in[i]]);
    }
    describe(o, node->out, &dst);
    argument(s, DNNL_ARG_DST, o->memory[node->out]);
    dnnl_primitive_desc_t pd;
    TRY(dnnl_concat_primitive_desc_create(&pd, &dst, (int)node->n_in, 1, src, attr, o->engine));
    return finish_primitive(o, s, pd);
}

static srec_status make_elementwise(onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->g->nodes[n];
    step *s = &o->steps[n];
    dnnl_memory_desc_t a, b, dst;
    dnnl_primitive_desc_t pd;
    describe(o, node->in[0], &a);
    describe(o, node->out, &dst);
    if (node->op == SREC_OP_ADD || node->op == SREC_OP_MUL) {
        dnnl_binary_desc_t desc;
        describe(o, node->in[1], &b);
        TRY(dnnl_binary_desc_init(&desc, node->op == SREC_OP_ADD ? dnnl_binary_add : dnnl_binary_mul, &a, &b, &dst));
        TRY(dnnl_primitive_desc_create(&pd, &desc, attr, o->engine, NULL));
        argument(s, DNNL_ARG_SRC_0, o->memory[node->in[0]]);
        argument(s, DNNL_ARG_SRC_1, o->memory[node->in[1]]);
    } else {
        dnnl_eltwise_desc_t desc;
        TRY(dnnl_eltwise_forward_desc_init(&desc, dnnl_forward_inference, node->op == SREC_OP_RELU ? dnnl_eltwise_relu : dnnl_eltwise_logistic, &a, 0.0f, 0.0f));
        TRY(dnnl_primitive_desc_create(&pd, &desc, attr, o->engine, NULL));
        argument(s, DNNL_ARG_SRC, o->memory[node->in[0]]);
    }
    argument(s, DNNL_ARG_DST, o->memory[node->out]);
    return finish_primitive(o, s, pd);
}

static void onednn_free(void *state)
{
    onednn *o = state;
    if (!o)
        return;
    for (unsigned n = 0; o->steps && n < o->g->n_nodes; n++) {
        if (o->steps[n].primitive)
            dnnl_primitive_destroy(o->steps[n].primitive);
        if (o->steps[n].before)
            dnnl_primitive_destroy(o->steps[n].before);
        if (o->steps[n].weights)
            dnnl_memory_destroy(o->steps[n].weights);
        if (o->steps[n].bias)
            dnnl_memory_destroy(o->steps[n].bias);
        if (o->steps[n].scratch)
            dnnl_memory_destroy(o->steps[n].scratch);
    }
    for (unsigned i = 0; i < SREC_NN_MAX_PORTS; i++) {
        port *ports[] = { &o->in[i], &o->out[i] };
        for (unsigned k = 0; k < 2; k++) {
            if (ports[k]->primitive)
                dnnl_primitive_destroy(ports[k]->primitive);
            if (ports[k]->memory)
                dnnl_memory_destroy(ports[k]->memory);
            volk_free(ports[k]->plane);
        }
    }
    for (unsigned v = 0; o->memory && v < o->g->n_values; v++)
        if (o->memory[v])
            dnnl_memory_destroy(o->memory[v]);
    if (o->stream)
        dnnl_stream_destroy(o->stream);
    if (o->engine)
        dnnl_engine_destroy(o->engine);
    free(o->type);
    free(o->permuted);
    free(o->shared);
    free(o->offset);
    free(o->memory);
    free(o->steps);
    volk_free(o->arena);
    volk_free(o->scratch);
    free(o);
}

/* A convolution's result takes over the buffer of what is added to it, where nobody reads that afterwards. \p last: as
 * srec_graph_lifetimes() gives it; a buffer that is taken over lives as long as its heir. */
static void share_buffers(onednn *o, int *last)
{
    const srec_graph *g = o->g;
    for (unsigned v = 0; v < g->n_values; v++)
        o->shared[v] = v;
    for (unsigned n = 0; n < g->n_nodes; n++) {
        const srec_node *node = &g->nodes[n];
        if (node->op != SREC_OP_CONV || node->add < 0)
            continue;
        const unsigned add = (unsigned)node->add;
        if (last[add] != (int)n || add == node->in[0] || o->type[add] != o->type[node->out])
            continue;
        o->shared[node->out] = o->shared[add];
    }
    for (unsigned v = 0; v < g->n_values; v++)
        if (last[v] > last[o->shared[v]])
            last[o->shared[v]] = last[v];
}

/* Buffers of all values in one arena. */
static srec_status make_buffers(onednn *o)
{
    const srec_graph *g = o->g;
    size_t *size = calloc(g->n_values, sizeof *size);
    int *life = calloc(2 * g->n_values, sizeof *life);
    srec_status status = SREC_ERR_MEMORY;
    if (!size || !life)
        goto done;
    srec_graph_lifetimes(g, life, life + g->n_values);
    share_buffers(o, life + g->n_values);
    for (unsigned v = 0; v < g->n_values; v++)
        size[v] = o->shared[v] == v ? srec_value_count(&g->values[v], o->height, o->width) * element(o->type[v]) : 0;
    o->arena_bytes = srec_arena_place(g->n_values, size, life, life + g->n_values, o->offset);
    if (!o->arena_bytes || !(o->arena = volk_malloc(o->arena_bytes, SREC_NN_ALIGN)))
        goto done;
    status = SREC_OK;
    for (unsigned v = 0; v < g->n_values && status == SREC_OK; v++) {
        dnnl_memory_desc_t md;
        describe(o, v, &md);
        o->offset[v] = o->offset[o->shared[v]];
        if (dnnl_memory_create(&o->memory[v], &md, o->engine, o->arena + o->offset[v]) != dnnl_success)
            status = SREC_ERR_INTERNAL;
    }
done:
    free(size);
    free(life);
    return status;
}

/* The f32 side of an input or output whose value is not f32 itself. */
static srec_status make_port(onednn *o, port *p, unsigned value, bool input)
{
    if (o->type[value] == dnnl_f32)
        return SREC_OK;
    dnnl_memory_desc_t inside, outside;
    describe(o, value, &inside);
    dnnl_memory_desc_init_by_tag(&outside, 4, inside.dims, dnnl_f32, dnnl_nhwc);
    size_t bytes = dnnl_memory_desc_get_size(&outside);
    if (!(p->plane = volk_malloc(bytes, SREC_NN_ALIGN)))
        return SREC_ERR_MEMORY;
    o->arena_bytes += bytes;
    TRY(dnnl_memory_create(&p->memory, &outside, o->engine, p->plane));
    dnnl_primitive_desc_t pd;
    TRY(dnnl_reorder_primitive_desc_create(&pd, input ? &outside : &inside, o->engine, input ? &inside : &outside, o->engine, NULL));
    dnnl_status_t status = dnnl_primitive_create(&p->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    return status == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

static srec_status convert(onednn *o, const port *p, unsigned value, bool input)
{
    if (!p->primitive)
        return SREC_OK;
    dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, input ? p->memory : o->memory[value] }, { DNNL_ARG_TO, input ? o->memory[value] : p->memory } };
    TRY(dnnl_primitive_execute(p->primitive, o->stream, 2, args));
    return SREC_OK;
}

static srec_status build(onednn *o)
{
    const srec_graph *g = o->g;
    TRY(dnnl_engine_create(&o->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags));
    choose_types(o);
    choose_orders(o);
    srec_status status = make_buffers(o);
    dnnl_primitive_attr_t attr = NULL;
    for (unsigned n = 0; n < g->n_nodes && status == SREC_OK; n++) {
        if (dnnl_primitive_attr_create(&attr) != dnnl_success || dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) != dnnl_success)
            status = SREC_ERR_INTERNAL;
        else
            switch (g->nodes[n].op) {
            case SREC_OP_CONV: status = make_conv(o, n, attr); break;
            case SREC_OP_CONCAT: status = make_concat(o, n, attr); break;
            case SREC_OP_PIXEL_SHUFFLE:
            case SREC_OP_PIXEL_UNSHUFFLE: break;
            default: status = make_elementwise(o, n, attr); break;
            }
        if (attr)
            dnnl_primitive_attr_destroy(attr);
        attr = NULL;
    }
    if (status == SREC_OK && o->scratch_bytes && !(o->scratch = volk_malloc(o->scratch_bytes, SREC_NN_ALIGN)))
        status = SREC_ERR_MEMORY;
    for (unsigned n = 0; n < g->n_nodes && status == SREC_OK; n++)
        if (o->steps[n].primitive) {
            const_dnnl_primitive_desc_t pd;
            TRY(dnnl_primitive_get_primitive_desc(o->steps[n].primitive, &pd));
            TRY(dnnl_memory_create(&o->steps[n].scratch, dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0), o->engine, o->scratch));
            argument(&o->steps[n], DNNL_ARG_SCRATCHPAD, o->steps[n].scratch);
        }
    for (unsigned i = 0; i < g->n_inputs && status == SREC_OK; i++)
        status = make_port(o, &o->in[i], i, true);
    for (unsigned i = 0; i < g->n_outputs && status == SREC_OK; i++)
        status = make_port(o, &o->out[i], g->outputs[i], false);
    return status;
}

static srec_status onednn_create(const srec_graph *g, const srec_compute *compute, size_t height, size_t width, void **state, srec_error *error)
{
    onednn *o = calloc(1, sizeof *o);
    if (!o)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    o->g = g;
    o->height = height;
    o->width = width;
    const int most = omp_get_num_procs();
    o->threads = compute->threads && compute->threads < (unsigned)most ? (int)compute->threads : most;
    o->compute = compute->precision == SREC_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
    o->type = calloc(g->n_values, sizeof *o->type);
    o->permuted = calloc(g->n_values, sizeof *o->permuted);
    o->shared = calloc(g->n_values, sizeof *o->shared);
    o->offset = calloc(g->n_values, sizeof *o->offset);
    o->memory = calloc(g->n_values, sizeof *o->memory);
    o->steps = calloc(g->n_nodes, sizeof *o->steps);
    srec_status status = SREC_ERR_MEMORY;
    if (o->type && o->permuted && o->shared && o->offset && o->memory && o->steps) {
        int before = omp_get_max_threads(); /* the library divides the work when a primitive is made */
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

/* One output row of small samples, \p f x \p f of the large plane each; runs of \p run bytes stay together.
 * permuted: channels (dy, dx, c), c together; else single elements are picked one by one. */
static void shuffle(const onednn *o, const srec_node *node)
{
    const bool up = node->op == SREC_OP_PIXEL_SHUFFLE;
    const unsigned small = up ? node->in[0] : node->out, large = up ? node->out : node->in[0];
    const srec_value *s = &o->g->values[small], *l = &o->g->values[large];
    const size_t f = node->factor, sh = srec_value_height(s, o->height), sw = srec_value_height(s, o->width), e = element(o->type[small]);
    const size_t run = l->channels * e, cell = s->channels * e;
    uint8_t *a = o->arena + o->offset[small], *b = o->arena + o->offset[large];
    const bool permuted = o->permuted[small] == f;
#pragma omp parallel for num_threads(o->threads) schedule(static)
    for (size_t y = 0; y < sh; y++)
        for (size_t dy = 0; dy < f; dy++) {
            uint8_t *row = b + (y * f + dy) * sw * f * run;
            for (size_t x = 0; x < sw; x++) {
                uint8_t *p = a + (y * sw + x) * cell, *q = row + x * f * run;
                if (permuted) { /* f samples of the large row lie together on both sides */
                    p += dy * f * run;
                    memcpy(up ? q : p, up ? p : q, f * run);
                    continue;
                }
                for (size_t dx = 0; dx < f; dx++)
                    for (size_t c = 0; c < l->channels; c++) {
                        uint8_t *single = p + (c * f * f + dy * f + dx) * e, *there = q + (dx * l->channels + c) * e;
                        memcpy(up ? there : single, up ? single : there, e);
                    }
            }
        }
}

static srec_status run_steps(onednn *o)
{
    for (unsigned i = 0; i < o->g->n_inputs; i++)
        if (convert(o, &o->in[i], i, true) != SREC_OK)
            return SREC_ERR_INTERNAL;
    for (unsigned n = 0; n < o->g->n_nodes; n++) {
        if (o->steps[n].before)
            TRY(dnnl_primitive_execute(o->steps[n].before, o->stream, 2, o->steps[n].before_args));
        if (o->steps[n].primitive)
            TRY(dnnl_primitive_execute(o->steps[n].primitive, o->stream, o->steps[n].n_args, o->steps[n].args));
        else
            shuffle(o, &o->g->nodes[n]);
    }
    for (unsigned i = 0; i < o->g->n_outputs; i++)
        if (convert(o, &o->out[i], o->g->outputs[i], false) != SREC_OK)
            return SREC_ERR_INTERNAL;
    TRY(dnnl_stream_wait(o->stream));
    return SREC_OK;
}

static srec_status onednn_run(void *state, srec_error *error)
{
    onednn *o = state;
    int before = omp_get_max_threads(); /* of this thread only */
    omp_set_num_threads(o->threads);
    srec_status status = run_steps(o);
    omp_set_num_threads(before);
    return status == SREC_OK ? status : srec_fail(error, status, "network %s: oneDNN failed", o->g->name);
}

static float *onednn_input(void *state, unsigned i)
{
    onednn *o = state;
    return o->in[i].plane ? o->in[i].plane : (float *)(void *)(o->arena + o->offset[i]);
}

static const float *onednn_output(const void *state, unsigned i)
{
    const onednn *o = state;
    return o->out[i].plane ? o->out[i].plane : (const float *)(const void *)(o->arena + o->offset[o->g->outputs[i]]);
}

static size_t onednn_bytes(const void *state)
{
    const onednn *o = state;
    return o->arena_bytes + o->weight_bytes + o->scratch_bytes;
}

const srec_backend_ops srec_onednn_ops = { onednn_create, onednn_free, onednn_input, onednn_output, onednn_run, onednn_bytes };
