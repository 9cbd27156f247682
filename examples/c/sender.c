/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sender MODEL|layers KEY IMAGE.png SAMPLES.cf32: writes the bursts of an image as complex float samples, ready for a
 * radio. */
#include "png_file.h"
#include "transmitter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    srec_shaper *shaper;
    FILE *file;
    unsigned n_bursts;
} burst_writer;

/* Symbols of a frame to samples of a burst. */
static srec_status write_burst(void *context, const float *iq, size_t n_symbols, srec_error *error)
{
    burst_writer *w = context;
    const size_t n = srec_shaper_samples(w->shaper, n_symbols);
    float *samples = malloc(n * 2 * sizeof *samples);
    if (!samples)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    srec_status status = srec_shaper_run(w->shaper, iq, n_symbols, samples);
    if (status != SREC_OK)
        status = srec_fail(error, status, "pulse shaping: %s", srec_strerror(status));
    else if (fwrite(samples, 2 * sizeof *samples, n, w->file) != n)
        status = srec_fail(error, SREC_ERR_IO, "the samples cannot be written");
    free(samples);
    w->n_bursts++;
    return status;
}

static srec_status write_bursts(const srec_model *model, const srec_key *key, const srec_image *image, const char *path,
                                srec_error *error)
{
    burst_writer w = { .file = fopen(path, "wb") };
    if (!w.file)
        return srec_fail(error, SREC_ERR_IO, "%s: cannot be written", path);
    srec_waveform waveform;
    srec_waveform_default(&waveform);
    srec_status status = srec_shaper_create(&waveform, &w.shaper, error);
    if (status == SREC_OK)
        status = transmit(model, key, image, write_burst, &w, error);
    srec_shaper_free(w.shaper);
    if (fclose(w.file) != 0 && status == SREC_OK)
        status = srec_fail(error, SREC_ERR_IO, "%s: cannot be written", path);
    if (status == SREC_OK)
        printf("%u bursts\n", w.n_bursts);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: sender MODEL|layers KEY IMAGE.png SAMPLES.cf32\n");
        return 2;
    }
    srec_error error = { 0 };
    srec_model *model = NULL;
    srec_image image = { 0 };
    srec_key *key = srec_key_new();
    srec_status status = key ? SREC_OK : srec_fail(&error, SREC_ERR_MEMORY, "out of memory");
    if (status == SREC_OK && strcmp(argv[1], "layers") != 0)
        status = srec_model_load(argv[1], &model, &error);
    if (status == SREC_OK)
        status = srec_key_parse(key, argv[2], NULL, &error);
    if (status == SREC_OK)
        status = png_file_read(argv[3], &image, &error);
    if (status == SREC_OK)
        status = write_bursts(model, key, &image, argv[4], &error);
    if (status != SREC_OK)
        fprintf(stderr, "sender: %s\n", error.message);
    free(image.data);
    srec_key_free(key);
    srec_model_free(model);
    return status == SREC_OK ? 0 : 1;
}
