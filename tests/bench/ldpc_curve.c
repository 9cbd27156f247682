/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Thresholds of the LDPC codes over AWGN, with the product's own mapper and LLRs: the tables of docs/ldpc.md.
 *
 *      ldpc_curve blocks [FAILURES]    Es/N0 at which 1 of 100 blocks of 8448 bits fails; and payloads of 120 bytes
 *      ldpc_curve packets [FAILURES]   Es/N0 at which 1 of 1000 packets of the default length fails, and in brackets
 *                                      the threshold that the transmitter uses; about 10 minutes of one core
 *      ldpc_curve repeats [FAILURES]   as blocks, after 1, 2 and 4 transmissions with redundancy versions 0, 1, ...
 *
 *  The program changes the SNR in steps of 0.1 dB, counts until FAILURES (default 30, for packets 10)
 *  payloads have failed or enough have not, and interpolates the logarithm of the failure rate. Seeds are fixed. */
#include <srec/channel.h>
#include <srec/layer_plan.h>
#include <srec/ldpc.h>
#include <srec/modem.h>

#include "../../lib/core/packet/layer_packet_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_DB     0.1f
#define BLOCK_BYTES 1056u /* 8448 bits */

static const struct {
    const char *name;
    double value;
} rates[] = { { "1/3", 1.0 / 3 }, { "1/2", 1.0 / 2 }, { "2/3", 2.0 / 3 },
              { "3/4", 3.0 / 4 }, { "5/6", 5.0 / 6 }, { "8/9", 8.0 / 9 } };
#define RATES (sizeof rates / sizeof *rates)

/* What one measurement needs. */
typedef struct {
    srec_modulation modulation;
    srec_ldpc_code code;
    srec_ldpc_encoder *encoder;
    srec_ldpc_decoder *decoder;
    unsigned n_transmissions;
    size_t n_symbols;
    uint8_t *info, *decoded, *bits, *frame;
    float *iq, *soft;
    int8_t *llr;
    int8_t *ordered; /* (n_transmissions, coded_bits) */
} link;

static void must(srec_status status)
{
    if (status == SREC_OK)
        return;
    fprintf(stderr, "ldpc_curve: %s\n", srec_strerror(status));
    exit(1);
}

static void *room(size_t n)
{
    void *p = calloc(n, 1);
    if (!p)
        must(SREC_ERR_MEMORY);
    return p;
}

static void open_link(link *l, srec_modulation m, size_t info_bytes, double rate, unsigned iterations,
                      unsigned n_transmissions)
{
    const size_t granule = srec_modem_byte_granule(m);
    const size_t coded = (size_t)ceil((double)info_bytes / rate - 1e-9);
    const size_t padded = (coded + granule - 1) / granule * granule;
    const srec_ldpc_options options = { iterations, SREC_LDPC_ATTEMPTS_MAX, 0 };
    *l = (link){
        .modulation = m,
        .n_transmissions = n_transmissions,
        .n_symbols = srec_modem_symbols(m, padded),
    };
    must(srec_ldpc_code_for(info_bytes, coded, &l->code));
    must(srec_ldpc_encoder_create(&l->encoder, NULL));
    must(srec_ldpc_decoder_create(&options, &l->decoder, NULL));
    l->info = room(info_bytes);
    l->decoded = room(info_bytes);
    l->bits = room(8 * padded);
    l->frame = room(padded);
    l->iq = room(2 * l->n_symbols * sizeof(float));
    l->soft = room(8 * padded * sizeof(float));
    l->llr = room(8 * padded);
    l->ordered = room(n_transmissions * l->code.coded_bits);
}

static void close_link(link *l)
{
    srec_ldpc_encoder_free(l->encoder);
    srec_ldpc_decoder_free(l->decoder);
    free(l->info);
    free(l->decoded);
    free(l->bits);
    free(l->frame);
    free(l->iq);
    free(l->soft);
    free(l->llr);
    free(l->ordered);
}

