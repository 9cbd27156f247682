/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consistency.h"

#include "buffer.h"
#include "waveform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI           3.14159265358979323846
#define CELLS        512 /* per table */
#define AXIS_MAX     2.0 /* larger amplitudes count as this */
#define POWER_MAX    4.0 /* larger powers carry no information about rings */
#define ANGLES       32  /* over a quarter turn, for the mean over all rotations */
#define TABLES       28  /* for noise powers TABLE_DB apart */
#define TABLE_MARGIN 0.2 /* in tables: by how much n0 may be too small */
#define TABLE_DB     2.0
#define LEVELS_MAX   32 /* a larger number of levels counts as this many, blurred */
#define WORSE        3  /* states with more noise */
#define WORSE_TABLES 2  /* distance between these states in tables; the first is one table from a good unit */
#define STATES       (WORSE + 2)
#define GOOD         0
#define RINGS        (STATES - 1)
#define LOST_POWER   2.0  /* error power of a symbol of unit power with arbitrary phase */
#define SYMBOL_MAX   4.0f /* maximum log likelihood that a symbol adds for or against a state */
#define UNIT_MAX     40.0 /* the same for a unit */
#define BEGIN        1e-6 /* probability that a given other state follows a good unit */
#define END          1e-2 /* probability that a different state follows such a unit */
#define TURNS        3    /* turns to each side that are tried */
#define PATHS        (2 * TURNS + 2)
#define LOST         (PATHS - 1)
#define CHANGE       8.0 /* log likelihood that a change of the number of turns costs */

/* Log densities of a symbol of unit gain at one noise power. Cell i of an axis is at (i + 0.5) / CELLS of -AXIS_MAX ..
 * AXIS_MAX. */
typedef struct {
    bool made;
    double noise;
    float in_phase[CELLS];
    float quadrature[CELLS];
    float ring[CELLS]; /* of a power 0 .. POWER_MAX, averaged over all rotations */
} table;

struct srec_consistency {
    bool antipodal; /* BPSK: no signal in quadrature */
    unsigned n_levels;
    double unit;      /* levels are odd multiples of this */
    double noise_min; /* of the first table */
    srec_buffer units;
    srec_buffer paths;
    table tables[TABLES];
};

/* State probabilities of a unit during the computation. */
typedef struct {
    double likelihood[STATES]; /* relative to the best state */
    double probability[STATES];
} unit_states;

srec_status srec_consistency_create(srec_modulation modulation, srec_consistency **out)
{
    *out = NULL;
    srec_consistency *c = calloc(1, sizeof *c);
    if (!c)
        return SREC_ERR_MEMORY;
    const unsigned bits = srec_modem_bits_per_symbol(modulation);
    const unsigned n = 1u << (bits > 1 ? bits / 2 : 1);
    c->antipodal = bits == 1;
    c->n_levels = n < LEVELS_MAX ? n : LEVELS_MAX;
    c->unit = sqrt((c->antipodal ? 3.0 : 1.5) / (c->n_levels * c->n_levels - 1.0)); /* for unit mean power */
    const double distance = 2 * c->unit;
    c->noise_min = distance * distance / (n > LEVELS_MAX ? 1 : 64); /* merged levels must blur */
    *out = c;
    return SREC_OK;
}

void srec_consistency_free(srec_consistency *c)
{
    if (!c)
        return;
    srec_buffer_free(&c->units);
    srec_buffer_free(&c->paths);
    free(c);
}

/* Density of a received amplitude given the levels. */
static double density(double y, unsigned n_levels, double unit, double noise)
{
    double sum = 0;
    for (unsigned k = 0; k < n_levels; k++) {
        const double level = unit * (2.0 * k + 1 - n_levels), d = y - level;
        sum += exp(-d * d / noise);
    }
    return sum / n_levels / sqrt(PI * noise) + 1e-30;
}

static unsigned axis_cell(double y) { return (unsigned)((y + AXIS_MAX) * (CELLS / (2 * AXIS_MAX))); }

