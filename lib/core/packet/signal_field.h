/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The signal field of a packet, and the sizes that follow from it. include/srec/packet.h draws the format. */
#ifndef SREC_SIGNAL_FIELD_H
#define SREC_SIGNAL_FIELD_H

#include <srec/packet.h>

/* CRC-16/CCITT-FALSE. */
uint16_t srec_crc16(const uint8_t *p, size_t n);

/* Frame bytes of a payload of n bytes: whole granules. */
size_t srec_payload_bytes_on_air(srec_modulation m, size_t n);

/* Bytes of a frame.
 * \param header bytes of the sealed header, tag included */
size_t srec_frame_bytes(srec_modulation m, size_t header, size_t payload);

void srec_signal_put(const srec_signal *s, uint8_t out[SREC_SIGNAL_BYTES]);

/* Read and check a decoded signal field.
 * \return SREC_OK, SREC_ERR_CHECKSUM, SREC_ERR_VERSION */
srec_status srec_signal_get(srec_modulation m, const uint8_t in[SREC_SIGNAL_BYTES], srec_signal *s);

#endif /* SREC_SIGNAL_FIELD_H */
