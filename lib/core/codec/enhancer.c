/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/encoder.h>
#include <srec/enhancer.h>
#include <srec/resize.h>

#include "model_file.h"
#include "pixels.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TILE     768u /* pixels of the result: see enhancer.h */
#define MARGIN_MAX       64u
#define DEVIATION_PLANES 2u
#define RMS_ERROR_OF_1   32.0f /* RMS error of an image of layers that counts as deviation 1 */

struct srec_enhancer_model {
    srec_safetensors *file;
    srec_graph *graph;
    unsigned scale, margin, halo; /* margin and halo in input samples */
    srec_coding coding;
    float least_deviation; /* images with less pass unchanged */
    float mean[3];
};

struct srec_enhancer {
    const srec_enhancer_model *model;
    srec_tiler *tiler;
};

/* ---- model file --------------------------------------------------------------------------------------------- */

static srec_status parse_coding(srec_enhancer_model *m, const json_t *coding, srec_error *error)
{
    const char *name = coding ? json_string_value(coding) : "features"; /* models without it are older than layers */
    const bool layers = name && strcmp(name, "layers") == 0;
    if (!layers && (!name || strcmp(name, "features") != 0))
        return srec_fail(error, SREC_ERR_FORMAT, "enhancer: coding must be features or layers");
    m->coding = layers ? SREC_CODING_LAYERS : SREC_CODING_FEATURES;
    return SREC_OK;
}

static srec_status parse_least_deviation(srec_enhancer_model *m, const json_t *least, srec_error *error)
{
    const double value = least ? json_number_value(least) : 0.0;
    if (!(value >= 0.0 && value <= 1.0) || (least && !json_is_number(least)))
        return srec_fail(error, SREC_ERR_FORMAT, "enhancer: least_deviation is not within 0 .. 1");
    m->least_deviation = (float)value;
    return SREC_OK;
}

static srec_status parse_numbers(srec_enhancer_model *m, const json_t *numbers, srec_error *error)
{
    const json_t *scale = json_object_get(numbers, "scale"), *margin = json_object_get(numbers, "margin"),
                 *mean = json_object_get(numbers, "mean");
    if (!json_is_integer(scale) || json_integer_value(scale) < 1 || json_integer_value(scale) > 2)
        return srec_fail(error, SREC_ERR_FORMAT, "enhancer: scale must be 1 or 2");
    if (margin &&
        (!json_is_integer(margin) || json_integer_value(margin) < 0 || json_integer_value(margin) > MARGIN_MAX))
        return srec_fail(error, SREC_ERR_FORMAT, "enhancer: margin is not 0 .. %u", MARGIN_MAX);
    m->scale = (unsigned)json_integer_value(scale);
    m->margin = (unsigned)json_integer_value(margin);
    if (!srec_model_read_mean(mean, m->mean))
        return srec_fail(error, SREC_ERR_FORMAT, "enhancer: mean of 3 values within 0 .. 1 is missing");
    const srec_status status = parse_coding(m, json_object_get(numbers, "coding"), error);
    if (status != SREC_OK)
        return status;
    return parse_least_deviation(m, json_object_get(numbers, "least_deviation"), error);
}

static srec_status parse_graph(srec_enhancer_model *m, json_t *graph, const json_t *halo, srec_error *error)
{
    char *text = json_dumps(graph, JSON_COMPACT);
    if (!text)
        return srec_fail(error, SREC_ERR_FORMAT, "network enhancer is missing or not an object");
    srec_status status = srec_graph_parse("enhancer", text, strlen(text), m->file, &m->graph, error);
    free(text);
    if (status != SREC_OK)
        return status;
    unsigned num, den;
    srec_graph_output_scale(m->graph, 0, &num, &den);
    if (srec_graph_inputs(m->graph) != 2 || srec_graph_outputs(m->graph) != 1 ||
        srec_graph_input_channels(m->graph, 0) != 3 || srec_graph_input_channels(m->graph, 1) != DEVIATION_PLANES ||
        srec_graph_output_channels(m->graph, 0) != 3 || num != m->scale || den != 1)
        return srec_fail(error, SREC_ERR_SHAPE,
                         "network enhancer has other inputs, outputs or scale than an enhancer needs");
    const unsigned granule = srec_graph_granule(m->graph), exact = srec_graph_halo(m->graph);
    if (granule > 256) /* a 1x1 image is padded to the granule */
        return srec_fail(error, SREC_ERR_SHAPE, "network enhancer takes only multiples of %u pixels; 256 is the most",
                         granule);
    m->halo = exact;
    if (halo) {
        if (!json_is_integer(halo) || json_integer_value(halo) < 0 || json_integer_value(halo) > exact ||
            json_integer_value(halo) % granule)
            return srec_fail(error, SREC_ERR_FORMAT, "enhancer: halo is not a multiple of %u within 0 .. %u", granule,
                             exact);
        m->halo = (unsigned)json_integer_value(halo);
    }
    return SREC_OK;
}

