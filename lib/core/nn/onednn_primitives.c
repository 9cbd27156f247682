/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  oneDNN backend: primitives of a plan's nodes.
 *
 *  A convolution adds the bias, adds the residual and applies ReLU in one pass. The residual is oneDNN's `sum`
 *  post-op, which adds to the content of the destination. `binary_add` is not used: version 2.6.3 computes it
 *  wrongly in its gemm convolutions (chosen for odd channel counts). Where the added tensor is read for the last
 *  time, the destination takes over its buffer, so nothing is copied. */
#include "onednn.h"

#include <volk/volk.h>

static void add_argument(srec_onednn_step *step, int which, dnnl_memory_t memory)
{
    step->args[step->n_args++] = (dnnl_exec_arg_t){ which, memory };
}

/* Create the step's primitive and note the size of its scratchpad. Takes ownership of \p pd. */
static srec_status finish_primitive(srec_onednn *o, srec_onednn_step *step, dnnl_primitive_desc_t pd)
{
    const size_t scratch = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
    if (scratch > o->scratch_bytes)
        o->scratch_bytes = scratch;
    const dnnl_status_t status = dnnl_primitive_create(&step->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    return status == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

/* Before the step: copy value \p from into the buffer of value \p to. */
static srec_status make_copy(srec_onednn *o, srec_onednn_step *step, unsigned from, unsigned to)
{
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(dnnl_reorder_primitive_desc_create(&pd, o->md[from], o->engine, o->md[to], o->engine, NULL));
    const dnnl_status_t status = dnnl_primitive_create(&step->copy, pd);
    dnnl_primitive_desc_destroy(pd);
    step->copy_args[0] = (dnnl_exec_arg_t){ DNNL_ARG_FROM, o->memory[from] };
    step->copy_args[1] = (dnnl_exec_arg_t){ DNNL_ARG_TO, o->memory[to] };
    return status == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

/* Residual sum and ReLU of a convolution. */
static dnnl_status_t set_post_ops(const srec_node *node, dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t post;
    dnnl_status_t status = dnnl_post_ops_create(&post);
    if (status != dnnl_success)
        return status;
    if (node->add >= 0)
        status = dnnl_post_ops_append_sum(post, 1.0f, 0, dnnl_data_type_undef);
    if (status == dnnl_success && node->relu)
        status = dnnl_post_ops_append_eltwise(post, dnnl_eltwise_relu, 0.0f, 0.0f);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attr, post);
    dnnl_post_ops_destroy(post);
    return status;
}

/* Descriptor of a convolution, weights in the layout that oneDNN chooses. */
static dnnl_status_t describe_convolution(const srec_onednn *o, const srec_node *node, const_dnnl_primitive_attr_t attr,
                                          dnnl_primitive_desc_t *pd)
{
    const srec_value *in = &o->graph->values[node->in[0]];
    const srec_value *out = &o->graph->values[node->out];
    const size_t sides[] = { o->height, o->width };
    const size_t *shape = node->weight->shape;
    const dnnl_dims_t weight_dims = { (dnnl_dim_t)shape[0], (dnnl_dim_t)shape[1], (dnnl_dim_t)shape[2],
                                      (dnnl_dim_t)shape[3] };
    const dnnl_dims_t bias_dims = { (dnnl_dim_t)shape[0] };
    const dnnl_dims_t strides = { node->stride, node->stride };
    const dnnl_dims_t pad_left = { node->pad, node->pad };
    dnnl_dims_t pad_right;
    for (int i = 0; i < 2; i++)
        pad_right[i] = ((dnnl_dim_t)srec_value_height(out, sides[i]) - 1) * strides[i] + weight_dims[2 + i] -
                       (dnnl_dim_t)srec_value_height(in, sides[i]) - pad_left[i];
    dnnl_md weights = NULL;
    dnnl_md bias = NULL;
    dnnl_status_t status = dnnl_memory_desc_create_with_tag(&weights, 4, weight_dims, o->compute, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = dnnl_memory_desc_create_with_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_x);
    if (status == dnnl_success)
        status = dnnl_convolution_forward_primitive_desc_create(
            pd, o->engine, dnnl_forward_inference, dnnl_convolution_direct, o->md[node->in[0]], weights, bias,
            o->md[node->out], strides, NULL, pad_left, pad_right, attr);
    dnnl_memory_desc_destroy(weights);
    dnnl_memory_desc_destroy(bias);
    return status;
}

static srec_status make_convolution(srec_onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->graph->nodes[n];
    srec_onednn_step *step = &o->steps[n];
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(set_post_ops(node, attr));
    SREC_ONEDNN_TRY(describe_convolution(o, node, attr, &pd));
    srec_status status = srec_onednn_take_parameters(o, n, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (status != SREC_OK) {
        dnnl_primitive_desc_destroy(pd);
        return status;
    }
    status = finish_primitive(o, step, pd);
    if (status != SREC_OK)
        return status;
    add_argument(step, DNNL_ARG_SRC, o->memory[node->in[0]]);
    add_argument(step, DNNL_ARG_WEIGHTS, step->weights);
    add_argument(step, DNNL_ARG_BIAS, step->bias);
    add_argument(step, DNNL_ARG_DST, o->memory[node->out]);
    const bool copies = node->add >= 0 && o->shared[node->out] == node->out;
    return copies ? make_copy(o, step, (unsigned)node->add, node->out) : SREC_OK;
}

static srec_status make_concat(srec_onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->graph->nodes[n];
    srec_onednn_step *step = &o->steps[n];
    dnnl_const_md src[SREC_NN_MAX_NODE_INPUTS];
    for (unsigned i = 0; i < node->n_in; i++) {
        src[i] = o->md[node->in[i]];
        add_argument(step, DNNL_ARG_MULTIPLE_SRC + (int)i, o->memory[node->in[i]]);
    }
    add_argument(step, DNNL_ARG_DST, o->memory[node->out]);
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(dnnl_concat_primitive_desc_create(&pd, o->engine, o->md[node->out], (int)node->n_in, 1, src, attr));
    return finish_primitive(o, step, pd);
}

static srec_status make_binary(srec_onednn *o, unsigned n, dnnl_alg_kind_t algorithm, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->graph->nodes[n];
    srec_onednn_step *step = &o->steps[n];
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(dnnl_binary_primitive_desc_create(&pd, o->engine, algorithm, o->md[node->in[0]], o->md[node->in[1]],
                                                      o->md[node->out], attr));
    add_argument(step, DNNL_ARG_SRC_0, o->memory[node->in[0]]);
    add_argument(step, DNNL_ARG_SRC_1, o->memory[node->in[1]]);
    add_argument(step, DNNL_ARG_DST, o->memory[node->out]);
    return finish_primitive(o, step, pd);
}

/* Adds bf16 values to an f32 output: oneDNN's binary primitive has only its slow reference for that. */
static srec_status make_sum(srec_onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->graph->nodes[n];
    srec_onednn_step *step = &o->steps[n];
    const dnnl_const_md src[] = { o->md[node->in[0]], o->md[node->in[1]] };
    const float scales[] = { 1.0f, 1.0f };
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(dnnl_sum_primitive_desc_create(&pd, o->engine, o->md[node->out], 2, scales, src, attr));
    add_argument(step, DNNL_ARG_MULTIPLE_SRC, o->memory[node->in[0]]);
    add_argument(step, DNNL_ARG_MULTIPLE_SRC + 1, o->memory[node->in[1]]);
    add_argument(step, DNNL_ARG_DST, o->memory[node->out]);
    return finish_primitive(o, step, pd);
}

static srec_status make_eltwise(srec_onednn *o, unsigned n, dnnl_alg_kind_t algorithm, dnnl_primitive_attr_t attr)
{
    const srec_node *node = &o->graph->nodes[n];
    srec_onednn_step *step = &o->steps[n];
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(dnnl_eltwise_forward_primitive_desc_create(&pd, o->engine, dnnl_forward_inference, algorithm,
                                                               o->md[node->in[0]], o->md[node->out], 0.0f, 0.0f, attr));
    add_argument(step, DNNL_ARG_SRC, o->memory[node->in[0]]);
    add_argument(step, DNNL_ARG_DST, o->memory[node->out]);
    return finish_primitive(o, step, pd);
}

static srec_status make_step(srec_onednn *o, unsigned n, dnnl_primitive_attr_t attr)
{
    switch (o->graph->nodes[n].op) {
    case SREC_OP_CONV: return make_convolution(o, n, attr);
    case SREC_OP_CONCAT: return make_concat(o, n, attr);
    case SREC_OP_ADD:
        return o->type[o->graph->nodes[n].out] == o->compute ? make_binary(o, n, dnnl_binary_add, attr)
                                                             : make_sum(o, n, attr);
    case SREC_OP_MUL: return make_binary(o, n, dnnl_binary_mul, attr);
    case SREC_OP_RELU: return make_eltwise(o, n, dnnl_eltwise_relu, attr);
    case SREC_OP_PIXEL_SHUFFLE:
    case SREC_OP_PIXEL_UNSHUFFLE: return SREC_OK;
    default: return make_eltwise(o, n, dnnl_eltwise_logistic, attr);
    }
}

static srec_status make_steps(srec_onednn *o)
{
    srec_status status = SREC_OK;
    for (unsigned n = 0; n < o->graph->n_nodes && status == SREC_OK; n++) {
        dnnl_primitive_attr_t attr;
        SREC_ONEDNN_TRY(dnnl_primitive_attr_create(&attr));
        if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) != dnnl_success)
            status = SREC_ERR_INTERNAL;
        else
            status = make_step(o, n, attr);
        dnnl_primitive_attr_destroy(attr);
    }
    return status;
}

/* One scratchpad serves all steps: they run one after the other. */
static srec_status make_scratchpad(srec_onednn *o)
{
    if (o->scratch_bytes && !(o->scratch = srec_nn_alloc(o->scratch_bytes)))
        return SREC_ERR_MEMORY;
    for (unsigned n = 0; n < o->graph->n_nodes; n++) {
        srec_onednn_step *step = &o->steps[n];
        const_dnnl_primitive_desc_t pd;
        if (!step->primitive)
            continue;
        SREC_ONEDNN_TRY(dnnl_primitive_get_primitive_desc(step->primitive, &pd));
        SREC_ONEDNN_TRY(dnnl_memory_create(
            &step->scratch, dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0), o->engine, o->scratch));
        add_argument(step, DNNL_ARG_SCRATCHPAD, step->scratch);
    }
    return SREC_OK;
}

