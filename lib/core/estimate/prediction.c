/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "prediction.h"

#include "vector_math.h"

#include <math.h>

#define GRANULE 16u /* the floats of a row are a multiple of this: whole vectors */
#define PIVOTS  6u  /* variables that are swept together */
/* Rows that are swept at a time: their factors fit the vector registers. A divisor of GRANULE. */
#define ROWS    2u

static size_t stride_of(size_t n) { return (n + GRANULE - 1) / GRANULE * GRANULE; }

size_t srec_predict_scratch(size_t n) { return (n + ROWS - 1 + 2 * PIVOTS) * stride_of(n); }

/* Subtract the sum over PIVOTS of column column^T one_over from a, in the lower triangle and up to one vector beyond
 * it.
 * \param a (n + ROWS - 1, stride); the rows from n on are scratch
 * \param columns (PIVOTS, stride), 0 from n on */
SREC_CLONES static void subtract(float *restrict a, size_t n, size_t stride, const float *restrict columns,
                                 const float *one_over)
{
    for (size_t i = 0; i < n; i += ROWS) {
        float *restrict row = a + i * stride, f[ROWS][PIVOTS];
        for (size_t r = 0; r < ROWS; r++)
            for (size_t b = 0; b < PIVOTS; b++)
                f[r][b] = columns[b * stride + i + r] * one_over[b];
        const size_t end = (i + ROWS - 1 + GRANULE) / GRANULE * GRANULE;
        for (size_t j = 0; j < end; j++) {
            float sum[ROWS] = { 0 };
            for (size_t b = 0; b < PIVOTS; b++) {
                const float c = columns[b * stride + j];
                for (size_t r = 0; r < ROWS; r++)
                    sum[r] += f[r][b] * c;
            }
            for (size_t r = 0; r < ROWS; r++)
                row[r * stride + j] -= sum[r];
        }
    }
}

/* Variables that are swept together: \p n_pivots from \p first on, of \p n. */
typedef struct {
    size_t first;
    size_t n_pivots;
    size_t n;
    size_t stride;
} sweep_step;

/* Copy the pivots' columns of a symmetric matrix, of which the lower triangle is there, to rows of the panel. */
SREC_PART_OF_CLONES void load_panel(const float *restrict a, const sweep_step *s, float *restrict panel)
{
    for (size_t b = 0; b < s->n_pivots; b++) {
        const size_t p = s->first + b;
        for (size_t j = 0; j < p; j++)
            panel[b * s->stride + j] = a[p * s->stride + j];
        for (size_t j = p; j < s->n; j++)
            panel[b * s->stride + j] = a[j * s->stride + p];
    }
}

SREC_PART_OF_CLONES void store_panel(const float *restrict panel, const sweep_step *s, float *restrict a)
{
    for (size_t b = 0; b < s->n_pivots; b++) {
        const size_t p = s->first + b;
        for (size_t j = 0; j < p; j++)
            a[p * s->stride + j] = panel[b * s->stride + j];
        for (size_t j = p; j < s->n; j++)
            a[j * s->stride + p] = panel[b * s->stride + j];
    }
}

/* Sweep the panel on its own pivots.
 * \param before columns of the pivots, each as it was before its own sweep
 * \return false: a pivot shows that the matrix is not definite */
SREC_PART_OF_CLONES bool sweep_panel(float *restrict panel, const sweep_step *s, float *restrict before,
                                     float *one_over)
{
    for (size_t b = 0; b < s->n_pivots; b++) {
        float *restrict own = panel + b * s->stride, *restrict was = before + b * s->stride;
        const float pivot = own[s->first + b];
        if (!(pivot > 1e-12f && pivot < 1e12f))
            return false;
        one_over[b] = 1.0f / pivot;
        for (size_t j = 0; j < s->stride; j++) {
            was[j] = own[j];
            own[j] *= one_over[b];
        }
        own[s->first + b] = -one_over[b];
        for (size_t other = 0; other < s->n_pivots; other++) {
            if (other == b)
                continue;
            float *restrict column = panel + other * s->stride;
            const float f = was[s->first + other] * one_over[b];
            for (size_t j = 0; j < s->stride; j++)
                column[j] -= f * was[j];
            column[s->first + b] = f;
        }
    }
    return true;
}

/* Minus the inverse of a symmetric positive definite (n, n) matrix, in place. Only the lower triangle is read and
 * written. This is the sweep operator (Goodnight, A tutorial on the sweep operator, 1979) on PIVOTS variables at a
 * time, so that the matrix is traversed n / PIVOTS times.
 * \param a see subtract()
 * \param panel 2 PIVOTS rows of stride floats of scratch, the first half of them 0 from n on
 * \return false: the matrix is not definite */
SREC_CLONES static bool sweep(float *restrict a, size_t n, size_t stride, float *restrict panel)
{
    float *restrict before = panel + PIVOTS * stride;
    for (size_t first = 0; first < n; first += PIVOTS) {
        const sweep_step step = { first, n - first < PIVOTS ? n - first : PIVOTS, n, stride };
        float one_over[PIVOTS] = { 0 };
        load_panel(a, &step, panel);
        if (!sweep_panel(panel, &step, before, one_over))
            return false;
        for (size_t j = step.n_pivots * stride; j < PIVOTS * stride; j++)
            before[j] = 0.0f;
        subtract(a, n, stride, before, one_over);
        store_panel(panel, &step, a);
    }
    return true;
}

bool srec_predict(const srec_observations *o, float *scratch, float *mean, float *variance)
{
    const float *covariance = o->covariance, *observed = o->observed, *noise = o->noise;
    const size_t n = o->n, stride = stride_of(n);
    float *panel = scratch + (n + ROWS - 1) * stride, *weighted = panel; /* minus the inverse times observed */
    for (size_t b = 0; b < PIVOTS; b++)
        for (size_t j = n; j < stride; j++)
            panel[b * stride + j] = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float *row = scratch + i * stride;
        for (size_t j = 0; j < stride; j++)
            row[j] = j <= i ? covariance[i * n + j] : 0.0f;
        row[i] += noise[i];
    }
    if (!sweep(scratch, n, stride, panel))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!(scratch[i * stride + i] < 0.0f))
            return false;
        weighted[i] = 0.0f;
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = scratch + i * stride;
        float sum = row[i] * observed[i];
        for (size_t j = 0; j < i; j++) {
            sum += row[j] * observed[j];
            weighted[j] += row[j] * observed[i];
        }
        weighted[i] += sum;
    }
    for (size_t i = 0; i < n; i++) {
        const float diagonal = scratch[i * stride + i];
        mean[i] = observed[i] - weighted[i] / diagonal;
        variance[i] = -1.0f / diagonal - noise[i];
    }
    return true;
}
