/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/impairments.h>

#include <srec/channel.h>

#include "buffer.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TWO_PI      6.28318530717958647692
#define TAPS        32u   /* of the interpolator: Kaiser-windowed sinc, below -80 dB up to 0.4 of the sample rate */
#define PHASES      1024u /* rows of the interpolator; linear interpolation between them */
#define ECHO_MAX    4096u
#define PATHS       32u /* plane waves of the fading, from all directions (Clarke 1968) */
#define FADING_STEP 32u /* samples between computed gains; linear interpolation between them */

struct srec_impairments {
    srec_impairment_set set;
    float *interpolator;     /* (PHASES + 1, TAPS) */
    float history[2 * TAPS]; /* newest last */
    float *rays;             /* (ECHO_MAX, 2) ring of input samples; NULL without a second ray */
    uint64_t n_in, n_out;    /* samples so far */
    double path[2 * PATHS];  /* of each wave: Doppler shift in cycles per sample, phase in cycles */
    float fading[2][2];      /* gain at the previous and the next multiple of FADING_STEP */
    double phase;            /* of the carrier, rad, without the exact part */
    srec_channel *noise, *phase_steps;
};

static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 40; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

static void make_interpolator(float *table)
{
    const double beta = 8.0;
    for (unsigned p = 0; p <= PHASES; p++) {
        double sum = 0;
        float *tap = table + p * TAPS;
        for (unsigned j = 0; j < TAPS; j++) { /* value at p / PHASES after sample TAPS / 2 - 1 */
            const double x = (double)j - (TAPS / 2 - 1) - (double)p / PHASES, edge = x / (TAPS / 2);
            const double window = fabs(edge) < 1 ? bessel_i0(beta * sqrt(1 - edge * edge)) / bessel_i0(beta) : 0;
            tap[j] = (float)(window * (fabs(x) < 1e-12 ? 1 : sin(0.5 * TWO_PI * x) / (0.5 * TWO_PI * x)));
            sum += (double)tap[j];
        }
        for (unsigned j = 0; j < TAPS; j++)
            tap[j] = (float)((double)tap[j] / sum);
    }
}

static void gain_at(const srec_impairments *s, uint64_t sample, float gain[2])
{
    double re = 0, im = 0;
    for (unsigned k = 0; k < PATHS; k++) {
        const double cycles = s->path[2 * k] * (double)sample + s->path[2 * k + 1],
                     angle = TWO_PI * (cycles - floor(cycles));
        re += cos(angle);
        im += sin(angle);
    }
    gain[0] = (float)(re / sqrt(PATHS));
    gain[1] = (float)(im / sqrt(PATHS));
}

/* Draws the waves: from all directions, with random angles and phases. */
static void make_fading(srec_impairments *s, uint64_t seed)
{
    uint64_t state = seed ^ 0x9e3779b97f4a7c15u;
    for (unsigned k = 0; k < 2 * PATHS; k++) {
        uint64_t z = state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        const double random = (double)((z ^ z >> 31) >> 11) * 0x1p-53;
        s->path[k] = k % 2 ? random : (double)s->set.doppler * cos(TWO_PI * ((k / 2) + random) / PATHS);
    }
    gain_at(s, 0, s->fading[1]);
}

/* A parameter and its range. */
typedef struct {
    const char *name;
    size_t offset; /* in srec_impairment_set */
    float low;
    float high;
    bool or_zero; /* 0 is also permitted: it disables the effect */
} parameter;

#define PARAMETER(field, low, high, or_zero)                                                                           \
    {                                                                                                                  \
#field, offsetof(srec_impairment_set, field), low, high, or_zero                                               \
    }

static srec_status check(const srec_impairment_set *set, srec_error *error)
{
    static const parameter table[] = {
        PARAMETER(echo_db, -60, 0, false),
        PARAMETER(echo_phase, -1e6f, 1e6f, false),
        PARAMETER(doppler, 0, 1e-3f, false),
        PARAMETER(clock_ppm, -1000, 1000, false),
        PARAMETER(delay, 0, 1, false),
        PARAMETER(cfo, -0.5f, 0.5f, false),
        PARAMETER(phase_noise, 1e-10f, 10, true),
        PARAMETER(gain_db, -200, 200, false),
        PARAMETER(noise_power, 1e-10f, 1e5f, true),
        PARAMETER(iq_gain_db, -60, 60, false),
        PARAMETER(iq_phase, -1e6f, 1e6f, false),
        PARAMETER(dc_re, -1e10f, 1e10f, false),
        PARAMETER(dc_im, -1e10f, 1e10f, false),
        PARAMETER(clip, 0, INFINITY, false),
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const parameter *p = &table[i];
        float value;
        memcpy(&value, (const char *)set + p->offset, sizeof value);
        if (!(value >= p->low && value <= p->high) && !(p->or_zero && value == 0))
            return srec_fail(error, SREC_ERR_ARG, "%s %g: must be %s%g to %g", p->name, (double)value,
                             p->or_zero ? "0 or " : "", (double)p->low, (double)p->high);
    }
    if (set->echo_delay > ECHO_MAX)
        return srec_fail(error, SREC_ERR_ARG, "echo_delay %u: must be 0 to %u samples", set->echo_delay, ECHO_MAX);
    if (set->bits > 16)
        return srec_fail(error, SREC_ERR_ARG, "bits %u: must be 0 to 16", set->bits);
    return SREC_OK;
}

