/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What the packets of all payload types share: signal field, sealed header, packet numbers, replay memory. */
#ifndef SREC_PACKET_INTERNAL_H
#define SREC_PACKET_INTERNAL_H

#include "buffer.h"
#include "replay.h"

#include <srec/packet.h>

#define SREC_HEADER_MAX       8192u /* plaintext bytes of a header */
#define SREC_HEADER_TAG_BYTES 16u
#define SREC_LAYER_HEADER     33u /* plaintext bytes of a header of layers */

struct srec_packet_encoder {
    uint8_t key[SREC_KEY_BYTES]; /* of headers */
    uint64_t session;
    uint64_t next; /* least packet number that is free */
};

struct srec_packet_decoder {
    const srec_key *key;
    const srec_model *model; /* may be NULL */
    srec_packet_counters counters;
    srec_replay *received;
    srec_buffer rate_map;
    srec_buffer soft;
};

/* Bytes of a frame with so many bytes of header and payload. */
size_t srec_packet_frame_bytes(srec_modulation m, size_t n_plain, size_t payload);

/* Write signal field and sealed header to the beginning of a frame. The packet number is used up.
 * \param s type, modulation, cipher, payload_bytes and packet are given, the rest is filled in
 * \return SREC_OK, SREC_ERR_ARG (number used before, or the frame too long), SREC_ERR_MEMORY */
srec_status srec_packet_write_head(srec_packet_encoder *e, srec_signal *s, const uint8_t *plain, size_t n_plain,
                                   uint8_t *frame, size_t capacity);

/* Signal field and header of a frame. */
typedef struct srec_packet_head {
    srec_signal signal;
    size_t n_plain;
    uint8_t field[SREC_SIGNAL_BYTES];                        /* as sent */
    uint8_t sealed[SREC_HEADER_MAX + SREC_HEADER_TAG_BYTES]; /* (signal.header_bytes) as sent */
    uint8_t plain[SREC_HEADER_MAX];                          /* (n_plain) */
} srec_packet_head;

/* Decode, authenticate and decrypt signal field and header. */
srec_status srec_packet_open_head(const srec_key *master, srec_modulation m, const float *soft, size_t n_bytes,
                                  srec_packet_head *h);

/* Count the bit errors of an authentic head.
 * \param soft of the frame
 * \param[out] damage the figures of the header; the others become 0 */
srec_status srec_packet_count_head_errors(srec_modulation m, const float *soft, const srec_packet_head *h,
                                          srec_damage *damage);

#endif /* SREC_PACKET_INTERNAL_H */
