/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "acquisition.h"

#include "vector_math.h"
#include "waveform.h"

#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

#define CFO_MAX        0.1
#define CFO_WIDEST     0.3  /* search range around a candidate that may be half a preamble */
#define THRESHOLD      18.0 /* for S relative to the mean power of a cell: noise exceeds it about once in 10^5 cells */
/* Another reading must exceed S by this factor. Two peaks against one give 2, noise hardly 1. */
#define WHOLE          1.4
#define BALANCE        0.0625 /* minimum share of one peak in S: a share of 0.25 is rare at -9 dB Es/N0 */
#define BALANCE_OTHER  0.2    /* the same of another reading: random data reach 0.15 next to one chirp of a preamble */
#define WINDOW_SYMBOLS 256u   /* on each side, for the mean power */
#define GUARD_SYMBOLS  8u     /* around the peaks, left out of the mean power between them */
#define ROUNDING       1e-12  /* relative to the power around a cell: anything less is rounding error */

/* Two peaks, interpreted as a preamble. */
typedef struct {
    size_t cell;      /* index into the cells held */
    ptrdiff_t offset; /* d, cells */
    bool inverted;    /* found in the conjugate samples */
    float power;      /* S */
} reading;

struct srec_acquisition {
    unsigned sps, step;     /* samples per symbol, per cell */
    size_t n;               /* samples per transform */
    size_t hop;             /* how many of these give complete correlations; a whole number of cells */
    size_t template_length; /* samples */
    fftwf_plan forward, back;
    float *block, *spectrum, *product; /* (n, 2) */
    float *templates[2];               /* conjugate spectra of up and down chirp (n, 2) */
    size_t chirp, offsets, window;     /* in cells: a chirp, the largest |d|, the window for the mean */
    size_t guard, widest;              /* in cells: the guard beside a peak, the largest |d| of another reading */
    /* Cells from number `first` on. Cell 0 is the stream's sample `origin`. */
    uint64_t origin, first, next; /* next: the cell to examine next */
    reading found;                /* set by srec_acquisition_next() */
    /* Cell of the last candidate that had another reading, plus 1. 0: none. */
    uint64_t read_otherwise;
    size_t held, capacity, known; /* cells held; how many of them have a statistic */
    float *power[2], *statistic, *scratch;
    double *sum; /* (capacity + 1) prefix sums of both powers */
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
    a->guard = GUARD_SYMBOLS * a->sps / a->step;
    a->widest = (size_t)(CFO_WIDEST * (double)a->chirp);
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
    a->scratch = volk_malloc(a->capacity * sizeof(float), 64);
    a->sum = volk_malloc((a->capacity + 1) * sizeof(double), 64);
    if (ok && a->statistic && a->scratch && a->sum) {
        fftwf_make_planner_thread_safe();
        a->forward = fftwf_plan_dft_1d((int)a->n, (fftwf_complex *)(void *)a->block,
                                       (fftwf_complex *)(void *)a->spectrum, FFTW_FORWARD, FFTW_ESTIMATE);
        a->back = fftwf_plan_dft_1d((int)a->n, (fftwf_complex *)(void *)a->product, (fftwf_complex *)(void *)a->block,
                                    FFTW_BACKWARD, FFTW_ESTIMATE);
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
    volk_free(a->scratch);
    volk_free(a->sum);
    free(a);
}

void srec_acquisition_reset(srec_acquisition *a, uint64_t sample)
{
    a->origin = sample;
    a->first = a->next = 0;
    a->held = a->known = 0;
    a->read_otherwise = 0;
    a->sum[0] = 0;
}

uint64_t srec_acquisition_position(const srec_acquisition *a) { return a->origin + (a->first + a->held) * a->step; }

size_t srec_acquisition_block(const srec_acquisition *a) { return a->n; }

uint64_t srec_acquisition_horizon(const srec_acquisition *a)
{
    const uint64_t back = a->chirp + a->widest;
    return a->origin + (a->next > back ? a->next - back : 0) * a->step;
}

/* Drop the cells that no future statistic or mean needs. */
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

/* Cells from .. to - 1. */
typedef struct {
    size_t from;
    size_t to;
} cells;

/* S of cells, which must all be held. Offsets that would reach before the first cell are left
 * out. */
SREC_CLONES static void statistics(const float *up, const float *down, cells range, size_t offsets, size_t chirp,
                                   float *restrict s)
{
    const size_t from = range.from;
    const size_t to = range.to;
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
    const size_t n_cells = a->hop / a->step;
    for (unsigned which = 0; which < 2; which++) {
        volk_32fc_x2_multiply_32fc((lv_32fc_t *)(void *)a->product, (const lv_32fc_t *)(const void *)a->spectrum,
                                   (const lv_32fc_t *)(const void *)a->templates[which], (unsigned)a->n);
        fftwf_execute(a->back);
        float *power = a->power[which] + a->held;
        for (size_t i = 0; i < n_cells; i++) {
            const float *c = a->block + 2 * i * a->step;
            power[i] = c[0] * c[0] + c[1] * c[1];
        }
    }
    for (size_t i = a->held; i < a->held + n_cells; i++)
        a->sum[i + 1] = a->sum[i] + (double)a->power[0][i] + (double)a->power[1][i];
    a->held += n_cells;
    const size_t ahead = a->chirp + a->offsets;
    if (a->held > ahead && a->held - ahead > a->known) {
        statistics(a->power[0], a->power[1], (cells){ a->known, a->held - ahead }, a->offsets, a->chirp, a->statistic);
        a->known = a->held - ahead;
    }
}

/* Mean power of the cells from .. to - 1, both chirps together. */
static double mean_power(const srec_acquisition *a, size_t from, size_t to)
{
    return (a->sum[to] - a->sum[from]) / (2.0 * (double)(to - from));
}

/* Mean power of a cell around a preamble at cell i: the largest of the means before it, after it and between its two
 * peaks. A click or a step of the input fills the space between the peaks; a preamble does not. */
static double level(const srec_acquisition *a, size_t i)
{
    const size_t after = i + a->chirp + a->offsets, before = i > a->offsets ? i - a->offsets : 0,
                 from = before > a->window ? before - a->window : 0;
    double mean = ROUNDING * a->sum[a->held];
    mean = fmax(mean, mean_power(a, after, after + a->window));
    mean = fmax(mean, mean_power(a, i + a->offsets + a->guard, i + a->chirp - a->offsets - a->guard));
    if (before - from >= a->window / 2)
        mean = fmax(mean, mean_power(a, from, before));
    return mean;
}

/* The offset d at which cell i reaches its S.
 * \param first, second powers of the chirp that comes first and of the other chirp */
static ptrdiff_t offset_of(const srec_acquisition *a, const float *first, const float *second, size_t i, size_t widest,
                           float s)
{
    size_t d = widest;
    for (size_t k = i < widest ? widest - i : 0; k <= 2 * widest; k++)
        if (first[i + k - widest] + second[i + a->chirp + widest - k] >= s)
            d = k;
    return (ptrdiff_t)d - (ptrdiff_t)widest;
}

/* The largest S near \p cell at carrier offsets up to a->widest cells, in one orientation of the spectrum. In conjugate
 * samples the two chirps change places. */
static reading read_as(srec_acquisition *a, size_t cell, bool inverted)
{
    const float *first = a->power[inverted], *second = a->power[!inverted];
    const size_t reach = a->chirp + a->widest, from = cell > reach ? cell - reach : 0;
    size_t best = cell;
    statistics(first, second, (cells){ from, cell + reach }, a->widest, a->chirp, a->scratch);
    for (size_t i = from; i < cell + reach; i++)
        if (a->scratch[i] > a->scratch[best])
            best = i;
    return (reading){ .cell = best,
                      .offset = offset_of(a, first, second, best, a->widest, a->scratch[best]),
                      .inverted = inverted,
                      .power = a->scratch[best] };
}

/* The largest S within one chirp of cell i, with the offsets of the search. */
static reading read_as_searched(const srec_acquisition *a, size_t i)
{
    size_t best = i;
    for (size_t k = i; k < i + a->chirp; k++)
        if (a->statistic[k] > a->statistic[best])
            best = k;
    return (reading){ .cell = best,
                      .offset = offset_of(a, a->power[0], a->power[1], best, a->offsets, a->statistic[best]),
                      .power = a->statistic[best] };
}

/* True if both chirps are present: each has at least this share of S. */
static bool balanced(const srec_acquisition *a, const reading *r, double share)
{
    const float first = a->power[r->inverted][(ptrdiff_t)r->cell + r->offset];
    return first >= (float)share * r->power && first <= (float)(1 - share) * r->power;
}

/* A single chirp can pass the threshold. It may belong to a preamble with an inverted spectrum, or to one with a large
 * carrier offset.
 * \return false if it belongs to no preamble, or to one whose other chirp has already been a candidate */
static bool read_otherwise(srec_acquisition *a, reading *found)
{
    const reading plain = read_as(a, found->cell, false), inverted = read_as(a, found->cell, true);
    const reading other = inverted.power > plain.power ? inverted : plain;
    if (!(other.power > (float)WHOLE * found->power) || !balanced(a, &other, BALANCE_OTHER))
        return balanced(a, found, BALANCE);
    const uint64_t mark = a->first + other.cell + 1;
    const bool fresh = mark != a->read_otherwise;
    a->read_otherwise = mark;
    *found = other;
    return fresh;
}

bool srec_acquisition_next(srec_acquisition *a)
{
    /* The candidate is the largest S within the length of a chirp. The mean after the preamble must be known too. */
    const size_t ahead = 2 * a->chirp + a->offsets + a->window;
    while (a->next - a->first + ahead < a->held) {
        const size_t i = (size_t)(a->next - a->first);
        a->next++;
        if ((double)a->statistic[i] > THRESHOLD * level(a, i)) { /* false for NaN */
            a->found = read_as_searched(a, i);
            a->next = a->first + a->found.cell + 1;
            return true;
        }
    }
    return false;
}

bool srec_acquisition_candidate(srec_acquisition *a, srec_candidate *out)
{
    reading found = a->found;
    if (!read_otherwise(a, &found)) {
        a->next += 2 * a->offsets; /* skips the cells whose S comes from the same peak */
        return false;
    }
    /* A correlation starts with the tail of the pulse, before the first symbol. */
    out->sample = a->origin + (a->first + found.cell) * a->step + SREC_BURST_SPAN * a->sps;
    out->cfo = (float)((double)found.offset / (double)a->chirp);
    out->inverted = found.inverted;
    return true;
}
