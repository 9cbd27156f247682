/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Frames to pieces. */
#include "crypto/key_internal.h"
#include "layer_packet_internal.h"
#include "layer_repeats.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ITERATIONS     20u
#define ITERATIONS_MAX 100u

struct srec_layer_packet_decoder {
    srec_packet_decoder *heads;
    srec_ldpc_decoder *ldpc;
    srec_replay *delivered;     /* origins */
    srec_layer_repeats *undone; /* transmissions of origins that are not delivered */
    uint8_t payload[SREC_LDPC_BYTES_MAX];
    uint8_t fixed_and_c[SREC_LAYER_FIXED_BYTES + SREC_LDPC_BYTES_MAX];
    int8_t received[8 * SREC_FRAME_MAX]; /* LLRs */
    int8_t coded[8 * SREC_FRAME_MAX];
};

srec_status srec_layer_packet_decoder_create(srec_packet_decoder *heads, unsigned iterations,
                                             srec_layer_packet_decoder **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!heads || !out || iterations > ITERATIONS_MAX)
        return srec_fail(error, SREC_ERR_ARG, "no decoder of heads, or %u iterations; 1 to %u are possible", iterations,
                         ITERATIONS_MAX);
    srec_layer_packet_decoder *d = calloc(1, sizeof *d);
    const srec_ldpc_options options = { iterations ? iterations : ITERATIONS, SREC_LDPC_ATTEMPTS_MAX, 0 };
    srec_status status = d ? SREC_OK : SREC_ERR_MEMORY;
    if (status == SREC_OK)
        status = srec_ldpc_decoder_create(&options, &d->ldpc, NULL);
    if (status == SREC_OK)
        status = srec_replay_create(&d->delivered);
    if (status == SREC_OK)
        status = srec_layer_repeats_create(SREC_LAYER_REPEATS_BYTES, &d->undone);
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
    srec_layer_repeats_free(d->undone);
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

static srec_status check_tag(srec_layer_packet_decoder *d, const srec_layer_packet *p)
{
    uint8_t key[SREC_KEY_BYTES];
    srec_status status = srec_key_derive_layers(d->heads->key, p->signal.session, key);
    if (status == SREC_OK)
        status = srec_layer_open(key, p, d->fixed_and_c, d->payload);
    sodium_memzero(key, sizeof key);
    return status;
}

/* Decode the sum of transmissions, and check the tag. The piece goes to d->payload.
 * \return SREC_OK, SREC_ERR_CHECKSUM: not corrected, SREC_ERR_AUTH: a wrong tag, or another error */
static srec_status try_sum(srec_layer_packet_decoder *d, const srec_layer_packet *p, const srec_ldpc_code *code,
                           const srec_ldpc_transmission *t, unsigned n)
{
    const srec_status corrected = srec_ldpc_decode(d->ldpc, code, t, n, d->payload, NULL);
    if (corrected != SREC_OK && corrected != SREC_ERR_CHECKSUM)
        return corrected;
    const srec_status status = check_tag(d, p);
    return status == SREC_ERR_AUTH && corrected != SREC_OK ? corrected : status;
}

static bool is_undone(srec_status s) { return s == SREC_ERR_CHECKSUM || s == SREC_ERR_AUTH; }

/* Decode this transmission alone, then together with earlier ones of its origin, then without each of these: one whose
 * payload was jammed must not spoil the others. If all fail, keep the transmission.
 * \param[out] n_summed transmissions in the last sum that was tried */
static srec_status decode_payload(srec_layer_packet_decoder *d, const srec_layer_packet *p, const srec_ldpc_code *code,
                                  const float *soft, unsigned *n_summed)
{
    srec_ldpc_quantise(soft, code->coded_bits, d->received);
    srec_layer_deinterleave(d->received, code->coded_bits, d->coded);
    const srec_layer_payload payload = { p->signal.session, p->origin, code };
    const srec_ldpc_transmission current = { d->coded, p->redundancy_version };
    const srec_status alone = try_sum(d, p, code, &current, 1);
    srec_ldpc_transmission all[SREC_LDPC_TRANSMISSIONS_MAX];
    const unsigned n = is_undone(alone) ? srec_layer_repeats_find(d->undone, &payload, all) : 0;
    srec_status status = alone;
    all[n] = current;
    *n_summed = n + 1;
    if (n)
        status = try_sum(d, p, code, all, n + 1);
    for (unsigned without = 0; n > 1 && without < n && is_undone(status); without++) {
        srec_ldpc_transmission rest[SREC_LAYER_REPEATS_KEPT];
        memcpy(rest, all, without * sizeof *rest);
        memcpy(rest + without, all + without + 1, (n - without) * sizeof *rest);
        *n_summed = n;
        status = try_sum(d, p, code, rest, n);
    }
    if (is_undone(status)) {
        srec_layer_repeats_add(d->undone, &payload, p->signal.packet, &current);
        return alone;
    }
    if (status == SREC_OK)
        srec_layer_repeats_forget(d->undone, &payload);
    return status;
}

static srec_status count_payload(srec_packet_counters *c, srec_status status, unsigned n_summed)
{
    switch (status) {
    case SREC_OK: c->accepted++; break;
    case SREC_ERR_AUTH: c->bad_tag++; break;
    case SREC_ERR_CHECKSUM: c->uncorrected++; break;
    default: c->damaged++; break; /* no memory */
    }
    if (status == SREC_OK && n_summed > 1) {
        c->combined++;
        c->summed += n_summed;
    }
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
    unsigned n_summed;
    status = decode_payload(d, out, &code, soft, &n_summed);
    out->piece.bytes = d->payload;
    if (status == SREC_OK)
        status = srec_replay_accept(d->delivered, out->signal.session, out->origin);
    return count_payload(c, status, n_summed);
}
