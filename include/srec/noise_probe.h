/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Noise power of a stream of frames, estimated blindly from the first symbols of each frame while they arrive. */
#ifndef SREC_NOISE_PROBE_H
#define SREC_NOISE_PROBE_H

#include <srec/modem.h>

SREC_BEGIN_DECLS

#define SREC_NOISE_PROBE_LEAST 16u /*!< symbols for the first estimate of a frame; earlier ones use the last frame's */
#define SREC_NOISE_PROBE_MOST  1024u /*!< symbols of a frame that the estimate uses */

/*! One thread at a time per handle. */
typedef struct srec_noise_probe srec_noise_probe;

/*! The estimate starts at N0 = 0.1, and no symbol is used before srec_noise_probe_begin().
 *  \param[in]  modulation of the frames
 *  \param[out] out        NULL on error
 *  \param[out] error      may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_noise_probe_create(srec_modulation modulation, srec_noise_probe **out, srec_error *error);

/*! \param[in] p may be NULL */
SREC_API void srec_noise_probe_free(srec_noise_probe *p);

/*! A frame begins.
 *  \param[in] n_symbols its length, 0 if unknown */
SREC_API void srec_noise_probe_begin(srec_noise_probe *p, size_t n_symbols);

/*! A frame of known noise begins: its symbols do not change the estimate.
 *  \param[in] n0 noise power per complex symbol; values that are not positive and finite are ignored, and the frame
 *                counts as one of unknown length */
SREC_API void srec_noise_probe_begin_known(srec_noise_probe *p, float n0);

/*! The next symbols of the frame. The probe estimates again whenever the number of symbols has doubled, and once more
 *  when it is complete.
 *  \param[in] iq      (n, 2)
 *  \param[in] gain_iq (n, 2) complex channel gain, or NULL for 1. y / g has the noise power N0 / |g|^2, so the probe
 *                     uses the symbols within 3 dB of the strongest gain. */
SREC_API void srec_noise_probe_push(srec_noise_probe *p, const float *iq, const float *gain_iq, size_t n);

/*! \return noise power per complex symbol, 1e-5 .. 10 unless srec_noise_probe_begin_known() has set it */
SREC_API float srec_noise_probe_n0(const srec_noise_probe *p);

SREC_END_DECLS
#endif /* SREC_NOISE_PROBE_H */
