/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Inside the tracker. Each function srec_track_X() is a numbered step of "How the receiver works" in docs/waveform.md
 *  or a part of one; srec_tracker_run() calls them in that order. */
#ifndef SREC_TRACKER_INTERNAL_H
#define SREC_TRACKER_INTERNAL_H

#include "buffer.h"
#include "carrier.h"
#include "consistency.h"
#include "matched_filter.h"
#include "tracker.h"
#include "waveform.h"

#include <stdbool.h>

#define SREC_TWO_PI          6.28318530717958647692
#define SREC_CLOCK_MAX       1e-4 /* maximum clock offset */
#define SREC_EARLY_LATE      0.25 /* symbols between an early or late sample and the one on time */
#define SREC_GAIN_GROUP      32u  /* the preamble is treated as pilot blocks of this many symbols */
#define SREC_GAIN_GROUPS     (SREC_BURST_PREAMBLE / SREC_GAIN_GROUP)
#define SREC_PREAMBLE_MIDDLE (0.5 * (SREC_BURST_PREAMBLE - 1)) /* symbols */

/* One complex gain, measured by a group of known symbols. */
typedef struct {
    double at; /* middle of the group, symbols from the start of the preamble */
    double re; /* mean of received times conjugate known symbols */
    double im;
    double weight; /* symbols in the group */
    double fit_re; /* smoothed */
    double fit_im;
} srec_gain_observation;

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
} srec_timing_line;

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
    size_t units;          /* runs of data symbols, each followed by a pilot block */
    size_t total;          /* symbols of the burst */
    srec_carrier_start carrier;
    srec_timing_line timing;
    double n0;         /* noise power of a symbol, absolute */
    double gain_error; /* noise power added by errors of the gain */
    double power;      /* of the signal: mean square of the gain */
    double mean_noise; /* over all symbols, lost ones included */
} srec_track;

static inline double srec_clamp(double v, double low, double high) /* NaN becomes low */
{
    return v > low ? (v < high ? v : high) : low;
}

/* First symbol of the pilots of unit u, counted from the first symbol of the preamble. */
static inline size_t srec_track_pilots_start(const srec_track *b, size_t u)
{
    return srec_unit_start(u) + srec_unit_data(u, b->n_data);
}

/* ---- tracker_carrier.c: removal of the carrier ---------------------------------------------------------------- */

/* Copy samples and rotate them by \p phase at the first sample and by \p step more at each further one, rad. Samples of
 * an inverted spectrum are conjugated first. */
void srec_track_turn(const float *in, size_t n, bool inverted, double phase, double step, float *out);

/* Total phase of the carrier in the samples.
 * \param at symbols
 * \param residual phase relative to the burst's constant offset */
double srec_track_carrier_phase(const srec_track *b, double at, double residual);

/* Symbols of nominal length from the first symbol of the preamble to a sample. */
double srec_track_time_of(const srec_tracker *t, const srec_track *b, size_t sample);

/* Rotate the samples from the first to \p end back by the carrier along its nodes, to the same place in the segment. */
void srec_track_derotate(srec_tracker *t, const srec_track *b, const srec_carrier_node *nodes, size_t n_nodes,
                         size_t end);

/* Step 7. Filter every symbol at the timing fitted over the whole burst, after removal of its carrier. */
void srec_track_demodulate(srec_tracker *t, const srec_track *b);

/* ---- tracker_preamble.c --------------------------------------------------------------------------------------- */

/* Step 2 is srec_tracker_fix(). */

/* Step 3. If the frequency drifts, the preamble is measured again with the drift removed. */
void srec_track_find_drift(srec_tracker *t, srec_track *b);

/* Step 4. Look for echoes in the preamble. If there are any, train the equaliser. */
void srec_track_train_equaliser(srec_tracker *t, srec_track *b);

/* ---- tracker_pilots.c ----------------------------------------------------------------------------------------- */

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
} srec_pilot_block;

/* \param late delay of the block in symbols */
void srec_track_place_block(const srec_track *b, size_t u, double late, srec_pilot_block *p);

/* Measure a placed block, with the carrier expected there.
 * \param sides measure early and late power too */
void srec_track_observe_block(srec_tracker *t, const srec_track *b, size_t u, bool sides, srec_pilot_block *p);

/* The phase of a block. A weak block is less certain. */
srec_phase_measurement srec_track_measure_phase(const srec_track *b, const srec_pilot_block *p);

/* Step 5. Track timing and phase from pilot block to pilot block. */
void srec_track_follow_pilots(srec_tracker *t, srec_track *b);

/* ---- tracker_gains.c ------------------------------------------------------------------------------------------ */

/* Steps 8 and 9. Measure the gain of each group of known symbols, and the noise. */
void srec_track_measure_gains(srec_tracker *t, srec_track *b);

/* Interpolate the gain of each frame symbol between groups, and remove its phase from the symbol. Frame symbols move to
 * the front of the buffer. */
void srec_track_apply_gains(srec_tracker *t, srec_track *b);

/* ---- tracker_data.c ------------------------------------------------------------------------------------------- */

/* Step 10. Check whether the data agree with the pilots.
 * \param[in,out] repair in: look for slips; out: the carrier was changed, so demodulate again
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_track_check_data(srec_tracker *t, const srec_track *b, bool *repair);

/* Step 11. Scale the symbols of noisier units down together with their gains, so that one noise power applies to all
 * symbols. This leaves their likelihoods unchanged. Then normalise the mean square of the gains to 1.
 * \return noise power */
double srec_track_scale_units(srec_tracker *t, srec_track *b);

#endif /* SREC_TRACKER_INTERNAL_H */
