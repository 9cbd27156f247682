/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sync_curve waveform|detect|loss|drift|echo|soak|noise [COUNT [SAMPLES_PER_SYMBOL]]: figures of docs/waveform.md.
 *   waveform power, peaks, occupied bandwidth, adjacent channels, overhead of a burst of a full frame
 *   detect  share of bursts found, over SNR and carrier offset, with delay, clock offset and level at random
 *   loss    SNR that the payload sees after synchronisation minus the channel's, and errors of CFO, clock, delay
 *   drift   the same with a carrier whose frequency changes along the burst, over drifts, modulations and burst
 *   lengths
 *   echo    SNR that the payload sees when a second ray comes up to 4 symbols late
 *   soak    COUNT bursts one after the other at 12 dB, with checked headers: all must come out, memory must not grow
 *   noise   false preambles in COUNT million samples of noise */
#include <srec/srec.h>

#include "../../lib/core/codec/model_internal.h"

#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEED 40u

static const unsigned LADDER[] = { 200 };
static const srec_model *model;

static double uniform(double low, double high) { return low + (high - low) * (rand() / (RAND_MAX + 1.0)); }

static srec_impairment_set extra; /* echo and fading, where a curve wants them */
static double extra_drift;        /* of the carrier along a burst, symbol rates */

static void check(int failed)
{
    if (failed) {
        fprintf(stderr, "sync_curve: failed\n");
        exit(1);
    }
}

/* A frame of n patches of 200 bytes as symbols: a divisor or a multiple of 16, at most 144. \return symbols */
static size_t make_frame(srec_modulation m, uint32_t patches, float *symbols)
{
    static srec_packet_encoder *e;
    static uint64_t packet;
    static uint8_t map[4096], payload[SREC_FRAME_MAX], frame[SREC_FRAME_MAX];
    srec_error error;
    if (!e) {
        srec_key key;
        srec_key_from_seed(&key, SEED);
        check(srec_packet_encoder_create(&key, SEED, &e, NULL));
    }
    srec_slice slice = { srec_model_id(model), 0, 16, 16, 3, SREC_FEATURES_BITS, 0, 1, 16, map };
    slice.width = 64; /* four patches in a row */
    slice.height = patches > 16 ? 4 * patches : 64;
    slice.n_slices = patches > 16 ? 1 : 16 / patches;
    slice.n_patches = patches;
    size_t n = srec_slice_bytes(model, &slice), n_frame;
    for (size_t i = 0; i < n; i++)
        payload[i] = (uint8_t)(rand() >> 8);
    check(srec_packet_encode(e,
                             &(srec_packet_content){ .modulation = m,
                                                     .cipher = SREC_CIPHER_ADD,
                                                     .packet = packet++,
                                                     .slice = &slice,
                                                     .payload = payload,
                                                     .n_payload = n },
                             frame, sizeof frame, &n_frame, &error));
    check(srec_modem_map(m, frame, n_frame, symbols));
    return srec_modem_symbols(m, n_frame);
}

typedef struct {
    unsigned found;
    srec_burst burst;
    const float *sent;
    size_t n_sent;
    double error; /* mean squared error of the equalised symbols */
} result;

static void take(void *context, const srec_burst *b)
{
    result *r = context;
    r->found++;
    r->burst = *b;
    r->error = 0;
    size_t n = b->n_symbols < r->n_sent ? b->n_symbols : r->n_sent;
    for (size_t i = 0; i < 2 * n; i++) {
        double d = (double)(b->iq[i] - b->gain_iq[i / 2 * 2] * r->sent[i]);
        r->error += d * d / (double)n;
    }
}

/* Let the carrier drift, \p rate symbol rates in a sample, from sample \p from on. */
static void drift(float *samples, size_t n, double rate, double from, unsigned samples_per_symbol)
{
    for (size_t i = 0; rate != 0 && i < n; i++) {
        const double t = (double)i - from,
                     turn = 6.283185307179586 * fmod(0.5 * rate / samples_per_symbol * t * t, 1.0);
        const float c = (float)cos(turn), s = (float)sin(turn), re = samples[2 * i], im = samples[2 * i + 1];
        samples[2 * i] = re * c - im * s;
        samples[2 * i + 1] = re * s + im * c;
    }
}