static const table *table_number(srec_consistency *c, int index)
{
    if (index >= TABLES)
        index = TABLES - 1;
    table *t = &c->tables[index];
    if (t->made)
        return t;
    t->noise = c->noise_min * pow(10, 0.1 * TABLE_DB * index);
    for (unsigned i = 0; i < CELLS; i++) {
        const double y = AXIS_MAX * ((2.0 * i + 1) / CELLS - 1);
        t->in_phase[i] = (float)log(density(y, c->n_levels, c->unit, t->noise));
        t->quadrature[i] = c->antipodal ? (float)log(density(y, 1, 0, t->noise)) : t->in_phase[i];
    }
    for (unsigned i = 0; i < CELLS; i++) {
        const double radius = sqrt(POWER_MAX * (i + 0.5) / CELLS);
        double sum = 0;
        for (unsigned a = 0; a < ANGLES; a++) {
            const double angle = 0.5 * PI * (a + 0.5) / ANGLES;
            sum += exp((double)t->in_phase[axis_cell(radius * cos(angle))] +
                       (double)t->quadrature[axis_cell(radius * sin(angle))]);
        }
        t->ring[i] = (float)log(sum / ANGLES);
    }
    t->made = true;
    return t;
}

/* Index of the table for a noise power at unit gain, rounded up. With too little noise the phase would count too
 * much. */
static int table_index(const srec_consistency *c, double noise)
{
    const double steps = 10 / TABLE_DB * log10(noise / c->noise_min);
    return steps > 0 ? (steps < TABLES - 1 ? (int)ceil(steps + TABLE_MARGIN) : TABLES - 1) : 0;
}

/* Table of state k in a unit with the noise of table \p index. */
static const table *worse_table(srec_consistency *c, int index, int k)
{
    return table_number(c, k ? index + 1 + (k - 1) * WORSE_TABLES : index);
}

/* Mean square of the gain over n symbols. */
static double unit_power(const srec_consistency_symbols *all, size_t first, size_t n)
{
    double power = 0;
    for (size_t i = first; i < first + n; i++)
        power += (double)(all->gain_iq[2 * i] * all->gain_iq[2 * i]);
    return power > 0 ? power / (double)n : 1e-30;
}

static float limited(float ratio)
{
    return ratio > SYMBOL_MAX ? SYMBOL_MAX : ratio < -SYMBOL_MAX ? -SYMBOL_MAX : ratio;
}

static float within(float v, float most) { return v > -most ? (v < most ? v : most) : -most; }

/* Log likelihoods of the states of a unit, relative to the state with the most noise. */
static void score_states(srec_consistency *c, const srec_consistency_symbols *all, size_t first, size_t n, double *out)
{
    const table *t[WORSE + 1];
    const int index = table_index(c, all->n0 / unit_power(all, first, n));
    for (int k = 0; k <= WORSE; k++)
        t[k] = worse_table(c, index, k);
    const float scale = CELLS / (float)(2 * AXIS_MAX), most = (float)(0.999 * AXIS_MAX);
    memset(out, 0, STATES * sizeof *out);
    for (size_t i = first; i < first + n; i++) {
        const float per_gain = 1 / all->gain_iq[2 * i];
        const float re = within(all->iq[2 * i] * per_gain, most), im = within(all->iq[2 * i + 1] * per_gain, most);
        const unsigned x = (unsigned)((re + (float)AXIS_MAX) * scale), y = (unsigned)((im + (float)AXIS_MAX) * scale);
        const float squared = re * re + im * im, wide = t[WORSE]->in_phase[x] + t[WORSE]->quadrature[y];
        const float good = t[0]->in_phase[x] + t[0]->quadrature[y];
        const unsigned power = (unsigned)(squared * (float)(CELLS / POWER_MAX));
        out[GOOD] += (double)limited(good - wide);
        for (int k = 1; k < WORSE; k++)
            out[k] += (double)limited(t[k]->in_phase[x] + t[k]->quadrature[y] - wide);
        out[RINGS] += (double)limited((power < CELLS ? t[0]->ring[power] : good) - wide);
    }
}

static double transition(int from, int to)
{
    if (from == to)
        return 1 - (STATES - 1) * (from == GOOD ? BEGIN : END);
    return from == GOOD ? BEGIN : END;
}

