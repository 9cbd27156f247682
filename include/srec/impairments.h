/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What radios do to a stream of samples, each effect seeded or exact, applied in this order:
 *  two-ray channel, Rayleigh fading, clock offset (resampling), carrier offset and phase noise, gain, white noise,
 *  IQ imbalance, DC, clipping, quantisation. */
#ifndef SREC_IMPAIRMENTS_H
#define SREC_IMPAIRMENTS_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! All zero: nothing is done, but that gain_db = 0 keeps the level. */
typedef struct srec_impairment_set {
    unsigned echo_delay; /*!< second ray: samples later, 0 .. 4096; 0 = no second ray */
    float echo_db;       /*!< its level relative to the first, -60 .. 0 */
    float echo_phase;    /*!< rad */
    float doppler;       /*!< flat Rayleigh fading: greatest Doppler shift, cycles per sample, 0 .. 0.001; 0 =
                               *   none. Mean power gain 1 */
    float clock_ppm;     /*!< the receiver's samples are so much closer together than the transmitter's, -1000
                               *   .. 1000 */
    float delay;         /*!< fraction of a sample, 0 .. 1 */
    float cfo;           /*!< carrier offset, cycles per sample, -0.5 .. 0.5 */
    float phase_noise;   /*!< variance of the phase's random walk, rad^2 per sample; 0 or 1e-10 .. 10
                               *   (Lorentzian line of phase_noise * rate / (2 pi) Hz) */
    float gain_db;       /*!< -200 .. 200 */
    float noise_power;   /*!< of a complex sample, after the gain; 0 or 1e-10 .. 1e5 */
    float iq_gain_db;    /*!< Q relative to I */
    float iq_phase;      /*!< rad: Q gets sin(iq_phase) of I */
    float dc_re, dc_im;
    float clip;    /*!< I and Q are limited to +-clip; 0 = not */
    unsigned bits; /*!< I and Q are rounded to 2^bits levels over +-1, 1 .. 16; 0 = not */
} srec_impairment_set;

typedef struct srec_impairments srec_impairments; /*!< one thread at a time per handle */

/*! \param set copied \param seed equal seeds give equal noise and fading
 *  \return SREC_OK, SREC_ERR_ARG (a parameter is out of its range: the message names it), SREC_ERR_MEMORY */
SREC_API srec_status srec_impairments_create(const srec_impairment_set *set, uint64_t seed, srec_impairments **out,
                                             srec_error *error);
SREC_API void srec_impairments_free(srec_impairments *s);

/*! Samples that srec_impairments_apply() may write for \p n samples in. */
SREC_API size_t srec_impairments_room(size_t n);

/*! The stream goes on from call to call and does not depend on how it is cut. The output lags by 16 samples.
 *  \param in (n, 2) \param[out] out (srec_impairments_room(n), 2) \param[out] n_out samples written */
SREC_API srec_status srec_impairments_apply(srec_impairments *s, const float *in, size_t n, float *out, size_t *n_out);

SREC_END_DECLS
#endif /* SREC_IMPAIRMENTS_H */