/* Memory over the port's plane, and the reorder between it and the value.
 * \param outside descriptor of the plane */
static srec_status make_reorder(srec_onednn *o, srec_onednn_port *port, unsigned value, bool input,
                                dnnl_const_md outside)
{
    dnnl_const_md inside = o->md[value];
    dnnl_primitive_desc_t pd;
    SREC_ONEDNN_TRY(dnnl_memory_create(&port->memory, outside, o->engine, port->plane));
    SREC_ONEDNN_TRY(dnnl_reorder_primitive_desc_create(&pd, input ? outside : inside, o->engine,
                                                       input ? inside : outside, o->engine, NULL));
    const dnnl_status_t status = dnnl_primitive_create(&port->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    return status == dnnl_success ? SREC_OK : SREC_ERR_INTERNAL;
}

/* The f32 side of an input or output. Does nothing if the value itself is f32. */
static srec_status make_port(srec_onednn *o, srec_onednn_port *port, unsigned value, bool input)
{
    if (o->type[value] == dnnl_f32)
        return SREC_OK;
    const size_t bytes = srec_value_count(&o->graph->values[value], o->height, o->width) * sizeof(float);
    port->plane = srec_nn_alloc(bytes);
    if (!port->plane)
        return SREC_ERR_MEMORY;
    o->arena_bytes += bytes;
    dnnl_md outside = NULL;
    srec_status status = SREC_ERR_INTERNAL;
    if (srec_onednn_describe(o, value, dnnl_f32, &outside) == dnnl_success)
        status = make_reorder(o, port, value, input, outside);
    dnnl_memory_desc_destroy(outside);
    return status;
}

srec_status srec_onednn_make_primitives(srec_onednn *o)
{
    const srec_graph *g = o->graph;
    srec_status status = make_steps(o);
    if (status == SREC_OK)
        status = make_scratchpad(o);
    for (unsigned i = 0; i < g->n_inputs && status == SREC_OK; i++)
        status = make_port(o, &o->in[i], i, true);
    for (unsigned i = 0; i < g->n_outputs && status == SREC_OK; i++)
        status = make_port(o, &o->out[i], g->outputs[i], false);
    return status;
}
