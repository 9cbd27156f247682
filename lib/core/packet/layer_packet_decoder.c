/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Frames to pieces. */
#include "crypto/key_internal.h"
#include "layer_packet_internal.h"

#include <sodium.h>
#include <stdlib.h>

#define ITERATIONS     20u
#define ITERATIONS_MAX 100u

struct srec_layer_packet_decoder {
    srec_packet_decoder *heads;
    srec_ldpc_decoder *ldpc;
    srec_replay *delivered; /* origins */
    uint8_t payload[SREC_LDPC_BYTES_MAX];
    uint8_t fixed_and_c[SREC_LAYER_FIXED_BYTES + SREC_LDPC_BYTES_MAX];
    int8_t received[8 * SREC_FRAME_MAX]; /* LLRs */
    int8_t coded[8 * SREC_FRAME_MAX];
};

srec_status srec_layer_packet_decoder_create(srec_packet_decoder *heads, unsigned iterations,
                                             srec_layer_packet_decoder **out, srec_error *error)
{
    if (!heads || !out || iterations > ITERATIONS_MAX)
        return srec_fail(error, SREC_ERR_ARG, "no decoder of heads, or %u iterations; 1 to %u are possible", iterations,
                         ITERATIONS_MAX);
    *out = NULL;
    srec_layer_packet_decoder *d = calloc(1, sizeof *d);
    const srec_ldpc_options options = { iterations ? iterations : ITERATIONS, SREC_LDPC_ATTEMPTS_MAX, 0 };
    srec_status status = d ? SREC_OK : SREC_ERR_MEMORY;
    if (status == SREC_OK)
        status = srec_ldpc_decoder_create(&options, &d->ldpc, NULL);
    if (status == SREC_OK)
        status = srec_replay_create(&d->delivered);
    if (status != SREC_OK) {
        srec_layer_packet_decoder_free(d);
        return srec_fail(error, status, "%s", srec_strerror(status));
    }
    d->heads = heads;
    *out = d;
    return SREC_OK;
}

void srec_layer_packet_decoder_free(srec_layer_packet_decoder *d)
{
    if (!d)
        return;
    srec_ldpc_decoder_free(d->ldpc);
    srec_replay_free(d->delivered);
    sodium_memzero(d, sizeof *d);
    free(d);
}

/* Signal field and header. The packet number is used up as soon as the header is known to be authentic. */
static srec_status read_head(srec_layer_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                             srec_layer_packet *p)
{
    srec_packet_head h;
    srec_status status = srec_packet_open_head(d->heads->key, m, soft, n_bytes, &h);
    if (status != SREC_OK)
        return status;
    p->signal = h.signal;
    if (p->signal.type != SREC_PAYLOAD_LAYERS)
        return SREC_ERR_VERSION;
    if (n_bytes < p->signal.frame_bytes)
        return SREC_ERR_TRUNCATED;
    status = srec_replay_accept(d->heads->received, p->signal.session, p->signal.packet);
    return status == SREC_OK ? srec_layer_header_get(h.plain, p) : status;
}

static srec_status count_head(srec_packet_counters *c, srec_status status)
{
    switch (status) {
    case SREC_ERR_AUTH: c->forged++; break;
    case SREC_ERR_REPLAY: c->replayed++; break;
    case SREC_ERR_VERSION: c->unsupported++; break;
    default: c->damaged++; break;
    }
    return status;
}

/* Payload of this transmission alone, into d->payload. */
static srec_status correct(srec_layer_packet_decoder *d, const srec_layer_packet *p, const srec_ldpc_code *code,
                           const float *soft)
{
    srec_ldpc_quantise(soft, code->coded_bits, d->received);
    srec_layer_deinterleave(d->received, code->coded_bits, d->coded);
    const srec_ldpc_transmission one = { d->coded, p->redundancy_version };
    return srec_ldpc_decode(d->ldpc, code, &one, 1, d->payload, NULL);
}

static srec_status check_tag(srec_layer_packet_decoder *d, const srec_layer_packet *p)
{
    uint8_t key[SREC_KEY_BYTES];
    srec_status status = srec_key_derive_layers(d->heads->key, p->signal.session, key);
    if (status == SREC_OK)
        status = srec_layer_open(key, p, d->fixed_and_c, d->payload);
    sodium_memzero(key, sizeof key);
    return status;
}

srec_status srec_layer_packet_decode(srec_layer_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                                     srec_layer_packet *out)
{
    if (!d || !soft || !out || (unsigned)m >= SREC_PAM256)
        return SREC_ERR_ARG;
    srec_packet_counters *c = &d->heads->counters;
    srec_ldpc_code code;
    srec_status status = read_head(d, m, soft, n_bytes, out);
    if (status == SREC_OK &&
        srec_ldpc_code_for(out->piece.n_bytes + SREC_LAYER_TAG_BYTES, out->signal.payload_bytes, &code) != SREC_OK)
        status = SREC_ERR_FORMAT;
    if (status != SREC_OK)
        return count_head(c, status);
    if (srec_replay_received(d->delivered, out->signal.session, out->origin)) {
        c->duplicate++;
        return SREC_ERR_REPLAY;
    }
    soft += srec_packet_head_bytes(m, &out->signal) * srec_modem_soft_per_byte(m);
    const srec_status corrected = correct(d, out, &code, soft);
    status = corrected == SREC_OK || corrected == SREC_ERR_CHECKSUM ? check_tag(d, out) : corrected;
    if (status == SREC_OK)
        status = srec_replay_accept(d->delivered, out->signal.session, out->origin);
    out->piece.bytes = d->payload;
    if (status == SREC_OK)
        c->accepted++;
    else if (corrected != SREC_OK)
        c->uncorrected++;
    else
        c->bad_tag++;
    return status == SREC_ERR_AUTH && corrected != SREC_OK ? corrected : status;
}
