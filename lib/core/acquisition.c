/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "acquisition.h"

#include "vector_math.h"
#include "waveform.h"

#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

#define CFO_MAX 0.1
#define THRESHOLD 18.0 /* of S over the mean power of a cell: noise passes it about once in 10^5 cells; the whole preamble decides then */
#define WINDOW_SYMBOLS 256u /* on each side, for the mean */

struct srec_acquisition {
    unsigned sps, step; /* samples per symbol, per cell */
    size_t n, reach, hop, template_length; /* transform; samples of it that give whole correlations; the same in whole cells */
    fftwf_plan forward, back;
    float *block, *spectrum, *product; /* (n, 2) */
    float *templates[2];               /* conjugate spectra of up and down chirp (n, 2) */
    size_t chirp, offsets, window;     /* in cells: a chirp, the greatest |d|, the window for the mean */
    /* cells from number `first` on; cell 0 is the stream's sample `origin` */
    uint64_t origin, first, next; /* next: cell to be examined */
    size_t held, capacity, known; /* cells held; of these, cells whose statistic is known */
    float *power[2], *statistic;
    double *sum; /* (capacity + 1) of both powers */
};

static void make_template(srec_acquisition *a, const srec_waveform *w, unsigned which)
{
    float preamble[2 * SREC_BURST_PREAMBLE];
    srec_preamble(preamble);
    memset(a->block, 0, 2 * a->n * sizeof(float));
    for (size_t k = 0; k < a->template_length; k++)
        for (unsigned m = 0; m < SREC_BURST_CHIRP; m++) {
            double t = (double)k / a->sps - (double)m - SREC_BURST_SPAN;
            if (fabs(t) > SREC_BURST_SPAN)
                continue;
            float h = (float)srec_rrc(t, (double)w->rolloff);
            a->block[2 * k] += h * preamble[2 * (which * SREC_BURST_CHIRP + m)];
            a->block[2 * k + 1] += h * preamble[2 * (which * SREC_BURST_CHIRP + m) + 1];
        }
    fftwf_execute(a->forward);
    for (size_t i = 0; i < a->n; i++) {
        a->templates[which][2 * i] = a->spectrum[2 * i];
        a->templates[which][2 * i + 1] = -a->spectrum[2 * i + 1];
    }
}

srec_status srec_acquisition_create(const srec_waveform *waveform, srec_acquisition **out)
{
    *out = NULL;
    srec_acquisition *a = calloc(1, sizeof *a);
    if (!a)
        return SREC_ERR_MEMORY;
    a->sps = waveform->samples_per_symbol;
    a->step = a->sps / 2;
    a->template_length = (size_t)(SREC_BURST_CHIRP + 2 * SREC_BURST_SPAN) * a->sps;
    a->n = 1024;
    while (a->n < 6 * a->template_length)
        a->n *= 2;
    a->hop = (a->n - a->template_length + 1) / a->step * a->step;
    a->chirp = SREC_BURST_CHIRP * a->sps / a->step;
    a->offsets = (size_t)ceil(CFO_MAX * (double)a->chirp) + 1;
    a->window = WINDOW_SYMBOLS * a->sps / a->step;
    a->capacity = 2 * (a->window + a->offsets) + 2 * a->chirp + 2 * (a->hop / a->step);
    a->block = volk_malloc(2 * a->n * sizeof(float), 64);
    a->spectrum = volk_malloc(2 * a->n * sizeof(float), 64);
    a->product = volk_malloc(2 * a->n * sizeof(float), 64);
    bool ok = a->block && a->spectrum && a->product;
    for (unsigned i = 0; i < 2; i++) {
        a->templates[i] = volk_malloc(2 * a->n * sizeof(float), 64);
        a->power[i] = volk_malloc(a->capacity * sizeof(float), 64);
        ok = ok && a->templates[i] && a->power[i];
    }
    a->statistic = volk_malloc(a->capacity * sizeof(float), 64);
    a->sum = volk_malloc((a->capacity + 1) * sizeof(double), 64);
    if (ok && a->statistic && a->sum) {
        fftwf_make_planner_thread_safe();
        a->forward = fftwf_plan_dft_1d((int)a->n, (fftwf_complex *)(void *)a->block, (fftwf_complex *)(void *)a->spectrum, FFTW_FORWARD, FFTW_ESTIMATE);
        a->back = fftwf_plan_dft_1d((int)a->n, (fftwf_complex *)(void *)a->product, (fftwf_complex *)(void *)a->block, FFTW_BACKWARD, FFTW_ESTIMATE);
    }
    if (!a->forward || !a->back) {
        srec_acquisition_free(a);
        return SREC_ERR_MEMORY;
    }
    make_template(a, waveform, 0);
    make_template(a, waveform, 1);
    srec_acquisition_reset(a, 0);
    *out = a;
    return SREC_OK;
}

void srec_acquisition_free(srec_acquisition *a)
{
    if (!a)
        return;
    if (a->forward)
        fftwf_destroy_plan(a->forward);
    if (a->back)
        fftwf_destroy_plan(a->back);
    for (unsigned i = 0; i < 2; i++) {
        volk_free(a->templates[i]);
        volk_free(a->power[i]);
    }
    volk_free(a->block);
    volk_free(a->spectrum);
    volk_free(a->product);
    volk_free(a->statistic);
    volk_free(a->sum);
    free(a);
}

