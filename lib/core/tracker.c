/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tracker.h"

#include "buffer.h"
#include "equaliser.h"
#include "waveform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TWO_PI 6.28318530717958647692
#define PHASES 128u          /* of the matched filter: its timing is right to 1/256 sample */
#define CLOCK_MAX 1e-4       /* clock offset that is allowed for */
#define CLOCK_SIGMA 4e-5     /* and expected */
#define TIMING_SIGMA 0.12    /* of a pilot block's timing error at 0 dB, symbols */
#define PHASE_WALK 2e-5      /* rad^2 per symbol: oscillators and slow fading */
#define FREQUENCY_WALK 1e-11 /* (rad per symbol)^2 per symbol */
#define EARLY_LATE 0.25      /* symbols */
#define GROUP 32u            /* the preamble's symbols are taken as pilot blocks of so many */
#define GROUPS (SREC_BURST_PREAMBLE / GROUP)
#define FIX_STEPS 8          /* timing of a fix is searched in steps of 1 / FIX_STEPS symbol, FIX_STEPS / 2 of them to each side */
#define FIX_BINS 9           /* and frequency in steps of 1 / (4 * SREC_BURST_PREAMBLE), so many to each side */

/* One complex gain, as a group of known symbols shows it. */
typedef struct {
    double at;      /* middle of the group, symbols from the start of the preamble */
    double re, im;  /* mean of received times conjugate of known */
    double weight;  /* symbols in the group */
    double fit_re, fit_im; /* smoothed */
} observation;

struct srec_tracker {
    unsigned sps, taps, stride;
    float *bank; /* (PHASES + 1, stride): matched filter, unit gain for the symbol */
    unsigned equalised_taps, equalised_stride;
    float *equalised; /* (PHASES + 1, equalised_stride, 2): matched filter and equaliser in one */
    bool equalise;    /* this burst needs it */
    double discriminator; /* symbols per unit of the early-late discriminator */
    float preamble[2 * SREC_BURST_PREAMBLE], pilots[2 * SREC_PILOT_PERIOD];
    srec_buffer segment, symbols, gains, phases, observations;
    size_t segment_samples; /* held in `segment` */
};

/* A value that moves along a line, estimated by a Kalman filter. */
typedef struct {
    double value, slope, p00, p01, p11;
} line;

static void line_predict(line *l, double dx, double walk, double slope_walk)
{
    l->value += l->slope * dx;
    l->p00 += dx * (2 * l->p01 + dx * l->p11) + walk * dx;
    l->p01 += dx * l->p11;
    l->p11 += slope_walk * dx;
}

static void line_update(line *l, double innovation, double variance)
{
    const double k0 = l->p00 / (l->p00 + variance), k1 = l->p01 / (l->p00 + variance);
    l->value += k0 * innovation;
    l->slope += k1 * innovation;
    l->p11 -= k1 * l->p01;
    l->p01 -= k0 * l->p01;
    l->p00 -= k0 * l->p00;
}

static double raised_cosine(double t, double a)
{
    double x = 3.14159265358979323846 * t, d = 1.0 - 4.0 * a * a * t * t;
    return (t == 0 ? 1.0 : sin(x) / x) * (fabs(d) < 1e-9 ? 0.785398163 : cos(a * x) / d);
}

