/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The reference backend, which defines the operations. One thread, f32, planes hwc. A convolution gathers the
 *  window of an output sample and computes one dot product per output channel. */
#include "backend.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

typedef struct {
    const srec_graph *g;
    size_t height, width, bytes;
    float *arena;
    size_t *offset; /* (n_values) in bytes */
    float *window;  /* of the largest convolution */
    float **weight; /* (n_nodes): (out, kh, kw, in) of convolutions */
    float **bias;   /* (n_nodes) */
    srec_compute settings;
} reference;

static float *plane(const reference *r, unsigned value) { return r->arena + r->offset[value] / sizeof(float); }

static void reference_free(void *state)
{
    reference *r = state;
    if (!r)
        return;
    for (unsigned i = 0; i < r->g->n_nodes; i++) {
        if (r->weight)
            free(r->weight[i]);
        if (r->bias)
            free(r->bias[i]);
    }
    free(r->weight);
    free(r->bias);
    free(r->offset);
    volk_free(r->arena);
    volk_free(r->window);
    free(r);
}

/* Reorder weights from the file's (out, in, kh, kw) to (out, kh, kw, in). */
static srec_status take_weights(reference *r, unsigned n)
{
    const srec_node *node = &r->g->nodes[n];
    const size_t *s = node->weight->shape;
    float *plain = malloc(node->weight->count * sizeof *plain);
    r->weight[n] = malloc(node->weight->count * sizeof **r->weight);
    r->bias[n] = calloc(s[0], sizeof **r->bias);
    if (!plain || !r->weight[n] || !r->bias[n]) {
        free(plain);
        return SREC_ERR_MEMORY;
    }
    srec_tensor_to_f32(node->weight, plain);
    size_t taps = s[2] * s[3];
    for (size_t o = 0; o < s[0]; o++)
        for (size_t i = 0; i < s[1]; i++)
            for (size_t t = 0; t < taps; t++)
                r->weight[n][(o * taps + t) * s[1] + i] = plain[(o * s[1] + i) * taps + t];
    if (node->bias)
        srec_tensor_to_f32(node->bias, r->bias[n]);
    free(plain);
    return SREC_OK;
}

static srec_status reference_create(const srec_graph *g, const srec_compute *compute, size_t height, size_t width,
                                    void **state, srec_error *error)
{
    reference *r = calloc(1, sizeof *r);
    size_t *size = calloc(g->n_values, sizeof *size), window = 1;
    int *life = calloc(2 * g->n_values, sizeof *life);
    if (!r || !size || !life)
        goto fail;
    r->g = g;
    r->settings = *compute;
    r->height = height;
    r->width = width;
    r->offset = calloc(g->n_values, sizeof *r->offset);
    r->weight = calloc(g->n_nodes, sizeof *r->weight);
    r->bias = calloc(g->n_nodes, sizeof *r->bias);
    if (!r->offset || !r->weight || !r->bias)
        goto fail;
    for (unsigned v = 0; v < g->n_values; v++)
        size[v] = srec_value_count(&g->values[v], height, width) * sizeof(float);
    srec_graph_lifetimes(g, life, life + g->n_values);
    r->bytes = srec_arena_place(g->n_values, size, life, life + g->n_values, r->offset);
    if (!r->bytes || !(r->arena = volk_malloc(r->bytes, SREC_NN_ALIGN)))
        goto fail;
    for (unsigned n = 0; n < g->n_nodes; n++)
        if (g->nodes[n].op == SREC_OP_CONV) {
            const size_t *s = g->nodes[n].weight->shape;
            if (take_weights(r, n) != SREC_OK)
                goto fail;
            if (s[1] * s[2] * s[3] > window)
                window = s[1] * s[2] * s[3];
        }
    if (!(r->window = volk_malloc(window * sizeof(float), SREC_NN_ALIGN)))
        goto fail;
    free(size);
    free(life);
    *state = r;
    return SREC_OK;
fail:
    free(size);
    free(life);
    if (r && r->g)
        reference_free(r);
    else
        free(r);
    return srec_fail(error, SREC_ERR_MEMORY, "no memory for network %s at %zux%zu", g->name, width, height);
}

/* The samples that the kernel covers at one output sample; 0 beyond the border.
 * \param x input plane */
static void fill_window(const reference *r, const srec_node *node, const float *x, size_t oy, size_t ox)
{
    const srec_value *in = &r->g->values[node->in[0]];
    const size_t k = node->weight->shape[2];
    const size_t height = srec_value_height(in, r->height);
    const size_t width = srec_value_height(in, r->width);
    float *w = r->window;
    for (size_t ky = 0; ky < k; ky++)
        for (size_t kx = 0; kx < k; kx++, w += in->channels) {
            const size_t iy = oy * node->stride + ky - node->pad; /* wraps around above the border */
            const size_t ix = ox * node->stride + kx - node->pad;
            if (iy < height && ix < width)
                memcpy(w, x + (iy * width + ix) * in->channels, in->channels * sizeof *w);
            else
                memset(w, 0, in->channels * sizeof *w);
        }
}

