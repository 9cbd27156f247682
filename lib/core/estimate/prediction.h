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

/* n jointly Gaussian features of mean 0, observed in noise. */
typedef struct srec_observations {
    const float *covariance; /* (n, n) of the features */
    const float *observed;   /* (n) feature plus independent noise */
    const float *noise;      /* (n) variance of that noise, > 0 */
    size_t n;
} srec_observations;

/* Mean and variance of each feature, given the observations of all the others.
 * \param scratch (srec_predict_scratch(o->n))
 * \param[out] mean, variance (o->n)
 * \return false if the covariance is not positive definite; nothing is written then */
bool srec_predict(const srec_observations *o, float *scratch, float *mean, float *variance);

#endif /* SREC_PREDICTION_H */