srec_status srec_tracker_create(const srec_waveform *waveform, srec_tracker **out)
{
    *out = NULL;
    srec_tracker *t = calloc(1, sizeof *t);
    if (!t)
        return SREC_ERR_MEMORY;
    t->sps = waveform->samples_per_symbol;
    t->taps = 2 * SREC_BURST_SPAN * t->sps + 2;
    t->stride = SREC_TAP_STRIDE(t->taps);
    t->bank = volk_malloc(sizeof(float) * (PHASES + 1) * t->stride, 64);
    t->equalised_taps = t->taps + 2 * SREC_EQUALISER_REACH * t->sps + 1;
    t->equalised_stride = SREC_TAP_STRIDE(t->equalised_taps);
    t->equalised = volk_malloc(2 * sizeof(float) * (PHASES + 1) * t->equalised_stride, 64);
    if (!t->bank || !t->equalised) {
        srec_tracker_free(t);
        return SREC_ERR_MEMORY;
    }
    const double a = (double)waveform->rolloff;
    for (unsigned p = 0; p <= PHASES; p++)
        for (unsigned j = 0; j < t->taps; j++) {
            double x = ((double)j - (double)p / PHASES) / t->sps - SREC_BURST_SPAN;
            t->bank[p * t->stride + j] = (float)(fabs(x) <= SREC_BURST_SPAN ? srec_rrc(x, a) / t->sps : 0.0);
        }
    /* late minus early power over their sum is 2 g'(d) / g(d) per symbol of timing error, g the whole pulse */
    const double e = 1e-4, g = raised_cosine(EARLY_LATE, a), slope = (raised_cosine(EARLY_LATE + e, a) - raised_cosine(EARLY_LATE - e, a)) / (2 * e);
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
    volk_free(t->bank);
    volk_free(t->equalised);
    srec_buffer_free(&t->segment);
    srec_buffer_free(&t->symbols);
    srec_buffer_free(&t->gains);
    srec_buffer_free(&t->phases);
    srec_buffer_free(&t->observations);
    free(t);
}

void srec_tracker_reach(const srec_tracker *t, size_t n_data, size_t *before, size_t *after)
{
    const size_t symbols = srec_burst_symbols(n_data);
    *before = (SREC_BURST_SPAN + SREC_EQUALISER_REACH + 3) * t->sps;
    *after = (symbols + SREC_BURST_SPAN + SREC_EQUALISER_REACH + 3) * t->sps + (size_t)((double)(symbols * t->sps) * CLOCK_MAX);
}

/* Matched filter at position \p at (samples from the segment's start); 0 where the filter would reach beyond the segment. */
static void filter(const srec_tracker *t, const float *segment, double at, float out[2])
{
    const size_t left = (SREC_BURST_SPAN + (t->equalise ? SREC_EQUALISER_REACH : 0)) * t->sps;
    const size_t taps = t->equalise ? t->equalised_taps : t->taps;
    const double whole = floor(at);
    if (!(whole >= (double)left && whole - (double)left + (double)taps <= (double)t->segment_samples)) { /* NaN comes here too */
        out[0] = out[1] = 0;
        return;
    }
    const unsigned phase = (unsigned)((at - whole) * PHASES + 0.5);
    if (t->equalise) {
        const ptrdiff_t from = (ptrdiff_t)whole - (ptrdiff_t)((SREC_BURST_SPAN + SREC_EQUALISER_REACH) * t->sps);
        volk_32fc_x2_dot_prod_32fc((lv_32fc_t *)(void *)out, (const lv_32fc_t *)(const void *)(segment + 2 * from),
                                   (const lv_32fc_t *)(const void *)(t->equalised + 2 * phase * t->equalised_stride), t->equalised_taps);
        return;
    }
    const ptrdiff_t start = (ptrdiff_t)whole - (ptrdiff_t)(SREC_BURST_SPAN * t->sps);
    volk_32fc_32f_dot_prod_32fc((lv_32fc_t *)(void *)out, (const lv_32fc_t *)(const void *)(segment + 2 * start), t->bank + phase * t->stride, t->taps);
}

/* Copy samples into the segment, turned back by \p cfo cycles per symbol; those of an inverted spectrum are conjugated first. */
static void derotate(srec_tracker *t, const float *in, size_t n, double cfo, bool inverted, float *out)
{
    t->segment_samples = n;
    if (inverted) {
        volk_32fc_conjugate_32fc((lv_32fc_t *)(void *)out, (const lv_32fc_t *)(const void *)in, (unsigned)n);
        in = out;
    }
    const double turn = -TWO_PI * cfo / t->sps;
    const size_t run = 4096; /* the rotator's phase is set anew in double precision, run by run */
    for (size_t i = 0; i < n; i += run) {
        const double start = fmod(turn * (double)i, TWO_PI);
        lv_32fc_t phase = lv_cmake((float)cos(start), (float)sin(start));
        volk_32fc_s32fc_x2_rotator_32fc((lv_32fc_t *)(void *)(out + 2 * i), (const lv_32fc_t *)(const void *)(in + 2 * i),
                                        lv_cmake((float)cos(turn), (float)sin(turn)), &phase, (unsigned)(n - i < run ? n - i : run));
    }
}

