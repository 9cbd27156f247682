/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  LDPC codes of 5G NR: 3GPP TS 38.212, section 5.3.2, base graphs 1 and 2, lifting sizes 24 to 384 of set index 1.
 *
 *      payload (B bytes) → C blocks of K bits → codewords of 68 Z or 52 Z bits → coded bits (E)
 *
 *  A payload of any length is divided into blocks of equal length. Each block takes the smallest lifting size Z that
 *  holds it; the rest of its systematic part is filler, known to both ends and never sent. The first 2 Z systematic
 *  bits are never sent either (punctured). The remaining bits form a circular buffer. Redundancy version v of a block
 *  with E bits starts at bit v E of the buffer and wraps around at its end, so consecutive versions continue where the
 *  last one stopped, and code rates below the mother code's repeat bits. Any rate up to 8/9 is possible.
 *
 *  All functions may be used by several threads; a handle by one thread at a time. */
#ifndef SREC_LDPC_H
#define SREC_LDPC_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_LDPC_BYTES_MIN         16u    /*!< of a payload: shorter ones do not decode at high rates */
#define SREC_LDPC_BYTES_MAX         65536u /*!< of a payload, and of its coded bits */
#define SREC_LDPC_LLR_LIMIT         31     /*!< quantised LLRs lie within +- this */
#define SREC_LDPC_TRANSMISSIONS_MAX 8u     /*!< that srec_ldpc_decode() combines */

/*! Everything that both ends derive from the two lengths. */
typedef struct srec_ldpc_code {
    unsigned base_graph;   /*!< 1 or 2 */
    unsigned lifting_size; /*!< Z */
    unsigned n_blocks;     /*!< C */
    size_t info_bytes;     /*!< B, payload */
    size_t coded_bits;     /*!< E, all blocks */
    unsigned block_bits;   /*!< K, information bits of a block; the last block ends with up to C - 1 zero bits */
} srec_ldpc_code;

/*! The code for \p info_bytes of payload in \p coded_bytes on the air. Base graph 2 serves payloads up to 3840 bits at
 *  rates up to 2/3, base graph 1 all others.
 *  \param info_bytes   SREC_LDPC_BYTES_MIN .. SREC_LDPC_BYTES_MAX
 *  \param coded_bytes  at most SREC_LDPC_BYTES_MAX
 *  \return SREC_ERR_ARG if a length is out of range or the rate exceeds 8/9 */
SREC_API srec_status srec_ldpc_code_for(size_t info_bytes, size_t coded_bytes, srec_ldpc_code *out);

/* --- transmitter ---------------------------------------------------------------------------------------------- */

typedef struct srec_ldpc_encoder srec_ldpc_encoder;

/*! \return SREC_ERR_MEMORY */
SREC_API srec_status srec_ldpc_encoder_create(srec_ldpc_encoder **out, srec_error *error);
SREC_API void srec_ldpc_encoder_free(srec_ldpc_encoder *e);

/*! Encode a payload.
 *  \param redundancy_version  0 for the first transmission
 *  \param info                (code->info_bytes)
 *  \param[out] bits           (code->coded_bits) one coded bit per byte, 0 or 1, block after block */
SREC_API srec_status srec_ldpc_encode(srec_ldpc_encoder *e, const srec_ldpc_code *code, unsigned redundancy_version,
                                      const uint8_t *info, uint8_t *bits);

/* --- receiver ------------------------------------------------------------------------------------------------- */

/*! Quantise LLRs: 4 per unit, rounded, limited to +-SREC_LDPC_LLR_LIMIT. NaN becomes 0.
 *  \param llr (n) positive for bit 0 */
SREC_API void srec_ldpc_quantise(const float *llr, size_t n, int8_t *out);

/*! One transmission of a payload, as received. */
typedef struct srec_ldpc_transmission {
    const int8_t *llr; /*!< (code->coded_bits) from srec_ldpc_quantise() */
    unsigned redundancy_version;
} srec_ldpc_transmission;

typedef struct srec_ldpc_options {
    unsigned iterations; /*!< at most, 1 .. 100 */
    int reference;       /*!< not 0: the scalar decoder, whose results define those of the fast one */
} srec_ldpc_options;
#define SREC_LDPC_OPTIONS_DEFAULT                                                                                      \
    {                                                                                                                  \
        20, 0                                                                                                          \
    }

typedef struct srec_ldpc_result {
    unsigned blocks_failed; /*!< blocks with a parity check that is not met */
    unsigned iterations;    /*!< of all blocks together */
} srec_ldpc_result;

typedef struct srec_ldpc_decoder srec_ldpc_decoder;

/*! \param options NULL for SREC_LDPC_OPTIONS_DEFAULT
 *  \return SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_ldpc_decoder_create(const srec_ldpc_options *options, srec_ldpc_decoder **out,
                                              srec_error *error);
SREC_API void srec_ldpc_decoder_free(srec_ldpc_decoder *d);

/*! Decode a payload from the sum of one or more transmissions: layered normalised min-sum in 8-bit integers. A block
 * stops
 *  as soon as all of its parity checks are met.
 *  \param[out] info (code->info_bytes) the decoder's best estimate, also on failure
 *  \param[out] result may be NULL
 *  \return SREC_OK, SREC_ERR_CHECKSUM if a block failed, SREC_ERR_ARG. SREC_OK does not prove that the payload is
 *  right:
 *          rarely a wrong codeword meets all checks. */
SREC_API srec_status srec_ldpc_decode(srec_ldpc_decoder *d, const srec_ldpc_code *code,
                                      const srec_ldpc_transmission *transmissions, unsigned n_transmissions,
                                      uint8_t *info, srec_ldpc_result *result);

SREC_END_DECLS
#endif /* SREC_LDPC_H */
