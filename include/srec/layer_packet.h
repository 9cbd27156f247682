/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Packets of coded layers, payload type 1: one piece each (layers.h), encrypted, authenticated and LDPC-coded.
 *
 *      piece (n bytes) → c = (piece + keystream) mod 256 → c, tag: K = n + 16 bytes → LDPC, P bytes → interleaver → frame
 *
 *  Signal field and header travel as those of features do (packet.h); both payload types of a session share one sequence of
 *  packet numbers. The header has a fixed length. Plaintext, little endian:
 *
 *      offset size field
 *       0     4    picture number
 *       4     2    width
 *       6     2    height
 *       8     1    channels (bits 0..1) | scale - 1 (bits 2..3, scale 1 or 2) | bits 4..7: 0
 *       9     1    layer (bits 0..3) | number of layers - 1 (bits 4..7)
 *      10     1    resolutions of the source coder: as many as follow from the size
 *      11     2    K, information bytes
 *      13     2    how many numbers ago the origin was: the first transmission of this payload; 0: this is it
 *      15     1    redundancy version, 0 in the first transmission
 *      16     2    piece
 *      18     2    number of data pieces of the layer
 *      20     2    number of parity pieces
 *      22    11    description of the piece
 *
 *  Key of a session: KDF(master, session, "sreclayr"). Nonce: u32 0, u64 origin. Keystream: ChaCha20 (RFC 8439) from block 1
 *  on. Tag: ChaCha20-Poly1305 (RFC 8439, 2.8) of no message, with the associated data
 *
 *      u64 session | u64 origin | u8 cipher | header bytes 0..12 and 16..32 | c
 *
 *  Block 0 of the keystream is the tag's one-time key. Without encryption (SREC_CIPHER_NONE) c is the piece.
 *
 *  LDPC: the code of ldpc.h for K and P. Interleaver: coded bit i travels at place i * stride mod 8 P, where stride is the
 *  least number from 0.618 * 8 P on that is prime to 8 P, so that any run of places holds an equal share of every block.
 *
 *  A receiver checks, in this order: CRC of the signal field, header, packet number (used up at once), origin (a payload that
 *  was received before is not decoded again), LDPC code, tag. What it delivers is what was sent. */
#ifndef SREC_LAYER_PACKET_H
#define SREC_LAYER_PACKET_H

#include <srec/layers.h>
#include <srec/packet.h>

SREC_BEGIN_DECLS

#define SREC_LAYER_TAG_BYTES 16u

/*! One packet, to be sent or received. */
typedef struct srec_layer_packet {
    srec_signal
        signal;       /*!< a sender gives modulation (not pam256), cipher (add or none), packet and payload_bytes (P) */
    uint32_t picture; /*!< number of the picture in the session */
    uint8_t scale;    /*!< 1; 2: the picture was halved before it was encoded */
    srec_layers_format format;
    srec_layer_piece piece; /*!< of a received packet, the bytes are the decoder's until its next call */
    uint64_t origin;        /*!< packet that carried this payload first */
    uint8_t redundancy_version;
} srec_layer_packet;

/*! Coded bytes P for a piece of \p piece_bytes at a code rate; the rate is (piece_bytes + 16) / P, at most 8/9.
 *  \return 0 if the rate is not between 0 and 1, or P would exceed 65535 */
SREC_API size_t srec_layer_packet_coded_bytes(size_t piece_bytes, double code_rate);

/*! Symbols of the frame of a packet with P = \p coded_bytes; 0 if it would exceed SREC_FRAME_MAX. */
SREC_API size_t srec_layer_packet_symbols(srec_modulation m, size_t coded_bytes);

/*! Most coded bytes P that fit a frame. */
SREC_API size_t srec_layer_packet_coded_bytes_max(srec_modulation m);

/* --- transmitter ------------------------------------------------------------------------------------------------ */

/*! One thread at a time per handle. */
typedef struct srec_layer_packet_encoder srec_layer_packet_encoder;

/*! \param key   of the link; not kept
 *  \param heads an encoder made with the same key: gives session, packet numbers and header key; must outlive this one and
 *               be used by the same thread
 *  \return SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_encoder_create(const srec_key *key, srec_packet_encoder *heads,
                                                      srec_layer_packet_encoder **out, srec_error *error);
SREC_API void srec_layer_packet_encoder_free(srec_layer_packet_encoder *e); /*!< wipes the key */

/*! Make the frame of one piece, a first transmission.
 *  \param packet     signal as a sender gives it; each packet number once per session, ascending. origin and
 *                    redundancy_version are not read
 *  \param[out] frame (capacity) SREC_FRAME_MAX bytes suffice; *n_frame is written, a multiple of the modulation's granule
 *  \return SREC_ERR_ARG if the packet is impossible or the frame too long, SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_encode(srec_layer_packet_encoder *e, const srec_layer_packet *packet,
                                              uint8_t *frame, size_t capacity, size_t *n_frame, srec_error *error);

/* --- receiver --------------------------------------------------------------------------------------------------- */

/*! One thread at a time per handle. */
typedef struct srec_layer_packet_decoder srec_layer_packet_decoder;

/*! \param heads      gives key and replay memory and counts all packets; must outlive this decoder and be used by the same
 *                    thread. It needs no model
 *  \param iterations of the LDPC decoder, 1 .. 100; 0: 20
 *  \return SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_decoder_create(srec_packet_decoder *heads, unsigned iterations,
                                                      srec_layer_packet_decoder **out, srec_error *error);
SREC_API void srec_layer_packet_decoder_free(srec_layer_packet_decoder *d);

/*! Decode a whole frame, signal field included. It is counted in srec_packet_decoder_get_counters() of the heads: accepted, or
 *  once where it was dropped.
 *  \param soft (n_bytes, 8) LLRs, positive for bit 0; n_bytes >= signal.frame_bytes
 *  \return SREC_OK, SREC_ERR_CHECKSUM (damaged, or not corrected), SREC_ERR_AUTH (forged, or bad tag), SREC_ERR_REPLAY (or
 *          duplicate), SREC_ERR_FORMAT, SREC_ERR_VERSION (also of features), SREC_ERR_TRUNCATED, SREC_ERR_ARG,
 *          SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_decode(srec_layer_packet_decoder *d, srec_modulation m, const float *soft,
                                              size_t n_bytes, srec_layer_packet *out);

SREC_END_DECLS
#endif /* SREC_LAYER_PACKET_H */
