/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/burst.h>

#include "buffer.h"
#include "waveform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

void srec_waveform_default(srec_waveform *out) { *out = (srec_waveform){ .samples_per_symbol = 4, .rolloff = 0.25f }; }

srec_status srec_waveform_check(const srec_waveform *w, srec_error *error)
{
    if (!w)
        return srec_fail(error, SREC_ERR_ARG, "waveform: NULL argument");
    if (w->samples_per_symbol < 2 || w->samples_per_symbol > 16)
        return srec_fail(error, SREC_ERR_ARG, "samples_per_symbol %u: must be 2 to 16", w->samples_per_symbol);
    if (!(w->rolloff >= 0.1f && w->rolloff <= 1.0f))
        return srec_fail(error, SREC_ERR_ARG, "rolloff %g: must be 0.1 to 1", (double)w->rolloff);
    return SREC_OK;
}

size_t srec_burst_symbols(size_t n_data)
{
    return SREC_BURST_PREAMBLE + n_data + srec_units(n_data) * SREC_BURST_PILOTS;
}

void srec_preamble(float *iq)
{
    for (unsigned n = 0; n < SREC_BURST_CHIRP; n++) {
        double phase = -PI * (double)(n * n % (2 * SREC_BURST_CHIRP)) / SREC_BURST_CHIRP;
        float re = (float)cos(phase), im = (float)sin(phase), *down = iq + 2 * SREC_BURST_CHIRP;
        iq[2 * n] = down[2 * n] = re;
        iq[2 * n + 1] = im;
        down[2 * n + 1] = -im;
    }
}

void srec_pilots(float *iq)
{
    const float half = 0.707106781f;
    unsigned state = 0x00a9; /* initial state of the packet's energy dispersal */
    for (unsigned i = 0; i < 2 * SREC_PILOT_PERIOD; i++) {
        unsigned bit = (state >> 13 ^ state >> 14) & 1;
        state = (state << 1 | bit) & 0x7fff;
        iq[i] = bit ? -half : half;
    }
}

double srec_rrc(double t, double a)
{
    if (fabs(t) < 1e-9)
        return 1.0 - a + 4.0 * a / PI;
    if (fabs(fabs(4.0 * a * t) - 1.0) < 1e-9)
        return a / sqrt(2.0) * ((1.0 + 2.0 / PI) * sin(PI / (4.0 * a)) + (1.0 - 2.0 / PI) * cos(PI / (4.0 * a)));
    return (sin(PI * t * (1.0 - a)) + 4.0 * a * t * cos(PI * t * (1.0 + a))) / (PI * t * (1.0 - 16.0 * a * a * t * t));
}

struct srec_shaper {
    unsigned sps, taps, stride; /* taps per output sample: 2 * SPAN + 1 symbols at most */
    float *pulse;               /* (sps, stride): at phase p, tap j weighs symbol (newest - j) */
    float preamble[2 * SREC_BURST_PREAMBLE], pilots[2 * SREC_PILOT_PERIOD];
    srec_buffer symbols; /* of a whole burst, with zeros on both sides */
};

srec_status srec_shaper_create(const srec_waveform *waveform, srec_shaper **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "shaper: NULL argument");
    *out = NULL;
    const srec_status status = srec_waveform_check(waveform, error);
    if (status != SREC_OK)
        return status;
    srec_shaper *s = calloc(1, sizeof *s);
    if (!s)
        return srec_fail(error, SREC_ERR_MEMORY, "shaper: out of memory");
    s->sps = waveform->samples_per_symbol;
    s->taps = 2 * SREC_BURST_SPAN + 1;
    s->stride = SREC_TAP_STRIDE(s->taps);
    s->pulse = volk_malloc(sizeof(float) * s->sps * s->stride, 64);
    if (!s->pulse) {
        srec_shaper_free(s);
        return srec_fail(error, SREC_ERR_MEMORY, "shaper: out of memory");
    }
    for (unsigned p = 0; p < s->sps; p++)
        for (unsigned j = 0; j < s->taps; j++) { /* oldest symbol first: the order of the dot product */
            double t = (double)p / s->sps + (double)(s->taps - 1 - j) - (double)SREC_BURST_SPAN;
            s->pulse[p * s->stride + j] =
                (float)(fabs(t) <= SREC_BURST_SPAN ? srec_rrc(t, (double)waveform->rolloff) : 0.0);
        }
    srec_preamble(s->preamble);
    srec_pilots(s->pilots);
    *out = s;
    return SREC_OK;
}

void srec_shaper_free(srec_shaper *s)
{
    if (!s)
        return;
    volk_free(s->pulse);
    srec_buffer_free(&s->symbols);
    free(s);
}

size_t srec_shaper_samples(const srec_shaper *s, size_t n_data)
{
    return s ? (srec_burst_symbols(n_data) + 2 * SREC_BURST_GUARD) * s->sps : 0;
}

srec_status srec_shaper_run(srec_shaper *s, const float *symbols, size_t n_data, float *samples)
{
    if (!s || !symbols || !samples || !n_data)
        return SREC_ERR_ARG;
    /* The guards and the tails of the pulse need zeros around the symbols. */
    const size_t total = srec_burst_symbols(n_data) + 2 * SREC_BURST_GUARD, padded = total + 2 * SREC_BURST_SPAN;
    if (!srec_buffer_need(&s->symbols, 2 * padded * sizeof(float)))
        return SREC_ERR_MEMORY;
    float *line = s->symbols.data, *burst = line + 2 * (SREC_BURST_SPAN + SREC_BURST_GUARD);
    memset(line, 0, 2 * padded * sizeof(float));
    memcpy(burst, s->preamble, sizeof s->preamble);
    for (size_t u = 0; u < srec_units(n_data); u++) {
        const size_t start = srec_unit_start(u), n = srec_unit_data(u, n_data);
        memcpy(burst + 2 * start, symbols + 2 * u * SREC_BURST_DATA, 2 * n * sizeof(float));
        memcpy(burst + 2 * (start + n), s->pilots + 2 * (u * SREC_BURST_PILOTS % SREC_PILOT_PERIOD),
               2 * SREC_BURST_PILOTS * sizeof(float));
    }
    for (size_t k = 0; k < total; k++)
        for (unsigned p = 0; p < s->sps; p++)
            volk_32fc_32f_dot_prod_32fc((lv_32fc_t *)(void *)(samples + 2 * (k * s->sps + p)),
                                        (const lv_32fc_t *)(const void *)(line + 2 * k), s->pulse + p * s->stride,
                                        s->taps);
    return SREC_OK;
}
