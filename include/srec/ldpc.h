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

#define SREC_LDPC_BYTES_MIN         16u    /*!< minimum bytes of a payload: shorter ones do not decode at high rates */
#define SREC_LDPC_BYTES_MAX         65536u /*!< maximum bytes of a payload, and of its coded bits */
#define SREC_LDPC_LLR_LIMIT         31     /*!< quantised LLRs lie within +- this */
#define SREC_LDPC_ATTEMPTS_MAX      3u     /*!< maximum number of attempts to decode a block */
#define SREC_LDPC_TRANSMISSIONS_MAX 8u     /*!< maximum number of transmissions that srec_ldpc_decode() combines */

/*! Everything that both ends derive from the two lengths. */
typedef struct srec_ldpc_code {
    unsigned base_graph;   /*!< base graph, 1 or 2 */
    unsigned lifting_size; /*!< lifting size Z, 24 .. 384 */
    unsigned n_blocks;     /*!< number of blocks C */
    size_t info_bytes;     /*!< bytes of the payload, B */
    size_t coded_bits;     /*!< coded bits of all blocks, E */
    unsigned block_bits;   /*!< information bits of a block, K; the last block ends with up to C - 1 zero bits */
} srec_ldpc_code;

/*! The code for a payload of a given length, and its length on the air. Base graph 2 serves payloads up to 3840 bits at
 *  rates up to 2/3, base graph 1 all others.
 *
 *  \param[in]  info_bytes   bytes of the payload, SREC_LDPC_BYTES_MIN .. SREC_LDPC_BYTES_MAX
 *  \param[in]  coded_bytes  bytes on the air, at most SREC_LDPC_BYTES_MAX
 *  \param[out] out          the code
 *  \return SREC_OK; SREC_ERR_ARG if a length is out of range or the rate exceeds 8/9 */
SREC_API srec_status srec_ldpc_code_for(size_t info_bytes, size_t coded_bytes, srec_ldpc_code *out) SREC_WARN_UNUSED;

/* --- transmitter ---------------------------------------------------------------------------------------------- */

/*! Encodes payloads. One thread at a time may use an encoder; different encoders are independent. */
typedef struct srec_ldpc_encoder srec_ldpc_encoder;

/*! Create an encoder.
 *
 *  \param[out] out    the encoder, or NULL on error
 *  \param[out] error  says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_ldpc_encoder_create(srec_ldpc_encoder **out, srec_error *error) SREC_WARN_UNUSED;

/*! Free an encoder.
 *
 *  \param[in] e  the encoder; may be NULL */
SREC_API void srec_ldpc_encoder_free(srec_ldpc_encoder *e);

/*! Encode a payload.
 *
 *  \param[in]  e                   the encoder
 *  \param[in]  code                the code, from srec_ldpc_code_for()
 *  \param[in]  redundancy_version  redundancy version; 0 for the first transmission
 *  \param[in]  info                (code->info_bytes) the payload
 *  \param[out] bits                (code->coded_bits) one coded bit per byte, 0 or 1, block after block
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_ldpc_encode(srec_ldpc_encoder *e, const srec_ldpc_code *code, unsigned redundancy_version,
                                      const uint8_t *info, uint8_t *bits) SREC_WARN_UNUSED;

/* --- receiver ------------------------------------------------------------------------------------------------- */

/*! Quantise LLRs: 4 per unit, rounded, limited to +-SREC_LDPC_LLR_LIMIT. NaN becomes 0.
 *
 *  \param[in]  llr  (n) LLRs, positive for bit 0
 *  \param[in]  n    number of LLRs
 *  \param[out] out  (n) the quantised LLRs */
SREC_API void srec_ldpc_quantise(const float *llr, size_t n, int8_t *out);

/*! One transmission of a payload, as received. */
typedef struct srec_ldpc_transmission {
    const int8_t *llr;           /*!< (code->coded_bits) LLRs from srec_ldpc_quantise() */
    unsigned redundancy_version; /*!< redundancy version that was sent */
} srec_ldpc_transmission;

/*! Options of a decoder. */
typedef struct srec_ldpc_options {
    unsigned iterations; /*!< maximum iterations of an attempt, 1 .. 100 */
    unsigned attempts;   /*!< maximum attempts per block, each with smaller LLRs, 1 .. SREC_LDPC_ATTEMPTS_MAX */
    int reference;       /*!< not 0: the scalar decoder, whose results define those of the fast one */
} srec_ldpc_options;

/*! Default options: 20 iterations, 3 attempts, the fast decoder. */
#define SREC_LDPC_OPTIONS_DEFAULT                                                                                      \
    {                                                                                                                  \
        20, SREC_LDPC_ATTEMPTS_MAX, 0                                                                                  \
    }

/*! What the decoder did with a payload. */
typedef struct srec_ldpc_result {
    unsigned blocks_failed; /*!< number of blocks with a parity check that is not met */
    unsigned iterations;    /*!< iterations of all attempts at all blocks */
} srec_ldpc_result;

/*! Decodes payloads. One thread at a time may use a decoder; different decoders are independent. */
typedef struct srec_ldpc_decoder srec_ldpc_decoder;

/*! Create a decoder.
 *
 *  \param[in]  options  the options; NULL for SREC_LDPC_OPTIONS_DEFAULT
 *  \param[out] out      the decoder
 *  \param[out] error    says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_ldpc_decoder_create(const srec_ldpc_options *options, srec_ldpc_decoder **out,
                                              srec_error *error) SREC_WARN_UNUSED;

/*! Free a decoder.
 *
 *  \param[in] d  the decoder; may be NULL */
SREC_API void srec_ldpc_decoder_free(srec_ldpc_decoder *d);

/*! Decode a payload from the sum of one or more transmissions: layered normalised min-sum in 8-bit integers. A block
 *  stops as soon as all of its parity checks are met; where they are not, it starts again with smaller LLRs.
 *
 *  \param[in]  d                the decoder
 *  \param[in]  code             the code, from srec_ldpc_code_for()
 *  \param[in]  transmissions    (n_transmissions) what was received
 *  \param[in]  n_transmissions  number of transmissions, 1 .. SREC_LDPC_TRANSMISSIONS_MAX
 *  \param[out] info             (code->info_bytes) the payload; the best estimate for SREC_ERR_CHECKSUM
 *  \param[out] result           what the decoder did; may be NULL
 *  \return SREC_OK; SREC_ERR_CHECKSUM if a block failed; SREC_ERR_ARG; SREC_ERR_MEMORY. SREC_OK does not prove that the
 *          payload is right: rarely a wrong codeword meets all checks */
SREC_API srec_status srec_ldpc_decode(srec_ldpc_decoder *d, const srec_ldpc_code *code,
                                      const srec_ldpc_transmission *transmissions, unsigned n_transmissions,
                                      uint8_t *info, srec_ldpc_result *result);

SREC_END_DECLS
#endif /* SREC_LDPC_H */
