/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loopback MODEL|layers IMAGE.png SNR_DB RECEIVED.png: sends an image through an AWGN channel and prints its PSNR. */
#include "png_file.h"
#include "receiver_chain.h"
#include "transmitter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    srec_channel *channel;
    receiver_chain *receiver;
    float n0; /* noise power per complex symbol */
} air;

static srec_status through_the_air(void *context, const float *iq, size_t n_symbols, srec_error *error)
{
    const air *a = context;
    float *received = malloc(n_symbols * 2 * sizeof *received);
    if (!received)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    srec_status status = srec_channel_apply(a->channel, iq, received, NULL, n_symbols);
    if (status == SREC_OK)
        status = receiver_frame(a->receiver, received, NULL, a->n0, n_symbols, error);
    free(received);
    return status;
}

static srec_status run(const srec_model *model, const srec_key *key, const srec_image *sent, float snr_db,
                       srec_image *received, srec_error *error)
{
    air a = { .n0 = powf(10, -snr_db / 10) };
    srec_status status = srec_channel_create(SREC_CHANNEL_AWGN, snr_db, 1, 1, &a.channel, error);
    if (status == SREC_OK)
        status = receiver_create(model, key, &a.receiver, error);
    if (status == SREC_OK)
        status = transmit(model, key, sent, through_the_air, &a, error);
    if (status == SREC_OK)
        status = receiver_image(a.receiver, received, NULL, error);
    if (status == SREC_OK && receiver_dropped(a.receiver))
        printf("%u packets lost\n", receiver_dropped(a.receiver));
    receiver_free(a.receiver);
    srec_channel_free(a.channel);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: loopback MODEL|layers IMAGE.png SNR_DB RECEIVED.png\n");
        return 2;
    }
    srec_error error = { 0 };
    srec_model *model = NULL;
    srec_image sent = { 0 };
    srec_image received = { 0 };
    srec_key *key = srec_key_new();
    srec_status status = key ? srec_key_generate(key) : srec_fail(&error, SREC_ERR_MEMORY, "out of memory");
    if (status == SREC_OK && strcmp(argv[1], "layers") != 0)
        status = srec_model_load(argv[1], &model, &error);
    if (status == SREC_OK)
        status = png_file_read(argv[2], &sent, &error);
    if (status == SREC_OK)
        status = run(model, key, &sent, strtof(argv[3], NULL), &received, &error);
    if (status == SREC_OK)
        status = png_file_write(argv[4], &received, &error);
    double psnr_db = 0;
    if (status == SREC_OK)
        status = srec_psnr(&sent, &received, &psnr_db);
    if (status == SREC_OK)
        printf("PSNR %.2f dB\n", psnr_db);
    else
        fprintf(stderr, "loopback: %s\n", error.message);
    free(received.data);
    free(sent.data);
    srec_key_free(key);
    srec_model_free(model);
    return status == SREC_OK ? 0 : 1;
}
