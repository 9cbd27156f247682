/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exp and log that compilers vectorise: no branch, no call, no errno. They consist of IEEE operations in a fixed order
 * without fused multiply-add (C11 mode contracts nothing), so every instruction set gives the same bits. */
#ifndef SREC_VECTOR_MATH_H
#define SREC_VECTOR_MATH_H

#include <stdint.h>
#include <string.h>

/* Compiles a function once per instruction set. The dynamic loader chooses the best one that the processor supports. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define SREC_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SREC_CLONES
#endif
/* For a part of such a function: it is compiled into each of them. */
#if defined(__GNUC__)
#define SREC_PART_OF_CLONES static inline __attribute__((always_inline))
#else
#define SREC_PART_OF_CLONES static inline
#endif

/* exp of anything smaller counts as exp of this, 1.8e-35: far from where f32 loses digits. */
#define SREC_EXP_LOWEST (-80.0f)

/* exp(x) for x <= 80, within 3e-7 of the value: x = n ln 2 + f, |f| <= ln(2) / 2; Taylor series of exp(f). */
static inline float srec_vexp(float x)
{
    x = x > SREC_EXP_LOWEST ? x : SREC_EXP_LOWEST;
    float shifted = x * 1.44269504f + 0x1.8p23f; /* the integer nearest to x / ln 2 is in the low bits */
    float n = shifted - 0x1.8p23f;
    float f = (x - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f; /* ln 2 in two parts: the first product is exact */
    float r = 1.0f / 5040.0f;
    r = r * f + 1.0f / 720.0f;
    r = r * f + 1.0f / 120.0f;
    r = r * f + 1.0f / 24.0f;
    r = r * f + 1.0f / 6.0f;
    r = r * f + 0.5f;
    r = r * f + 1.0f;
    r = r * f + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + (127u << 23); /* 2^n; the constant's own bits are shifted out */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return r * scale;
}

/* ln(x) for normal x > 0, within 3e-7 of the value or of 1: x = m 2^e, sqrt(1/2) <= m < sqrt(2); atanh series. */
static inline float srec_vlog(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits -= 0x3f3504f3u; /* sqrt(1/2) */
    float e = (float)((int32_t)bits >> 23);
    bits = (bits & 0x007fffffu) + 0x3f3504f3u;
    float m;
    memcpy(&m, &bits, sizeof m);
    float z = (m - 1.0f) / (m + 1.0f), q = z * z; /* q < 0.0295 */
    float r = 1.0f / 9.0f;
    r = r * q + 1.0f / 7.0f;
    r = r * q + 1.0f / 5.0f;
    r = r * q + 1.0f / 3.0f;
    r = r * q + 1.0f;
    return 2.0f * z * r + e * 0.693147181f;
}

#endif /* SREC_VECTOR_MATH_H */
