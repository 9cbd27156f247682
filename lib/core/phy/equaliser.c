/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "equaliser.h"

#include <complex.h>
#include <math.h>

#define TAPS  SREC_EQUALISER_TAPS
#define WORTH 0.89 /* -0.5 dB */

typedef double complex number;

/* Solve a x = b for Hermitian positive definite a (TAPS, TAPS), by Cholesky decomposition in place.
 * \return false if a is not definite */
static bool solve(number a[TAPS][TAPS], const number b[TAPS], number x[TAPS])
{
    for (unsigned j = 0; j < TAPS; j++) {
        double d = creal(a[j][j]);
        for (unsigned k = 0; k < j; k++)
            d -= creal(a[j][k] * conj(a[j][k]));
        if (!(d > 0))
            return false;
        const double root = sqrt(d);
        a[j][j] = root;
        for (unsigned i = j + 1; i < TAPS; i++) {
            number s = a[i][j];
            for (unsigned k = 0; k < j; k++)
                s -= a[i][k] * conj(a[j][k]);
            a[i][j] = s / root;
        }
    }
    for (unsigned i = 0; i < TAPS; i++) {
        number s = b[i];
        for (unsigned k = 0; k < i; k++)
            s -= a[i][k] * x[k];
        x[i] = s / a[i][i];
    }
    for (unsigned i = TAPS; i-- > 0;) {
        number s = x[i];
        for (unsigned k = i + 1; k < TAPS; k++)
            s -= conj(a[k][i]) * x[k];
        x[i] = s / a[i][i];
    }
    return true;
}

bool srec_equaliser_train(const float *rows, const float *known, size_t n, float *taps)
{
    number r[TAPS][TAPS] = { { 0 } }, p[TAPS] = { 0 }, w[TAPS];
    double power = 0;
    for (size_t k = 0; k < n; k++) {
        number y[TAPS];
        const number x = (double)known[2 * k] + (double)known[2 * k + 1] * I;
        for (unsigned i = 0; i < TAPS; i++)
            y[i] = (double)rows[2 * (k * TAPS + i)] + (double)rows[2 * (k * TAPS + i) + 1] * I;
        for (unsigned i = 0; i < TAPS; i++) {
            p[i] += conj(y[i]) * x;
            for (unsigned j = 0; j <= i; j++)
                r[i][j] += conj(y[i]) * y[j];
        }
        power += creal(x * conj(x));
    }
    const unsigned middle = TAPS / 2;
    const double count = (double)n, own = creal(r[middle][middle]);
    if (!(own > 0))
        return false;
    const double alone = (power - creal(p[middle] * conj(p[middle])) / own) * (count + 1) / (count - 1);
    for (unsigned i = 0; i < TAPS; i++)
        r[i][i] += 1e-3 * own; /* the noise of half-symbol samples is coloured: keeps the matrix definite */
    if (!solve(r, p, w))
        return false;
    double left = 0;
    for (size_t k = 0; k < n; k++) {
        number e = (double)known[2 * k] + (double)known[2 * k + 1] * I;
        for (unsigned i = 0; i < TAPS; i++)
            e -= w[i] * ((double)rows[2 * (k * TAPS + i)] + (double)rows[2 * (k * TAPS + i) + 1] * I);
        left += creal(e * conj(e));
    }
    for (unsigned i = 0; i < TAPS; i++) {
        taps[2 * i] = (float)creal(w[i]);
        taps[2 * i + 1] = (float)cimag(w[i]);
    }
    return left * (count + TAPS) / (count - TAPS) < WORTH * alone;
}
