/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "graph.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 4096u
#define CHANNELS_MAX 65536u
#define FACTOR_MAX 64u
#define GRANULE_MAX 65536u
#define HALO_MAX 65536u

static const char *const op_names[] = { "conv", "pixel_shuffle", "pixel_unshuffle", "relu", "sigmoid", "add", "mul", "concat" };

/* What a parse works on. */
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
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: a tensor without a name, or with one of more than 63 bytes", g->name);
    if (find_value(g, name) >= 0)
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: %s is written twice", g->name, name);
    srec_value *v = &g->values[g->n_values++];
    strcpy(v->name, name);
    v->num = v->den = 1;
    v->producer = -1;
    *out = v;
    return SREC_OK;
}

static bool as_unsigned(const json_t *object, const char *key, unsigned least, unsigned most, unsigned fallback, unsigned *out)
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

static unsigned gcd(unsigned a, unsigned b) { return b ? gcd(b, a % b) : a; }

static bool rescale(srec_value *v, unsigned up, unsigned down)
{
    unsigned long long num = (unsigned long long)v->num * up, den = (unsigned long long)v->den * down;
    if (num > 1u << 20 || den > 1u << 20)
        return false;
    unsigned d = gcd((unsigned)num, (unsigned)den);
    v->num = (unsigned)num / d;
    v->den = (unsigned)den / d;
    return true;
}

static srec_status parse_conv(parser *p, const json_t *json, srec_node *n, const char *out_name, srec_value *in, srec_value *out)
{
    const char *graph = p->g->name;
    const char *weight = json_string_value(json_object_get(json, "weight")), *bias = json_string_value(json_object_get(json, "bias"));
    if (!weight || !(n->weight = srec_safetensors_find(p->tensors, weight)))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: weight %s is not in the file", graph, out_name, weight ? weight : "(unnamed)");
    if (bias && !(n->bias = srec_safetensors_find(p->tensors, bias)))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: bias %s is not in the file", graph, out_name, bias);
    const size_t *s = n->weight->shape;
    if (n->weight->rank != 4 || s[1] != in->channels || s[2] != s[3] || s[2] > FACTOR_MAX || s[0] > CHANNELS_MAX)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: weight %s does not fit an input of %u channels", graph, out_name, weight, in->channels);
    if (n->bias && (n->bias->rank != 1 || n->bias->shape[0] != s[0]))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: bias %s does not fit weight %s", graph, out_name, bias, weight);
    if (!srec_tensor_finite(n->weight) || (n->bias && !srec_tensor_finite(n->bias)))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: weight or bias holds a value that is not finite", graph, out_name);
    unsigned kernel = (unsigned)s[2];
    if (!as_unsigned(json, "stride", 1, FACTOR_MAX, 1, &n->stride) || !as_unsigned(json, "pad", 0, FACTOR_MAX, 0, &n->pad))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: bad stride or pad", graph, out_name);
    /* sizes that are multiples of the stride must come out as size / stride */
    if (kernel > 2 * n->pad + n->stride || kernel <= 2 * n->pad)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: kernel %u, stride %u, pad %u do not divide the plane", graph, out_name, kernel, n->stride, n->pad);
    n->relu = json_is_true(json_object_get(json, "relu"));
    out->channels = (unsigned)s[0];
    if (!rescale(out, 1, n->stride))
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: absurd scale", graph, out_name);
    const json_t *add = json_object_get(json, "add");
    if (add) {
        n->add = find_value(p->g, json_string_value(add));
        if (n->add < 0 || &p->g->values[n->add] == out)
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: adds an unknown tensor", graph, out_name);
        srec_value *a = &p->g->values[n->add];
        if (a->channels != out->channels || a->num != out->num || a->den != out->den)
            return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: adds %s, which has another shape", graph, out_name, a->name);
        a->consumers++;
    }
    return SREC_OK;
}

