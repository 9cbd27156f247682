/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Interface between plan.c and the backends: the operations of a backend, and helpers for backends. */
#ifndef SREC_NN_BACKEND_H
#define SREC_NN_BACKEND_H

#include "graph.h"

typedef struct srec_backend_ops {
    srec_status (*create)(const srec_graph *g, const srec_compute *compute, size_t height, size_t width, void **state,
                          srec_error *error);
    void (*free)(void *state);
    float *(*input)(void *state, unsigned i);
    const float *(*output)(const void *state, unsigned i);
    srec_status (*run)(void *state, srec_error *error);
    size_t (*bytes)(const void *state);
} srec_backend_ops;

extern const srec_backend_ops srec_onednn_ops, srec_reference_ops;
bool srec_onednn_supports(srec_precision precision);

#define SREC_NN_ALIGN 64u

/* Plane of a value for inputs of height x width. */
static inline size_t srec_value_height(const srec_value *v, size_t height) { return height * v->num / v->den; }
static inline size_t srec_value_count(const srec_value *v, size_t height, size_t width)
{
    return srec_value_height(v, height) * srec_value_height(v, width) * v->channels;
}

/* ---- arena.c ------------------------------------------------------------------------------------------------ */

/* Allocate memory aligned to SREC_NN_ALIGN, for volk_free(). Large buffers ask for huge pages: their first use, which
 * is most of the time of a network that runs once, has fewer page faults.
 * \return NULL if out of memory */
void *srec_nn_alloc(size_t bytes);

/* Place buffers in one arena so that buffers in use at the same time do not overlap. Buffer i is in use during the
 * steps first[i] .. last[i], inclusive.
 * \param size (n) bytes; 0: no buffer
 * \param[out] offset (n) multiples of SREC_NN_ALIGN
 * \return size of the arena, or 0 if out of memory */
size_t srec_arena_place(unsigned n, const size_t *size, const int *first, const int *last, size_t *offset);

/* Steps during which each value of the graph is in use, as node numbers. Inputs are in use from -1, outputs to the
 * end. */
void srec_graph_lifetimes(const srec_graph *g, int *first, int *last);

#endif /* SREC_NN_BACKEND_H */
