/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The header of a packet of features: the description of a slice. include/srec/packet.h draws the format. */
#ifndef SREC_SLICE_HEADER_H
#define SREC_SLICE_HEADER_H

#include "buffer.h"

#include <srec/packet.h>

#define SREC_SLICE_HEADER 26u /* plaintext bytes before the rate map */

/* Write the header of a slice, which must be possible.
 * \param[out] plain (SREC_HEADER_MAX)
 * \return the number of bytes; 0 if the rate map does not fit */
size_t srec_slice_header_put(const srec_slice *s, uint8_t *plain);

/* Parse the decrypted header of a slice. Everything in it is checked although it is authentic, because the sender may
 * run another release.
 * \param model NULL: no header is accepted
 * \param plain (n), n at least SREC_SLICE_HEADER
 * \param rate_map the slice's rate map; it grows as needed
 * \return SREC_OK, SREC_ERR_MODEL, SREC_ERR_VERSION for what only a later release sends, SREC_ERR_FORMAT,
 *         SREC_ERR_MEMORY */
srec_status srec_slice_header_get(const srec_model *model, const srec_signal *signal, const uint8_t *plain, size_t n,
                                  srec_buffer *rate_map, srec_slice *s);

#endif /* SREC_SLICE_HEADER_H */
