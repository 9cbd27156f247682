/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Square QAM is two independent Gray-coded amplitude axes. With m bits an axis, the levels from the left are the reflected
 * Gray code of m bits: bit 0 (sign) 0 on the positive side; magnitude bits 0 farthest out, so 16QAM is
 *
 *      level   +3  +1  -1  -3      (times 1/sqrt(10))
 *      bits    00  01  11  10      sign, magnitude
 */
#include <srec/modem.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <volk/volk.h>

#define MAX_AXIS_BITS 4
#define MAX_LEVELS 16

/* Everything that follows from a modulation, in one place. */
typedef struct {
    const char *name;
    unsigned bits_per_symbol, soft_per_symbol, soft_per_byte, granule;
    unsigned axis_bits;       /* bits per real dimension; BPSK uses one dimension only; 0 for pam256 */
    unsigned group_bytes;     /* importance order works in groups of so many bytes */
} format;

static const format formats[SREC_MODULATIONS] = {
    [SREC_BPSK] = { "bpsk", 1, 1, 8, 1, 1, 1 },     [SREC_QPSK] = { "qpsk", 2, 2, 8, 1, 1, 1 },
    [SREC_16QAM] = { "16qam", 4, 4, 8, 1, 2, 1 },   [SREC_64QAM] = { "64qam", 6, 6, 8, 3, 3, 3 },
    [SREC_256QAM] = { "256qam", 8, 8, 8, 1, 4, 1 }, [SREC_PAM256] = { "pam256", 16, 4, 2, 2, 0, 1 },
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
        unsigned label[2] = { 0, 0 };
        for (unsigned b = 0; b < f->bits_per_symbol; b++, bit++) /* I and Q take turns: sign, sign, magnitude, ... */
            label[b & 1] = label[b & 1] << 1 | (bytes[bit >> 3] >> (7 - (bit & 7)) & 1);
        iq[2 * i] = level[label[0]];
        iq[2 * i + 1] = level[label[1]];
    }
    return SREC_OK;
}

/* Exact LLRs of one axis: a received value y of unit-gain levels in noise of variance 1 / (2 * a). Metrics are relative to the
 * best level, so the sums never vanish altogether; LLRs are limited by FLT_MIN, about +-87. */
static void axis_llr(unsigned axis_bits, const float *level, float y, float a, float *soft, unsigned stride)
{
    float p[MAX_LEVELS], best = INFINITY;
    unsigned n = 1u << axis_bits;
    for (unsigned i = 0; i < n; i++) {
        float d = y - level[i];
        p[i] = d * d;
        if (p[i] < best)
            best = p[i];
    }
    for (unsigned i = 0; i < n; i++)
        p[i] = expf(a * (best - p[i]));
    for (unsigned b = 0; b < axis_bits; b++) {
        float zero = 1e-38f, one = 1e-38f;
        for (unsigned i = 0; i < n; i++)
            if (i >> (axis_bits - 1 - b) & 1)
                one += p[i];
            else
                zero += p[i];
        soft[b * stride] = logf(zero / one);
    }
}