/* Power of the sum of z[n] turned back by f cycles per symbol. */
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

/* Where a parabola through three equally spaced values has its top, in steps from the middle one; within +-0.5. */
static double top(double before, double middle, double after)
{
    const double bend = before - 2 * middle + after;
    const double x = bend < 0 ? 0.5 * (before - after) / bend : 0.0;
    return x > 0.5 ? 0.5 : x < -0.5 ? -0.5 : x;
}

/* Received times conjugate of known preamble symbols, sampled from \p at on. \return energy */
static double preamble_products(const srec_tracker *t, const float *segment, double at, float *z)
{
    double energy = 0;
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++) {
        float y[2];
        const float *p = t->preamble + 2 * n;
        filter(t, segment, at + (double)n * t->sps, y);
        z[2 * n] = y[0] * p[0] + y[1] * p[1];
        z[2 * n + 1] = y[1] * p[0] - y[0] * p[1];
        energy += (double)(y[0] * y[0] + y[1] * y[1]);
    }
    return energy;
}

void srec_tracker_fix(srec_tracker *t, const float *samples, uint64_t base, const srec_candidate *candidate, srec_preamble_fix *out)
{
    size_t before, after;
    srec_tracker_reach(t, 0, &before, &after);
    *out = (srec_preamble_fix){ .sample = (double)candidate->sample, .cfo = (double)candidate->cfo, .inverted = candidate->inverted };
    if (!srec_buffer_need(&t->segment, 2 * (before + after) * sizeof(float)))
        return;
    float *segment = t->segment.data, z[2 * SREC_BURST_PREAMBLE];
    t->equalise = false;
    derotate(t, samples + 2 * (candidate->sample - before - base), before + after, (double)candidate->cfo, candidate->inverted, segment);
    const double bin = 0.25 / SREC_BURST_PREAMBLE, step = (double)t->sps / FIX_STEPS;
    double best = 0, energy = 0, best_f = 0, best_t = 0;
    for (int k = -FIX_STEPS / 2 - 2; k <= FIX_STEPS / 2 + 2; k++) {
        const double e = preamble_products(t, segment, (double)before + k * step, z);
        for (int b = -FIX_BINS; b <= FIX_BINS; b++) {
            const double p = power_at(z, b * bin);
            if (p > best) {
                best = p;
                energy = e;
                best_f = b * bin;
                best_t = k * step;
            }
        }
    }
    /* between the steps: first frequency, then timing, each by a parabola; the main lobes are wider than three steps */
    preamble_products(t, segment, (double)before + best_t, z);
    best_f += bin * top(power_at(z, best_f - bin), power_at(z, best_f), power_at(z, best_f + bin));
    double around[3];
    for (int k = -1; k <= 1; k++) {
        preamble_products(t, segment, (double)before + best_t + 2 * k * step, z);
        around[k + 1] = power_at(z, best_f);
    }
    best_t += 2 * step * top(around[0], around[1], around[2]);
    out->sample += best_t;
    out->cfo += best_f;
    out->match = energy > 0 ? best / (SREC_BURST_PREAMBLE * energy) : 0;
}

/* Smooth the gains: at each group a local line through its h neighbours on both sides. \return mean squared error of predicting
 * each group from its neighbours alone, weighted by symbols */
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
        const double det = s0 * s2 - s1 * s1, own = o[i].weight * s2 / det; /* weight of the group itself in its fit */
        o[i].fit_re = (s2 * t0r - s1 * t1r) / det;
        o[i].fit_im = (s2 * t0i - s1 * t1i) / det;
        const double er = (o[i].re - o[i].fit_re) / (1 - own), ei = (o[i].im - o[i].fit_im) / (1 - own);
        if (own < 0.999 && o[i].weight < GROUP) { /* pilot blocks judge: that is where the data are */
            error += o[i].weight * (er * er + ei * ei);
            weights += o[i].weight;
        }
    }
    return weights > 0 ? error / weights : INFINITY;
}

