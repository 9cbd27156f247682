/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For a whole image the encoder keeps only the latent vectors, their bits and the bytes. Larger data (the parameters of
 * the entropy model) and data that can be recomputed (tokens, features) exist for one tile at a time. This bounds the
 * memory for large images. */
#include <srec/encoder.h>

#include "buffer.h"
#include "model_internal.h"
#include "vector_math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

struct srec_encoder {
    const srec_model *model;
    srec_tiler *ga, *ha, *hs, *fe;
    srec_buffer latent, hyper, bits, rate_map, place, bytes;
};

srec_status srec_encoder_create(const srec_model *model, const srec_compute *compute, srec_encoder **out,
                                srec_error *error)
{
    if (out)
        *out = NULL;
    if (!model || !model->file || !out)
        return srec_fail(error, SREC_ERR_ARG, "no model with networks");
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
    srec_buffer *buffers[] = { &e->latent, &e->hyper, &e->bits, &e->rate_map, &e->place, &e->bytes };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        srec_buffer_free(buffers[i]);
    free(e);
}

/* An image as ga reads it, and the latent vectors that ga writes. */
typedef struct {
    const srec_image *image;
    const float *mean;
    float *latent;
    size_t cols; /* patches */
    unsigned channels;
} analysis;

static void read_picture(void *context, unsigned input, const srec_window *at, float *dst)
{
    (void)input;
    const analysis *a = context;
    const srec_image *image = a->image;
    float table[3][256];
    for (unsigned c = 0; c < 3; c++)
        for (unsigned v = 0; v < 256; v++)
            table[c][v] = (float)v / 255.0f - a->mean[c];
    for (size_t r = 0; r < at->height; r++) {
        size_t sy = at->y + r < image->height ? at->y + r : image->height - 1; /* replicates the edges */
        const uint8_t *row = image->data + sy * image->stride;
        for (size_t i = 0; i < at->width; i++, dst += 3) {
            size_t sx = at->x + i < image->width ? at->x + i : image->width - 1;
            const uint8_t *p = row + sx * image->channels;
            for (unsigned c = 0; c < 3; c++)
                dst[c] = table[c][p[image->channels == 3 ? c : 0]];
        }
    }
}

static void write_latent(void *context, unsigned output, const srec_window *at, const float *src, size_t stride)
{
    (void)output;
    const analysis *a = context;
    for (size_t r = 0; r < at->height; r++)
        memcpy(a->latent + ((at->y + r) * a->cols + at->x) * a->channels, src + r * stride,
               at->width * a->channels * sizeof *src);
}

/* erfc(x) with an error of at most 2e-7 (Press et al., Numerical Recipes, 6.2). It is the exponential of a polynomial,
 * so loops vectorise. */
static inline float complementary_error(float x)
{
    const float z = fabsf(x), t = 1.0f / (1.0f + 0.5f * z);
    float p = 0.17087277f;
    p = p * t - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    const float tail = t * srec_vexp(p - z * z);
    return x < 0.0f ? 2.0f - tail : tail;
}

/* Bits of a latent vector by the entropy model. Only the encoder uses them, so a few digits suffice.
 * \param params (2, n): mean and raw deviation
 * \param[out] bits (n)
 * \return their sum */
SREC_CLONES static float latent_bits(const float *restrict latent, const float *restrict params,
                                     const float *restrict scale, float floor_, size_t n, float *restrict bits)
{
    for (size_t c = 0; c < n; c++) {
        const float q = scale[c];
        const float y = latent[c] * q;
        const float nearest = (y + 0x1.8p23f) - 0x1.8p23f; /* integer */
        const float v = fabsf(nearest - params[c] * q);
        const float x = params[n + c], soft = srec_vlog(1.0f + srec_vexp(x < 20.0f ? x : 20.0f)); /* softplus */
        const float sigma = (x < 20.0f ? soft : x) * q + floor_, unit = 0.70710678f / sigma;
        /* Phi((v + 0.5) / sigma) - Phi((v - 0.5) / sigma), computed on the side without cancellation */
        const float p = 0.5f * (complementary_error((v - 0.5f) * unit) - complementary_error((v + 0.5f) * unit));
        bits[c] = -1.44269504f * srec_vlog(p > 1e-9f ? p : 1e-9f);
    }
    float sum = 0;
    for (size_t c = 0; c < n; c++)
        sum += bits[c];
    return sum;
}

