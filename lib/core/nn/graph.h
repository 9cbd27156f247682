/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Structure of a parsed graph, for the backends. Values are numbered 0 .. n_values - 1, inputs first. */
#ifndef SREC_NN_GRAPH_H
#define SREC_NN_GRAPH_H

#include "nn.h"

#define SREC_NN_MAX_NODE_INPUTS 64u

typedef enum {
    SREC_OP_CONV,
    SREC_OP_PIXEL_SHUFFLE,
    SREC_OP_PIXEL_UNSHUFFLE,
    SREC_OP_RELU,
    SREC_OP_SIGMOID,
    SREC_OP_ADD,
    SREC_OP_MUL,
    SREC_OP_CONCAT
} srec_op;

typedef struct srec_value {
    char name[64];
    unsigned channels;
    unsigned num, den;  /* side relative to the side of the inputs: num / den, reduced */
    int producer;       /* node, or -1 for an input */
    unsigned consumers; /* number of nodes that read it, without graph outputs */
} srec_value;

typedef struct srec_node {
    srec_op op;
    unsigned n_in;
    unsigned *in; /* values; for conv in[0] */
    unsigned out; /* value */
    int add;      /* conv: value added before the ReLU, or -1 */
    bool relu;
    unsigned stride, pad, factor;
    const srec_tensor *weight, *bias; /* conv; bias may be NULL */
} srec_node;

struct srec_graph {
    char name[32];
    unsigned n_values, n_nodes, n_inputs, n_outputs;
    unsigned granule, halo;
    srec_value *values;
    srec_node *nodes; /* ordered so that every value is written before it is read */
    unsigned outputs[SREC_NN_MAX_PORTS];
};

#endif /* SREC_NN_GRAPH_H */
