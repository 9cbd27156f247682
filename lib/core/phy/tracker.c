/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tracker_internal.h"

#include <math.h>
#include <stdlib.h>

#define REACH_MARGIN 3u /* symbols kept around a burst in addition to the reach of the filter */
#define REPAIRS      2  /* maximum number of times that whole turns are added to the carrier */

static double raised_cosine(double t, double a)
{
    const double x = 0.5 * SREC_TWO_PI * t, d = 1.0 - 4.0 * a * a * t * t;
    return (t == 0 ? 1.0 : sin(x) / x) * (fabs(d) < 1e-9 ? 0.785398163 : cos(a * x) / d);
}

srec_status srec_tracker_create(const srec_waveform *waveform, srec_modulation modulation, srec_tracker **out)
{
    *out = NULL;
    srec_tracker *t = calloc(1, sizeof *t);
    if (!t)
        return SREC_ERR_MEMORY;
    t->sps = waveform->samples_per_symbol;
    srec_status status = srec_matched_filter_init(&t->filter, waveform);
    if (status == SREC_OK)
        status = srec_consistency_create(modulation, &t->consistency);
    if (status != SREC_OK) {
        srec_tracker_free(t);
        return status;
    }
    /* Late minus early power over their sum is 2 g'(d) / g(d) per symbol of timing error; g is the whole pulse. */
    const double a = (double)waveform->rolloff, e = 1e-4, g = raised_cosine(SREC_EARLY_LATE, a);
    const double slope = (raised_cosine(SREC_EARLY_LATE + e, a) - raised_cosine(SREC_EARLY_LATE - e, a)) / (2 * e);
    t->discriminator = g / (2 * slope);
    srec_preamble(t->preamble);
    srec_pilots(t->pilots);
    *out = t;
    return SREC_OK;
}

void srec_tracker_free(srec_tracker *t)
{
    if (!t)
        return;
    srec_matched_filter_free(&t->filter);
    srec_consistency_free(t->consistency);
    srec_buffer_free(&t->segment);
    srec_buffer_free(&t->block);
    srec_buffer_free(&t->symbols);
    srec_buffer_free(&t->gains);
    srec_buffer_free(&t->measurements);
    srec_buffer_free(&t->nodes);
    srec_buffer_free(&t->filters);
    srec_buffer_free(&t->observations);
    srec_buffer_free(&t->noise);
    srec_buffer_free(&t->turns);
    free(t);
}

void srec_tracker_reach(const srec_tracker *t, size_t n_data, size_t *before, size_t *after)
{
    const size_t symbols = srec_burst_symbols(n_data), margin = srec_matched_filter_reach() + REACH_MARGIN;
    *before = margin * t->sps;
    *after = (symbols + margin) * t->sps + (size_t)((double)(symbols * t->sps) * SREC_CLOCK_MAX);
}

/* Power of the signal in the samples. The equaliser normalises any level to 1: then the level is the power of the
 * samples minus their noise. */
static double signal_level(const srec_tracker *t, const srec_track *b)
{
    if (!t->filter.equalise)
        return b->power;
    const size_t n = 2 * b->total * t->sps;
    const float *samples = b->samples + 2 * (size_t)b->start;
    double energy = 0;
    for (size_t i = 0; i < n; i++)
        energy += (double)(samples[i] * samples[i]);
    return fmax(energy / (0.5 * (double)n) / (1 + t->sps * b->n0 / b->power), 1e-30);
}

static void report(srec_tracker *t, srec_track *b, const srec_preamble_fix *fix, srec_burst *out)
{
    const srec_carrier_node *nodes = t->nodes.data;
    const float n0 = (float)srec_track_scale_units(t, b);
    const double sense = b->inverted ? -1 : 1;
    *out = (srec_burst){
        .iq = t->symbols.data,
        .gain_iq = t->gains.data,
        .n_symbols = b->n_data,
        .n0 = n0,
        .snr_db = (float)(10 * log10(b->power / fmax(b->mean_noise, 1e-9 * b->power))),
        .cfo = (float)(sense * (b->cfo + srec_carrier_mean_frequency(nodes, b->units + 1) / SREC_TWO_PI)),
        .drift = (float)(sense * srec_carrier_mean_rate(nodes, b->units + 1) / SREC_TWO_PI),
        .inverted = b->inverted,
        .clock_ppm = (float)(1e6 * b->timing.slope),
        .level_db = (float)(10 * log10(signal_level(t, b))),
        .sample = floor(fix->sample) - b->before + b->start + b->timing.value * t->sps,
    };
}

static bool make_room(srec_tracker *t, const srec_track *b)
{
    const size_t block = (size_t)(2 * (SREC_BURST_PILOTS + srec_matched_filter_reach() + 2)) * t->sps;
    return srec_buffer_need(&t->segment, 2 * b->n_samples * sizeof(float)) &&
           srec_buffer_need(&t->block, 2 * block * sizeof(float)) &&
           srec_buffer_need(&t->symbols, 2 * b->total * sizeof(float)) &&
           srec_buffer_need(&t->gains, 2 * b->n_data * sizeof(float)) &&
           srec_buffer_need(&t->measurements, b->units * sizeof(srec_phase_measurement)) &&
           srec_buffer_need(&t->nodes, (b->units + 1) * sizeof(srec_carrier_node)) &&
           srec_buffer_need(&t->observations, (SREC_GAIN_GROUPS + b->units) * sizeof(srec_gain_observation)) &&
           srec_buffer_need(&t->noise, b->units * sizeof(double)) &&
           srec_buffer_need(&t->turns, b->units * sizeof(int));
}

srec_status srec_tracker_run(srec_tracker *t, const float *samples, uint64_t base, const srec_preamble_fix *fix,
                             size_t n_data, srec_burst *out)
{
    size_t before, after;
    srec_tracker_reach(t, n_data, &before, &after);
    const uint64_t first = (uint64_t)fix->sample - before;
    const double match = srec_clamp(fix->match, 0.05, 1), snr = match / fmax(1 - match, 1e-3);
    srec_track b = {
        .samples = samples + 2 * (first - base),
        .n_samples = before + after,
        .before = (double)before,
        .start = fix->sample - (double)first,
        .inverted = fix->inverted,
        .cfo = fix->cfo,
        .snr = snr,
        .phase_variance = 0.5 / (SREC_BURST_PILOTS * snr) + 1e-3,
        .n_data = n_data,
        .units = srec_units(n_data),
        .total = srec_burst_symbols(n_data),
    };
    if (!make_room(t, &b))
        return SREC_ERR_MEMORY;
    t->filter.equalise = false;
    srec_track_find_drift(t, &b);
    srec_track_train_equaliser(t, &b);
    srec_track_follow_pilots(t, &b);
    bool repair = true;
    for (unsigned repairs = 0; repair; repairs++) {
        if (!srec_carrier_fit(&b.carrier, t->measurements.data, b.units, &t->filters, t->nodes.data))
            return SREC_ERR_MEMORY;
        srec_track_demodulate(t, &b);
        srec_track_measure_gains(t, &b);
        srec_track_apply_gains(t, &b);
        repair = repairs < REPAIRS;
        if (srec_track_check_data(t, &b, &repair) != SREC_OK)
            return SREC_ERR_MEMORY;
    }
    report(t, &b, fix, out);
    return SREC_OK;
}