/* One transmission of l->info. \param[out] ordered (coded_bits) */
static void transmit(link *l, srec_channel *channel, float n0, uint8_t redundancy_version, int8_t *ordered)
{
    must(srec_ldpc_encode(l->encoder, &l->code, redundancy_version, l->info, l->bits));
    const size_t bytes = l->code.coded_bits / 8;
    srec_layer_interleave(l->bits, 8 * bytes, l->frame);
    const size_t frame_bytes = l->n_symbols * srec_modem_bits_per_symbol(l->modulation) / 8;
    must(srec_modem_map(l->modulation, l->frame, frame_bytes, l->iq));
    srec_channel_apply(channel, l->iq, l->iq, NULL, l->n_symbols);
    must(srec_modem_demap(l->modulation, l->iq, NULL, n0, l->n_symbols, l->soft));
    srec_ldpc_quantise(l->soft, l->code.coded_bits, l->llr);
    srec_layer_deinterleave(l->llr, l->code.coded_bits, ordered);
}

/* \return 1 if the payload is lost */
static unsigned send(link *l, srec_channel *channel, float n0)
{
    srec_ldpc_transmission all[SREC_LDPC_TRANSMISSIONS_MAX];
    for (size_t i = 0; i < l->code.info_bytes; i++)
        l->info[i] = (uint8_t)(rand() >> 8);
    for (unsigned v = 0; v < l->n_transmissions; v++) {
        int8_t *ordered = l->ordered + v * l->code.coded_bits;
        transmit(l, channel, n0, (uint8_t)v, ordered);
        all[v] = (srec_ldpc_transmission){ ordered, (uint8_t)v };
    }
    srec_ldpc_decode(l->decoder, &l->code, all, l->n_transmissions, l->decoded, NULL);
    return memcmp(l->info, l->decoded, l->code.info_bytes) != 0;
}

/* Share of payloads lost, from at most \p most of them. */
static double failure_rate(link *l, float snr_db, unsigned failures, unsigned most)
{
    unsigned lost = 0;
    unsigned sent = 0;
    srec_channel *channel;
    must(srec_channel_create(SREC_CHANNEL_AWGN, snr_db, (uint64_t)(int64_t)lrintf(100 * snr_db) + 100000, 1, &channel,
                             NULL));
    for (; sent < most && lost < failures; sent++)
        lost += send(l, channel, powf(10.0f, -0.1f * snr_db));
    srec_channel_free(channel);
    return lost ? (double)lost / sent : 0.3 / sent;
}

/* Es/N0 at which the share of lost payloads is \p target, from above. */
static double threshold(link *l, float start_db, unsigned failures, double target)
{
    double before = 0;
    for (float snr_db = start_db;; snr_db -= STEP_DB) {
        const double rate = failure_rate(l, snr_db, failures, (unsigned)(3.0 * failures / target));
        if (rate > target) {
            if (before <= 0)
                return NAN; /* the start was too low */
            const double x = log(target / before) / log(rate / before);
            return (double)snr_db + (double)STEP_DB * (1 - x);
        }
        before = rate;
    }
}

/* The same from below, where few payloads need to be sent. */
static double threshold_from_below(link *l, double start_db, unsigned failures, double target)
{
    const unsigned most = (unsigned)(failures / target);
    double before = 0;
    for (double snr_db = start_db;; snr_db += (double)STEP_DB) {
        const double rate = failure_rate(l, (float)snr_db, failures, most);
        if (rate <= target) {
            if (before <= 0)
                return NAN; /* the start was too high */
            const double x = log(target / before) / log(rate / before);
            return snr_db - (double)STEP_DB * (1 - x);
        }
        before = rate;
    }
}

/* Shannon's limit of the spectral efficiency, and a margin. */
static float start_of(srec_modulation m, double rate, double margin_db)
{
    const double efficiency = rate * srec_modem_bits_per_symbol(m);
    return (float)(10 * log10(pow(2, efficiency) - 1) + margin_db);
}

