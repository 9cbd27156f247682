/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How far the oneDNN backend may be from the reference, and either from PyTorch: the one table.
 *  Largest difference over a plane, relative to the plane's largest magnitude. Convolutions differ by the order of
 *  their sums,
 *  sigmoids by the exponential, bf16 by 8 bits of mantissa (2^-9 a rounding) in activations and weights. */
#ifndef SREC_TESTS_TOLERANCES_H
#define SREC_TESTS_TOLERANCES_H

struct tolerance {
    const char *kind;
    double f32, bf16;
};

static const tolerance TOLERANCES[] = {
    { "conv", 5e-6, 1.5e-2 },  { "sigmoid", 1e-6, 8e-3 }, { "sum", 1e-7, 8e-3 }, /* add, mul */
    { "move", 0, 4e-3 },       /* relu, concat, shuffles: what comes out went in; bf16 rounds it once */
    { "network", 1e-5, 4e-2 }, /* many layers, one after the other */
    { "golden", 2e-5, 3e-2 }   /* the shipped networks against PyTorch's f32 result */
};

inline double tolerance_of(const char *kind, bool bf16)
{
    for (const tolerance &t : TOLERANCES)
        if (__builtin_strcmp(t.kind, kind) == 0)
            return bf16 ? t.bf16 : t.f32;
    return -1;
}

#endif
