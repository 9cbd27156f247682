/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "survey.h"

#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

#define PI            3.14159265358979323846
#define BLOCK         1024u /* samples per transform */
#define PIECE         64u   /* samples per mean power */
#define PIECES        (BLOCK / PIECE)
#define SPECTRA_FIRST 256u /* use the spectrum of every strong block up to this number */
#define SPECTRA_EVERY 16u  /* then of one block in this many */
#define SPECTRA_LEAST 16u  /* minimum for figures */
#define LINE          2    /* bins to each side over which a line spreads */
/* Bins to each side that are averaged for the edges of a band; fewer with many spectra. */
#define SMOOTH        8
#define AVERAGED      512u /* spectra times bins */
#define STANDS_OUT    4.0  /* 6 dB */
#define WHOLE_BAND    0.7  /* share of the power above the noise floor that must be in the band */
/* In symbol rate times roll-off: from half power to a tenth at the edge of a raised cosine. */
#define FALL          0.295

struct srec_survey {
    fftwf_plan forward;
    float *block, *windowed, *spectrum, *window; /* (BLOCK, 2), the last one (BLOCK) */
    size_t filled;
    uint64_t samples;
    double weakest;           /* power of the weakest piece that is not silent; 0: none yet */
    double strongest;         /* power of the strongest block */
    double power, kurtosis;   /* sums over strong blocks */
    uint64_t strong, spectra; /* number of strong blocks, and of those whose spectrum is in the sum */
    double density[BLOCK];    /* sum of spectra */
};

srec_status srec_survey_create(srec_survey **out)
{
    *out = NULL;
    srec_survey *s = calloc(1, sizeof *s);
    if (!s)
        return SREC_ERR_MEMORY;
    s->block = volk_malloc(2 * BLOCK * sizeof(float), 64);
    s->windowed = volk_malloc(2 * BLOCK * sizeof(float), 64);
    s->spectrum = volk_malloc(2 * BLOCK * sizeof(float), 64);
    s->window = volk_malloc(BLOCK * sizeof(float), 64);
    if (s->block && s->windowed && s->spectrum && s->window) {
        fftwf_make_planner_thread_safe();
        s->forward = fftwf_plan_dft_1d((int)BLOCK, (fftwf_complex *)(void *)s->windowed,
                                       (fftwf_complex *)(void *)s->spectrum, FFTW_FORWARD, FFTW_ESTIMATE);
    }
    if (!s->forward) {
        srec_survey_free(s);
        return SREC_ERR_MEMORY;
    }
    for (unsigned i = 0; i < BLOCK; i++)
        s->window[i] = (float)(0.5 - 0.5 * cos(2 * PI * i / BLOCK));
    *out = s;
    return SREC_OK;
}