static srec_status finish(srec_safetensors *file, void **out, srec_error *error)
{
    srec_enhancer_model *m = calloc(1, sizeof *m);
    if (!m) {
        srec_safetensors_free(file);
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    }
    m->file = file;
    srec_model_json json;
    srec_status status = srec_model_read_json(file, "enhancer", &json, error);
    if (status == SREC_OK)
        status = parse_numbers(m, json.numbers, error);
    if (status == SREC_OK)
        status = parse_graph(m, json_object_get(json.graphs, "enhancer"), json_object_get(json.numbers, "halo"), error);
    srec_model_free_json(&json);
    if (status != SREC_OK)
        srec_enhancer_model_free(m);
    else
        *out = m;
    return status;
}

srec_status srec_enhancer_model_load(const char *path, srec_enhancer_model **out, srec_error *error)
{
    void *model = NULL;
    if (out)
        *out = NULL;
    if (!path || !out)
        return srec_fail(error, SREC_ERR_ARG, "no path");
    const srec_status status = srec_model_open(path, finish, &model, error);
    *out = model;
    return status;
}

srec_status srec_enhancer_model_load_memory(const void *data, size_t size, srec_enhancer_model **out, srec_error *error)
{
    void *model = NULL;
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "no place for the model");
    const srec_status status = srec_model_open_memory(data, size, finish, &model, error);
    *out = model;
    return status;
}

void srec_enhancer_model_free(srec_enhancer_model *m)
{
    if (!m)
        return;
    srec_graph_free(m->graph);
    srec_safetensors_free(m->file);
    free(m);
}

unsigned srec_enhancer_model_scale(const srec_enhancer_model *m) { return m->scale; }
srec_coding srec_enhancer_model_coding(const srec_enhancer_model *m) { return m->coding; }
float srec_enhancer_model_least_deviation(const srec_enhancer_model *m) { return m->least_deviation; }
uint64_t srec_enhancer_model_id(const srec_enhancer_model *m) { return srec_safetensors_id(m->file); }
const char *srec_enhancer_model_metadata(const srec_enhancer_model *m, const char *key)
{
    return srec_safetensors_metadata(m->file, key);
}
const char *srec_enhancer_model_metadata_key(const srec_enhancer_model *m, size_t i)
{
    return srec_safetensors_metadata_key(m->file, i);
}
size_t srec_enhancer_model_parameters(const srec_enhancer_model *m) { return srec_safetensors_parameters(m->file); }

