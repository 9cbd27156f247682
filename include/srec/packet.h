/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Packets. Each packet holds one slice and decodes without the others. docs/packet-format.md describes the format too.
 *
 *  The bytes of a packet on the air are a frame of at most SREC_FRAME_MAX bytes, mapped by one modulation (modem.h):
 *
 *      +-----------------+------------------------------+----------------------+---------+
 *      | signal field    | header                       | payload              | padding |
 *      | coded, repeated | coded, repeated              | uncoded, scrambled,  | to the  |
 *      | fixed length    | length in the signal field   | secret order of the  | granule |
 *      |                 |                              | bytes, importance    |         |
 *      |                 |                              | order of the bits    |         |
 *      +-----------------+------------------------------+----------------------+---------+
 *
 *  Code of signal field and header: convolutional, K = 9, rate 1/3 (libfec), with 8 zero tail bits, energy dispersal
 *  and interleaving. Every coded bit is sent 2 (BPSK, QPSK), 4 (16QAM), 6 (64QAM) or 8 (256QAM) times. In pam256 a
 *  coded bit takes a whole byte, 201 for 0 and 54 for 1 (antipodal, Es = 1), and is sent once.
 *
 *  Signal field, before coding (24 bytes, little endian, in clear):
 *
 *      offset size field
 *       0     1    version (high nibble, 2) | payload type (low nibble: 0 features, 1 layers, layer_packet.h; 2..15
 *                  reserved)
 *       1     1    modulation (low nibble) | cipher of the payload (bits 4..5: 0 add, 1 none, 2 xor) | bits 6..7: 0
 *       2     2    header bytes H, encrypted header plus 16-byte tag
 *       4     2    payload bytes P
 *       6     8    session
 *      14     8    packet number within the session, from 0
 *      22     2    CRC-16/CCITT-FALSE over bytes 0..21: distinguishes damage from forgery
 *
 *  Header: ChaCha20-Poly1305 (RFC 8439), key = KDF(master, session, "srechead"), nonce = u32 0 | u64 packet number,
 *  associated data = signal field, plaintext (little endian):
 *
 *       0     8    model id
 *       8     4    image number
 *      12     2    width
 *      14     2    height
 *      16     1    channels (bits 0..1) | scale - 1 (bits 2..3, scale 1 or 2) | format (bits 4..5) | bits 6..7: 0
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

#define SREC_FRAME_MAX           30000u /*!< maximum bytes of a frame */
#define SREC_PACKET_VERSION      2u     /*!< version of the packet format */
#define SREC_SIGNAL_BYTES        24u    /*!< bytes of the signal field before coding */
#define SREC_SLICE_LEAST_PATCHES 16u    /*!< smallest number of patches for which srec_packet_slices() plans a header */

/*! What the payload of a packet is. */
typedef enum srec_payload_type {
    SREC_PAYLOAD_FEATURES = 0, /*!< features: this file */
    SREC_PAYLOAD_LAYERS = 1    /*!< coded layers: layer_packet.h */
} srec_payload_type;
#define SREC_PAYLOAD_TYPES 2u /*!< number of payload types */

/*! A signal field. Its content is not authentic until the header is authenticated. */
typedef struct srec_signal {
    srec_payload_type type;     /*!< what the payload is */
    srec_modulation modulation; /*!< modulation of the frame */
    srec_cipher cipher;         /*!< cipher of the payload */
    uint16_t header_bytes;      /*!< encrypted header and tag, before coding */
    uint16_t payload_bytes;     /*!< features, or coded bytes of layers */
    uint64_t session;           /*!< session of the sender */
    uint64_t packet;            /*!< number of the packet in the session, from 0 */
    size_t frame_bytes;         /*!< bytes of the whole frame, padding included */
} srec_signal;

/*! A packet with an authenticated header. Its pointers belong to the decoder and are valid until its next call. */
typedef struct srec_packet {
    srec_signal signal; /*!< the signal field */
    srec_slice slice;   /*!< the slice */
    const float *soft;  /*!< (payload_bytes, srec_modem_soft_per_byte()) soft values of the payload. The bits are in
                         *   their order within bytes, the bytes still in the secret order */
    srec_damage damage; /*!< errors of the header; the figures of the features are 0 */
} srec_packet;

