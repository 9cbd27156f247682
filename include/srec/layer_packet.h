/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Packets of coded layers, payload type 1: one piece each (layers.h), encrypted, authenticated and LDPC-coded.
 *
 *      piece (n bytes) → c = (piece + keystream) mod 256 → c, tag: K = n + 16 bytes
 *                      → LDPC, P bytes → interleaver → frame
 *
 *  Signal field and header travel as those of features do (packet.h); both payload types of a session share one
 *  sequence of packet numbers. The header has a fixed length. Plaintext, little endian:
 *
 *      offset size field
 *       0     4    image number
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
 *  Key of a session: KDF(master, session, "sreclayr"). Nonce: u32 0, u64 origin. Keystream: ChaCha20 (RFC 8439) from
 *  block 1 on. Tag: ChaCha20-Poly1305 (RFC 8439, 2.8) of no message, with the associated data
 *
 *      u64 session | u64 origin | u8 cipher | header bytes 0..12 and 16..32 | c
 *
 *  Block 0 of the keystream is the tag's one-time key. Without encryption (SREC_CIPHER_NONE) c is the piece.
 *
 *  LDPC: the code of ldpc.h for K and P. Interleaver: coded bit i travels at place i * stride mod 8 P, where stride is
 *  the least number from 0.618 * 8 P on that is prime to 8 P, so that any run of places holds an equal share of every
 *  block.
 *
 *  A receiver checks, in this order: CRC of the signal field, header, packet number (used up at once), origin (a
 *  payload that was received before is not decoded again), LDPC code, tag. What it delivers is what was sent. A payload
 *  that is not corrected is decoded again as a part of the sum of up to 8 transmissions of its origin. A receiver keeps
 *  their LLRs: at most 64 MiB and 4096 origins; those that were not used for longest go first. */
#ifndef SREC_LAYER_PACKET_H
#define SREC_LAYER_PACKET_H

#include <srec/layers.h>
#include <srec/packet.h>

SREC_BEGIN_DECLS

#define SREC_LAYER_TAG_BYTES      16u         /*!< bytes of the tag of a payload */
#define SREC_LAYER_RATE_MAX       (8.0 / 9.0) /*!< highest code rate */
#define SREC_LAYER_ORIGIN_AGE_MAX 4096u       /*!< maximum number of packets by which a repeat may follow its origin */

/*! One packet, to be sent or received. */
typedef struct srec_layer_packet {
    srec_signal signal;         /*!< the signal field. A sender sets modulation (not pam256), cipher (add or none),
                                 *   packet, and payload_bytes (P) */
    uint32_t picture;           /*!< number of the image in the session */
    uint8_t scale;              /*!< 1; 2: the image was halved before it was encoded */
    srec_layers_format format;  /*!< format of the image as encoded */
    srec_layer_piece piece;     /*!< the piece. The bytes of a received one are the decoder's until its next call */
    uint64_t origin;            /*!< number of the packet that carried this payload first */
    uint8_t redundancy_version; /*!< redundancy version of the payload; 0 in the first transmission */
} srec_layer_packet;

/*! Coded bytes P for a piece at a code rate, which is (piece_bytes + SREC_LAYER_TAG_BYTES) / P. Any thread may call
 *  this function.
 *
 *  \param[in] piece_bytes  bytes of the piece, at most SREC_LAYERS_PIECE_BYTES_MAX
 *  \param[in] code_rate    the code rate, above 0, at most 1; values above 8/9 count as 8/9
 *  \return the number of coded bytes; 0 if an argument is out of range, or P would exceed 65535 */
SREC_API size_t srec_layer_packet_coded_bytes(size_t piece_bytes, double code_rate);

/*! Symbols of the frame of a packet. Any thread may call this function.
 *
 *  \param[in] m            the modulation
 *  \param[in] coded_bytes  coded bytes P of the packet
 *  \return the number of symbols; 0 for pam256, or if the frame would exceed SREC_FRAME_MAX bytes */
SREC_API size_t srec_layer_packet_symbols(srec_modulation m, size_t coded_bytes);

/*! Most coded bytes P that fit a frame. Any thread may call this function.
 *
 *  \param[in] m  the modulation
 *  \return the number of coded bytes; 0 for pam256 */
SREC_API size_t srec_layer_packet_coded_bytes_max(srec_modulation m);

/* --- transmitter ------------------------------------------------------------------------------------------------ */

/*! Makes frames of pieces. One thread at a time may use an encoder. */
typedef struct srec_layer_packet_encoder srec_layer_packet_encoder;

/*! Create an encoder.
 *
 *  \param[in]  key    the master key; it is not needed afterwards
 *  \param[in]  heads  an encoder made with the same key, which gives session, packet numbers and header key; it must
 *                     outlive the new encoder and be used by the same thread
 *  \param[out] out    the encoder
 *  \param[out] error  says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium fails */
