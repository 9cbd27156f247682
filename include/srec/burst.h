/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The waveform: one burst carries one frame. docs/waveform.md explains it and lists its figures.
 *
 *      guard | up chirp | down chirp | data | pilots | data | pilots | ... | data     | pilots | guard
 *      32    | 128      | 128        | 248  | 8      | 248  | 8      |     | 1 .. 248 | 8      | 32
 *
 *  All lengths are in symbols, and every symbol has Es = 1. The guards are silent.
 *
 *  - The chirps are exp(-j pi n^2 / 128), n = 0 .. 127, and its conjugate (Zadoff-Chu sequences with roots 1 and -1). A
 *    carrier offset moves their correlation peaks by equal amounts in opposite directions, so one search finds both the
 *    delay and the offset.
 *  - The pilots are QPSK symbols from the sequence of x^15 + x^14 + 1, with a period of 64 symbols.
 *  - The pulse is a root raised cosine, truncated at +-SREC_BURST_SPAN symbols. Samples have unit mean power within the
 *    burst, so Es/N0 = samples per symbol / noise variance of a complex sample. */
#ifndef SREC_BURST_H
#define SREC_BURST_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>

SREC_BEGIN_DECLS

#define SREC_BURST_CHIRP    128u                    /*!< symbols of one chirp */
#define SREC_BURST_PREAMBLE (2u * SREC_BURST_CHIRP) /*!< symbols of the preamble: both chirps */
#define SREC_BURST_DATA     248u                    /*!< frame symbols between two pilot blocks */
#define SREC_BURST_PILOTS   8u                      /*!< symbols of a pilot block */
#define SREC_BURST_GUARD    32u                     /*!< symbols of silence before and after the burst */
#define SREC_BURST_SPAN     10u                     /*!< symbols that the pulse reaches to each side */

/*! Parameters of the waveform. Sender and receiver must use the same values. */
typedef struct srec_waveform {
    unsigned samples_per_symbol; /*!< 2 .. 16 */
    float rolloff;               /*!< of the root raised cosine, 0.1 .. 1 */
} srec_waveform;

/*! Set the default waveform: 4 samples per symbol, roll-off 0.25.
 *
 *  \param[out] out  the waveform */
SREC_API void srec_waveform_default(srec_waveform *out) SREC_NONNULL(1);

/*! Length of a burst, with preamble and pilots, without guards.
 *
 *  \param[in] n_data  frame symbols of the burst
 *  \return the number of symbols */
SREC_API size_t srec_burst_symbols(size_t n_data);

/*! Shapes frames into bursts. One thread at a time may use a shaper; different shapers are independent. */
typedef struct srec_shaper srec_shaper;

/*! Create a shaper.
 *
 *  \param[in]  waveform  the waveform; it is copied
 *  \param[out] out       the shaper, or NULL on error
 *  \param[out] error     says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if a parameter of the waveform is out of range; SREC_ERR_MEMORY */
SREC_API srec_status srec_shaper_create(const srec_waveform *waveform, srec_shaper **out,
                                        srec_error *error) SREC_WARN_UNUSED;

/*! Free a shaper.
 *
 *  \param[in] s  the shaper; may be NULL */
SREC_API void srec_shaper_free(srec_shaper *s);

/*! Length of a burst in samples, guards included.
 *
 *  \param[in] s       the shaper
 *  \param[in] n_data  frame symbols of the burst
 *  \return the number of complex samples; 0 if \p s is NULL */
SREC_API size_t srec_shaper_samples(const srec_shaper *s, size_t n_data);

/*! Shape a frame into a burst.
 *
 *  \param[in]  s        the shaper
 *  \param[in]  symbols  (n_data, 2) frame symbols, I and Q, Es = 1
 *  \param[in]  n_data   frame symbols, at least 1
 *  \param[out] samples  (srec_shaper_samples(s, n_data), 2) samples of unit mean power within the burst
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_shaper_run(srec_shaper *s, const float *symbols, size_t n_data, float *samples);

SREC_END_DECLS
#endif /* SREC_BURST_H */