/*! What happened to the frames of a decoder. Each frame counts once, apart from the last two counters. */
typedef struct srec_packet_counters {
    uint64_t accepted;      /*!< decoded */
    uint64_t damaged;       /*!< wrong CRC of the signal field, an impossible length, a frame that ended early, a header
                             *   that contradicts itself, or no memory */
    uint64_t forged;        /*!< authentication failed: another key, a forgery, or damage in the header */
    uint64_t replayed;      /*!< the packet arrived before, or it is too old to tell */
    uint64_t foreign_model; /*!< made with another model */
    uint64_t unsupported;   /*!< version, payload type, cipher or flag of another release, or a payload type that the
                             *   function called does not decode */
    uint64_t uncorrected;   /*!< layers: the header is authentic, the payload could not be corrected */
    uint64_t bad_tag;       /*!< layers: the payload was corrected, but it is not the one that was sent */
    uint64_t duplicate;     /*!< layers: a repetition of a payload that was received before */
    uint64_t combined;      /*!< layers: accepted packets that were decoded as a sum of transmissions */
    uint64_t summed;        /*!< layers: transmissions in all these sums */
} srec_packet_counters;

/*! Feature bytes that fit a frame, for the bounds of srec_slice_count(). Any thread may call this function.
 *
 *  \param[in] m                the modulation
 *  \param[in] n_patches        patches of the slice; the rate map is assumed to be as long as it can be
 *  \param[in] max_frame_bytes  length of the frame; larger values than SREC_FRAME_MAX count as SREC_FRAME_MAX
 *  \return the number of bytes; 0 if the header alone fills the frame */
SREC_API size_t srec_packet_payload_room(srec_modulation m, size_t n_patches, size_t max_frame_bytes);

/*! Shortest length of a frame with which srec_packet_slices() divides every image: the header of the smallest slice
 *  and four patches of the longest ladder step. With less, an image full of such patches may have no division, because
 *  slices differ in their number of patches.
 *
 *  \param[in] model  the model
 *  \param[in] m      the modulation
 *  \return the number of bytes; 0 if \p model is NULL or \p m is out of range */
SREC_API size_t srec_packet_least_frame(const srec_model *model, srec_modulation m);

/*! Plan the division of an image into slices. Of the ways to share a frame between header and payload, the function
 *  takes the one with the fewest slices. Any thread may call this function.
 *
 *  \param[in]  model            the model
 *  \param[in]  features         the encoded image
 *  \param[in]  m                the modulation
 *  \param[in]  max_frame_bytes  maximum length of a frame
 *  \param[out] max_patches      maximum patches of a slice: room for srec_slice_extract()
 *  \param[out] max_bytes        maximum feature bytes of a slice: room for srec_slice_extract()
 *  \return the number of slices; 0 if the frames are too short for a patch of this model */
SREC_API uint32_t srec_packet_slices(const srec_model *model, const srec_features *features, srec_modulation m,
                                     size_t max_frame_bytes, size_t *max_patches, size_t *max_bytes);

/* --- transmitter ------------------------------------------------------------------------------------------ */

/*! Encodes the packets of one session. One thread at a time may use an encoder; different encoders are independent. */
typedef struct srec_packet_encoder srec_packet_encoder;

/*! Create an encoder. A sender must use one encoder for each session, because the encoder knows which packet numbers
 *  are used.
 *
 *  \param[in]  key      the master key; it is not needed afterwards
 *  \param[in]  session  the session
 *  \param[out] out      the encoder, or NULL on error
 *  \param[out] error    says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium fails */
SREC_API srec_status srec_packet_encoder_create(const srec_key *key, uint64_t session, srec_packet_encoder **out,
                                                srec_error *error) SREC_WARN_UNUSED;

/*! Wipe and free an encoder.
 *
 *  \param[in] e  the encoder; may be NULL */
SREC_API void srec_packet_encoder_free(srec_packet_encoder *e);

