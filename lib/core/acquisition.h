/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Where in a stream may a preamble be, and at which carrier offset? First half of the synchroniser (sync.h).
 *
 *  Powers of the correlations with the up chirp and the down chirp are kept as cells, half a symbol apart. An
 *  offset
 *  of d symbols, d = cfo * SREC_BURST_CHIRP, moves the up chirp's peak late and the down chirp's early by d, so the
 *  statistic of a cell is
 *
 *      S[i] = max over |d| <= 0.1 * SREC_BURST_CHIRP of up[i + d] + down[i + one chirp - d]
 *
 *  and a cell is a candidate if S exceeds a multiple of the mean power before the preamble, after it and between
 *  its
 *  peaks, whichever is the greatest.
 *  An inverted spectrum (conjugate samples) exchanges up and down. Such a preamble, or one with a greater |d|,
 *  still
 *  passes with one of its chirps: near each candidate both are looked for, and taken if they explain more power. */
#ifndef SREC_ACQUISITION_H
#define SREC_ACQUISITION_H

#include <srec/burst.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct srec_acquisition srec_acquisition;

typedef struct srec_candidate {
    uint64_t sample; /* of the preamble's first symbol, within half a symbol or so */
    float cfo;       /* cycles per symbol, within 0.5 / SREC_BURST_CHIRP or so */
    bool inverted;   /* found in the conjugates of the samples */
} srec_candidate;

srec_status srec_acquisition_create(const srec_waveform *waveform, srec_acquisition **out);
void srec_acquisition_free(srec_acquisition *a);

/* Forget everything; the next feed begins at \p sample of the stream. */
void srec_acquisition_reset(srec_acquisition *a, uint64_t sample);
/* First sample of the next feed, how many it wants. */
uint64_t srec_acquisition_position(const srec_acquisition *a);
size_t srec_acquisition_block(const srec_acquisition *a);
/* No candidate to come begins before this sample. */
uint64_t srec_acquisition_horizon(const srec_acquisition *a);

/* \param samples (srec_acquisition_block(), 2) */
void srec_acquisition_feed(srec_acquisition *a, const float *samples);
/* Moves on to the next cell whose S passes, in what has been fed; false: feed more. */
bool srec_acquisition_next(srec_acquisition *a);
/* What preamble that may be: before the next feed. false: one that was a candidate before, by its other chirp. */
bool srec_acquisition_candidate(srec_acquisition *a, srec_candidate *out);

#endif /* SREC_ACQUISITION_H */