static void normalise(double p[STATES])
{
    double sum = 0;
    for (int k = 0; k < STATES; k++)
        sum += p[k];
    for (int k = 0; k < STATES; k++)
        p[k] /= sum;
}

/* Probabilities of the states, by the forward-backward algorithm (Rabiner 1989). */
static void find_states(unit_states *unit, size_t units)
{
    for (size_t u = 0; u < units; u++) {
        double *p = unit[u].probability;
        for (int to = 0; to < STATES; to++) {
            double from_before = to == GOOD ? 1 : BEGIN;
            for (int from = 0; u && from < STATES; from++)
                from_before = (from ? from_before : 0) + unit[u - 1].probability[from] * transition(from, to);
            p[to] = from_before * unit[u].likelihood[to];
        }
        normalise(p);
    }
    double after[STATES];
    for (int k = 0; k < STATES; k++)
        after[k] = 1;
    for (size_t u = units; u-- > 0;) {
        double next[STATES] = { 0 };
        for (int from = 0; from < STATES; from++)
            for (int to = 0; to < STATES; to++)
                next[from] += transition(from, to) * unit[u].likelihood[to] * after[to];
        for (int k = 0; k < STATES; k++)
            unit[u].probability[k] *= after[k];
        normalise(unit[u].probability);
        memcpy(after, next, sizeof after);
        normalise(after);
    }
}

/* Noise power of a unit, averaged over the states. The state with the most noise has no upper limit: its noise is the
 * power of the symbols that exceeds their signal. */
static double unit_noise(srec_consistency *c, const srec_consistency_symbols *all, size_t u, const unit_states *unit)
{
    const size_t first = u * SREC_BURST_DATA, n = srec_unit_data(u, all->n_data);
    const double power = unit_power(all, first, n);
    const int index = table_index(c, all->n0 / power);
    double received = 0;
    for (size_t i = 2 * first; i < 2 * (first + n); i++)
        received += (double)(all->iq[i] * all->iq[i]) / (double)n;
    double noise = unit->probability[GOOD] * all->n0 + unit->probability[RINGS] * (all->n0 + LOST_POWER * power);
    for (int k = 1; k <= WORSE; k++) {
        const double least = fmax(all->n0, worse_table(c, index, k)->noise * power);
        noise += unit->probability[k] * (k < WORSE ? least : fmax(least, received - power));
    }
    return noise;
}

bool srec_consistency_noise(srec_consistency *c, const srec_consistency_symbols *symbols, double *noise, bool *suspect)
{
    const size_t units = srec_units(symbols->n_data);
    if (!srec_buffer_need(&c->units, units * sizeof(unit_states)))
        return false;
    unit_states *unit = c->units.data;
    for (size_t u = 0; u < units; u++) {
        double score[STATES], best = -INFINITY;
        score_states(c, symbols, u * SREC_BURST_DATA, srec_unit_data(u, symbols->n_data), score);
        for (int k = 0; k < STATES; k++)
            best = fmax(best, score[k]);
        for (int k = 0; k < STATES; k++)
            unit[u].likelihood[k] = exp(fmax(score[k] - best, -UNIT_MAX));
    }
    find_states(unit, units);
    *suspect = false;
    for (size_t u = 0; u < units; u++) {
        *suspect |= unit[u].probability[GOOD] < 0.5;
        noise[u] = unit_noise(c, symbols, u, &unit[u]);
    }
    return true;
}

