/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The tracker on the preamble: confirmation and fix, drift, echoes. */
#include "equaliser.h"
#include "tracker_internal.h"

#include <math.h>
#include <string.h>

/* The timing of a fix is searched in steps of 1 / FIX_STEPS symbol, FIX_STEPS / 2 of them to each side. */
#define FIX_STEPS  8
#define FIX_BINS   9                            /* and its frequency in this many steps of FIX_BIN to each side */
#define FIX_BIN    (0.25 / SREC_BURST_PREAMBLE) /* cycles per symbol */
#define RATE_SMALL 4e-6                         /* rad per symbol^2: a slower drift does not affect the preamble */

/* Power of the sum of z[n], rotated back by f cycles per symbol. */
static double power_at(const float *z, double f)
{
    double re = 0, im = 0, c = 1, s = 0;
    const double dc = cos(SREC_TWO_PI * f), ds = -sin(SREC_TWO_PI * f);
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++) {
        re += c * (double)z[2 * n] - s * (double)z[2 * n + 1];
        im += c * (double)z[2 * n + 1] + s * (double)z[2 * n];
        const double next = c * dc - s * ds;
        s = c * ds + s * dc;
        c = next;
    }
    return re * re + im * im;
}

/* Position of the maximum of a parabola through three equally spaced values, in steps from the middle one; within
 * +-0.5. */
static double top(double before, double middle, double after)
{
    const double bend = before - 2 * middle + after;
    return bend < 0 ? srec_clamp(0.5 * (before - after) / bend, -0.5, 0.5) : 0.0;
}

/* Products of received and conjugate known preamble symbols, sampled from \p at on.
 * \return energy */
static double preamble_products(const srec_tracker *t, const float *segment, double at, float *z)
{
    double energy = 0;
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++) {
        float y[2];
        const float *p = t->preamble + 2 * n;
        srec_matched_filter_at(&t->filter, segment, t->segment_samples, at + (double)n * t->sps, y);
        z[2 * n] = y[0] * p[0] + y[1] * p[1];
        z[2 * n + 1] = y[1] * p[0] - y[0] * p[1];
        energy += (double)(y[0] * y[0] + y[1] * y[1]);
    }
    return energy;
}

/* Refine a fix between the steps of its search: first the frequency, then the timing, each by a parabola. The main
 * lobes are wider than three steps.
 * \param[in,out] at, frequency the best step, in samples and cycles per symbol; moved to the maximum */
static void refine_fix(const srec_tracker *t, const float *segment, double *at, double *frequency)
{
    const double step = (double)t->sps / FIX_STEPS;
    float z[2 * SREC_BURST_PREAMBLE];
    preamble_products(t, segment, *at, z);
    *frequency +=
        FIX_BIN * top(power_at(z, *frequency - FIX_BIN), power_at(z, *frequency), power_at(z, *frequency + FIX_BIN));
    double around[3];
    for (int k = -1; k <= 1; k++) {
        preamble_products(t, segment, *at + 2 * k * step, z);
        around[k + 1] = power_at(z, *frequency);
    }
    *at += 2 * step * top(around[0], around[1], around[2]);
}

/* Step 2. */
void srec_tracker_fix(srec_tracker *t, const float *samples, uint64_t base, const srec_candidate *candidate,
                      srec_preamble_fix *out)
{
    size_t before, after;
    srec_tracker_reach(t, 0, &before, &after);
    *out = (srec_preamble_fix){ .sample = (double)candidate->sample,
                                .cfo = (double)candidate->cfo,
                                .inverted = candidate->inverted };
    if (!srec_buffer_need(&t->segment, 2 * (before + after) * sizeof(float)))
        return;
    float *segment = t->segment.data, z[2 * SREC_BURST_PREAMBLE];
    t->filter.equalise = false;
    srec_track_turn(samples + 2 * (candidate->sample - before - base), before + after, candidate->inverted, 0,
                    -SREC_TWO_PI * (double)candidate->cfo / t->sps, segment);
    t->segment_samples = before + after;
    const double step = (double)t->sps / FIX_STEPS;
    double best = 0, energy = 0, best_frequency = 0, best_at = (double)before;
    for (int k = -FIX_STEPS / 2 - 2; k <= FIX_STEPS / 2 + 2; k++) {
        const double at = (double)before + k * step, e = preamble_products(t, segment, at, z);
        for (int b = -FIX_BINS; b <= FIX_BINS; b++) {
            const double p = power_at(z, b * FIX_BIN);
            if (p > best) {
                best = p;
                energy = e;
                best_frequency = b * FIX_BIN;
                best_at = at;
            }
        }
    }
    refine_fix(t, segment, &best_at, &best_frequency);
    out->sample += best_at - (double)before;
    out->cfo += best_frequency;
    out->match = energy > 0 ? best / (SREC_BURST_PREAMBLE * energy) : 0;
}

