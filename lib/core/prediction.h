/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the other features of a patch tell about each one: the encoder's linear maps give every feature a share of
 * several latents, so features are correlated. Leave-one-out prediction by the inverse of a covariance (Rasmussen
 * and
 * Williams, Gaussian Processes for Machine Learning, eq. 5.12). */
#ifndef SREC_PREDICTION_H
#define SREC_PREDICTION_H

#include <stdbool.h>
#include <stddef.h>

/* Floats of scratch that srec_predict() needs for n features. */
size_t srec_predict_scratch(size_t n);

/* Mean and variance of each of n jointly Gaussian features of mean 0, given what was observed of all the others.
 *
 * covariance (n, n); observed (n) is feature plus independent noise of variance noise (n), > 0
 * \return false if the covariance is not that of anything: nothing is written */
bool srec_predict(const float *covariance, const float *observed, const float *noise, size_t n, float *scratch,
                  float *mean, float *variance);

#endif /* SREC_PREDICTION_H */
