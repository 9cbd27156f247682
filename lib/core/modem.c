/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Square QAM is two independent Gray-coded amplitude axes. The axis bits are the reflected Gray code of the level
 * counted from the right: first bit 0 on the positive side, then 0 farthest out, and so on. From the right, in units of
 * half the distance between levels:
 *
 *      level           +15  +13  +11  +9   +7   +5   +3   +1   -1   -3   -5   -7   -9   -11  -13  -15
 *      BPSK, QPSK                                         0    1
 *      16QAM                                         00   01   11   10
 *      64QAM                               000  001  011  010  110  111  101  100
 *      256QAM          0000 0001 0011 0010 0110 0111 0101 0100 1100 1101 1111 1110 1010 1011 1001 1000
 *
 * The unit is 1 for BPSK, else sqrt(1/2), sqrt(1/10), sqrt(1/42), sqrt(1/170): unit mean power per symbol. */
#include <srec/modem.h>

#include "vector_math.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_AXIS_BITS 4
#define MAX_LEVELS 16
#define BLOCK 64u       /* symbols demapped together */
#define AXIS_LIMIT 1e4f /* received values beyond are taken as this */
#define LLR_MAX 1e30f   /* of BPSK and QPSK: keeps LLRs finite whatever N0 */
#define N0_MIN 1e-5     /* range of the noise estimate */
#define N0_MAX 10.0
#define N0_SYMBOLS 4096u /* enough: its deviation is then 2 % or less at useful SNR */

/* Everything that follows from a modulation, in one place. */
typedef struct {
    const char *name;
    unsigned bits_per_symbol, soft_per_symbol, soft_per_byte, granule;
    unsigned axis_bits;   /* bits per real dimension; BPSK uses one dimension only; 0 for pam256 */
    unsigned group_bytes; /* importance order works in groups of so many bytes */
} format;

static const format formats[SREC_MODULATIONS] = {
    [SREC_BPSK] = {"bpsk", 1, 1, 8, 1, 1, 1},     [SREC_QPSK] = {"qpsk", 2, 2, 8, 1, 1, 1},
    [SREC_16QAM] = {"16qam", 4, 4, 8, 1, 2, 1},   [SREC_64QAM] = {"64qam", 6, 6, 8, 3, 3, 3},
    [SREC_256QAM] = {"256qam", 8, 8, 8, 1, 4, 1}, [SREC_PAM256] = {"pam256", 16, 4, 2, 2, 0, 1},
};

static const format *find(srec_modulation m) { return (unsigned)m < SREC_MODULATIONS ? &formats[m] : NULL; }

const char *srec_modulation_name(srec_modulation m) { return find(m) ? find(m)->name : NULL; }

srec_status srec_modulation_parse(const char *name, srec_modulation *out)
{
    for (unsigned i = 0; name && out && i < SREC_MODULATIONS; i++)
        if (strcasecmp(name, formats[i].name) == 0) {
            *out = (srec_modulation)i;
            return SREC_OK;
        }
    return SREC_ERR_ARG;
}

unsigned srec_modem_bits_per_symbol(srec_modulation m) { return find(m) ? find(m)->bits_per_symbol : 0; }
unsigned srec_modem_soft_per_symbol(srec_modulation m) { return find(m) ? find(m)->soft_per_symbol : 0; }
unsigned srec_modem_soft_per_byte(srec_modulation m) { return find(m) ? find(m)->soft_per_byte : 0; }
unsigned srec_modem_byte_granule(srec_modulation m) { return find(m) ? find(m)->granule : 0; }

size_t srec_modem_symbols(srec_modulation m, size_t n_bytes)
{
    const format *f = find(m);
    return f ? n_bytes / f->granule * (8 * f->granule / f->bits_per_symbol) : 0;
}

