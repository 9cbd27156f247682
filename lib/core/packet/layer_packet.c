/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Header and sizes of packets of coded layers. */
#include "layer_packet_internal.h"

#include "bytes.h"
#include "layers/jpeg2000.h"

#include <math.h>
#include <string.h>

size_t srec_layer_packet_coded_bytes(size_t piece_bytes, double code_rate)
{
    if (!(code_rate > 0 && code_rate <= 1) || piece_bytes > SREC_LAYERS_PIECE_BYTES_MAX)
        return 0;
    const size_t info = piece_bytes + SREC_LAYER_TAG_BYTES;
    const double coded = ceil((double)info / fmin(code_rate, SREC_LAYER_RATE_MAX) - 1e-9);
    const size_t least = (9 * info + 7) / 8;
    if (coded > UINT16_MAX || least > UINT16_MAX)
        return 0;
    return (size_t)coded > least ? (size_t)coded : least;
}

size_t srec_layer_packet_symbols(srec_modulation m, size_t coded_bytes)
{
    if ((unsigned)m >= SREC_PAM256 || coded_bytes > SREC_FRAME_MAX)
        return 0;
    const size_t bytes = srec_packet_frame_bytes(m, SREC_LAYER_HEADER, coded_bytes);
    return bytes > SREC_FRAME_MAX ? 0 : srec_modem_symbols(m, bytes);
}

size_t srec_layer_packet_coded_bytes_max(srec_modulation m)
{
    if ((unsigned)m >= SREC_PAM256)
        return 0;
    const size_t granule = srec_modem_byte_granule(m);
    return (SREC_FRAME_MAX - srec_packet_frame_bytes(m, SREC_LAYER_HEADER, 0)) / granule * granule;
}

void srec_layer_header_put(const srec_layer_packet *p, uint8_t out[SREC_LAYER_HEADER])
{
    const srec_layer_piece *piece = &p->piece;
    put_le(out, p->picture, 4);
    put_le(out + 4, p->format.width, 2);
    put_le(out + 6, p->format.height, 2);
    out[8] = (uint8_t)(p->format.channels | (p->scale == 2 ? 1u << 2 : 0u));
    out[9] = (uint8_t)(piece->layer | (p->format.n_layers - 1) << 4);
    out[10] = (uint8_t)srec_j2k_resolutions(p->format.width, p->format.height);
    put_le(out + 11, piece->n_bytes + SREC_LAYER_TAG_BYTES, 2);
    put_le(out + 13, p->signal.packet - p->origin, 2);
    out[15] = p->redundancy_version;
    put_le(out + 16, piece->index, 2);
    put_le(out + 18, piece->n_data, 2);
    put_le(out + 20, piece->n_parity, 2);
    memcpy(out + 22, piece->description, SREC_LAYERS_DESCRIPTION_BYTES);
}

/* The fields that repeats change are origin and redundancy version. */
void srec_layer_fixed_fields(const srec_layer_packet *p, uint8_t out[SREC_LAYER_FIXED_BYTES])
{
    uint8_t header[SREC_LAYER_HEADER];
    srec_layer_header_put(p, header);
    put_le(out, p->signal.session, 8);
    put_le(out + 8, p->origin, 8);
    out[16] = (uint8_t)p->signal.cipher;
    memcpy(out + 17, header, 13);
    memcpy(out + 30, header + 16, 17);
}

static bool piece_possible(const srec_layers_format *f, const srec_layer_piece *p)
{
    const uint32_t all = p->n_data + p->n_parity;
    return f->n_layers <= SREC_LAYERS_MAX && p->layer < f->n_layers && p->n_data && all <= SREC_LAYERS_PIECES_MAX &&
           p->index < all;
}

srec_status srec_layer_header_get(const uint8_t in[SREC_LAYER_HEADER], srec_layer_packet *out)
{
    const srec_layers_format format = {
        .width = (uint32_t)get_le(in + 4, 2),
        .height = (uint32_t)get_le(in + 6, 2),
        .channels = in[8] & 3,
        .n_layers = (in[9] >> 4) + 1u,
    };
    const size_t info = (size_t)get_le(in + 11, 2);
    const uint64_t age = get_le(in + 13, 2);
    out->picture = (uint32_t)get_le(in, 4);
    out->scale = (uint8_t)((in[8] >> 2 & 3) + 1);
    out->format = format;
    out->redundancy_version = in[15];
    out->piece = (srec_layer_piece){
        .layer = in[9] & 15,
        .index = (uint32_t)get_le(in + 16, 2),
        .n_data = (uint32_t)get_le(in + 18, 2),
        .n_parity = (uint32_t)get_le(in + 20, 2),
    };
    memcpy(out->piece.description, in + 22, SREC_LAYERS_DESCRIPTION_BYTES);
    if (!format.width || !format.height || (format.channels != 1 && format.channels != 3) ||
        info <= SREC_LAYER_TAG_BYTES)
        return SREC_ERR_FORMAT;
    if (out->scale > 2 || in[8] >> 4 || in[10] != srec_j2k_resolutions(format.width, format.height))
        return SREC_ERR_VERSION;
    if (age > SREC_LAYER_ORIGIN_AGE_MAX || age > out->signal.packet || !piece_possible(&format, &out->piece))
        return SREC_ERR_FORMAT;
    out->origin = out->signal.packet - age;
    out->piece.n_bytes = info - SREC_LAYER_TAG_BYTES;
    return SREC_OK;
}