/* One burst with noise around it. */
static void run(srec_modulation m, const srec_waveform *w, double snr_db, double cfo, double clock_ppm, double gain_db,
                uint64_t seed, uint32_t patches, result *r)
{
    static float symbols[SREC_FRAME_MAX * 16], *samples, *received;
    static size_t room;
    srec_shaper *shaper;
    srec_sync *sync;
    srec_impairments *radio;
    const size_t n = make_frame(m, patches, symbols), silence = 3000 + (size_t)uniform(0, 500);
    check(srec_shaper_create(w, &shaper, NULL));
    const size_t body = srec_shaper_samples(shaper, n), total = body + 2 * silence;
    if (total > room) {
        room = 2 * total;
        samples = realloc(samples, 2 * room * sizeof(float));
        received = realloc(received, 2 * srec_impairments_room(room) * sizeof(float));
    }
    memset(samples, 0, 2 * total * sizeof(float));
    check(srec_shaper_run(shaper, symbols, n, samples + 2 * silence));
    const double gain = pow(10, 0.1 * gain_db);
    srec_impairment_set set = extra;
    set.cfo = (float)(cfo / w->samples_per_symbol);
    set.clock_ppm = (float)clock_ppm;
    set.gain_db = (float)gain_db;
    set.delay = (float)uniform(0, 1);
    set.noise_power = (float)(gain * w->samples_per_symbol * pow(10, -0.1 * snr_db));
    check(srec_impairments_create(&set, seed, &radio, NULL));
    size_t got;
    check(srec_impairments_apply(radio, samples, total, received, &got));
    drift(received, got, extra_drift / (double)body, (double)silence, w->samples_per_symbol);
    *r = (result){ .sent = symbols, .n_sent = n };
    check(srec_sync_create(w, m, take, r, &sync, NULL));
    for (size_t at = 0; at < got;) {
        size_t part = (size_t)uniform(1, 5000);
        if (part > got - at)
            part = got - at;
        check(srec_sync_push(sync, received + 2 * at, part));
        at += part;
    }
    check(srec_sync_flush(sync));
    srec_sync_counters c;
    srec_sync_get_counters(sync, &c);
    if (!r->found && c.preambles)
        r->found = 0x10000; /* preamble found, signal field not read */
    r->burst.sample -= (double)silence + SREC_BURST_GUARD * w->samples_per_symbol; /* 0: right but for delay and
                                                                                    * clock */
    srec_sync_free(sync);
    srec_impairments_free(radio);
    srec_shaper_free(shaper);
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void waveform(const srec_waveform *w)
{
    enum { N = 16384 };
    static float symbols[SREC_FRAME_MAX * 8], *power;
    static double spectrum[N];
    srec_shaper *shaper;
    check(srec_shaper_create(w, &shaper, NULL));
    const size_t n = make_frame(SREC_QPSK, 16, symbols), total = srec_shaper_samples(shaper, n),
                 guard = SREC_BURST_GUARD * w->samples_per_symbol;
    float *samples = malloc(2 * total * sizeof(float)), *block = fftwf_malloc(2 * N * sizeof(float));
    check(srec_shaper_run(shaper, symbols, n, samples));
    power = malloc(total * sizeof(float));
    double mean = 0;
    size_t count = 0;
    for (size_t i = guard; i < total - guard; i++) {
        power[count] = samples[2 * i] * samples[2 * i] + samples[2 * i + 1] * samples[2 * i + 1];
        mean += (double)power[count++];
    }
    mean /= (double)count;
    qsort(power, count, sizeof *power, ascending);
    printf("mean power %.3f; peak to mean %.1f dB, 99.9 %% of samples below %.1f dB\n", mean,
           10 * log10((double)power[count - 1] / mean), 10 * log10((double)power[count * 999 / 1000] / mean));
    fftwf_plan plan = fftwf_plan_dft_1d(N, (fftwf_complex *)(void *)block, (fftwf_complex *)(void *)block, FFTW_FORWARD,
                                        FFTW_ESTIMATE);
    for (size_t start = guard; start + N < total - guard; start += N / 2) {
        for (size_t i = 0; i < N; i++) {
            const double x = 6.283185307179586 * (double)i / N,
                         window = 0.35875 - 0.48829 * cos(x) + 0.14128 * cos(2 * x) - 0.01168 * cos(3 * x);
            block[2 * i] = (float)(window * (double)samples[2 * (start + i)]);
            block[2 * i + 1] = (float)(window * (double)samples[2 * (start + i) + 1]);
        }
        fftwf_execute(plan);
        for (size_t i = 0; i < N; i++)
            spectrum[i] += (double)(block[2 * i] * block[2 * i] + block[2 * i + 1] * block[2 * i + 1]);
    }
    double all = 0, inside = 0, own = 0, next = 0;
    for (size_t i = 0; i < N; i++)
        all += spectrum[i];
    size_t half = 0;
    for (inside = spectrum[0]; inside < 0.99 * all; half++)
        inside += spectrum[half + 1] + spectrum[N - 1 - half];
    const double width = 1 + (double)w->rolloff; /* of a channel, in symbol rates: own around 0, the next around
                                                  * `width` */
    for (size_t i = 0; i < N / 2; i++) {
        const double f = (double)i / N * w->samples_per_symbol;
        own += f < width / 2 ? spectrum[i] : 0;
        next += f >= width / 2 && f < 1.5 * width ? spectrum[i] : 0;
    }
    printf(
        "99 %% of the power within %.3f of the symbol rate; adjacent channel, %.2f of the symbol rate away: %.1f dB\n",
        (2.0 * (double)half + 1) / N * w->samples_per_symbol, width, 10 * log10(next / (2 * own)));
    /* of a full-size frame: 16000 bytes of 82 features a patch with their rate map */
    const size_t full = srec_modem_symbols(SREC_QPSK, 16000),
                 payload = srec_modem_symbols(SREC_QPSK, srec_packet_payload_room(SREC_QPSK, 180, 16000));
    printf("overhead of a QPSK burst of 16000 bytes: preamble and pilots %.1f %%, signal field and header (180 "
           "patches, longest map) %.1f %%\n",
           100.0 * (double)(srec_burst_symbols(full) - full) / (double)srec_burst_symbols(full),
           100.0 * (double)(full - payload) / (double)srec_burst_symbols(full));
    fftwf_destroy_plan(plan);
    fftwf_free(block);
    free(power);
    free(samples);
    srec_shaper_free(shaper);
}

static void detect(const srec_waveform *w, unsigned count)
{
    for (double snr_db = -5; snr_db <= 0; snr_db += 1)
        for (int edge = 0; edge <= 1; edge++) {
            unsigned found = 0;
            for (unsigned i = 0; i < count; i++) {
                result r;
                double cfo = edge ? (i % 2 ? 0.1 : -0.1) : uniform(-0.1, 0.1);
                run(SREC_BPSK, w, snr_db, cfo, uniform(-50, 50), uniform(-60, 0), i, 1, &r);
                found += r.found > 0;
            }
            printf("%3.0f dB, CFO %s: %u of %u found\n", snr_db, edge ? "+-0.1       " : "within +-0.1", found, count);
            fflush(stdout);
        }
}

static void loss(const srec_waveform *w, unsigned count)
{
    for (double snr_db = 0; snr_db <= 20; snr_db += 4) {
        double inverse = 0, cfo2 = 0, ppm2 = 0, n0 = 0;
        unsigned found = 0;
        for (unsigned i = 0; i < count; i++) {
            result r;
            double cfo = uniform(-0.1, 0.1), ppm = uniform(-50, 50);
            run(SREC_QPSK, w, snr_db, cfo, ppm, uniform(-60, 0), i, 16, &r);
            if (r.found != 1)
                continue;
            found++;
            inverse += r.error;
            n0 += (double)r.burst.n0;
            cfo2 += (r.burst.cfo - cfo) * (r.burst.cfo - cfo);
            ppm2 += (r.burst.clock_ppm - ppm) * (r.burst.clock_ppm - ppm);
        }
        printf("%3.0f dB: %u of %u found, SNR after %.2f dB (loss %.2f), n0 told %.2f dB, rms error: CFO %.1e "
               "cycles/symbol, clock %.1f ppm\n",
               snr_db, found, count, -10 * log10(inverse / found), snr_db + 10 * log10(inverse / found),
               -10 * log10(n0 / found), sqrt(cfo2 / found), sqrt(ppm2 / found));
        fflush(stdout);
    }
}

static void drifts(const srec_waveform *w, unsigned count)
{
    static const struct {
        srec_modulation modulation;
        uint32_t patches;
        double snr_db;
    } bursts[] = {
        { SREC_BPSK, 144, 0 },   { SREC_QPSK, 1, 0 },      { SREC_QPSK, 16, 0 },     { SREC_QPSK, 144, 0 },
        { SREC_QPSK, 1, 10 },    { SREC_QPSK, 16, 10 },    { SREC_QPSK, 144, 10 },   { SREC_16QAM, 16, 10 },
        { SREC_64QAM, 128, 10 }, { SREC_256QAM, 128, 10 }, { SREC_QPSK, 16, 20 },    { SREC_16QAM, 144, 20 },
        { SREC_64QAM, 16, 20 },  { SREC_256QAM, 16, 20 },  { SREC_256QAM, 128, 20 }, { SREC_PAM256, 16, 20 },
    };
    static const double percent[] = { 0, 0.2, 1, 2, 3, 5 };
    for (size_t b = 0; b < sizeof bursts / sizeof *bursts; b++) {
        const srec_modulation m = bursts[b].modulation;
        printf("%-6s of %5u bytes, %2.0f dB:", srec_modulation_name(m), 200 * bursts[b].patches, bursts[b].snr_db);
        for (size_t p = 0; p < sizeof percent / sizeof *percent; p++) {
            double inverse = 0, told = 0;
            unsigned found = 0;
            for (unsigned i = 0; i < count; i++) {
                result r;
                extra_drift = 0.01 * (i % 2 ? percent[p] : -percent[p]);
                run(m, w, bursts[b].snr_db, uniform(-0.09, 0.09), uniform(-50, 50), uniform(-60, 0), i,
                    bursts[b].patches, &r);
                if (r.found != 1)
                    continue;
                found++;
                inverse += r.error;
                told += pow(10, -0.1 * (double)r.burst.snr_db);
            }
            printf("  %.1f %% %u found %.2f (told %.2f)", percent[p], found, -10 * log10(inverse / found),
                   -10 * log10(told / found));
            fflush(stdout);
        }
        printf("\n");
    }
    extra_drift = 0;
}

static void echo(const srec_waveform *w, unsigned count)
{
    for (double snr_db = 5; snr_db <= 25; snr_db += 10)
        for (double level = -12; level <= -3; level += 3) {
            double inverse = 0;
            unsigned found = 0;
            for (unsigned i = 0; i < count; i++) {
                result r;
                extra.echo_delay = 1 + (unsigned)uniform(0, 4 * w->samples_per_symbol);
                extra.echo_db = (float)level;
                extra.echo_phase = (float)uniform(-3.14, 3.14);
                run(SREC_QPSK, w, snr_db, uniform(-0.1, 0.1), uniform(-50, 50), uniform(-60, 0), i, 16, &r);
                found += r.found == 1;
                inverse += r.found == 1 ? r.error : 0;
            }
            printf("%3.0f dB, echo of %3.0f dB up to 4 symbols late: %u of %u found, SNR after %.2f dB\n", snr_db,
                   level, found, count, -10 * log10(inverse / found));
            fflush(stdout);
        }
    extra.echo_delay = 0;
}

static void noise(const srec_waveform *w, unsigned millions)
{
    static float samples[2 * 65536];
    result r = { 0 };
    srec_sync *sync;
    srec_channel *channel;
    check(srec_sync_create(w, SREC_QPSK, take, &r, &sync, NULL));
    check(srec_channel_create(SREC_CHANNEL_AWGN, 0, SEED, 1, &channel, NULL));
    clock_t begin = clock();
    double generating = 0;
    for (uint64_t done = 0; done < (uint64_t)millions * 1000000; done += 65536) {
        clock_t t = clock();
        memset(samples, 0, sizeof samples);
        srec_channel_apply(channel, samples, samples, NULL, 65536);
        generating += (double)(clock() - t) / CLOCKS_PER_SEC;
        check(srec_sync_push(sync, samples, 65536));
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC - generating;
    srec_sync_counters c;
    srec_sync_get_counters(sync, &c);
    printf("%u million samples: %llu candidates, %llu false preambles, %llu bursts; %.1f Msamples/s\n", millions,
           (unsigned long long)c.candidates, (unsigned long long)c.preambles, (unsigned long long)c.bursts,
           millions / seconds);
    srec_channel_free(channel);
    srec_sync_free(sync);
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool authentic(void *key, const float *soft, size_t n_bytes)
{
    srec_signal signal;
    return srec_packet_authenticate(key, SREC_QPSK, soft, n_bytes, &signal) == SREC_OK;
}

/* One burst in three is long. Two of three follow their predecessor without a gap. */
static void soak(const srec_waveform *w, unsigned count)
{
    static float symbols[SREC_FRAME_MAX * 8];
    const double snr_db = 12;
    srec_key key;
    srec_shaper *shaper;
    srec_sync *sync;
    srec_impairments *radio;
    result r = { 0 };
    check(srec_shaper_create(w, &shaper, NULL));
    check(srec_sync_create(w, SREC_QPSK, take, &r, &sync, NULL));
    srec_key_from_seed(&key, SEED);
    srec_sync_set_check(sync, authentic, &key); /* the search then continues inside each burst */
    srec_impairment_set set = { .cfo = 0.001f,
                                .clock_ppm = -20,
                                .gain_db = -20,
                                .noise_power = (float)(0.01 * w->samples_per_symbol * pow(10, -0.1 * snr_db)) };
    check(srec_impairments_create(&set, SEED, &radio, NULL));
    float *samples = NULL, *received = NULL;
    long early = 0;
    for (unsigned i = 0; i < count; i++) {
        const size_t n = make_frame(SREC_QPSK, i % 3 ? 1 : 4, symbols),
                     silence = i % 3 == 1 ? (size_t)uniform(0, 2000) : 0,
                     total = srec_shaper_samples(shaper, n) + silence;
        samples = realloc(samples, 2 * total * sizeof(float));
        received = realloc(received, 2 * srec_impairments_room(total) * sizeof(float));
        memset(samples, 0, 2 * silence * sizeof(float));
        check(srec_shaper_run(shaper, symbols, n, samples + 2 * silence));
        size_t got;
        check(srec_impairments_apply(radio, samples, total, received, &got));
        check(srec_sync_push(sync, received, got));
        if (i == count / 10)
            early = resident_kb();
    }
    const long late = resident_kb();
    check(srec_sync_flush(sync));
    srec_sync_counters c;
    srec_sync_get_counters(sync, &c);
    printf("%u bursts at %.0f dB: %llu received, %llu unreadable, %llu truncated; memory %ld kB after a tenth, %ld kB "
           "at the end\n",
           count, snr_db, (unsigned long long)c.bursts, (unsigned long long)c.unreadable,
           (unsigned long long)c.truncated, early, late);
    free(samples);
    free(received);
    srec_impairments_free(radio);
    srec_sync_free(sync);
    srec_shaper_free(shaper);
    check(c.bursts != count || late > early + 1024);
}

int main(int argc, char **argv)
{
    srec_waveform w;
    srec_model *m;
    srec_waveform_default(&w);
    check(srec_model_create_bare(LADDER, 1, NULL, NULL, 1, &m));
    model = m;
    srand(SEED);
    const unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100;
    if (argc > 3)
        w.samples_per_symbol = (unsigned)strtoul(argv[3], NULL, 10);
    if (argc > 1 && strcmp(argv[1], "waveform") == 0)
        waveform(&w);
    else if (argc > 1 && strcmp(argv[1], "detect") == 0)
        detect(&w, count);
    else if (argc > 1 && strcmp(argv[1], "loss") == 0)
        loss(&w, count);
    else if (argc > 1 && strcmp(argv[1], "drift") == 0)
        drifts(&w, count);
    else if (argc > 1 && strcmp(argv[1], "echo") == 0)
        echo(&w, count);
    else if (argc > 1 && strcmp(argv[1], "soak") == 0)
        soak(&w, count);
    else if (argc > 1 && strcmp(argv[1], "noise") == 0)
        noise(&w, count);
    else {
        fprintf(stderr, "usage: sync_curve waveform|detect|loss|drift|echo|soak|noise [COUNT [SAMPLES_PER_SYMBOL]]\n");
        return 2;
    }
    srec_model_free(m);
    return 0;
}