static srec_status prepare(srec_impairments *s, uint64_t seed, srec_error *error)
{
    const srec_impairment_set *set = &s->set;
    s->interpolator = volk_malloc((PHASES + 1) * TAPS * sizeof(float), 64);
    if (set->echo_delay)
        s->rays = calloc(2 * ECHO_MAX, sizeof *s->rays);
    if (!s->interpolator || (set->echo_delay && !s->rays))
        return srec_fail(error, SREC_ERR_MEMORY, "impairments: out of memory");
    const float noise_db = set->noise_power > 0 ? -10 * log10f(set->noise_power) : 0;
    const srec_status status = srec_channel_create(SREC_CHANNEL_AWGN, noise_db, 2 * seed, 1, &s->noise, error);
    if (status != SREC_OK)
        return status;
    const float step_db = set->phase_noise > 0 ? -10 * log10f(2 * set->phase_noise) : 0;
    return srec_channel_create(SREC_CHANNEL_AWGN, step_db, 2 * seed + 1, 1, &s->phase_steps, error);
}

srec_status srec_impairments_create(const srec_impairment_set *set, uint64_t seed, srec_impairments **out,
                                    srec_error *error)
{
    if (out)
        *out = NULL;
    if (!set || !out)
        return srec_fail(error, SREC_ERR_ARG, "impairments: NULL argument");
    srec_status status = check(set, error);
    if (status != SREC_OK)
        return status;
    srec_impairments *s = calloc(1, sizeof *s);
    if (!s)
        return srec_fail(error, SREC_ERR_MEMORY, "impairments: out of memory");
    s->set = *set;
    status = prepare(s, seed, error);
    if (status != SREC_OK) {
        srec_impairments_free(s);
        return status;
    }
    make_interpolator(s->interpolator);
    make_fading(s, seed);
    *out = s;
    return SREC_OK;
}

void srec_impairments_free(srec_impairments *s)
{
    if (!s)
        return;
    volk_free(s->interpolator);
    free(s->rays);
    srec_channel_free(s->noise);
    srec_channel_free(s->phase_steps);
    free(s);
}

size_t srec_impairments_room(size_t n) { return n + n / 900 + 2; }

/* Adds the second ray to a sample. */
static void add_echo(srec_impairments *s, float z[2])
{
    float *now = s->rays + 2 * (s->n_in % ECHO_MAX);
    const float *then = s->rays + 2 * ((s->n_in + ECHO_MAX - s->set.echo_delay % ECHO_MAX) % ECHO_MAX);
    const bool begun = s->n_in >= s->set.echo_delay;
    const float echo_re = begun ? then[0] : 0;
    const float echo_im = begun ? then[1] : 0;
    const float gain = powf(10, 0.05f * s->set.echo_db);
    const float gain_re = gain * cosf(s->set.echo_phase);
    const float gain_im = gain * sinf(s->set.echo_phase);
    now[0] = z[0];
    now[1] = z[1];
    z[0] += gain_re * echo_re - gain_im * echo_im;
    z[1] += gain_re * echo_im + gain_im * echo_re;
}

/* Multiplies a sample by the fading gain. */
static void fade(srec_impairments *s, float z[2])
{
    const unsigned at = (unsigned)(s->n_in % FADING_STEP);
    if (at == 0) {
        memcpy(s->fading[0], s->fading[1], sizeof s->fading[0]);
        gain_at(s, s->n_in + FADING_STEP, s->fading[1]);
    }
    const float x = (float)at / FADING_STEP;
    const float gain_re = s->fading[0][0] + x * (s->fading[1][0] - s->fading[0][0]);
    const float gain_im = s->fading[0][1] + x * (s->fading[1][1] - s->fading[0][1]);
    const float re = gain_re * z[0] - gain_im * z[1];
    z[1] = gain_re * z[1] + gain_im * z[0];
    z[0] = re;
}

