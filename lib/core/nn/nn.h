/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The inference engine, internal to libsrec.
 *
 *      safetensors.c   file -> tensors and metadata, everything checked
 *      graph.c         JSON -> nodes; shape inference, scale of every tensor, halo
 *      plan.c          graph + input size + backend -> primitives and buffers, created once
 *      onednn*.c       backend: oneDNN           reference.c   backend: VOLK dot products (the specification)
 *      arena.c         buffers of a plan's values in one block of memory
 *      tiles.c         runs a plan over a large plane, tile by tile, halos included
 *
 *  Planes at the interface are f32, height x width x channels (hwc). A backend may use another layout internally. */
#ifndef SREC_NN_H
#define SREC_NN_H

#include <srec/compute.h>
#include <srec/model.h>

/* True if the caller wants the run to end. */
static inline bool srec_is_cancelled(const srec_compute *compute)
{
    return compute->cancelled && compute->cancelled(compute->cancelled_context);
}

#define SREC_NN_MAX_PORTS 4 /* inputs or outputs of a network */

/* ---- safetensors.c ---------------------------------------------------------------------------------------- */

typedef enum { SREC_F32, SREC_F16, SREC_BF16, SREC_U8 } srec_dtype;

typedef struct srec_tensor {
    const char *name;
    srec_dtype dtype;
    unsigned rank; /* 0 .. 8 */
    size_t shape[8];
    size_t count;        /* product of shape */
    const uint8_t *data; /* little endian, as in the file */
} srec_tensor;

typedef struct srec_safetensors srec_safetensors;

srec_status srec_safetensors_parse(const void *data, size_t size, srec_safetensors **out,
                                   srec_error *error); /* copies data */
srec_status srec_safetensors_load(const char *path, srec_safetensors **out, srec_error *error);
void srec_safetensors_free(srec_safetensors *s);
const srec_tensor *srec_safetensors_find(const srec_safetensors *s, const char *name);
const char *srec_safetensors_metadata(const srec_safetensors *s, const char *key);
const char *srec_safetensors_metadata_key(const srec_safetensors *s, size_t i);
size_t srec_safetensors_parameters(const srec_safetensors *s);
uint64_t srec_safetensors_id(const srec_safetensors *s); /* of the whole file, see srec_model_id() */
bool srec_tensor_finite(const srec_tensor *t);           /* no infinity, no NaN */
/* Convert a tensor of any float type, or U8, to f32.
 * \param[out] out (count) */
srec_status srec_tensor_to_f32(const srec_tensor *t, float *out);

/* ---- graph.c ---------------------------------------------------------------------------------------------- */

typedef struct srec_graph srec_graph; /* immutable; any thread; refers to the safetensors, which must outlive it */

/* \param json {"inputs": [{"name": "image", "channels": 3}], "outputs": ["latent"], "nodes": [...]}, see
 * docs/model-format.md */
srec_status srec_graph_parse(const char *name, const char *json, size_t length, const srec_safetensors *tensors,
                             srec_graph **out, srec_error *error);
void srec_graph_free(srec_graph *g);
unsigned srec_graph_inputs(const srec_graph *g);
unsigned srec_graph_outputs(const srec_graph *g);
unsigned srec_graph_input_channels(const srec_graph *g, unsigned i);
unsigned srec_graph_output_channels(const srec_graph *g, unsigned i);
/* Size of output i relative to the inputs (all inputs have equal size): size_out = size_in * num / den. */
void srec_graph_output_scale(const srec_graph *g, unsigned i, unsigned *num, unsigned *den);
/* Input sides must be multiples of this, so that all strides and shuffles divide evenly. */
unsigned srec_graph_granule(const srec_graph *g);
/* Input samples that a window must contain around its inner part, so that the outputs of that part equal those of
 * the whole plane. Holds for parts that begin and end at multiples of the granule. The halo is a multiple of the
 * granule. */
unsigned srec_graph_halo(const srec_graph *g);
double srec_graph_macs_per_input(const srec_graph *g); /* multiply-accumulates per input sample */

/* The model's graph of that name; NULL if it has none. In model.c. */
const srec_graph *srec_model_graph(const srec_model *m, const char *name);
const srec_tensor *srec_model_tensor(const srec_model *m, const char *name);

/* ---- plan.c, onednn*.c, reference.c ------------------------------------------------------------------------ */

typedef struct srec_plan srec_plan; /* one thread at a time */

/* Allocates everything: buffers, reordered weights, primitives. */
srec_status srec_plan_create(const srec_graph *g, const srec_compute *compute, size_t height, size_t width,
                             srec_plan **out, srec_error *error);
void srec_plan_free(srec_plan *p);
size_t srec_plan_height(const srec_plan *p); /* of the inputs */
size_t srec_plan_width(const srec_plan *p);
float *srec_plan_input(srec_plan *p, unsigned i);              /* (height, width, channels): fill before a run */
const float *srec_plan_output(const srec_plan *p, unsigned i); /* valid until the next run */
srec_status srec_plan_run(srec_plan *p, srec_error *error);    /* no allocation */
size_t srec_plan_bytes(const srec_plan *p);                    /* memory held */

/* ---- tiles.c ----------------------------------------------------------------------------------------------- */

/* A rectangle of a plane, in samples of that plane. */
typedef struct srec_window {
    size_t y; /* of its first row */
    size_t x; /* of its first column */
    size_t height;
    size_t width;
} srec_window;

/* Where a run gets its inputs and leaves its outputs. */
typedef struct srec_tile_io {
    /* Fill an input for a window that lies within the plane.
     * \param[out] dst (height, width, channels) */
    void (*read)(void *context, unsigned input, const srec_window *window, float *dst);
    /* Take an output for a window in output samples. Row r starts at src + r * stride (floats). */
    void (*write)(void *context, unsigned output, const srec_window *window, const float *src, size_t stride);
    void *context;
} srec_tile_io;

/* Runs one graph over planes of any size, and keeps its plan while sizes repeat. One thread at a time. */
typedef struct srec_tiler srec_tiler;

/* \param pixels_per_input image pixels per input sample along a side (1 for ga, 16 for gs); converts compute->tile */
srec_status srec_tiler_create(const srec_graph *g, const srec_compute *compute, unsigned pixels_per_input,
                              srec_tiler **out, srec_error *error);
void srec_tiler_free(srec_tiler *t);
/* Set a smaller overlap than the network's halo, a multiple of the granule. Seams are as large as the effect of the
 * samples beyond it. */
void srec_tiler_set_halo(srec_tiler *t, unsigned halo);
/* Calls compute->progress between tiles and compute->cancelled before each layer of each tile.
 * \param height, width multiples of the granule, else SREC_ERR_ARG */
srec_status srec_tiler_run(srec_tiler *t, size_t height, size_t width, const srec_tile_io *io, srec_error *error);
/* The same over whole planes in memory, hwc. */
srec_status srec_tiler_run_planes(srec_tiler *t, size_t height, size_t width, const float *const *inputs,
                                  float *const *outputs, srec_error *error);

#endif /* SREC_NN_H */