/* The preamble without its carrier, with the rate of b->carrier. */
static void derotate_preamble(srec_tracker *t, const srec_track *b)
{
    const srec_carrier_node node = { .at = SREC_PREAMBLE_MIDDLE, .rate = b->carrier.rate };
    size_t before, after;
    srec_tracker_reach(t, 0, &before, &after);
    srec_track_derotate(t, b, &node, 1, before + after < b->n_samples ? before + after : b->n_samples);
}

/* Measure phase and amplitude of the preamble in the segment. */
static void measure_preamble(srec_tracker *t, srec_track *b)
{
    float z[2 * SREC_BURST_PREAMBLE];
    double re = 0, im = 0;
    preamble_products(t, t->segment.data, b->start, z);
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++) {
        re += (double)z[2 * n];
        im += (double)z[2 * n + 1];
    }
    const double ratio = (double)SREC_BURST_PILOTS / SREC_BURST_PREAMBLE;
    b->amplitude = sqrt(re * re + im * im) / SREC_BURST_PREAMBLE;
    b->carrier.at = SREC_PREAMBLE_MIDDLE;
    b->carrier.phase = atan2(im, re);
    b->carrier.phase_variance = b->phase_variance * ratio;
    b->carrier.frequency_variance =
        12 * b->phase_variance * ratio / ((double)SREC_BURST_PREAMBLE * SREC_BURST_PREAMBLE);
}

void srec_track_find_drift(srec_tracker *t, srec_track *b)
{
    srec_phase_measurement m[SREC_CARRIER_SEARCH_BLOCKS];
    const size_t n = b->units < SREC_CARRIER_SEARCH_BLOCKS ? b->units : SREC_CARRIER_SEARCH_BLOCKS;
    derotate_preamble(t, b);
    measure_preamble(t, b);
    for (size_t u = 0; u < n; u++) {
        srec_pilot_block p;
        srec_track_place_block(b, u, 0, &p);
        srec_track_observe_block(t, b, u, false, &p);
        m[u] = srec_track_measure_phase(b, &p);
    }
    srec_carrier_search_rate(&b->carrier, m, n);
    if (fabs(b->carrier.rate) < RATE_SMALL)
        return;
    double frequency = 0;
    derotate_preamble(t, b);
    refine_fix(t, t->segment.data, &b->start, &frequency);
    b->cfo += frequency;
    derotate_preamble(t, b);
    measure_preamble(t, b);
}

void srec_track_train_equaliser(srec_tracker *t, srec_track *b)
{
    enum {
        TAPS = SREC_EQUALISER_TAPS,
        HALVES = 2 * (SREC_BURST_PREAMBLE - 1) + TAPS
    }; /* filter outputs, half a symbol apart */
    float outputs[2 * HALVES], rows[2 * SREC_BURST_PREAMBLE * TAPS], taps[2 * TAPS];
    const float *segment = t->segment.data;
    for (int i = 0; i < HALVES; i++)
        srec_matched_filter_at(&t->filter, segment, t->segment_samples, b->start + 0.5 * (i - TAPS / 2) * t->sps,
                               outputs + 2 * i);
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++)
        memcpy(rows + 2 * n * TAPS, outputs + 4 * n, 2 * TAPS * sizeof(float));
    if (!srec_equaliser_train(rows, t->preamble, SREC_BURST_PREAMBLE, taps))
        return;
    srec_matched_filter_equalise(&t->filter, taps);
    measure_preamble(t, b);
}
