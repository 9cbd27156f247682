/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The step numbers are those of "How the receiver works" in docs/waveform.md. */
#include "tracker.h"

#include "buffer.h"
#include "carrier.h"
#include "consistency.h"
#include "equaliser.h"
#include "matched_filter.h"
#include "waveform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TWO_PI       6.28318530717958647692
#define CLOCK_MAX    1e-4 /* maximum clock offset */
#define CLOCK_SIGMA  4e-5 /* its standard deviation */
#define TIMING_MAX   0.5  /* maximum deviation of the timing from the clock's line, symbols */
#define TIMING_SIGMA 0.12 /* standard deviation of a pilot block's timing error at 0 dB, symbols */
#define EARLY_LATE   0.25 /* symbols */
#define REACH_MARGIN 3u   /* symbols kept around a burst in addition to the reach of the filter */
#define GROUP        32u  /* the preamble is treated as pilot blocks of this many symbols */
#define GROUPS       (SREC_BURST_PREAMBLE / GROUP)
#define MIDDLE       (0.5 * (SREC_BURST_PREAMBLE - 1)) /* of the preamble */
/* The timing of a fix is searched in steps of 1 / FIX_STEPS symbol, FIX_STEPS / 2 of them to each side. */
#define FIX_STEPS    8
#define FIX_BINS     9                            /* and its frequency in this many steps of FIX_BIN to each side */
#define FIX_BIN      (0.25 / SREC_BURST_PREAMBLE) /* cycles per symbol */
#define TURN_RUN     4096u /* samples after which the rotator's phase is recomputed in double precision */
#define TURN_PIECE   16u   /* symbols over which the carrier frequency counts as constant */
#define RATE_SMALL   4e-6  /* rad per symbol^2: a slower drift does not affect the preamble */
#define REPAIRS      2     /* maximum number of times that whole turns are added to the carrier */

/* One complex gain, measured by a group of known symbols. */
typedef struct {
    double at; /* middle of the group, symbols from the start of the preamble */
    double re; /* mean of received times conjugate known symbols */
    double im;
    double weight; /* symbols in the group */
    double fit_re; /* smoothed */
    double fit_im;
} observation;

struct srec_tracker {
    unsigned sps;
    double discriminator; /* symbols per unit of the early-late discriminator */
    srec_matched_filter filter;
    srec_consistency *consistency;
    float preamble[2 * SREC_BURST_PREAMBLE];
    float pilots[2 * SREC_PILOT_PERIOD];
    srec_buffer segment; /* samples, carrier removed */
    size_t segment_samples;
    srec_buffer block; /* the same for one pilot block */
    srec_buffer symbols;
    srec_buffer gains;
    srec_buffer measurements; /* of the carrier's phase, one per pilot block */
    srec_buffer nodes;        /* of the carrier, one of the preamble and one per pilot block */
    srec_buffer filters;      /* scratch of the carrier */
    srec_buffer observations;
    srec_buffer noise; /* of each unit's symbols */
    srec_buffer turns;
};

/* Timing along the burst: a line, estimated by a Kalman filter. */
typedef struct {
    double at;    /* symbols */
    double value; /* delay, symbols */
    double slope; /* clock offset */
    double p00;   /* variances and covariance of value and slope */
    double p01;
    double p11;
} timing_line;

/* State of the demodulation of one burst. */
typedef struct {
    const float *samples; /* (n_samples, 2) as received */
    size_t n_samples;
    bool inverted;         /* all of this applies to the conjugate samples */
    double before;         /* samples before the fix */
    double start;          /* position of the preamble's first symbol, samples */
    double cfo;            /* cycles per symbol; phases of the carrier are relative to it */
    double snr;            /* of the preamble */
    double phase_variance; /* of a pilot block, rad^2 */
    double amplitude;      /* of the preamble */
    size_t n_data;         /* frame symbols */
    size_t units;
    size_t total; /* symbols */
    srec_carrier_start carrier;
    timing_line timing;
    double n0;         /* noise power of a symbol, absolute */
    double gain_error; /* noise power added by errors of the gain */
    double power;      /* of the signal: mean square of the gain */
    double mean_noise; /* over all symbols, lost ones included */
} burst;

static double clamp(double v, double low, double high) /* NaN becomes low */
{
    return v > low ? (v < high ? v : high) : low;
}