void srec_acquisition_reset(srec_acquisition *a, uint64_t sample)
{
    a->origin = sample;
    a->first = a->next = 0;
    a->held = a->known = 0;
    a->sum[0] = 0;
}

uint64_t srec_acquisition_position(const srec_acquisition *a) { return a->origin + (a->first + a->held) * a->step; }

size_t srec_acquisition_block(const srec_acquisition *a) { return a->n; }

uint64_t srec_acquisition_horizon(const srec_acquisition *a) { return a->origin + a->next * a->step; }

/* Drop cells that no statistic or mean to come looks at. */
static void forget(srec_acquisition *a)
{
    const uint64_t lowest = a->next > a->window + a->offsets ? a->next - a->window - a->offsets : 0;
    if (lowest <= a->first)
        return;
    const size_t drop = (size_t)(lowest - a->first);
    a->held -= drop;
    a->known = a->known > drop ? a->known - drop : 0;
    for (unsigned i = 0; i < 2; i++)
        memmove(a->power[i], a->power[i] + drop, a->held * sizeof(float));
    memmove(a->statistic, a->statistic + drop, a->known * sizeof(float));
    a->sum[0] = 0;
    for (size_t i = 0; i < a->held; i++)
        a->sum[i + 1] = a->sum[i] + (double)a->power[0][i] + (double)a->power[1][i];
    a->first = lowest;
}

/* S of cells from .. to - 1, all within what is held. Before the first cell there is nothing: offsets that would look there are left out. */
SREC_CLONES static void statistics(const float *up, const float *down, size_t from, size_t to, size_t offsets, size_t chirp, float *restrict s)
{
    memset(s + from, 0, (to - from) * sizeof *s);
    for (size_t k = 0; k <= 2 * offsets; k++) {
        const size_t start = from + k < offsets ? offsets - k : from; /* i + d >= 0 */
        const size_t opposite = chirp + offsets - k;
        for (size_t i = start; i < to; i++) {
            float value = up[i + k - offsets] + down[i + opposite];
            s[i] = s[i] > value ? s[i] : value;
        }
    }
}

void srec_acquisition_feed(srec_acquisition *a, const float *samples)
{
    forget(a);
    memcpy(a->block, samples, 2 * a->n * sizeof(float));
    fftwf_execute(a->forward);
    const size_t cells = a->hop / a->step;
    for (unsigned which = 0; which < 2; which++) {
        volk_32fc_x2_multiply_32fc((lv_32fc_t *)(void *)a->product, (const lv_32fc_t *)(const void *)a->spectrum,
                                   (const lv_32fc_t *)(const void *)a->templates[which], (unsigned)a->n);
        fftwf_execute(a->back);
        float *power = a->power[which] + a->held;
        for (size_t i = 0; i < cells; i++) {
            const float *c = a->block + 2 * i * a->step;
            power[i] = c[0] * c[0] + c[1] * c[1];
        }
    }
    for (size_t i = a->held; i < a->held + cells; i++)
        a->sum[i + 1] = a->sum[i] + (double)a->power[0][i] + (double)a->power[1][i];
    a->held += cells;
    const size_t ahead = a->chirp + a->offsets;
    if (a->held > ahead && a->held - ahead > a->known) {
        statistics(a->power[0], a->power[1], a->known, a->held - ahead, a->offsets, a->chirp, a->statistic);
        a->known = a->held - ahead;
    }
}

/* Mean power of a cell around a preamble at cell i: the greater of before and after. */
static double level(const srec_acquisition *a, size_t i)
{
    const size_t after = i + a->chirp + a->offsets, before = i > a->offsets ? i - a->offsets : 0, from = before > a->window ? before - a->window : 0;
    double mean = (a->sum[after + a->window] - a->sum[after]) / (2.0 * (double)a->window);
    if (before - from >= a->window / 2) {
        double other = (a->sum[before] - a->sum[from]) / (2.0 * (double)(before - from));
        mean = other > mean ? other : mean;
    }
    return mean;
}

bool srec_acquisition_next(srec_acquisition *a, srec_candidate *out)
{
    /* the mean after a preamble must be known, and the statistics of a chirp's length: the greatest of them is the candidate */
    const size_t ahead = 2 * a->chirp + a->offsets + a->window;
    for (; a->next - a->first + ahead < a->held; a->next++) {
        size_t i = (size_t)(a->next - a->first);
        if ((double)a->statistic[i] <= THRESHOLD * level(a, i))
            continue;
        size_t best = i;
        for (size_t k = i; k < i + a->chirp; k++)
            if (a->statistic[k] > a->statistic[best])
                best = k;
        size_t d = 0;
        for (size_t k = best < a->offsets ? a->offsets - best : 0; k <= 2 * a->offsets; k++)
            if (a->power[0][best + k - a->offsets] + a->power[1][best + a->chirp + a->offsets - k] >= a->statistic[best])
                d = k;
        a->next = a->first + best + 1;
        /* correlations start with the pulse's reach before the first symbol */
        out->sample = a->origin + (a->first + best) * a->step + SREC_BURST_SPAN * a->sps;
        out->cfo = (float)(((double)d - (double)a->offsets) / (double)a->chirp);
        out->inverted = false;
        return true;
    }
    return false;
}
