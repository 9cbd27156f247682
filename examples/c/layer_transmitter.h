/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The transmitter of coded layers: an image becomes pieces, each piece becomes the symbols of one frame. */
#ifndef LAYER_TRANSMITTER_H
#define LAYER_TRANSMITTER_H

#include "transmitter.h"

/* Sends an image as QPSK symbols under a new random session. */
srec_status transmit_layers(const srec_key *key, const srec_image *image, frame_handler handler, void *context,
                            srec_error *error);

#endif /* LAYER_TRANSMITTER_H */