/* Converts the parameters that hs writes into bits and ladder steps. */
typedef struct {
    const srec_model *model;
    const float *hyper;  /* (patches / 16, Z) */
    const float *latent; /* (patches, C) */
    size_t cols;         /* patches */
    float eta;
    float *bits;       /* (patches, C), for fe */
    uint8_t *rate_map; /* (patches) */
    double total;      /* bits of the image */
} entropy;

/* Bits of every latent of the window and the resulting ladder step (SREC's rate control, NTSCC).
 * \param src rows of (w, 2C) parameters */
static void write_bits(void *context, unsigned output, const srec_window *at, const float *src, size_t stride)
{
    (void)output;
    entropy *e = context;
    const srec_model *m = e->model;
    const unsigned c_count = m->channels;
    for (size_t i = 0; i < at->height * at->width; i++) {
        const size_t p = (at->y + i / at->width) * e->cols + at->x + i % at->width;
        const float *params = src + i / at->width * stride + i % at->width * 2 * c_count,
                    *latent = e->latent + p * c_count;
        float *bits = e->bits + p * c_count;
        const float sum = latent_bits(latent, params, m->entropy_scale, m->entropy_floor, c_count, bits);
        for (unsigned c = 0; c < c_count; c++)
            bits[c] = (bits[c] < m->bits_max ? bits[c] : m->bits_max) * m->bits_scale;
        e->total += sum;
        unsigned step = 0;
        while (step + 1 < m->steps && (float)m->ladder[step] < e->eta * sum)
            step++;
        e->rate_map[p] = (uint8_t)step;
    }
}

static void read_hyper(void *context, unsigned input, const srec_window *at, float *dst)
{
    (void)input;
    const entropy *e = context;
    const size_t z = srec_graph_input_channels(e->model->nets[SREC_NET_HS], 0), cols = e->cols / 4;
    for (size_t r = 0; r < at->height; r++)
        memcpy(dst + r * at->width * z, e->hyper + ((at->y + r) * cols + at->x) * z, at->width * z * sizeof *dst);
}

/* Latent vectors, bits and tokens as fe reads them, and the bytes of the resulting features. */
typedef struct {
    const srec_model *model;
    const float *latent, *bits; /* (patches, C) */
    const uint8_t *rate_map;
    size_t cols;
    const srec_mapping *mapping;
    float levels;
    const size_t *place; /* (patches) where the bytes of a patch begin */
    uint8_t *bytes;
} packing;

static void read_features(void *context, unsigned input, const srec_window *at, float *dst)
{
    const packing *k = context;
    const size_t c_count = k->model->channels;
    for (size_t r = 0; r < at->height; r++, dst += at->width * c_count) {
        const size_t p = (at->y + r) * k->cols + at->x;
        if (input < 2)
            memcpy(dst, (input ? k->bits : k->latent) + p * c_count, at->width * c_count * sizeof *dst);
        else
            for (size_t i = 0; i < at->width; i++)
                memcpy(dst + i * c_count, k->mapping->token + k->rate_map[p + i] * c_count, c_count * sizeof *dst);
    }
}

static void write_bytes(void *context, unsigned output, const srec_window *at, const float *src, size_t stride)
{
    (void)output;
    const packing *k = context;
    const unsigned c_count = k->model->channels;
    const float bound = k->mapping->bound;
    for (size_t i = 0; i < at->height * at->width; i++) {
        const size_t p = (at->y + i / at->width) * k->cols + at->x + i % at->width;
        const float *feature = src + i / at->width * stride + i % at->width * c_count;
        const srec_linear *l = &k->mapping->linear[k->rate_map[p]];
        uint8_t *byte = k->bytes + k->place[p];
        for (unsigned n = 0; n < l->k; n++) {
            float s;
            volk_32f_x2_dot_prod_32f(&s, feature, l->encode_weight + (size_t)n * c_count, c_count);
            s += l->encode_bias[n];
            if (bound > 0)
                s = bound * tanhf(s / bound);
            const float v = rintf(128.0f + k->levels * s);
            *byte++ = (uint8_t)(v > 0.0f ? (v < 255.0f ? v : 255.0f) : 0.0f);
        }
    }
}