/* Appends a sample with echo and fading to the history. */
static void shift_in(srec_impairments *s, const float in[2])
{
    float z[2] = { in[0], in[1] };
    if (s->rays)
        add_echo(s, z);
    if (s->set.doppler > 0)
        fade(s, z);
    memmove(s->history, s->history + 2, (2 * TAPS - 2) * sizeof(float));
    s->history[2 * TAPS - 2] = z[0];
    s->history[2 * TAPS - 1] = z[1];
    s->n_in++;
}

static float limit(float v, float clip) { return v > clip ? clip : v < -clip ? -clip : v; }

static float quantise(float v, unsigned bits)
{
    const float half = (float)(1u << (bits - 1));
    const float level = floorf(v * half);
    return (limit(level + 0.5f, half - 0.5f)) / half;
}

/* Applies carrier offset, phase noise and gain to output samples.
 * \param first number of the first sample */
static void rotate(srec_impairments *s, float *out, size_t n, uint64_t first)
{
    const srec_impairment_set *set = &s->set;
    const double gain = pow(10, 0.05 * (double)set->gain_db);
    for (size_t i = 0; i < n; i++) {
        float step[2] = { 0, 0 };
        if (set->phase_noise > 0)
            srec_channel_apply(s->phase_steps, step, step, NULL, 1);
        s->phase += (double)step[0];
        const double cycles = (double)set->cfo * (double)(first + i),
                     angle = TWO_PI * (cycles - floor(cycles)) + s->phase;
        const float c = (float)(gain * cos(angle)), d = (float)(gain * sin(angle)), re = out[2 * i],
                    im = out[2 * i + 1];
        out[2 * i] = c * re - d * im;
        out[2 * i + 1] = c * im + d * re;
    }
}

/* Applies the effects of the receiver's front end. */
static void convert(const srec_impairment_set *set, float *out, size_t n)
{
    const float gain = powf(10, 0.05f * set->iq_gain_db), c = gain * cosf(set->iq_phase),
                d = gain * sinf(set->iq_phase);
    for (size_t i = 0; i < n; i++) {
        float re = out[2 * i], im = c * out[2 * i + 1] + d * re + set->dc_im;
        re += set->dc_re;
        if (set->clip > 0) {
            re = limit(re, set->clip);
            im = limit(im, set->clip);
        }
        out[2 * i] = set->bits ? quantise(re, set->bits) : re;
        out[2 * i + 1] = set->bits ? quantise(im, set->bits) : im;
    }
}

/* Value of the stream at \p x samples, 0 to 1, after the middle of the history. */
static void interpolate(const srec_impairments *s, double x, float out[2])
{
    const double fine = (x < 0 ? 0 : x) * PHASES;
    const unsigned phase = (unsigned)fine;
    const float f = (float)(fine - phase);
    const float *t0 = s->interpolator + phase * TAPS;
    const float *t1 = phase < PHASES ? t0 + TAPS : t0;
    out[0] = 0;
    out[1] = 0;
    for (unsigned j = 0; j < TAPS; j++) {
        const float tap = t0[j] + f * (t1[j] - t0[j]);
        out[0] += tap * s->history[2 * j];
        out[1] += tap * s->history[2 * j + 1];
    }
}

/* Resamples to the receiver's clock.
 * \return number of samples written */
static size_t resample(srec_impairments *s, const float *in, size_t n, float *out)
{
    const double pitch = 1.0 / (1.0 + 1e-6 * (double)s->set.clock_ppm); /* input samples per output sample */
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        shift_in(s, in + 2 * i);
        for (;;) { /* writes the output samples between the middle two of the history */
            const double at = (double)s->set.delay + pitch * (double)s->n_out;
            const double x = at - (double)(s->n_in - 1) + TAPS / 2;
            if (x >= 1)
                break;
            interpolate(s, x, out + 2 * made);
            made++;
            s->n_out++;
        }
    }
    return made;
}

srec_status srec_impairments_apply(srec_impairments *s, const float *in, size_t n, float *out, size_t *n_out)
{
    if (!s || (n && (!in || !out)) || !n_out)
        return SREC_ERR_ARG;
    const size_t made = resample(s, in, n, out);
    rotate(s, out, made, s->n_out - made);
    if (s->set.noise_power > 0)
        srec_channel_apply(s->noise, out, out, NULL, made);
    convert(&s->set, out, made);
    *n_out = made;
    return SREC_OK;
}
