/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The modem: it maps frame bytes to complex symbols, and symbols to soft values. It has no memory, and any thread may
 *  call its functions.
 *
 *  Symbols are interleaved floats I and Q. Every modulation has Es = 1. The SNR is Es/N0 per complex symbol, N0 =
 *  10^(-snr_db / 10), so the noise variance per real dimension is N0 / 2.
 *
 *      modulation  bits/symbol   soft values per byte      bits of a symbol
 *      BPSK        1             8 LLRs                    real axis, bit 0 -> +1
 *      QPSK        2             8 LLRs                    I, Q
 *      16QAM       4             8 LLRs                    Gray code per axis: sign I, sign Q, magnitude I, magnitude Q
 *      64QAM       6             8 LLRs                    sign I, Q, next Gray bit of I, Q, last Gray bit of I, Q
 *      256QAM      8             8 LLRs                    sign I, Q, then three Gray bits of I and Q, alternating
 *      pam256      16 (2 bytes)  2: amplitude, variance    byte c -> (c - 127.5) * SREC_PAM256_STEP, one byte per axis
 *
 *  LLR = ln(p(bit = 0) / p(bit = 1)). It is exact (log-sum-exp, not max-log), and saturates near +-80 from 16QAM on.
 *  The soft decoders of GNU Radio use the opposite sign. */
#ifndef SREC_MODEM_H
#define SREC_MODEM_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Modulations. The values are those of the signal field (packet.h). */
typedef enum srec_modulation {
    SREC_BPSK = 0,   /*!< 1 bit per symbol */
    SREC_QPSK = 1,   /*!< 2 bits per symbol */
    SREC_16QAM = 2,  /*!< 4 bits per symbol */
    SREC_64QAM = 3,  /*!< 6 bits per symbol */
    SREC_256QAM = 4, /*!< 8 bits per symbol */
    SREC_PAM256 = 5  /*!< 256 amplitudes per axis, 2 bytes per symbol */
} srec_modulation;

#define SREC_MODULATIONS 6 /*!< number of values of srec_modulation */

/*! Amplitude difference between adjacent bytes of pam256: sqrt(1/2) / sqrt((256^2 - 1) / 12), a mean power of 1/2 per
 *  axis. */
#define SREC_PAM256_STEP 0.00956839231f

/*! Name of a modulation.
 *
 *  \param[in] m  the modulation
 *  \return "bpsk", "qpsk", "16qam", "64qam", "256qam" or "pam256" in static storage; NULL if \p m is out of range */
SREC_API const char *srec_modulation_name(srec_modulation m);

/*! Find a modulation by its name.
 *
 *  \param[in]  name  the name; the case does not matter
 *  \param[out] out   the modulation
 *  \return SREC_OK; SREC_ERR_ARG for an unknown name */
SREC_API srec_status srec_modulation_parse(const char *name, srec_modulation *out) SREC_WARN_UNUSED;

/*! Bits per symbol.
 *
 *  \param[in] m  the modulation
 *  \return 1, 2, 4, 6, 8 or 16; 0 if \p m is out of range */
SREC_API unsigned srec_modem_bits_per_symbol(srec_modulation m);

/*! Soft values per symbol.
 *
 *  \param[in] m  the modulation
 *  \return 1, 2, 4, 6, 8 or 4; 0 if \p m is out of range */
SREC_API unsigned srec_modem_soft_per_symbol(srec_modulation m);

/*! Soft values per frame byte.
 *
 *  \param[in] m  the modulation
 *  \return 8, or 2 for pam256; 0 if \p m is out of range */
SREC_API unsigned srec_modem_soft_per_byte(srec_modulation m);

/*! Granule of a modulation: the smallest number of bytes that fills whole symbols. Frames are padded to multiples of
 *  it.
 *
 *  \param[in] m  the modulation
 *  \return 1; 3 for 64QAM; 2 for pam256; 0 if \p m is out of range */
SREC_API unsigned srec_modem_byte_granule(srec_modulation m);

/*! Number of symbols of bytes that are padded to the granule.
 *
 *  \param[in] m        the modulation
 *  \param[in] n_bytes  number of bytes, at most SIZE_MAX / 16
 *  \return the number of symbols; 0 if \p m is out of range */