static srec_status parse_node(parser *p, const json_t *json, srec_node *n)
{
    srec_graph *g = p->g;
    const char *op = json_string_value(json_object_get(json, "op")), *out_name = json_string_value(json_object_get(json, "out"));
    unsigned kind = 0, n_kinds = sizeof op_names / sizeof *op_names;
    while (op && kind < n_kinds && strcmp(op, op_names[kind]) != 0)
        kind++;
    if (!op || kind == n_kinds)
        return srec_fail(p->error, SREC_ERR_UNSUPPORTED, "network %s: unknown op %.32s", g->name, op ? op : "(none)");
    n->op = (srec_op)kind;
    n->add = -1;
    const json_t *in = json_object_get(json, "in");
    n->n_in = json_is_array(in) && json_array_size(in) <= SREC_NN_MAX_NODE_INPUTS ? (unsigned)json_array_size(in) : 0;
    bool pair = n->op == SREC_OP_ADD || n->op == SREC_OP_MUL;
    if (n->n_in < 1 || (pair && n->n_in != 2) || (!pair && n->op != SREC_OP_CONCAT && n->n_in != 1))
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: %s has the wrong number of inputs", g->name, op);
    n->in = calloc(n->n_in, sizeof *n->in);
    if (!n->in)
        return srec_fail(p->error, SREC_ERR_MEMORY, "out of memory");
    for (unsigned i = 0; i < n->n_in; i++) {
        const char *name = json_string_value(json_array_get(in, i));
        int v = find_value(g, name);
        if (v < 0)
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: %s reads %.64s before it is written", g->name, op, name ? name : "something unnamed");
        n->in[i] = (unsigned)v;
        g->values[v].consumers++;
    }
    srec_value *out;
    srec_status status = new_value(p, out_name, &out);
    if (status != SREC_OK)
        return status;
    n->out = g->n_values - 1;
    srec_value *first = &g->values[n->in[0]];
    out->num = first->num;
    out->den = first->den;
    out->channels = first->channels;
    out->producer = (int)g->n_nodes;
    if (n->op == SREC_OP_CONV)
        return parse_conv(p, json, n, out_name, first, out);
    if (n->op == SREC_OP_PIXEL_SHUFFLE || n->op == SREC_OP_PIXEL_UNSHUFFLE) {
        if (!as_unsigned(json, "factor", 2, FACTOR_MAX, 0, &n->factor))
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s, %s: bad factor", g->name, out_name);
        unsigned area = n->factor * n->factor;
        bool ok;
        if (n->op == SREC_OP_PIXEL_SHUFFLE) {
            ok = first->channels % area == 0 && rescale(out, n->factor, 1);
            out->channels = first->channels / area;
        } else {
            ok = (unsigned long long)first->channels * area <= CHANNELS_MAX && rescale(out, 1, n->factor);
            out->channels = first->channels * area;
        }
        return ok ? SREC_OK : srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: factor %u does not fit", g->name, out_name, n->factor);
    }
    for (unsigned i = 1; i < n->n_in; i++) {
        const srec_value *v = &g->values[n->in[i]];
        if (v->num != out->num || v->den != out->den || (pair && v->channels != out->channels))
            return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: %s has another shape", g->name, out_name, v->name);
        if (n->op == SREC_OP_CONCAT)
            out->channels += v->channels;
    }
    if (out->channels > CHANNELS_MAX)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s, %s: too many channels", g->name, out_name);
    return SREC_OK;
}

static srec_status find_granule(parser *p)
{
    srec_graph *g = p->g;
    unsigned long long granule = 1;
    for (unsigned i = 0; i < g->n_values; i++) {
        const unsigned den = g->values[i].den;
        granule = granule / gcd((unsigned)granule, den) * den;
        if (granule > GRANULE_MAX)
            return srec_fail(p->error, SREC_ERR_SHAPE, "network %s: its strides come out even only for sides beyond %u", g->name, GRANULE_MAX);
    }
    g->granule = (unsigned)granule;
    return SREC_OK;
}

static long long floor_div(long long a, long long b) { return a / b - (a % b < 0); }

/* Along one side (both are alike): which samples of every value does an output depend on that begins, and which does one that ends, at
 * sample 0? Backwards through the nodes; the far ends, in input samples, are the halo. */
