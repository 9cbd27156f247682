/* SPDX-License-Identifier: GPL-3.0-or-later */
/* header_fer [FRAMES]: share of frames whose signal field or header is lost over AWGN, per modulation and SNR; the
 * table of
 * docs/packet-format.md. Frames describe 64 patches with a lively rate map; the payload is as short as the map
 * allows. */
#include <srec/channel.h>
#include <srec/packet.h>

#include "../../lib/core/codec/model_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const unsigned LADDER[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
#define PATCHES 64u
#define SEED    20u

/* \return frames lost of \p frames */
static unsigned lost(srec_modulation m, float snr_db, unsigned frames, const srec_model *model)
{
    srec_key key;
    srec_packet_encoder *e;
    srec_packet_decoder *d;
    srec_channel *channel;
    srec_error error;
    srec_key_from_seed(&key, SEED);
    if (srec_packet_encoder_create(&key, SEED, &e, NULL) || srec_packet_decoder_create(&key, model, &d, NULL) ||
        srec_channel_create(SREC_CHANNEL_AWGN, snr_db, SEED + (unsigned)m, 1, &channel, NULL))
        exit(1);
    static uint8_t map[PATCHES], payload[PATCHES * 16], frame[SREC_FRAME_MAX];
    static float iq[SREC_FRAME_MAX * 8], soft[SREC_FRAME_MAX * 8];
    srand(SEED);
    for (unsigned i = 0; i < frames; i++) {
        for (unsigned p = 0; p < PATCHES; p++)
            map[p] = (uint8_t)(rand() >> 8) & 15;
        /* an image of 16 x 16 patches in 4 slices */
        srec_slice slice = { srec_model_id(model),
                             i,
                             256,
                             256,
                             3,
                             m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS,
                             i % 4,
                             4,
                             PATCHES,
                             map };
        size_t n = srec_slice_bytes(model, &slice), n_frame;
        for (size_t k = 0; k < n; k++)
            payload[k] = (uint8_t)(rand() >> 8);
        if (srec_packet_encode(e,
                               &(srec_packet_content){ .modulation = m,
                                                       .cipher = SREC_CIPHER_ADD,
                                                       .packet = i,
                                                       .slice = &slice,
                                                       .payload = payload,
                                                       .n_payload = n },
                               frame, sizeof frame, &n_frame, &error)) {
            fprintf(stderr, "%s\n", error.message);
            exit(1);
        }
        size_t symbols = srec_modem_symbols(m, n_frame);
        srec_packet packet;
        srec_modem_map(m, frame, n_frame, iq);
        srec_channel_apply(channel, iq, iq, NULL, symbols);
        srec_modem_demap(m, iq, NULL, powf(10.0f, -0.1f * snr_db), symbols, soft);
        srec_packet_decode(d, m, soft, n_frame, &packet);
    }
    srec_packet_counters c;
    srec_packet_decoder_get_counters(d, &c);
    srec_packet_encoder_free(e);
    srec_packet_decoder_free(d);
    srec_channel_free(channel);
    return frames - (unsigned)c.accepted;
}

int main(int argc, char **argv)
{
    const unsigned frames = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    const struct {
        srec_modulation m;
        float first_db;
    } rows[] = { { SREC_BPSK, -7 }, { SREC_QPSK, -4 },  { SREC_16QAM, -2 },
                 { SREC_64QAM, 0 }, { SREC_256QAM, 2 }, { SREC_PAM256, -2 } };
    srec_model *model;
    if (srec_model_create_bare(LADDER, 16, NULL, NULL, 1, &model))
        return 1;
    for (unsigned r = 0; r < sizeof rows / sizeof *rows; r++) {
        printf("%-7s", srec_modulation_name(rows[r].m));
        for (unsigned k = 0; k < 6; k++) {
            float snr_db = rows[r].first_db + (float)k;
            printf(" | %4.0f dB %.3f", (double)snr_db, lost(rows[r].m, snr_db, frames, model) / (double)frames);
            fflush(stdout);
        }
        printf("\n");
    }
    srec_model_free(model);
    return 0;
}