SREC_API srec_status srec_layer_packet_encoder_create(const srec_key *key, srec_packet_encoder *heads,
                                                      srec_layer_packet_encoder **out,
                                                      srec_error *error) SREC_WARN_UNUSED;

/*! Wipe and free an encoder.
 *
 *  \param[in] e  the encoder; may be NULL */
SREC_API void srec_layer_packet_encoder_free(srec_layer_packet_encoder *e);

/*! Make the frame of one piece, a first transmission.
 *
 *  \param[in]  e         the encoder
 *  \param[in]  packet    the packet; each packet number once per session, ascending. origin and redundancy_version are
 *                        not read
 *  \param[out] frame     (capacity) the frame
 *  \param[in]  capacity  room in \p frame, bytes; SREC_FRAME_MAX suffices
 *  \param[out] n_frame   number of bytes written, a multiple of the modulation's granule
 *  \param[out] error     says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if the packet is impossible or the frame too long; SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_encode(srec_layer_packet_encoder *e, const srec_layer_packet *packet,
                                              uint8_t *frame, size_t capacity, size_t *n_frame,
                                              srec_error *error) SREC_WARN_UNUSED;

/*! Make the frame of a repeat: the same payload under a packet number of its own, with other bits of its code.
 *
 *  A receiver that decoded no transmission of the payload adds up what it received of them. Redundancy version v sends
 *  the coded bits from v * (coded bits of a block) on, modulo the length of the code. The encoder remembers the tags of
 *  the last SREC_LAYER_ORIGIN_AGE_MAX first transmissions: it refuses another payload, which would use a keystream
 *  twice.
 *
 *  \param[in]  e         the encoder
 *  \param[in]  packet    the packet. origin names the first transmission, at most SREC_LAYER_ORIGIN_AGE_MAX packets
 *                        ago; image, format, piece, cipher and P must be those of the first transmission. The first
 *                        repeat has redundancy_version 1, the next one 2, and so on modulo 256
 *  \param[out] frame     (capacity) the frame
 *  \param[in]  capacity  room in \p frame, bytes; SREC_FRAME_MAX suffices
 *  \param[out] n_frame   number of bytes written, a multiple of the modulation's granule
 *  \param[out] error     says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if the packet is impossible, the frame too long, or the payload not that of the
 *          origin; SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_encode_repeat(srec_layer_packet_encoder *e, const srec_layer_packet *packet,
                                                     uint8_t *frame, size_t capacity, size_t *n_frame,
                                                     srec_error *error) SREC_WARN_UNUSED;

/* --- receiver --------------------------------------------------------------------------------------------------- */

/*! Makes pieces of frames. One thread at a time may use a decoder. */
typedef struct srec_layer_packet_decoder srec_layer_packet_decoder;

/*! Create a decoder.
 *
 *  \param[in]  heads       a decoder, which gives key and replay memory, and counts all packets; it must outlive the
 *                          new decoder and be used by the same thread. It needs no model
 *  \param[in]  iterations  maximum iterations of the LDPC decoder, 1 .. 100; 0: 20
 *  \param[out] out         the decoder
 *  \param[out] error       says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_packet_decoder_create(srec_packet_decoder *heads, unsigned iterations,
                                                      srec_layer_packet_decoder **out,
                                                      srec_error *error) SREC_WARN_UNUSED;

/*! Wipe and free a decoder.
 *
 *  \param[in] d  the decoder; may be NULL */
SREC_API void srec_layer_packet_decoder_free(srec_layer_packet_decoder *d);

/*! Decode a whole frame, signal field included. The frame is counted, except for SREC_ERR_ARG, in the counters of the
 *  heads (srec_packet_decoder_get_counters()): as accepted, or once where it was dropped.
 *
 *  \param[in]  d        the decoder
 *  \param[in]  m        the modulation; not pam256
 *  \param[in]  soft     (n_bytes, 8) LLRs of the frame, positive for bit 0
 *  \param[in]  n_bytes  number of bytes, at least signal.frame_bytes
 *  \param[out] out      the packet; valid only on success
 *  \return SREC_OK; SREC_ERR_CHECKSUM if the signal field is damaged, or the payload could not be corrected;
 *          SREC_ERR_AUTH for another key, a forgery, a damaged header, or a wrong tag; SREC_ERR_REPLAY for a packet or
 *          payload that was received before; SREC_ERR_VERSION, also for packets of features; SREC_ERR_TRUNCATED if
 *          \p n_bytes is too small; SREC_ERR_FORMAT if the header contradicts itself; SREC_ERR_ARG; SREC_ERR_MEMORY;
 *          SREC_ERR_INTERNAL if libsodium fails */
SREC_API srec_status srec_layer_packet_decode(srec_layer_packet_decoder *d, srec_modulation m, const float *soft,
                                              size_t n_bytes, srec_layer_packet *out);

SREC_END_DECLS
#endif /* SREC_LAYER_PACKET_H */