double srec_enhancer_model_macs_per_pixel(const srec_enhancer_model *m)
{
    return srec_graph_macs_per_input(m->graph) / (m->scale * m->scale);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

srec_status srec_enhancer_create(const srec_enhancer_model *model, const srec_compute *compute, srec_enhancer **out,
                                 srec_error *error)
{
    if (out)
        *out = NULL;
    if (!model || !out)
        return srec_fail(error, SREC_ERR_ARG, "no model");
    srec_enhancer *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    e->model = model;
    srec_compute settings = compute ? *compute : (srec_compute){ 0 };
    settings.tile = (settings.tile ? settings.tile : DEFAULT_TILE) / model->scale; /* the tiler counts input samples */
    if (!settings.tile)
        settings.tile = 1;
    srec_status status = srec_tiler_create(model->graph, &settings, 1, &e->tiler, error);
    if (status == SREC_OK)
        srec_tiler_set_halo(e->tiler, model->halo);
    if (status != SREC_OK)
        srec_enhancer_free(e);
    else
        *out = e;
    return status;
}

void srec_enhancer_free(srec_enhancer *e)
{
    if (!e)
        return;
    srec_tiler_free(e->tiler);
    free(e);
}

float srec_enhancer_layers_deviation(float rms_error)
{
    if (!(rms_error >= 0.0f)) /* NaN too */
        return -1.0f;
    return rms_error < RMS_ERROR_OF_1 ? rms_error / RMS_ERROR_OF_1 : 1.0f;
}

/* Input and output of the network. Positions on its plane are those of the image plus the margin. */
typedef struct {
    const srec_enhancer_model *model;
    const srec_image *in, *out;
    const float *deviation;
    float everywhere;
    size_t cols; /* patches */
} job;

/* Pixel at position i of the plane along one side. Edges are replicated. */
static size_t pixel(const job *j, size_t i, size_t size)
{
    return i < j->model->margin ? 0 : i - j->model->margin < size ? i - j->model->margin : size - 1;
}

static void read_image(const job *j, const srec_window *at, float *dst)
{
    float table[3][256];
    for (unsigned c = 0; c < 3; c++)
        for (unsigned v = 0; v < 256; v++)
            table[c][v] = (float)v / 255.0f - j->model->mean[c];
    for (size_t r = 0; r < at->height; r++) {
        const uint8_t *row = j->in->data + pixel(j, at->y + r, j->in->height) * j->in->stride;
        for (size_t i = 0; i < at->width; i++, dst += 3) {
            const uint8_t *p = row + pixel(j, at->x + i, j->in->width) * j->in->channels;
            for (unsigned c = 0; c < 3; c++)
                dst[c] = table[c][p[j->in->channels == 3 ? c : 0]];
        }
    }
}

static void read_deviation(const job *j, const srec_window *at, float *dst)
{
    for (size_t r = 0; r < at->height; r++) {
        const size_t row = pixel(j, at->y + r, j->in->height) / SREC_PATCH_SIDE * j->cols;
        for (size_t i = 0; i < at->width; i++, dst += DEVIATION_PLANES) {
            const float d =
                j->deviation ? j->deviation[row + pixel(j, at->x + i, j->in->width) / SREC_PATCH_SIDE] : j->everywhere;
            const bool known = d >= 0.0f; /* false for NaN */
            dst[0] = known ? (d < 1.0f ? d : 1.0f) : 0.0f;
            dst[1] = known ? 0.0f : 1.0f;
        }
    }
}

static void read_plane(void *context, unsigned input, const srec_window *at, float *dst)
{
    (input ? read_deviation : read_image)(context, at, dst);
}

static void write_picture(void *context, unsigned output, const srec_window *at, const float *src, size_t stride)
{
    (void)output;
    const job *j = context;
    const float *mean = j->model->mean;
    const srec_image *out = j->out;
    const size_t margin = (size_t)j->model->margin * j->model->scale;
    for (size_t r = 0; r < at->height; r++, src += stride) {
        if (at->y + r < margin || at->y + r - margin >= out->height)
            continue;
        uint8_t *row = out->data + (at->y + r - margin) * out->stride;
        const float *p = src;
        for (size_t i = 0; i < at->width; i++, p += 3) {
            if (at->x + i < margin || at->x + i - margin >= out->width)
                continue;
            uint8_t *to = row + (at->x + i - margin) * out->channels;
            if (out->channels == 3)
                for (unsigned c = 0; c < 3; c++)
                    to[c] = byte_of_unit(p[c] + mean[c]);
            else
                *to = byte_of_unit((p[0] + mean[0] + p[1] + mean[1] + p[2] + mean[2]) / 3.0f);
        }
    }
}

/* True if a side of the result is scale times the image's side, or one less. */
static bool side_fits(unsigned scale, uint32_t in, uint32_t out)
{
    return out <= scale * in && (out + scale - 1) / scale == in;
}

/* Full size without the network. */
static srec_status pass(unsigned scale, const srec_image *in, const srec_image *out)
{
    if (scale == 2)
        return srec_image_double(in, out);
    for (size_t y = 0; y < in->height; y++)
        memcpy(out->data + y * out->stride, in->data + y * in->stride, (size_t)in->width * in->channels);
    return SREC_OK;
}

srec_status srec_enhancer_run(srec_enhancer *e, const srec_image *in, const float *deviation, float everywhere,
                              const srec_image *out, srec_error *error)
{
    if (!e || !image_valid(in) || !image_valid(out))
        return srec_fail(error, SREC_ERR_ARG, "no enhancer, or an invalid image: sides are 1 to %u, channels 1 or 3",
                         SREC_IMAGE_MAX_SIDE);
    const srec_enhancer_model *m = e->model;
    if (in->channels != out->channels || !side_fits(m->scale, in->width, out->width) ||
        !side_fits(m->scale, in->height, out->height))
        return srec_fail(error, SREC_ERR_ARG, "an image of %ux%u pixels does not become one of %ux%u at scale %u",
                         in->width, in->height, out->width, out->height, m->scale);
    if (!deviation && everywhere >= 0.0f && everywhere < m->least_deviation)
        return pass(m->scale, in, out);
    uint32_t cols, rows;
    srec_patch_grid(in->width, in->height, &cols, &rows);
    const size_t granule = srec_graph_granule(m->graph);
    const size_t height = (in->height + 2 * m->margin + granule - 1) / granule * granule,
                 width = (in->width + 2 * m->margin + granule - 1) / granule * granule;
    job j = { m, in, out, deviation, everywhere, cols };
    return srec_tiler_run(e->tiler, height, width, &(srec_tile_io){ read_plane, write_picture, &j }, error);
}
