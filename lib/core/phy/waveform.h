/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Definitions that both ends of the waveform share: known symbols and the pulse. */
#ifndef SREC_WAVEFORM_H
#define SREC_WAVEFORM_H

#include <srec/burst.h>
#include <stdbool.h>

#define SREC_PILOT_PERIOD 64u

/* Rows of filter taps start at multiples of this many floats: VOLK 2.5 uses its aligned kernel for
 * volk_32fc_32f_dot_prod_32fc without checking the alignment of the taps. */
#define SREC_TAP_STRIDE(taps) (((taps) + 15u) / 16u * 16u)

srec_status srec_waveform_check(const srec_waveform *w, srec_error *error);

/* \param[out] iq (SREC_BURST_PREAMBLE, 2) */
void srec_preamble(float *iq);
/* \param[out] iq (SREC_PILOT_PERIOD, 2); pilot i of a burst is entry i mod SREC_PILOT_PERIOD */
void srec_pilots(float *iq);

/* Root raised cosine of unit energy per symbol period at time t in symbols. */
double srec_rrc(double t, double rolloff);

/* Number of the first frame symbol of unit u, counted from the first symbol of the preamble, and the number of its
 * frame symbols. The unit's pilots follow its frame symbols. */
static inline size_t srec_unit_start(size_t u)
{
    return SREC_BURST_PREAMBLE + u * (SREC_BURST_DATA + SREC_BURST_PILOTS);
}
static inline size_t srec_units(size_t n_data) { return (n_data + SREC_BURST_DATA - 1) / SREC_BURST_DATA; }
static inline size_t srec_unit_data(size_t u, size_t n_data)
{
    size_t left = n_data - u * SREC_BURST_DATA;
    return left < SREC_BURST_DATA ? left : SREC_BURST_DATA;
}

#endif /* SREC_WAVEFORM_H */
