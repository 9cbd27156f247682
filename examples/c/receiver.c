/* SPDX-License-Identifier: GPL-3.0-or-later */
/* receiver MODEL|layers KEY SAMPLES.cf32 IMAGE.png: finds bursts in complex float samples and decodes the image. */
#include "png_file.h"
#include "receiver_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 4096 /* samples read at once */

typedef struct {
    receiver_chain *chain;
    srec_status status; /* first error of the chain */
    srec_error error;
} burst_reader;

static void take_burst(void *context, const srec_burst *burst)
{
    burst_reader *reader = context;
    printf("burst: SNR %.1f dB, carrier offset %.4f of the symbol rate\n", (double)burst->snr_db, (double)burst->cfo);
    if (reader->status == SREC_OK)
        reader->status =
            receiver_frame(reader->chain, burst->iq, burst->gain_iq, burst->n0, burst->n_symbols, &reader->error);
}

/* Pushes the whole file through the synchroniser, which calls take_burst(). */
static srec_status read_bursts(burst_reader *reader, const char *path, srec_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return srec_fail(error, SREC_ERR_IO, "%s: cannot be read", path);
    srec_waveform waveform;
    srec_waveform_default(&waveform);
    srec_sync *sync = NULL;
    srec_status status = srec_sync_create(&waveform, SREC_QPSK, take_burst, reader, &sync, error);
    static float samples[2 * CHUNK];
    size_t n;
    if (status != SREC_OK) {
        fclose(file);
        return status;
    }
    while (status == SREC_OK && (n = fread(samples, 2 * sizeof *samples, CHUNK, file)) > 0)
        status = srec_sync_push(sync, samples, n);
    if (status == SREC_OK)
        status = srec_sync_flush(sync);
    srec_sync_free(sync);
    fclose(file);
    if (status != SREC_OK)
        return srec_fail(error, status, "synchroniser: %s", srec_strerror(status));
    if (reader->status != SREC_OK)
        *error = reader->error;
    return reader->status;
}

static srec_status receive(const srec_model *model, const srec_key *key, char **paths, srec_error *error)
{
    burst_reader reader = { 0 };
    srec_image image = { 0 };
    receiver_report report;
    srec_status status = receiver_create(model, key, &reader.chain, error);
    if (status == SREC_OK)
        status = read_bursts(&reader, paths[0], error);
    if (status == SREC_OK)
        status = receiver_image(reader.chain, &image, &report, error);
    if (status == SREC_OK)
        status = png_file_write(paths[1], &image, error);
    if (status == SREC_OK)
        printf("%ux%u pixels, %u packets received, %u missing\n", (unsigned)image.width, (unsigned)image.height,
               report.received, report.missing);
    free(image.data);
    receiver_free(reader.chain);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: receiver MODEL|layers KEY SAMPLES.cf32 IMAGE.png\n");
        return 2;
    }
    srec_error error = { 0 };
    srec_model *model = NULL;
    srec_key *key = srec_key_new();
    srec_status status = key ? SREC_OK : srec_fail(&error, SREC_ERR_MEMORY, "out of memory");
    if (status == SREC_OK && strcmp(argv[1], "layers") != 0)
        status = srec_model_load(argv[1], &model, &error);
    if (status == SREC_OK)
        status = srec_key_parse(key, argv[2], NULL, &error);
    if (status == SREC_OK)
        status = receive(model, key, argv + 3, &error);
    if (status != SREC_OK)
        fprintf(stderr, "receiver: %s\n", error.message);
    srec_key_free(key);
    srec_model_free(model);
    return status == SREC_OK ? 0 : 1;
}
