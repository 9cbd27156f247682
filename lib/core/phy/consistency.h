/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Checks whether the data agree with the pilots.
 *
 *  Pilots show neither interference between two blocks nor whole turns of the carrier. The data show both. With the
 *  right phase and noise they scatter around the points of the constellation; with more noise they scatter wider;
 *  with a turning phase they lie on rings. Each unit (waveform.h) is in one of these states. A hidden Markov model
 *  combines the likelihoods of the states with the rule that states change rarely, and gives the probability of each
 *  state. This works at any SNR: where constellations blur, the likelihoods are nearly equal and the units count as
 *  good. */
#ifndef SREC_CONSISTENCY_H
#define SREC_CONSISTENCY_H

#include <srec/modem.h>
#include <stdbool.h>

typedef struct srec_consistency srec_consistency;

srec_status srec_consistency_create(srec_modulation modulation, srec_consistency **out);
void srec_consistency_free(srec_consistency *c);

/* The demodulated symbols of a burst. */
typedef struct srec_consistency_symbols {
    const float *iq;      /* (n_data, 2) */
    const float *gain_iq; /* (n_data, 2) real and positive */
    size_t n_data;        /* frame symbols */
    double n0;            /* noise power of a symbol according to the pilots */
} srec_consistency_symbols;

/* Noise power of each unit's symbols according to the data: at least n0.
 * \param[out] noise (units)
 * \param[out] suspect some unit is more likely bad than good
 * \return false if out of memory */
bool srec_consistency_noise(srec_consistency *c, const srec_consistency_symbols *symbols, double *noise, bool *suspect);

/* Whole turns that the carrier makes between pilot blocks in addition to the estimate, if they explain the bad units.
 * Call it after srec_consistency_noise().
 * \param[out] turns (units)
 * \return false if no such turns exist, or if out of memory */
bool srec_consistency_turns(srec_consistency *c, const srec_consistency_symbols *symbols, int *turns);

#endif /* SREC_CONSISTENCY_H */
