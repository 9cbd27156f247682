/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Linear minimum-mean-square-error equaliser for short multipath, trained on the preamble. Its taps are half a
 *  symbol apart and cover +-SREC_EQUALISER_REACH symbols after the matched filter. */
#ifndef SREC_EQUALISER_H
#define SREC_EQUALISER_H

#include <stdbool.h>
#include <stddef.h>

#define SREC_EQUALISER_REACH 6u /* symbols to each side */
#define SREC_EQUALISER_TAPS  (4u * SREC_EQUALISER_REACH + 1u)

/* Train the equaliser.
 * \param rows (n, SREC_EQUALISER_TAPS, 2) matched filter outputs around each of n known symbols, half a symbol apart
 * \param known (n, 2)
 * \param[out] taps (SREC_EQUALISER_TAPS, 2): the estimate of a symbol is the sum of taps times its row
 * \return true if the gain exceeds the estimation noise: the final prediction error (Akaike 1969) is at least 0.5 dB
 * below that of the middle output alone */
bool srec_equaliser_train(const float *rows, const float *known, size_t n, float *taps);

#endif /* SREC_EQUALISER_H */
