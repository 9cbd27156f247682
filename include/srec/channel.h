/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Seeded channel: y = gain * x + n. Sample i depends on (seed, i) only, so results do not depend on how the
 *  stream is cut into calls. Random numbers: ChaCha20 keystream (libsodium), Box-Muller.            (SREC eq. 4) */
#ifndef SREC_CHANNEL_H
#define SREC_CHANNEL_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

typedef enum srec_channel_kind {
    SREC_CHANNEL_AWGN = 0,
    SREC_CHANNEL_RAYLEIGH = 1 /*!< flat block fading: gain complex Gaussian, E|gain|^2 = 1, constant over
                               *   `coherence` samples */
} srec_channel_kind;

typedef struct srec_channel srec_channel; /*!< one thread at a time per handle */

/*! \param snr_db Es/N0 for inputs of unit power, -50 .. 100  \param coherence samples of equal gain, >= 1 (AWGN
 *  ignores it) */
SREC_API srec_status srec_channel_create(srec_channel_kind kind, float snr_db, uint64_t seed, unsigned coherence,
                                         srec_channel **out);
SREC_API void srec_channel_free(srec_channel *c);
SREC_API srec_status srec_channel_set_snr(srec_channel *c, float snr_db);
/*! Sample number of the next call's first sample. */
SREC_API void srec_channel_seek(srec_channel *c, uint64_t sample);

/*! \param in, out (n, 2); may be the same  \param[out] gain_iq (n, 2) the gains applied, or NULL */
SREC_API srec_status srec_channel_apply(srec_channel *c, const float *in, float *out, float *gain_iq, size_t n);

SREC_API srec_status srec_channel_kind_parse(const char *name, srec_channel_kind *out); /*!< "awgn" "rayleigh" */
SREC_API const char *srec_channel_kind_name(srec_channel_kind kind);

SREC_END_DECLS
#endif /* SREC_CHANNEL_H */