static double raised_cosine(double t, double a)
{
    const double x = 0.5 * TWO_PI * t, d = 1.0 - 4.0 * a * a * t * t;
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
    const double a = (double)waveform->rolloff, e = 1e-4, g = raised_cosine(EARLY_LATE, a);
    const double slope = (raised_cosine(EARLY_LATE + e, a) - raised_cosine(EARLY_LATE - e, a)) / (2 * e);
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
    *after = (symbols + margin) * t->sps + (size_t)((double)(symbols * t->sps) * CLOCK_MAX);
}

/* VOLK 3.1 deprecates passing the increment by value. */
static void rotate(lv_32fc_t *out, const lv_32fc_t *in, lv_32fc_t increment, lv_32fc_t *phase, unsigned n)
{
#if VOLK_VERSION_MAJOR > 3 || (VOLK_VERSION_MAJOR == 3 && VOLK_VERSION_MINOR >= 1)
    volk_32fc_s32fc_x2_rotator2_32fc(out, in, &increment, phase, n);
#else
    volk_32fc_s32fc_x2_rotator_32fc(out, in, increment, phase, n);
#endif
}

/* Copy samples and rotate them by \p phase at the first sample and by \p step more at each further one, rad. Samples of
 * an inverted spectrum are conjugated first. */
static void turn(const float *in, size_t n, bool inverted, double phase, double step, float *out)
{
    if (inverted) {
        volk_32fc_conjugate_32fc((lv_32fc_t *)(void *)out, (const lv_32fc_t *)(const void *)in, (unsigned)n);
        in = out;
    }
    const lv_32fc_t increment = lv_cmake((float)cos(step), (float)sin(step));
    for (size_t i = 0; i < n; i += TURN_RUN) {
        const double start = remainder(phase + step * (double)i, TWO_PI);
        lv_32fc_t now = lv_cmake((float)cos(start), (float)sin(start));
        rotate((lv_32fc_t *)(void *)(out + 2 * i), (const lv_32fc_t *)(const void *)(in + 2 * i), increment, &now,
               (unsigned)(n - i < TURN_RUN ? n - i : TURN_RUN));
    }
}

