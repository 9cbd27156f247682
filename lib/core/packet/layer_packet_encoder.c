/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Pieces to frames. */
#include "crypto/key_internal.h"
#include "layer_packet_internal.h"
#include "layers/layers_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* A first transmission. Its tag stands for its payload: equal tags, equal payloads. */
typedef struct {
    uint64_t packet;
    uint16_t coded_bytes; /* 0: the entry was never used */
    uint8_t tag[SREC_LAYER_TAG_BYTES];
} origin;

struct srec_layer_packet_encoder {
    uint8_t key[SREC_KEY_BYTES];
    srec_packet_encoder *heads;
    srec_ldpc_encoder *ldpc;
    uint8_t sealed[SREC_LDPC_BYTES_MAX];
    uint8_t fixed_and_c[SREC_LAYER_FIXED_BYTES + SREC_LDPC_BYTES_MAX];
    uint8_t bits[8 * SREC_FRAME_MAX];
    origin origins[SREC_LAYER_ORIGIN_AGE_MAX]; /* that of packet n is at n modulo SREC_LAYER_ORIGIN_AGE_MAX */
};

srec_status srec_layer_packet_encoder_create(const srec_key *key, srec_packet_encoder *heads,
                                             srec_layer_packet_encoder **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!key || !heads || !out)
        return srec_fail(error, SREC_ERR_ARG, "no key or no encoder of heads");
    srec_layer_packet_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    e->heads = heads;
    srec_status status = srec_key_derive_layers(key, heads->session, e->key);
    if (status == SREC_OK)
        status = srec_ldpc_encoder_create(&e->ldpc, NULL);
    if (status != SREC_OK) {
        srec_layer_packet_encoder_free(e);
        return srec_fail(error, status, "%s", srec_strerror(status));
    }
    *out = e;
    return SREC_OK;
}

void srec_layer_packet_encoder_free(srec_layer_packet_encoder *e)
{
    if (!e)
        return;
    srec_ldpc_encoder_free(e->ldpc);
    sodium_memzero(e, sizeof *e);
    free(e);
}

static srec_status check(const srec_layer_packet *p, srec_error *error)
{
    const srec_signal *s = &p->signal;
    const srec_layer_piece *piece = &p->piece;
    if ((unsigned)s->modulation >= SREC_PAM256)
        return srec_fail(error, SREC_ERR_ARG, "layers cannot be sent by %s: it carries amplitudes",
                         s->modulation == SREC_PAM256 ? srec_modulation_name(s->modulation) : "an unknown modulation");
    if (s->cipher != SREC_CIPHER_ADD && s->cipher != SREC_CIPHER_NONE)
        return srec_fail(error, SREC_ERR_ARG, "layers are encrypted by addition or not at all");
    if (!srec_layers_format_valid(&p->format) || p->scale < 1 || p->scale > 2)
        return srec_fail(error, SREC_ERR_ARG, "%ux%u pixels, %u channels, %u layers, scale %u: impossible",
                         p->format.width, p->format.height, p->format.channels, p->format.n_layers, p->scale);
    if (piece->layer >= p->format.n_layers || !piece->n_data || piece->n_data > SREC_LAYERS_PIECES_MAX ||
        piece->n_parity > SREC_LAYERS_PIECES_MAX - piece->n_data || piece->index >= piece->n_data + piece->n_parity)
        return srec_fail(error, SREC_ERR_ARG, "piece %u of %u and %u in layer %u: impossible", piece->index,
                         piece->n_data, piece->n_parity, piece->layer + 1);
    if (!piece->bytes || !piece->n_bytes || piece->n_bytes > SREC_LDPC_BYTES_MAX - SREC_LAYER_TAG_BYTES - 1)
        return srec_fail(error, SREC_ERR_ARG, "a piece of %zu bytes does not fit a packet", piece->n_bytes);
    return SREC_OK;
}

/* Seal, encode and interleave. \param[out] out (P) */
static srec_status write_payload(srec_layer_packet_encoder *e, const srec_layer_packet *p, const srec_ldpc_code *code,
                                 uint8_t *out)
{
    srec_layer_seal(e->key, p, e->fixed_and_c, e->sealed);
    const srec_status status = srec_ldpc_encode(e->ldpc, code, p->redundancy_version, e->sealed, e->bits);
    if (status == SREC_OK)
        srec_layer_interleave(e->bits, code->coded_bits, out);
    return status;
}

