/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Packets: one slice each, decodable without the others. docs/packet-format.md draws the same tables.
 *
 *  A packet on the air is a frame of bytes, at most SREC_FRAME_MAX, mapped by one modulation (modem.h):
 *
 *      +-----------------+------------------------------+----------------------+---------+
 *      | signal field    | header                       | payload              | padding |
 *      | coded, repeated | coded, repeated              | uncoded, scrambled,  | to the  |
 *      | fixed length    | length in the signal field   | secret order of the  | granule |
 *      |                 |                              | bytes, importance    |         |
 *      |                 |                              | order of the bits    |         |
 *      +-----------------+------------------------------+----------------------+---------+
 *
 *  Coded: convolutional code K = 9, rate 1/3 (libfec), 8 zero tail bits, energy dispersal, interleaved; every coded
 *  bit sent 2 (BPSK, QPSK), 4 (16QAM),
 *  6 (64QAM), 8 (256QAM) times. In a pam256 frame a coded bit is a whole byte, 201 for 0, 54 for 1 (antipodal, Es =
 *  1), sent once.
 *
 *  Signal field, before coding (24 bytes, little endian, in clear):
 *
 *      offset size field
 *       0     1    version (high nibble, 2) | payload type (low nibble, 0 = features; 1..15 reserved)
 *       1     1    modulation (low nibble) | cipher of the payload (bits 4..5: 0 add, 1 none, 2 xor) | bits 6..7: 0
 *       2     2    header bytes H, encrypted header plus 16-byte tag
 *       4     2    payload bytes P
 *       6     8    session
 *      14     8    packet number within the session, from 0
 *      22     2    CRC-16/CCITT-FALSE over bytes 0..21: tells damage from forgery
 *
 *  Header: ChaCha20-Poly1305-IETF (RFC 8439), key = KDF(master, session, "srechead"), nonce = u32 0 | u64 packet,
 *  associated data = signal field, plaintext (little endian):
 *
 *       0     8    model id
 *       8     4    picture number
 *      12     2    width
 *      14     2    height
 *      16     1    channels (bits 0..1) | scale - 1 (bits 2..3, scale 1 or 2) | feature format (bits 4..5) | bits
 *      6..7: 0
 *      17     3    slice
 *      20     3    number of slices
 *      23     3    number of patches of the slice
 *      26     ..   rate map: adaptive range code, integers only
 */
#ifndef SREC_PACKET_H
#define SREC_PACKET_H

#include <srec/damage.h>
#include <srec/modem.h>
#include <srec/scrambler.h>
#include <srec/slice.h>

SREC_BEGIN_DECLS

#define SREC_FRAME_MAX           30000u /*!< bytes of a frame */
#define SREC_PACKET_VERSION      2u
#define SREC_SIGNAL_BYTES        24u
#define SREC_SLICE_LEAST_PATCHES 16u /*!< of a slice, when its header's room is reckoned */

/*! What the signal field says. Not authenticated until the header is. */
typedef struct srec_signal {
    srec_modulation modulation;
    srec_cipher cipher; /*!< of the payload */
    uint16_t header_bytes, payload_bytes;
    uint64_t session, packet;
    size_t frame_bytes; /*!< of the whole frame, padding included */
} srec_signal;

/*! A packet whose header has been authenticated. */
typedef struct srec_packet {
    srec_signal signal;
    srec_slice slice;   /*!< rate_map points into the decoder until its next call */
    const float *soft;  /*!< payload soft values in byte order (payload_bytes, soft_per_byte), in the decoder
                                *   until its next call */
    srec_damage damage; /*!< the header's figures */
} srec_packet;

/*! What became of the frames offered to a decoder; each frame counts once. */
typedef struct srec_packet_counters {
    uint64_t accepted;
    uint64_t damaged; /*!< signal field or its CRC failed, or a length that cannot be */
    uint64_t forged;  /*!< authentication failed: foreign key, forgery, or damage in the header */
    uint64_t replayed;
    uint64_t foreign_model;
    uint64_t unsupported; /*!< version or payload type of a later release */
} srec_packet_counters;

/*! Feature bytes that fit a frame when the header describes \p n_patches patches at worst: for choosing
 *  srec_slice_count()'s bounds.
 *  0 if the header alone fills it. */
SREC_API size_t srec_packet_payload_room(srec_modulation m, size_t n_patches, size_t max_frame_bytes);

/*! How to cut a picture: of the ways to share a frame between header and payload, the one with the fewest slices.
 *  \param[out] max_patches, max_bytes  most patches and feature bytes of a slice: room for srec_slice_extract()
 *  \return number of slices; 0 if the frames are too short for a patch of this model */
SREC_API uint32_t srec_packet_slices(const srec_model *model, const srec_features *features, srec_modulation m,
                                     size_t max_frame_bytes, size_t *max_patches, size_t *max_bytes);

/* --- transmitter ------------------------------------------------------------------------------------------ */

/*! One thread at a time per handle. */
typedef struct srec_packet_encoder srec_packet_encoder;

SREC_API srec_status srec_packet_encoder_create(const srec_key *key, uint64_t session, srec_packet_encoder **out);
SREC_API void srec_packet_encoder_free(srec_packet_encoder *e);

