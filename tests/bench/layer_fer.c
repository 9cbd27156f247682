/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layer_fer [PACKETS [MODULATION [THRESHOLD_DB [ABOVE_DB]]]]: packets of layers that are lost over bursts.
 *
 * The packets have the default length and the code rate whose threshold is THRESHOLD_DB (3.5). Each one travels as a
 * burst at THRESHOLD_DB + ABOVE_DB (0.5), with impairments at random: carrier offset up to 0.08 cycles per symbol,
 * clock offset up to 50 ppm, level -30 .. -12 dB, delay, phase noise, IQ imbalance, DC, quantisation to 12 bits. Prints
 * the counters. The exit code is 1 if 1 of 1000 packets or more are lost, or if a payload is wrong. */
#include <srec/layer_packet.h>
#include <srec/layer_plan.h>
#include <srec/srec.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED   50u
#define PIECES 60000u

static double uniform(double low, double high) { return low + (high - low) * (rand() / (RAND_MAX + 1.0)); }

static void check(int failed)
{
    if (failed) {
        fprintf(stderr, "layer_fer: failed\n");
        exit(1);
    }
}

typedef struct {
    srec_key key; /* outlives the decoder */
    srec_modulation modulation;
    double code_rate;
    size_t n_piece; /* bytes */
    srec_packet_encoder *encoder_heads;
    srec_layer_packet_encoder *encoder;
    srec_packet_decoder *decoder_heads;
    srec_layer_packet_decoder *decoder;
    srec_shaper *shaper;
    srec_sync *sync;
    srec_waveform waveform;
    unsigned wrong; /* accepted payloads that are not those sent */
    double snr_sum; /* of the bursts, dB */
} link_state;

/* The bytes of a piece follow from its number. */
static void fill(uint8_t *bytes, size_t n, uint64_t number)
{
    uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)(x >> 32);
    }
}

static void take(void *context, const srec_burst *burst)
{
    static float soft[SREC_FRAME_MAX * 8];
    static uint8_t sent[SREC_LAYERS_PIECE_BYTES_MAX];
    link_state *l = context;
    const size_t n_soft = burst->n_symbols * srec_modem_soft_per_symbol(l->modulation);
    srec_layer_packet packet;
    l->snr_sum += (double)burst->snr_db;
    if (n_soft > sizeof soft / sizeof *soft)
        return;
    check(srec_modem_demap(l->modulation, burst->iq, burst->gain_iq, burst->n0, burst->n_symbols, soft));
    if (srec_layer_packet_decode(l->decoder, l->modulation, soft, n_soft / 8, &packet) != SREC_OK)
        return; /* counted */
    fill(sent, l->n_piece, packet.signal.packet);
    l->wrong += packet.piece.n_bytes != l->n_piece || memcmp(sent, packet.piece.bytes, l->n_piece) != 0;
}

static void open_link(link_state *l)
{
    srec_key_from_seed(&l->key, SEED);
    srec_waveform_default(&l->waveform);
    check(srec_packet_encoder_create(&l->key, SEED, &l->encoder_heads, NULL));
    check(srec_layer_packet_encoder_create(&l->key, l->encoder_heads, &l->encoder, NULL));
    check(srec_packet_decoder_create(&l->key, NULL, &l->decoder_heads, NULL));
    check(srec_layer_packet_decoder_create(l->decoder_heads, 0, &l->decoder, NULL));
    check(srec_shaper_create(&l->waveform, &l->shaper, NULL));
    check(srec_sync_create(&l->waveform, l->modulation, take, l, &l->sync, NULL));
}

static void close_link(link_state *l)
{
    srec_sync_free(l->sync);
    srec_shaper_free(l->shaper);
    srec_layer_packet_decoder_free(l->decoder);
    srec_packet_decoder_free(l->decoder_heads);
    srec_layer_packet_encoder_free(l->encoder);
    srec_packet_encoder_free(l->encoder_heads);
}

/* \return symbols of the frame */
static size_t make_frame(link_state *l, uint64_t number, float *symbols)
{
    static uint8_t piece[SREC_LAYERS_PIECE_BYTES_MAX], frame[SREC_FRAME_MAX];
    srec_layer_packet p = { .scale = 1, .format = { 768, 512, 3, 1 } };
    size_t n_frame;
    fill(piece, l->n_piece, number);
    p.piece.index = (uint32_t)(number % PIECES);
    p.piece.n_data = PIECES;
    p.piece.bytes = piece;
    p.piece.n_bytes = l->n_piece;
    p.signal.modulation = l->modulation;
    p.signal.cipher = SREC_CIPHER_ADD;
    p.signal.packet = number;
    p.signal.payload_bytes = (uint16_t)srec_layer_packet_coded_bytes(l->n_piece, l->code_rate);
    check(srec_layer_packet_encode(l->encoder, &p, frame, sizeof frame, &n_frame, NULL));
    check(srec_modem_map(l->modulation, frame, n_frame, symbols));
    return srec_modem_symbols(l->modulation, n_frame);
}

