/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_transmitter.h"

#include <stdlib.h>

#define MODULATION SREC_QPSK
#define N_LAYERS   2u
#define CBR        0.3 /* symbols for each of the 3 width height samples of the image, headers counted */

/* What sending one piece needs. */
typedef struct {
    srec_layer_encoder *encoder;
    srec_packet_encoder *heads; /* session, packet numbers and headers */
    srec_layer_packet_encoder *packets;
    srec_layer_plan plans[SREC_LAYERS_MAX];
    srec_layers layers; /* the encoded image */
    uint8_t *frame;     /* (SREC_FRAME_MAX) */
    float *iq;          /* symbols of the longest frame */
} sender;

static srec_status prepare(sender *s, const srec_key *key, srec_error *error)
{
    uint64_t session;
    srec_status status = srec_session_generate(&session);
    if (status != SREC_OK)
        return srec_fail(error, status, "session: %s", srec_strerror(status));
    status = srec_packet_encoder_create(key, session, &s->heads, error);
    if (status == SREC_OK)
        status = srec_layer_packet_encoder_create(key, s->heads, &s->packets, error);
    if (status == SREC_OK)
        status = srec_layer_encoder_create(0, &s->encoder, error);
    if (status != SREC_OK)
        return status;
    s->frame = malloc(SREC_FRAME_MAX);
    s->iq = malloc(srec_modem_symbols(MODULATION, SREC_FRAME_MAX) * 2 * sizeof *s->iq);
    return s->frame && s->iq ? SREC_OK : srec_fail(error, SREC_ERR_MEMORY, "out of memory");
}

/* Chooses code rates and budgets for receivers at 3 and 6 dB, and encodes the image. */
static srec_status encode(sender *s, const srec_image *image, srec_error *error)
{
    const srec_layers_request request = {
        .format = { image->width, image->height, image->channels, N_LAYERS },
        .modulation = MODULATION,
        .snr_db = { 3, 6 },
        .margin_db = 0.5f,
        .cbr = CBR,
        .n_parity = SREC_LAYER_PARITY_AUTO,
    };
    const srec_status status = srec_layers_plan(&request, s->plans, error);
    srec_layer_budget budgets[N_LAYERS];
    for (unsigned i = 0; i < N_LAYERS; i++)
        budgets[i] = s->plans[i].budget;
    return status == SREC_OK ? srec_layer_encoder_run(s->encoder, image, budgets, N_LAYERS, &s->layers, error) : status;
}

/* Makes packet number `number` from piece number `number`, and gives its symbols to the handler. */
static srec_status send_piece(sender *s, size_t number, frame_handler handler, void *context, srec_error *error)
{
    const srec_layer_piece *piece = &s->layers.pieces[number];
    const size_t coded_bytes = srec_layer_packet_coded_bytes(piece->n_bytes, s->plans[piece->layer].code_rate);
    const srec_layer_packet packet = {
        .signal.modulation = MODULATION,
        .signal.cipher = SREC_CIPHER_ADD,
        .signal.packet = number,
        .signal.payload_bytes = (uint16_t)coded_bytes,
        .scale = 1,
        .format = s->layers.format,
        .piece = *piece,
    };
    size_t n_frame;
    srec_status status = srec_layer_packet_encode(s->packets, &packet, s->frame, SREC_FRAME_MAX, &n_frame, error);
    if (status != SREC_OK)
        return status;
    status = srec_modem_map(MODULATION, s->frame, n_frame, s->iq);
    if (status != SREC_OK)
        return srec_fail(error, status, "mapping: %s", srec_strerror(status));
    return handler(context, s->iq, srec_modem_symbols(MODULATION, n_frame), error);
}

srec_status transmit_layers(const srec_key *key, const srec_image *image, frame_handler handler, void *context,
                            srec_error *error)
{
    sender s = { 0 };
    srec_status status = prepare(&s, key, error);
    if (status == SREC_OK)
        status = encode(&s, image, error);
    for (size_t i = 0; status == SREC_OK && i < s.layers.n_pieces; i++)
        status = send_piece(&s, i, handler, context, error);
    free(s.iq);
    free(s.frame);
    srec_layer_encoder_free(s.encoder);
    srec_layer_packet_encoder_free(s.packets);
    srec_packet_encoder_free(s.heads);
    return status;
}