/*! What a frame transmits. Fields that are not set are 0: BPSK, the cipher that adds, packet 0. */
typedef struct srec_packet_content {
    srec_modulation modulation; /*!< modulation of the frame */
    srec_cipher cipher;         /*!< cipher of the payload; not SREC_CIPHER_XOR with pam256 */
    uint64_t packet;            /*!< number of the packet with which the payload was scrambled. Numbers must ascend, so
                                 *   that each is used once per session */
    const srec_slice *slice;    /*!< the slice */
    const uint8_t *payload;     /*!< (n_payload) scrambled feature bytes */
    size_t n_payload;           /*!< number of bytes, at least 1 */
} srec_packet_content;

/*! Encode the frame of one slice.
 *
 *  \param[in]  e         the encoder
 *  \param[in]  content   what to send
 *  \param[out] frame     (capacity) the frame; a capacity of SREC_FRAME_MAX always suffices
 *  \param[in]  capacity  room in \p frame, bytes
 *  \param[out] n_frame   length of the frame, a multiple of the granule
 *  \param[out] error     the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG, also if the packet number was used or if the frame would exceed \p capacity or
 *          SREC_FRAME_MAX; SREC_ERR_MEMORY */
SREC_API srec_status srec_packet_encode(srec_packet_encoder *e, const srec_packet_content *content, uint8_t *frame,
                                        size_t capacity, size_t *n_frame, srec_error *error) SREC_WARN_UNUSED;

/* --- receiver --------------------------------------------------------------------------------------------- */

/*! Decodes packets, and accepts each packet once. One thread at a time may use a decoder; different decoders are
 *  independent.
 *
 *  For the 64 most recent sessions the decoder remembers which of the newest 4096 packets arrived; older packets count
 *  as replays. For up to 65 536 earlier sessions it remembers the number of the newest packet, the mark, and accepts
 *  only packets above it. Beyond that it forgets the session that has been silent for longest. */
typedef struct srec_packet_decoder srec_packet_decoder;

/*! Create a decoder.
 *
 *  \param[in]  key    the master key; it must outlive the decoder, which keeps no copy
 *  \param[in]  model  the model; it must outlive the decoder. The decoder refuses packets of other models.
 *                     NULL: it refuses all packets of features; layers need no model
 *  \param[out] out    the decoder, or NULL on error
 *  \param[out] error  says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium does not start */
SREC_API srec_status srec_packet_decoder_create(const srec_key *key, const srec_model *model, srec_packet_decoder **out,
                                                srec_error *error) SREC_WARN_UNUSED;

/*! Free a decoder.
 *
 *  \param[in] d  the decoder; may be NULL */
SREC_API void srec_packet_decoder_free(srec_packet_decoder *d);

/*! Length of the coded signal field. Any thread may call this function.
 *
 *  \param[in] m  the modulation
 *  \return the number of frame bytes */
SREC_API size_t srec_packet_signal_bytes(srec_modulation m);

/*! Decode a signal field. The function counts and authenticates nothing. Any thread may call it.
 *
 *  \param[in]  m     the modulation
 *  \param[in]  soft  (srec_packet_signal_bytes(m), srec_modem_soft_per_byte(m)) soft values of the start of a frame
 *  \param[out] out   the signal field
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_CHECKSUM if it is damaged, or of another modulation; SREC_ERR_VERSION if it
 *          is of another release; SREC_ERR_MEMORY */
SREC_API srec_status srec_signal_read(srec_modulation m, const float *soft, srec_signal *out) SREC_WARN_UNUSED;

/*! Length of the coded signal field and header. Any thread may call this function.
 *
 *  \param[in] m       the modulation
 *  \param[in] signal  the signal field
 *  \return the number of frame bytes */
SREC_API size_t srec_packet_head_bytes(srec_modulation m, const srec_signal *signal) SREC_NONNULL(2);

/*! Whether a frame comes from a holder of a key. The function decodes and authenticates signal field and header. It
 *  counts nothing, detects no replays, and ignores the model. Any thread may call it.
 *
 *  \param[in]  key      the master key
 *  \param[in]  m        the modulation
 *  \param[in]  soft     (n_bytes, srec_modem_soft_per_byte(m)) soft values of the start of the frame
 *  \param[in]  n_bytes  number of bytes; srec_packet_head_bytes() suffices
 *  \param[out] out      the signal field; unchanged if it is not readable
 *  \return SREC_OK; SREC_ERR_AUTH for another key, a forgery, or a damaged header; SREC_ERR_CHECKSUM, SREC_ERR_VERSION
 *          as srec_signal_read(); SREC_ERR_TRUNCATED if \p n_bytes is too small; SREC_ERR_ARG; SREC_ERR_MEMORY;
 *          SREC_ERR_INTERNAL */