/* Amplitude of each axis label (bits, first the sign), scaled so that the symbol has unit mean power. */
static void axis_levels(unsigned axis_bits, bool complex_symbol, float *level)
{
    unsigned n = 1u << axis_bits;
    double power = 0;
    for (unsigned label = 0; label < n; label++) {
        unsigned index = label; /* Gray label -> position from the right */
        for (unsigned shift = 1; shift < axis_bits; shift <<= 1)
            index ^= index >> shift;
        double amplitude = (double)n - 1 - 2.0 * index;
        level[label] = (float)amplitude;
        power += amplitude * amplitude / n;
    }
    double scale = sqrt((complex_symbol ? 0.5 : 1.0) / power);
    for (unsigned label = 0; label < n; label++)
        level[label] = (float)(level[label] * scale);
}

srec_status srec_modem_map(srec_modulation m, const uint8_t *bytes, size_t n_bytes, float *iq)
{
    const format *f = find(m);
    if (!f || (n_bytes && (!bytes || !iq)) || n_bytes % f->granule)
        return SREC_ERR_ARG;
    if (m == SREC_PAM256) {
        for (size_t i = 0; i < n_bytes; i++)
            iq[i] = ((float)bytes[i] - 127.5f) * SREC_PAM256_STEP;
        return SREC_OK;
    }
    float level[MAX_LEVELS];
    axis_levels(f->axis_bits, m != SREC_BPSK, level);
    size_t n_symbols = srec_modem_symbols(m, n_bytes), bit = 0;
    if (m == SREC_BPSK) {
        for (size_t i = 0; i < n_symbols; i++) {
            iq[2 * i] = level[bytes[i >> 3] >> (7 - (i & 7)) & 1];
            iq[2 * i + 1] = 0.0f;
        }
        return SREC_OK;
    }
    for (size_t i = 0; i < n_symbols; i++) {
        unsigned label[2] = {0, 0};
        for (unsigned b = 0; b < f->bits_per_symbol; b++, bit++) /* I and Q take turns: sign, sign, magnitude, ... */
            label[b & 1] = label[b & 1] << 1 | (bytes[bit >> 3] >> (7 - (bit & 7)) & 1);
        iq[2 * i] = level[label[0]];
        iq[2 * i + 1] = level[label[1]];
    }
    return SREC_OK;
}

/* Levels of an axis as odd integers, by label, and what one is worth. Integers, so that the level nearest to a received
 * value is one of them to the last bit, however small the noise. */
static float axis_integers(unsigned axis_bits, const float *level, float *odd)
{
    unsigned n = 1u << axis_bits;
    float unit = level[0] / (float)(n - 1);
    for (unsigned k = 0; k < n; k++)
        odd[k] = rintf(level[k] / unit);
    return unit;
}

/* Odd integer nearest to y, at most outermost. Exact ties may fall to either side. */
static inline float nearest_odd(float y, float outermost)
{
    y = y < outermost ? y : outermost;
    y = y > -outermost ? y : -outermost;
    return 2.0f * ((0.5f * (y + outermost) + 0x1.8p23f) - 0x1.8p23f) - outermost;
}

/* Exact LLRs of n received axis values y (gain 1, noise variance 1 / (2 a)): ln of the sum of exp(-a (y - level)^2)
 * over the levels with bit 0, minus the same over those with bit 1. Exponents are relative to the nearest level,
 * without cancellation: (y - l)^2 - (y - l0)^2 = (l - l0) (l + l0 - 2 y). They stop at -80, so LLRs saturate there.
 * \param[out] soft (axis_bits, 2 * BLOCK) */
