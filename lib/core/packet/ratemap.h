/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Entropy-coded rate map of a slice: adaptive range code over ladder steps; the context is the previous step. It
 *  uses integers only, so the results are equal on every machine. */
#ifndef SREC_RATEMAP_H
#define SREC_RATEMAP_H

#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

/* Upper bound of the bytes for n steps. */
static inline size_t srec_ratemap_bound(size_t n) { return n + n / 8 + 8; }

/* \param steps (n) each < n_steps <= 16
 * \return bytes written; 0 if \p capacity is too small */
size_t srec_ratemap_encode(const uint8_t *steps, size_t n, unsigned n_steps, uint8_t *out, size_t capacity);

/* Reads at most \p size bytes. Damaged input gives an arbitrary map or SREC_ERR_FORMAT. */
srec_status srec_ratemap_decode(const uint8_t *in, size_t size, unsigned n_steps, uint8_t *steps, size_t n);

#endif /* SREC_RATEMAP_H */