static srec_impairment_set radio_at(const link_state *l, double snr_db)
{
    const double gain_db = uniform(-30, -12), level = pow(10, 0.05 * gain_db);
    const unsigned sps = l->waveform.samples_per_symbol;
    return (srec_impairment_set){
        .cfo = (float)(uniform(-0.08, 0.08) / sps),
        .clock_ppm = (float)uniform(-50, 50),
        .delay = (float)uniform(0, 1),
        .phase_noise = 1e-7f,
        .gain_db = (float)gain_db,
        .noise_power = (float)(level * level * sps * pow(10, -0.1 * snr_db)),
        .iq_gain_db = (float)uniform(-0.2, 0.2),
        .iq_phase = (float)uniform(-0.02, 0.02),
        .dc_re = (float)(uniform(-0.02, 0.02) * level),
        .dc_im = (float)(uniform(-0.02, 0.02) * level),
        .bits = 12,
    };
}

static void send(link_state *l, unsigned count, double snr_db)
{
    static float symbols[SREC_FRAME_MAX * 16];
    float *samples = NULL, *received = NULL;
    for (unsigned i = 0; i < count; i++) {
        const size_t n = make_frame(l, i, symbols), silence = (size_t)uniform(100, 2000),
                     total = srec_shaper_samples(l->shaper, n) + silence;
        samples = realloc(samples, 2 * total * sizeof(float));
        received = realloc(received, 2 * srec_impairments_room(total) * sizeof(float));
        check(!samples || !received);
        memset(samples, 0, 2 * silence * sizeof(float));
        check(srec_shaper_run(l->shaper, symbols, n, samples + 2 * silence));
        const srec_impairment_set set = radio_at(l, snr_db);
        srec_impairments *radio;
        size_t got;
        check(srec_impairments_create(&set, SEED + i, &radio, NULL));
        check(srec_impairments_apply(radio, samples, total, received, &got));
        srec_impairments_free(radio);
        check(srec_sync_push(l->sync, received, got));
    }
    check(srec_sync_flush(l->sync));
    free(samples);
    free(received);
}

/* \return whether the bar is missed */
static int report(const link_state *l, unsigned count, double snr_db)
{
    srec_sync_counters s;
    srec_packet_counters p;
    srec_sync_get_counters(l->sync, &s);
    srec_packet_decoder_get_counters(l->decoder_heads, &p);
    const unsigned long long lost = count - p.accepted;
    printf("%s, rate %.3f, %zu bytes a packet, Es/N0 %.2f dB: %u packets, %llu bursts (%.2f dB in the mean), "
           "%llu lost: %llu without a burst (%llu signal fields unreadable), %llu header, %llu uncorrected, %llu bad "
           "tag; %u wrong\n",
           srec_modulation_name(l->modulation), l->code_rate, l->n_piece, snr_db, count, (unsigned long long)s.bursts,
           l->snr_sum / (double)(s.bursts ? s.bursts : 1), lost, (unsigned long long)(count - s.bursts),
           (unsigned long long)s.unreadable, (unsigned long long)(p.damaged + p.forged),
           (unsigned long long)p.uncorrected, (unsigned long long)p.bad_tag, l->wrong);
    return lost * 1000 >= count || l->wrong;
}

int main(int argc, char **argv)
{
    const unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    const double threshold_db = argc > 3 ? atof(argv[3]) : 3.5, above_db = argc > 4 ? atof(argv[4]) : 0.5;
    link_state l = { .modulation = SREC_QPSK };
    if (argc > 5 || !count || (argc > 2 && srec_modulation_parse(argv[2], &l.modulation) != SREC_OK)) {
        fprintf(stderr, "usage: layer_fer [PACKETS [MODULATION [THRESHOLD_DB [ABOVE_DB]]]]\n");
        return 2;
    }
    srand(SEED);
    l.code_rate = srec_layer_code_rate(l.modulation, (float)threshold_db);
    const double n_payload = SREC_LAYER_FRAME_SYMBOLS * (double)srec_modem_bits_per_symbol(l.modulation) / 8;
    l.n_piece = (size_t)(n_payload * l.code_rate) - SREC_LAYER_TAG_BYTES;
    open_link(&l);
    send(&l, count, threshold_db + above_db);
    const int missed = report(&l, count, threshold_db + above_db);
    close_link(&l);
    return missed;
}
