/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/encoder.h>

#include "buffer.h"
#include "model_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

struct srec_encoder {
    const srec_model *model;
    srec_tiler *ga, *ha, *hs, *fe;
    srec_buffer latent, hyper, params, bits, rate_map, bytes;
};

void srec_patch_grid(uint32_t width, uint32_t height, uint32_t *cols, uint32_t *rows)
{
    *cols = (width + 63) / 64 * 4;
    *rows = (height + 63) / 64 * 4;
}

srec_status srec_encoder_create(const srec_model *model, const srec_compute *compute, srec_encoder **out, srec_error *error)
{
    if (!model || !model->file || !out)
        return srec_fail(error, SREC_ERR_ARG, "no model with networks");
    *out = NULL;
    srec_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    e->model = model;
    srec_status status = srec_tiler_create(model->nets[SREC_NET_GA], compute, 1, &e->ga, error);
    if (status == SREC_OK)
        status = srec_tiler_create(model->nets[SREC_NET_HA], compute, model->patch, &e->ha, error);
    if (status == SREC_OK)
        status = srec_tiler_create(model->nets[SREC_NET_HS], compute, model->multiple, &e->hs, error);
    if (status == SREC_OK)
        status = srec_tiler_create(model->nets[SREC_NET_FE], compute, model->patch, &e->fe, error);
    if (status != SREC_OK)
        srec_encoder_free(e);
    else
        *out = e;
    return status;
}

void srec_encoder_free(srec_encoder *e)
{
    if (!e)
        return;
    srec_tiler_free(e->ga);
    srec_tiler_free(e->ha);
    srec_tiler_free(e->hs);
    srec_tiler_free(e->fe);
    srec_buffer *buffers[] = { &e->latent, &e->hyper, &e->params, &e->bits, &e->rate_map, &e->bytes };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        srec_buffer_free(buffers[i]);
    free(e);
}

/* A picture as ga reads it, and the latents it writes. */
typedef struct {
    const srec_image *image;
    const float *mean;
    float *latent;
    size_t cols;     /* patches */
    unsigned channels;
} analysis;

static void read_picture(void *context, unsigned input, size_t y, size_t x, size_t h, size_t w, float *dst)
{
    (void)input;
    const analysis *a = context;
    const srec_image *image = a->image;
    float table[3][256];
    for (unsigned c = 0; c < 3; c++)
        for (unsigned v = 0; v < 256; v++)
            table[c][v] = (float)v / 255.0f - a->mean[c];
    for (size_t r = 0; r < h; r++) {
        size_t sy = y + r < image->height ? y + r : image->height - 1; /* edges are replicated */
        const uint8_t *row = image->data + sy * image->stride;
        for (size_t i = 0; i < w; i++, dst += 3) {
            size_t sx = x + i < image->width ? x + i : image->width - 1;
            const uint8_t *p = row + sx * image->channels;
            for (unsigned c = 0; c < 3; c++)
                dst[c] = table[c][p[image->channels == 3 ? c : 0]];
        }
    }
}

static void write_latent(void *context, unsigned output, size_t y, size_t x, size_t h, size_t w, const float *src, size_t stride)
{
    (void)output;
    const analysis *a = context;
    for (size_t r = 0; r < h; r++)
        memcpy(a->latent + ((y + r) * a->cols + x) * a->channels, src + r * stride, w * a->channels * sizeof *src);
}

/* Phi(b) - Phi(a), a <= b, both on the side where nothing cancels: the entropy model's bits only need a few digits. */
static float normal_between(float a, float b) { return 0.5f * (erfcf(a * 0.70710678f) - erfcf(b * 0.70710678f)); }

static float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }

/* Bits of every latent (SREC's rate control, NTSCC): returns their sum. \p params (patches, 2C) from hs; \p bits (patches, C) for fe */
static double latent_bits(const srec_model *m, const float *latent, const float *params, size_t patches, float eta, float *bits, uint8_t *rate_map)
{
    const unsigned c_count = m->channels;
    double total = 0;
    for (size_t p = 0; p < patches; p++) {
        float sum = 0;
        for (unsigned c = 0; c < c_count; c++) {
            float q = m->entropy_scale[c], v = fabsf(rintf(latent[p * c_count + c] * q) - params[p * 2 * c_count + c] * q);
            float sigma = softplus(params[p * 2 * c_count + c_count + c]) * q + m->entropy_floor;
            float probability = normal_between((v - 0.5f) / sigma, (v + 0.5f) / sigma);
            float b = -log2f(probability > 1e-9f ? probability : 1e-9f);
            sum += b;
            bits[p * c_count + c] = (b < m->bits_max ? b : m->bits_max) * m->bits_scale;
        }
        total += sum;
        unsigned step = 0;
        while (step + 1 < m->steps && (float)m->ladder[step] < eta * sum)
            step++;
        rate_map[p] = (uint8_t)step;
    }
    return total;
}

