/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "receiver_chain.h"

#include "layer_receiver.h"

#include <stdlib.h>

#define MODULATION SREC_QPSK

struct receiver_chain {
    const srec_model *model;
    const srec_key *key;
    srec_packet_decoder *packets;
    srec_estimator *estimator;
    srec_decoder *decoder;
    srec_scrambler *scrambler; /* of the session below */
    uint64_t session;          /* of the first packet; 0: none yet */
    srec_slice picture;        /* first slice received: it describes the image */
    unsigned dropped;
    float *soft;            /* (8 SREC_FRAME_MAX) LLRs of a frame */
    float *mean;            /* (SREC_PAYLOAD_MAX) */
    float *deviation;       /* (SREC_PAYLOAD_MAX) */
    layer_receiver *layers; /* without a model; it replaces the rest */
};

srec_status receiver_create(const srec_model *model, const srec_key *key, receiver_chain **out, srec_error *error)
{
    receiver_chain *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    if (!model)
        return layer_receiver_create(key, &r->layers, error);
    r->model = model;
    r->key = key;
    r->soft = malloc(8 * SREC_FRAME_MAX * sizeof *r->soft);
    r->mean = malloc(SREC_PAYLOAD_MAX * sizeof *r->mean);
    r->deviation = malloc(SREC_PAYLOAD_MAX * sizeof *r->deviation);
    if (!r->soft || !r->mean || !r->deviation)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    srec_status status = srec_packet_decoder_create(key, model, &r->packets, error);
    if (status == SREC_OK)
        status = srec_estimator_create(model, &r->estimator, error);
    if (status == SREC_OK)
        status = srec_decoder_create(model, NULL, &r->decoder, error);
    return status;
}

void receiver_free(receiver_chain *r)
{
    if (!r)
        return;
    layer_receiver_free(r->layers);
    free(r->deviation);
    free(r->mean);
    free(r->soft);
    srec_scrambler_free(r->scrambler);
    srec_decoder_free(r->decoder);
    srec_estimator_free(r->estimator);
    srec_packet_decoder_free(r->packets);
    free(r);
}

/* The first packet names the session and the image. */
static srec_status begin(receiver_chain *r, const srec_packet *packet, srec_error *error)
{
    const srec_status status = srec_scrambler_create(r->key, packet->signal.session, &r->scrambler, error);
    if (status != SREC_OK)
        return status;
    r->session = packet->signal.session;
    r->picture = packet->slice;
    r->picture.rate_map = NULL; /* belongs to the packet decoder */
    return srec_decoder_begin(r->decoder, &packet->slice, error);
}

srec_status receiver_frame(receiver_chain *r, const float *iq, const float *gain_iq, float n0, size_t n_symbols,
                           srec_error *error)
{
    if (r->layers)
        return layer_receiver_frame(r->layers, iq, gain_iq, n0, n_symbols, error);
    const size_t n_bytes = n_symbols * srec_modem_bits_per_symbol(MODULATION) / 8;
    srec_packet packet;
    if (n_bytes > SREC_FRAME_MAX || srec_modem_demap(MODULATION, iq, gain_iq, n0, n_symbols, r->soft) != SREC_OK ||
        srec_packet_decode(r->packets, MODULATION, r->soft, n_bytes, &packet) != SREC_OK) {
        r->dropped++;
        return SREC_OK;
    }
    if (!r->session) {
        const srec_status status = begin(r, &packet, error);
        if (status != SREC_OK)
            return status;
    }
    if (packet.signal.session != r->session || !srec_slice_same_picture(&packet.slice, &r->picture)) {
        r->dropped++; /* another image: srec/collector.h keeps several open */
        return SREC_OK;
    }
    const srec_payload payload = { MODULATION, packet.signal.cipher, packet.signal.packet, &packet.slice, packet.soft };
    const srec_status status = srec_estimator_run(r->estimator, r->scrambler, &payload, true, r->mean, r->deviation);
    if (status != SREC_OK)
        return srec_fail(error, status, "descrambler: %s", srec_strerror(status));
    return srec_decoder_add(r->decoder, &packet.slice, r->mean, r->deviation, packet.signal.payload_bytes, error);
}

static srec_status image_of_features(receiver_chain *r, srec_image *image, receiver_report *report, srec_error *error)
{
    if (!r->session)
        return srec_fail(error, SREC_ERR_FORMAT, "no packet was received: is it the right key?");
    *image = (srec_image){
        .width = r->picture.width,
        .height = r->picture.height,
        .channels = r->picture.channels,
        .stride = (size_t)r->picture.width * r->picture.channels,
    };
    image->data = malloc(image->stride * image->height);
    if (!image->data)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    srec_decoder_report slices;
    const srec_status status = srec_decoder_run(r->decoder, image, &slices, error);
    if (status == SREC_OK && report)
        *report = (receiver_report){ slices.slices - slices.slices_lost, slices.slices_lost };
    return status;
}

static srec_status image_of_layers(receiver_chain *r, srec_image *image, receiver_report *report, srec_error *error)
{
    srec_layers_report pieces;
    const srec_status status = layer_receiver_image(r->layers, image, &pieces, error);
    if (status == SREC_OK && report)
        *report = (receiver_report){ pieces.pieces_received, pieces.pieces_missing };
    return status;
}

srec_status receiver_image(receiver_chain *r, srec_image *image, receiver_report *report, srec_error *error)
{
    return r->layers ? image_of_layers(r, image, report, error) : image_of_features(r, image, report, error);
}

unsigned receiver_dropped(const receiver_chain *r)
{
    return r->layers ? layer_receiver_dropped(r->layers) : r->dropped;
}
