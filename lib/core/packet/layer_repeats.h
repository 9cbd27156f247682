/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Memory of transmissions that could not be decoded alone. Repeats of the same payload add to them. */
#ifndef SREC_LAYER_REPEATS_H
#define SREC_LAYER_REPEATS_H

#include <srec/ldpc.h>

/* Transmissions kept for each origin: with the current one they make what srec_ldpc_decode() combines. */
#define SREC_LAYER_REPEATS_KEPT  (SREC_LDPC_TRANSMISSIONS_MAX - 1)
/* Bounds of the whole memory. */
#define SREC_LAYER_REPEATS_BYTES (64u << 20)
#define SREC_LAYER_ORIGINS_MAX   4096u

/* One payload: which one, and its code. */
typedef struct {
    uint64_t session;
    uint64_t origin;
    const srec_ldpc_code *code;
} srec_layer_payload;

typedef struct srec_layer_repeats srec_layer_repeats;

/* \param bytes_max bound of all LLRs that are kept
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_layer_repeats_create(size_t bytes_max, srec_layer_repeats **out);
void srec_layer_repeats_free(srec_layer_repeats *r);

/* Transmissions of a payload that are kept, the oldest first. They remain valid until the next call but this one.
 * \param[out] out (SREC_LAYER_REPEATS_KEPT)
 * \return their number */
unsigned srec_layer_repeats_find(const srec_layer_repeats *r, const srec_layer_payload *p, srec_ldpc_transmission *out);

/* Keep a transmission. The oldest one of its origin gives way, and so do the origins that were not used for longest.
 * Without memory it is not kept.
 * \param packet its own number: origins that no packet may repeat any more are dropped */
void srec_layer_repeats_add(srec_layer_repeats *r, const srec_layer_payload *p, uint64_t packet,
                            const srec_ldpc_transmission *t);

/* Forget a payload, which was delivered. */
void srec_layer_repeats_forget(srec_layer_repeats *r, const srec_layer_payload *p);

/* Bytes of LLRs that are kept. */
size_t srec_layer_repeats_bytes(const srec_layer_repeats *r);

#endif /* SREC_LAYER_REPEATS_H */
