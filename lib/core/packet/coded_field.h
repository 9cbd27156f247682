/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Coded fields: signal field and header on the air. Convolutional code, energy dispersal, repetition, interleaving. */
#ifndef SREC_CODED_FIELD_H
#define SREC_CODED_FIELD_H

#include <srec/damage.h>
#include <srec/modem.h>

/* Frame bytes of a field of n bytes. The field is padded to a multiple of 3 bytes, so that the next field starts at a
 * symbol of every modulation. */
size_t srec_field_bytes(srec_modulation m, size_t n);

/* \param in (n)
 * \param[out] out (srec_field_bytes(m, n))
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_field_write(srec_modulation m, const uint8_t *in, size_t n, uint8_t *out);

/* \param soft (srec_field_bytes(m, n), soft values per byte)
 * \param[out] out (n)
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_field_read(srec_modulation m, const float *soft, size_t n, uint8_t *out);

/* Compare the received bits of a field with its known content.
 * \param soft see srec_field_read()
 * \param content (n)
 * \param[in,out] damage receives the figures of the header
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_field_count_errors(srec_modulation m, const float *soft, const uint8_t *content, size_t n,
                                    srec_damage *damage);

#endif /* SREC_CODED_FIELD_H */
