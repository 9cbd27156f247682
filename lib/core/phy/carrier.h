/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The carrier along a burst: phase, frequency and frequency rate from groups of known symbols.
 *
 *  A group shows its phase modulo one turn only. Pilot blocks are 256 symbols apart, so a frequency error of 1 / 256
 *  of the symbol rate adds a whole turn from block to block and stays invisible. The preamble gives the initial
 *  frequency to about 1e-4 of the symbol rate. A drift must be known well enough to predict the next block within
 *  half a turn. Therefore several Kalman filters start with different rates, and the most likely one is kept. Later
 *  blocks are predicted from the earlier ones. The data reveal the remaining slips (consistency.h). */
#ifndef SREC_CARRIER_H
#define SREC_CARRIER_H

#include "buffer.h"

#include <srec/sync.h>
#include <stdbool.h>
#include <stddef.h>

#define SREC_CARRIER_GRID_BLOCKS   8u  /* pilot blocks in the search over all rates */
#define SREC_CARRIER_SEARCH_BLOCKS 16u /* pilot blocks in the search over the most likely rates */

/* Times are in symbols from the first symbol of the preamble. Phases are relative to a constant carrier offset. */
typedef struct srec_phase_measurement {
    double at;       /* middle of the group */
    double phase;    /* rad, modulo one turn */
    double variance; /* rad^2 */
    double extra;    /* rad added to a smooth course since the previous group */
} srec_phase_measurement;

/* What the preamble measures. */
typedef struct srec_carrier_start {
    double at;                 /* middle of the preamble */
    double phase;              /* rad */
    double phase_variance;     /* rad^2 */
    double frequency_variance; /* (rad per symbol)^2, around 0 */
    double rate;               /* rad per symbol^2 */
    double rate_variance;      /* (rad per symbol^2)^2 */
} srec_carrier_start;

/* Kalman filter of the carrier. Its unit of time is one pilot distance, 256 symbols, which keeps the numbers near 1. */
typedef struct srec_carrier_filter {
    double at;       /* symbols */
    double state[3]; /* rad, rad per unit, rad per unit^2 */
    double covariance[3][3];
    double log_likelihood; /* of the measurements so far */
} srec_carrier_filter;

/* Process noise: how much the carrier may deviate from its course. */
typedef struct srec_carrier_walk {
    double phase;     /* rad^2 per unit: phase noise, fading */
    double frequency; /* (rad per unit)^2 per unit */
    double rate;      /* (rad per unit^2)^2 per unit */
} srec_carrier_walk;

/* The carrier at a group, and its course from there. */
typedef struct srec_carrier_node {
    double at;        /* symbols */
    double phase;     /* rad, not reduced */
    double frequency; /* rad per symbol */
    double rate;      /* rad per symbol^2 */
    /* Rad of the phase up to the next node: a constant frequency added to a smooth course. */
    double extra;
} srec_carrier_node;

extern const srec_carrier_walk SREC_CARRIER_FOLLOW; /* for the first pass over the pilots */

void srec_carrier_filter_start(srec_carrier_filter *f, const srec_carrier_start *start);
void srec_carrier_filter_predict(srec_carrier_filter *f, double at, const srec_carrier_walk *walk);
/* \param innovation measured minus predicted phase, rad; reduced modulo one turn */
void srec_carrier_filter_update(srec_carrier_filter *f, double innovation, double variance);
/* rad per symbol */
double srec_carrier_filter_frequency(const srec_carrier_filter *f);

/* Find the rate that the first pilot blocks follow. A rate other than 0 is chosen only if it explains them much better.
 * \param[in,out] start receives the rate and its variance */
void srec_carrier_search_rate(srec_carrier_start *start, const srec_phase_measurement *blocks, size_t n);

/* Fit the phase over the whole burst: run the filter forwards with several walks, keep the most likely run, and smooth
 * it backwards.
 * \param[out] nodes (n + 1): one of the preamble and one of each block
 * \return false if out of memory */
bool srec_carrier_fit(const srec_carrier_start *start, const srec_phase_measurement *blocks, size_t n,
                      srec_buffer *scratch, srec_carrier_node *nodes);

/* Phase at a time, in rad, not reduced. Cubic between nodes.
 * \param hint node before the last time asked for; 0 at first */
double srec_carrier_phase(const srec_carrier_node *nodes, size_t n_nodes, double at, size_t *hint);

/* Add whole turns to the carrier between blocks. The last block may be closer to its predecessor: there the frequency
 * continues.
 * \param turns (n); the first one is ignored */
void srec_carrier_add_turns(srec_phase_measurement *blocks, size_t n, const int *turns);

/* Mean over the burst, rad per symbol. */
double srec_carrier_mean_frequency(const srec_carrier_node *nodes, size_t n_nodes);
/* From the first half of the burst to the second, rad per symbol^2. 0 with fewer than 3 nodes. */
double srec_carrier_mean_rate(const srec_carrier_node *nodes, size_t n_nodes);

#endif /* SREC_CARRIER_H */
