/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  oneDNN backend: data types, channel orders and buffers of a plan's values.
 *
 *  PyTorch orders the channels of a pixel shuffle (c, dy, dx). Where only a convolution writes or reads them, its
 *  weights are permuted to (dy, dx, c) when the plan is created. The shuffle then copies whole runs of c instead of
 *  single samples. */
#include "onednn.h"

#include <stdlib.h>
#include <volk/volk.h>

dnnl_status_t srec_onednn_describe(const srec_onednn *o, unsigned value, dnnl_data_type_t type, dnnl_md *md)
{
    const srec_value *v = &o->graph->values[value];
    const dnnl_dims_t dims = { 1, v->channels, (dnnl_dim_t)srec_value_height(v, o->height),
                               (dnnl_dim_t)srec_value_height(v, o->width) };
    return dnnl_memory_desc_create_with_tag(md, 4, dims, type, dnnl_nhwc);
}

static bool is_output(const srec_graph *g, unsigned value)
{
    for (unsigned i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] == value)
            return true;
    return false;
}

static bool is_shuffle(const srec_node *node)
{
    return node->op == SREC_OP_PIXEL_SHUFFLE || node->op == SREC_OP_PIXEL_UNSHUFFLE;
}

/* True if a shuffle is the only reader of a convolution's result. */
static bool shuffles_convolution(const srec_graph *g, const srec_node *shuffle)
{
    const srec_value *in = &g->values[shuffle->in[0]];
    return in->consumers == 1 && in->producer >= 0 && g->nodes[in->producer].op == SREC_OP_CONV &&
           !is_output(g, shuffle->in[0]);
}

/* In a bf16 plan every value is bf16, except an output that no node reads: a convolution, a sum or a product writes it
 * as f32 directly, also through a shuffle. Any other output is converted at the end of the run. */
static void choose_types(srec_onednn *o)
{
    const srec_graph *g = o->graph;
    for (unsigned v = 0; v < g->n_values; v++)
        o->type[v] = o->compute;
    for (unsigned i = 0; i < g->n_outputs; i++) {
        const unsigned v = g->outputs[i];
        const srec_node *node = &g->nodes[g->values[v].producer];
        if (g->values[v].consumers)
            continue;
        if (node->op == SREC_OP_CONV || node->op == SREC_OP_ADD || node->op == SREC_OP_MUL)
            o->type[v] = dnnl_f32;
        else if (is_shuffle(node) && shuffles_convolution(g, node))
            o->type[v] = o->type[node->in[0]] = dnnl_f32;
    }
}

static bool reads(const srec_node *node, unsigned value)
{
    for (unsigned i = 0; i < node->n_in; i++)
        if (node->in[i] == value)
            return true;
    return false;
}

/* The factor of the shuffle that reads a convolution's result, if all readers are shuffles of one factor; else 0. */
static unsigned shuffled_by_readers(const srec_graph *g, unsigned value)
{
    unsigned factor = 0;
    for (unsigned n = 0; n < g->n_nodes; n++) {
        const srec_node *node = &g->nodes[n];
        if (node->add == (int)value)
            return 0;
        if (!reads(node, value))
            continue;
        if (node->op != SREC_OP_PIXEL_SHUFFLE || (factor && factor != node->factor))
            return 0;
        factor = node->factor;
    }
    return factor;
}

/* True if only convolutions read the value, and none adds it. */
static bool read_by_convolutions_only(const srec_graph *g, unsigned value)
{
    for (unsigned n = 0; n < g->n_nodes; n++)
        if (g->nodes[n].add == (int)value || (reads(&g->nodes[n], value) && g->nodes[n].op != SREC_OP_CONV))
            return false;
    return true;
}

/* Find the values whose channels are in (f, f, c) order. */
static void choose_orders(srec_onednn *o)
{
    const srec_graph *g = o->graph;
    for (unsigned v = 0; v < g->n_values; v++) {
        if (g->values[v].producer < 0 || is_output(g, v))
            continue;
        const srec_node *producer = &g->nodes[g->values[v].producer];
        if (producer->op == SREC_OP_PIXEL_UNSHUFFLE && read_by_convolutions_only(g, v))
            o->permuted[v] = producer->factor;
        else if (producer->op == SREC_OP_CONV && producer->add < 0)
            o->permuted[v] = shuffled_by_readers(g, v);
    }
}

/* The result of a convolution takes over the buffer of the tensor added to it if no later node reads that tensor.
 * \param last from srec_graph_lifetimes(); a shared buffer lives as long as the value that took it over */
static void share_buffers(srec_onednn *o, int *last)
{
    const srec_graph *g = o->graph;
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

/* Place the buffers of all values in one arena.
 * \param first, last (n_values) scratch */
static srec_status place_buffers(srec_onednn *o, size_t *size, int *first, int *last)
{
    const srec_graph *g = o->graph;
    srec_graph_lifetimes(g, first, last);
    share_buffers(o, last);
    for (unsigned v = 0; v < g->n_values; v++)
        if (o->shared[v] == v)
            size[v] = srec_value_count(&g->values[v], o->height, o->width) * srec_onednn_sample_bytes(o->type[v]);
    o->arena_bytes = srec_arena_place(g->n_values, size, first, last, o->offset);
    if (!o->arena_bytes)
        return SREC_ERR_MEMORY;
    o->arena = srec_nn_alloc(o->arena_bytes);
    if (!o->arena)
        return SREC_ERR_MEMORY;
    for (unsigned v = 0; v < g->n_values; v++) {
        o->offset[v] = o->offset[o->shared[v]];
        SREC_ONEDNN_TRY(srec_onednn_describe(o, v, o->type[v], &o->md[v]));
        SREC_ONEDNN_TRY(dnnl_memory_create(&o->memory[v], o->md[v], o->engine, o->arena + o->offset[v]));
    }
    return SREC_OK;
}

srec_status srec_onednn_lay_out(srec_onednn *o)
{
    choose_types(o);
    choose_orders(o);
    size_t *size = calloc(o->graph->n_values, sizeof *size);
    int *first = calloc(o->graph->n_values, sizeof *first);
    int *last = calloc(o->graph->n_values, sizeof *last);
    srec_status status = size && first && last ? place_buffers(o, size, first, last) : SREC_ERR_MEMORY;
    free(size);
    free(first);
    free(last);
    return status;
}
