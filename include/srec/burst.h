/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The waveform: one burst carries one frame. docs/waveform.md draws it and lists its figures.
 *
 *      +-------+----------+----------+------------------+--------+------------------+--------+-- ...
 *      --+--------+-------+
 *      | guard | up chirp | down     | frame symbols    | pilots | frame symbols    | pilots |         | pilots |
 *      guard |
 *      | 32    | 128      | chirp 128| 248              | 8      | 248              | 8      | <= 248  | 8      |
 *      32    |
 *      +-------+----------+----------+------------------+--------+------------------+--------+-- ...
 *      --+--------+-------+
 *
 *  Chirps: exp(-j pi n^2 / 128), n = 0 .. 127, and its conjugate (Zadoff-Chu, roots 1 and -1): a carrier offset
 *  moves the
 *  correlation peaks of the two apart by equal amounts in opposite directions, so one search gives delay and
 *  offset.
 *  Pilots: QPSK from the sequence of x^15 + x^14 + 1, period 64 symbols. Every symbol has Es = 1.
 *  Shaping: root raised cosine, truncated to +-SREC_BURST_SPAN symbols. Samples have unit mean power, so Es / N0 =
 *  samples per
 *  symbol / noise variance of a complex sample. */
#ifndef SREC_BURST_H
#define SREC_BURST_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>

SREC_BEGIN_DECLS

#define SREC_BURST_CHIRP    128u
#define SREC_BURST_PREAMBLE (2u * SREC_BURST_CHIRP)
#define SREC_BURST_DATA     248u /*!< frame symbols between pilots */
#define SREC_BURST_PILOTS   8u
#define SREC_BURST_GUARD    32u /*!< symbols of silence before and after */
#define SREC_BURST_SPAN     10u /*!< the pulse reaches so many symbols to each side */

typedef struct srec_waveform {
    unsigned samples_per_symbol; /*!< 2 .. 16 */
    float rolloff;               /*!< 0.1 .. 1 */
} srec_waveform;

/*! 4 samples per symbol, roll-off 0.25. */
SREC_API void srec_waveform_default(srec_waveform *out);

/*! Symbols of a burst of \p n_data frame symbols: preamble and pilots included, guards not. */
SREC_API size_t srec_burst_symbols(size_t n_data);

/*! One thread at a time per handle. */
typedef struct srec_shaper srec_shaper;

SREC_API srec_status srec_shaper_create(const srec_waveform *waveform, srec_shaper **out);
SREC_API void srec_shaper_free(srec_shaper *s);

/*! Samples of a burst of \p n_data frame symbols, guards included. */
SREC_API size_t srec_shaper_samples(const srec_shaper *s, size_t n_data);

/*! Make a burst. \param symbols (n_data, 2), Es = 1 \param[out] samples (srec_shaper_samples(n_data), 2)
 *  \return SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_shaper_run(srec_shaper *s, const float *symbols, size_t n_data, float *samples);

SREC_END_DECLS
#endif /* SREC_BURST_H */