/*! Make the frame of one slice.
 *  \param packet  number of the packet: the one its payload was scrambled with; each number once per session, else
 *  SREC_ERR_ARG
 *                 (numbers must ascend)
 *  \param cipher  what the payload has been through; SREC_CIPHER_XOR not with pam256
 *  \param payload (n) scrambled feature bytes
 *  \param[out] frame (capacity >= SREC_FRAME_MAX suffices); *n_frame is written, a multiple of the modulation's
 *  granule
 *  \return SREC_ERR_ARG if the frame would exceed SREC_FRAME_MAX */
SREC_API srec_status srec_packet_encode(srec_packet_encoder *e, srec_modulation m, uint64_t packet, srec_cipher cipher,
                                        const srec_slice *slice, const uint8_t *payload, size_t n, uint8_t *frame,
                                        size_t capacity, size_t *n_frame, srec_error *error);

/* --- receiver --------------------------------------------------------------------------------------------- */

/*! One thread at a time per handle. Accepts each packet once. For the 64 most recent sessions it knows which of the
 *  newest 4096
 *  packets came; older ones count as replays. For up to 65 536 earlier sessions it keeps the number of the newest
 *  packet (a mark)
 *  and accepts only packets above it. Beyond that it forgets the session it has not heard for longest. */
typedef struct srec_packet_decoder srec_packet_decoder;

/*! \param key   must outlive the decoder, which keeps no copy
 *  \param model to check rate maps and the model id against; must outlive the decoder */
SREC_API srec_status srec_packet_decoder_create(const srec_key *key, const srec_model *model,
                                                srec_packet_decoder **out);
SREC_API void srec_packet_decoder_free(srec_packet_decoder *d);

/*! Frame bytes that hold the coded signal field under this modulation. */
SREC_API size_t srec_packet_signal_bytes(srec_modulation m);

/*! Decode a signal field for its lengths alone: nothing is counted, nothing authenticated. \param soft as below
 *  \return SREC_OK, SREC_ERR_CHECKSUM, SREC_ERR_VERSION */
SREC_API srec_status srec_signal_read(srec_modulation m, const float *soft, srec_signal *out);

/*! Frame bytes that hold the coded signal field and header. \param signal as srec_signal_read() gave it */
SREC_API size_t srec_packet_head_bytes(srec_modulation m, const srec_signal *signal);

/*! Does the frame come from a holder of this key? Signal field and header are decoded and authenticated; nothing is
 *  counted, no replay is
 *  noticed, the model does not matter.
 *  \param soft (n_bytes, soft_per_byte) start of the frame; srec_packet_head_bytes() suffice  \param[out] out the
 *  signal field, if it was read
 *  \return SREC_OK, SREC_ERR_AUTH (foreign key, forgery, or damage in the header), SREC_ERR_CHECKSUM,
 *  SREC_ERR_VERSION, SREC_ERR_TRUNCATED */
SREC_API srec_status srec_packet_authenticate(const srec_key *key, srec_modulation m, const float *soft, size_t n_bytes,
                                              srec_signal *out);

/*! Decode the signal field. \param soft (srec_packet_signal_bytes(m), soft_per_byte)
 *  On failure the frame is counted and nothing else of it should be offered. */
SREC_API srec_status srec_packet_read_signal(srec_packet_decoder *d, srec_modulation m, const float *soft,
                                             srec_signal *out);

/*! Decode a whole frame, signal field included. \param soft (n_bytes, soft_per_byte), n_bytes >= signal.frame_bytes
 *  \return SREC_OK, or why the frame was dropped (SREC_ERR_CHECKSUM damaged, SREC_ERR_AUTH, SREC_ERR_REPLAY,
 *  SREC_ERR_MODEL,
 *  SREC_ERR_VERSION, SREC_ERR_TRUNCATED); each drop is counted once. */
SREC_API srec_status srec_packet_decode(srec_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                                        srec_packet *out);

/*! Bytes that srec_packet_decoder_export_marks() writes: 38, plus 16 per session. */
SREC_API size_t srec_packet_decoder_marks_size(const srec_packet_decoder *d);

/*! Write the newest packet number of each known session, to be imported after a restart. A tag ties the bytes to
 *  the key; they are
 *  not secret.
 *  \param[out] out (capacity >= srec_packet_decoder_marks_size()); *n is written */
SREC_API srec_status srec_packet_decoder_export_marks(const srec_packet_decoder *d, uint8_t *out, size_t capacity,
                                                      size_t *n);

/*! Add exported marks to the known ones. From now on every packet up to its session's mark counts as a replay.
 *  \param in (n)
 *  \return SREC_OK; SREC_ERR_FORMAT, SREC_ERR_VERSION, SREC_ERR_TRUNCATED or SREC_ERR_CHECKSUM (damaged),
 *  SREC_ERR_AUTH (another
 *  key), SREC_ERR_MEMORY: then nothing changes */
SREC_API srec_status srec_packet_decoder_import_marks(srec_packet_decoder *d, const uint8_t *in, size_t n,
                                                      srec_error *error);

SREC_API void srec_packet_decoder_counters(const srec_packet_decoder *d, srec_packet_counters *out);

SREC_END_DECLS
#endif /* SREC_PACKET_H */
