/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transmitter.h"

#include "layer_transmitter.h"

#include <stdlib.h>

#define MODULATION  SREC_QPSK
#define CIPHER      SREC_CIPHER_XOR
#define ETA         0.2f  /* rate parameter: features per bit of the entropy model */
#define FRAME_BYTES 8000u /* longest frame */

/* What sending one slice needs. */
typedef struct {
    const srec_model *model;
    srec_features features;
    srec_scrambler *scrambler;
    srec_packet_encoder *packets;
    uint32_t n_slices;
    size_t max_patches; /* of a slice */
    size_t max_bytes;   /* of a slice */
    uint8_t *rate_map;  /* (max_patches) */
    uint8_t *bytes;     /* (max_bytes) */
    uint8_t *frame;     /* (SREC_FRAME_MAX) */
    float *iq;          /* symbols of the longest frame */
} sender;

static srec_status prepare(sender *s, const srec_key *key, srec_error *error)
{
    uint64_t session;
    srec_status status = srec_session_generate(&session);
    if (status != SREC_OK)
        return srec_fail(error, status, "session: %s", srec_strerror(status));
    status = srec_scrambler_create(key, session, &s->scrambler, error);
    if (status == SREC_OK)
        status = srec_packet_encoder_create(key, session, &s->packets, error);
    if (status != SREC_OK)
        return status;
    s->n_slices = srec_packet_slices(s->model, &s->features, MODULATION, FRAME_BYTES, &s->max_patches, &s->max_bytes);
    s->rate_map = malloc(s->max_patches);
    s->bytes = malloc(s->max_bytes);
    s->frame = malloc(SREC_FRAME_MAX);
    s->iq = malloc(srec_modem_symbols(MODULATION, SREC_FRAME_MAX) * 2 * sizeof *s->iq);
    if (!s->n_slices || !s->rate_map || !s->bytes || !s->frame || !s->iq)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    return SREC_OK;
}

/* Makes packet number `slice` from slice number `slice`, and gives its symbols to the handler. */
static srec_status send_slice(sender *s, uint32_t slice, frame_handler handler, void *context, srec_error *error)
{
    srec_slice description;
    size_t n, n_frame;
    const srec_slice_number number = { .n_slices = s->n_slices, .slice = slice };
    const srec_slice_buffers buffers = {
        .rate_map = s->rate_map,
        .capacity_patches = s->max_patches,
        .bytes = s->bytes,
        .capacity_bytes = s->max_bytes,
    };
    srec_status status = srec_slice_extract(s->model, &s->features, &number, &buffers, &description, &n);
    if (status == SREC_OK)
        status = srec_scrambler_scramble(s->scrambler, slice, CIPHER, s->bytes, s->bytes, n);
    if (status != SREC_OK)
        return srec_fail(error, status, "slice %u: %s", (unsigned)slice, srec_strerror(status));
    const srec_packet_content content = {
        .modulation = MODULATION,
        .cipher = CIPHER,
        .packet = slice,
        .slice = &description,
        .payload = s->bytes,
        .n_payload = n,
    };
    status = srec_packet_encode(s->packets, &content, s->frame, SREC_FRAME_MAX, &n_frame, error);
    if (status != SREC_OK)
        return status;
    status = srec_modem_map(MODULATION, s->frame, n_frame, s->iq);
    if (status != SREC_OK)
        return srec_fail(error, status, "mapping: %s", srec_strerror(status));
    return handler(context, s->iq, srec_modem_symbols(MODULATION, n_frame), error);
}

srec_status transmit(const srec_model *model, const srec_key *key, const srec_image *image, frame_handler handler,
                     void *context, srec_error *error)
{
    if (!model)
        return transmit_layers(key, image, handler, context, error);
    sender s = { .model = model };
    srec_encoder *encoder;
    srec_status status = srec_encoder_create(model, NULL, &encoder, error);
    if (status != SREC_OK)
        return status;
    status = srec_encoder_run(encoder, image, ETA, SREC_FEATURES_BITS, &s.features, error);
    if (status == SREC_OK)
        status = prepare(&s, key, error);
    for (uint32_t slice = 0; status == SREC_OK && slice < s.n_slices; slice++)
        status = send_slice(&s, slice, handler, context, error);
    free(s.iq);
    free(s.frame);
    free(s.bytes);
    free(s.rate_map);
    srec_packet_encoder_free(s.packets);
    srec_scrambler_free(s.scrambler);
    srec_encoder_free(encoder);
    return status;
}
