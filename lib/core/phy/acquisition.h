/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Finds where in a stream a preamble may start, and at which carrier offset. First half of the synchroniser
 *  (sync.h).
 *
 *  The powers of the correlations with the up chirp and the down chirp are stored in cells, half a symbol apart. A
 *  carrier offset of d symbols, d = cfo * SREC_BURST_CHIRP, delays the up chirp's peak by d and advances the down
 *  chirp's peak by d. The statistic of a cell is therefore
 *
 *      S[i] = max over |d| <= 0.1 * SREC_BURST_CHIRP of up[i + d] + down[i + one chirp - d]
 *
 *  A cell is a candidate if S exceeds a multiple of the largest of three mean powers: before the preamble, after it,
 *  and between its peaks.
 *
 *  An inverted spectrum (conjugate samples) exchanges up and down. Such a preamble, or one with a larger |d|, still
 *  passes with one of its chirps. The search therefore tries both readings near each candidate and takes them if
 *  they explain more power. */
#ifndef SREC_ACQUISITION_H
#define SREC_ACQUISITION_H

#include <srec/burst.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct srec_acquisition srec_acquisition;

typedef struct srec_candidate {
    uint64_t sample; /* of the preamble's first symbol; error about half a symbol */
    float cfo;       /* cycles per symbol; error about 0.5 / SREC_BURST_CHIRP */
    bool inverted;   /* found in the conjugate samples */
} srec_candidate;

srec_status srec_acquisition_create(const srec_waveform *waveform, srec_acquisition **out);
void srec_acquisition_free(srec_acquisition *a);

/* Forget everything. The next feed begins at \p sample of the stream. */
void srec_acquisition_reset(srec_acquisition *a, uint64_t sample);
/* First sample of the next feed, and its length in samples. */
uint64_t srec_acquisition_position(const srec_acquisition *a);
size_t srec_acquisition_block(const srec_acquisition *a);
/* No later candidate begins before this sample. */
uint64_t srec_acquisition_horizon(const srec_acquisition *a);

/* \param samples (srec_acquisition_block(), 2) */
void srec_acquisition_feed(srec_acquisition *a, const float *samples);
/* Advance to the next cell whose S passes the threshold.
 * \return false: feed more samples */
bool srec_acquisition_next(srec_acquisition *a);
/* The preamble at that cell. Call it before the next feed.
 * \return false if its other chirp has already been a candidate */
bool srec_acquisition_candidate(srec_acquisition *a, srec_candidate *out);

#endif /* SREC_ACQUISITION_H */
