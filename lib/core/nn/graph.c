/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "graph.h"
#include "integers.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX    4096u
#define CHANNELS_MAX 65536u
#define FACTOR_MAX   64u
#define GRANULE_MAX  65536u
#define HALO_MAX     65536u

static const char *const op_names[] = { "conv", "pixel_shuffle", "pixel_unshuffle", "relu", "sigmoid",
                                        "add",  "mul",           "concat" };

/* State of a parse. */
typedef struct {
    srec_graph *g;
    const srec_safetensors *tensors;
    srec_error *error;
} parser;

static int find_value(const srec_graph *g, const char *name)
{
    for (unsigned i = 0; name && i < g->n_values; i++)
        if (strcmp(g->values[i].name, name) == 0)
            return (int)i;
    return -1;
}

static srec_status new_value(parser *p, const char *name, srec_value **out)
{
    srec_graph *g = p->g;
    if (!name || !*name || strlen(name) >= sizeof g->values->name)
        return srec_fail(p->error, SREC_ERR_FORMAT,
                         "network %s: a tensor without a name, or with one of more than 63 bytes", g->name);
    if (find_value(g, name) >= 0)
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: %s is written twice", g->name, name);
    srec_value *v = &g->values[g->n_values++];
    memcpy(v->name, name, strlen(name) + 1);
    v->num = v->den = 1;
    v->producer = -1;
    *out = v;
    return SREC_OK;
}

static bool as_unsigned(const json_t *object, const char *key, unsigned least, unsigned most, unsigned fallback,
                        unsigned *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value) {
        *out = fallback;
        return fallback >= least;
    }
    if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
        return false;
    *out = (unsigned)json_integer_value(value);
    return true;
}

static bool rescale(srec_value *v, unsigned up, unsigned down)
{
    unsigned long long num = (unsigned long long)v->num * up, den = (unsigned long long)v->den * down;
    if (num > 1u << 20 || den > 1u << 20)
        return false;
    unsigned d = (unsigned)greatest_common_divisor(num, den);
    v->num = (unsigned)num / d;
    v->den = (unsigned)den / d;
    return true;
}

/* ---- nodes: inputs, output, shapes --------------------------------------------------------------------------- */

/* A node while it is parsed. */
typedef struct {
    const json_t *json;
    srec_node *node;
    const char *op_name;
    const char *out_name; /* of the value that the node writes */
    srec_value *in;       /* its first input */
    srec_value *out;
} node_parser;

static srec_status read_op(parser *p, node_parser *np)
{
    const unsigned n_kinds = sizeof op_names / sizeof *op_names;
    unsigned kind = 0;
    np->op_name = json_string_value(json_object_get(np->json, "op"));
    while (np->op_name && kind < n_kinds && strcmp(np->op_name, op_names[kind]) != 0)
        kind++;
    if (!np->op_name || kind == n_kinds)
        return srec_fail(p->error, SREC_ERR_UNSUPPORTED, "network %s: unknown op %.32s", p->g->name,
                         np->op_name ? np->op_name : "(none)");
    np->node->op = (srec_op)kind;
    np->node->add = -1;
    return SREC_OK;
}

static bool takes_two(srec_op op) { return op == SREC_OP_ADD || op == SREC_OP_MUL; }

static bool input_count_fits(srec_op op, unsigned n)
{
    if (op == SREC_OP_CONCAT)
        return n >= 1;
    return n == (takes_two(op) ? 2 : 1);
}