SREC_API size_t srec_modem_symbols(srec_modulation m, size_t n_bytes);

/*! Map bytes to symbols, most significant bit first.
 *
 *  \param[in]  m        the modulation
 *  \param[in]  bytes    (n_bytes) frame bytes
 *  \param[in]  n_bytes  number of bytes, a multiple of the granule
 *  \param[out] iq       (srec_modem_symbols(m, n_bytes), 2) symbols, Es = 1
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_modem_map(srec_modulation m, const uint8_t *bytes, size_t n_bytes, float *iq);

/*! Compute the soft values of received symbols y = gain * x + n.
 *
 *  The soft values are always finite. I and Q, divided by the gain, are limited to +-1e4. If a symbol or gain is not
 *  finite, its LLRs are 0 (pam256: amplitude 0, variance 1e6).
 *
 *  \param[in]  m          the modulation
 *  \param[in]  iq         (n_symbols, 2) received symbols
 *  \param[in]  gain_iq    (n_symbols, 2) complex gain of the channel; NULL: 1. A gain of 0 gives LLRs of 0
 *  \param[in]  n0         noise power per complex symbol, above 0
 *  \param[in]  n_symbols  number of symbols
 *  \param[out] soft       (n_symbols, srec_modem_soft_per_symbol(m)) soft values
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_modem_demap(srec_modulation m, const float *iq, const float *gain_iq, float n0,
                                      size_t n_symbols, float *soft);

/*! Put the bits of a payload in importance order: the best-protected bits of the symbols carry the most significant
 *  bits of the bytes.
 *
 *  The function permutes groups of bytes that fill whole symbols: 1 byte for 16QAM and 256QAM, 3 bytes for 64QAM. BPSK,
 *  QPSK and pam256 keep the order.
 *
 *  \param[in]  m        the modulation
 *  \param[in]  in       (n_bytes) payload bytes
 *  \param[out] out      (n_bytes) bytes in importance order; not \p in
 *  \param[in]  n_bytes  number of bytes, a multiple of the group
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_modem_order_bytes(srec_modulation m, const uint8_t *in, uint8_t *out, size_t n_bytes);

/*! Reverse the importance order on soft values.
 *
 *  \param[in]  m        the modulation
 *  \param[in]  in       (n_bytes, srec_modem_soft_per_byte(m)) soft values in importance order
 *  \param[out] out      (n_bytes, srec_modem_soft_per_byte(m)) soft values in the order of the payload; not \p in
 *  \param[in]  n_bytes  number of bytes, a multiple of the group
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_modem_restore_soft(srec_modulation m, const float *in, float *out, size_t n_bytes);

/*! Hard decisions.
 *
 *  \param[in]  m        the modulation
 *  \param[in]  soft     (n_bytes, srec_modem_soft_per_byte(m)) soft values
 *  \param[in]  n_bytes  number of bytes
 *  \param[out] bytes    (n_bytes) decided bytes
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_modem_decide(srec_modulation m, const float *soft, size_t n_bytes, uint8_t *bytes);

/*! Estimate N0 from symbols of known modulation and gain 1, without knowing their bits.
 *
 *  The function maximises the likelihood by expectation maximisation over the constellation, from the first 4096
 *  symbols. It skips symbols that are not finite. The standard deviation with 4096 symbols is 0.1 dB, and up to 0.3 dB
 *  where points overlap (64QAM at 10 dB, 256QAM at 15 to 20 dB). With 64 symbols it is 1 to 2 dB there, and the mean is
 *  0.3 to 0.6 dB too low.
 *
 *  For pam256 the function subtracts 1 from the second moment of all symbols. This is useless when N0 approaches 1 /
 *  sqrt(n_symbols): with 4096 symbols the error is 0.5 dB at 10 dB, 2 dB at 15 dB, and arbitrary from 20 dB on.
 *
 *  \param[in]  m          the modulation
 *  \param[in]  iq         (n_symbols, 2) received symbols
 *  \param[in]  n_symbols  number of symbols, at least 16
 *  \param[out] n0         noise power per complex symbol, limited to 1e-5 .. 10
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_modem_estimate_n0(srec_modulation m, const float *iq, size_t n_symbols, float *n0);

SREC_END_DECLS
#endif /* SREC_MODEM_H */
