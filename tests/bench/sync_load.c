/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sync_load [MILLIONS]: processor time that the synchroniser takes for so many samples of each kind of input,
 * friendly and hostile. */
#include <srec/srec.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PART 65536u
#define FULL 29000u /* bytes that a forged frame claims */

static srec_key own, foreign;

static void check(int failed)
{
    if (failed) {
        fprintf(stderr, "sync_load: failed\n");
        exit(1);
    }
}

/* Samples, repeated as often as needed. */
typedef struct {
    float *samples; /* (n, 2) */
    size_t n;
} stream;

static float normal(void)
{
    const double u = (rand() + 1.0) / (RAND_MAX + 2.0), v = rand() / (RAND_MAX + 1.0);
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static stream noise(float deviation)
{
    stream s = { malloc(2 * 16 * PART * sizeof(float)), 16 * PART };
    check(!s.samples);
    for (size_t i = 0; i < 2 * s.n; i++)
        s.samples[i] = deviation * normal();
    return s;
}

/* One frame of n_payload bytes and n_patches, of which the first n_symbols are sent (0: all), with a little noise.
 * */
static stream burst(const srec_key *key, size_t n_payload, uint32_t n_patches, size_t n_symbols)
{
    static uint8_t map[8192], payload[SREC_FRAME_MAX], frame[SREC_FRAME_MAX];
    srec_packet_encoder *e;
    srec_shaper *shaper;
    srec_waveform w;
    size_t n;
    for (size_t i = 0; i < sizeof map; i++)
        map[i] = (uint8_t)(rand() >> 8 & 15);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(rand() >> 8);
    const srec_slice slice = { 1, 0, 2048, 2048, 3, SREC_FEATURES_BITS, 0, 1, n_patches, map };
    srec_waveform_default(&w);
    check(srec_packet_encoder_create(key, 1, &e, NULL));
    check(srec_packet_encode(e,
                             &(srec_packet_content){ .modulation = SREC_QPSK,
                                                     .cipher = SREC_CIPHER_ADD,
                                                     .packet = 0,
                                                     .slice = &slice,
                                                     .payload = payload,
                                                     .n_payload = n_payload },
                             frame, sizeof frame, &n, NULL));
    const size_t all = srec_modem_symbols(SREC_QPSK, n), sent = n_symbols && n_symbols < all ? n_symbols : all;
    float *iq = malloc(2 * all * sizeof(float));
    check(!iq || srec_modem_map(SREC_QPSK, frame, n, iq) || srec_shaper_create(&w, &shaper, NULL));
    stream s = { malloc(2 * srec_shaper_samples(shaper, sent) * sizeof(float)), srec_shaper_samples(shaper, sent) };
    check(!s.samples || srec_shaper_run(shaper, iq, sent, s.samples));
    for (size_t i = 0; i < 2 * s.n; i++)
        s.samples[i] += 0.1f * normal();
    srec_shaper_free(shaper);
    srec_packet_encoder_free(e);
    free(iq);
    return s;
}

static stream chirps(void)
{
    stream s = { malloc(2 * 512 * sizeof(float)), 512 };
    check(!s.samples);
    for (size_t i = 0; i < s.n; i++) {
        const double symbol = (double)i / 4, angle = -3.141592653589793 * symbol * symbol / 128;
        s.samples[2 * i] = (float)cos(angle);
        s.samples[2 * i + 1] = (float)sin(angle);
    }
    return s;
}

static stream clicks(void)
{
    stream s = noise(1);
    for (size_t i = 0; i < s.n; i += 1000)
        s.samples[2 * i] = 1e6f;
    return s;
}

/* What a receiver with 8 bits gives, read as floats. */
static stream bytes_as_floats(void)
{
    stream s = noise(1);
    for (size_t i = 0; i < 2 * s.n; i++) {
        uint8_t bytes[4];
        for (unsigned k = 0; k < 4; k++)
            bytes[k] = (uint8_t)(127.5f + 10 * normal());
        memcpy(&s.samples[i], bytes, 4);
    }
    return s;
}

static bool authentic(void *context, const float *soft, size_t n_bytes)
{
    srec_signal signal;
    (void)context;
    return srec_packet_authenticate(&own, SREC_QPSK, soft, n_bytes, &signal) == SREC_OK;
}

static void ignore(void *context, const srec_burst *b)
{
    (void)context;
    (void)b;
}

static void measure(const char *name, stream s, unsigned millions)
{
    static float part[2 * PART];
    srec_waveform w;
    srec_sync *sync;
    srec_sync_counters c;
    size_t at = 0;
    double seconds = 0, worst = 0;
    srec_waveform_default(&w);
    check(srec_sync_create(&w, SREC_QPSK, ignore, NULL, &sync, NULL));
    srec_sync_set_check(sync, authentic, NULL);
    for (uint64_t done = 0; done < (uint64_t)millions * 1000000; done += PART) {
        for (size_t i = 0; i < PART; i++, at = at + 1 == s.n ? 0 : at + 1)
            memcpy(part + 2 * i, s.samples + 2 * at, 2 * sizeof(float));
        const clock_t begin = clock();
        check(srec_sync_push(sync, part, PART));
        const double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
        seconds += took;
        worst = took > worst ? took : worst;
    }
    srec_sync_get_counters(sync, &c);
    printf("%-44s %6.2f Msamples/s; candidates %llu, skipped %llu, preambles %llu, bursts %llu, foreign %llu, "
           "unreadable %llu; "
           "longest push %.2f s\n",
           name, 1e-6 * (double)c.samples / seconds, (unsigned long long)c.candidates, (unsigned long long)c.skipped,
           (unsigned long long)c.preambles, (unsigned long long)c.bursts, (unsigned long long)c.foreign,
           (unsigned long long)c.unreadable, worst);
    fflush(stdout);
    srec_sync_free(sync);
    free(s.samples);
}

int main(int argc, char **argv)
{
    const unsigned millions = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4;
    srec_key_from_seed(&own, 1);
    srec_key_from_seed(&foreign, 2);
    srand(1);
    measure("noise", noise(1), millions);
    measure("own bursts of 16000 bytes", burst(&own, 15000, 64, 0), millions);
    measure("bursts of another key", burst(&foreign, 15000, 64, 0), millions);
    measure("forged signal fields, short headers claimed", burst(&foreign, FULL - 1000, 64, 744), millions);
    measure("forged signal fields, long headers claimed", burst(&foreign, 1000, 8000, 744), millions);
    measure("recorded heads of own bursts", burst(&own, FULL - 1000, 64, 1984), millions);
    measure("preambles alone", burst(&foreign, FULL - 1000, 64, 8), millions);
    measure("up chirps alone", chirps(), millions);
    measure("clicks in noise", clicks(), millions);
    measure("bytes read as floats", bytes_as_floats(), millions);
    return 0;
}