static srec_status read_inputs(parser *p, node_parser *np)
{
    srec_graph *g = p->g;
    srec_node *n = np->node;
    const json_t *in = json_object_get(np->json, "in");
    const size_t size = json_is_array(in) ? json_array_size(in) : 0;
    n->n_in = size <= SREC_NN_MAX_NODE_INPUTS ? (unsigned)size : 0;
    if (!input_count_fits(n->op, n->n_in))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: %s has the wrong number of inputs", g->name,
                         np->op_name);
    n->in = calloc(n->n_in, sizeof *n->in);
    if (!n->in)
        return srec_fail(p->error, SREC_ERR_MEMORY, "out of memory");
    for (unsigned i = 0; i < n->n_in; i++) {
        const char *name = json_string_value(json_array_get(in, i));
        const int v = find_value(g, name);
        if (v < 0)
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: %s reads %.64s before it is written", g->name,
                             np->op_name, name ? name : "something unnamed");
        n->in[i] = (unsigned)v;
        g->values[v].consumers++;
    }
    return SREC_OK;
}

/* The value that the node writes. It has the size of the first input until a shape function changes it. */
static srec_status create_output(parser *p, node_parser *np)
{
    srec_graph *g = p->g;
    np->out_name = json_string_value(json_object_get(np->json, "out"));
    const srec_status status = new_value(p, np->out_name, &np->out);
    if (status != SREC_OK)
        return status;
    np->node->out = g->n_values - 1;
    np->in = &g->values[np->node->in[0]];
    np->out->num = np->in->num;
    np->out->den = np->in->den;
    np->out->channels = np->in->channels;
    np->out->producer = (int)g->n_nodes;
    return SREC_OK;
}

static srec_status read_parameters(parser *p, const node_parser *np)
{
    const char *graph = p->g->name;
    srec_node *n = np->node;
    const char *weight = json_string_value(json_object_get(np->json, "weight"));
    const char *bias = json_string_value(json_object_get(np->json, "bias"));
    if (!weight || !(n->weight = srec_safetensors_find(p->tensors, weight)))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: weight %s is not in the file", graph, np->out_name,
                         weight ? weight : "(unnamed)");
    if (bias && !(n->bias = srec_safetensors_find(p->tensors, bias)))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: bias %s is not in the file", graph, np->out_name,
                         bias);
    const size_t *s = n->weight->shape;
    if (n->weight->rank != 4 || s[1] != np->in->channels || s[2] != s[3] || s[2] > FACTOR_MAX || s[0] > CHANNELS_MAX)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: weight %s does not fit an input of %u channels",
                         graph, np->out_name, weight, np->in->channels);
    if (n->bias && (n->bias->rank != 1 || n->bias->shape[0] != s[0]))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: bias %s does not fit weight %s", graph,
                         np->out_name, bias, weight);
    if (!srec_tensor_finite(n->weight) || (n->bias && !srec_tensor_finite(n->bias)))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: weight or bias holds a value that is not finite",
                         graph, np->out_name);
    return SREC_OK;
}

/* Read the optional tensor that is added before the ReLU. */
static srec_status read_add(parser *p, const node_parser *np)
{
    const json_t *add = json_object_get(np->json, "add");
    if (!add)
        return SREC_OK;
    const int v = find_value(p->g, json_string_value(add));
    if (v < 0 || &p->g->values[v] == np->out)
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: adds an unknown tensor", p->g->name, np->out_name);
    srec_value *added = &p->g->values[v];
    if (added->channels != np->out->channels || added->num != np->out->num || added->den != np->out->den)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: adds %s, which has another shape", p->g->name,
                         np->out_name, added->name);
    np->node->add = v;
    added->consumers++;
    return SREC_OK;
}

static srec_status shape_conv(parser *p, const node_parser *np)
{
    const char *graph = p->g->name;
    srec_node *n = np->node;
    const srec_status status = read_parameters(p, np);
    if (status != SREC_OK)
        return status;
    if (!as_unsigned(np->json, "stride", 1, FACTOR_MAX, 1, &n->stride) ||
        !as_unsigned(np->json, "pad", 0, FACTOR_MAX, 0, &n->pad))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: bad stride or pad", graph, np->out_name);
    /* A size that is a multiple of the stride must give size / stride. */
    const unsigned kernel = (unsigned)n->weight->shape[2];
    if (kernel > 2 * n->pad + n->stride || kernel <= 2 * n->pad)
        return srec_fail(p->error, SREC_ERR_SHAPE,
                         "network %s, %s: kernel %u, stride %u, pad %u do not divide the plane", graph, np->out_name,
                         kernel, n->stride, n->pad);
    n->relu = json_is_true(json_object_get(np->json, "relu"));
    np->out->channels = (unsigned)n->weight->shape[0];
    if (!rescale(np->out, 1, n->stride))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: absurd scale", graph, np->out_name);
    return read_add(p, np);
}

