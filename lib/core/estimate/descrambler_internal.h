/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SREC_DESCRAMBLER_INTERNAL_H
#define SREC_DESCRAMBLER_INTERNAL_H

#include <srec/descrambler.h>

/* The specification of the soft descrambler: it weighs all 256 plaintexts one by one, in logarithms and double
 * precision. The public functions agree with these within rounding errors, and call them for the few features whose
 * prior and channel contradict each other so much that f32 underflows. Each call estimates one feature. */
void srec_descrambler_exact_llr(const srec_descrambler *d, uint8_t key, const float llr[8], uint8_t table, float *mean,
                                float *deviation);
void srec_descrambler_exact_amplitude(const srec_descrambler *d, uint8_t key, const float soft[2], uint8_t table,
                                      float *mean, float *deviation);

#endif /* SREC_DESCRAMBLER_INTERNAL_H */