static void table(size_t info_bytes, unsigned failures, double target, unsigned iterations)
{
    printf("| %zu bytes, %u iterations, %g |", info_bytes, iterations, target);
    for (size_t r = 0; r < RATES; r++)
        printf(" %s |", rates[r].name);
    printf("\n");
    for (srec_modulation m = SREC_BPSK; m <= SREC_256QAM; m++) {
        printf("| %s |", srec_modulation_name(m));
        for (size_t r = 0; r < RATES; r++) {
            link l;
            open_link(&l, m, info_bytes, rates[r].value, iterations, 1);
            double at = NAN;
            for (double margin = info_bytes < 500 ? 4.0 : 2.5; isnan(at); margin += 1.0)
                at = threshold(&l, start_of(m, rates[r].value, margin), failures, target);
            printf(" %.2f |", at);
            fflush(stdout);
            close_link(&l);
        }
        printf("\n");
    }
}

/* ---- repeats ----------------------------------------------------------------------------------------------------- */

/* Thresholds of the sum of several transmissions, and after each the gain. */
static void repeats_table(unsigned failures)
{
    static const double repeated_rates[] = { 1.0 / 2, 8.0 / 9 };
    printf("| %u bytes, 1e-2 | 1/2: 1 | 2 | 4 | 8/9: 1 | 2 | 4 |\n", BLOCK_BYTES);
    for (srec_modulation m = SREC_BPSK; m <= SREC_256QAM; m++) {
        printf("| %s |", srec_modulation_name(m));
        for (size_t r = 0; r < 2; r++) {
            double alone = NAN;
            for (unsigned n = 1; n <= 4; n *= 2) {
                link l;
                srand(1);
                open_link(&l, m, BLOCK_BYTES, repeated_rates[r], 20, n);
                double at = NAN;
                for (double margin = 0.5; isnan(at); margin -= 0.5)
                    at = threshold_from_below(&l, (double)start_of(m, repeated_rates[r] / n, margin), failures, 1e-2);
                alone = n == 1 ? at : alone;
                printf(n == 1 ? " %.2f |" : " %.2f (%.2f) |", at, alone - at);
                fflush(stdout);
                close_link(&l);
            }
        }
        printf("\n");
    }
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

#define PACKET_TARGET 1e-3

/* Measured thresholds, and after each the one that the transmitter uses. */
static void packet_table(unsigned failures)
{
    for (srec_modulation m = SREC_BPSK; m <= SREC_256QAM; m++) {
        const size_t coded = SREC_LAYER_FRAME_SYMBOLS * srec_modem_bits_per_symbol(m) / 8;
        printf("| %s |", srec_modulation_name(m));
        for (size_t r = 0; r < RATES; r++) {
            link l;
            const double used_db = (double)srec_layer_threshold_db(m, rates[r].value);
            double at = NAN;
            srand(1);
            open_link(&l, m, (size_t)((double)coded * rates[r].value), rates[r].value, 20, 1);
            for (double start_db = used_db - 0.3; isnan(at); start_db -= 0.3)
                at = threshold_from_below(&l, start_db, failures, PACKET_TARGET);
            printf(" %.2f (%.2f) |", at, used_db);
            fflush(stdout);
            close_link(&l);
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    const bool packets = argc > 1 && strcmp(argv[1], "packets") == 0;
    const unsigned failures = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : packets ? 10 : 30;
    srand(1);
    if (argc > 1 && failures && strcmp(argv[1], "blocks") == 0) {
        table(BLOCK_BYTES, failures, 1e-2, 20);
        table(BLOCK_BYTES, failures, 1e-2, 8);
        table(120, failures, 1e-2, 20);
    } else if (packets && failures) {
        packet_table(failures);
    } else if (argc > 1 && failures && strcmp(argv[1], "repeats") == 0) {
        repeats_table(failures);
    } else {
        fprintf(stderr, "usage: ldpc_curve blocks|packets|repeats [FAILURES]\n");
        return 2;
    }
    return 0;
}
