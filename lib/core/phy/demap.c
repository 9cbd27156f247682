/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Demapper: exact soft values of received symbols. */
#include "modem_internal.h"
#include "vector_math.h"

#include <float.h>
#include <string.h>

#define LLR_MAX          1e30f /* for BPSK and QPSK: keeps LLRs finite for any N0 */
#define N0_LEAST         1e-30f
#define VARIANCE_UNKNOWN 1e6f /* pam256: a value without information */

/* Exact LLRs of n received axis values y (gain 1, noise variance 1 / (2 a)): ln of the sum of exp(-a (y - level)^2)
 * over the levels with bit 0, minus the same over those with bit 1. Exponents are relative to the nearest level and
 * computed without cancellation: (y - l)^2 - (y - l0)^2 = (l - l0) (l + l0 - 2 y). They stop at -80, where LLRs
 * saturate.
 * \param[out] soft (axis_bits, 2 * SREC_MODEM_BLOCK) */
SREC_CLONES static void axis_llr(unsigned axis_bits, const float *level, const float *restrict y,
                                 const float *restrict a, size_t n, float *restrict soft)
{
    float nearest[2 * SREC_MODEM_BLOCK], twice[2 * SREC_MODEM_BLOCK], scale[2 * SREC_MODEM_BLOCK],
        p[2 * SREC_MODEM_BLOCK], odd[SREC_AXIS_LEVELS_MAX];
    float sum[SREC_AXIS_BITS_MAX][2][2 * SREC_MODEM_BLOCK];
    unsigned n_levels = 1u << axis_bits;
    float unit = srec_axis_integers(axis_bits, level, odd), per_unit = 1.0f / unit, outermost = (float)(n_levels - 1);
    for (size_t i = 0; i < n; i++) {
        nearest[i] = srec_nearest_odd(y[i] * per_unit, outermost);
        twice[i] = 2.0f * (y[i] * per_unit);
        scale[i] = -a[i] * (unit * unit);
    }
    memset(sum, 0, axis_bits * sizeof sum[0]);
    for (unsigned k = 0; k < n_levels; k++) {
        float l = odd[k];
        for (size_t i = 0; i < n; i++)
            p[i] = srec_vexp(scale[i] * ((l - nearest[i]) * (l + nearest[i] - twice[i])));
        for (unsigned b = 0; b < axis_bits; b++) {
            float *restrict s = sum[b][k >> (axis_bits - 1 - b) & 1];
            for (size_t i = 0; i < n; i++)
                s[i] += p[i];
        }
    }
    for (unsigned b = 0; b < axis_bits; b++)
        for (size_t i = 0; i < n; i++)
            soft[b * 2 * SREC_MODEM_BLOCK + i] = srec_vlog(sum[b][0][i] / sum[b][1][i]);
}

/* Scale symbols to unit gain: y, and a = |gain|^2 / n0 per real dimension. Both are 0 for a symbol that is not finite
 * or has no gain. */
SREC_CLONES static void equalise(const float *restrict iq, const float *restrict gain_iq, float n0, size_t n_symbols,
                                 float *restrict y, float *restrict a)
{
    const float per_n0 = 1.0f / n0;
    for (size_t i = 0; i < n_symbols; i++) {
        float re = iq[2 * i], im = iq[2 * i + 1], power = 1.0f;
        /* y conj(gain) / |gain|^2: the noise grows by 1 / |gain|^2. */
        if (gain_iq) {
            float g = gain_iq[2 * i], h = gain_iq[2 * i + 1];
            power = g * g + h * h;
            float r = (re * g + im * h) / power;
            im = (im * g - re * h) / power;
            re = r;
        }
        /* x - x is 0 only for finite x */
        int usable = (re - re == 0.0f) & (im - im == 0.0f) & (power - power == 0.0f) & (power > 1e-20f);
        re = re > SREC_AXIS_LIMIT ? SREC_AXIS_LIMIT : re < -SREC_AXIS_LIMIT ? -SREC_AXIS_LIMIT : re;
        im = im > SREC_AXIS_LIMIT ? SREC_AXIS_LIMIT : im < -SREC_AXIS_LIMIT ? -SREC_AXIS_LIMIT : im;
        y[2 * i] = usable ? re : 0.0f;
        y[2 * i + 1] = usable ? im : 0.0f;
        const float per_axis = power * per_n0;
        a[2 * i] = a[2 * i + 1] = !usable ? 0.0f : per_axis > FLT_MAX ? FLT_MAX : per_axis;
    }
}

/* pam256: amplitude and noise variance of each axis. */
static void soft_amplitudes(const float *y, const float *a, size_t n, float *soft)
{
    for (size_t i = 0; i < n; i++) {
        soft[2 * i] = y[i];
        soft[2 * i + 1] = a[i] > 0.0f ? 0.5f / a[i] : VARIANCE_UNKNOWN;
    }
}

/* BPSK and QPSK: LLR = 4 level y a.
 * \param stride 2 for BPSK, whose Q axis is empty */
static void soft_antipodal(const float *y, const float *a, size_t n, size_t stride, float level, float *soft)
{
    for (size_t i = 0; i < n; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): stride * n values are set */
        const float llr = 4.0f * level * y[stride * i] * a[stride * i];
        soft[i] = llr > LLR_MAX ? LLR_MAX : llr < -LLR_MAX ? -LLR_MAX : llr;
    }
}

/* n symbols of 16QAM and above. I and Q alternate. */
static void soft_qam(unsigned axis_bits, const float *level, const float *y, const float *a, size_t n, float *soft)
{
    float planar[SREC_AXIS_BITS_MAX * 2 * SREC_MODEM_BLOCK];
    axis_llr(axis_bits, level, y, a, 2 * n, planar);
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < axis_bits; b++) {
            soft[(i * axis_bits + b) * 2] = planar[b * 2 * SREC_MODEM_BLOCK + 2 * i];
            soft[(i * axis_bits + b) * 2 + 1] = planar[b * 2 * SREC_MODEM_BLOCK + 2 * i + 1];
        }
}

srec_status srec_modem_demap(srec_modulation m, const float *iq, const float *gain_iq, float n0, size_t n_symbols,
                             float *soft)
{
    const srec_modem_format *f = srec_modem_find(m);
    if (!f || !(n0 > 0.0f) || !isfinite(n0) || (n_symbols && (!iq || !soft)))
        return SREC_ERR_ARG;
    n0 = n0 > N0_LEAST ? n0 : N0_LEAST;
    float level[SREC_AXIS_LEVELS_MAX] = { 0 };
    float y[2 * SREC_MODEM_BLOCK];
    float a[2 * SREC_MODEM_BLOCK];
    if (m != SREC_PAM256)
        srec_axis_levels(f->axis_bits, m != SREC_BPSK, level);
    while (n_symbols) {
        const size_t n = n_symbols < SREC_MODEM_BLOCK ? n_symbols : SREC_MODEM_BLOCK;
        equalise(iq, gain_iq, n0, n, y, a);
        if (m == SREC_PAM256)
            soft_amplitudes(y, a, 2 * n, soft);
        else if (f->axis_bits == 1)
            soft_antipodal(y, a, n * f->soft_per_symbol, m == SREC_BPSK ? 2 : 1, level[0], soft);
        else
            soft_qam(f->axis_bits, level, y, a, n, soft);
        iq += 2 * n;
        gain_iq = gain_iq ? gain_iq + 2 * n : NULL;
        soft += n * f->soft_per_symbol;
        n_symbols -= n;
    }
    return SREC_OK;
}
