/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Signal field and sealed header, for all payload types. */
#include "bytes.h"
#include "coded_field.h"
#include "crypto/key_internal.h"
#include "packet_internal.h"
#include "signal_field.h"

#include <sodium.h>
#include <stdbool.h>

_Static_assert(SREC_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "the header key is an AEAD key");
_Static_assert(SREC_HEADER_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "the header has an AEAD's tag");
_Static_assert(SREC_NONCE_BYTES == crypto_aead_chacha20poly1305_ietf_NPUBBYTES, "packet numbers make AEAD nonces");

srec_status srec_packet_write_head(srec_packet_encoder *e, srec_signal *s, const uint8_t *plain, size_t n_plain,
                                   uint8_t *frame, size_t capacity)
{
    const srec_modulation m = s->modulation;
    uint8_t sealed[SREC_HEADER_MAX + SREC_HEADER_TAG_BYTES], signal_field[SREC_SIGNAL_BYTES], nonce[SREC_NONCE_BYTES];
    s->session = e->session;
    s->header_bytes = (uint16_t)(n_plain + SREC_HEADER_TAG_BYTES);
    s->frame_bytes = srec_frame_bytes(m, s->header_bytes, s->payload_bytes);
    if (s->packet < e->next || s->packet == UINT64_MAX || s->frame_bytes > SREC_FRAME_MAX || s->frame_bytes > capacity)
        return SREC_ERR_ARG;
    e->next = s->packet + 1; /* whatever fails below: this nonce is used */
    srec_signal_put(s, signal_field);
    srec_packet_nonce(s->packet, nonce);
    unsigned long long sealed_length;
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &sealed_length, plain, n_plain, signal_field, sizeof signal_field,
                                              NULL, nonce, e->key);
    const srec_status status = srec_field_write(m, signal_field, SREC_SIGNAL_BYTES, frame);
    if (status != SREC_OK)
        return status;
    return srec_field_write(m, sealed, s->header_bytes, frame + srec_field_bytes(m, SREC_SIGNAL_BYTES));
}

srec_status srec_packet_open_head(const srec_key *master, srec_modulation m, const float *soft, size_t n_bytes,
                                  srec_packet_head *h)
{
    uint8_t key[SREC_KEY_BYTES], nonce[SREC_NONCE_BYTES];
    if (n_bytes < srec_field_bytes(m, sizeof h->field))
        return SREC_ERR_TRUNCATED;
    srec_status status = srec_field_read(m, soft, sizeof h->field, h->field);
    if (status == SREC_OK)
        status = srec_signal_get(m, h->field, &h->signal);
    if (status != SREC_OK)
        return status;
    if (n_bytes < srec_packet_head_bytes(m, &h->signal))
        return SREC_ERR_TRUNCATED;
    status = srec_field_read(m, soft + srec_field_bytes(m, sizeof h->field) * srec_modem_soft_per_byte(m),
                             h->signal.header_bytes, h->sealed);
    if (status == SREC_OK)
        status = srec_key_derive_header(master, h->signal.session, key);
    if (status != SREC_OK)
        return status;
    srec_packet_nonce(h->signal.packet, nonce);
    unsigned long long length;
    const bool authentic =
        crypto_aead_chacha20poly1305_ietf_decrypt(h->plain, &length, NULL, h->sealed, h->signal.header_bytes, h->field,
                                                  sizeof h->field, nonce, key) == 0;
    sodium_memzero(key, sizeof key);
    h->n_plain = authentic ? (size_t)length : 0;
    return authentic ? SREC_OK : SREC_ERR_AUTH;
}

srec_status srec_packet_count_head_errors(srec_modulation m, const float *soft, const srec_packet_head *h,
                                          srec_damage *damage)
{
    const float *header = soft + srec_field_bytes(m, sizeof h->field) * srec_modem_soft_per_byte(m);
    *damage = (srec_damage){ 0 };
    const srec_status status = srec_field_count_errors(m, soft, h->field, sizeof h->field, damage);
    return status == SREC_OK ? srec_field_count_errors(m, header, h->sealed, h->signal.header_bytes, damage) : status;
}

srec_status srec_packet_authenticate(const srec_key *key, srec_modulation m, const float *soft, size_t n_bytes,
                                     srec_signal *out)
{
    srec_packet_head h;
    if (!key || !soft || !out || (unsigned)m >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    h.signal = (srec_signal){ 0 };
    const srec_status status = srec_packet_open_head(key, m, soft, n_bytes, &h);
    if (h.signal.frame_bytes && h.signal.frame_bytes <= SREC_FRAME_MAX)
        *out = h.signal;
    return status;
}
