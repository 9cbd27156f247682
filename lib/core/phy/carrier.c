/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "carrier.h"

#include <math.h>
#include <string.h>

#define TWO_PI              6.28318530717958647692
/* Two drifts that differ by 1 / 256^2 cycles per symbol^2 give the same phases at all pilot blocks, except for 1/8 turn
 * between the preamble and the first block. Only drifts smaller than half of that are unambiguous. */
#define RATE_MAX            (double)SREC_SYNC_DRIFT_MAX
#define UNIT                256.0 /* symbols: unit of time of the filters */
#define FREQUENCIES         17    /* in the search grid */
#define FREQUENCY_SIGMAS    3.2   /* half width of the grid in standard deviations */
#define RATE_STEP           2.0   /* rad at the last block between neighbouring rates of the grid, times 2 */
#define RATE_WORTH          8.0   /* log likelihood that a drift must gain over a steady carrier */
#define RATE_VARIANCE_MIN   4e-4  /* (rad per unit^2)^2 */
#define HYPOTHESIS_VARIANCE 1e-2
#define SURE_VARIANCE       0.02 /* rad^2: minimum variance of a phase in the search */
/* Minimum mean cosine of the phase errors. Below it the carrier follows no rate at all (fading). */
#define AGREEMENT_MIN       0.7
#define TOPS                12 /* hypotheses that are examined more closely */
/* Mean phase of a drifting preamble relative to its middle, in rad per (rad per unit^2). It is negative: (r / 2) (n^2 -
 * 128 |n|), because the fix moves in time until both chirps have the same level. */
#define PREAMBLE_BIAS       (2731.0 / (2 * UNIT * UNIT))
#define OUTLIERS            0.02 /* share of measurements without information: fades, interference */
#define VARIANCE_MAX        4.0  /* rad^2: from here on the phase is arbitrary */

const srec_carrier_walk SREC_CARRIER_FOLLOW = { 5e-3, 2e-4, 1e-3 };

/* From a steady carrier to one that fading or an unstable oscillator disturbs. */
static const srec_carrier_walk walks[] = {
    { 1e-4, 1e-7, 1e-8 }, { 5e-3, 2e-4, 1e-6 }, { 5e-3, 2e-3, 2e-2 }, { 1e-1, 1e-4, 1e-8 }, { 1e0, 1e-6, 1e-9 },
};
#define WALKS (sizeof walks / sizeof *walks)

void srec_carrier_filter_start(srec_carrier_filter *f, const srec_carrier_start *start)
{
    *f = (srec_carrier_filter){
        .at = start->at,
        .state = { start->phase, 0, start->rate * UNIT * UNIT },
    };
    f->covariance[0][0] = start->phase_variance;
    f->covariance[1][1] = start->frequency_variance * UNIT * UNIT;
    f->covariance[2][2] = start->rate_variance * UNIT * UNIT * UNIT * UNIT;
}

/* P <- F P F' + Q for F = (1 d d^2/2; 0 1 d; 0 0 1). */
void srec_carrier_filter_predict(srec_carrier_filter *f, double at, const srec_carrier_walk *walk)
{
    const double d = (at - f->at) / UNIT, f_matrix[3][3] = { { 1, d, 0.5 * d * d }, { 0, 1, d }, { 0, 0, 1 } };
    double state[3] = { 0 }, half[3][3] = { { 0 } };
    for (int i = 0; i < 3; i++)
        for (int j = i; j < 3; j++) {
            state[i] += f_matrix[i][j] * f->state[j];
            for (int k = 0; k < 3; k++)
                half[i][k] += f_matrix[i][j] * f->covariance[j][k];
        }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            f->covariance[i][k] = 0;
            for (int j = k; j < 3; j++)
                f->covariance[i][k] += half[i][j] * f_matrix[k][j];
        }
    const double a = fabs(d), q1 = walk->frequency, q2 = walk->rate;
    f->covariance[0][0] += walk->phase * a + q1 * a * a * a / 3 + q2 * pow(a, 5) / 20;
    f->covariance[0][1] += q1 * d * a / 2 + q2 * d * a * a * a / 8;
    f->covariance[0][2] += q2 * a * a * a / 6;
    f->covariance[1][1] += q1 * a + q2 * a * a * a / 3;
    f->covariance[1][2] += q2 * d * a / 2;
    f->covariance[2][2] += q2 * a;
    f->covariance[1][0] = f->covariance[0][1];
    f->covariance[2][0] = f->covariance[0][2];
    f->covariance[2][1] = f->covariance[1][2];
    memcpy(f->state, state, sizeof state);
    f->at = at;
}

