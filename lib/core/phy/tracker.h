/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Turns samples around a preamble into frame symbols: second half of the synchroniser (sync.h). */
#ifndef SREC_TRACKER_H
#define SREC_TRACKER_H

#include "acquisition.h"

#include <srec/sync.h>

typedef struct srec_tracker srec_tracker;

/* A measured preamble. */
typedef struct srec_preamble_fix {
    double sample; /* position of its first symbol in the stream */
    double cfo;    /* cycles per symbol */
    double match;  /* |correlation|^2 over the energies, 0 .. 1: SNR / (SNR + 1) */
    bool inverted; /* the samples have an inverted spectrum: all of this applies to their conjugates */
} srec_preamble_fix;

srec_status srec_tracker_create(const srec_waveform *waveform, srec_modulation modulation, srec_tracker **out);
void srec_tracker_free(srec_tracker *t);

/* Samples that a fix or a burst of n_data frame symbols reads: `before` its first symbol and `after` it. */
void srec_tracker_reach(const srec_tracker *t, size_t n_data, size_t *before, size_t *after);

/* Refine a candidate. The samples must cover the reach for n_data = 0.
 * \param samples (.., 2); the first is the stream's sample number \p base */
void srec_tracker_fix(srec_tracker *t, const float *samples, uint64_t base, const srec_candidate *candidate,
                      srec_preamble_fix *out);

/* Demodulate the first n_data frame symbols.
 * \param[out] out points into the tracker until its next call
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_tracker_run(srec_tracker *t, const float *samples, uint64_t base, const srec_preamble_fix *fix,
                             size_t n_data, srec_burst *out);

#endif /* SREC_TRACKER_H */
