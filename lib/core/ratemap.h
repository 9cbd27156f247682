/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Rate map of a slice, entropy-coded: adaptive range code over ladder steps, context = the step before. Integers
 *  only, so both ends
 *  agree on every machine. */
#ifndef SREC_RATEMAP_H
#define SREC_RATEMAP_H

#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that n steps can take at worst. */
static inline size_t srec_ratemap_bound(size_t n) { return n + n / 8 + 8; }

/* \param steps (n) each < n_steps <= 16 \return bytes written, 0 if \p capacity is too small */
size_t srec_ratemap_encode(const uint8_t *steps, size_t n, unsigned n_steps, uint8_t *out, size_t capacity);

/* Reads \p size bytes at most; damaged input gives some map or SREC_ERR_FORMAT, never more. */
srec_status srec_ratemap_decode(const uint8_t *in, size_t size, unsigned n_steps, uint8_t *steps, size_t n);

#endif /* SREC_RATEMAP_H */
