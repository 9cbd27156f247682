/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Blind noise estimate from symbols of known modulation. */
#include "modem_internal.h"
#include "vector_math.h"

#define N0_MIN         1e-5 /* range of the estimate */
#define N0_MAX         10.0
#define N0_SYMBOLS     4096u /* sufficient: the standard deviation is at most 2 % at useful SNR */
#define ITERATIONS_MAX 60u
#define STEP_SMALL     1e-6 /* in ln n0: the likelihood has reached its maximum */
#define BRACKET_SMALL  1e-4

/* Sum of the posterior mean of |y - level|^2 over n axis values, for noise power n0: one step of expectation
 * maximisation. */
SREC_CLONES static double axis_residual(unsigned axis_bits, const float *level, const float *restrict y, size_t n,
                                        float n0)
{
    float nearest[2 * SREC_MODEM_BLOCK], u[2 * SREC_MODEM_BLOCK], weight[2 * SREC_MODEM_BLOCK],
        residual[2 * SREC_MODEM_BLOCK], odd[SREC_AXIS_LEVELS_MAX];
    unsigned n_levels = 1u << axis_bits;
    float unit = srec_axis_integers(axis_bits, level, odd), per_unit = 1.0f / unit, outermost = (float)(n_levels - 1);
    float scale = -(unit * unit) / n0;
    for (size_t i = 0; i < n; i++) {
        u[i] = y[i] * per_unit;
        nearest[i] = srec_nearest_odd(u[i], outermost);
        weight[i] = residual[i] = 0.0f;
    }
    for (unsigned k = 0; k < n_levels; k++) {
        float l = odd[k];
        for (size_t i = 0; i < n; i++) {
            float excess = (l - nearest[i]) * (l + nearest[i] - 2.0f * u[i]), p = srec_vexp(scale * excess);
            weight[i] += p;
            residual[i] += p * excess;
        }
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (u[i] - nearest[i]) * (u[i] - nearest[i]) + residual[i] / weight[i];
    return sum * ((double)unit * unit);
}

/* Symbols to work on. */
typedef struct {
    const srec_modem_format *format;
    const float *level;
    const float *iq;
    size_t n_symbols;
} observation;

/* false for NaN */
static bool usable(float re, float im) { return fabsf(re) <= SREC_AXIS_LIMIT && fabsf(im) <= SREC_AXIS_LIMIT; }

/* Logarithm of the factor by which one step of expectation maximisation changes n0. It is 0 at the maximum of the
 * likelihood. */
static double em_step(const observation *o, double n0)
{
    double sum = 0;
    size_t used = 0;
    float y[2 * SREC_MODEM_BLOCK];
    for (size_t first = 0; first < o->n_symbols; first += SREC_MODEM_BLOCK) {
        const size_t left = o->n_symbols - first;
        const size_t n = left < SREC_MODEM_BLOCK ? left : SREC_MODEM_BLOCK;
        size_t kept = 0;
        float quadrature = 0;
        for (size_t i = first; i < first + n; i++) {
            const float re = o->iq[2 * i];
            const float im = o->iq[2 * i + 1];
            if (!usable(re, im))
                continue;
            used++;
            y[kept++] = re;
            if (o->format->bits_per_symbol > 1)
                y[kept++] = im;
            else
                quadrature += im * im; /* BPSK's empty axis contains only noise */
        }
        sum += quadrature + axis_residual(o->format->axis_bits, o->level, y, kept, (float)n0);
    }
    return used ? log(sum / (double)used / n0) : INFINITY;
}

/* The fixed point of expectation maximisation. The sign of a step shows on which side of it n0 lies. The fixed point is
 * therefore bracketed and found by false position (Illinois rule) over ln n0. Plain iteration takes hundreds of steps
 * where levels blur. */
static double maximise_likelihood(const observation *o)
{
    double low = log(N0_MIN);
    double high = log(N0_MAX);
    double at_low = em_step(o, N0_MIN);
    double at_high = em_step(o, N0_MAX);
    if (!(at_low > 0.0))
        return exp(low);
    if (!(at_high < 0.0))
        return exp(high);
    enum { NONE, LOW, HIGH } moved = NONE;
    double x = low;
    for (unsigned i = 0; i < ITERATIONS_MAX && high - low > BRACKET_SMALL; i++) {
        x = (low * at_high - high * at_low) / (at_high - at_low);
        const double at = em_step(o, exp(x));
        if (fabs(at) < STEP_SMALL)
            break;
        if (at > 0.0) {
            low = x;
            at_low = at;
            at_high *= moved == LOW ? 0.5 : 1.0; /* the same end moved twice: pull the other one */
            moved = LOW;
        } else {
            high = x;
            at_high = at;
            at_low *= moved == HIGH ? 0.5 : 1.0;
            moved = HIGH;
        }
    }
    return exp(x);
}

/* pam256: its levels are too close to distinguish. Second moment, Es = 1. */
static double second_moment(const float *iq, size_t n_symbols)
{
    double power = 0;
    size_t used = 0;
    for (size_t i = 0; i < n_symbols; i++) {
        const float re = iq[2 * i];
        const float im = iq[2 * i + 1];
        if (!usable(re, im))
            continue;
        power += (double)re * re + (double)im * im;
        used++;
    }
    return used ? power / (double)used - 1.0 : N0_MAX;
}

srec_status srec_modem_estimate_n0(srec_modulation m, const float *iq, size_t n_symbols, float *n0)
{
    const srec_modem_format *f = srec_modem_find(m);
    if (!f || !iq || !n0 || n_symbols < 16)
        return SREC_ERR_ARG;
    double estimate;
    if (m == SREC_PAM256)
        estimate = second_moment(iq, n_symbols);
    else {
        float level[SREC_AXIS_LEVELS_MAX];
        srec_axis_levels(f->axis_bits, m != SREC_BPSK, level);
        const observation o = { f, level, iq, n_symbols < N0_SYMBOLS ? n_symbols : N0_SYMBOLS };
        estimate = maximise_likelihood(&o);
    }
    *n0 = (float)(estimate < N0_MIN ? N0_MIN : estimate > N0_MAX ? N0_MAX : estimate);
    return SREC_OK;
}