void srec_carrier_filter_update(srec_carrier_filter *f, double innovation, double variance)
{
    const double s = f->covariance[0][0] + variance, v = remainder(innovation, TWO_PI);
    const double column[3] = { f->covariance[0][0], f->covariance[1][0], f->covariance[2][0] };
    const double density = exp(-0.5 * v * v / s) / sqrt(TWO_PI * s);
    f->log_likelihood += log((1 - OUTLIERS) * density + OUTLIERS / TWO_PI);
    for (int i = 0; i < 3; i++) {
        f->state[i] += column[i] / s * v;
        for (int k = 0; k < 3; k++)
            f->covariance[i][k] -= column[i] * column[k] / s;
    }
}

double srec_carrier_filter_frequency(const srec_carrier_filter *f) { return f->state[1] / UNIT; }

/* \param ahead known lead of the carrier over the filter, rad */
static void update_with(srec_carrier_filter *f, const srec_phase_measurement *m, double ahead)
{
    srec_carrier_filter_update(f, m->phase - ahead - f->state[0], fmin(m->variance, VARIANCE_MAX));
}

/* A hypothesis: a rate and a matching frequency that explain the first blocks. */
typedef struct {
    double frequency; /* rad per unit */
    double rate;      /* rad per unit^2 */
    double score;     /* log likelihood */
} hypothesis;

/* Log likelihoods of one rate over all frequencies: cosines of the blocks' phase errors, weighted by their
 * certainty. */
typedef struct {
    size_t n;
    float re[SREC_CARRIER_GRID_BLOCKS][FREQUENCIES]; /* phasors: phase of a block minus the phase of each frequency */
    float im[SREC_CARRIER_GRID_BLOCKS][FREQUENCIES];
    double after[SREC_CARRIER_GRID_BLOCKS]; /* time after the preamble, units */
    double frequency[FREQUENCIES];          /* rad per unit */
    float prior[FREQUENCIES];
} grid;

static void make_grid(const srec_carrier_start *start, const srec_phase_measurement *blocks, size_t n, grid *g)
{
    const double sigma = UNIT * sqrt(start->frequency_variance);
    g->n = n;
    for (int w = 0; w < FREQUENCIES; w++) {
        const double x = (double)(w - FREQUENCIES / 2) / (FREQUENCIES / 2) * FREQUENCY_SIGMAS;
        g->frequency[w] = x * sigma;
        g->prior[w] = (float)(-0.5 * x * x);
    }
    for (size_t i = 0; i < n; i++) {
        const double sure = 1 / fmax(blocks[i].variance, SURE_VARIANCE);
        g->after[i] = (blocks[i].at - start->at) / UNIT;
        for (int w = 0; w < FREQUENCIES; w++) {
            const double angle = blocks[i].phase - start->phase - g->frequency[w] * g->after[i];
            g->re[i][w] = (float)(sure * cos(angle));
            g->im[i][w] = (float)(sure * sin(angle));
        }
    }
}

static hypothesis best_frequency(const grid *g, double rate)
{
    float score[FREQUENCIES];
    memcpy(score, g->prior, sizeof score);
    for (size_t i = 0; i < g->n; i++) {
        const double angle = rate * (0.5 * g->after[i] * g->after[i] + PREAMBLE_BIAS);
        const float c = (float)cos(angle), s = (float)sin(angle);
        for (int w = 0; w < FREQUENCIES; w++)
            score[w] += g->re[i][w] * c + g->im[i][w] * s;
    }
    int best = 0;
    for (int w = 1; w < FREQUENCIES; w++)
        best = score[w] > score[best] ? w : best;
    return (hypothesis){ .frequency = g->frequency[best], .rate = rate, .score = (double)score[best] };
}

/* Keep the best hypotheses, in order.
 * \param[in,out] n number of hypotheses kept, at most TOPS */
static void keep_top(hypothesis tops[TOPS], unsigned *n, const hypothesis *h)
{
    if (*n < TOPS)
        ++*n;
    else if (!(h->score > tops[TOPS - 1].score))
        return;
    unsigned at = *n - 1;
    for (; at > 0 && tops[at - 1].score < h->score; at--)
        tops[at] = tops[at - 1];
    tops[at] = *h;
}

/* The most likely rates: local maxima of the likelihood over the grid.
 * \return how many */
static unsigned search_grid(const grid *g, hypothesis tops[TOPS])
{
    const double most = TWO_PI * RATE_MAX * UNIT * UNIT;
    const double last = g->after[g->n - 1], step = RATE_STEP / (last * last);
    const int tries = (int)ceil(most / step);
    const hypothesis none = { .score = -INFINITY };
    hypothesis before = none, here = best_frequency(g, -tries * step);
    unsigned n = 0;
    for (int k = -tries; k <= tries; k++) {
        const hypothesis next = k < tries ? best_frequency(g, (k + 1) * step) : none;
        if (here.score >= before.score && here.score > next.score)
            keep_top(tops, &n, &here);
        before = here;
        here = next;
    }
    return n;
}

