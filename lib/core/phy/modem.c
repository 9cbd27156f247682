/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Modulations: names and sizes, mapper, importance order, hard decisions. */
#include "modem_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GROUP_BITS_MAX 24 /* of an importance group: 3 bytes with 64QAM */

static const srec_modem_format formats[SREC_MODULATIONS] = {
    [SREC_BPSK] = { "bpsk", 1, 1, 8, 1, 1, 1 },     [SREC_QPSK] = { "qpsk", 2, 2, 8, 1, 1, 1 },
    [SREC_16QAM] = { "16qam", 4, 4, 8, 1, 2, 1 },   [SREC_64QAM] = { "64qam", 6, 6, 8, 3, 3, 3 },
    [SREC_256QAM] = { "256qam", 8, 8, 8, 1, 4, 1 }, [SREC_PAM256] = { "pam256", 16, 4, 2, 2, 0, 1 },
};

const srec_modem_format *srec_modem_find(srec_modulation m)
{
    return (unsigned)m < SREC_MODULATIONS ? &formats[m] : NULL;
}

const char *srec_modulation_name(srec_modulation m) { return srec_modem_find(m) ? srec_modem_find(m)->name : NULL; }

srec_status srec_modulation_parse(const char *name, srec_modulation *out)
{
    for (unsigned i = 0; name && out && i < SREC_MODULATIONS; i++)
        if (strcasecmp(name, formats[i].name) == 0) {
            *out = (srec_modulation)i;
            return SREC_OK;
        }
    return SREC_ERR_ARG;
}

unsigned srec_modem_bits_per_symbol(srec_modulation m)
{
    return srec_modem_find(m) ? srec_modem_find(m)->bits_per_symbol : 0;
}
unsigned srec_modem_soft_per_symbol(srec_modulation m)
{
    return srec_modem_find(m) ? srec_modem_find(m)->soft_per_symbol : 0;
}
unsigned srec_modem_soft_per_byte(srec_modulation m)
{
    return srec_modem_find(m) ? srec_modem_find(m)->soft_per_byte : 0;
}
unsigned srec_modem_byte_granule(srec_modulation m) { return srec_modem_find(m) ? srec_modem_find(m)->granule : 0; }

size_t srec_modem_symbols(srec_modulation m, size_t n_bytes)
{
    const srec_modem_format *f = srec_modem_find(m);
    return f ? (n_bytes + f->granule - 1) / f->granule * (8 * f->granule / f->bits_per_symbol) : 0;
}

void srec_axis_levels(unsigned axis_bits, bool complex_symbol, float *level)
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

static void map_pam256(const uint8_t *bytes, size_t n_bytes, float *iq)
{
    for (size_t i = 0; i < n_bytes; i++)
        iq[i] = ((float)bytes[i] - 127.5f) * SREC_PAM256_STEP;
}

static void map_bpsk(const uint8_t *bytes, size_t n_symbols, const float *level, float *iq)
{
    for (size_t i = 0; i < n_symbols; i++) {
        iq[2 * i] = level[bytes[i >> 3] >> (7 - (i & 7)) & 1];
        iq[2 * i + 1] = 0.0f;
    }
}

/* I and Q alternate: sign, sign, magnitude, ... */
static void map_qam(unsigned bits_per_symbol, const uint8_t *bytes, size_t n_symbols, const float *level, float *iq)
{
    size_t bit = 0;
    for (size_t i = 0; i < n_symbols; i++) {
        unsigned label[2] = { 0, 0 };
        for (unsigned b = 0; b < bits_per_symbol; b++, bit++)
            label[b & 1] = label[b & 1] << 1 | (bytes[bit >> 3] >> (7 - (bit & 7)) & 1);
        iq[2 * i] = level[label[0]];
        iq[2 * i + 1] = level[label[1]];
    }
}

srec_status srec_modem_map(srec_modulation m, const uint8_t *bytes, size_t n_bytes, float *iq)
{
    const srec_modem_format *f = srec_modem_find(m);
    if (!f || (n_bytes && (!bytes || !iq)) || n_bytes % f->granule)
        return SREC_ERR_ARG;
    if (m == SREC_PAM256) {
        map_pam256(bytes, n_bytes, iq);
        return SREC_OK;
    }
    float level[SREC_AXIS_LEVELS_MAX] = { 0 };
    srec_axis_levels(f->axis_bits, m != SREC_BPSK, level);
    if (m == SREC_BPSK)
        map_bpsk(bytes, srec_modem_symbols(m, n_bytes), level, iq);
    else
        map_qam(f->bits_per_symbol, bytes, srec_modem_symbols(m, n_bytes), level, iq);
    return SREC_OK;
}

/* source[j] is the bit of the group (0: most significant bit of its first byte) that travels as the group's j-th bit.
 * Transmission positions are sorted by protection class (axis bit), payload bits by significance. Equal ones keep their
 * order. */
static void importance_order(const srec_modem_format *f, unsigned source[GROUP_BITS_MAX])
{
    const unsigned n = 8 * f->group_bytes;
    unsigned position[GROUP_BITS_MAX] = { 0 };
    unsigned filled = 0;
    for (unsigned protection = 0; protection < f->axis_bits; protection++)
        for (unsigned j = 0; j < n; j++)
            if (j % f->bits_per_symbol / 2 == protection)
                position[filled++] = j;
    filled = 0;
    for (unsigned significance = 0; significance < 8; significance++)
        for (unsigned byte = 0; byte < f->group_bytes; byte++)
            source[position[filled++]] = 8 * byte + significance;
}

static bool reorders(srec_modulation m) { return m == SREC_16QAM || m == SREC_64QAM || m == SREC_256QAM; }

srec_status srec_modem_order_bytes(srec_modulation m, const uint8_t *in, uint8_t *out, size_t n_bytes)
{
    const srec_modem_format *f = srec_modem_find(m);
    if (!f || (n_bytes && (!in || !out)) || n_bytes % f->group_bytes)
        return SREC_ERR_ARG;
    if (!reorders(m)) {
        memcpy(out, in, n_bytes);
        return SREC_OK;
    }
    unsigned source[GROUP_BITS_MAX];
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
    const srec_modem_format *f = srec_modem_find(m);
    if (!f || (n_bytes && (!in || !out)) || n_bytes % f->group_bytes)
        return SREC_ERR_ARG;
    if (!reorders(m)) {
        memcpy(out, in, n_bytes * f->soft_per_byte * sizeof *out);
        return SREC_OK;
    }
    unsigned source[GROUP_BITS_MAX], n = 8 * f->group_bytes;
    importance_order(f, source);
    for (; n_bytes; n_bytes -= f->group_bytes, in += n, out += n)
        for (unsigned j = 0; j < n; j++)
            out[source[j]] = in[j];
    return SREC_OK;
}

srec_status srec_modem_decide(srec_modulation m, const float *soft, size_t n_bytes, uint8_t *bytes)
{
    if (!srec_modem_find(m) || (n_bytes && (!soft || !bytes)))
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