srec_status srec_modem_demap(srec_modulation m, const float *iq, const float *gain_iq, float n0, size_t n_symbols, float *soft)
{
    const format *f = find(m);
    if (!f || !(n0 > 0.0f) || !isfinite(n0) || (n_symbols && (!iq || !soft)))
        return SREC_ERR_ARG;
    float level[MAX_LEVELS] = { 0 };
    if (m != SREC_PAM256)
        axis_levels(f->axis_bits, m != SREC_BPSK, level);
    if (m == SREC_QPSK && !gain_iq) { /* both axes are antipodal: LLR = 4 a y / N0 */
        volk_32f_s32f_multiply_32f(soft, iq, 4.0f * level[0] / n0, (unsigned)(2 * n_symbols));
        for (size_t i = 0; i < 2 * n_symbols; i++)
            if (!isfinite(soft[i]))
                soft[i] = 0.0f;
        return SREC_OK;
    }
    for (size_t i = 0; i < n_symbols; i++, soft += f->soft_per_symbol) {
        float y[2] = { iq[2 * i], iq[2 * i + 1] }, power = 1.0f;
        if (gain_iq) { /* y conj(gain) / |gain|^2: unit gain, noise up by 1 / |gain|^2 */
            float g = gain_iq[2 * i], h = gain_iq[2 * i + 1];
            power = g * g + h * h;
            float re = (y[0] * g + y[1] * h) / power, im = (y[1] * g - y[0] * h) / power;
            y[0] = re;
            y[1] = im;
        }
        bool usable = isfinite(y[0]) && isfinite(y[1]) && power > 1e-20f && isfinite(power);
        if (m == SREC_PAM256) {
            for (unsigned axis = 0; axis < 2; axis++) {
                soft[2 * axis] = usable ? y[axis] : 0.0f;
                soft[2 * axis + 1] = usable ? 0.5f * n0 / power : 1e6f; /* so noisy that it says nothing */
            }
        } else if (!usable) {
            for (unsigned b = 0; b < f->soft_per_symbol; b++)
                soft[b] = 0.0f;
        } else if (f->axis_bits == 1) {
            for (unsigned b = 0; b < f->soft_per_symbol; b++)
                soft[b] = 4.0f * level[0] * y[b] * power / n0;
        } else {
            axis_llr(f->axis_bits, level, y[0], power / n0, soft, 2);
            axis_llr(f->axis_bits, level, y[1], power / n0, soft + 1, 2);
        }
    }
    return SREC_OK;
}

/* source[j]: which bit of the group (most significant bit of its first byte is 0) travels as the group's j-th bit. Transmission
 * positions sorted by protection class (axis bit), payload bits by significance; equal ones in order. */
static void importance_order(const format *f, unsigned source[24])
{
    unsigned n = 8 * f->group_bytes, position[24], filled = 0;
    for (unsigned class = 0; class < f->axis_bits; class++)
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

srec_status srec_modem_estimate_n0(srec_modulation m, const float *iq, size_t n_symbols, float *n0)
{
    const format *f = find(m);
    if (!f || !iq || !n0 || n_symbols < 16)
        return SREC_ERR_ARG;
    double power = 0;
    for (size_t i = 0; i < 2 * n_symbols; i++)
        power += (double)iq[i] * iq[i];
    power /= (double)n_symbols;
    double estimate = power - 1.0; /* Es = 1 */
    if (m != SREC_PAM256) {
        /* EM: the expected squared distance to the constellation under the posterior of the current N0. It starts from far too
         * much noise, so that it does not stick at a small N0; BPSK's empty axis is noise alone. */
        float level[MAX_LEVELS];
        axis_levels(f->axis_bits, m != SREC_BPSK, level);
        unsigned n = 1u << f->axis_bits, axes = m == SREC_BPSK ? 1 : 2;
        size_t used = n_symbols < 4096 ? n_symbols : 4096;
        estimate = 4.0;
        for (unsigned iteration = 0; iteration < 60; iteration++) {
            double sum = 0;
            for (size_t i = 0; i < used; i++)
                for (unsigned axis = 0; axis < 2; axis++) {
                    float y = iq[2 * i + axis];
                    if (axis >= axes) {
                        sum += (double)y * y;
                        continue;
                    }
                    float distance[MAX_LEVELS], best = INFINITY, weight = 0, expected = 0;
                    for (unsigned k = 0; k < n; k++) {
                        distance[k] = (y - level[k]) * (y - level[k]);
                        if (distance[k] < best)
                            best = distance[k];
                    }
                    for (unsigned k = 0; k < n; k++) {
                        float p = expf((best - distance[k]) / (float)estimate);
                        weight += p;
                        expected += p * distance[k];
                    }
                    sum += expected / weight;
                }
            double next = sum / (double)used;
            bool settled = fabs(next - estimate) < 1e-4 * estimate;
            estimate = next > 1e-5 ? next : 1e-5;
            if (settled)
                break;
        }
    }
    *n0 = (float)(estimate < 1e-5 || !isfinite(estimate) ? 1e-5 : estimate > 10.0 ? 10.0 : estimate);
    return SREC_OK;
}