static srec_status shape_shuffle(parser *p, const node_parser *np)
{
    srec_node *n = np->node;
    if (!as_unsigned(np->json, "factor", 2, FACTOR_MAX, 0, &n->factor))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: bad factor", p->g->name, np->out_name);
    const unsigned area = n->factor * n->factor;
    bool fits;
    if (n->op == SREC_OP_PIXEL_SHUFFLE) {
        fits = np->in->channels % area == 0 && rescale(np->out, n->factor, 1);
        np->out->channels = np->in->channels / area;
    } else {
        fits = (unsigned long long)np->in->channels * area <= CHANNELS_MAX && rescale(np->out, 1, n->factor);
        np->out->channels = np->in->channels * area;
    }
    if (!fits)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: factor %u does not fit", p->g->name, np->out_name,
                         n->factor);
    return SREC_OK;
}

/* add, mul, concat. relu and sigmoid have one input, so there is nothing to check. */
static srec_status shape_join(parser *p, const node_parser *np)
{
    const srec_node *n = np->node;
    srec_value *out = np->out;
    for (unsigned i = 1; i < n->n_in; i++) {
        const srec_value *v = &p->g->values[n->in[i]];
        if (v->num != out->num || v->den != out->den || (takes_two(n->op) && v->channels != out->channels))
            return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: %s has another shape", p->g->name, np->out_name,
                             v->name);
        if (n->op == SREC_OP_CONCAT)
            out->channels += v->channels;
    }
    if (out->channels > CHANNELS_MAX)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: too many channels", p->g->name, np->out_name);
    return SREC_OK;
}

static srec_status parse_node(parser *p, const json_t *json, srec_node *n)
{
    node_parser np = { .json = json, .node = n };
    srec_status status = read_op(p, &np);
    if (status == SREC_OK)
        status = read_inputs(p, &np);
    if (status == SREC_OK)
        status = create_output(p, &np);
    if (status != SREC_OK)
        return status;
    switch (n->op) {
    case SREC_OP_CONV: return shape_conv(p, &np);
    case SREC_OP_PIXEL_SHUFFLE:
    case SREC_OP_PIXEL_UNSHUFFLE: return shape_shuffle(p, &np);
    default: return shape_join(p, &np);
    }
}

/* ---- properties of a whole graph ---------------------------------------------------------------------------- */

static srec_status find_granule(parser *p)
{
    srec_graph *g = p->g;
    unsigned long long granule = 1;
    for (unsigned i = 0; i < g->n_values; i++) {
        const unsigned den = g->values[i].den;
        assert(den);
        granule = granule / greatest_common_divisor(granule, den) * den;
        if (granule > GRANULE_MAX)
            return srec_fail(p->error, SREC_ERR_SHAPE, "network %s: its strides come out even only for sides beyond %u",
                             g->name, GRANULE_MAX);
    }
    g->granule = (unsigned)granule;
    return SREC_OK;
}

static long long floor_div(long long a, long long b) { return a / b - (a % b < 0); }

/* Samples of a value along one side, from the first to one past the last. */
typedef struct {
    long long first;
    long long end;
    bool needed; /* an output depends on this value */
} reach;

