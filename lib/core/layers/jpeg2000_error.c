/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  RMS error of a decoded image without decoding its codestream. The coefficient and the number of coding passes that
 *  arrived determine what the decoder makes of a wavelet coefficient. The inverse transform takes the differences to
 *  the image. */
#include "jpeg2000_blocks.h"
#include "vector_math.h"
#include "wavelet.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE     SREC_J2K_BLOCK_SIDE
#define CHANNELS 3u
#define STRIPE   4u     /* rows that a coding pass scans together */
#define MIDDLE   128.0f /* of the samples */

/* ---- one code block ---------------------------------------------------------------------------------------------- */

/* Magnitudes in steps of the quantiser. */
typedef struct {
    float exact[SIDE * SIDE];
    int32_t whole[SIDE * SIDE];
    unsigned width, height;
} block_values;

SREC_CLONES static void load_block(const float *bands, size_t stride, const srec_j2k_block *b, float step,
                                   block_values *out)
{
    const float scale = 1 / step;
    out->width = b->width;
    out->height = b->height;
    for (size_t y = 0; y < b->height; y++) {
        const float *row = bands + (b->y + y) * stride + b->x;
        for (size_t x = 0; x < b->width; x++) {
            out->exact[y * SIDE + x] = fabsf(row[x]) * scale;
            out->whole[y * SIDE + x] = (int32_t)out->exact[y * SIDE + x];
        }
    }
}

/* What a decoder makes of a block: magnitudes in steps of the quantiser. */
typedef struct {
    float value[SIDE * SIDE];
} decoded_values;

/* Coefficients that are significant at bit plane \p plane are known down to plane \p known; all others are 0. */
SREC_CLONES static void decode_planes(const block_values *v, unsigned plane, unsigned known, decoded_values *out)
{
    const float unit = ldexpf(1, (int)known);
    for (size_t y = 0; y < v->height; y++)
        for (size_t x = 0; x < v->width; x++) {
            const int32_t whole = v->whole[y * SIDE + x];
            const float value = ((float)(whole >> known) + 0.5f) * unit;
            out->value[y * SIDE + x] = whole >> plane ? value : 0.0f;
        }
}

/* The columns of set bits, and those beside them. */
static uint64_t spread(uint64_t row) { return row | row << 1 | row >> 1; }

/* Significance propagation pass of bit plane \p plane (D.3.1): coefficients become significant that have a significant
 * neighbour. */
static void decode_propagation(const block_values *v, unsigned plane, decoded_values *out)
{
    uint64_t significant[SIDE + STRIPE + 2] = { 0 }; /* row y at y + 1 */
    uint64_t candidates[SIDE + STRIPE] = { 0 };
    const float value = ldexpf(1.5f, (int)plane);
    for (size_t y = 0; y < v->height; y++)
        for (size_t x = 0; x < v->width; x++) {
            const int32_t bits = v->whole[y * SIDE + x] >> plane;
            significant[y + 1] |= (uint64_t)(bits > 1) << x;
            candidates[y] |= (uint64_t)(bits == 1) << x;
        }
    for (size_t top = 0; top < v->height; top += STRIPE) {
        uint64_t columns = candidates[top] | candidates[top + 1] | candidates[top + 2] | candidates[top + 3];
        for (unsigned x = 0; columns; x++, columns >>= 1)
            for (size_t y = top; (columns & 1) && y < top + STRIPE; y++) {
                const uint64_t near = significant[y] | significant[y + 1] | significant[y + 2];
                if (!(candidates[y] >> x & 1) || !(spread(near) >> x & 1))
                    continue;
                significant[y + 1] |= (uint64_t)1 << x;
                out->value[y * SIDE + x] = value;
            }
    }
}

/* The first bit plane has one pass, the others have three: significance propagation, refinement, cleanup. */
static void decode_block(const block_values *v, unsigned planes, unsigned passes, decoded_values *out)
{
    const unsigned plane = planes - 1 - (passes - 1) / 3; /* the last whole one */
    const unsigned more = (passes - 1) % 3;
    decode_planes(v, plane, more == 2 ? plane - 1 : plane, out);
    if (more)
        decode_propagation(v, plane - 1, out);
}

