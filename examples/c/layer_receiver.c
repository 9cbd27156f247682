/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_receiver.h"

#include <stdlib.h>

#define MODULATION SREC_QPSK

struct layer_receiver {
    srec_packet_decoder *heads; /* headers and replay memory */
    srec_layer_packet_decoder *packets;
    srec_layer_decoder *decoder; /* of the image of the first packet; NULL: none yet */
    srec_layers_format format;   /* of that image */
    uint64_t session;            /* of that image */
    uint32_t picture;            /* number of that image */
    unsigned dropped;
    float *soft; /* (8 SREC_FRAME_MAX) LLRs of a frame */
};

srec_status layer_receiver_create(const srec_key *key, layer_receiver **out, srec_error *error)
{
    layer_receiver *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    r->soft = malloc(8 * SREC_FRAME_MAX * sizeof *r->soft);
    if (!r->soft)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    const srec_status status = srec_packet_decoder_create(key, NULL, &r->heads, error);
    return status == SREC_OK ? srec_layer_packet_decoder_create(r->heads, 0, &r->packets, error) : status;
}

void layer_receiver_free(layer_receiver *r)
{
    if (!r)
        return;
    free(r->soft);
    srec_layer_decoder_free(r->decoder);
    srec_layer_packet_decoder_free(r->packets);
    srec_packet_decoder_free(r->heads);
    free(r);
}

srec_status layer_receiver_frame(layer_receiver *r, const float *iq, const float *gain_iq, float n0, size_t n_symbols,
                                 srec_error *error)
{
    const size_t n_bytes = n_symbols * srec_modem_bits_per_symbol(MODULATION) / 8;
    srec_layer_packet packet;
    if (n_bytes > SREC_FRAME_MAX || srec_modem_demap(MODULATION, iq, gain_iq, n0, n_symbols, r->soft) != SREC_OK ||
        srec_layer_packet_decode(r->packets, MODULATION, r->soft, n_bytes, &packet) != SREC_OK) {
        r->dropped++;
        return SREC_OK;
    }
    if (!r->decoder) {
        const srec_status status = srec_layer_decoder_create(&packet.format, 0, &r->decoder, error);
        if (status != SREC_OK)
            return status;
        r->format = packet.format;
        r->session = packet.signal.session;
        r->picture = packet.picture;
    }
    if (packet.signal.session != r->session || packet.picture != r->picture) {
        r->dropped++; /* another image: srec/collector.h keeps several open */
        return SREC_OK;
    }
    return srec_layer_decoder_add(r->decoder, &packet.piece, error);
}

srec_status layer_receiver_image(layer_receiver *r, srec_image *image, srec_layers_report *report, srec_error *error)
{
    if (!r->decoder)
        return srec_fail(error, SREC_ERR_FORMAT, "no packet was received: is it the right key?");
    *image = (srec_image){
        .width = r->format.width,
        .height = r->format.height,
        .channels = (uint8_t)r->format.channels,
        .stride = (size_t)r->format.width * r->format.channels,
    };
    image->data = malloc(image->stride * image->height);
    if (!image->data)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    return srec_layer_decoder_run(r->decoder, image, report, error);
}

unsigned layer_receiver_dropped(const layer_receiver *r) { return r->dropped; }
