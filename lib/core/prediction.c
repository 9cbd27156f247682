/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "prediction.h"

#include "vector_math.h"

#include <math.h>

#define GRANULE 16u /* floats of a row are a multiple: whole vectors */

static size_t stride_of(size_t n) { return (n + GRANULE - 1) / GRANULE * GRANULE; }

size_t srec_predict_scratch(size_t n) { return (n + 1) * stride_of(n); }

/* Minus the inverse of a symmetric positive definite (n, n) matrix, in place, of which only the lower triangle is read
 * and right afterwards: the sweep operator (Goodnight, A tutorial on the sweep operator, 1979) on each variable in
 * turn. column: stride floats of scratch. false: it is not definite. */
SREC_CLONES static bool sweep(float *restrict a, size_t n, size_t stride, float *restrict column)
{
    for (size_t p = 0; p < n; p++) {
        const float pivot = a[p * stride + p];
        if (!(pivot > 1e-12f && pivot < 1e12f))
            return false;
        const float one_over = 1.0f / pivot;
        for (size_t j = 0; j < p; j++)
            column[j] = a[p * stride + j];
        for (size_t j = p; j < n; j++)
            column[j] = a[j * stride + p];
        for (size_t i = 0; i < n; i++) {
            float *restrict row = a + i * stride;
            const float f = column[i] * one_over;
            const size_t end = (i + GRANULE) / GRANULE * GRANULE; /* whole vectors, past the diagonal */
            for (size_t j = 0; j < end; j++)
                row[j] -= f * column[j];
        }
        for (size_t j = 0; j < p; j++)
            a[p * stride + j] = column[j] * one_over;
        for (size_t j = p + 1; j < n; j++)
            a[j * stride + p] = column[j] * one_over;
        a[p * stride + p] = -one_over;
    }
    return true;
}

bool srec_predict(const float *covariance, const float *observed, const float *noise, size_t n, float *scratch,
                  float *mean, float *variance)
{
    const size_t stride = stride_of(n);
    float *column = scratch + n * stride;
    for (size_t j = n; j < stride; j++)
        column[j] = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float *row = scratch + i * stride;
        for (size_t j = 0; j < stride; j++)
            row[j] = j <= i ? covariance[i * n + j] : 0.0f;
        row[i] += noise[i];
    }
    if (!sweep(scratch, n, stride, column))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!(scratch[i * stride + i] < 0.0f))
            return false;
        column[i] = 0.0f;
    }
    for (size_t i = 0; i < n; i++) { /* column: the inverse times observed, negative */
        const float *row = scratch + i * stride;
        float sum = row[i] * observed[i];
        for (size_t j = 0; j < i; j++) {
            sum += row[j] * observed[j];
            column[j] += row[j] * observed[i];
        }
        column[i] += sum;
    }
    for (size_t i = 0; i < n; i++) {
        const float diagonal = scratch[i * stride + i];
        mean[i] = observed[i] - column[i] / diagonal;
        variance[i] = -1.0f / diagonal - noise[i];
    }
    return true;
}