/* values -= decoded, with the sign of values */
SREC_CLONES static void subtract(float *restrict values, const float *restrict decoded, size_t n, float step)
{
    for (size_t i = 0; i < n; i++)
        values[i] -= (values[i] < 0 ? -step : step) * decoded[i];
}

/* Replace the coefficients of a block by their errors after a number of passes. */
static void take_errors(float *bands, size_t stride, const srec_j2k_block *b, unsigned passes, float step)
{
    block_values v;
    decoded_values decoded;
    if (!passes)
        return;
    load_block(bands, stride, b, step, &v);
    decode_block(&v, b->planes, passes, &decoded);
    for (size_t y = 0; y < v.height; y++)
        subtract(bands + (b->y + y) * stride + b->x, decoded.value + y * SIDE, v.width, step);
}

/* ---- image ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const srec_image *image;
    srec_j2k_format format;
    srec_j2k_blocks blocks;
    uint8_t *passes;         /* (n_ends, n_blocks) of each block at each end */
    float *bands[CHANNELS];  /* (height, width) each */
    float *errors[CHANNELS]; /* the same */
} job;

/* Multi-component transform of a row (G.3.1). */
SREC_CLONES static void mix_row(const uint8_t *restrict rgb, size_t n, float *restrict y, float *restrict cb,
                                float *restrict cr)
{
    for (size_t i = 0; i < n; i++) {
        const float r = rgb[3 * i];
        const float g = rgb[3 * i + 1];
        const float b = rgb[3 * i + 2];
        y[i] = 0.299f * r + 0.587f * g + 0.114f * b - MIDDLE;
        cb[i] = -0.168736f * r - 0.331264f * g + 0.5f * b;
        cr[i] = 0.5f * r - 0.418688f * g - 0.081312f * b;
    }
}

static srec_status fill_bands(job *j)
{
    const size_t width = j->format.width;
    assert(j->bands[0]);
    for (size_t y = 0; y < j->format.height; y++) {
        const uint8_t *row = j->image->data + y * j->image->stride;
        float *out = j->bands[0] + y * width;
        if (j->format.channels == CHANNELS)
            mix_row(row, width, out, j->bands[1] + y * width, j->bands[2] + y * width);
        else
            for (size_t x = 0; x < width; x++)
                out[x] = row[x] - MIDDLE;
    }
    srec_status status = SREC_OK;
    for (unsigned c = 0; c < j->format.channels && status == SREC_OK; c++)
        status = srec_wavelet_transform(j->bands[c], j->format.width, j->format.height,
                                        srec_j2k_resolutions(j->format.width, j->format.height) - 1, false);
    return status;
}

/* The squared difference to a sample that is off by \p error, after rounding and limiting. */
static inline int32_t square(uint8_t sample, float error)
{
    float decoded = (float)sample - error;
    decoded = decoded < 0.0f ? 0.0f : decoded > 255.0f ? 255.0f : decoded;
    const int32_t d = (int32_t)(decoded + 0.5f) - sample;
    return d * d;
}

/* Sum over a row, with the inverse of the multi-component transform. Sums of 65535 pixels fit. */
SREC_CLONES static uint64_t square_rgb(const uint8_t *restrict rgb, size_t n, const float *restrict y,
                                       const float *restrict cb, const float *restrict cr)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint64_t)(uint32_t)(square(rgb[3 * i], y[i] + 1.402f * cr[i]) +
                                    square(rgb[3 * i + 1], y[i] - 0.344136f * cb[i] - 0.714136f * cr[i]) +
                                    square(rgb[3 * i + 2], y[i] + 1.772f * cb[i]));
    return sum;
}

SREC_CLONES static uint64_t square_grey(const uint8_t *restrict grey, size_t n, const float *restrict y)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)square(grey[i], y[i]);
    return sum;
}

