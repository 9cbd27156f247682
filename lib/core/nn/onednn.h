/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Internals of the oneDNN backend: a plan, and the stages that build it.
 *
 *      onednn_layout.c       data type, channel order and buffer of every value
 *      onednn_weights.c      weights and biases of every convolution
 *      onednn_primitives.c   oneDNN primitives of every node
 *      onednn.c              creation, execution, the backend's operations
 *
 *  Activations are nhwc. On AVX-512 machines oneDNN itself chooses nhwc for `any`, and nhwc keeps pixel shuffles
 *  cheap. Weights are placed once in the layout that oneDNN chooses. */
#ifndef SREC_NN_ONEDNN_H
#define SREC_NN_ONEDNN_H

#include "backend.h"
#include "dnnl_api.h"

#include <stdint.h>

/* The largest step is a concat: its sources, the destination and the scratchpad. A convolution has 5 arguments. */
#define SREC_ONEDNN_MAX_ARGS (SREC_NN_MAX_NODE_INPUTS + 2)

/* The step of one node of the graph. It owns all handles. */
typedef struct srec_onednn_step {
    dnnl_primitive_t primitive; /* NULL: a pixel shuffle, which onednn.c does itself */
    dnnl_exec_arg_t args[SREC_ONEDNN_MAX_ARGS];
    int n_args;
    dnnl_primitive_t copy; /* convolution: copies the tensor to add into the destination; NULL: not needed */
    dnnl_exec_arg_t copy_args[2];
    dnnl_memory_t weights;
    dnnl_memory_t bias;
    dnnl_memory_t scratch;
} srec_onednn_step;

/* The caller's f32 side of an input or output that the plan holds in another type. All NULL if the value itself is
 * f32. */
typedef struct srec_onednn_port {
    float *plane;
    dnnl_memory_t memory;
    dnnl_primitive_t reorder;
} srec_onednn_port;

typedef struct srec_onednn {
    const srec_graph *graph;
    size_t height; /* of the inputs, in samples */
    size_t width;
    int threads;
    srec_compute settings;
    dnnl_data_type_t compute; /* dnnl_f32 or dnnl_bf16 */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t *type; /* (n_values) */
    /* (n_values) factor f: channels are (f, f, c) instead of (c, f, f); 0: as in the graph */
    unsigned *permuted;
    unsigned *shared;        /* (n_values) the value whose buffer it uses: itself, or the tensor added to it */
    size_t *offset;          /* (n_values) bytes into the arena */
    dnnl_md *md;             /* (n_values) */
    dnnl_memory_t *memory;   /* (n_values) */
    srec_onednn_step *steps; /* (n_nodes) */
    srec_onednn_port in[SREC_NN_MAX_PORTS];
    srec_onednn_port out[SREC_NN_MAX_PORTS];
    uint8_t *arena;
    uint8_t *scratch;
    size_t arena_bytes; /* the ports' planes included */
    size_t weight_bytes;
    size_t scratch_bytes;
} srec_onednn;

/* Leaves the calling function when oneDNN reports an error. */
#define SREC_ONEDNN_TRY(call)                                                                                          \
    do {                                                                                                               \
        if ((call) != dnnl_success)                                                                                    \
            return SREC_ERR_INTERNAL;                                                                                  \
    } while (0)

/* Bytes of one sample. */
static inline size_t srec_onednn_sample_bytes(dnnl_data_type_t type) { return type == dnnl_bf16 ? 2 : 4; }

/* Descriptor of a value's plane in the given type. The caller destroys it. */
dnnl_status_t srec_onednn_describe(const srec_onednn *o, unsigned value, dnnl_data_type_t type, dnnl_md *md);

/* Choose type and channel order of every value, and place all buffers in the arena. Requires engine and stream. */
srec_status srec_onednn_lay_out(srec_onednn *o);

/* Create the memories of a convolution's weights and bias, with channels permuted as its values require.
 * \param want layout of the weights */
srec_status srec_onednn_take_parameters(srec_onednn *o, unsigned n, dnnl_const_md want);

/* Create the primitives of all nodes and ports, and the scratchpad. Requires the layout. */
srec_status srec_onednn_make_primitives(srec_onednn *o);

#endif /* SREC_NN_ONEDNN_H */