srec_status srec_layer_packet_write(srec_layer_packet_encoder *e, const srec_layer_packet *packet, uint8_t *frame,
                                    size_t capacity, size_t *n_frame, srec_error *error)
{
    srec_status status = check(packet, error);
    if (status != SREC_OK)
        return status;
    srec_layer_packet p = *packet;
    srec_ldpc_code code;
    uint8_t header[SREC_LAYER_HEADER];
    p.signal.type = SREC_PAYLOAD_LAYERS;
    if (srec_ldpc_code_for(p.piece.n_bytes + SREC_LAYER_TAG_BYTES, p.signal.payload_bytes, &code) != SREC_OK)
        return srec_fail(error, SREC_ERR_ARG, "a piece of %zu bytes in %u coded bytes: the code rate is above 8/9",
                         p.piece.n_bytes, p.signal.payload_bytes);
    if (p.signal.packet < e->heads->next)
        return srec_fail(error, SREC_ERR_ARG, "packet number %llu was used already in this session",
                         (unsigned long long)p.signal.packet);
    srec_layer_header_put(&p, header);
    status = srec_packet_write_head(e->heads, &p.signal, header, sizeof header, frame, capacity);
    if (status == SREC_OK) {
        const size_t head = srec_packet_head_bytes(p.signal.modulation, &p.signal);
        memset(frame + head, 0, p.signal.frame_bytes - head);
        status = write_payload(e, &p, &code, frame + head);
    }
    if (status != SREC_OK)
        return srec_fail(error, status,
                         status == SREC_ERR_MEMORY ? "out of memory" : "a frame of %zu bytes; %u are possible",
                         p.signal.frame_bytes, SREC_FRAME_MAX);
    *n_frame = p.signal.frame_bytes;
    return SREC_OK;
}

static origin *place_of(srec_layer_packet_encoder *e, uint64_t packet)
{
    return &e->origins[packet % SREC_LAYER_ORIGIN_AGE_MAX];
}

srec_status srec_layer_packet_encode(srec_layer_packet_encoder *e, const srec_layer_packet *packet, uint8_t *frame,
                                     size_t capacity, size_t *n_frame, srec_error *error)
{
    if (!e || !packet || !frame || !n_frame)
        return srec_fail(error, SREC_ERR_ARG, "no packet or no place for the frame");
    srec_layer_packet first = *packet;
    first.origin = packet->signal.packet;
    first.redundancy_version = 0;
    const srec_status status = srec_layer_packet_write(e, &first, frame, capacity, n_frame, error);
    if (status != SREC_OK)
        return status;
    origin *o = place_of(e, first.origin);
    o->packet = first.origin;
    o->coded_bytes = first.signal.payload_bytes;
    memcpy(o->tag, e->sealed + first.piece.n_bytes, sizeof o->tag);
    return SREC_OK;
}

/* Another payload under the keystream of an origin would give both away. */
static bool is_payload_of_origin(srec_layer_packet_encoder *e, const srec_layer_packet *packet)
{
    const origin *o = place_of(e, packet->origin);
    srec_layer_packet p = *packet;
    p.signal.session = e->heads->session;
    if (o->packet != p.origin || o->coded_bytes != p.signal.payload_bytes)
        return false;
    srec_layer_seal(e->key, &p, e->fixed_and_c, e->sealed);
    return sodium_memcmp(o->tag, e->sealed + p.piece.n_bytes, sizeof o->tag) == 0;
}

srec_status srec_layer_packet_encode_repeat(srec_layer_packet_encoder *e, const srec_layer_packet *packet,
                                            uint8_t *frame, size_t capacity, size_t *n_frame, srec_error *error)
{
    if (!e || !packet || !frame || !n_frame)
        return srec_fail(error, SREC_ERR_ARG, "no packet or no place for the frame");
    const uint64_t number = packet->signal.packet;
    if (packet->origin >= number || number - packet->origin > SREC_LAYER_ORIGIN_AGE_MAX)
        return srec_fail(error, SREC_ERR_ARG,
                         "packet %llu cannot repeat packet %llu: a repeat follows its origin by 1 to %u",
                         (unsigned long long)number, (unsigned long long)packet->origin, SREC_LAYER_ORIGIN_AGE_MAX);
    const srec_status status = check(packet, error);
    if (status != SREC_OK)
        return status;
    if (!is_payload_of_origin(e, packet))
        return srec_fail(error, SREC_ERR_ARG, "packet %llu cannot repeat packet %llu: its payload is another one",
                         (unsigned long long)number, (unsigned long long)packet->origin);
    return srec_layer_packet_write(e, packet, frame, capacity, n_frame, error);
}