/* Samples of a node's input on which the samples \p out of its result depend. */
static reach reach_of_input(const srec_node *node, reach out, bool is_added)
{
    reach in = { out.first, out.end, true };
    if (node->op == SREC_OP_CONV && !is_added) {
        in.first = out.first * node->stride - node->pad;
        in.end = (out.end - 1) * node->stride - node->pad + (long long)node->weight->shape[2];
    } else if (node->op == SREC_OP_PIXEL_SHUFFLE) {
        in.first = floor_div(out.first, node->factor);
        in.end = -floor_div(-out.end, node->factor);
    } else if (node->op == SREC_OP_PIXEL_UNSHUFFLE) {
        in.first = out.first * node->factor;
        in.end = out.end * node->factor;
    }
    return in;
}

static void widen(reach *r, reach more)
{
    r->first = r->needed && r->first < more.first ? r->first : more.first;
    r->end = r->needed && r->end > more.end ? r->end : more.end;
    r->needed = true;
}

/* Input samples beyond the ends of the output on which value \p v depends. The ends of the value count too, since a
 * stride may skip samples of its input. */
static long long overhang(const srec_value *v, reach r)
{
    assert(v->num && v->den);
    const long long before = -floor_div(r.first * v->den, v->num);
    const long long after = -floor_div(-r.end * v->den, v->num);
    return before > after ? before : after;
}

/* The halo is the largest overhang in input samples. It is computed along one side, backwards through the nodes: on
 * which samples of every value does an output depend that begins, or ends, at sample 0? */
static srec_status find_halo(parser *p)
{
    srec_graph *g = p->g;
    assert(g->granule && g->n_values);
    reach *reaches = calloc(g->n_values, sizeof *reaches);
    long long halo = 0;
    if (!reaches)
        return srec_fail(p->error, SREC_ERR_MEMORY, "out of memory");
    for (unsigned i = 0; i < g->n_outputs; i++)
        reaches[g->outputs[i]].needed = true;
    for (unsigned v = g->n_values; v-- > 0 && halo <= HALO_MAX;) {
        const srec_value *value = &g->values[v];
        if (!reaches[v].needed)
            continue;
        const long long beyond = overhang(value, reaches[v]);
        halo = beyond > halo ? beyond : halo;
        if (value->producer < 0)
            continue;
        const srec_node *node = &g->nodes[value->producer];
        for (unsigned i = 0; i < node->n_in; i++)
            widen(&reaches[node->in[i]], reach_of_input(node, reaches[v], false));
        if (node->add >= 0)
            widen(&reaches[node->add], reach_of_input(node, reaches[v], true));
    }
    free(reaches);
    if (halo > HALO_MAX)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s: an output sees farther than %u samples", g->name,
                         HALO_MAX);
    g->halo = (unsigned)((halo + g->granule - 1) / g->granule * g->granule);
    return SREC_OK;
}

static srec_status parse_inputs(parser *p, const json_t *inputs)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const json_t *input = json_array_get(inputs, i);
        srec_value *v;
        const srec_status status = new_value(p, json_string_value(json_object_get(input, "name")), &v);
        if (status != SREC_OK)
            return status;
        if (!as_unsigned(input, "channels", 1, CHANNELS_MAX, 0, &v->channels))
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: input %s has no channels", p->g->name, v->name);
        p->g->n_inputs++;
    }
    return SREC_OK;
}

static srec_status parse_nodes(parser *p, const json_t *nodes)
{
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const srec_status status = parse_node(p, json_array_get(nodes, i), &p->g->nodes[i]);
        p->g->n_nodes = (unsigned)i + 1; /* so that failure frees the node */
        if (status != SREC_OK)
            return status;
    }
    return SREC_OK;
}

static srec_status parse_outputs(parser *p, const json_t *outputs)
{
    srec_graph *g = p->g;
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const int v = find_value(g, json_string_value(json_array_get(outputs, i)));
        if (v < 0 || g->values[v].producer < 0)
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: output %zu is not written by any node", g->name,
                             i);
        g->outputs[g->n_outputs++] = (unsigned)v;
    }
    return SREC_OK;
}

