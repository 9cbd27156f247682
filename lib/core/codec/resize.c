/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/resize.h>

#include "pixels.h"

#include <stdbool.h>
#include <stdlib.h>

/* Separable: for each output row, the vertical filter over whole input rows, then the horizontal filter. */

#define HALVE_TAPS  8
#define DOUBLE_TAPS 5

/* Cubic convolution kernel at (k - 3.5) / 2, k = 0 .. 7, halved: output i lies between inputs 2 i and 2 i + 1. */
static const float halve[HALVE_TAPS] = { -0.01171875f, -0.03515625f, 0.11328125f,  0.43359375f,
                                         0.43359375f,  0.11328125f,  -0.03515625f, -0.01171875f };
/* Outputs lie a quarter sample before and after input i: kernel at k - 2 + 1/4 and k - 2 - 1/4, k = 0 .. 4. */
static const float twice[2][DOUBLE_TAPS] = { { -0.0234375f, 0.2265625f, 0.8671875f, -0.0703125f, 0 },
                                             { 0, -0.0703125f, 0.8671875f, 0.2265625f, -0.0234375f } };

static uint8_t to_byte(float v) { return (uint8_t)(v > 0.0f ? (v < 255.0f ? v + 0.5f : 255.0f) : 0.0f); }

static size_t clamp(long long i, uint32_t n) { return i < 0 ? 0 : i >= n ? n - 1 : (size_t)i; }

/* row[x] = sum over k of taps[k] in[first + k][x] */
static void vertical(const srec_image *in, long long first, const float *taps, unsigned n, float *row)
{
    const size_t count = (size_t)in->width * in->channels;
    for (size_t x = 0; x < count; x++)
        row[x] = 0;
    for (unsigned k = 0; k < n; k++) {
        const uint8_t *src = in->data + clamp(first + k, in->height) * in->stride;
        for (size_t x = 0; x < count; x++)
            row[x] += taps[k] * src[x];
    }
}

static float horizontal(const srec_image *in, const float *row, long long first, unsigned channel, const float *taps,
                        unsigned n)
{
    float v = 0;
    for (unsigned k = 0; k < n; k++)
        v += taps[k] * row[clamp(first + k, in->width) * in->channels + channel];
    return v;
}

static srec_status resize(const srec_image *in, const srec_image *out, bool down)
{
    float *row = malloc((size_t)in->width * in->channels * sizeof *row);
    if (!row)
        return SREC_ERR_MEMORY;
    for (uint32_t y = 0; y < out->height; y++) {
        if (down)
            vertical(in, 2 * (long long)y - 3, halve, HALVE_TAPS, row);
        else
            vertical(in, (long long)y / 2 - 2, twice[y % 2], DOUBLE_TAPS, row);
        uint8_t *to = out->data + y * out->stride;
        for (uint32_t x = 0; x < out->width; x++)
            for (unsigned c = 0; c < out->channels; c++)
                *to++ = to_byte(down ? horizontal(in, row, 2 * (long long)x - 3, c, halve, HALVE_TAPS)
                                     : horizontal(in, row, (long long)x / 2 - 2, c, twice[x % 2], DOUBLE_TAPS));
    }
    free(row);
    return SREC_OK;
}

srec_status srec_image_halve(const srec_image *in, const srec_image *out)
{
    if (!image_valid(in) || !image_valid(out) || in->channels != out->channels || out->width != (in->width + 1) / 2 ||
        out->height != (in->height + 1) / 2)
        return SREC_ERR_ARG;
    return resize(in, out, true);
}

srec_status srec_image_double(const srec_image *in, const srec_image *out)
{
    if (!image_valid(in) || !image_valid(out) || in->channels != out->channels || (out->width + 1) / 2 != in->width ||
        (out->height + 1) / 2 != in->height)
        return SREC_ERR_ARG;
    return resize(in, out, false);
}
