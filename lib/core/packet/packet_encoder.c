/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Slices to frames. */
#include "crypto/key_internal.h"
#include "packet_internal.h"
#include "ratemap.h"
#include "slice_header.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define GRANULE_MAX 4u /* bytes of the largest granule */

srec_status srec_packet_encoder_create(const srec_key *key, uint64_t session, srec_packet_encoder **out,
                                       srec_error *error)
{
    if (out)
        *out = NULL;
    if (!key || !out)
        return srec_fail(error, SREC_ERR_ARG, "packet encoder: NULL argument");
    srec_packet_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "packet encoder: out of memory");
    e->session = session;
    const srec_status status = srec_key_derive_header(key, session, e->key);
    if (status != SREC_OK) {
        srec_packet_encoder_free(e);
        return srec_fail(error, status, "packet encoder: %s", srec_strerror(status));
    }
    *out = e;
    return SREC_OK;
}

void srec_packet_encoder_free(srec_packet_encoder *e)
{
    if (!e)
        return;
    sodium_memzero(e, sizeof *e);
    free(e);
}

/* \return SREC_OK if the modulation, cipher and packet number are possible */
static srec_status check_transmission(const srec_packet_encoder *e, const srec_packet_content *c, srec_error *error)
{
    if ((unsigned)c->cipher >= SREC_CIPHERS || (c->cipher == SREC_CIPHER_XOR && c->modulation == SREC_PAM256))
        return srec_fail(error, SREC_ERR_ARG,
                         "cipher %s does not go with pam256: bits can be flipped, amplitudes only added to",
                         (unsigned)c->cipher < SREC_CIPHERS ? srec_cipher_name(c->cipher) : "unknown");
    if (c->packet < e->next || c->packet == UINT64_MAX)
        return srec_fail(error, SREC_ERR_ARG, "packet number %llu was used already in this session",
                         (unsigned long long)c->packet);
    return SREC_OK;
}

/* \return SREC_OK if a header can describe the slice and a frame can hold its payload */
static srec_status check_slice(const srec_slice *s, size_t n_payload, srec_error *error)
{
    if (s->slice >= s->n_slices || (s->channels != 1 && s->channels != 3) ||
        (unsigned)s->format >= SREC_FEATURE_FORMATS || s->scale > 2)
        return srec_fail(error, SREC_ERR_ARG, "a slice %u of %u, of %u channels, at scale %u: impossible", s->slice,
                         s->n_slices, s->channels, s->scale);
    if (!n_payload || n_payload > SREC_FRAME_MAX || s->n_patches > SREC_HEADER_MAX - SREC_SLICE_HEADER ||
        s->n_slices > 0xffffff || !s->width || !s->height || s->width > 0xffff || s->height > 0xffff)
        return srec_fail(error, SREC_ERR_ARG, "a slice of %u patches and %zu bytes does not fit a packet", s->n_patches,
                         n_payload);
    for (uint32_t i = 0; i < s->n_patches; i++)
        if (s->rate_map[i] >= SREC_LADDER_MAX_STEPS)
            return srec_fail(error, SREC_ERR_ARG, "step %u in a rate map; %d is the last one possible", s->rate_map[i],
                             SREC_LADDER_MAX_STEPS - 1);
    return SREC_OK;
}

/* The payload in importance order, padded to whole granules. */
static void write_payload(const srec_packet_content *c, uint8_t *out)
{
    const size_t granule = srec_modem_byte_granule(c->modulation);
    const size_t whole = c->n_payload / granule * granule;
    srec_modem_order_bytes(c->modulation, c->payload, out, whole);
    if (whole < c->n_payload) {
        uint8_t tail[GRANULE_MAX] = { 0 };
        memcpy(tail, c->payload + whole, c->n_payload - whole);
        srec_modem_order_bytes(c->modulation, tail, out + whole, granule);
    }
}

srec_status srec_packet_encode(srec_packet_encoder *e, const srec_packet_content *content, uint8_t *frame,
                               size_t capacity, size_t *n_frame, srec_error *error)
{
    if (!e || !content || !content->slice || !content->slice->rate_map || !content->payload || !frame || !n_frame ||
        (unsigned)content->modulation >= SREC_MODULATIONS)
        return srec_fail(error, SREC_ERR_ARG, "no slice, payload or place for the frame");
    srec_status status = check_transmission(e, content, error);
    if (status == SREC_OK)
        status = check_slice(content->slice, content->n_payload, error);
    if (status != SREC_OK)
        return status;
    uint8_t plain[SREC_HEADER_MAX];
    const size_t n_plain = srec_slice_header_put(content->slice, plain);
    if (!n_plain)
        return srec_fail(error, SREC_ERR_ARG, "the rate map of %u patches does not fit a header",
                         content->slice->n_patches);
    srec_signal s = {
        .modulation = content->modulation,
        .cipher = content->cipher,
        .payload_bytes = (uint16_t)content->n_payload,
        .packet = content->packet,
    };
    status = srec_packet_write_head(e, &s, plain, n_plain, frame, capacity);
    if (status == SREC_ERR_MEMORY)
        return srec_fail(error, status, "out of memory");
    if (status != SREC_OK)
        return srec_fail(error, status, "a frame of %zu bytes; %u are possible: use more slices", s.frame_bytes,
                         SREC_FRAME_MAX);
    write_payload(content, frame + srec_packet_head_bytes(s.modulation, &s));
    *n_frame = s.frame_bytes;
    return SREC_OK;
}