static srec_status check(const srec_encoder *e, const srec_image *image, float eta, srec_feature_format format, const srec_features *out, srec_error *error)
{
    if (!e || !image || !image->data || !out)
        return srec_fail(error, SREC_ERR_ARG, "no encoder, picture or result");
    if (image->width < 1 || image->height < 1 || image->width > SREC_IMAGE_MAX_SIDE || image->height > SREC_IMAGE_MAX_SIDE)
        return srec_fail(error, SREC_ERR_ARG, "a picture of %ux%u pixels; sides of 1 to %u are possible", image->width, image->height, SREC_IMAGE_MAX_SIDE);
    if ((image->channels != 1 && image->channels != 3) || image->stride < (size_t)image->width * image->channels)
        return srec_fail(error, SREC_ERR_ARG, "pictures have 1 or 3 channels and rows that hold them");
    if (!(eta >= 0.001f && eta <= 10.0f))
        return srec_fail(error, SREC_ERR_ARG, "eta %g is not within 0.001 .. 10", (double)eta);
    if ((unsigned)format >= SREC_FEATURE_FORMATS)
        return srec_fail(error, SREC_ERR_ARG, "unknown feature format");
    return SREC_OK;
}

srec_status srec_encoder_run(srec_encoder *e, const srec_image *image, float eta, srec_feature_format format, srec_features *out, srec_error *error)
{
    srec_status status = check(e, image, eta, format, out, error);
    if (status != SREC_OK)
        return status;
    const srec_model *m = e->model;
    const unsigned c_count = m->channels, z = srec_graph_output_channels(m->nets[SREC_NET_HA], 0);
    uint32_t cols, rows;
    srec_patch_grid(image->width, image->height, &cols, &rows);
    const size_t patches = (size_t)cols * rows, hypers = patches / 16, plane = patches * c_count * sizeof(float);
    if (!srec_buffer_need(&e->latent, plane) || !srec_buffer_need(&e->hyper, hypers * z * sizeof(float)) || !srec_buffer_need(&e->params, 2 * plane) ||
        !srec_buffer_need(&e->bits, plane) || !srec_buffer_need(&e->rate_map, patches))
        return srec_fail(error, SREC_ERR_MEMORY, "no memory for the latents of a picture of %ux%u pixels", image->width, image->height);
    float *latent = e->latent.data, *hyper = e->hyper.data, *params = e->params.data, *bits = e->bits.data;
    uint8_t *rate_map = e->rate_map.data;

    analysis a = { image, m->mean, latent, cols, c_count };
    status = srec_tiler_run(e->ga, (size_t)rows * m->patch, (size_t)cols * m->patch, read_picture, write_latent, &a, error);
    if (status == SREC_OK)
        status = srec_tiler_run_planes(e->ha, rows, cols, (const float *const[]){ latent }, (float *const[]){ hyper }, error);
    for (size_t i = 0; status == SREC_OK && i < hypers * z; i++)
        hyper[i] = rintf(hyper[i]);
    if (status == SREC_OK)
        status = srec_tiler_run_planes(e->hs, rows / 4, cols / 4, (const float *const[]){ hyper }, (float *const[]){ params }, error);
    if (status != SREC_OK)
        return status;
    double total = latent_bits(m, latent, params, patches, eta, bits, rate_map);

    /* the plane of parameters is free again: tokens and features go there */
    float *token = params, *feature = params + patches * c_count;
    size_t n_bytes = 0;
    for (size_t p = 0; p < patches; p++) {
        memcpy(token + p * c_count, m->token + (size_t)rate_map[p] * c_count, c_count * sizeof *token);
        n_bytes += m->ladder[rate_map[p]];
    }
    if (!srec_buffer_need(&e->bytes, n_bytes))
        return srec_fail(error, SREC_ERR_MEMORY, "no memory for %zu feature bytes", n_bytes);
    status = srec_tiler_run_planes(e->fe, rows, cols, (const float *const[]){ latent, bits, token }, (float *const[]){ feature }, error);
    if (status != SREC_OK)
        return status;

    uint8_t *byte = e->bytes.data;
    const float levels = m->priors[format].levels;
    for (size_t p = 0; p < patches; p++) {
        const srec_linear *l = &m->linear[rate_map[p]];
        for (unsigned k = 0; k < l->k; k++) {
            float s;
            volk_32f_x2_dot_prod_32f(&s, feature + p * c_count, l->encode_weight + (size_t)k * c_count, c_count);
            float v = rintf(128.0f + levels * (s + l->encode_bias[k]));
            *byte++ = (uint8_t)(v > 0.0f ? (v < 255.0f ? v : 255.0f) : 0.0f);
        }
    }
    *out = (srec_features){ image->width, image->height, image->channels, format, cols, rows, rate_map, e->bytes.data, n_bytes, (float)total };
    return SREC_OK;
}
