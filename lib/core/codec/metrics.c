/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/metrics.h>

#include "vector_math.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TAPS   11
#define SCALES 5
#define BAND   32u /* rows compared at a time, so that their moments stay in the cache */

static bool comparable(const srec_image *a, const srec_image *b)
{
    return a && b && a->data && b->data && a->width && a->height && a->width == b->width && a->height == b->height &&
           a->channels == b->channels && (a->channels == 1 || a->channels == 3);
}

srec_status srec_psnr(const srec_image *a, const srec_image *b, double *db)
{
    if (!comparable(a, b) || !db)
        return SREC_ERR_ARG;
    uint64_t sum = 0;
    const size_t row = (size_t)a->width * a->channels;
    for (uint32_t y = 0; y < a->height; y++)
        for (size_t x = 0; x < row; x++) {
            int d = a->data[y * a->stride + x] - b->data[y * b->stride + x];
            sum += (uint64_t)(d * d);
        }
    double mse = (double)sum / ((double)row * a->height);
    *db = mse > 0 ? 10.0 * log10(255.0 * 255.0 / mse) : 100.0;
    return SREC_OK;
}

/* One channel of an image at one scale. */
typedef struct {
    size_t w, h;
    float *v;
} plane;

/* Gaussian window over the valid part: (h - 10, w - 10).
 * \param rows scratch for (h, w - 10) */
SREC_CLONES static void blur(const float *restrict kernel, const float *restrict in, size_t w, size_t h,
                             float *restrict rows, float *restrict out)
{
    const size_t ow = w - TAPS + 1, oh = h - TAPS + 1;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < ow; x++) {
            float s = 0;
            for (unsigned t = 0; t < TAPS; t++)
                s += kernel[t] * in[y * w + x + t];
            rows[y * ow + x] = s;
        }
    for (size_t y = 0; y < oh; y++)
        for (size_t x = 0; x < ow; x++) {
            float s = 0;
            for (unsigned t = 0; t < TAPS; t++)
                s += kernel[t] * rows[(y + t) * ow + x];
            out[y * ow + x] = s;
        }
}

/* Structural similarity and contrast-structure term: of a window, or sums or means over windows. */
typedef struct {
    double ssim, cs;
} terms;

/* Add the terms of all windows.
 * \param work 7 planes */
static void add_terms(const float *kernel, const plane *a, const plane *b, float *work, terms *sum)
{
    const size_t n = a->w * a->h, valid = (a->w - TAPS + 1) * (a->h - TAPS + 1);
    const double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
    float *product = work, *rows = work + n, *mean_a = work + 2 * n, *mean_b = work + 3 * n, *aa = work + 4 * n,
          *bb = work + 5 * n, *ab = work + 6 * n;
    const struct {
        const float *x, *y;
        float *to;
    } moments[] = {
        { a->v, NULL, mean_a }, { b->v, NULL, mean_b }, { a->v, a->v, aa }, { b->v, b->v, bb }, { a->v, b->v, ab }
    };
    for (unsigned k = 0; k < 5; k++) {
        const float *in = moments[k].x;
        if (moments[k].y) {
            for (size_t i = 0; i < n; i++)
                product[i] = moments[k].x[i] * moments[k].y[i];
            in = product;
        }
        blur(kernel, in, a->w, a->h, rows, moments[k].to);
    }
    for (size_t i = 0; i < valid; i++) {
        double ma = mean_a[i], mb = mean_b[i], va = aa[i] - ma * ma, vb = bb[i] - mb * mb, cov = ab[i] - ma * mb;
        double contrast = (2 * cov + c2) / (va + vb + c2);
        sum->cs += contrast;
        sum->ssim += contrast * (2 * ma * mb + c1) / (ma * ma + mb * mb + c1);
    }
}

/* Mean terms of one scale.
 * \param work 7 planes of BAND + TAPS - 1 rows */
static terms mean_terms(const float *kernel, const plane *a, const plane *b, float *work)
{
    const size_t w = a->w, rows = a->h - TAPS + 1;
    const double n = (double)(w - TAPS + 1) * (double)rows;
    terms sum = { 0 };
    for (size_t y = 0; y < rows; y += BAND) {
        const size_t h = (rows - y < BAND ? rows - y : BAND) + TAPS - 1;
        const plane band_a = { w, h, a->v + y * w }, band_b = { w, h, b->v + y * w };
        add_terms(kernel, &band_a, &band_b, work, &sum);
    }
    return (terms){ sum.ssim / n, sum.cs / n };
}

static void halve(plane *p) /* 2x2 mean, in place; an odd last row or column is dropped */
{
    const size_t w = p->w / 2, h = p->h / 2;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            const float *q = p->v + 2 * y * p->w + 2 * x;
            p->v[y * w + x] = 0.25f * (q[0] + q[1] + q[p->w] + q[p->w + 1]);
        }
    p->w = w;
    p->h = h;
}

static void gaussian(float kernel[TAPS])
{
    float sum = 0;
    for (int t = 0; t < TAPS; t++)
        sum += kernel[t] = expf(-0.5f * (float)((t - TAPS / 2) * (t - TAPS / 2)) / (1.5f * 1.5f));
    for (int t = 0; t < TAPS; t++)
        kernel[t] /= sum;
}

static plane read_channel(const srec_image *image, unsigned c, float *memory)
{
    const plane p = { image->width, image->height, memory };
    for (size_t y = 0; y < p.h; y++)
        for (size_t x = 0; x < p.w; x++)
            p.v[y * p.w + x] = image->data[y * image->stride + x * image->channels + c];
    return p;
}

/* Product of the terms of all scales. The planes are halved in place.
 * \param weights (scales) exponents
 * \param work see mean_terms() */
static double product_of_scales(plane *a, plane *b, const double *weights, unsigned scales, float *work)
{
    float kernel[TAPS];
    gaussian(kernel);
    double product = 1;
    for (unsigned s = 0; s < scales; s++) {
        if (s) {
            halve(a);
            halve(b);
        }
        const terms mean = mean_terms(kernel, a, b, work);
        const double term = s + 1 == scales ? mean.ssim : mean.cs;
        product *= pow(term > 0 ? term : 0, weights[s]);
    }
    return product;
}

srec_status srec_ms_ssim(const srec_image *a, const srec_image *b, double *value)
{
    double weights[SCALES] = { 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 };
    if (!comparable(a, b) || !value || a->width < TAPS || a->height < TAPS)
        return SREC_ERR_ARG;
    unsigned scales = 1;
    double weight_sum = weights[0];
    for (size_t side = a->width < a->height ? a->width : a->height; scales < SCALES && side / 2 >= TAPS; side /= 2)
        weight_sum += weights[scales++];
    for (unsigned s = 0; s < scales; s++)
        weights[s] /= weight_sum;
    const size_t n = (size_t)a->width * a->height;
    float *memory = malloc((2 * n + (size_t)7 * (BAND + TAPS - 1) * a->width) * sizeof *memory);
    if (!memory)
        return SREC_ERR_MEMORY;
    *value = 0;
    for (unsigned c = 0; c < a->channels; c++) {
        plane pa = read_channel(a, c, memory);
        plane pb = read_channel(b, c, memory + n);
        *value += product_of_scales(&pa, &pb, weights, scales, memory + 2 * n) / a->channels;
    }
    free(memory);
    return SREC_OK;
}
