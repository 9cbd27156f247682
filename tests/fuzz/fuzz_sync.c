/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The synchroniser against whatever samples there are. Input:
 *
 *     0    modulation (mod 6), with a check of the headers (/ 6 mod 2), a flush in the middle (/ 12 mod 2)
 *     1    samples per symbol (2 + mod 4), roll-off (/ 4 mod 4)
 *     2    samples of a push (times 64, plus 1)
 *     3..  pieces of the stream, four bytes each: kind, length, level, detail; RAW is followed by its floats
 */
#include "../../lib/core/codec/model_internal.h"

#include <srec/srec.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOISE, BURST, HEAD, RAW, CONSTANT, CHIRPS, CLICKS, REPEAT, KINDS };
#define SAMPLES_MAX 20000u /* of a stream: sanitizers are slow */

static const unsigned ladder[] = { 1, 4, 9 };

static void require(bool claim)
{
    if (!claim)
        abort();
}

typedef struct {
    srec_modulation modulation;
    srec_waveform waveform;
    srec_key key;
    srec_model *model;
    srec_packet_decoder *decoder;
    uint64_t bursts, samples;
    float *stream; /* (SAMPLES_MAX, 2) */
    size_t n;      /* samples of it so far */
    uint32_t random;
} scene;

static uint32_t next_random(scene *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 17;
    s->random ^= s->random << 5;
    return s->random;
}

static float uniform(scene *s) { return (float)(next_random(s) >> 8) / 8388608.0f - 1.0f; }

/* A byte to a level: every size that a float has, and what is none. */
static float level_of(uint8_t byte)
{
    return byte == 255 ? NAN : byte == 254 ? INFINITY : ldexpf(byte & 1 ? 1.0f : -1.0f, byte - 127);
}

static bool check(void *context, const float *soft, size_t n_bytes)
{
    const scene *s = context;
    srec_signal signal;
    require(n_bytes <= SREC_FRAME_MAX);
    return srec_packet_authenticate(&s->key, s->modulation, soft, n_bytes, &signal) == SREC_OK;
}

/* Whatever is handed on must be safe to use. */
static void take(void *context, const srec_burst *b)
{
    scene *s = context;
    s->bursts++;
    require(b->n_symbols > 0 && b->n_symbols <= 8 * SREC_FRAME_MAX);
    require(b->n0 > 0 && isfinite(b->n0) && isfinite(b->snr_db) && isfinite(b->level_db));
    require(fabsf(b->cfo) <= 0.5f && isfinite(b->clock_ppm) && b->sample >= -64 && b->sample <= (double)s->samples);
    for (size_t i = 0; i < b->n_symbols; i++)
        require(isfinite(b->iq[2 * i]) && isfinite(b->iq[2 * i + 1]) && b->gain_iq[2 * i] >= 0 &&
                isfinite(b->gain_iq[2 * i]) && b->gain_iq[2 * i + 1] == 0);
    const unsigned per_symbol = srec_modem_soft_per_symbol(s->modulation);
    float *soft = malloc(b->n_symbols * per_symbol * sizeof *soft);
    srec_packet packet;
    require(soft && srec_modem_demap(s->modulation, b->iq, b->gain_iq, b->n0, b->n_symbols, soft) == SREC_OK);
    const size_t n_bytes = b->n_symbols * per_symbol / srec_modem_soft_per_byte(s->modulation);
    srec_packet_decode(s->decoder, s->modulation, soft, n_bytes, &packet);
    free(soft);
}

/* Samples of a burst of the key's or another's; its frame's first symbols only, if \p symbols is not 0. */
static void add_burst(scene *s, bool own, size_t symbols, size_t payload, float level, uint8_t detail)
{
    static uint8_t frame[SREC_FRAME_MAX], bytes[SREC_FRAME_MAX];
    static const uint8_t map[64] = { 0, 1, 2 };
    const srec_feature_format format = s->modulation == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
    const srec_slice slice = { 99, 1, 128, 128, 3, format, 0, 1, 64, map, 1 };
    srec_key other;
    srec_packet_encoder *e;
    srec_shaper *shaper;
    size_t n;
    srec_key_from_seed(&other, 2);
    require(srec_packet_encoder_create(own ? &s->key : &other, s->random, &e, NULL) == SREC_OK);
    const srec_status status = srec_packet_encode(e,
                                                  &(srec_packet_content){ .modulation = s->modulation,
                                                                          .cipher = SREC_CIPHER_ADD,
                                                                          .packet = 0,
                                                                          .slice = &slice,
                                                                          .payload = bytes,
                                                                          .n_payload = 1 + payload },
                                                  frame, sizeof frame, &n, NULL);
    srec_packet_encoder_free(e);
    if (status != SREC_OK)
        return;
    size_t n_symbols = srec_modem_symbols(s->modulation, n);
    float *iq = malloc(2 * n_symbols * sizeof *iq);
    require(iq && srec_modem_map(s->modulation, frame, n, iq) == SREC_OK);
    n_symbols = symbols && symbols < n_symbols ? symbols : n_symbols;
    require(srec_shaper_create(&s->waveform, &shaper, NULL) == SREC_OK);
    const size_t n_samples = srec_shaper_samples(shaper, n_symbols);
    float *samples = malloc(2 * n_samples * sizeof *samples);
    require(samples && srec_shaper_run(shaper, iq, n_symbols, samples) == SREC_OK);
    const float turn = (float)(detail >> 1) / 512.0f; /* up to a quarter of the sample rate */
    for (size_t i = 0; i < n_samples && s->n < SAMPLES_MAX; i++, s->n++) {
        const float c = cosf(6.2831853f * turn * (float)i), d = sinf(6.2831853f * turn * (float)i);
        const float re = samples[2 * i], im = detail & 1 ? -samples[2 * i + 1] : samples[2 * i + 1];
        s->stream[2 * s->n] = level * (re * c - im * d);
        s->stream[2 * s->n + 1] = level * (re * d + im * c);
    }
    srec_shaper_free(shaper);
    free(samples);
    free(iq);
}

