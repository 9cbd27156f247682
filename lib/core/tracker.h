/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  From samples around a preamble to frame symbols: second half of the synchroniser (sync.h). */
#ifndef SREC_TRACKER_H
#define SREC_TRACKER_H

#include "acquisition.h"

#include <srec/sync.h>

typedef struct srec_tracker srec_tracker;

/* A preamble as measured. */
typedef struct srec_preamble_fix {
    double sample; /* of the stream, where its first symbol lies */
    double cfo;    /* cycles per symbol */
    double match;  /* |correlation|^2 over the energies, 0 .. 1: SNR / (SNR + 1) */
    bool inverted; /* the samples' spectrum is inverted: all of this holds for their conjugates */
} srec_preamble_fix;

srec_status srec_tracker_create(const srec_waveform *waveform, srec_modulation modulation, srec_tracker **out);
void srec_tracker_free(srec_tracker *t);

/* Samples that a fix or a burst of n_data frame symbols reads: `before` its first symbol and `after` it. */
void srec_tracker_reach(const srec_tracker *t, size_t n_data, size_t *before, size_t *after);

/* Refine a candidate. \param samples (.., 2) of which the first is the stream's sample number \p base; the reach
 * for n_data = 0 is there */
void srec_tracker_fix(srec_tracker *t, const float *samples, uint64_t base, const srec_candidate *candidate,
                      srec_preamble_fix *out);

/* Demodulate the first n_data frame symbols. \return SREC_OK, SREC_ERR_MEMORY; out points into the tracker until
 * its next call */
srec_status srec_tracker_run(srec_tracker *t, const float *samples, uint64_t base, const srec_preamble_fix *fix,
                             size_t n_data, srec_burst *out);

#endif /* SREC_TRACKER_H */
