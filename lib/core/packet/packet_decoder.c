/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Frames to slices. */
#include "packet_internal.h"
#include "signal_field.h"
#include "slice_header.h"

#include <sodium.h>
#include <stdlib.h>

srec_status srec_packet_decoder_create(const srec_key *key, const srec_model *model, srec_packet_decoder **out,
                                       srec_error *error)
{
    if (out)
        *out = NULL;
    if (!key || !out)
        return srec_fail(error, SREC_ERR_ARG, "packet decoder: NULL argument");
    if (sodium_init() < 0)
        return srec_fail(error, SREC_ERR_INTERNAL, "packet decoder: libsodium does not start");
    srec_packet_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return srec_fail(error, SREC_ERR_MEMORY, "packet decoder: out of memory");
    d->key = key;
    d->model = model;
    if (srec_replay_create(&d->received) != SREC_OK) {
        srec_packet_decoder_free(d);
        return srec_fail(error, SREC_ERR_MEMORY, "packet decoder: out of memory");
    }
    *out = d;
    return SREC_OK;
}

void srec_packet_decoder_free(srec_packet_decoder *d)
{
    if (!d)
        return;
    srec_replay_free(d->received);
    srec_buffer_free(&d->rate_map);
    srec_buffer_free(&d->soft);
    sodium_memzero(d, sizeof *d);
    free(d);
}

void srec_packet_decoder_get_counters(const srec_packet_decoder *d, srec_packet_counters *out) { *out = d->counters; }

static srec_status count(srec_packet_decoder *d, srec_status status)
{
    switch (status) {
    case SREC_OK: d->counters.accepted++; break;
    case SREC_ERR_AUTH: d->counters.forged++; break;
    case SREC_ERR_REPLAY: d->counters.replayed++; break;
    case SREC_ERR_MODEL: d->counters.foreign_model++; break;
    case SREC_ERR_VERSION: d->counters.unsupported++; break;
    default: d->counters.damaged++; break;
    }
    return status;
}

size_t srec_packet_decoder_marks_size(const srec_packet_decoder *d) { return srec_replay_export_size(d->received); }

srec_status srec_packet_decoder_export_marks(const srec_packet_decoder *d, uint8_t *out, size_t capacity, size_t *n)
{
    if (!d || !out || !n || capacity < srec_replay_export_size(d->received))
        return SREC_ERR_ARG;
    *n = srec_replay_export_size(d->received);
    return srec_replay_export(d->received, d->key, out);
}

srec_status srec_packet_decoder_import_marks(srec_packet_decoder *d, const uint8_t *in, size_t n, srec_error *error)
{
    if (!d || !in)
        return srec_fail(error, SREC_ERR_ARG, "no decoder or no marks");
    return srec_replay_import(d->received, d->key, in, n, error);
}

srec_status srec_packet_read_signal(srec_packet_decoder *d, srec_modulation m, const float *soft, srec_signal *out)
{
    if (!d)
        return SREC_ERR_ARG;
    srec_status status = srec_signal_read(m, soft, out);
    return status == SREC_OK || status == SREC_ERR_ARG ? status : count(d, status);
}

static srec_status decode(srec_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                          srec_packet *out)
{
    srec_packet_head h;
    srec_status status = srec_packet_open_head(d->key, m, soft, n_bytes, &h);
    if (status != SREC_OK)
        return status;
    const srec_signal s = h.signal;
    if (s.type != SREC_PAYLOAD_FEATURES)
        return SREC_ERR_VERSION;
    if (n_bytes < s.frame_bytes)
        return SREC_ERR_TRUNCATED;
    status = srec_replay_accept(d->received, s.session, s.packet);
    if (status != SREC_OK)
        return status;
    out->signal = s;
    status = srec_slice_header_get(d->model, &s, h.plain, h.n_plain, &d->rate_map, &out->slice);
    if (status == SREC_OK)
        status = srec_packet_count_head_errors(m, soft, &h, &out->damage);
    if (status != SREC_OK)
        return status;
    const unsigned per_byte = srec_modem_soft_per_byte(m);
    soft += srec_packet_head_bytes(m, &s) * per_byte;
    size_t on_air = srec_payload_bytes_on_air(m, s.payload_bytes);
    if (!srec_buffer_need(&d->soft, on_air * per_byte * sizeof(float)))
        return SREC_ERR_MEMORY;
    out->soft = d->soft.data;
    return srec_modem_restore_soft(m, soft, d->soft.data, on_air);
}

srec_status srec_packet_decode(srec_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                               srec_packet *out)
{
    if (!d || !soft || !out || (unsigned)m >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    return count(d, decode(d, m, soft, n_bytes, out));
}