/* Power of the sum of z[n], rotated back by f cycles per symbol. */
static double power_at(const float *z, double f)
{
    double re = 0, im = 0, c = 1, s = 0;
    const double dc = cos(TWO_PI * f), ds = -sin(TWO_PI * f);
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
    return bend < 0 ? clamp(0.5 * (before - after) / bend, -0.5, 0.5) : 0.0;
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
    turn(samples + 2 * (candidate->sample - before - base), before + after, candidate->inverted, 0,
         -TWO_PI * (double)candidate->cfo / t->sps, segment);
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

/* Total phase of the carrier in the samples.
 * \param at symbols
 * \param residual phase relative to the burst's constant offset */
static double carrier_phase(const burst *b, double at, double residual) { return TWO_PI * b->cfo * at + residual; }

/* Symbols of nominal length from the first symbol of the preamble to a sample. */
static double time_of(const srec_tracker *t, const burst *b, size_t sample)
{
    return ((double)sample - b->start) / t->sps;
}

/* Rotate the samples \p first .. \p end back by the carrier along its nodes, to the same place in the segment. */
static void derotate(srec_tracker *t, const burst *b, const srec_carrier_node *nodes, size_t n_nodes, size_t first,
                     size_t end)
{
    float *segment = t->segment.data;
    size_t hint = 0;
    double at = time_of(t, b, first), phase = carrier_phase(b, at, srec_carrier_phase(nodes, n_nodes, at, &hint));
    for (size_t i = first; i < end;) {
        const size_t n = end - i < TURN_PIECE * t->sps ? end - i : TURN_PIECE * t->sps;
        at = time_of(t, b, i + n);
        const double next = carrier_phase(b, at, srec_carrier_phase(nodes, n_nodes, at, &hint));
        turn(b->samples + 2 * i, n, b->inverted, -phase, -(next - phase) / (double)n, segment + 2 * i);
        phase = next;
        i += n;
    }
    t->segment_samples = end;
}

/* The preamble without its carrier, with the rate of b->carrier. */
static void derotate_preamble(srec_tracker *t, const burst *b)
{
    const srec_carrier_node node = { .at = MIDDLE, .rate = b->carrier.rate };
    size_t before, after;
    srec_tracker_reach(t, 0, &before, &after);
    derotate(t, b, &node, 1, 0, before + after < b->n_samples ? before + after : b->n_samples);
}

/* First symbol of the pilots of unit u, counted from the first symbol of the preamble. */
static size_t pilots_start(const burst *b, size_t u) { return srec_unit_start(u) + srec_unit_data(u, b->n_data); }

/* Sums of received times conjugate known symbols over the pilots of a unit. */
typedef struct {
    double at; /* middle of the block, symbols of nominal length from the first of the preamble */
    /* Expected there, relative to the constant offset. The sums are rotated back by it. */
    double phase;
    double frequency; /* rad per symbol, expected */
    double early_power;
    double late_power;
    double re; /* on time */
    double im;
} pilot_block;

/* \param late delay of the block in symbols */
static void place_block(const burst *b, size_t u, double late, pilot_block *p)
{
    *p = (pilot_block){ .at = (double)pilots_start(b, u) + 0.5 * (SREC_BURST_PILOTS - 1) + late };
}

/* Measure a placed block, with the carrier expected there.
 * \param sides measure early and late power too */
static void observe_block(srec_tracker *t, const burst *b, size_t u, bool sides, pilot_block *p)
{
    const double reach = 0.5 * (SREC_BURST_PILOTS - 1) + srec_matched_filter_reach() + 1;
    const size_t first = (size_t)(b->start + (p->at - reach) * t->sps), length = (size_t)(2 * reach * t->sps) + 2;
    const size_t n = first + length <= b->n_samples ? length : b->n_samples - first;
    const double at = time_of(t, b, first), phase = carrier_phase(b, at, p->phase + p->frequency * (at - p->at));
    float *block = t->block.data;
    turn(b->samples + 2 * first, n, b->inverted, -phase, -(TWO_PI * b->cfo + p->frequency) / t->sps, block);
    double sum[3][2] = { { 0 } };
    for (unsigned k = 0; k < SREC_BURST_PILOTS; k++) {
        const float *known = t->pilots + 2 * ((u * SREC_BURST_PILOTS + k) % SREC_PILOT_PERIOD);
        const double symbol = p->at + k - 0.5 * (SREC_BURST_PILOTS - 1);
        for (int side = -sides; side <= sides; side++) {
            float y[2];
            srec_matched_filter_at(&t->filter, block, n,
                                   b->start + (symbol + side * EARLY_LATE) * t->sps - (double)first, y);
            sum[side + 1][0] += (double)(y[0] * known[0] + y[1] * known[1]);
            sum[side + 1][1] += (double)(y[1] * known[0] - y[0] * known[1]);
        }
    }
    p->early_power = sum[0][0] * sum[0][0] + sum[0][1] * sum[0][1];
    p->late_power = sum[2][0] * sum[2][0] + sum[2][1] * sum[2][1];
    p->re = sum[1][0];
    p->im = sum[1][1];
}

/* The phase of a block. A weak block is less certain. */
static srec_phase_measurement measure_phase(const burst *b, const pilot_block *p)
{
    const double amplitude = sqrt(p->re * p->re + p->im * p->im) / SREC_BURST_PILOTS, fade = b->amplitude / amplitude;
    return (srec_phase_measurement){
        .at = p->at,
        .phase = p->phase + atan2(p->im, p->re),
        .variance = b->phase_variance * clamp(fade * fade, 0.25, 1e3),
    };
}

/* Measure phase and amplitude of the preamble in the segment. */
static void measure_preamble(srec_tracker *t, burst *b)
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
    b->carrier.at = MIDDLE;
    b->carrier.phase = atan2(im, re);
    b->carrier.phase_variance = b->phase_variance * ratio;
    b->carrier.frequency_variance =
        12 * b->phase_variance * ratio / ((double)SREC_BURST_PREAMBLE * SREC_BURST_PREAMBLE);
}