static void conv(const reference *r, unsigned n)
{
    const srec_node *node = &r->g->nodes[n];
    const srec_value *in = &r->g->values[node->in[0]];
    const srec_value *out = &r->g->values[node->out];
    const size_t taps = node->weight->shape[2] * node->weight->shape[2] * in->channels;
    const size_t height = srec_value_height(out, r->height);
    const size_t width = srec_value_height(out, r->width);
    const float *x = plane(r, node->in[0]);
    const float *add = node->add >= 0 ? plane(r, (unsigned)node->add) : NULL;
    float *y = plane(r, node->out);
    assert(y);
    for (size_t i = 0; i < height * width; i++) {
        fill_window(r, node, x, i / width, i % width);
        for (size_t o = 0; o < out->channels; o++) {
            float sum;
            volk_32f_x2_dot_prod_32f(&sum, r->window, r->weight[n] + o * taps, (unsigned)taps);
            sum += r->bias[n][o] + (add ? *add++ : 0.0f);
            *y++ = node->relu && sum < 0.0f ? 0.0f : sum;
        }
    }
}

static void shuffle(const reference *r, const srec_node *node)
{
    const bool up = node->op == SREC_OP_PIXEL_SHUFFLE;
    /* The side is h for the small plane and h * factor for the large one. */
    const unsigned small = up ? node->in[0] : node->out, large = up ? node->out : node->in[0];
    const srec_value *s = &r->g->values[small], *l = &r->g->values[large];
    const size_t f = node->factor, lh = srec_value_height(l, r->height), lw = srec_value_height(l, r->width);
    float *a = plane(r, small), *b = plane(r, large);
    for (size_t y = 0; y < lh; y++)
        for (size_t x = 0; x < lw; x++)
            for (size_t c = 0; c < l->channels; c++) {
                float *p = a + ((y / f) * (lw / f) + x / f) * s->channels + c * f * f + (y % f) * f + x % f,
                      *q = b + (y * lw + x) * l->channels + c;
                if (up)
                    *q = *p;
                else
                    *p = *q;
            }
}

static void elementwise(const reference *r, const srec_node *node)
{
    size_t n = srec_value_count(&r->g->values[node->out], r->height, r->width);
    const float *a = plane(r, node->in[0]), *b = node->n_in > 1 ? plane(r, node->in[1]) : NULL;
    float *y = plane(r, node->out);
    assert(b || node->op == SREC_OP_RELU || node->op == SREC_OP_SIGMOID);
    for (size_t i = 0; i < n; i++)
        switch (node->op) {
        case SREC_OP_RELU: y[i] = a[i] > 0.0f ? a[i] : 0.0f; break;
        case SREC_OP_SIGMOID: y[i] = 1.0f / (1.0f + expf(-a[i])); break;
        case SREC_OP_ADD: y[i] = a[i] + b[i]; break;
        default: y[i] = a[i] * b[i]; break;
        }
}

static void concat(const reference *r, const srec_node *node)
{
    const srec_value *out = &r->g->values[node->out];
    size_t samples = srec_value_height(out, r->height) * srec_value_height(out, r->width), at = 0;
    for (unsigned i = 0; i < node->n_in; i++) {
        size_t channels = r->g->values[node->in[i]].channels;
        for (size_t s = 0; s < samples; s++)
            memcpy(plane(r, node->out) + s * out->channels + at, plane(r, node->in[i]) + s * channels,
                   channels * sizeof(float));
        at += channels;
    }
}

static srec_status reference_run(void *state, srec_error *error)
{
    const reference *r = state;
    for (unsigned n = 0; n < r->g->n_nodes; n++) {
        const srec_node *node = &r->g->nodes[n];
        if (srec_is_cancelled(&r->settings))
            return srec_fail(error, SREC_ERR_CANCELLED, "cancelled");
        switch (node->op) {
        case SREC_OP_CONV: conv(r, n); break;
        case SREC_OP_PIXEL_SHUFFLE:
        case SREC_OP_PIXEL_UNSHUFFLE: shuffle(r, node); break;
        case SREC_OP_CONCAT: concat(r, node); break;
        default: elementwise(r, node); break;
        }
    }
    return SREC_OK;
}

static float *reference_input(void *state, unsigned i) { return plane(state, i); }
static const float *reference_output(const void *state, unsigned i)
{
    return plane(state, ((const reference *)state)->g->outputs[i]);
}
static size_t reference_bytes(const void *state) { return ((const reference *)state)->bytes; }

const srec_backend_ops srec_reference_ops = { reference_create, reference_free, reference_input,
                                              reference_output, reference_run,  reference_bytes };
