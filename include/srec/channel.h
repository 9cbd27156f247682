/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A seeded channel: y = gain * x + n (SREC eq. 4).
 *
 *  Gain and noise of sample i depend only on the seed and on i. So the result does not depend on how a stream is
 *  divided into calls. The random numbers are a ChaCha20 keystream (libsodium), transformed by Box-Muller. */
#ifndef SREC_CHANNEL_H
#define SREC_CHANNEL_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Kinds of channel. */
typedef enum srec_channel_kind {
    SREC_CHANNEL_AWGN = 0,    /*!< white Gaussian noise, gain 1 */
    SREC_CHANNEL_RAYLEIGH = 1 /*!< flat block fading and noise: complex Gaussian gain, E|gain|^2 = 1 */
} srec_channel_kind;

/*! A channel. One thread at a time may use it; different channels are independent. */
typedef struct srec_channel srec_channel;

/*! Create a channel.
 *
 *  \param[in]  kind       SREC_CHANNEL_AWGN or SREC_CHANNEL_RAYLEIGH
 *  \param[in]  snr_db     Es/N0 in dB for inputs of unit power, -50 .. 100
 *  \param[in]  seed       equal seeds give equal gains and noise
 *  \param[in]  coherence  samples with the same gain, at least 1; AWGN ignores the value
 *  \param[out] out        the channel at sample 0, or NULL on error
 *  \param[out] error      says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium does not start */
SREC_API srec_status srec_channel_create(srec_channel_kind kind, float snr_db, uint64_t seed, unsigned coherence,
                                         srec_channel **out, srec_error *error) SREC_WARN_UNUSED;

/*! Free a channel.
 *
 *  \param[in] c  the channel; may be NULL */
SREC_API void srec_channel_free(srec_channel *c);

/*! Set the SNR from the next sample on.
 *
 *  \param[in] c       the channel
 *  \param[in] snr_db  Es/N0 in dB for inputs of unit power, -50 .. 100
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_channel_set_snr(srec_channel *c, float snr_db);

/*! Set the number of the next sample.
 *
 *  \param[in] c       the channel; may be NULL
 *  \param[in] sample  number of the first sample of the next call of srec_channel_apply() */
SREC_API void srec_channel_seek(srec_channel *c, uint64_t sample);

/*! Send samples through the channel.
 *
 *  \param[in]  c        the channel
 *  \param[in]  in       (n, 2) samples, I and Q
 *  \param[out] out      (n, 2) gain * in + noise; may be \p in
 *  \param[out] gain_iq  (n, 2) the complex gains; may be NULL
 *  \param[in]  n        number of samples
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_channel_apply(srec_channel *c, const float *in, float *out, float *gain_iq, size_t n);

/*! Find a kind of channel by its name.
 *
 *  \param[in]  name  "awgn" or "rayleigh"; the case does not matter
 *  \param[out] out   the kind
 *  \return SREC_OK; SREC_ERR_ARG for other names */
SREC_API srec_status srec_channel_kind_parse(const char *name, srec_channel_kind *out) SREC_WARN_UNUSED;

/*! Name of a kind of channel.
 *
 *  \param[in] kind  the kind
 *  \return "awgn" or "rayleigh" in static storage; NULL if \p kind is out of range */
SREC_API const char *srec_channel_kind_name(srec_channel_kind kind);

SREC_END_DECLS
#endif /* SREC_CHANNEL_H */
