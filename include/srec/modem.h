/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Mapping of frame bytes to complex symbols and back to soft values. Memoryless; Es = 1 for every modulation;
 *  symbols are interleaved I, Q floats. SNR is always Es/N0 per complex symbol, N0 = 10^(-snr_db / 10), so the
 *  noise
 *  variance per real dimension is N0 / 2.
 *
 *      modulation  bits/symbol  soft values per frame byte
 *      BPSK        1            8 LLRs                           real axis, bit 0 -> +1
 *      QPSK        2            8 LLRs                           first bit I, second Q
 *      16QAM       4            8 LLRs                           Gray per axis: sign I, sign Q, magnitude I,
 *      magnitude Q
 *      64QAM       6            8 LLRs                           sign I, Q, then the next Gray bit of I, Q, then
 *      the last
 *      256QAM      8            8 LLRs
 *      pam256      16 (2 bytes) 2: amplitude, noise variance     byte c -> (c - 127.5) * SREC_PAM256_STEP, one per
 *      axis
 *
 *  LLR = ln p(bit = 0) / p(bit = 1), exact (log-sum-exp, not max-log); 16QAM and up saturate near +-80. GNU Radio's
 *  soft decoders have the opposite sign. */
#ifndef SREC_MODEM_H
#define SREC_MODEM_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

typedef enum srec_modulation {
    SREC_BPSK = 0,
    SREC_QPSK = 1,
    SREC_16QAM = 2,
    SREC_64QAM = 3,
    SREC_256QAM = 4,
    SREC_PAM256 = 5
} srec_modulation;
#define SREC_MODULATIONS 6

/*! Amplitude per byte level of pam256: sqrt(1/2) / sqrt((256^2 - 1) / 12), mean power 1/2 per axis. */
#define SREC_PAM256_STEP 0.00956839231f

/*! "bpsk" "qpsk" "16qam" "64qam" "256qam" "pam256"; NULL if out of range. */
SREC_API const char *srec_modulation_name(srec_modulation m);
/*! \return SREC_ERR_ARG for an unknown name; case is ignored. */
SREC_API srec_status srec_modulation_parse(const char *name, srec_modulation *out);

SREC_API unsigned srec_modem_bits_per_symbol(srec_modulation m); /*!< 1 2 4 6 8 16; 0 if out of range */
SREC_API unsigned srec_modem_soft_per_symbol(srec_modulation m); /*!< 1 2 4 6 8 4 */
SREC_API unsigned srec_modem_soft_per_byte(srec_modulation m);   /*!< 8 8 8 8 8 2 */
/*! Frame bytes that fill whole symbols: 1 (1 byte), 3 for 64QAM, 2 for pam256. Frames are padded to it. */
SREC_API unsigned srec_modem_byte_granule(srec_modulation m);
/*! Symbols of \p n_bytes frame bytes (n_bytes a multiple of the granule). */
SREC_API size_t srec_modem_symbols(srec_modulation m, size_t n_bytes);

/*! \param bytes (n_bytes), a multiple of the granule, most significant bit first \param[out] iq (symbols, 2) */
SREC_API srec_status srec_modem_map(srec_modulation m, const uint8_t *bytes, size_t n_bytes, float *iq);

/*! Soft values of received symbols y = gain * x + n.
 *  \param iq      (n_symbols, 2)
 *  \param gain_iq (n_symbols, 2) complex channel gain, or NULL for 1; a gain of 0 gives LLR 0
 *  \param n0      noise power per complex symbol, > 0
 *  \param[out] soft (n_symbols * soft_per_symbol), always finite; a symbol or gain that is not finite gives LLR 0
 *                  (pam256: amplitude 0, variance 1e6); values beyond +-1e4 count as that */
SREC_API srec_status srec_modem_demap(srec_modulation m, const float *iq, const float *gain_iq, float n0,
                                      size_t n_symbols, float *soft);

/*! Importance order: a payload's bits are permuted before mapping so that the bytes' most significant bits ride on
 *  the
 *  constellation's best-protected bits. Works in groups of the smallest number of whole bytes and symbols (16QAM 1
 *  byte,
 *  64QAM 3, 256QAM 1); identity for BPSK, QPSK, pam256. \p out may not be \p in. */
SREC_API srec_status srec_modem_order_bytes(srec_modulation m, const uint8_t *in, uint8_t *out, size_t n_bytes);
/*! The inverse, on LLRs (n_bytes, 8). */
SREC_API srec_status srec_modem_restore_soft(srec_modulation m, const float *in, float *out, size_t n_bytes);

/*! Hard decision of soft values. \param soft (n_bytes, soft_per_byte) \param[out] bytes (n_bytes) */
SREC_API srec_status srec_modem_decide(srec_modulation m, const float *soft, size_t n_bytes, uint8_t *bytes);

/*! Blind noise estimate from symbols of known modulation and unit gain: maximum likelihood N0 by expectation
 *  maximisation over the constellation, of the first 4096 symbols. Symbols that are not finite are left out.
 *  Deviation from 4096 symbols: 0.1 dB, up to 0.3 dB where points blur (64QAM 10 dB, 256QAM 15 to 20 dB). From 64
 *  symbols the same regions scatter by 1 to 2 dB and are 0.3 to 0.6 dB low in the mean.
 *  pam256: second moment minus 1, of all symbols: no use once N0 nears 1 / sqrt(n_symbols); from 4096 symbols 0.5
 *  dB
 *  at 10 dB, 2 dB at 15 dB, arbitrary at 20 dB and above.
 *  \param iq (n_symbols, 2), n_symbols >= 16 \param[out] n0 clamped to 1e-5 .. 10 */
SREC_API srec_status srec_modem_estimate_n0(srec_modulation m, const float *iq, size_t n_symbols, float *n0);

SREC_END_DECLS
#endif /* SREC_MODEM_H */
