/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Inside the packets of coded layers. layer_packet.h describes the format. */
#ifndef SREC_LAYER_PACKET_INTERNAL_H
#define SREC_LAYER_PACKET_INTERNAL_H

#include "packet_internal.h"

#include <srec/layer_packet.h>
#include <srec/ldpc.h>

/* Bytes of the tag's associated data before c. */
#define SREC_LAYER_FIXED_BYTES 47u

/* ---- header ------------------------------------------------------------------------------------------------------ */

void srec_layer_header_put(const srec_layer_packet *p, uint8_t out[SREC_LAYER_HEADER]);

/* Everything is checked although it is authentic: the sender may run another release. \param out signal is given
 * \return SREC_OK, SREC_ERR_FORMAT, SREC_ERR_VERSION */
srec_status srec_layer_header_get(const uint8_t in[SREC_LAYER_HEADER], srec_layer_packet *out);

/* What the tag covers in addition to c. */
void srec_layer_fixed_fields(const srec_layer_packet *p, uint8_t out[SREC_LAYER_FIXED_BYTES]);

/* ---- keystream and tag ------------------------------------------------------------------------------------------- */

/* c = p + keystream, and its tag. \param out (n + SREC_LAYER_TAG_BYTES) c, tag
 * \param fixed_and_c scratch (SREC_LAYER_FIXED_BYTES + n) */
void srec_layer_seal(const uint8_t key[SREC_KEY_BYTES], const srec_layer_packet *p, uint8_t *fixed_and_c, uint8_t *out);

/* The inverse. \param in (n + SREC_LAYER_TAG_BYTES) becomes the piece, if the tag is right, in its first n bytes
 * \return SREC_OK, SREC_ERR_AUTH: in is zeroed */
srec_status srec_layer_open(const uint8_t key[SREC_KEY_BYTES], const srec_layer_packet *p, uint8_t *fixed_and_c,
                            uint8_t *in);

/* ---- interleaver ------------------------------------------------------------------------------------------------- */

size_t srec_layer_stride(size_t n_bits);
/* \param bits (n_bits) one coded bit per byte \param[out] out (n_bits / 8) */
void srec_layer_interleave(const uint8_t *bits, size_t n_bits, uint8_t *out);
/* \param llr (n_bits) in the order of the air \param[out] out (n_bits) */
void srec_layer_deinterleave(const int8_t *llr, size_t n_bits, int8_t *out);

/* ---- transmitter ------------------------------------------------------------------------------------------------- */

/* srec_layer_packet_encode() for any origin and redundancy version. The payload of a repeat must be that of its
 * origin. */
srec_status srec_layer_packet_write(srec_layer_packet_encoder *e, const srec_layer_packet *packet, uint8_t *frame,
                                    size_t capacity, size_t *n_frame, srec_error *error);

#endif /* SREC_LAYER_PACKET_INTERNAL_H */
