/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Impairments of radios and channels, applied to a stream of samples. Each effect is exact or seeded. The order is:
 *  second ray, Rayleigh fading, clock offset (resampling), carrier offset and phase noise, gain, white noise, IQ
 *  imbalance, DC, clipping, quantisation. */
#ifndef SREC_IMPAIRMENTS_H
#define SREC_IMPAIRMENTS_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Parameters. With all fields 0 the stream passes unchanged. */
typedef struct srec_impairment_set {
    unsigned echo_delay; /*!< second ray: delay in samples, 0 .. 4096; 0: no second ray */
    float echo_db;       /*!< second ray: level relative to the first, dB, -60 .. 0 */
    float echo_phase;    /*!< second ray: phase, rad, -1e6 .. 1e6 */
    float doppler;       /*!< flat Rayleigh fading of mean power gain 1: maximum Doppler shift, cycles per sample,
                          *   0 .. 0.001; 0: no fading */
    float clock_ppm;     /*!< clock offset: the receiver takes more samples per second by this share, ppm,
                          *   -1000 .. 1000 */
    float delay;         /*!< time of the first output sample after the first input sample, samples, 0 .. 1: the output
                          *   is early by this fraction */
    float cfo;           /*!< carrier offset, cycles per sample, -0.5 .. 0.5 */
    float phase_noise;   /*!< variance of the steps of the phase's random walk, rad^2 per sample, 0 or 1e-10 .. 10. The
                          *   line is Lorentzian with a width of phase_noise * rate / (2 pi) Hz */
    float gain_db;       /*!< gain, dB, -200 .. 200 */
    float noise_power;   /*!< noise power of a complex sample, after the gain, 0 or 1e-10 .. 1e5 */
    float iq_gain_db;    /*!< gain of Q relative to I, dB, -60 .. 60 */
    float iq_phase;      /*!< phase error, rad, -1e6 .. 1e6: Q receives sin(iq_phase) of I */
    float dc_re;         /*!< DC offset of I, -1e10 .. 1e10 */
    float dc_im;         /*!< DC offset of Q, -1e10 .. 1e10 */
    float clip;          /*!< I and Q are limited to +-clip; 0: no limit */
    unsigned bits;       /*!< I and Q are rounded to 2^bits levels between -1 and 1, 1 .. 16; 0: no rounding */
} srec_impairment_set;

/*! A stream with impairments. One thread at a time may use it; different streams are independent. */
typedef struct srec_impairments srec_impairments;

/*! Create a stream with impairments.
 *
 *  \param[in]  set    the parameters; they are copied
 *  \param[in]  seed   equal seeds give equal noise, phase noise and fading
 *  \param[out] out    the stream, or NULL on error
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if a parameter is out of range (the message names it); SREC_ERR_MEMORY;
 *          SREC_ERR_INTERNAL if libsodium does not start */
SREC_API srec_status srec_impairments_create(const srec_impairment_set *set, uint64_t seed, srec_impairments **out,
                                             srec_error *error) SREC_WARN_UNUSED;

/*! Free a stream.
 *
 *  \param[in] s  the stream; may be NULL */
SREC_API void srec_impairments_free(srec_impairments *s);

/*! Room that srec_impairments_apply() needs for its output.
 *
 *  \param[in] n  number of input samples
 *  \return the maximum number of output samples */
SREC_API size_t srec_impairments_room(size_t n);

/*! Apply the impairments to the next samples of the stream. The result does not depend on how the stream is divided
 *  into calls. The output lags behind the input by 16 samples.
 *
 *  \param[in]  s      the stream
 *  \param[in]  in     (n, 2) samples, I and Q
 *  \param[in]  n      number of input samples
 *  \param[out] out    (srec_impairments_room(n), 2) output samples
 *  \param[out] n_out  number of output samples
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_impairments_apply(srec_impairments *s, const float *in, size_t n, float *out, size_t *n_out);

SREC_END_DECLS
#endif /* SREC_IMPAIRMENTS_H */