static bool count_within(const json_t *array, size_t most)
{
    return json_array_size(array) >= 1 && json_array_size(array) <= most;
}

static srec_status parse(parser *p, const json_t *root)
{
    srec_graph *g = p->g;
    const json_t *inputs = json_object_get(root, "inputs");
    const json_t *outputs = json_object_get(root, "outputs");
    const json_t *nodes = json_object_get(root, "nodes");
    if (!count_within(inputs, SREC_NN_MAX_PORTS) || !count_within(outputs, SREC_NN_MAX_PORTS) ||
        !count_within(nodes, NODES_MAX))
        return srec_fail(p->error, SREC_ERR_FORMAT,
                         "network %s: 1 to %d inputs and outputs and 1 to %u nodes are needed", g->name,
                         SREC_NN_MAX_PORTS, NODES_MAX);
    g->values = calloc(json_array_size(inputs) + json_array_size(nodes), sizeof *g->values);
    g->nodes = calloc(json_array_size(nodes), sizeof *g->nodes);
    if (!g->values || !g->nodes)
        return srec_fail(p->error, SREC_ERR_MEMORY, "out of memory");
    srec_status status = parse_inputs(p, inputs);
    if (status == SREC_OK)
        status = parse_nodes(p, nodes);
    if (status == SREC_OK)
        status = parse_outputs(p, outputs);
    if (status == SREC_OK)
        status = find_granule(p);
    return status == SREC_OK ? find_halo(p) : status;
}

srec_status srec_graph_parse(const char *name, const char *json, size_t length, const srec_safetensors *tensors,
                             srec_graph **out, srec_error *error)
{
    if (!name || !json || !tensors || !out || strlen(name) >= sizeof((srec_graph *)0)->name)
        return srec_fail(error, SREC_ERR_ARG, "no graph");
    *out = NULL;
    json_error_t json_error;
    json_t *root = json_loadb(json, length, JSON_REJECT_DUPLICATES, &json_error);
    if (!root)
        return srec_fail(error, SREC_ERR_FORMAT, "network %s is not JSON: %.100s", name, json_error.text);
    srec_graph *g = calloc(1, sizeof *g);
    if (!g) {
        json_decref(root);
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    }
    memcpy(g->name, name, strlen(name) + 1);
    parser p = { g, tensors, error };
    srec_status status = parse(&p, root);
    json_decref(root);
    if (status != SREC_OK)
        srec_graph_free(g);
    else
        *out = g;
    return status;
}

void srec_graph_free(srec_graph *g)
{
    if (!g)
        return;
    for (unsigned i = 0; i < g->n_nodes; i++)
        free(g->nodes[i].in);
    free(g->nodes);
    free(g->values);
    free(g);
}

unsigned srec_graph_inputs(const srec_graph *g) { return g->n_inputs; }
unsigned srec_graph_outputs(const srec_graph *g) { return g->n_outputs; }
unsigned srec_graph_input_channels(const srec_graph *g, unsigned i)
{
    return i < g->n_inputs ? g->values[i].channels : 0;
}
unsigned srec_graph_output_channels(const srec_graph *g, unsigned i)
{
    return i < g->n_outputs ? g->values[g->outputs[i]].channels : 0;
}

void srec_graph_output_scale(const srec_graph *g, unsigned i, unsigned *num, unsigned *den)
{
    *num = g->values[g->outputs[i]].num;
    *den = g->values[g->outputs[i]].den;
}

unsigned srec_graph_granule(const srec_graph *g) { return g->granule; }
unsigned srec_graph_halo(const srec_graph *g) { return g->halo; }

double srec_graph_macs_per_input(const srec_graph *g)
{
    double macs = 0;
    for (unsigned i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == SREC_OP_CONV) {
            const srec_value *out = &g->values[g->nodes[i].out];
            macs += (double)g->nodes[i].weight->count * out->num * out->num / ((double)out->den * out->den);
        }
    return macs;
}