static double rms_of(const job *j)
{
    const size_t width = j->format.width;
    const size_t plane = width * j->format.height;
    double sum = 0;
    for (size_t y = 0; y < j->format.height; y++) {
        const uint8_t *row = j->image->data + y * j->image->stride;
        const float *e = j->errors[0] + y * width;
        sum += (double)(j->format.channels == CHANNELS
                            ? square_rgb(row, width, e, j->errors[1] + y * width, j->errors[2] + y * width)
                            : square_grey(row, width, e));
    }
    return sqrt(sum / ((double)plane * j->format.channels));
}

/* The error of the image that the packets up to one end give. \param passes (n_blocks) */
static srec_status measure(job *j, const uint8_t *passes, double *rms)
{
    const srec_j2k_blocks *b = &j->blocks;
    srec_status status = SREC_OK;
    for (size_t p = 0; p < b->n_parts; p++)
        for (size_t i = b->parts[p].first; i < b->parts[p].first + b->parts[p].count; i++)
            take_errors(j->errors[b->parts[p].channel], j->format.width, &b->blocks[i], passes[i], b->parts[p].step);
    for (unsigned c = 0; c < j->format.channels && status == SREC_OK; c++)
        status = srec_wavelet_transform(j->errors[c], j->format.width, j->format.height,
                                        srec_j2k_resolutions(j->format.width, j->format.height) - 1, true);
    if (status == SREC_OK)
        *rms = rms_of(j);
    return status;
}

static srec_status read_passes(job *j, const srec_j2k_stream *s, const bool *left_out, const uint32_t *ends,
                               unsigned n_ends)
{
    size_t packet = 0;
    for (unsigned k = 0; k < n_ends; k++) {
        for (; packet < ends[k]; packet++)
            if (!(left_out && left_out[packet]) &&
                srec_j2k_blocks_read(&j->blocks, packet, s->bytes + s->offset[packet],
                                     s->offset[packet + 1] - s->offset[packet]) != SREC_OK)
                return SREC_ERR_FORMAT;
        for (size_t i = 0; i < j->blocks.n_blocks; i++)
            j->passes[k * j->blocks.n_blocks + i] = j->blocks.blocks[i].passes;
    }
    return SREC_OK;
}

/* Planes for the bands, and others for the errors if there is more than one end. */
static srec_status create(job *j, unsigned n_ends)
{
    const size_t bytes = (size_t)j->format.width * j->format.height * sizeof(float);
    const srec_status status = srec_j2k_blocks_create(&j->format, &j->blocks);
    bool ok = true;
    for (unsigned c = 0; c < j->format.channels; c++) {
        j->bands[c] = malloc(bytes);
        j->errors[c] = n_ends > 1 ? malloc(bytes) : j->bands[c];
        ok = ok && j->bands[c] && j->errors[c];
    }
    j->passes = malloc(n_ends * j->blocks.n_blocks + 1);
    return ok && j->passes ? status : SREC_ERR_MEMORY;
}

static void destroy(job *j)
{
    for (unsigned c = 0; c < CHANNELS; c++) {
        if (j->errors[c] != j->bands[c])
            free(j->errors[c]);
        free(j->bands[c]);
    }
    free(j->passes);
    srec_j2k_blocks_free(&j->blocks);
}

srec_status srec_j2k_errors(const srec_image *image, const srec_j2k_stream *s, const bool *left_out,
                            const uint32_t *ends, unsigned n_ends, double *rms)
{
    job j = { .image = image, .format = { image->width, image->height, image->channels, 1 } };
    srec_status status = create(&j, n_ends);
    if (status == SREC_OK)
        status = read_passes(&j, s, left_out, ends, n_ends);
    if (status == SREC_OK)
        status = fill_bands(&j);
    for (unsigned k = 0; k < n_ends && status == SREC_OK; k++) {
        for (unsigned c = 0; c < j.format.channels && n_ends > 1; c++)
            memcpy(j.errors[c], j.bands[c], (size_t)j.format.width * j.format.height * sizeof(float));
        status = measure(&j, j.passes + k * j.blocks.n_blocks, &rms[k]);
    }
    destroy(&j);
    return status;
}