static srec_status find_halo(parser *p)
{
    srec_graph *g = p->g;
    long long *from = calloc(2 * (size_t)g->n_values, sizeof *from), *to = from + g->n_values; /* first sample, and one past the last */
    bool *needed = calloc(g->n_values, sizeof *needed);
    long long halo = 0;
    if (!from || !needed) {
        free(from);
        free(needed);
        return srec_fail(p->error, SREC_ERR_MEMORY, "out of memory");
    }
    for (unsigned i = 0; i < g->n_outputs; i++)
        needed[g->outputs[i]] = true;
    for (unsigned v = g->n_values; v-- > 0 && halo <= HALO_MAX;) {
        const srec_value *value = &g->values[v];
        if (!needed[v])
            continue;
        /* the value's own ends count too: a stride may skip samples that its input has */
        const long long before = -floor_div(from[v] * value->den, value->num), after = -floor_div(-to[v] * value->den, value->num);
        halo = before > halo ? before : halo;
        halo = after > halo ? after : halo;
        if (value->producer < 0)
            continue;
        const srec_node *node = &g->nodes[value->producer];
        for (unsigned i = 0; i < node->n_in + (node->add >= 0); i++) {
            const unsigned in = i < node->n_in ? node->in[i] : (unsigned)node->add;
            long long first = from[v], end = to[v];
            if (node->op == SREC_OP_CONV && i < node->n_in) {
                first = first * node->stride - node->pad;
                end = (end - 1) * node->stride - node->pad + (long long)node->weight->shape[2];
            } else if (node->op == SREC_OP_PIXEL_SHUFFLE) {
                first = floor_div(first, node->factor);
                end = -floor_div(-end, node->factor);
            } else if (node->op == SREC_OP_PIXEL_UNSHUFFLE) {
                first *= node->factor;
                end *= node->factor;
            }
            from[in] = needed[in] && from[in] < first ? from[in] : first;
            to[in] = needed[in] && to[in] > end ? to[in] : end;
            needed[in] = true;
        }
    }
    free(from);
    free(needed);
    if (halo > HALO_MAX)
        return srec_fail(p->error, SREC_ERR_SHAPE, "network %s: an output sees farther than %u samples", g->name, HALO_MAX);
    g->halo = (unsigned)((halo + g->granule - 1) / g->granule * g->granule);
    return SREC_OK;
}

static srec_status parse(parser *p, const json_t *root)
{
    srec_graph *g = p->g;
    const json_t *inputs = json_object_get(root, "inputs"), *outputs = json_object_get(root, "outputs"), *nodes = json_object_get(root, "nodes");
    size_t n_in = json_array_size(inputs), n_out = json_array_size(outputs), n_nodes = json_array_size(nodes);
    if (n_in < 1 || n_in > SREC_NN_MAX_PORTS || n_out < 1 || n_out > SREC_NN_MAX_PORTS || n_nodes < 1 || n_nodes > NODES_MAX)
        return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: 1 to %d inputs and outputs and 1 to %u nodes are needed", g->name, SREC_NN_MAX_PORTS, NODES_MAX);
    g->values = calloc(n_in + n_nodes, sizeof *g->values);
    g->nodes = calloc(n_nodes, sizeof *g->nodes);
    if (!g->values || !g->nodes)
        return srec_fail(p->error, SREC_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n_in; i++) {
        const json_t *input = json_array_get(inputs, i);
        srec_value *v;
        srec_status status = new_value(p, json_string_value(json_object_get(input, "name")), &v);
        if (status != SREC_OK)
            return status;
        if (!as_unsigned(input, "channels", 1, CHANNELS_MAX, 0, &v->channels))
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: input %s has no channels", g->name, v->name);
        g->n_inputs++;
    }
    for (size_t i = 0; i < n_nodes; i++) {
        srec_status status = parse_node(p, json_array_get(nodes, i), &g->nodes[i]);
        g->n_nodes = (unsigned)i + 1; /* so that the node is freed on failure */
        if (status != SREC_OK)
            return status;
    }
    for (size_t i = 0; i < n_out; i++) {
        int v = find_value(g, json_string_value(json_array_get(outputs, i)));
        if (v < 0 || g->values[v].producer < 0)
            return srec_fail(p->error, SREC_ERR_FORMAT, "network %s: output %zu is not written by any node", g->name, i);
        g->outputs[g->n_outputs++] = (unsigned)v;
    }
    srec_status status = find_granule(p);
    return status == SREC_OK ? find_halo(p) : status;
}

srec_status srec_graph_parse(const char *name, const char *json, size_t length, const srec_safetensors *tensors, srec_graph **out, srec_error *error)
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
    strcpy(g->name, name);
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
unsigned srec_graph_input_channels(const srec_graph *g, unsigned i) { return i < g->n_inputs ? g->values[i].channels : 0; }
unsigned srec_graph_output_channels(const srec_graph *g, unsigned i) { return i < g->n_outputs ? g->values[g->outputs[i]].channels : 0; }

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
