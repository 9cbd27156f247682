/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The receiver of coded layers: symbols of frames become pieces, the pieces become an image. It needs no model. */
#ifndef LAYER_RECEIVER_H
#define LAYER_RECEIVER_H

#include <srec/srec.h>

typedef struct layer_receiver layer_receiver; /* one thread at a time; receives one image */

srec_status layer_receiver_create(const srec_key *key, layer_receiver **out, srec_error *error);
void layer_receiver_free(layer_receiver *r);

/* Processes one frame. A frame that cannot be decoded is dropped and counted; that is not an error. iq: (n_symbols, 2)
 * frame symbols; gain_iq: their channel gains, NULL for 1; n0: noise power per complex symbol. */
srec_status layer_receiver_frame(layer_receiver *r, const float *iq, const float *gain_iq, float n0, size_t n_symbols,
                                 srec_error *error);

/* Decodes the image from the frames received so far. The caller frees image->data. */
srec_status layer_receiver_image(layer_receiver *r, srec_image *image, srec_layers_report *report, srec_error *error);

/* Frames that were dropped. */
unsigned layer_receiver_dropped(const layer_receiver *r);

#endif /* LAYER_RECEIVER_H */