static srec_status check(const srec_encoder *e, const srec_image *image, float eta, srec_feature_format format,
                         const srec_features *out, srec_error *error)
{
    if (!e || !image || !image->data || !out)
        return srec_fail(error, SREC_ERR_ARG, "no encoder, image or result");
    if (image->width < 1 || image->height < 1 || image->width > SREC_IMAGE_MAX_SIDE ||
        image->height > SREC_IMAGE_MAX_SIDE)
        return srec_fail(error, SREC_ERR_ARG, "an image of %ux%u pixels; sides of 1 to %u are possible", image->width,
                         image->height, SREC_IMAGE_MAX_SIDE);
    if ((image->channels != 1 && image->channels != 3) || image->stride < (size_t)image->width * image->channels)
        return srec_fail(error, SREC_ERR_ARG, "images have 1 or 3 channels and rows that hold them");
    if (!(eta >= 0.001f && eta <= 10.0f))
        return srec_fail(error, SREC_ERR_ARG, "eta %g is not within 0.001 .. 10", (double)eta);
    if ((unsigned)format >= SREC_FEATURE_FORMATS)
        return srec_fail(error, SREC_ERR_ARG, "unknown feature format");
    return SREC_OK;
}

srec_status srec_encoder_run(srec_encoder *e, const srec_image *image, float eta, srec_feature_format format,
                             srec_features *out, srec_error *error)
{
    srec_status status = check(e, image, eta, format, out, error);
    if (status != SREC_OK)
        return status;
    const srec_model *m = e->model;
    const unsigned c_count = m->channels, z = srec_graph_output_channels(m->nets[SREC_NET_HA], 0);
    uint32_t cols, rows;
    srec_patch_grid(image->width, image->height, &cols, &rows);
    const size_t patches = (size_t)cols * rows, hypers = patches / 16, plane = patches * c_count * sizeof(float);
    if (!srec_buffer_need(&e->latent, plane) || !srec_buffer_need(&e->hyper, hypers * z * sizeof(float)) ||
        !srec_buffer_need(&e->bits, plane) || !srec_buffer_need(&e->rate_map, patches) ||
        !srec_buffer_need(&e->place, patches * sizeof(size_t)))
        return srec_fail(error, SREC_ERR_MEMORY, "no memory for the latents of an image of %ux%u pixels", image->width,
                         image->height);
    float *latent = e->latent.data, *hyper = e->hyper.data;
    uint8_t *rate_map = e->rate_map.data;

    analysis a = { image, m->mean, latent, cols, c_count };
    status = srec_tiler_run(e->ga, (size_t)rows * m->patch, (size_t)cols * m->patch,
                            &(srec_tile_io){ read_picture, write_latent, &a }, error);
    if (status == SREC_OK)
        status = srec_tiler_run_planes(e->ha, rows, cols, (const float *const[]){ latent }, (float *const[]){ hyper },
                                       error);
    for (size_t i = 0; status == SREC_OK && i < hypers * z; i++)
        hyper[i] = rintf(hyper[i]);
    entropy b = { m, hyper, latent, cols, eta, e->bits.data, rate_map, 0 };
    if (status == SREC_OK)
        status = srec_tiler_run(e->hs, rows / 4, cols / 4, &(srec_tile_io){ read_hyper, write_bits, &b }, error);
    if (status != SREC_OK)
        return status;

    size_t n_bytes = 0, *place = e->place.data;
    for (size_t p = 0; p < patches; p++) {
        place[p] = n_bytes;
        n_bytes += m->ladder[rate_map[p]];
    }
    if (!srec_buffer_need(&e->bytes, n_bytes))
        return srec_fail(error, SREC_ERR_MEMORY, "no memory for %zu feature bytes", n_bytes);
    packing k = { m,     latent,       e->bits.data, rate_map, cols, &m->mapping[format], m->priors[format].levels,
                  place, e->bytes.data };
    status = srec_tiler_run(e->fe, rows, cols, &(srec_tile_io){ read_features, write_bytes, &k }, error);
    if (status == SREC_OK)
        *out = (srec_features){ image->width, image->height, image->channels, format,  cols,
                                rows,         rate_map,      e->bytes.data,   n_bytes, (float)b.total };
    return status;
}