/* Follow the blocks from a hypothesis.
 * \param[out] agreement mean cosine of the phase errors, weighted by certainty
 * \return the filter at the last block */
static srec_carrier_filter follow_hypothesis(const srec_carrier_start *start, const hypothesis *h,
                                             const srec_phase_measurement *blocks, size_t n,
                                             const srec_carrier_walk *walk, double *agreement)
{
    double sum = 0, weights = 0;
    srec_carrier_start s = *start;
    srec_carrier_filter f;
    s.phase += h->rate * PREAMBLE_BIAS;
    s.rate = h->rate / (UNIT * UNIT);
    s.rate_variance = HYPOTHESIS_VARIANCE / (UNIT * UNIT * UNIT * UNIT);
    srec_carrier_filter_start(&f, &s);
    f.state[1] = h->frequency;
    f.log_likelihood = -0.5 * h->frequency * h->frequency / f.covariance[1][1];
    for (size_t i = 0; i < n; i++) {
        const double sure = 1 / fmax(blocks[i].variance, SURE_VARIANCE);
        srec_carrier_filter_predict(&f, blocks[i].at, walk);
        sum += sure * cos(blocks[i].phase - f.state[0]);
        weights += sure;
        update_with(&f, &blocks[i], 0);
    }
    *agreement = sum / weights;
    return f;
}

void srec_carrier_search_rate(srec_carrier_start *start, const srec_phase_measurement *blocks, size_t n)
{
    grid g;
    hypothesis tops[TOPS];
    make_grid(start, blocks, n < SREC_CARRIER_GRID_BLOCKS ? n : SREC_CARRIER_GRID_BLOCKS, &g);
    const unsigned n_tops = search_grid(&g, tops);
    const hypothesis steady = best_frequency(&g, 0);
    double agreement;
    srec_carrier_filter best = follow_hypothesis(start, &steady, blocks, n, &walks[0], &agreement);
    bool agrees = agreement > AGREEMENT_MIN;
    /* Log likelihood that a drift must exceed by RATE_WORTH. */
    double worst = best.log_likelihood;
    for (size_t w = 1; w < WALKS; w++)
        worst = fmax(worst, follow_hypothesis(start, &steady, blocks, n, &walks[w], &agreement).log_likelihood);
    best.log_likelihood = worst + RATE_WORTH;
    for (unsigned k = 0; k < n_tops; k++) {
        const srec_carrier_filter f = follow_hypothesis(start, &tops[k], blocks, n, &walks[0], &agreement);
        if (agreement > AGREEMENT_MIN && f.log_likelihood > best.log_likelihood) {
            best = f;
            agrees = true;
        }
    }
    const double most = TWO_PI * RATE_MAX;
    start->rate = agrees ? fmax(-most, fmin(most, best.state[2] / (UNIT * UNIT))) : 0;
    start->rate_variance =
        (agrees ? fmax(RATE_VARIANCE_MIN, 4 * best.covariance[2][2]) : 0) / (UNIT * UNIT * UNIT * UNIT);
}

/* One step forwards: the filter before and after a block. */
typedef struct {
    srec_carrier_filter predicted;
    srec_carrier_filter updated;
} step;

static void filter_forwards(const srec_carrier_start *start, const srec_phase_measurement *blocks, size_t n,
                            const srec_carrier_walk *walk, step *steps)
{
    double ahead = 0;
    srec_carrier_filter_start(&steps[0].updated, start);
    for (size_t i = 0; i < n; i++) {
        ahead += blocks[i].extra;
        steps[i + 1].predicted = steps[i].updated;
        srec_carrier_filter_predict(&steps[i + 1].predicted, blocks[i].at, walk);
        steps[i + 1].updated = steps[i + 1].predicted;
        update_with(&steps[i + 1].updated, &blocks[i], ahead);
    }
}

/* x = a^-1 b for symmetric positive definite a (3, 3), by Cramer's rule. */
static void solve(const double a[3][3], const double b[3], double x[3])
{
    const double c00 = a[1][1] * a[2][2] - a[1][2] * a[1][2], c01 = a[0][2] * a[1][2] - a[0][1] * a[2][2];
    const double c02 = a[0][1] * a[1][2] - a[0][2] * a[1][1], c11 = a[0][0] * a[2][2] - a[0][2] * a[0][2];
    const double c12 = a[0][1] * a[0][2] - a[0][0] * a[1][2], c22 = a[0][0] * a[1][1] - a[0][1] * a[0][1];
    const double det = a[0][0] * c00 + a[0][1] * c01 + a[0][2] * c02, inverse = det > 0 ? 1 / det : 0;
    x[0] = inverse * (c00 * b[0] + c01 * b[1] + c02 * b[2]);
    x[1] = inverse * (c01 * b[0] + c11 * b[1] + c12 * b[2]);
    x[2] = inverse * (c02 * b[0] + c12 * b[1] + c22 * b[2]);
}

