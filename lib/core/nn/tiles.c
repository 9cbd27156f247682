/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Runs a network over a plane of any size in windows of one size. Windows overlap by the network's halo on each
 *  side and are moved inward at the far border. Zero padding therefore happens only at the real borders of the
 *  plane, and the result equals that of a single run. All windows begin and end at multiples of the granule, so
 *  strides and shuffles fall on the same samples in each. */
#include "nn.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TILE 1024u

struct srec_tiler {
    const srec_graph *g;
    srec_compute compute;
    unsigned pixels_per_input;
    size_t side; /* longest side of a window, input samples */
    size_t halo;
    srec_plan *plan; /* of the last run's window size */
};

srec_status srec_tiler_create(const srec_graph *g, const srec_compute *compute, unsigned pixels_per_input,
                              srec_tiler **out, srec_error *error)
{
    if (!g || !out || !pixels_per_input)
        return srec_fail(error, SREC_ERR_ARG, "no graph");
    *out = NULL;
    srec_tiler *t = calloc(1, sizeof *t);
    if (!t)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    t->g = g;
    if (compute)
        t->compute = *compute;
    t->pixels_per_input = pixels_per_input;
    srec_tiler_set_halo(t, srec_graph_halo(g));
    *out = t;
    return SREC_OK;
}

void srec_tiler_set_halo(srec_tiler *t, unsigned halo)
{
    const size_t granule = srec_graph_granule(t->g);
    t->halo = halo;
    t->side = (t->compute.tile ? t->compute.tile : DEFAULT_TILE) / t->pixels_per_input / granule * granule;
    /* At least a third of each window is new. */
    const size_t least = 2 * t->halo + (t->halo > granule ? t->halo : granule);
    if (t->side < least)
        t->side = least;
}

void srec_tiler_free(srec_tiler *t)
{
    if (!t)
        return;
    srec_plan_free(t->plan);
    free(t);
}

/* Side of the windows along one side of the plane: as small as the number of windows permits, at most \p t->side. */
static size_t window_of(const srec_tiler *t, size_t size)
{
    if (size <= t->side)
        return size;
    const size_t granule = srec_graph_granule(t->g), inner = size - 2 * t->halo, most = t->side - 2 * t->halo;
    const size_t n = (inner + most - 1) / most, fresh = (inner + n - 1) / n;
    return (fresh + granule - 1) / granule * granule + 2 * t->halo;
}

static size_t windows(const srec_tiler *t, size_t size)
{
    size_t w = window_of(t, size), fresh = w - 2 * t->halo;
    return size <= w ? 1 : 1 + (size - w + fresh - 1) / fresh;
}

/* Window i along one side: its start, and the samples of it that count. */
static void place(const srec_tiler *t, size_t size, size_t i, size_t *start, size_t *from, size_t *to)
{
    size_t w = window_of(t, size), fresh = w - 2 * t->halo, n = windows(t, size);
    *start = i * fresh + w > size ? size - w : i * fresh;
    *from = i == 0 ? 0 : (i - 1) * fresh + w - t->halo;
    *to = i + 1 == n ? size : i * fresh + w - t->halo;
}

srec_status srec_tiler_run(srec_tiler *t, size_t height, size_t width, srec_tile_read read, srec_tile_write write,
                           void *context, srec_error *error)
{
    if (!t || !read || !write || !height || !width)
        return srec_fail(error, SREC_ERR_ARG, "no plane");
    const unsigned granule = srec_graph_granule(t->g);
    if (height % granule || width % granule)
        return srec_fail(error, SREC_ERR_ARG, "a plane of %zux%zu samples; its sides must be multiples of %u", width,
                         height, granule);
    size_t h = window_of(t, height), w = window_of(t, width);
    if (!t->plan || srec_plan_height(t->plan) != h || srec_plan_width(t->plan) != w) {
        srec_plan_free(t->plan);
        t->plan = NULL;
        srec_status status = srec_plan_create(t->g, &t->compute, h, w, &t->plan, error);
        if (status != SREC_OK)
            return status;
    }
    size_t rows = windows(t, height), cols = windows(t, width);
    for (size_t i = 0; i < rows * cols; i++) {
        size_t y, y0, y1, x, x0, x1;
        if (t->compute.progress && !t->compute.progress(t->compute.progress_context, i, rows * cols))
            return srec_fail(error, SREC_ERR_CANCELLED, "cancelled");
        place(t, height, i / cols, &y, &y0, &y1);
        place(t, width, i % cols, &x, &x0, &x1);
        for (unsigned k = 0; k < srec_graph_inputs(t->g); k++)
            read(context, k, y, x, h, w, srec_plan_input(t->plan, k));
        srec_status status = srec_plan_run(t->plan, error);
        if (status != SREC_OK)
            return status;
        for (unsigned k = 0; k < srec_graph_outputs(t->g); k++) {
            unsigned num, den;
            srec_graph_output_scale(t->g, k, &num, &den);
            size_t stride = w * num / den * srec_graph_output_channels(t->g, k);
            const float *src = srec_plan_output(t->plan, k) + (y0 - y) * num / den * stride +
                               (x0 - x) * num / den * srec_graph_output_channels(t->g, k);
            write(context, k, y0 * num / den, x0 * num / den, (y1 - y0) * num / den, (x1 - x0) * num / den, src,
                  stride);
        }
    }
    return SREC_OK;
}

typedef struct {
    const srec_tiler *t;
    size_t width;
    const float *const *inputs;
    float *const *outputs;
} planes;

static void read_plane(void *context, unsigned input, size_t y, size_t x, size_t h, size_t w, float *dst)
{
    const planes *p = context;
    size_t channels = srec_graph_input_channels(p->t->g, input);
    for (size_t r = 0; r < h; r++)
        memcpy(dst + r * w * channels, p->inputs[input] + ((y + r) * p->width + x) * channels,
               w * channels * sizeof *dst);
}

static void write_plane(void *context, unsigned output, size_t y, size_t x, size_t h, size_t w, const float *src,
                        size_t stride)
{
    const planes *p = context;
    unsigned num, den;
    srec_graph_output_scale(p->t->g, output, &num, &den);
    size_t channels = srec_graph_output_channels(p->t->g, output), width = p->width * num / den;
    for (size_t r = 0; r < h; r++)
        memcpy(p->outputs[output] + ((y + r) * width + x) * channels, src + r * stride, w * channels * sizeof *src);
}

srec_status srec_tiler_run_planes(srec_tiler *t, size_t height, size_t width, const float *const *inputs,
                                  float *const *outputs, srec_error *error)
{
    if (!t || !inputs || !outputs)
        return srec_fail(error, SREC_ERR_ARG, "no planes");
    planes p = { t, width, inputs, outputs };
    return srec_tiler_run(t, height, width, read_plane, write_plane, &p, error);
}
