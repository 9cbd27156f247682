/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Do the data lie where the pilots say?
 *
 *  Pilots cannot see what comes and goes between two blocks, nor whole turns of the carrier. The data can: with the
 *  right phase
 *  and noise they scatter around the points of the constellation, with more noise they scatter wider, with a
 *  turning phase they
 *  lie on rings. Each unit (waveform.h) is in one of these states; their likelihoods, and the rule that states
 *  change seldom (a
 *  hidden Markov model), give the probability of each. This works at any SNR: where constellations blur, the
 *  likelihoods are
 *  alike and the units count as good. */
#ifndef SREC_CONSISTENCY_H
#define SREC_CONSISTENCY_H

#include <srec/modem.h>
#include <stdbool.h>

typedef struct srec_consistency srec_consistency;

srec_status srec_consistency_create(srec_modulation modulation, srec_consistency **out);
void srec_consistency_free(srec_consistency *c);

/* The symbols of a burst, as they would be handed on. */
typedef struct srec_consistency_symbols {
    const float *iq;      /* (n_data, 2) */
    const float *gain_iq; /* (n_data, 2) real and positive */
    size_t n_data;        /* frame symbols */
    double n0;            /* noise power of a symbol, as pilots show it */
} srec_consistency_symbols;

/* Noise power of each unit's symbols, as the data show it: n0 or more.
 * \param[out] noise (units) \param[out] suspect some unit is not good more likely than not \return false if out of
 * memory */
bool srec_consistency_noise(srec_consistency *c, const srec_consistency_symbols *symbols, double *noise, bool *suspect);

/* Whole turns that the carrier makes between pilot blocks more than was thought, if that explains the units that
 * are not good.
 * After srec_consistency_noise(). \param[out] turns (units) \return false if there are none, or out of memory */
bool srec_consistency_turns(srec_consistency *c, const srec_consistency_symbols *symbols, int *turns);

#endif /* SREC_CONSISTENCY_H */
