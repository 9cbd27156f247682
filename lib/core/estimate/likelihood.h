/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Likelihoods of the 256 values of a received byte, from its soft values. */
#ifndef SREC_LIKELIHOOD_H
#define SREC_LIKELIHOOD_H

#include <stddef.h>

/* A limited LLR. NaN carries no information: 0. */
float srec_limit_llr(float llr);

/* Received byte value (not rounded) and 1 / (2 variance), in byte levels. NaN carries no information: precision 0. The
 * received value may lie far outside 0 .. 255, which is evidence for the outermost levels.
 * \param soft amplitude and variance */
void srec_limit_amplitude(const float soft[2], float *c, float *precision);

/* Likelihoods of 0 and of 1 for n bits; the larger one is 1. */
void srec_bit_likelihoods(const float *llr, size_t n, float *zero, float *one);

/* Likelihood of the 256 ciphertext values: the product over the bits, as the outer product of two nibbles' tables.
 * \param zero, one (8)
 * \param[out] likelihood (256) */
void srec_likelihood_llr(const float *zero, const float *one, float *likelihood);

/* Likelihood from an amplitude: a Gaussian around it.
 * \param c, precision see srec_limit_amplitude()
 * \param[out] likelihood (256) */
void srec_likelihood_amplitude(float c, float precision, float *likelihood);

/* Likelihood of the 256 ciphertext values from the soft values of a byte: 8 LLRs, or 2 values of an amplitude. */
typedef void srec_likelihood_of(const float *soft, float *likelihood);
srec_likelihood_of srec_likelihood_of_llr;
srec_likelihood_of srec_likelihood_of_amplitude;

/* At a good SNR most products of likelihoods are subnormal. They do not contribute, and some processors take a hundred
 * times as long for each.
 * \return the previous setting, to be restored */
unsigned srec_flush_subnormals(void);
void srec_restore_subnormals(unsigned was);

#endif /* SREC_LIKELIHOOD_H */
