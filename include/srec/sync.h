/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The synchroniser: finds bursts (burst.h) in a stream of samples with unknown delay, carrier and clock offset,
 *  phase
 *  and level, and gives their frame symbols ready for srec_modem_demap().
 *
 *  Acquisition: correlation with both chirps by FFT; at each delay the best sum of the two peaks over all carrier
 *  offsets, against a level taken from the neighbourhood (constant false-alarm rate, no matter how strong the
 *  input).
 *  A candidate must then correlate coherently with the whole preamble. A preamble of an inverted spectrum is found
 *  too,
 *  and set right. An equaliser trained on it undoes short echoes.
 *
 *  Tracking: timing and clock as a line over the burst; phase, frequency and drift of the carrier by a Kalman
 *  filter and
 *  smoother over the pilot blocks; then complex gains smoothed over as many blocks as predict the left-out ones
 *  best.
 *  Noise is what the pilots show, and more where the data between them scatter wider or turn (docs/waveform.md,
 *  "How
 *  the receiver works"). */
#ifndef SREC_SYNC_H
#define SREC_SYNC_H

#include <srec/burst.h>
#include <srec/finding.h>
#include <srec/modem.h>
#include <stdbool.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_SYNC_CFO_MAX   0.1f    /*!< carrier offset that is searched, cycles per symbol */
#define SREC_SYNC_DRIFT_MAX 7.5e-6f /*!< change of the carrier offset that is followed, cycles per symbol^2 */
#define SREC_SAMPLE_MAX     1e10f   /*!< greatest magnitude of I and Q that a sample may have; full scale is 1 */

/*! A burst as found. The symbols are valid until the handler returns. */
typedef struct srec_burst {
    const float *iq;      /*!< (n_symbols, 2) frame symbols, phase removed: y = gain x + n with mean |x|^2 = 1 */
    const float *gain_iq; /*!< (n_symbols, 2) gain of each symbol, real and positive, mean square 1 */
    size_t n_symbols;
    float n0;        /*!< noise power per complex symbol, estimation errors of the gain included. Symbols with more
                      *   noise, as the data show it, are scaled down with their gain until theirs is this too */
    float snr_db;    /*!< Es / N0: mean signal power over mean power of all noise, gain and phase errors included */
    float cfo;       /*!< carrier offset of the samples, mean over the burst, cycles per symbol */
    float drift;     /*!< by how much it changes, cycles per symbol^2 */
    bool inverted;   /*!< the samples have an inverted spectrum (I and Q exchanged); the symbols are right */
    float clock_ppm; /*!< how much longer a symbol is than samples_per_symbol samples, parts per million */
    float level_db;  /*!< mean power of the burst's signal, dB relative to unit power per sample */
    double sample;   /*!< where the first symbol of the preamble lies, samples since the first push */
} srec_burst;

typedef void (*srec_burst_handler)(void *context, const srec_burst *burst);

/*! \return true if the burst is wanted. \param soft (n_bytes, soft_per_byte) soft values of its signal field and
 *  header, as srec_packet_authenticate() takes them */
typedef bool (*srec_burst_check)(void *context, const float *soft, size_t n_bytes);

typedef struct srec_sync_counters {
    uint64_t samples;     /*!< pushed */
    uint64_t absurd;      /*!< of these, not finite or greater than SREC_SAMPLE_MAX: bytes of another format? */
    uint64_t candidates;  /*!< above the first threshold */
    uint64_t preambles;   /*!< of these, preambles; each is then a burst or one of the following */
    uint64_t unreadable;  /*!< signal field not decodable: the burst's length is unknown */
    uint64_t unsupported; /*!< packet version or payload type of another release */
    uint64_t foreign;     /*!< rejected by the check */
    uint64_t truncated;   /*!< the stream ended within the burst */
    uint64_t skipped;     /*!< not examined, bursts or candidates: too many overlap (forgeries, interference) */
    uint64_t bursts;      /*!< handed on */
    uint64_t inverted;    /*!< of these, with an inverted spectrum */
    uint64_t other_modulation[SREC_MODULATIONS]; /*!< of the unreadable, those found to be of this modulation */
} srec_sync_counters;

typedef struct srec_sync srec_sync; /*!< one thread at a time per handle */

/*! \param modulation of the frames; their signal field (packet.h) tells how long each burst is
 *  \param handler called from srec_sync_push() and srec_sync_flush() */
SREC_API srec_status srec_sync_create(const srec_waveform *waveform, srec_modulation modulation,
                                      srec_burst_handler handler, void *context, srec_sync **out);
SREC_API void srec_sync_free(srec_sync *s);

/*! Hand on only bursts that pass \p check. The lengths in a signal field are not authentic: without a check, a
 *  forged
 *  one hides every burst within the length that it claims. With a check, which is made as soon as the header is
 *  there,
 *  the search resumes right behind each preamble and nothing is hidden. Before the first push; NULL: no check. */
SREC_API void srec_sync_set_check(srec_sync *s, srec_burst_check check, void *context);

/*! Next samples of the stream, any number. \param samples (n, 2); I and Q that are absurd (see the counter) count
 *  as 0
 *  Time and memory are bounded by n, whatever the samples are. \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_sync_push(srec_sync *s, const float *samples, size_t n);

/*! End of the stream: what is complete is handed on; the next push begins anew. */
SREC_API srec_status srec_sync_flush(srec_sync *s);

SREC_API void srec_sync_get_counters(const srec_sync *s, srec_sync_counters *out);

/*! What keeps bursts from being received, as far as the input so far shows it. Takes about 0.1 ms.
 *  \param ended no more will come: conclude from little  \param[out] out (SREC_FINDINGS)  \return how many */
SREC_API size_t srec_sync_findings(const srec_sync *s, bool ended, srec_finding *out);

SREC_END_DECLS
#endif /* SREC_SYNC_H */
