/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/decoder.h>

#include "buffer.h"
#include "conceal.h"
#include "model_internal.h"
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

struct srec_decoder {
    const srec_model *model;
    srec_compute compute;
    srec_tiler *fd;
    srec_tiler *gs;
    /* The image in progress. */
    bool begun;
    srec_slice picture;    /* its common fields, without a rate map */
    uint32_t cols;         /* patches */
    uint32_t rows;         /* patches */
    srec_buffer feature;   /* (patches, C): output of the linear maps */
    srec_buffer latent;    /* (patches, C) */
    srec_buffer received;  /* (patches) 1: its slice has been received */
    srec_buffer deviation; /* (patches) see srec_decoder_deviation() */
    srec_buffer slices;    /* (n_slices) 1: received */
    srec_buffer patches;   /* raster indices of a slice's patches */
    uint64_t n_known;      /* features received with a deviation */
    double deviation_sum;  /* sum over these features */
};

srec_status srec_decoder_create(const srec_model *model, const srec_compute *compute, srec_decoder **out,
                                srec_error *error)
{
    if (out)
        *out = NULL;
    if (!model || !model->file || !out)
        return srec_fail(error, SREC_ERR_ARG, "no model with networks");
    srec_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    d->model = model;
    if (compute)
        d->compute = *compute;
    srec_status status = srec_tiler_create(model->nets[SREC_NET_FD], compute, model->patch, &d->fd, error);
    if (status == SREC_OK)
        status = srec_tiler_create(model->nets[SREC_NET_GS], compute, model->patch, &d->gs, error);
    if (status != SREC_OK)
        srec_decoder_free(d);
    else
        *out = d;
    return status;
}

void srec_decoder_free(srec_decoder *d)
{
    if (!d)
        return;
    srec_tiler_free(d->fd);
    srec_tiler_free(d->gs);
    srec_buffer *buffers[] = { &d->feature, &d->latent, &d->received, &d->deviation, &d->slices, &d->patches };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        srec_buffer_free(buffers[i]);
    free(d);
}

/* g = W mean + D deviation + b for one patch. If mean is NULL, the prior applies: mean 0, deviation 1. */
static void linear(const srec_linear *l, unsigned channels, const float *mean, const float *deviation, float *g)
{
    for (unsigned c = 0; c < channels; c++) {
        float w = 0.0f, v = 0.0f;
        if (mean)
            volk_32f_x2_dot_prod_32f(&w, l->decode_weight + (size_t)c * l->k, mean, l->k);
        if (mean && deviation)
            volk_32f_x2_dot_prod_32f(&v, l->decode_deviation + (size_t)c * l->k, deviation, l->k);
        for (unsigned k = 0; !mean && k < l->k; k++)
            v += l->decode_deviation[(size_t)c * l->k + k];
        g[c] = w + v + l->decode_bias[c];
    }
}

/* Marks every patch as lost until its slice arrives: the prior at the lowest ladder step.
 * \return false: cancelled */
static bool lose_all(const srec_decoder *d, srec_feature_format format)
{
    const size_t channels = d->model->channels;
    float *feature = d->feature.data;
    float *deviation = d->deviation.data;
    for (size_t row = 0; row < d->rows; row++) {
        if (srec_is_cancelled(&d->compute))
            return false;
        for (size_t p = row * d->cols; p < (row + 1) * d->cols; p++) {
            deviation[p] = 1.0f;
            if (p == 0)
                linear(&d->model->mapping[format].linear[0], (unsigned)channels, NULL, NULL, feature);
            else
                memcpy(feature + p * channels, feature, channels * sizeof *feature);
        }
    }
    return true;
}

srec_status srec_decoder_begin(srec_decoder *d, const srec_slice *slice, srec_error *error)
{
    if (!d || !slice)
        return srec_fail(error, SREC_ERR_ARG, "no slice");
    d->begun = false;
    srec_status status = srec_slice_check_picture(d->model, slice, error);
    if (status != SREC_OK)
        return status;
    srec_patch_grid(slice->width, slice->height, &d->cols, &d->rows);
    const unsigned channels = d->model->channels;
    const size_t patches = (size_t)d->cols * d->rows;
    if (!srec_buffer_need(&d->feature, patches * channels * sizeof(float)) ||
        !srec_buffer_need(&d->received, patches) || !srec_buffer_need(&d->deviation, patches * sizeof(float)) ||
        !srec_buffer_need(&d->slices, slice->n_slices))
        return srec_fail(error, SREC_ERR_MEMORY, "no memory for an image of %ux%u pixels", slice->width, slice->height);
    memset(d->received.data, 0, patches);
    memset(d->slices.data, 0, slice->n_slices);
    if (!lose_all(d, slice->format))
        return srec_fail(error, SREC_ERR_CANCELLED, "cancelled");
    d->picture = *slice;
    d->picture.rate_map = NULL;
    d->n_known = 0;
    d->deviation_sum = 0;
    d->begun = true;
    return SREC_OK;
}

/* \param deviation (n) of the patch, in the place of earlier ones; NULL: not known */
static void set_deviation(srec_decoder *d, uint32_t patch, const float *deviation, unsigned n)
{
    float *mean = (float *)d->deviation.data + patch;
    if (((const uint8_t *)d->received.data)[patch] && *mean >= 0.0f) {
        d->deviation_sum -= (double)*mean * n;
        d->n_known -= n;
    }
    *mean = -1.0f;
    if (!deviation)
        return;
    double sum = 0;
    for (unsigned k = 0; k < n; k++)
        sum += deviation[k];
    *mean = (float)(sum / n);
    d->deviation_sum += (double)*mean * n;
    d->n_known += n;
}

