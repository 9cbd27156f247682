/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Shared by mapper (modem.c), demapper (demap.c) and noise estimate (noise_estimate.c).
 *
 *  Square QAM consists of two independent Gray-coded amplitude axes. The axis bits are the reflected Gray code of
 *  the level counted from the right: the first bit is 0 on the positive side, the second is 0 in the outer half, and
 *  so on. From the right, in units of half the distance between levels:
 *
 *      level           +15  +13  +11  +9   +7   +5   +3   +1   -1   -3   -5   -7   -9   -11  -13  -15
 *      BPSK, QPSK                                         0    1
 *      16QAM                                         00   01   11   10
 *      64QAM                               000  001  011  010  110  111  101  100
 *      256QAM          0000 0001 0011 0010 0110 0111 0101 0100 1100 1101 1111 1110 1010 1011 1001 1000
 *
 *  The unit is 1 for BPSK, else sqrt(1/2), sqrt(1/10), sqrt(1/42), sqrt(1/170), which gives unit mean power per
 *  symbol. */
#ifndef SREC_MODEM_INTERNAL_H
#define SREC_MODEM_INTERNAL_H

#include <srec/modem.h>

#include <math.h>
#include <stdbool.h>

#define SREC_AXIS_BITS_MAX   4
#define SREC_AXIS_LEVELS_MAX 16
#define SREC_MODEM_BLOCK     64u  /* symbols that are processed together */
#define SREC_AXIS_LIMIT      1e4f /* received values are clamped to this */

/* All properties of a modulation. */
typedef struct srec_modem_format {
    const char *name;
    unsigned bits_per_symbol;
    unsigned soft_per_symbol;
    unsigned soft_per_byte;
    unsigned granule;     /* frame bytes that fill a whole number of symbols */
    unsigned axis_bits;   /* bits per real dimension; BPSK uses one dimension only; 0 for pam256 */
    unsigned group_bytes; /* size of a group of the importance order */
} srec_modem_format;

/* \return NULL if out of range */
const srec_modem_format *srec_modem_find(srec_modulation m);

/* Amplitude of each axis label (its first bit is the sign), scaled for unit mean power per symbol.
 * \param[out] level (2^axis_bits) */
void srec_axis_levels(unsigned axis_bits, bool complex_symbol, float *level);

/* Levels of an axis as odd integers, by label, and the amplitude of one unit. With integers, the level nearest to a
 * received value equals one of them exactly, however small the noise. */
static inline float srec_axis_integers(unsigned axis_bits, const float *level, float *odd)
{
    const unsigned n = 1u << axis_bits;
    const float unit = level[0] / (float)(n - 1);
    for (unsigned k = 0; k < n; k++)
        odd[k] = rintf(level[k] / unit);
    return unit;
}

/* Odd integer nearest to y, at most outermost. Ties may go to either side. */
static inline float srec_nearest_odd(float y, float outermost)
{
    y = y < outermost ? y : outermost;
    y = y > -outermost ? y : -outermost;
    return 2.0f * ((0.5f * (y + outermost) + 0x1.8p23f) - 0x1.8p23f) - outermost;
}

#endif /* SREC_MODEM_INTERNAL_H */
