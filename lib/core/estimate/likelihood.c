/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likelihood.h"

#include "descrambler_internal.h"
#include "vector_math.h"

#include <math.h>
#include <stdbool.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define LLR_LIMIT       40.0f  /* a larger LLR makes the bit certain in f32 anyway */
#define VARIANCE_MIN    1e-12f /* noise variance of an amplitude; the width of a level is 1e-2 */
#define AMPLITUDE_LIMIT 1e3f

float srec_limit_llr(float llr)
{
    if (!(llr == llr))
        return 0.0f;
    return llr > LLR_LIMIT ? LLR_LIMIT : llr < -LLR_LIMIT ? -LLR_LIMIT : llr;
}

void srec_limit_amplitude(const float soft[2], float *c, float *precision)
{
    float y = soft[0], variance = soft[1];
    bool usable = y == y && variance == variance;
    y = !usable ? 0.0f : y > AMPLITUDE_LIMIT ? AMPLITUDE_LIMIT : y < -AMPLITUDE_LIMIT ? -AMPLITUDE_LIMIT : y;
    *c = y / SREC_PAM256_STEP + 127.5f;
    *precision =
        usable ? SREC_PAM256_STEP * SREC_PAM256_STEP / (2.0f * (variance > VARIANCE_MIN ? variance : VARIANCE_MIN))
               : 0.0f;
}

SREC_CLONES void srec_bit_likelihoods(const float *restrict llr, size_t n, float *restrict zero, float *restrict one)
{
    for (size_t i = 0; i < n; i++) {
        float l = llr[i] == llr[i] ? llr[i] : 0.0f, size = l < 0.0f ? -l : l;
        float e = srec_vexp(size < LLR_LIMIT ? -size : -LLR_LIMIT);
        zero[i] = l < 0.0f ? e : 1.0f;
        one[i] = l < 0.0f ? 1.0f : e;
    }
}

SREC_CLONES void srec_likelihood_llr(const float *zero, const float *one, float *restrict likelihood)
{
    float nibble[2][16];
    for (unsigned half = 0; half < 2; half++) {
        const float *z = zero + 4 * half, *o = one + 4 * half;
        float high[4] = { z[0] * z[1], z[0] * o[1], o[0] * z[1], o[0] * o[1] };
        float low[4] = { z[2] * z[3], z[2] * o[3], o[2] * z[3], o[2] * o[3] };
        for (unsigned i = 0; i < 16; i++)
            nibble[half][i] = high[i >> 2] * low[i & 3];
    }
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 16; j++)
            likelihood[16 * i + j] = nibble[0][i] * nibble[1][j];
}

/* The Gaussian is relative to the nearest level k0, because (k - c)^2 - (k0 - c)^2
 * = (k - k0) (k + k0 - 2 c) loses no digits when c is far away. */
SREC_CLONES void srec_likelihood_amplitude(float c, float precision, float *restrict likelihood)
{
    float nearest = c > 0.0f ? (c < 255.0f ? floorf(c + 0.5f) : 255.0f) : 0.0f;
    for (int k = 0; k < (int)SREC_BYTE_VALUES; k++)
        likelihood[k] = srec_vexp(-precision * (((float)k - nearest) * ((float)k + nearest - 2.0f * c)));
}

void srec_likelihood_of_llr(const float *soft, float *likelihood)
{
    float zero[8], one[8];
    srec_bit_likelihoods(soft, 8, zero, one);
    srec_likelihood_llr(zero, one, likelihood);
}

void srec_likelihood_of_amplitude(const float *soft, float *likelihood)
{
    float c, precision;
    srec_limit_amplitude(soft, &c, &precision);
    srec_likelihood_amplitude(c, precision, likelihood);
}

unsigned srec_flush_subnormals(void)
{
#ifdef __SSE__
    unsigned was = _mm_getcsr();
    _mm_setcsr(was | _MM_FLUSH_ZERO_ON); /* flushes results only: a prior may be subnormal */
    return was;
#else
    return 0;
#endif
}

void srec_restore_subnormals(unsigned was)
{
#ifdef __SSE__
    _mm_setcsr(was);
#else
    (void)was;
#endif
}