srec_status srec_decoder_add(srec_decoder *d, const srec_slice *s, const float *mean, const float *deviation, size_t n,
                             srec_error *error)
{
    if (!d || !d->begun || !s || !s->rate_map || (n && !mean))
        return srec_fail(error, SREC_ERR_ARG, "no image begun, or no slice");
    if (!srec_slice_same_picture(s, &d->picture))
        return srec_fail(error, SREC_ERR_ARG, "the slice belongs to another image");
    srec_status status = srec_slice_check(d->model, s, n, error);
    if (status != SREC_OK)
        return status;
    const size_t count = s->n_patches;
    if (!srec_buffer_need(&d->patches, count * sizeof(uint32_t)))
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    uint32_t *patches = d->patches.data;
    srec_slice_patches(d->cols, d->rows, s->n_slices, s->slice, patches, count);
    for (size_t i = 0; i < count; i++) {
        const srec_linear *l = &d->model->mapping[s->format].linear[s->rate_map[i]];
        linear(l, d->model->channels, mean, deviation,
               (float *)d->feature.data + (size_t)patches[i] * d->model->channels);
        set_deviation(d, patches[i], deviation, l->k);
        ((uint8_t *)d->received.data)[patches[i]] = 1;
        mean += l->k;
        if (deviation)
            deviation += l->k;
    }
    ((uint8_t *)d->slices.data)[s->slice] = 1;
    return SREC_OK;
}

/* The image that gs writes. */
typedef struct {
    const srec_image *image;
    const float *mean, *latent;
    size_t cols;
    unsigned channels;
} synthesis;

static void read_latent(void *context, unsigned input, const srec_window *at, float *dst)
{
    (void)input;
    const synthesis *s = context;
    for (size_t r = 0; r < at->height; r++)
        memcpy(dst + r * at->width * s->channels, s->latent + ((at->y + r) * s->cols + at->x) * s->channels,
               at->width * s->channels * sizeof *dst);
}

static void write_picture(void *context, unsigned output, const srec_window *at, const float *src, size_t stride)
{
    (void)output;
    const synthesis *s = context;
    const srec_image *image = s->image;
    for (size_t r = 0; r < at->height && at->y + r < image->height; r++, src += stride) {
        const float *p = src;
        uint8_t *to = image->data + (at->y + r) * image->stride + at->x * image->channels;
        for (size_t i = 0; i < at->width && at->x + i < image->width; i++, p += 3)
            if (image->channels == 3)
                for (unsigned c = 0; c < 3; c++)
                    *to++ = byte_of_unit(p[c] + s->mean[c]);
            else
                *to++ = byte_of_unit((p[0] + s->mean[0] + p[1] + s->mean[1] + p[2] + s->mean[2]) / 3.0f);
    }
}

srec_status srec_decoder_run(srec_decoder *d, const srec_image *image, srec_decoder_report *report, srec_error *error)
{
    if (!d || !d->begun || !image || !image->data)
        return srec_fail(error, SREC_ERR_ARG, "no image begun, or no place for it");
    const srec_slice *p = &d->picture;
    if (image->width != p->width || image->height != p->height || image->channels != p->channels ||
        image->stride < (size_t)image->width * image->channels)
        return srec_fail(error, SREC_ERR_ARG, "the image is %ux%u with %u channels", p->width, p->height, p->channels);
    const unsigned channels = d->model->channels;
    const size_t patches = (size_t)d->cols * d->rows;
    if (!srec_buffer_need(&d->latent, patches * channels * sizeof(float)))
        return srec_fail(error, SREC_ERR_MEMORY, "no memory for an image of %ux%u pixels", p->width, p->height);
    srec_status status = srec_tiler_run_planes(d->fd, d->rows, d->cols, (const float *const[]){ d->feature.data },
                                               (float *const[]){ d->latent.data }, error);
    if (status != SREC_OK)
        return status;
    uint32_t there = 0, slices = 0;
    for (size_t i = 0; i < patches; i++)
        there += ((const uint8_t *)d->received.data)[i];
    for (uint32_t i = 0; i < p->n_slices; i++)
        slices += ((const uint8_t *)d->slices.data)[i];
    const srec_latent_grid grid = {
        .latent = d->latent.data,
        .received = d->received.data,
        .rows = d->rows,
        .cols = d->cols,
        .channels = channels,
    };
    if (there && there < patches && !srec_conceal(&grid, &d->compute))
        return srec_fail(error, SREC_ERR_CANCELLED, "cancelled");
    synthesis s = { image, d->model->mean, d->latent.data, d->cols, channels };
    status = srec_tiler_run(d->gs, d->rows, d->cols, &(srec_tile_io){ read_latent, write_picture, &s }, error);
    if (status == SREC_OK && report)
        *report =
            (srec_decoder_report){ (uint32_t)patches, (uint32_t)patches - there, p->n_slices, p->n_slices - slices,
                                   d->n_known ? (float)(d->deviation_sum / (double)d->n_known)
                                   : there    ? -1.0f
                                              : 1.0f };
    return status;
}

const float *srec_decoder_deviation(const srec_decoder *d) { return d && d->begun ? d->deviation.data : NULL; }