/* Step 3. If the frequency drifts, the preamble is measured again with the drift removed. */
static void find_rate(srec_tracker *t, burst *b)
{
    srec_phase_measurement m[SREC_CARRIER_SEARCH_BLOCKS];
    const size_t n = b->units < SREC_CARRIER_SEARCH_BLOCKS ? b->units : SREC_CARRIER_SEARCH_BLOCKS;
    derotate_preamble(t, b);
    measure_preamble(t, b);
    for (size_t u = 0; u < n; u++) {
        pilot_block p;
        place_block(b, u, 0, &p);
        observe_block(t, b, u, false, &p);
        m[u] = measure_phase(b, &p);
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

/* Step 4. Look for echoes in the preamble. If there are any, train the equaliser. */
static void look_for_echoes(srec_tracker *t, burst *b)
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

static void timing_predict(timing_line *l, double at)
{
    const double dx = at - l->at;
    l->value += l->slope * dx;
    l->p00 += dx * (2 * l->p01 + dx * l->p11);
    l->p01 += dx * l->p11;
    l->at = at;
}

static void timing_update(timing_line *l, double innovation, double variance)
{
    const double k0 = l->p00 / (l->p00 + variance), k1 = l->p01 / (l->p00 + variance);
    const double most = TIMING_MAX + CLOCK_MAX * l->at;
    l->value = clamp(l->value + k0 * innovation, -most, most);
    l->slope = clamp(l->slope + k1 * innovation, -CLOCK_MAX, CLOCK_MAX);
    l->p11 -= k1 * l->p01;
    l->p01 -= k0 * l->p01;
    l->p00 -= k0 * l->p00;
}

/* Step 5. Track timing and phase from pilot block to pilot block. */
static void follow(srec_tracker *t, burst *b)
{
    const double variance =
        /* Neighbouring symbols interfere even without noise. */
        TIMING_SIGMA * TIMING_SIGMA * fmax(1 / b->snr, 0.05);
    timing_line *timing = &b->timing;
    srec_phase_measurement *measurements = t->measurements.data;
    srec_carrier_filter carrier;
    *timing = (timing_line){
        .at = MIDDLE,
        .p00 = variance * SREC_BURST_PILOTS / SREC_BURST_PREAMBLE,
        .p11 = CLOCK_SIGMA * CLOCK_SIGMA,
    };
    srec_carrier_filter_start(&carrier, &b->carrier);
    for (size_t u = 0; u < b->units; u++) {
        pilot_block p;
        timing_predict(timing, (double)pilots_start(b, u) + 0.5 * (SREC_BURST_PILOTS - 1));
        place_block(b, u, timing->value, &p);
        srec_carrier_filter_predict(&carrier, p.at, &SREC_CARRIER_FOLLOW);
        p.phase = carrier.state[0];
        p.frequency = srec_carrier_filter_frequency(&carrier);
        observe_block(t, b, u, true, &p);
        measurements[u] = measure_phase(b, &p);
        const double sum = p.early_power + p.late_power;
        if (sum > 0) {
            timing_update(timing, -t->discriminator * (p.late_power - p.early_power) / sum, variance);
            srec_carrier_filter_update(&carrier, measurements[u].phase - carrier.state[0], measurements[u].variance);
        }
    }
    timing_predict(timing, 0);
    timing->value = clamp(timing->value, -TIMING_MAX, TIMING_MAX);
}

/* Step 7. Filter every symbol at the timing fitted over the whole burst, after removal of its carrier. */
static void demodulate(srec_tracker *t, const burst *b)
{
    float *symbols = t->symbols.data;
    derotate(t, b, t->nodes.data, b->units + 1, 0, b->n_samples);
    for (size_t k = 0; k < b->total; k++) {
        const double at = (double)k + b->timing.value + b->timing.slope * (double)k;
        srec_matched_filter_at(&t->filter, t->segment.data, t->segment_samples, b->start + at * t->sps,
                               symbols + 2 * k);
    }
}

/* \param[in,out] scatter sum of squared distances from the group's mean */
static void observe_group(observation *o, const float *y, const float *known, unsigned n, double at, double *scatter)
{
    double re = 0, im = 0, energy = 0;
    for (unsigned k = 0; k < n; k++) {
        const double zr = (double)(y[2 * k] * known[2 * k] + y[2 * k + 1] * known[2 * k + 1]);
        const double zi = (double)(y[2 * k + 1] * known[2 * k] - y[2 * k] * known[2 * k + 1]);
        re += zr;
        im += zi;
        energy += zr * zr + zi * zi;
    }
    *o = (observation){ .at = at + 0.5 * (n - 1), .re = re / n, .im = im / n, .weight = n };
    *scatter += energy - (re * re + im * im) / n;
}

/* Smooth the gains: fit a line through each group and its h neighbours on both sides.
 * \return mean squared error, weighted by symbols, of the prediction of each group from its neighbours alone */
static double smooth(observation *o, size_t n, size_t h)
{
    double error = 0, weights = 0;
    for (size_t i = 0; i < n; i++) {
        double s0 = 0, s1 = 0, s2 = 0, t0r = 0, t0i = 0, t1r = 0, t1i = 0;
        for (size_t j = i > h ? i - h : 0; j < n && j <= i + h; j++) {
            const double x = o[j].at - o[i].at, w = o[j].weight;
            s0 += w;
            s1 += w * x;
            s2 += w * x * x;
            t0r += w * o[j].re;
            t0i += w * o[j].im;
            t1r += w * x * o[j].re;
            t1i += w * x * o[j].im;
        }
        /* own: weight of the group in its own fit. */
        const double det = s0 * s2 - s1 * s1, own = o[i].weight * s2 / det;
        o[i].fit_re = (s2 * t0r - s1 * t1r) / det;
        o[i].fit_im = (s2 * t0i - s1 * t1i) / det;
        const double er = (o[i].re - o[i].fit_re) / (1 - own), ei = (o[i].im - o[i].fit_im) / (1 - own);
        if (own < 0.999 && o[i].weight < GROUP) { /* only pilot blocks count, because the data lie among them */
            error += o[i].weight * (er * er + ei * ei);
            weights += o[i].weight;
        }
    }
    return weights > 0 ? error / weights : INFINITY;
}

/* Steps 8 and 9. Measure the noise, and the gain of each group of known symbols. The smoothing width is the one that
 * best predicts left-out blocks. */
static void measure_gains(srec_tracker *t, burst *b)
{
    static const size_t widths[] = { 2, 4, 8, 16, 32 };
    const size_t n_groups = GROUPS + b->units;
    const float *symbols = t->symbols.data;
    observation *o = t->observations.data;
    double scatter = 0, best = INFINITY;
    for (unsigned g = 0; g < GROUPS; g++)
        observe_group(&o[g], symbols + 2 * g * GROUP, t->preamble + 2 * g * GROUP, GROUP, g * GROUP, &scatter);
    for (size_t u = 0; u < b->units; u++) {
        const size_t at = pilots_start(b, u);
        const float *known = t->pilots + 2 * (u * SREC_BURST_PILOTS % SREC_PILOT_PERIOD);
        observe_group(&o[GROUPS + u], symbols + 2 * at, known, SREC_BURST_PILOTS, (double)at, &scatter);
    }
    b->n0 = fmax(scatter / (double)(SREC_BURST_PREAMBLE - GROUPS + b->units * (SREC_BURST_PILOTS - 1)), 1e-30);
    size_t best_width = widths[0];
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const double error = smooth(o, n_groups, widths[i]);
        if (error < best) {
            best = error;
            best_width = widths[i];
        }
    }
    smooth(o, n_groups, best_width);
    /* The error of a left-out block, beyond its own noise, is the error of the gain. */
    b->gain_error = best < INFINITY ? fmax(0, best - b->n0 / SREC_BURST_PILOTS) : 0;
}

/* Interpolate the gain of each frame symbol between groups, and remove its phase from the symbol. Frame symbols move to
 * the front of the buffer. */
static void apply_gains(srec_tracker *t, burst *b)
{
    const observation *o = t->observations.data;
    float *symbols = t->symbols.data, *gains = t->gains.data;
    size_t n = 0, g = GROUPS - 1; /* between groups g and g + 1 */
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

/* Step 10. Check whether the data agree with the pilots.
 * \param[in,out] repair in: look for slips; out: the carrier was changed, so demodulate again
 * \return SREC_OK, SREC_ERR_MEMORY */
static srec_status check_data(srec_tracker *t, const burst *b, bool *repair)
{
    const srec_consistency_symbols symbols = {
        .iq = t->symbols.data,
        .gain_iq = t->gains.data,
        .n_data = b->n_data,
        .n0 = b->n0 + b->gain_error,
    };
    int *turns = t->turns.data;
    bool suspect;
    if (!srec_consistency_noise(t->consistency, &symbols, t->noise.data, &suspect))
        return SREC_ERR_MEMORY;
    *repair = *repair && suspect && srec_consistency_turns(t->consistency, &symbols, turns);
    if (*repair)
        srec_carrier_add_turns(t->measurements.data, b->units, turns);
    return SREC_OK;
}

/* Step 11. Scale the symbols of noisier units down together with their gains, so that one noise power applies to all
 * symbols. This leaves their likelihoods unchanged. Then normalise the mean square of the gains to 1.
 * \return noise power */
static double weigh_units(srec_tracker *t, burst *b)
{
    float *symbols = t->symbols.data, *gains = t->gains.data;
    const double *noise = t->noise.data;
    double least = INFINITY, sum = 0, power = 0;
    for (size_t u = 0; u < b->units; u++) {
        least = fmin(least, noise[u]);
        sum += noise[u] * (double)srec_unit_data(u, b->n_data);
    }
    b->mean_noise = sum / (double)b->n_data;
    for (size_t u = 0; u < b->units; u++) {
        const size_t first = u * SREC_BURST_DATA, end = first + srec_unit_data(u, b->n_data);
        const float scale = (float)sqrt(least / noise[u]);
        for (size_t n = first; n < end; n++) {
            symbols[2 * n] *= scale;
            symbols[2 * n + 1] *= scale;
            gains[2 * n] *= scale;
            power += (double)(gains[2 * n] * gains[2 * n]);
        }
    }
    power = fmax(power / (double)b->n_data, 1e-30);
    const float scale = (float)(1 / sqrt(power));
    volk_32f_s32f_multiply_32f(symbols, symbols, scale, (unsigned)(2 * b->n_data));
    volk_32f_s32f_multiply_32f(gains, gains, scale, (unsigned)(2 * b->n_data));
    return fmax(least / power, 1e-9);
}

/* Power of the signal in the samples. The equaliser normalises any level to 1: then the level is the power of the
 * samples minus their noise. */
static double signal_level(const srec_tracker *t, const burst *b)
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

static void report(srec_tracker *t, burst *b, const srec_preamble_fix *fix, srec_burst *out)
{
    const srec_carrier_node *nodes = t->nodes.data;
    const float n0 = (float)weigh_units(t, b);
    const double sense = b->inverted ? -1 : 1;
    *out = (srec_burst){
        .iq = t->symbols.data,
        .gain_iq = t->gains.data,
        .n_symbols = b->n_data,
        .n0 = n0,
        .snr_db = (float)(10 * log10(b->power / fmax(b->mean_noise, 1e-9 * b->power))),
        .cfo = (float)(sense * (b->cfo + srec_carrier_mean_frequency(nodes, b->units + 1) / TWO_PI)),
        .drift = (float)(sense * srec_carrier_mean_rate(nodes, b->units + 1) / TWO_PI),
        .inverted = b->inverted,
        .clock_ppm = (float)(1e6 * b->timing.slope),
        .level_db = (float)(10 * log10(signal_level(t, b))),
        .sample = floor(fix->sample) - b->before + b->start + b->timing.value * t->sps,
    };
}

static bool make_room(srec_tracker *t, const burst *b)
{
    const size_t block = (size_t)(2 * (SREC_BURST_PILOTS + srec_matched_filter_reach() + 2)) * t->sps;
    return srec_buffer_need(&t->segment, 2 * b->n_samples * sizeof(float)) &&
           srec_buffer_need(&t->block, 2 * block * sizeof(float)) &&
           srec_buffer_need(&t->symbols, 2 * b->total * sizeof(float)) &&
           srec_buffer_need(&t->gains, 2 * b->n_data * sizeof(float)) &&
           srec_buffer_need(&t->measurements, b->units * sizeof(srec_phase_measurement)) &&
           srec_buffer_need(&t->nodes, (b->units + 1) * sizeof(srec_carrier_node)) &&
           srec_buffer_need(&t->observations, (GROUPS + b->units) * sizeof(observation)) &&
           srec_buffer_need(&t->noise, b->units * sizeof(double)) &&
           srec_buffer_need(&t->turns, b->units * sizeof(int));
}

srec_status srec_tracker_run(srec_tracker *t, const float *samples, uint64_t base, const srec_preamble_fix *fix,
                             size_t n_data, srec_burst *out)
{
    size_t before, after;
    srec_tracker_reach(t, n_data, &before, &after);
    const uint64_t first = (uint64_t)fix->sample - before;
    const double match = clamp(fix->match, 0.05, 1), snr = match / fmax(1 - match, 1e-3);
    burst b = {
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
    find_rate(t, &b);
    look_for_echoes(t, &b);
    follow(t, &b);
    bool repair = true;
    for (unsigned repairs = 0; repair; repairs++) {
        if (!srec_carrier_fit(&b.carrier, t->measurements.data, b.units, &t->filters, t->nodes.data))
            return SREC_ERR_MEMORY;
        demodulate(t, &b);
        measure_gains(t, &b);
        apply_gains(t, &b);
        repair = repairs < REPAIRS;
        if (check_data(t, &b, &repair) != SREC_OK)
            return SREC_ERR_MEMORY;
    }
    report(t, &b, fix, out);
    return SREC_OK;
}
