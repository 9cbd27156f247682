/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The transmitter of the examples: an image becomes frames, each frame becomes symbols. */
#ifndef TRANSMITTER_H
#define TRANSMITTER_H

#include <srec/srec.h>

/* Called for the symbols of each frame. iq: (n_symbols, 2), Es = 1. */
typedef srec_status (*frame_handler)(void *context, const float *iq, size_t n_symbols, srec_error *error);

/* Sends an image as QPSK symbols under a new random session. model: NULL for coded layers. */
srec_status transmit(const srec_model *model, const srec_key *key, const srec_image *image, frame_handler handler,
                     void *context, srec_error *error);

#endif /* TRANSMITTER_H */