/* Backward pass (Rauch, Tung and Striebel 1965): it adds the information of the later blocks to each state. Only the
 * mean is needed. */
static void smooth_backwards(const step *steps, size_t n, srec_carrier_node *nodes)
{
    double smoothed[3];
    memcpy(smoothed, steps[n].updated.state, sizeof smoothed);
    for (size_t i = n + 1; i-- > 0;) {
        const srec_carrier_filter *own = &steps[i].updated;
        if (i < n) {
            const srec_carrier_filter *next = &steps[i + 1].predicted;
            const double d = (next->at - own->at) / UNIT;
            double off[3], w[3], turned[3];
            for (int k = 0; k < 3; k++)
                off[k] = smoothed[k] - next->state[k];
            solve(next->covariance, off, w);
            turned[0] = w[0]; /* F' w */
            turned[1] = d * w[0] + w[1];
            turned[2] = 0.5 * d * d * w[0] + d * w[1] + w[2];
            for (int k = 0; k < 3; k++)
                smoothed[k] = own->state[k] + own->covariance[k][0] * turned[0] + own->covariance[k][1] * turned[1] +
                              own->covariance[k][2] * turned[2];
        }
        nodes[i] = (srec_carrier_node){
            .at = own->at,
            .phase = smoothed[0],
            .frequency = smoothed[1] / UNIT,
            .rate = smoothed[2] / (UNIT * UNIT),
        };
    }
}

bool srec_carrier_fit(const srec_carrier_start *start, const srec_phase_measurement *blocks, size_t n,
                      srec_buffer *scratch, srec_carrier_node *nodes)
{
    if (!srec_buffer_need(scratch, (n + 1) * sizeof(step)))
        return false;
    step *steps = scratch->data;
    double best = -INFINITY;
    size_t best_walk = 0;
    for (size_t w = 0; w < WALKS; w++) {
        filter_forwards(start, blocks, n, &walks[w], steps);
        if (steps[n].updated.log_likelihood > best) {
            best = steps[n].updated.log_likelihood;
            best_walk = w;
        }
    }
    if (best_walk != WALKS - 1)
        filter_forwards(start, blocks, n, &walks[best_walk], steps);
    smooth_backwards(steps, n, nodes);
    double ahead = 0;
    for (size_t i = 0; i < n; i++) {
        ahead += blocks[i].extra;
        nodes[i].extra = blocks[i].extra;
        nodes[i + 1].phase += ahead;
    }
    return true;
}

double srec_carrier_phase(const srec_carrier_node *nodes, size_t n_nodes, double at, size_t *hint)
{
    while (*hint + 2 < n_nodes && at > nodes[*hint + 1].at)
        ++*hint;
    const srec_carrier_node *a = nodes + *hint;
    const bool before = at < a->at || n_nodes == 1, after = !before && at > a[1].at;
    if (before || after) {
        const srec_carrier_node *end = after ? a + 1 : a;
        const double d = at - end->at;
        return end->phase + d * (end->frequency + 0.5 * d * end->rate);
    }
    const double span = a[1].at - a->at, x = (at - a->at) / span, whole = a[1].phase - a->phase;
    /* The part of the phase that the frequencies at both ends account for. */
    const double rise = whole - a->extra;
    const double in = a->frequency * span - rise, out = a[1].frequency * span - rise;
    return a->phase + x * whole + x * (1 - x) * (in * (1 - x) - out * x);
}

void srec_carrier_add_turns(srec_phase_measurement *blocks, size_t n, const int *turns)
{
    for (size_t i = 1; i < n; i++)
        blocks[i].extra += TWO_PI * turns[i];
    if (n > 2 && blocks[n - 1].at - blocks[n - 2].at < UNIT - 1)
        blocks[n - 1].extra = blocks[n - 2].extra * (blocks[n - 1].at - blocks[n - 2].at) / UNIT;
}

static double mean_slope(const srec_carrier_node *from, const srec_carrier_node *to)
{
    return (to->phase - from->phase) / (to->at - from->at);
}

double srec_carrier_mean_frequency(const srec_carrier_node *nodes, size_t n_nodes)
{
    return n_nodes < 2 ? nodes[0].frequency : mean_slope(nodes, nodes + n_nodes - 1);
}

double srec_carrier_mean_rate(const srec_carrier_node *nodes, size_t n_nodes)
{
    if (n_nodes < 3)
        return 0;
    const srec_carrier_node *middle = nodes + n_nodes / 2, *last = nodes + n_nodes - 1;
    return 2 * (mean_slope(middle, last) - mean_slope(nodes, middle)) / (last->at - nodes->at);
}
