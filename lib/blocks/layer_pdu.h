/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Pieces of coded layers as PDUs. */
#ifndef INCLUDED_SREC_BLOCKS_LAYER_PDU_H
#define INCLUDED_SREC_BLOCKS_LAYER_PDU_H

#include "common.h"

namespace gr {
namespace srec {

/* Any PDU of coded layers: a piece or an image. */
bool is_of_layers(const pmt::pmt_t& msg);
/* A piece, before it has been checked. */
bool is_piece(const pmt::pmt_t& msg);

/* The piece, without what the radio adds. */
pmt::pmt_t piece_to_pdu(const srec_layer_packet& packet);
/* Reads what piece_to_pdu() writes, and session, packet number, origin and redundancy
 * version if they are there. A repeat has the image number of its first transmission. The
 * bytes remain those of \p msg.
 * \return false if a key is missing, of the wrong kind or out of range */
bool piece_from_pdu(const pmt::pmt_t& msg, srec_layer_packet& out);

} // namespace srec
} // namespace gr

#endif
