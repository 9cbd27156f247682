/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The tracker on the pilot blocks: timing and phase from block to block. */
#include "tracker_internal.h"

#include <math.h>

#define CLOCK_SIGMA  4e-5 /* standard deviation of the clock offset */
#define TIMING_MAX   0.5  /* maximum deviation of the timing from the clock's line, symbols */
#define TIMING_SIGMA 0.12 /* standard deviation of a pilot block's timing error at 0 dB, symbols */

void srec_track_place_block(const srec_track *b, size_t u, double late, srec_pilot_block *p)
{
    *p = (srec_pilot_block){ .at = (double)srec_track_pilots_start(b, u) + 0.5 * (SREC_BURST_PILOTS - 1) + late };
}

void srec_track_observe_block(srec_tracker *t, const srec_track *b, size_t u, bool sides, srec_pilot_block *p)
{
    const double reach = 0.5 * (SREC_BURST_PILOTS - 1) + srec_matched_filter_reach() + 1;
    const size_t first = (size_t)(b->start + (p->at - reach) * t->sps), length = (size_t)(2 * reach * t->sps) + 2;
    const size_t n = first + length <= b->n_samples ? length : b->n_samples - first;
    const double at = srec_track_time_of(t, b, first),
                 phase = srec_track_carrier_phase(b, at, p->phase + p->frequency * (at - p->at));
    float *block = t->block.data;
    srec_track_turn(b->samples + 2 * first, n, b->inverted, -phase, -(SREC_TWO_PI * b->cfo + p->frequency) / t->sps,
                    block);
    double sum[3][2] = { { 0 } };
    for (unsigned k = 0; k < SREC_BURST_PILOTS; k++) {
        const float *known = t->pilots + 2 * ((u * SREC_BURST_PILOTS + k) % SREC_PILOT_PERIOD);
        const double symbol = p->at + k - 0.5 * (SREC_BURST_PILOTS - 1);
        for (int side = -sides; side <= sides; side++) {
            float y[2];
            srec_matched_filter_at(&t->filter, block, n,
                                   b->start + (symbol + side * SREC_EARLY_LATE) * t->sps - (double)first, y);
            sum[side + 1][0] += (double)(y[0] * known[0] + y[1] * known[1]);
            sum[side + 1][1] += (double)(y[1] * known[0] - y[0] * known[1]);
        }
    }
    p->early_power = sum[0][0] * sum[0][0] + sum[0][1] * sum[0][1];
    p->late_power = sum[2][0] * sum[2][0] + sum[2][1] * sum[2][1];
    p->re = sum[1][0];
    p->im = sum[1][1];
}

srec_phase_measurement srec_track_measure_phase(const srec_track *b, const srec_pilot_block *p)
{
    const double amplitude = sqrt(p->re * p->re + p->im * p->im) / SREC_BURST_PILOTS, fade = b->amplitude / amplitude;
    return (srec_phase_measurement){
        .at = p->at,
        .phase = p->phase + atan2(p->im, p->re),
        .variance = b->phase_variance * srec_clamp(fade * fade, 0.25, 1e3),
    };
}

static void timing_predict(srec_timing_line *l, double at)
{
    const double dx = at - l->at;
    l->value += l->slope * dx;
    l->p00 += dx * (2 * l->p01 + dx * l->p11);
    l->p01 += dx * l->p11;
    l->at = at;
}

static void timing_update(srec_timing_line *l, double innovation, double variance)
{
    const double k0 = l->p00 / (l->p00 + variance), k1 = l->p01 / (l->p00 + variance);
    const double most = TIMING_MAX + SREC_CLOCK_MAX * l->at;
    l->value = srec_clamp(l->value + k0 * innovation, -most, most);
    l->slope = srec_clamp(l->slope + k1 * innovation, -SREC_CLOCK_MAX, SREC_CLOCK_MAX);
    l->p11 -= k1 * l->p01;
    l->p01 -= k0 * l->p01;
    l->p00 -= k0 * l->p00;
}

void srec_track_follow_pilots(srec_tracker *t, srec_track *b)
{
    /* Neighbouring symbols interfere even without noise. */
    const double variance = TIMING_SIGMA * TIMING_SIGMA * fmax(1 / b->snr, 0.05);
    srec_timing_line *timing = &b->timing;
    srec_phase_measurement *measurements = t->measurements.data;
    srec_carrier_filter carrier;
    *timing = (srec_timing_line){
        .at = SREC_PREAMBLE_MIDDLE,
        .p00 = variance * SREC_BURST_PILOTS / SREC_BURST_PREAMBLE,
        .p11 = CLOCK_SIGMA * CLOCK_SIGMA,
    };
    srec_carrier_filter_start(&carrier, &b->carrier);
    for (size_t u = 0; u < b->units; u++) {
        srec_pilot_block p;
        timing_predict(timing, (double)srec_track_pilots_start(b, u) + 0.5 * (SREC_BURST_PILOTS - 1));
        srec_track_place_block(b, u, timing->value, &p);
        srec_carrier_filter_predict(&carrier, p.at, &SREC_CARRIER_FOLLOW);
        p.phase = carrier.state[0];
        p.frequency = srec_carrier_filter_frequency(&carrier);
        srec_track_observe_block(t, b, u, true, &p);
        measurements[u] = srec_track_measure_phase(b, &p);
        const double sum = p.early_power + p.late_power;
        if (sum > 0) {
            timing_update(timing, -t->discriminator * (p.late_power - p.early_power) / sum, variance);
            srec_carrier_filter_update(&carrier, measurements[u].phase - carrier.state[0], measurements[u].variance);
        }
    }
    timing_predict(timing, 0);
    timing->value = srec_clamp(timing->value, -TIMING_MAX, TIMING_MAX);
}
