/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Lifting on split signals: even samples and odd samples lie in two arrays. A sample is a vector of \e step numbers, 1
 *  along rows and COLUMNS along columns, so that one loop serves both directions. */
#include "wavelet.h"

#include "vector_math.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 64u /* that are transformed together */

/* Lifting steps (Table F.4), and the scale of the high band. */
#define ALPHA (-1.586134342f)
#define BETA  (-0.052980118f)
#define GAMMA 0.882911075f
#define DELTA 0.443506852f
#define K     1.230174105f

/* A split signal of n samples: ceil(n / 2) even ones, floor(n / 2) odd ones. */
typedef struct {
    float *even;
    float *odd;
    size_t n;
    size_t step;
} signal;

/* to[i] += factor (from[i] + from[i + step]) */
SREC_CLONES static void lift(float *restrict to, const float *restrict from, size_t n, size_t step, float factor)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * (from[i] + from[i + step]);
}

static void lift_edge(float *to, const float *from, size_t step, float factor)
{
    for (size_t i = 0; i < step; i++)
        to[i] += 2 * factor * from[i]; /* the signal is mirrored at its ends */
}

static void lift_odd(const signal *s, float factor)
{
    const size_t n = s->n / 2;
    const size_t inner = (s->n - 1) / 2; /* with an even sample behind them */
    lift(s->odd, s->even, inner * s->step, s->step, factor);
    if (inner < n)
        lift_edge(s->odd + inner * s->step, s->even + inner * s->step, s->step, factor);
}

static void lift_even(const signal *s, float factor)
{
    const size_t n = (s->n + 1) / 2;
    const size_t inner = s->n / 2; /* with an odd sample behind them */
    lift_edge(s->even, s->odd, s->step, factor);
    lift(s->even + s->step, s->odd, (inner - 1) * s->step, s->step, factor);
    if (inner < n)
        lift_edge(s->even + inner * s->step, s->odd + (inner - 1) * s->step, s->step, factor);
}

SREC_CLONES static void scale(float *values, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= factor;
}

static void analyse(const signal *s)
{
    lift_odd(s, ALPHA);
    lift_even(s, BETA);
    lift_odd(s, GAMMA);
    lift_even(s, DELTA);
    scale(s->even, (s->n + 1) / 2 * s->step, 1 / K);
    scale(s->odd, s->n / 2 * s->step, K / 2);
}

static void synthesise(const signal *s)
{
    scale(s->even, (s->n + 1) / 2 * s->step, K);
    scale(s->odd, s->n / 2 * s->step, 2 / K);
    lift_even(s, -DELTA);
    lift_odd(s, -GAMMA);
    lift_even(s, -BETA);
    lift_odd(s, -ALPHA);
}

/* One level of a plane. */
typedef struct {
    float *plane;
    size_t stride;
    uint32_t width;
    uint32_t height;
    float *split; /* (width) and (height, COLUMNS) */
    bool inverse;
} level;

SREC_CLONES static void split_row(const float *restrict row, size_t n, float *restrict even, float *restrict odd)
{
    for (size_t i = 0; i < n / 2; i++) {
        even[i] = row[2 * i];
        odd[i] = row[2 * i + 1];
    }
    if (n % 2)
        even[n / 2] = row[n - 1];
}

SREC_CLONES static void join_row(const float *restrict even, const float *restrict odd, size_t n, float *restrict row)
{
    for (size_t i = 0; i < n / 2; i++) {
        row[2 * i] = even[i];
        row[2 * i + 1] = odd[i];
    }
    if (n % 2)
        row[n - 1] = even[n / 2];
}

static void transform_rows(const level *l)
{
    const signal s = { l->split, l->split + (l->width + 1) / 2, l->width, 1 };
    for (size_t y = 0; y < l->height; y++) {
        float *row = l->plane + y * l->stride;
        if (l->inverse) {
            memcpy(l->split, row, l->width * sizeof *row);
            synthesise(&s);
            join_row(s.even, s.odd, s.n, row);
        } else {
            split_row(row, s.n, s.even, s.odd);
            analyse(&s);
            memcpy(row, l->split, l->width * sizeof *row);
        }
    }
}

static void transform_columns(const level *l)
{
    for (size_t x = 0; x < l->width; x += COLUMNS) {
        const size_t n = l->width - x < COLUMNS ? l->width - x : COLUMNS;
        const signal s = { l->split, l->split + (l->height + 1) / 2 * n, l->height, n };
        float *column = l->plane + x;
        for (size_t y = 0; y < l->height; y++)
            memcpy(l->inverse ? l->split + y * n : (y % 2 ? s.odd : s.even) + y / 2 * n, column + y * l->stride,
                   n * sizeof *column);
        (l->inverse ? synthesise : analyse)(&s);
        for (size_t y = 0; y < l->height; y++)
            memcpy(column + y * l->stride, l->inverse ? (y % 2 ? s.odd : s.even) + y / 2 * n : l->split + y * n,
                   n * sizeof *column);
    }
}

srec_status srec_wavelet_transform(float *plane, uint32_t width, uint32_t height, unsigned levels, bool inverse)
{
    const size_t room = width > (size_t)height * COLUMNS ? width : (size_t)height * COLUMNS;
    float *split = calloc(room, sizeof *split);
    if (!split)
        return SREC_ERR_MEMORY;
    for (unsigned i = 0; i < levels; i++) {
        const unsigned halvings = inverse ? levels - 1 - i : i;
        const level l = { .plane = plane,
                          .stride = width,
                          .width = (width + (1u << halvings) - 1) >> halvings,
                          .height = (height + (1u << halvings) - 1) >> halvings,
                          .split = split,
                          .inverse = inverse };
        transform_columns(&l);
        transform_rows(&l);
    }
    free(split);
    return SREC_OK;
}