/* Look at the preamble for echoes; with them, make the filter that undoes them. The bank's phase p weighs samples for a time p / PHASES samples
 * after one of them, so half a symbol's shift is whole samples and a phase. */
static void look_for_echoes(srec_tracker *t, const float *segment, double start)
{
    float rows[2 * SREC_BURST_PREAMBLE * SREC_EQUALISER_TAPS], taps[2 * SREC_EQUALISER_TAPS];
    const int middle = SREC_EQUALISER_TAPS / 2;
    t->equalise = false;
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++)
        for (int i = 0; i < (int)SREC_EQUALISER_TAPS; i++)
            filter(t, segment, start + ((double)n + 0.5 * (i - middle)) * t->sps, rows + 2 * (n * SREC_EQUALISER_TAPS + (unsigned)i));
    if (!srec_equaliser_train(rows, t->preamble, SREC_BURST_PREAMBLE, taps))
        return;
    memset(t->equalised, 0, 2 * sizeof(float) * (PHASES + 1) * t->equalised_stride);
    for (unsigned p = 0; p <= PHASES; p++)
        for (int i = 0; i < (int)SREC_EQUALISER_TAPS; i++) {
            const unsigned shift = p + (unsigned)i * t->sps * PHASES / 2; /* in phases, from the earliest tap on */
            const unsigned q = shift % PHASES, offset = shift / PHASES;
            for (unsigned j = 0; j < t->taps; j++) {
                float *to = t->equalised + 2 * (p * t->equalised_stride + offset + j);
                to[0] += taps[2 * i] * t->bank[q * t->stride + j];
                to[1] += taps[2 * i + 1] * t->bank[q * t->stride + j];
            }
        }
    t->equalise = true;
}

/* Timing and phase from pilot block to pilot block. */
static void follow(const srec_tracker *t, const float *segment, double start, double match, size_t n_data, line *timing, line *phase, float *phases)
{
    const double snr = fmax(match, 0.05) / fmax(1 - match, 1e-3), middle = 0.5 * (SREC_BURST_PREAMBLE - 1);
    const double timing_variance = TIMING_SIGMA * TIMING_SIGMA * fmax(1 / snr, 0.05); /* neighbours interfere even without noise */
    const double phase_variance = 0.5 / (SREC_BURST_PILOTS * snr) + 1e-3;
    float z[2 * SREC_BURST_PREAMBLE];
    double re = 0, im = 0;
    preamble_products(t, segment, start, z);
    for (unsigned n = 0; n < SREC_BURST_PREAMBLE; n++) {
        re += (double)z[2 * n];
        im += (double)z[2 * n + 1];
    }
    *timing = (line){ 0, 0, timing_variance * SREC_BURST_PILOTS / SREC_BURST_PREAMBLE, 0, CLOCK_SIGMA * CLOCK_SIGMA };
    *phase = (line){ atan2(im, re), 0, phase_variance * SREC_BURST_PILOTS / SREC_BURST_PREAMBLE, 0, 12.0 * phase_variance * SREC_BURST_PILOTS / pow(SREC_BURST_PREAMBLE, 3) };
    phases[0] = (float)phase->value;
    double at = middle;
    for (size_t u = 0; u < srec_units(n_data); u++) {
        const size_t first = srec_unit_start(u) + srec_unit_data(u, n_data);
        const double here = (double)first + 0.5 * (SREC_BURST_PILOTS - 1);
        line_predict(timing, here - at, 0, 0);
        line_predict(phase, here - at, PHASE_WALK, FREQUENCY_WALK);
        at = here;
        double sum[3][2] = { { 0 } };
        for (unsigned k = 0; k < SREC_BURST_PILOTS; k++) {
            const float *p = t->pilots + 2 * ((u * SREC_BURST_PILOTS + k) % SREC_PILOT_PERIOD);
            const double symbol = (double)(first + k), turn = phase->value + phase->slope * (symbol - here), c = cos(turn), s = sin(turn);
            for (int side = -1; side <= 1; side++) {
                float y[2];
                filter(t, segment, start + (symbol + timing->value + side * EARLY_LATE) * t->sps, y);
                const double zr = (double)(y[0] * p[0] + y[1] * p[1]), zi = (double)(y[1] * p[0] - y[0] * p[1]);
                sum[side + 1][0] += zr * c + zi * s;
                sum[side + 1][1] += zi * c - zr * s;
            }
        }
        const double early = sum[0][0] * sum[0][0] + sum[0][1] * sum[0][1], late = sum[2][0] * sum[2][0] + sum[2][1] * sum[2][1];
        if (early + late > 0) {
            line_update(timing, -t->discriminator * (late - early) / (late + early), timing_variance);
            timing->slope = fmax(-CLOCK_MAX, fmin(CLOCK_MAX, timing->slope));
            line_update(phase, atan2(sum[1][1], sum[1][0]), phase_variance);
        }
        phases[u + 1] = (float)fmod(phase->value, TWO_PI);
    }
    timing->value -= timing->slope * (at - 0.0); /* of symbol 0 */
}

