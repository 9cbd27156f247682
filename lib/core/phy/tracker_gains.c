/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The complex gain along a burst, and the noise: from groups of known symbols, smoothed, applied to data. */
#include "tracker_internal.h"

#include <math.h>

/* \param[in,out] scatter sum of squared distances from the group's mean */
static void observe_group(srec_gain_observation *o, const float *y, const float *known, unsigned n, double at,
                          double *scatter)
{
    double re = 0, im = 0, energy = 0;
    for (unsigned k = 0; k < n; k++) {
        const double zr = (double)(y[2 * k] * known[2 * k] + y[2 * k + 1] * known[2 * k + 1]);
        const double zi = (double)(y[2 * k + 1] * known[2 * k] - y[2 * k] * known[2 * k + 1]);
        re += zr;
        im += zi;
        energy += zr * zr + zi * zi;
    }
    *o = (srec_gain_observation){ .at = at + 0.5 * (n - 1), .re = re / n, .im = im / n, .weight = n };
    *scatter += energy - (re * re + im * im) / n;
}

/* Weighted sums over groups, for the fit of a line. */
typedef struct {
    double s0; /* of weights */
    double s1; /* of weights times distance */
    double s2; /* of weights times square of the distance */
    double re; /* of weighted gains */
    double im;
    double re_x; /* of weighted gains times distance */
    double im_x;
} line_sums;

/* \param i the group from which distances count
 * \param h groups to each side of it */
static line_sums sum_groups(const srec_gain_observation *o, size_t n, size_t i, size_t h)
{
    line_sums s = { 0 };
    for (size_t j = i > h ? i - h : 0; j < n && j <= i + h; j++) {
        const double x = o[j].at - o[i].at;
        const double w = o[j].weight;
        s.s0 += w;
        s.s1 += w * x;
        s.s2 += w * x * x;
        s.re += w * o[j].re;
        s.im += w * o[j].im;
        s.re_x += w * x * o[j].re;
        s.im_x += w * x * o[j].im;
    }
    return s;
}

/* Smooth the gains: fit a line through each group and its h neighbours on both sides.
 * \return mean squared error, weighted by symbols, of the prediction of each group from its neighbours alone */
static double smooth(srec_gain_observation *o, size_t n, size_t h)
{
    double error = 0;
    double weights = 0;
    for (size_t i = 0; i < n; i++) {
        const line_sums s = sum_groups(o, n, i, h);
        const double det = s.s0 * s.s2 - s.s1 * s.s1;
        const double own = o[i].weight * s.s2 / det; /* weight of the group in its own fit */
        o[i].fit_re = (s.s2 * s.re - s.s1 * s.re_x) / det;
        o[i].fit_im = (s.s2 * s.im - s.s1 * s.im_x) / det;
        const double er = (o[i].re - o[i].fit_re) / (1 - own);
        const double ei = (o[i].im - o[i].fit_im) / (1 - own);
        if (own < 0.999 && o[i].weight < SREC_GAIN_GROUP) { /* only pilot blocks: the data lie among them */
            error += o[i].weight * (er * er + ei * ei);
            weights += o[i].weight;
        }
    }
    return weights > 0 ? error / weights : INFINITY;
}

/* Step 8, first half. Measure the gain of each group of known symbols.
 * \return sum of squared distances of known symbols from the means of their groups */
static double observe_gains(srec_tracker *t, const srec_track *b)
{
    const float *symbols = t->symbols.data;
    srec_gain_observation *o = t->observations.data;
    double scatter = 0;
    for (unsigned g = 0; g < SREC_GAIN_GROUPS; g++) {
        const size_t first = g * SREC_GAIN_GROUP;
        observe_group(&o[g], symbols + 2 * first, t->preamble + 2 * first, SREC_GAIN_GROUP, (double)first, &scatter);
    }
    for (size_t u = 0; u < b->units; u++) {
        const size_t at = srec_track_pilots_start(b, u);
        const float *known = t->pilots + 2 * (u * SREC_BURST_PILOTS % SREC_PILOT_PERIOD);
        observe_group(&o[SREC_GAIN_GROUPS + u], symbols + 2 * at, known, SREC_BURST_PILOTS, (double)at, &scatter);
    }
    return scatter;
}

/* Step 8, second half. Smooth with the width that best predicts left-out blocks.
 * \return mean squared error of that prediction */
static double choose_width(srec_tracker *t, const srec_track *b)
{
    static const size_t widths[] = { 2, 4, 8, 16, 32 };
    const size_t n_groups = SREC_GAIN_GROUPS + b->units;
    srec_gain_observation *o = t->observations.data;
    double best = INFINITY;
    size_t best_width = widths[0];
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const double error = smooth(o, n_groups, widths[i]);
        if (error < best) {
            best = error;
            best_width = widths[i];
        }
    }
    smooth(o, n_groups, best_width);
    return best;
}

/* Step 9. The error of a left-out block, beyond its own noise, is the error of the gain.
 * \param scatter of observe_gains()
 * \param error of choose_width() */
static void measure_noise(srec_track *b, double scatter, double error)
{
    const size_t degrees = SREC_BURST_PREAMBLE - SREC_GAIN_GROUPS + b->units * (SREC_BURST_PILOTS - 1);
    b->n0 = fmax(scatter / (double)degrees, 1e-30);
    b->gain_error = error < INFINITY ? fmax(0, error - b->n0 / SREC_BURST_PILOTS) : 0;
}

void srec_track_measure_gains(srec_tracker *t, srec_track *b)
{
    const double scatter = observe_gains(t, b);
    const double error = choose_width(t, b);
    measure_noise(b, scatter, error);
}

void srec_track_apply_gains(srec_tracker *t, srec_track *b)
{
    const srec_gain_observation *o = t->observations.data;
    float *symbols = t->symbols.data, *gains = t->gains.data;
    size_t n = 0, g = SREC_GAIN_GROUPS - 1; /* between groups g and g + 1 */
    b->power = 0;
    for (size_t u = 0; u < b->units; u++, g++) {
        const double dx = o[g + 1].at - o[g].at;
        const size_t start = srec_unit_start(u);
        for (size_t k = start; k < start + srec_unit_data(u, b->n_data); k++, n++) {
            const double x = ((double)k - o[g].at) / dx;
            const double gr = o[g].fit_re + x * (o[g + 1].fit_re - o[g].fit_re);
            const double gi = o[g].fit_im + x * (o[g + 1].fit_im - o[g].fit_im), size = sqrt(gr * gr + gi * gi);
            const double c = size > 0 ? gr / size : 1, s = size > 0 ? gi / size : 0;
            const double yr = (double)symbols[2 * k], yi = (double)symbols[2 * k + 1];
            symbols[2 * n] = (float)(yr * c + yi * s);
            symbols[2 * n + 1] = (float)(yi * c - yr * s);
            gains[2 * n] = (float)size;
            gains[2 * n + 1] = 0;
            b->power += size * size;
        }
    }
    b->power = fmax(b->power / (double)b->n_data, 1e-30);
}
