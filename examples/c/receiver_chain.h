/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The receiver of the examples: symbols of frames become soft values, features and an image. It receives one image. */
#ifndef RECEIVER_CHAIN_H
#define RECEIVER_CHAIN_H

#include <srec/srec.h>

typedef struct receiver_chain receiver_chain; /* one thread at a time */

/* What arrived. */
typedef struct {
    unsigned received; /* packets of the image, without repetitions */
    unsigned missing;  /* packets that are missing; of coded layers those that parity does not replace */
} receiver_report;

/* model: NULL to receive coded layers. model and key must outlive the receiver. */
srec_status receiver_create(const srec_model *model, const srec_key *key, receiver_chain **out, srec_error *error);
void receiver_free(receiver_chain *r);

/* Processes one frame. A frame that cannot be decoded is dropped and counted; that is not an error. iq: (n_symbols, 2)
 * frame symbols; gain_iq: their channel gains, NULL for 1; n0: noise power per complex symbol. */
srec_status receiver_frame(receiver_chain *r, const float *iq, const float *gain_iq, float n0, size_t n_symbols,
                           srec_error *error);

/* Decodes the image from the frames received so far; lost patches are concealed. The caller frees image->data.
 * report: may be NULL. */
srec_status receiver_image(receiver_chain *r, srec_image *image, receiver_report *report, srec_error *error);

/* Frames that were dropped. */
unsigned receiver_dropped(const receiver_chain *r);

#endif /* RECEIVER_CHAIN_H */
