/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "prediction.h"

#include "vector_math.h"

#include <math.h>

#define GRANULE 16u /* floats of a row are a multiple: whole vectors */

static size_t stride_of(size_t n) { return (n + GRANULE - 1) / GRANULE * GRANULE; }

size_t srec_predict_scratch(size_t n) { return n * stride_of(n); }

/* (n, n) symmetric positive definite -> its inverse, in place: Gauss and Jordan, no pivoting. false: it is not definite. */
SREC_CLONES static bool invert(float *restrict a, size_t n, size_t stride)
{
    for (size_t p = 0; p < n; p++) {
        float *restrict pivot = a + p * stride;
        if (!(pivot[p] > 1e-12f && pivot[p] < 1e12f))
            return false;
        const float one_over = 1.0f / pivot[p];
        pivot[p] = 1.0f;
        for (size_t j = 0; j < stride; j++)
            pivot[j] *= one_over;
        for (size_t i = 0; i < n; i++) {
            if (i == p)
                continue;
            float *restrict row = a + i * stride;
            const float f = row[p];
            row[p] = 0.0f;
            for (size_t j = 0; j < stride; j++)
                row[j] -= f * pivot[j];
        }
    }
    return true;
}

bool srec_predict(const float *covariance, const float *observed, const float *noise, size_t n, float *scratch,
                  float *mean, float *variance)
{
    const size_t stride = stride_of(n);
    for (size_t i = 0; i < n; i++) {
        float *row = scratch + i * stride;
        for (size_t j = 0; j < stride; j++)
            row[j] = j < n ? covariance[i * n + j] : 0.0f;
        row[i] += noise[i];
    }
    if (!invert(scratch, n, stride))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(scratch[i * stride + i] > 0.0f))
            return false;
    for (size_t i = 0; i < n; i++) {
        const float *row = scratch + i * stride;
        float weighted = 0.0f;
        for (size_t j = 0; j < n; j++)
            weighted += row[j] * observed[j];
        mean[i] = observed[i] - weighted / row[i];
        variance[i] = 1.0f / row[i] - noise[i];
    }
    return true;
}
