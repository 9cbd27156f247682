/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prediction of each feature of a patch from the other ones. The encoder's linear maps give every feature a share of
 * several latents, so features are correlated. Leave-one-out prediction by the inverse of a covariance (Rasmussen and
 * Williams, Gaussian Processes for Machine Learning, eq. 5.12). */
#ifndef SREC_PREDICTION_H
#define SREC_PREDICTION_H

#include <stdbool.h>
#include <stddef.h>

/* Floats of scratch that srec_predict() needs for n features. */
size_t srec_predict_scratch(size_t n);

/* Mean and variance of each of n jointly Gaussian features of mean 0, given the observations of all the others.
 * \param covariance (n, n)
 * \param observed (n) feature plus independent noise
 * \param noise (n) variance of that noise, > 0
 * \return false if the covariance is not positive definite; nothing is written then */
bool srec_predict(const float *covariance, const float *observed, const float *noise, size_t n, float *scratch,
                  float *mean, float *variance);

#endif /* SREC_PREDICTION_H */