void srec_survey_free(srec_survey *s)
{
    if (!s)
        return;
    if (s->forward)
        fftwf_destroy_plan(s->forward);
    volk_free(s->block);
    volk_free(s->windowed);
    volk_free(s->spectrum);
    volk_free(s->window);
    free(s);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_spectrum(srec_survey *s)
{
    volk_32fc_32f_multiply_32fc((lv_32fc_t *)(void *)s->windowed, (const lv_32fc_t *)(const void *)s->block, s->window,
                                BLOCK);
    fftwf_execute(s->forward);
    for (unsigned i = 0; i < BLOCK; i++) {
        const double re = (double)s->spectrum[2 * i], im = (double)s->spectrum[2 * i + 1];
        s->density[i] += re * re + im * im;
    }
    s->spectra++;
}

/* Examine a complete block. Its power is the median over its pieces, so that clicks do not count. */
static void examine(srec_survey *s)
{
    double piece[PIECES], second = 0, fourth = 0;
    for (unsigned p = 0; p < PIECES; p++) {
        double sum = 0, square = 0;
        for (unsigned i = p * PIECE; i < (p + 1) * PIECE; i++) {
            const double re = (double)s->block[2 * i], im = (double)s->block[2 * i + 1], power = re * re + im * im;
            sum += power;
            square += power * power;
        }
        piece[p] = sum / PIECE;
        second += sum / BLOCK;
        fourth += square / BLOCK;
    }
    for (unsigned p = 1; p + 1 < PIECES; p++) /* ignores pieces that are partly silent */
        if (piece[p - 1] > 0 && piece[p] > 0 && piece[p + 1] > 0 && (piece[p] < s->weakest || s->weakest == 0))
            s->weakest = piece[p];
    qsort(piece, PIECES, sizeof *piece, ascending);
    const double median = piece[PIECES / 2];
    if (!(median > 0) || median < 0.5 * s->strongest)
        return;
    if (median > 2 * s->strongest) { /* the earlier blocks were not strong */
        s->strong = s->spectra = 0;
        s->power = s->kurtosis = 0;
        memset(s->density, 0, sizeof s->density);
    }
    s->strongest = fmax(s->strongest, median);
    s->power += second;
    s->kurtosis += fourth / (second * second);
    if (s->spectra < SPECTRA_FIRST || s->strong % SPECTRA_EVERY == 0)
        add_spectrum(s);
    s->strong++;
}

void srec_survey_add(srec_survey *s, const float *samples, size_t n)
{
    s->samples += n;
    while (n) {
        const size_t part = n < BLOCK - s->filled ? n : BLOCK - s->filled;
        memcpy(s->block + 2 * s->filled, samples, 2 * part * sizeof(float));
        s->filled += part;
        samples += 2 * part;
        n -= part;
        if (s->filled == BLOCK) {
            examine(s);
            s->filled = 0;
        }
    }
}

bool srec_survey_complete(const srec_survey *s) { return s->spectra >= SPECTRA_FIRST; }

/* Frequency of a position in the spectrum, cycles per sample. */
static double frequency_of(double bin) { return remainder(bin / BLOCK, 1.0); }

static double bin_of(const double *density, int i) { return density[(unsigned)i % BLOCK]; }

static void find_line(const double *density, srec_survey_figures *out)
{
    double total = 0, power = 0, moment = 0;
    int top = 0;
    for (int i = 0; i < (int)BLOCK; i++) {
        total += density[i];
        top = density[i] > density[top] ? i : top;
    }
    for (int i = -LINE; i <= LINE; i++) {
        power += bin_of(density, top + i);
        moment += i * bin_of(density, top + i);
    }
    out->tone_share = total > 0 ? power / total : 0;
    out->tone_frequency = power > 0 ? frequency_of(top + moment / power) : 0;
}

/* Position between bins where the density first falls below \p level, from \p top in steps of \p way. */
static double edge(const double *density, int top, int way, double level)
{
    for (int i = 1; i < (int)BLOCK; i++) {
        const double here = bin_of(density, top + way * i), last = bin_of(density, top + way * (i - 1));
        if (here < level)
            return top + way * (i - 1 + (last - level) / (last - here));
    }
    return top + way * (double)BLOCK;
}

/* A band around \p top, with edges between bins, where the density is at least \p level. */
typedef struct {
    double low, high;
} band;

static band band_above(const double *density, int top, double level)
{
    return (band){ .low = edge(density, top, -1, level), .high = edge(density, top, 1, level) };
}

/* Mean density of the lowest sixteenth of all bins. */
static double floor_of(const double *density)
{
    double sorted[BLOCK], sum = 0;
    memcpy(sorted, density, sizeof sorted);
    qsort(sorted, BLOCK, sizeof *sorted, ascending);
    for (unsigned i = 0; i < BLOCK / 16; i++)
        sum += sorted[i];
    return sum / (BLOCK / 16);
}

/* Mean density in the middle fifth of a band. */
static double plateau_of(const double *density, const band *b)
{
    const int middle = (int)lrint(0.5 * (b->low + b->high)), reach = (int)(0.1 * (b->high - b->low));
    double sum = 0;
    for (int i = middle - reach; i <= middle + reach; i++)
        sum += bin_of(density, i) / (2 * reach + 1);
    return sum;
}

/* Find the band that stands out, if there is one.
 * \param density smoothed, without lines */
static void find_band(const double *density, srec_survey_figures *out)
{
    const double ground = floor_of(density);
    int top = 0;
    for (int i = 0; i < (int)BLOCK; i++)
        top = density[i] > density[top] ? i : top;
    band half = band_above(density, top,
                           ground + 0.4 * (density[top] - ground)); /* 0.4: the top is above the mean of the band */
    const double above = plateau_of(density, &half) - ground;
    if (!(above > (STANDS_OUT - 1) * ground))
        return;
    half = band_above(density, top, ground + 0.5 * above);
    const band tenth = band_above(density, top, ground + 0.1 * above);
    const double width = half.high - half.low, fall = 0.5 * (half.low - tenth.low + tenth.high - half.high);
    double inside = 0, total = 0;
    for (int i = 0; i < (int)BLOCK; i++) {
        const double away = remainder(i - 0.5 * (half.low + half.high), BLOCK), excess = fmax(0, density[i] - ground);
        total += excess;
        inside += fabs(away) < width ? excess : 0;
    }
    out->shaped = width < 0.95 * BLOCK && inside > WHOLE_BAND * total;
    out->width = width / BLOCK;
    out->centre = frequency_of(0.5 * (half.low + half.high));
    out->rolloff = fmin(1, fall / (FALL * width));
}

void srec_survey_read(const srec_survey *s, srec_survey_figures *out)
{
    *out = (srec_survey_figures){ .samples = s->samples };
    if (!s->strong)
        return;
    out->contrast_db = s->weakest > 0 ? 10 * log10(s->strongest / s->weakest) : 0;
    out->power = s->power / (double)s->strong;
    out->kurtosis = s->kurtosis / (double)s->strong;
    if (s->spectra < SPECTRA_LEAST)
        return;
    find_line(s->density, out);
    double level[BLOCK], smooth[BLOCK];
    memcpy(level, s->density, sizeof level);
    const int line = (int)lrint(out->tone_frequency * BLOCK) + (int)BLOCK;
    const double beside = 0.5 * (bin_of(level, line - 2 * LINE) + bin_of(level, line + 2 * LINE));
    for (int i = line - 2 * LINE + 1; i < line + 2 * LINE; i++) /* a line is not a band */
        level[(unsigned)i % BLOCK] = fmin(bin_of(level, i), 2 * beside);
    const int wide = (int)(AVERAGED / (2 * s->spectra)), reach = wide < SMOOTH ? wide : SMOOTH;
    for (int i = 0; i < (int)BLOCK; i++) {
        smooth[i] = 0;
        for (int k = -reach; k <= reach; k++)
            smooth[i] += bin_of(level, i + k) / (2 * reach + 1);
    }
    find_band(smooth, out);
}
