/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The synchroniser finds bursts (burst.h) in a stream of samples with unknown delay, carrier offset, clock offset,
 *  phase and level. It returns their frame symbols, ready for srec_modem_demap().
 *
 *  Acquisition: FFTs correlate the samples with both chirps. At each delay the synchroniser takes the best sum of two
 *  peaks over all carrier offsets, and compares it with the level of the neighbourhood. So the false alarm rate does
 *  not depend on the input level. A candidate must then correlate coherently with the whole preamble. The synchroniser
 *  also finds preambles with an inverted spectrum and corrects the spectrum. An equaliser trained on the preamble
 *  removes short echoes.
 *
 *  Tracking: a line over the burst fits timing and clock offset. A Kalman filter and smoother over the pilot blocks
 *  estimates phase, frequency and drift of the carrier. The complex gains are then smoothed over the number of blocks
 *  that best predicts left-out blocks. The noise power comes from the pilots, and is higher where the data symbols
 *  scatter more widely or rotate. docs/waveform.md (How the receiver works) has the details. */
#ifndef SREC_SYNC_H
#define SREC_SYNC_H

#include <srec/burst.h>
#include <srec/finding.h>
#include <srec/modem.h>
#include <stdbool.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_SYNC_CFO_MAX   0.1f    /*!< maximum carrier offset, cycles per symbol */
#define SREC_SYNC_DRIFT_MAX 7.5e-6f /*!< maximum drift of the carrier offset, cycles per symbol^2 */
#define SREC_SAMPLE_MAX     1e10f   /*!< maximum magnitude of I and Q of a sample; full scale is 1 */

/*! A received burst. The symbols are valid until the handler returns. */
typedef struct srec_burst {
    const float *iq;      /*!< (n_symbols, 2) frame symbols without the carrier phase: y = gain x + n, mean |x|^2 = 1 */
    const float *gain_iq; /*!< (n_symbols, 2) gain of each symbol, real and positive, mean square 1 */
    size_t n_symbols;     /*!< frame symbols */
    float n0;             /*!< noise power per complex symbol, including the errors of the gain. Symbols with more noise
                           *   are scaled down together with their gain, so that this value holds for all symbols */
    float snr_db;         /*!< Es/N0 in dB: mean signal power / mean power of all noise, including errors of gain and
                           *   phase */
    float cfo;            /*!< carrier offset of the samples, mean over the burst, cycles per symbol */
    float drift;          /*!< drift of the carrier offset, cycles per symbol^2 */
    bool inverted;        /*!< the samples have an inverted spectrum (I and Q exchanged); the symbols are correct */
    float clock_ppm;      /*!< excess of the symbol duration over samples_per_symbol samples, ppm */
    float level_db;       /*!< mean signal power of the burst, dB relative to unit power per sample */
    double sample;        /*!< position of the first symbol of the preamble, samples since the first push */
} srec_burst;

/*! Receives a burst. `context` is the argument of srec_sync_create(). */
typedef void (*srec_burst_handler)(void *context, const srec_burst *burst);

/*! Decides whether a burst is wanted, and returns true if it is. `context` is the argument of srec_sync_set_check(),
 *  and `soft` (n_bytes, srec_modem_soft_per_byte()) holds the soft values of signal field and header, as
 *  srec_packet_authenticate() takes them. */
typedef bool (*srec_burst_check)(void *context, const float *soft, size_t n_bytes);

/*! Counters of a synchroniser. Each preamble becomes a burst or one of `unreadable` to `skipped`. */
typedef struct srec_sync_counters {
    uint64_t samples;     /*!< samples pushed */
    uint64_t absurd;      /*!< samples that are not finite or exceed SREC_SAMPLE_MAX: probably another sample format */
    uint64_t candidates;  /*!< candidates above the first threshold */
    uint64_t preambles;   /*!< candidates that are preambles */
    uint64_t unreadable;  /*!< signal field not decodable, so the length of the burst is unknown */
    uint64_t unsupported; /*!< packet version or payload type of another release */
    uint64_t foreign;     /*!< rejected by the check */
    uint64_t truncated;   /*!< the stream ended within the burst */
    uint64_t skipped;     /*!< bursts and candidates not examined because too many overlap (forgeries, interference) */
    uint64_t bursts;      /*!< bursts passed to the handler */
    uint64_t inverted;    /*!< bursts with an inverted spectrum */
    uint64_t other_modulation[SREC_MODULATIONS]; /*!< unreadable bursts that have this modulation */
} srec_sync_counters;

/*! A synchroniser. One thread at a time may use it; different synchronisers are independent. */
typedef struct srec_sync srec_sync;

/*! Create a synchroniser.
 *
 *  \param[in]  waveform    the waveform of the sender; it is copied
 *  \param[in]  modulation  modulation of the frames. Their signal field (packet.h) contains the length of each burst
 *  \param[in]  handler     receives the bursts; srec_sync_push() and srec_sync_flush() call it
 *  \param[in]  context     first argument of \p handler
 *  \param[out] out         the synchroniser, or NULL on error
 *  \param[out] error       says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_sync_create(const srec_waveform *waveform, srec_modulation modulation,
                                      srec_burst_handler handler, void *context, srec_sync **out,
                                      srec_error *error) SREC_WARN_UNUSED;

/*! Free a synchroniser.
 *
 *  \param[in] s  the synchroniser; may be NULL */
SREC_API void srec_sync_free(srec_sync *s);

/*! Set a check, so that the handler receives only bursts that pass it. Call this before the first push.
 *
 *  The lengths in a signal field are not authentic. Without a check, a forged signal field hides every burst within the
 *  length that it claims. With a check, the synchroniser checks the header as soon as it has arrived, and the search
 *  resumes directly after every preamble. So nothing is hidden.
 *
 *  \param[in] s        the synchroniser
 *  \param[in] check    the check; NULL: none
 *  \param[in] context  first argument of \p check */
SREC_API void srec_sync_set_check(srec_sync *s, srec_burst_check check, void *context) SREC_NONNULL(1);

/*! Process the next samples of the stream. I and Q that are not finite or exceed SREC_SAMPLE_MAX count as 0. Time and
 *  memory are bounded in proportion to \p n, whatever the samples are.
 *
 *  \param[in] s        the synchroniser
 *  \param[in] samples  (n, 2) samples, I and Q
 *  \param[in] n        number of samples, any
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_sync_push(srec_sync *s, const float *samples, size_t n);

/*! End the stream: the handler receives all complete bursts, and incomplete bursts count as truncated, unless their
 *  signal field was unreadable. The next push begins another stream.
 *
 *  \param[in] s  the synchroniser
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_sync_flush(srec_sync *s);

/*! Read the counters.
 *
 *  \param[in]  s    the synchroniser
 *  \param[out] out  the counters */
SREC_API void srec_sync_get_counters(const srec_sync *s, srec_sync_counters *out) SREC_NONNULL(1, 2);

/*! List the reasons why bursts are not received, as far as the input shows them. The function takes about 0.1 ms.
 *
 *  \param[in]  s      the synchroniser
 *  \param[in]  ended  true if no more samples will come: the function then concludes from fewer samples
 *  \param[out] out    (SREC_FINDINGS) the findings
 *  \return the number of findings */
SREC_API size_t srec_sync_findings(const srec_sync *s, bool ended, srec_finding *out);

SREC_END_DECLS
#endif /* SREC_SYNC_H */
