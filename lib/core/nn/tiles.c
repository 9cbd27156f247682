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

/* Window i along one side: its start, and the samples of it that count: the first, and how many. */
static void place(const srec_tiler *t, size_t size, size_t i, size_t *start, size_t *first, size_t *count)
{
    size_t w = window_of(t, size), fresh = w - 2 * t->halo, n = windows(t, size);
    *start = i * fresh + w > size ? size - w : i * fresh;
    *first = i == 0 ? 0 : (i - 1) * fresh + w - t->halo;
    *count = (i + 1 == n ? size : i * fresh + w - t->halo) - *first;
}

/* Makes sure that the plan is for windows of this size. */
static srec_status plan_windows(srec_tiler *t, size_t height, size_t width, srec_error *error)
{
    if (t->plan && srec_plan_height(t->plan) == height && srec_plan_width(t->plan) == width)
        return SREC_OK;
    srec_plan_free(t->plan);
    t->plan = NULL;
    return srec_plan_create(t->g, &t->compute, height, width, &t->plan, error);
}

/* Hand over the part of each output that counts.
 * \param read the window of the inputs
 * \param fresh the part of it that counts */
static void write_outputs(const srec_tiler *t, const srec_window *read, const srec_window *fresh,
                          const srec_tile_io *io)
{
    for (unsigned k = 0; k < srec_graph_outputs(t->g); k++) {
        unsigned num, den;
        srec_graph_output_scale(t->g, k, &num, &den);
        const size_t channels = srec_graph_output_channels(t->g, k);
        const size_t stride = read->width * num / den * channels;
        const float *src = srec_plan_output(t->plan, k) + (fresh->y - read->y) * num / den * stride +
                           (fresh->x - read->x) * num / den * channels;
        const srec_window window = {
            .y = fresh->y * num / den,
            .x = fresh->x * num / den,
            .height = fresh->height * num / den,
            .width = fresh->width * num / den,
        };
        io->write(io->context, k, &window, src, stride);
    }
}

srec_status srec_tiler_run(srec_tiler *t, size_t height, size_t width, const srec_tile_io *io, srec_error *error)
{
    if (!t || !io || !io->read || !io->write || !height || !width)
        return srec_fail(error, SREC_ERR_ARG, "no plane");
    const unsigned granule = srec_graph_granule(t->g);
    if (height % granule || width % granule)
        return srec_fail(error, SREC_ERR_ARG, "a plane of %zux%zu samples; its sides must be multiples of %u", width,
                         height, granule);
    srec_window read = { .height = window_of(t, height), .width = window_of(t, width) };
    srec_status status = plan_windows(t, read.height, read.width, error);
    if (status != SREC_OK)
        return status;
    const size_t rows = windows(t, height), cols = windows(t, width);
    for (size_t i = 0; i < rows * cols; i++) {
        srec_window fresh;
        if (t->compute.progress && !t->compute.progress(t->compute.progress_context, i, rows * cols))
            return srec_fail(error, SREC_ERR_CANCELLED, "cancelled");
        place(t, height, i / cols, &read.y, &fresh.y, &fresh.height);
        place(t, width, i % cols, &read.x, &fresh.x, &fresh.width);
        for (unsigned k = 0; k < srec_graph_inputs(t->g); k++)
            io->read(io->context, k, &read, srec_plan_input(t->plan, k));
        status = srec_plan_run(t->plan, error);
        if (status != SREC_OK)
            return status;
        write_outputs(t, &read, &fresh, io);
    }
    return SREC_OK;
}

typedef struct {
    const srec_tiler *t;
    size_t width;
    const float *const *inputs;
    float *const *outputs;
} planes;

static void read_plane(void *context, unsigned input, const srec_window *at, float *dst)
{
    const planes *p = context;
    const size_t channels = srec_graph_input_channels(p->t->g, input), row = at->width * channels;
    for (size_t r = 0; r < at->height; r++)
        memcpy(dst + r * row, p->inputs[input] + ((at->y + r) * p->width + at->x) * channels, row * sizeof *dst);
}

static void write_plane(void *context, unsigned output, const srec_window *at, const float *src, size_t stride)
{
    const planes *p = context;
    unsigned num, den;
    srec_graph_output_scale(p->t->g, output, &num, &den);
    size_t channels = srec_graph_output_channels(p->t->g, output), width = p->width * num / den;
    for (size_t r = 0; r < at->height; r++)
        memcpy(p->outputs[output] + ((at->y + r) * width + at->x) * channels, src + r * stride,
               at->width * channels * sizeof *src);
}

srec_status srec_tiler_run_planes(srec_tiler *t, size_t height, size_t width, const float *const *inputs,
                                  float *const *outputs, srec_error *error)
{
    if (!t || !inputs || !outputs)
        return srec_fail(error, SREC_ERR_ARG, "no planes");
    planes p = { t, width, inputs, outputs };
    return srec_tiler_run(t, height, width, &(srec_tile_io){ read_plane, write_plane, &p }, error);
}
