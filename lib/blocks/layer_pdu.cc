/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_pdu.h"

namespace gr {
namespace srec {

bool is_of_layers(const pmt::pmt_t& msg)
{
    return pmt::is_pdu(msg) && pmt::is_u8vector(pmt::cdr(msg)) &&
           get_text(pmt::car(msg), key::coding) == "layers";
}

bool is_piece(const pmt::pmt_t& msg)
{
    return is_of_layers(msg) && has_number(pmt::car(msg), key::piece);
}

pmt::pmt_t piece_to_pdu(const srec_layer_packet& p)
{
    pmt::pmt_t d = put(pmt::make_dict(), key::coding, pmt::mp(key::layers));
    d = put_u64(d, key::picture, p.picture);
    d = put_u64(d, key::width, p.format.width);
    d = put_u64(d, key::height, p.format.height);
    d = put_u64(d, key::channels, p.format.channels);
    d = put_u64(d, key::sent_scale, p.scale);
    d = put_u64(d, key::layers, p.format.n_layers);
    d = put_u64(d, key::layer, p.piece.layer);
    d = put_u64(d, key::piece, p.piece.index);
    d = put_u64(d, key::data_pieces, p.piece.n_data);
    d = put_u64(d, key::parity_pieces, p.piece.n_parity);
    d = put_u64(d, key::payload_bytes, p.signal.payload_bytes);
    d = put(d,
            key::description,
            pmt::init_u8vector(SREC_LAYERS_DESCRIPTION_BYTES, p.piece.description));
    return pmt::cons(d, pmt::init_u8vector(p.piece.n_bytes, p.piece.bytes));
}

bool piece_from_pdu(const pmt::pmt_t& msg, srec_layer_packet& out)
{
    if (!is_piece(msg))
        return false;
    const pmt::pmt_t d = pmt::car(msg);
    const pmt::pmt_t description =
        pmt::dict_ref(d, intern_key(key::description), pmt::PMT_NIL);
    if (!pmt::is_u8vector(description) ||
        pmt::length(description) != SREC_LAYERS_DESCRIPTION_BYTES)
        return false;
    number_reader number(d);
    out = {};
    const bool repeat = pmt::dict_has_key(d, intern_key(key::first_picture));
    out.picture =
        (uint32_t)number(repeat ? key::first_picture : key::picture, 0, UINT32_MAX);
    out.scale = (uint8_t)number(key::sent_scale, 1, 2);
    out.format.width = (uint32_t)number(key::width, 1, SREC_IMAGE_MAX_SIDE);
    out.format.height = (uint32_t)number(key::height, 1, SREC_IMAGE_MAX_SIDE);
    out.format.channels = (unsigned)number(key::channels, 1, 3);
    out.format.n_layers = (unsigned)number(key::layers, 1, SREC_LAYERS_MAX);
    out.signal.type = SREC_PAYLOAD_LAYERS;
    out.signal.payload_bytes = (uint16_t)number(key::payload_bytes, 1, UINT16_MAX);
    out.signal.session = get_u64(d, key::session);
    out.signal.packet = get_u64(d, key::packet);
    out.origin = get_u64(d, key::origin, out.signal.packet);
    out.redundancy_version = (uint8_t)get_u64(d, key::redundancy_version);
    srec_layer_piece& p = out.piece;
    p.layer = (unsigned)number(key::layer, 0, SREC_LAYERS_MAX - 1);
    p.index = (uint32_t)number(key::piece, 0, SREC_LAYERS_PIECES_MAX - 1);
    p.n_data = (uint32_t)number(key::data_pieces, 1, SREC_LAYERS_PIECES_MAX);
    p.n_parity = (uint32_t)number(key::parity_pieces, 0, SREC_LAYERS_PIECES_MAX - 1);
    size_t length;
    std::copy_n(pmt::u8vector_elements(description, length),
                SREC_LAYERS_DESCRIPTION_BYTES,
                p.description);
    p.bytes = pmt::u8vector_elements(pmt::cdr(msg), p.n_bytes);
    return number.good() && p.n_bytes >= 1 && p.n_bytes <= SREC_LAYERS_PIECE_BYTES_MAX &&
           out.format.channels != 2 && p.layer < out.format.n_layers &&
           p.index < p.n_data + p.n_parity;
}

} // namespace srec
} // namespace gr
