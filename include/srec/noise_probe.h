/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The noise probe estimates the noise power of a stream of frames. It knows no bits: it uses the first symbols of each
 *  frame, while they arrive. */
#ifndef SREC_NOISE_PROBE_H
#define SREC_NOISE_PROBE_H

#include <srec/modem.h>

SREC_BEGIN_DECLS

#define SREC_NOISE_PROBE_LEAST 16u   /*!< symbols of a frame for its first estimate; until then the last one holds */
#define SREC_NOISE_PROBE_MOST  1024u /*!< maximum symbols of a frame that the estimate uses */

/*! A noise probe. One thread at a time may use it; different probes are independent. */
typedef struct srec_noise_probe srec_noise_probe;

/*! Create a probe. The estimate starts at N0 = 0.1. The probe ignores symbols before the first frame.
 *
 *  \param[in]  modulation  modulation of the frames
 *  \param[out] out         the probe, or NULL on error
 *  \param[out] error       the reason of a failure; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_noise_probe_create(srec_modulation modulation, srec_noise_probe **out,
                                             srec_error *error) SREC_WARN_UNUSED;

/*! Free a probe.
 *
 *  \param[in] p  the probe; may be NULL */
SREC_API void srec_noise_probe_free(srec_noise_probe *p);

/*! Begin a frame.
 *
 *  \param[in] p          the probe
 *  \param[in] n_symbols  length of the frame, symbols; 0: not known */
SREC_API void srec_noise_probe_begin(srec_noise_probe *p, size_t n_symbols) SREC_NONNULL(1);

/*! Begin a frame of known noise power. Its symbols do not change the estimate.
 *
 *  \param[in] p   the probe
 *  \param[in] n0  noise power per complex symbol. A value that is not positive and finite is ignored, and the frame
 *                 counts as one of unknown length */
SREC_API void srec_noise_probe_begin_known(srec_noise_probe *p, float n0) SREC_NONNULL(1);

/*! Add the next symbols of the frame. The probe updates its estimate when the number of symbols has doubled, and when
 *  it has all symbols that it uses.
 *
 *  With gains, y / g has the noise power N0 / |g|^2. So the probe uses only the symbols whose gain is within 3 dB of
 *  the strongest.
 *
 *  \param[in] p        the probe
 *  \param[in] iq       (n, 2) received symbols
 *  \param[in] gain_iq  (n, 2) complex gain of the channel; NULL: 1
 *  \param[in] n        number of symbols */
SREC_API void srec_noise_probe_push(srec_noise_probe *p, const float *iq, const float *gain_iq, size_t n);

/*! The estimate.
 *
 *  \param[in] p  the probe
 *  \return noise power per complex symbol. An estimate from symbols of gain 1 is limited to 1e-5 .. 10 */
SREC_API float srec_noise_probe_n0(const srec_noise_probe *p) SREC_NONNULL(1);

SREC_END_DECLS
#endif /* SREC_NOISE_PROBE_H */
