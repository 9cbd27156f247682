/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sync_peers FILE SNR_DB CFO BURSTS [THRESHOLD]: writes a stream of bursts in noise to FILE (cf32) and prints, as
 * JSON, where the bursts begin, where
 * libsrec found them and where liquid-dsp's qdetector_cccf did, with the same preamble, pulse and search range. For
 * sync_peers.py. */
#include <complex.h>
#include <liquid/liquid.h>

#include <srec/srec.h>

#include "../../lib/core/codec/model_internal.h"
#include "../../lib/core/phy/waveform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED 50u

static void check(int failed)
{
    if (failed) {
        fprintf(stderr, "sync_peers: failed\n");
        exit(1);
    }
}

typedef struct {
    double at[100000];
    size_t n;
} hits;

static void take(void *context, const srec_burst *burst)
{
    hits *h = context;
    if (h->n < sizeof h->at / sizeof *h->at)
        h->at[h->n++] = burst->sample;
}

static void print(const char *name, const hits *h, double seconds)
{
    printf(", \"%s\": {\"seconds\": %.3f, \"at\": [", name, seconds);
    for (size_t i = 0; i < h->n; i++)
        printf("%s%.1f", i ? ", " : "", h->at[i]);
    printf("]}");
}

/* Frames that libsrec can follow: a real packet. */
static size_t make_frame(const srec_model *model, srec_packet_encoder *e, uint64_t packet, float *symbols)
{
    uint8_t map[1] = { 0 }, payload[200], frame[SREC_FRAME_MAX];
    srec_slice slice = { srec_model_id(model), 0, 16, 16, 3, SREC_FEATURES_BITS, (uint32_t)(packet % 16), 16, 1, map };
    size_t n;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(rand() >> 8);
    check(srec_packet_encode(e,
                             &(srec_packet_content){ .modulation = SREC_BPSK,
                                                     .cipher = SREC_CIPHER_ADD,
                                                     .packet = packet,
                                                     .slice = &slice,
                                                     .payload = payload,
                                                     .n_payload = sizeof payload },
                             frame, sizeof frame, &n, NULL));
    srec_modem_map(SREC_BPSK, frame, n, symbols);
    return srec_modem_symbols(SREC_BPSK, n);
}

int main(int argc, char **argv)
{
    static const unsigned ladder[] = { 200 };
    static float symbols[SREC_FRAME_MAX * 8];
    static hits truth, ours, liquid;
    if (argc < 5) {
        fprintf(stderr, "usage: sync_peers FILE SNR_DB CFO BURSTS [THRESHOLD]\n");
        return 2;
    }
    const double snr_db = atof(argv[2]), cfo = atof(argv[3]);
    const unsigned bursts = (unsigned)atoi(argv[4]);
    srec_waveform w;
    srec_model *model;
    srec_key key;
    srec_packet_encoder *e;
    srec_shaper *shaper;
    srec_waveform_default(&w);
    srec_key_from_seed(&key, SEED);
    check(srec_model_create_bare(ladder, 1, NULL, NULL, 1, &model));
    check(srec_packet_encoder_create(&key, SEED, &e, NULL));
    check(srec_shaper_create(&w, &shaper, NULL));
    srand(SEED);

    size_t room = 1 << 20, n = 4000;
    float *samples = calloc(2 * room, sizeof *samples);
    for (unsigned i = 0; i < bursts; i++) {
        const size_t data = make_frame(model, e, i, symbols), length = srec_shaper_samples(shaper, data);
        while (n + length + 8000 > room) {
            samples = realloc(samples, 4 * room * sizeof *samples);
            memset(samples + 2 * room, 0, 2 * room * sizeof *samples);
            room *= 2;
        }
        check(srec_shaper_run(shaper, symbols, data, samples + 2 * n));
        truth.at[truth.n++] = (double)(n + SREC_BURST_GUARD * w.samples_per_symbol);
        n += length + 1000 + (size_t)(rand() % 2000);
    }
    n += 4000;
    srec_impairment_set set = { .cfo = (float)(cfo / w.samples_per_symbol),
                                .noise_power = (float)(w.samples_per_symbol * pow(10, -0.1 * snr_db)),
                                .delay = 0.3f };
    srec_impairments *radio;
    check(srec_impairments_create(&set, SEED, &radio, NULL));
    float *received = malloc(2 * srec_impairments_room(n) * sizeof *received);
    size_t got;
    check(srec_impairments_apply(radio, samples, n, received, &got));
    FILE *f = fopen(argv[1], "wb");
    check(!f || fwrite(received, 2 * sizeof(float), got, f) != got || fclose(f));

    srec_sync *sync;
    check(srec_sync_create(&w, SREC_BPSK, take, &ours, &sync, NULL));
    clock_t start = clock();
    check(srec_sync_push(sync, received, got) || srec_sync_flush(sync));
    const double our_seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    srec_sync_counters counters;
    srec_sync_get_counters(sync, &counters);

    float preamble[2 * SREC_BURST_PREAMBLE];
    srec_preamble(preamble);
    qdetector_cccf q =
        qdetector_cccf_create_linear((float complex *)(void *)preamble, SREC_BURST_PREAMBLE, LIQUID_FIRFILT_RRC,
                                     w.samples_per_symbol, SREC_BURST_SPAN, w.rolloff);
    qdetector_cccf_set_range(q, (float)(6.283185307 * 0.1 / w.samples_per_symbol));
    if (argc > 5)
        qdetector_cccf_set_threshold(q, (float)atof(argv[5]));
    start = clock();
    for (size_t i = 0; i < got && liquid.n < 100000; i++)
        if (qdetector_cccf_execute(q, received[2 * i] + received[2 * i + 1] * _Complex_I)) {
            /* the buffer that is handed back ends with the sample just pushed and begins with the sequence */
            liquid.at[liquid.n++] =
                (double)i - (double)qdetector_cccf_get_buf_len(q) + SREC_BURST_SPAN * w.samples_per_symbol;
            qdetector_cccf_reset(q);
        }
    const double liquid_seconds = (double)(clock() - start) / CLOCKS_PER_SEC;

    printf("{\"samples\": %zu, \"preambles\": %llu, \"threshold\": %.2f", got, (unsigned long long)counters.preambles,
           (double)qdetector_cccf_get_threshold(q));
    print("truth", &truth, 0);
    print("srec", &ours, our_seconds);
    print("liquid", &liquid, liquid_seconds);
    printf("}\n");
    qdetector_cccf_destroy(q);
    return 0;
}