/* Log likelihood, relative to rings, of a unit whose carrier makes whole turns between two pilot blocks. */
static double score_turns(srec_consistency *c, const srec_consistency_symbols *all, size_t u, int turns)
{
    const size_t first = u * SREC_BURST_DATA, n = srec_unit_data(u, all->n_data);
    const table *t = table_number(c, table_index(c, all->n0 / unit_power(all, first, n)));
    const double turn = 2 * PI * turns / (double)(n + SREC_BURST_PILOTS), half = 0.5 * (SREC_BURST_PILOTS + 1);
    const float scale = CELLS / (float)(2 * AXIS_MAX), most = (float)(0.999 * AXIS_MAX);
    double sum = 0;
    for (size_t i = first; i < first + n; i++) {
        const double angle = turn * ((double)(i - first) + half);
        const float per_gain = 1 / all->gain_iq[2 * i];
        const float co = (float)cos(angle) * per_gain, si = (float)sin(angle) * per_gain;
        const float re = within(all->iq[2 * i] * co + all->iq[2 * i + 1] * si, most);
        const float im = within(all->iq[2 * i + 1] * co - all->iq[2 * i] * si, most);
        const float squared = re * re + im * im;
        if (squared < (float)POWER_MAX)
            sum += (double)limited(t->in_phase[(unsigned)((re + (float)AXIS_MAX) * scale)] +
                                   t->quadrature[(unsigned)((im + (float)AXIS_MAX) * scale)] -
                                   t->ring[(unsigned)(squared * (float)(CELLS / POWER_MAX))]);
    }
    return fmax(-UNIT_MAX, fmin(UNIT_MAX, sum));
}

/* One row per unit for the search of the most likely sequence of turns. */
typedef struct {
    float likelihood[PATHS]; /* log, of the best path that ends here with turns -TURNS .. TURNS, or lost */
    unsigned char from[PATHS];
} lattice_row;

/* Log likelihoods of the turns of a unit, relative to rings. The preamble gives its own frequency, so the first unit
 * has no turns. */
static void score_paths(srec_consistency *c, const srec_consistency_symbols *symbols, size_t u, float out[PATHS])
{
    const unit_states *unit = (const unit_states *)c->units.data + u;
    for (int k = -TURNS; k <= TURNS; k++) {
        const bool possible = u > 0 && unit->probability[GOOD] < 0.9;
        out[k + TURNS] = possible || k == 0 ? (float)score_turns(c, symbols, u, k) : (float)-UNIT_MAX;
    }
    for (int k = 1; k <= WORSE; k++) /* more noise is an alternative explanation */
        out[TURNS] = fmaxf(out[TURNS], (float)log(unit->likelihood[k] / unit->likelihood[RINGS]));
    out[LOST] = 0;
}

/* Extend the best paths by one unit: for each number of turns, the best number of the unit before it.
 * \param before row of the previous unit, or NULL
 * \param own log likelihoods of the unit's turns */
static void extend_paths(const lattice_row *before, const float own[PATHS], lattice_row *row)
{
    for (unsigned to = 0; to < PATHS; to++) {
        float best = before ? -INFINITY : to == TURNS ? 0 : (float)-CHANGE;
        row->from[to] = (unsigned char)to;
        for (unsigned from = 0; before && from < PATHS; from++) {
            const float likelihood = before->likelihood[from] - (from == to ? 0 : (float)CHANGE);
            if (likelihood > best) {
                best = likelihood;
                row->from[to] = (unsigned char)from;
            }
        }
        row->likelihood[to] = best + own[to];
    }
}

/* Follow the best path back from the last unit. */
static void trace_path(const lattice_row *row, size_t units, int *turns)
{
    unsigned state = 0;
    for (unsigned k = 1; k < PATHS; k++)
        if (row[units - 1].likelihood[k] > row[units - 1].likelihood[state])
            state = k;
    for (size_t u = units; u-- > 0;) {
        turns[u] = (int)state - TURNS;
        state = row[u].from[state];
    }
}

bool srec_consistency_turns(srec_consistency *c, const srec_consistency_symbols *symbols, int *turns)
{
    const size_t units = srec_units(symbols->n_data);
    if (!srec_buffer_need(&c->paths, units * sizeof(lattice_row)))
        return false;
    lattice_row *row = c->paths.data;
    for (size_t u = 0; u < units; u++) {
        float own[PATHS];
        score_paths(c, symbols, u, own);
        extend_paths(u ? &row[u - 1] : NULL, own, &row[u]);
    }
    trace_path(row, units, turns);
    bool any = false;
    for (size_t u = 0; u < units; u++) {
        if (turns[u] == (int)LOST - TURNS) /* the frequency continues */
            turns[u] = u ? turns[u - 1] : 0;
        any |= turns[u] != 0;
    }
    return any;
}
