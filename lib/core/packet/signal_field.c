/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signal_field.h"

#include "bytes.h"
#include "coded_field.h"
#include "packet_internal.h"
#include "slice_header.h"

uint16_t srec_crc16(const uint8_t *p, size_t n)
{
    unsigned crc = 0xffff;
    for (; n; n--) {
        crc ^= (unsigned)*p++ << 8;
        for (unsigned b = 0; b < 8; b++)
            crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
    }
    return (uint16_t)crc;
}

size_t srec_payload_bytes_on_air(srec_modulation m, size_t n)
{
    unsigned granule = srec_modem_byte_granule(m);
    return (n + granule - 1) / granule * granule;
}

size_t srec_frame_bytes(srec_modulation m, size_t header, size_t payload)
{
    return srec_field_bytes(m, SREC_SIGNAL_BYTES) + srec_field_bytes(m, header) + srec_payload_bytes_on_air(m, payload);
}

void srec_signal_put(const srec_signal *s, uint8_t out[SREC_SIGNAL_BYTES])
{
    out[0] = (uint8_t)(SREC_PACKET_VERSION << 4 | (unsigned)s->type);
    out[1] = (uint8_t)((unsigned)s->modulation | (unsigned)s->cipher << 4);
    put_le(out + 2, s->header_bytes, 2);
    put_le(out + 4, s->payload_bytes, 2);
    put_le(out + 6, s->session, 8);
    put_le(out + 14, s->packet, 8);
    put_le(out + 22, srec_crc16(out, 22), 2);
}

srec_status srec_signal_get(srec_modulation m, const uint8_t in[SREC_SIGNAL_BYTES], srec_signal *s)
{
    if (get_le(in + 22, 2) != srec_crc16(in, 22))
        return SREC_ERR_CHECKSUM;
    if (in[0] >> 4 != SREC_PACKET_VERSION || (in[0] & 15) >= SREC_PAYLOAD_TYPES || in[1] & 0xc0 ||
        in[1] >> 4 >= SREC_CIPHERS)
        return SREC_ERR_VERSION;
    *s = (srec_signal){ .type = (srec_payload_type)(in[0] & 15),
                        .modulation = (srec_modulation)(in[1] & 15),
                        .cipher = (srec_cipher)(in[1] >> 4),
                        .header_bytes = (uint16_t)get_le(in + 2, 2),
                        .payload_bytes = (uint16_t)get_le(in + 4, 2),
                        .session = get_le(in + 6, 8),
                        .packet = get_le(in + 14, 8) };
    if (s->modulation != m || s->header_bytes <= SREC_SLICE_HEADER + SREC_HEADER_TAG_BYTES ||
        s->header_bytes > SREC_HEADER_MAX + SREC_HEADER_TAG_BYTES || s->payload_bytes == 0)
        return SREC_ERR_CHECKSUM;
    if (s->type == SREC_PAYLOAD_LAYERS && (s->header_bytes != SREC_LAYER_HEADER + SREC_HEADER_TAG_BYTES ||
                                           m == SREC_PAM256 || s->cipher == SREC_CIPHER_XOR))
        return SREC_ERR_VERSION;
    s->frame_bytes = srec_frame_bytes(m, s->header_bytes, s->payload_bytes);
    return s->frame_bytes <= SREC_FRAME_MAX ? SREC_OK : SREC_ERR_CHECKSUM;
}

size_t srec_packet_signal_bytes(srec_modulation m) { return srec_field_bytes(m, SREC_SIGNAL_BYTES); }

size_t srec_packet_head_bytes(srec_modulation m, const srec_signal *signal)
{
    return srec_packet_signal_bytes(m) + srec_field_bytes(m, signal->header_bytes);
}

size_t srec_packet_frame_bytes(srec_modulation m, size_t n_plain, size_t payload)
{
    return srec_frame_bytes(m, n_plain + SREC_HEADER_TAG_BYTES, payload);
}

srec_status srec_signal_read(srec_modulation m, const float *soft, srec_signal *out)
{
    uint8_t field[SREC_SIGNAL_BYTES];
    if (!soft || !out || (unsigned)m >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    srec_status status = srec_field_read(m, soft, sizeof field, field);
    return status == SREC_OK ? srec_signal_get(m, field, out) : status;
}
