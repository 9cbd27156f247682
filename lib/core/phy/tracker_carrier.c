/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The tracker's removal of the carrier, and its second pass over the samples. */
#include "tracker_internal.h"

#include <math.h>
#include <volk/volk.h>

#define TURN_RUN   4096u /* samples after which the rotator's phase is recomputed in double precision */
#define TURN_PIECE 16u   /* symbols over which the carrier frequency counts as constant */

/* VOLK 3.1 deprecates passing the increment by value. */
static void rotate(lv_32fc_t *out, const lv_32fc_t *in, lv_32fc_t increment, lv_32fc_t *phase, unsigned n)
{
#if VOLK_VERSION_MAJOR > 3 || (VOLK_VERSION_MAJOR == 3 && VOLK_VERSION_MINOR >= 1)
    volk_32fc_s32fc_x2_rotator2_32fc(out, in, &increment, phase, n);
#else
    volk_32fc_s32fc_x2_rotator_32fc(out, in, increment, phase, n);
#endif
}

void srec_track_turn(const float *in, size_t n, bool inverted, double phase, double step, float *out)
{
    if (inverted) {
        volk_32fc_conjugate_32fc((lv_32fc_t *)(void *)out, (const lv_32fc_t *)(const void *)in, (unsigned)n);
        in = out;
    }
    const lv_32fc_t increment = lv_cmake((float)cos(step), (float)sin(step));
    for (size_t i = 0; i < n; i += TURN_RUN) {
        const double start = remainder(phase + step * (double)i, SREC_TWO_PI);
        lv_32fc_t now = lv_cmake((float)cos(start), (float)sin(start));
        rotate((lv_32fc_t *)(void *)(out + 2 * i), (const lv_32fc_t *)(const void *)(in + 2 * i), increment, &now,
               (unsigned)(n - i < TURN_RUN ? n - i : TURN_RUN));
    }
}

double srec_track_carrier_phase(const srec_track *b, double at, double residual)
{
    return SREC_TWO_PI * b->cfo * at + residual;
}

double srec_track_time_of(const srec_tracker *t, const srec_track *b, size_t sample)
{
    return ((double)sample - b->start) / t->sps;
}

void srec_track_derotate(srec_tracker *t, const srec_track *b, const srec_carrier_node *nodes, size_t n_nodes,
                         size_t end)
{
    float *segment = t->segment.data;
    size_t hint = 0;
    double at = srec_track_time_of(t, b, 0),
           phase = srec_track_carrier_phase(b, at, srec_carrier_phase(nodes, n_nodes, at, &hint));
    for (size_t i = 0; i < end;) {
        const size_t n = end - i < TURN_PIECE * t->sps ? end - i : TURN_PIECE * t->sps;
        at = srec_track_time_of(t, b, i + n);
        const double next = srec_track_carrier_phase(b, at, srec_carrier_phase(nodes, n_nodes, at, &hint));
        srec_track_turn(b->samples + 2 * i, n, b->inverted, -phase, -(next - phase) / (double)n, segment + 2 * i);
        phase = next;
        i += n;
    }
    t->segment_samples = end;
}

void srec_track_demodulate(srec_tracker *t, const srec_track *b)
{
    float *symbols = t->symbols.data;
    srec_track_derotate(t, b, t->nodes.data, b->units + 1, b->n_samples);
    for (size_t k = 0; k < b->total; k++) {
        const double at = (double)k + b->timing.value + b->timing.slope * (double)k;
        srec_matched_filter_at(&t->filter, t->segment.data, t->segment_samples, b->start + at * t->sps,
                               symbols + 2 * k);
    }
}