static void observe(observation *o, const float *y, const float *known, unsigned n, double at, double *scatter)
{
    double re = 0, im = 0, energy = 0;
    for (unsigned k = 0; k < n; k++) {
        const double zr = (double)(y[2 * k] * known[2 * k] + y[2 * k + 1] * known[2 * k + 1]), zi = (double)(y[2 * k + 1] * known[2 * k] - y[2 * k] * known[2 * k + 1]);
        re += zr;
        im += zi;
        energy += zr * zr + zi * zi;
    }
    *o = (observation){ .at = at + 0.5 * (n - 1), .re = re / n, .im = im / n, .weight = n };
    *scatter += energy - (re * re + im * im) / n;
}

srec_status srec_tracker_run(srec_tracker *t, const float *samples, uint64_t base, const srec_preamble_fix *fix, size_t n_data, srec_burst *out)
{
    static const size_t widths[] = { 2, 4, 8, 16, 32 };
    const size_t units = srec_units(n_data), total = srec_burst_symbols(n_data), n_groups = GROUPS + units;
    size_t before, after;
    srec_tracker_reach(t, n_data, &before, &after);
    if (!srec_buffer_need(&t->segment, 2 * (before + after) * sizeof(float)) || !srec_buffer_need(&t->symbols, 2 * total * sizeof(float)) ||
        !srec_buffer_need(&t->gains, 2 * n_data * sizeof(float)) || !srec_buffer_need(&t->phases, (units + 1) * sizeof(float)) ||
        !srec_buffer_need(&t->observations, n_groups * sizeof(observation)))
        return SREC_ERR_MEMORY;
    float *segment = t->segment.data, *symbols = t->symbols.data, *gains = t->gains.data, *phases = t->phases.data;
    const uint64_t first = (uint64_t)fix->sample - before;
    derotate(t, samples + 2 * (first - base), before + after, fix->cfo, fix->inverted, segment);
    const double start = fix->sample - (double)first;
    line timing, phase;
    look_for_echoes(t, segment, start);
    follow(t, segment, start, fix->match, n_data, &timing, &phase, phases);

    /* every symbol, at the timing fitted over the whole burst, turned back by the phase that was followed */
    size_t u = 0; /* phases[u] .. phases[u + 1] enclose the symbol */
    double from = 0.5 * (SREC_BURST_PREAMBLE - 1), to = (double)(srec_unit_start(0) + srec_unit_data(0, n_data)) + 0.5 * (SREC_BURST_PILOTS - 1);
    for (size_t k = 0; k < total; k++) {
        while ((double)k > to && u + 1 < units) {
            u++;
            from = to;
            to = (double)(srec_unit_start(u) + srec_unit_data(u, n_data)) + 0.5 * (SREC_BURST_PILOTS - 1);
        }
        const double turn = remainder((double)phases[u + 1] - (double)phases[u], TWO_PI), x = ((double)k - from) / (to - from);
        const double angle = (double)phases[u] + turn * (x < 0 ? 0 : x > 1 ? 1 : x);
        const float c = (float)cos(angle), s = (float)sin(angle);
        float y[2];
        filter(t, segment, start + ((double)k + timing.value + timing.slope * (double)k) * t->sps, y);
        symbols[2 * k] = y[0] * c + y[1] * s;
        symbols[2 * k + 1] = y[1] * c - y[0] * s;
    }

    observation *o = t->observations.data;
    double scatter = 0;
    for (unsigned g = 0; g < GROUPS; g++)
        observe(&o[g], symbols + 2 * g * GROUP, t->preamble + 2 * g * GROUP, GROUP, g * GROUP, &scatter);
    for (u = 0; u < units; u++) {
        const size_t at = srec_unit_start(u) + srec_unit_data(u, n_data);
        observe(&o[GROUPS + u], symbols + 2 * at, t->pilots + 2 * (u * SREC_BURST_PILOTS % SREC_PILOT_PERIOD), SREC_BURST_PILOTS, (double)at, &scatter);
    }
    double n0 = scatter / (double)(SREC_BURST_PREAMBLE - GROUPS + units * (SREC_BURST_PILOTS - 1)), best = INFINITY;
    size_t best_width = widths[0];
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const double error = smooth(o, n_groups, widths[i]);
        if (error < best) {
            best = error;
            best_width = widths[i];
        }
    }
    smooth(o, n_groups, best_width);
    /* what a left-out block misses beyond its own noise is the error of the gain */
    const double gain_error = best < INFINITY ? fmax(0, best - n0 / SREC_BURST_PILOTS) : 0;

    float *data = symbols; /* in place: frame symbols move to the front */
    double power = 0;
    size_t n = 0, g = GROUPS - 1;
    for (u = 0; u < units; u++, g++) { /* between groups g and g + 1 */
        const double dx = o[g + 1].at - o[g].at;
        for (size_t k = 0; k < srec_unit_data(u, n_data); k++, n++) {
            const double x = ((double)(srec_unit_start(u) + k) - o[g].at) / dx;
            const double gr = o[g].fit_re + x * (o[g + 1].fit_re - o[g].fit_re), gi = o[g].fit_im + x * (o[g + 1].fit_im - o[g].fit_im);
            const double size = sqrt(gr * gr + gi * gi), c = size > 0 ? gr / size : 1, s = size > 0 ? gi / size : 0;
            const double yr = (double)symbols[2 * (srec_unit_start(u) + k)], yi = (double)symbols[2 * (srec_unit_start(u) + k) + 1];
            data[2 * n] = (float)(yr * c + yi * s);
            data[2 * n + 1] = (float)(yi * c - yr * s);
            gains[2 * n] = (float)size;
            gains[2 * n + 1] = 0;
            power += size * size;
        }
    }
    power = fmax(power / (double)n_data, 1e-30);
    const float scale = (float)(1 / sqrt(power));
    volk_32f_s32f_multiply_32f(data, data, scale, (unsigned)(2 * n_data));
    volk_32f_s32f_multiply_32f(gains, gains, scale, (unsigned)(2 * n_data));
    n0 = fmax(n0, 1e-30);
    double level = power;
    if (t->equalise) { /* it brings any level to 1: the level is that of the samples, less their noise */
        const size_t n_samples = total * t->sps;
        double energy = 0;
        for (size_t i = 0; i < 2 * n_samples; i++)
            energy += (double)(segment[2 * before + i] * segment[2 * before + i]);
        level = fmax(energy / (double)n_samples / (1 + t->sps * n0 / power), 1e-30);
    }
    const double cfo = fix->cfo + phase.slope / TWO_PI;
    *out = (srec_burst){ .iq = data, .gain_iq = gains, .n_symbols = n_data, .n0 = (float)fmax((n0 + gain_error) / power, 1e-9),
                         .snr_db = (float)(10 * log10(power / n0)), .cfo = (float)(fix->inverted ? -cfo : cfo), .inverted = fix->inverted,
                         .clock_ppm = (float)(1e6 * timing.slope), .level_db = (float)(10 * log10(level)),
                         .sample = fix->sample + timing.value * t->sps };
    return SREC_OK;
}