SREC_API srec_status srec_packet_authenticate(const srec_key *key, srec_modulation m, const float *soft, size_t n_bytes,
                                              srec_signal *out) SREC_WARN_UNUSED;

/*! Decode a signal field as the first step of decoding a frame. If it fails, the frame is counted; do not offer the
 *  rest of it.
 *
 *  \param[in]  d     the decoder
 *  \param[in]  m     the modulation
 *  \param[in]  soft  (srec_packet_signal_bytes(m), srec_modem_soft_per_byte(m)) soft values of the start of the frame
 *  \param[out] out   the signal field
 *  \return as srec_signal_read() */
SREC_API srec_status srec_packet_read_signal(srec_packet_decoder *d, srec_modulation m, const float *soft,
                                             srec_signal *out);

/*! Decode a whole frame, signal field included. The frame is counted, except for SREC_ERR_ARG.
 *
 *  \param[in]  d        the decoder
 *  \param[in]  m        the modulation
 *  \param[in]  soft     (n_bytes, srec_modem_soft_per_byte(m)) soft values of the frame
 *  \param[in]  n_bytes  number of bytes, at least signal.frame_bytes
 *  \param[out] out      the packet
 *  \return SREC_OK; SREC_ERR_CHECKSUM if the signal field is damaged; SREC_ERR_AUTH for another key, a forgery, or a
 *          damaged header; SREC_ERR_REPLAY; SREC_ERR_MODEL; SREC_ERR_VERSION; SREC_ERR_TRUNCATED if \p n_bytes is too
 *          small; SREC_ERR_FORMAT if the header contradicts itself; SREC_ERR_ARG; SREC_ERR_MEMORY; SREC_ERR_INTERNAL */
SREC_API srec_status srec_packet_decode(srec_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                                        srec_packet *out);

/*! Length of the output of srec_packet_decoder_export_marks().
 *
 *  \param[in] d  the decoder
 *  \return the number of bytes: 38, and 16 per mark. A session may have two */
SREC_API size_t srec_packet_decoder_marks_size(const srec_packet_decoder *d) SREC_NONNULL(1);

/*! Export the newest packet number of each known session, to be imported after a restart. A tag binds the bytes to the
 *  key. They contain no secrets.
 *
 *  \param[in]  d         the decoder
 *  \param[out] out       (capacity) the marks
 *  \param[in]  capacity  room in \p out, at least srec_packet_decoder_marks_size() bytes
 *  \param[out] n         number of bytes written
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium fails */
SREC_API srec_status srec_packet_decoder_export_marks(const srec_packet_decoder *d, uint8_t *out, size_t capacity,
                                                      size_t *n) SREC_WARN_UNUSED;

/*! Add exported marks to the known marks. From now on every packet up to the mark of its session counts as a replay. On
 *  error nothing changes.
 *
 *  \param[in]  d      the decoder
 *  \param[in]  in     (n) exported marks
 *  \param[in]  n      number of bytes
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_FORMAT, SREC_ERR_TRUNCATED or SREC_ERR_CHECKSUM for damaged marks; SREC_ERR_VERSION;
 *          SREC_ERR_AUTH for marks of another key; SREC_ERR_ARG; SREC_ERR_MEMORY; SREC_ERR_INTERNAL if libsodium fails
 */
SREC_API srec_status srec_packet_decoder_import_marks(srec_packet_decoder *d, const uint8_t *in, size_t n,
                                                      srec_error *error) SREC_WARN_UNUSED;

/*! Read the counters.
 *
 *  \param[in]  d    the decoder
 *  \param[out] out  the counters */
SREC_API void srec_packet_decoder_get_counters(const srec_packet_decoder *d, srec_packet_counters *out)
    SREC_NONNULL(1, 2);

SREC_END_DECLS
#endif /* SREC_PACKET_H */