/* Samples of a kind that has a formula. */
static void add_samples(scene *s, unsigned kind, size_t n, float level, uint8_t detail)
{
    const size_t from = s->n;
    for (size_t i = 0; i < n && s->n < SAMPLES_MAX; i++, s->n++) {
        float *to = s->stream + 2 * s->n;
        const float symbol =
            (float)(i % (128 * s->waveform.samples_per_symbol)) / (float)s->waveform.samples_per_symbol;
        const float angle = (detail & 1 ? 3.1415927f : -3.1415927f) * symbol * symbol / 128.0f;
        switch (kind) {
        case NOISE:
            to[0] = level * uniform(s);
            to[1] = level * uniform(s);
            break;
        case CHIRPS:
            to[0] = level * cosf(angle);
            to[1] = level * sinf(angle);
            break;
        case CLICKS:
            to[0] = i % (1u + detail) ? 0.0f : level;
            to[1] = 0;
            break;
        case REPEAT: /* what came before, once more */
            to[0] = from ? level * s->stream[2 * (i % from)] : 0;
            to[1] = from ? level * s->stream[2 * (i % from) + 1] : 0;
            break;
        default: to[0] = level; to[1] = detail & 1 ? level : 0;
        }
    }
}

/* One piece. \return bytes of the input used */
static size_t add_piece(scene *s, const uint8_t *in, size_t size)
{
    const unsigned kind = in[0] % KINDS;
    const size_t length = in[1];
    const float level = level_of(in[2]);
    switch (kind) {
    case BURST: add_burst(s, in[0] < 128, 0, length, level, in[3]); return 4;
    case HEAD: add_burst(s, in[0] < 128, 100 + 20 * length, 3000, level, in[3]); return 4;
    case RAW: {
        const size_t bytes = (size - 4) / 8 * 8 < 8 * length ? (size - 4) / 8 * 8 : 8 * length;
        const size_t room = SAMPLES_MAX - s->n, n = bytes / 8 < room ? bytes / 8 : room;
        memcpy(s->stream + 2 * s->n, in + 4, 8 * n);
        s->n += n;
        return 4 + 8 * n;
    }
    default: add_samples(s, kind, 40 * length, level, in[3]); return 4;
    }
}

static void run(scene *s, uint8_t how, size_t chunk)
{
    srec_sync *sync;
    srec_sync_counters c;
    srec_finding found[SREC_FINDINGS];
    require(srec_sync_create(&s->waveform, s->modulation, take, s, &sync, NULL) == SREC_OK);
    if (how / 6 % 2)
        srec_sync_set_check(sync, check, s);
    s->samples = 0;
    for (size_t at = 0; at < s->n; at += chunk) {
        const size_t part = s->n - at < chunk ? s->n - at : chunk;
        float *exact = malloc(2 * part * sizeof *exact); /* sanitizers see a read beyond */
        require(exact);
        memcpy(exact, s->stream + 2 * at, 2 * part * sizeof *exact);
        s->samples += part;
        require(srec_sync_push(sync, exact, part) == SREC_OK);
        free(exact);
        if (how / 12 % 2 && at / chunk == 5) {
            require(srec_sync_flush(sync) == SREC_OK);
            s->samples += 100000; /* a flush fills up with silence, which counts */
        }
    }
    require(srec_sync_flush(sync) == SREC_OK);
    srec_sync_get_counters(sync, &c);
    require(c.samples == s->n && c.absurd <= c.samples && c.bursts == s->bursts && c.inverted <= c.bursts);
    const uint64_t decided = c.bursts + c.unreadable + c.unsupported + c.foreign + c.truncated;
    require(c.preambles >= decided && c.preambles <= decided + c.skipped); /* each preamble counts once */
    require(c.preambles <= c.candidates - c.skipped + c.preambles &&
            c.preambles <= 16 + s->n / (200 * s->waveform.samples_per_symbol));
    for (size_t n = srec_sync_findings(sync, how & 1, found); n-- > 0;)
        require(srec_finding_name(found[n].kind) && strlen(found[n].text) < sizeof found[n].text - 1);
    srec_sync_free(sync);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const float rolloffs[] = { 0.25f, 0.1f, 0.5f, 1.0f };
    if (size < 3)
        return 0;
    scene s = { .modulation = (srec_modulation)(data[0] % SREC_MODULATIONS),
                .random = 1 + data[1],
                .waveform = { 2 + data[1] % 4, rolloffs[data[1] / 4 % 4] } };
    srec_key_from_seed(&s.key, 1);
    require(srec_model_create_bare(ladder, sizeof ladder / sizeof *ladder, NULL, NULL, 99, &s.model) == SREC_OK);
    require(srec_packet_decoder_create(&s.key, s.model, &s.decoder, NULL) == SREC_OK);
    s.stream = malloc(2 * SAMPLES_MAX * sizeof *s.stream);
    require(s.stream);
    for (size_t at = 3; at + 4 <= size && s.n < SAMPLES_MAX;)
        at += add_piece(&s, data + at, size - at);
    run(&s, data[0], 64u * data[2] + 1);
    free(s.stream);
    srec_packet_decoder_free(s.decoder);
    srec_model_free(s.model);
    return 0;
}