SREC_CLONES static void axis_llr(unsigned axis_bits, const float *level, const float *restrict y,
                                 const float *restrict a, size_t n, float *restrict soft)
{
    float nearest[2 * BLOCK], twice[2 * BLOCK], scale[2 * BLOCK], p[2 * BLOCK], odd[MAX_LEVELS];
    float sum[MAX_AXIS_BITS][2][2 * BLOCK];
    unsigned n_levels = 1u << axis_bits;
    float unit = axis_integers(axis_bits, level, odd), per_unit = 1.0f / unit, outermost = (float)(n_levels - 1);
    for (size_t i = 0; i < n; i++) {
        nearest[i] = nearest_odd(y[i] * per_unit, outermost);
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
            soft[b * 2 * BLOCK + i] = srec_vlog(sum[b][0][i] / sum[b][1][i]);
}

/* Symbols to unit gain: y and a = |gain|^2 / n0 per real dimension; 0 and 0 for what is not finite or has no gain. */
SREC_CLONES static void equalise(const float *restrict iq, const float *restrict gain_iq, float n0, size_t n_symbols,
                                 float *restrict y, float *restrict a)
{
    const float per_n0 = 1.0f / n0;
    for (size_t i = 0; i < n_symbols; i++) {
        float re = iq[2 * i], im = iq[2 * i + 1], power = 1.0f;
        if (gain_iq) { /* y conj(gain) / |gain|^2: noise up by 1 / |gain|^2 */
            float g = gain_iq[2 * i], h = gain_iq[2 * i + 1];
            power = g * g + h * h;
            float r = (re * g + im * h) / power;
            im = (im * g - re * h) / power;
            re = r;
        }
        /* x - x is 0 for finite x only */
        int usable = (re - re == 0.0f) & (im - im == 0.0f) & (power - power == 0.0f) & (power > 1e-20f);
        re = re > AXIS_LIMIT ? AXIS_LIMIT : re < -AXIS_LIMIT ? -AXIS_LIMIT : re;
        im = im > AXIS_LIMIT ? AXIS_LIMIT : im < -AXIS_LIMIT ? -AXIS_LIMIT : im;
        y[2 * i] = usable ? re : 0.0f;
        y[2 * i + 1] = usable ? im : 0.0f;
        a[2 * i] = a[2 * i + 1] = usable ? power * per_n0 : 0.0f;
    }
}

srec_status srec_modem_demap(srec_modulation m, const float *iq, const float *gain_iq, float n0, size_t n_symbols,
                             float *soft)
{
    const format *f = find(m);
    if (!f || !(n0 > 0.0f) || !isfinite(n0) || (n_symbols && (!iq || !soft)))
        return SREC_ERR_ARG;
    n0 = n0 > 1e-30f ? n0 : 1e-30f;
    float level[MAX_LEVELS] = {0}, y[2 * BLOCK], a[2 * BLOCK], planar[MAX_AXIS_BITS * 2 * BLOCK];
    if (m != SREC_PAM256)
        axis_levels(f->axis_bits, m != SREC_BPSK, level);
    while (n_symbols) {
        size_t n = n_symbols < BLOCK ? n_symbols : BLOCK;
        equalise(iq, gain_iq, n0, n, y, a);
        if (m == SREC_PAM256) {
            for (size_t i = 0; i < 2 * n; i++) {
                soft[2 * i] = y[i];
                soft[2 * i + 1] = a[i] > 0.0f ? 0.5f / a[i] : 1e6f; /* so noisy that it says nothing */
            }
        } else if (f->axis_bits == 1) { /* antipodal: LLR = 4 level y a */
            size_t step = m == SREC_BPSK ? 2 : 1, n_soft = n * f->soft_per_symbol;
            for (size_t i = 0; i < n_soft; i++) {
                float llr = 4.0f * level[0] * y[step * i] * a[step * i];
                soft[i] = llr > LLR_MAX ? LLR_MAX : llr < -LLR_MAX ? -LLR_MAX : llr;
            }
        } else {
            unsigned bits = f->axis_bits;
            axis_llr(bits, level, y, a, 2 * n, planar);
            for (size_t i = 0; i < n; i++) /* I and Q take turns */
                for (unsigned b = 0; b < bits; b++) {
                    soft[(i * bits + b) * 2] = planar[b * 2 * BLOCK + 2 * i];
                    soft[(i * bits + b) * 2 + 1] = planar[b * 2 * BLOCK + 2 * i + 1];
                }
        }
        iq += 2 * n;
        gain_iq = gain_iq ? gain_iq + 2 * n : NULL;
        soft += n * f->soft_per_symbol;
        n_symbols -= n;
    }
    return SREC_OK;
}

/* source[j]: which bit of the group (most significant bit of its first byte is 0) travels as the group's j-th bit.
 * Transmission positions sorted by protection class (axis bit), payload bits by significance; equal ones in order. */
static void importance_order(const format *f, unsigned source[24])
{
    unsigned n = 8 * f->group_bytes, position[24], filled = 0;
    for (unsigned class = 0; class < f->axis_bits; class ++)
        for (unsigned j = 0; j < n; j++)
            if (j % f->bits_per_symbol / 2 == class)
                position[filled++] = j;
    filled = 0;
    for (unsigned significance = 0; significance < 8; significance++)
        for (unsigned byte = 0; byte < f->group_bytes; byte++)
            source[position[filled++]] = 8 * byte + significance;
}

static bool reorders(srec_modulation m) { return m == SREC_16QAM || m == SREC_64QAM || m == SREC_256QAM; }

srec_status srec_modem_order_bytes(srec_modulation m, const uint8_t *in, uint8_t *out, size_t n_bytes)
{
    const format *f = find(m);
    if (!f || (n_bytes && (!in || !out)) || n_bytes % f->group_bytes)
        return SREC_ERR_ARG;
    if (!reorders(m)) {
        memcpy(out, in, n_bytes);
        return SREC_OK;
    }
    unsigned source[24];
    importance_order(f, source);
    for (; n_bytes; n_bytes -= f->group_bytes, in += f->group_bytes, out += f->group_bytes)
        for (unsigned byte = 0; byte < f->group_bytes; byte++) {
            unsigned v = 0;
            for (unsigned b = 0; b < 8; b++) {
                unsigned s = source[8 * byte + b];
                v = v << 1 | (in[s >> 3] >> (7 - (s & 7)) & 1);
            }
            out[byte] = (uint8_t)v;
        }
    return SREC_OK;
}

srec_status srec_modem_restore_soft(srec_modulation m, const float *in, float *out, size_t n_bytes)
{
    const format *f = find(m);
    if (!f || (n_bytes && (!in || !out)) || n_bytes % f->group_bytes)
        return SREC_ERR_ARG;
    if (!reorders(m)) {
        memcpy(out, in, n_bytes * f->soft_per_byte * sizeof *out);
        return SREC_OK;
    }
    unsigned source[24], n = 8 * f->group_bytes;
    importance_order(f, source);
    for (; n_bytes; n_bytes -= f->group_bytes, in += n, out += n)
        for (unsigned j = 0; j < n; j++)
            out[source[j]] = in[j];
    return SREC_OK;
}

srec_status srec_modem_decide(srec_modulation m, const float *soft, size_t n_bytes, uint8_t *bytes)
{
    if (!find(m) || (n_bytes && (!soft || !bytes)))
        return SREC_ERR_ARG;
    for (size_t i = 0; i < n_bytes; i++)
        if (m == SREC_PAM256) {
            float c = soft[2 * i] / SREC_PAM256_STEP + 127.5f;
            bytes[i] = (uint8_t)(c > 0.0f ? (c < 255.0f ? lrintf(c) : 255) : 0);
        } else {
            unsigned v = 0;
            for (unsigned b = 0; b < 8; b++)
                v = v << 1 | (soft[8 * i + b] < 0.0f);
            bytes[i] = (uint8_t)v;
        }
    return SREC_OK;
}

/* Sum of the posterior mean of |y - level|^2 over n axis values, if the noise power is n0: one step of expectation
 * maximisation. */
SREC_CLONES static double axis_residual(unsigned axis_bits, const float *level, const float *restrict y, size_t n,
                                        float n0)
{
    float nearest[2 * BLOCK], u[2 * BLOCK], weight[2 * BLOCK], residual[2 * BLOCK], odd[MAX_LEVELS];
    unsigned n_levels = 1u << axis_bits;
    float unit = axis_integers(axis_bits, level, odd), per_unit = 1.0f / unit, outermost = (float)(n_levels - 1);
    float scale = -(unit * unit) / n0;
    for (size_t i = 0; i < n; i++) {
        u[i] = y[i] * per_unit;
        nearest[i] = nearest_odd(u[i], outermost);
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

/* ln of what a step of expectation maximisation multiplies n0 by: 0 at the maximum of the likelihood. */
static double em_step(const format *f, const float *level, const float *iq, size_t n_symbols, double n0)
{
    double sum = 0;
    size_t used = 0;
    float y[2 * BLOCK], quadrature = 0;
    for (size_t first = 0; first < n_symbols; first += BLOCK) {
        size_t n = n_symbols - first < BLOCK ? n_symbols - first : BLOCK, kept = 0;
        quadrature = 0;
        for (size_t i = first; i < first + n; i++) {
            float re = iq[2 * i], im = iq[2 * i + 1];
            if (!(fabsf(re) <= AXIS_LIMIT && fabsf(im) <= AXIS_LIMIT)) /* NaN too */
                continue;
            used++;
            y[kept++] = re;
            if (f->bits_per_symbol > 1)
                y[kept++] = im;
            else
                quadrature += im * im; /* BPSK's empty axis is noise alone */
        }
        sum += quadrature + axis_residual(f->axis_bits, level, y, kept, (float)n0);
    }
    return used ? log(sum / (double)used / n0) : INFINITY;
}

srec_status srec_modem_estimate_n0(srec_modulation m, const float *iq, size_t n_symbols, float *n0)
{
    const format *f = find(m);
    if (!f || !iq || !n0 || n_symbols < 16)
        return SREC_ERR_ARG;
    if (m == SREC_PAM256) { /* its levels are too close to see: second moment, Es = 1 */
        double power = 0;
        size_t used = 0;
        for (size_t i = 0; i < n_symbols; i++) {
            float re = iq[2 * i], im = iq[2 * i + 1];
            if (!(fabsf(re) <= AXIS_LIMIT && fabsf(im) <= AXIS_LIMIT))
                continue;
            power += (double)re * re + (double)im * im;
            used++;
        }
        double estimate = used ? power / (double)used - 1.0 : N0_MAX;
        *n0 = (float)(estimate < N0_MIN ? N0_MIN : estimate > N0_MAX ? N0_MAX : estimate);
        return SREC_OK;
    }
    /* The fixed point of expectation maximisation. The step's sign tells on which side of it n0 is, so it is bracketed
     * and found by false position (Illinois rule) over ln n0; plain iteration takes hundreds of steps where levels
     * blur. */
    float level[MAX_LEVELS];
    axis_levels(f->axis_bits, m != SREC_BPSK, level);
    size_t used = n_symbols < N0_SYMBOLS ? n_symbols : N0_SYMBOLS;
    double low = log(N0_MIN), high = log(N0_MAX);
    double at_low = em_step(f, level, iq, used, N0_MIN), at_high = em_step(f, level, iq, used, N0_MAX), x = low;
    if (!(at_low > 0.0))
        x = low;
    else if (!(at_high < 0.0))
        x = high;
    else
        for (unsigned iteration = 0, last = 0; iteration < 60 && high - low > 1e-4; iteration++) {
            x = (low * at_high - high * at_low) / (at_high - at_low);
            double at = em_step(f, level, iq, used, exp(x));
            if (fabs(at) < 1e-6)
                break;
            if (at > 0.0) {
                low = x;
                at_low = at;
                at_high *= last == 1 ? 0.5 : 1.0; /* same end moved twice: pull the other */
                last = 1;
            } else {
                high = x;
                at_high = at;
                at_low *= last == 2 ? 0.5 : 1.0;
                last = 2;
            }
        }
    double estimate = exp(x);
    *n0 = (float)(estimate < N0_MIN ? N0_MIN : estimate > N0_MAX ? N0_MAX : estimate);
    return SREC_OK;
}
