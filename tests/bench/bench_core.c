/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Speed of the core, as JSON on standard output: bench_core MODEL PICTURE.ppm
 *
 *  Every figure is the median of several runs of one process; figures that are compared are measured in turn
 *  (A B A B ...), so that a machine whose speed drifts does not favour one. */
#include <srec/srec.h>

#include "../../lib/core/nn/nn.h"
#include "bench.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#define RUNS 7

/* Encode and decode with one precision and thread count; prints one JSON object. */
/* Median seconds of one pass through a network alone, for an image of height x width. */
static double bench_network(const srec_model *model, const srec_compute *compute, const char *name,
                            unsigned pixels_per_input, uint32_t height, uint32_t width)
{
    srec_plan *plan;
    srec_error error = { 0 };
    const srec_graph *graph = srec_model_graph(model, name);
    const size_t h = height / pixels_per_input, w = width / pixels_per_input;
    double seconds[RUNS];
    check(srec_plan_create(graph, compute, h, w, &plan, &error), &error, name);
    for (unsigned i = 0; i < srec_graph_inputs(graph); i++)
        for (size_t k = 0; k < h * w * srec_graph_input_channels(graph, i); k++)
            srec_plan_input(plan, i)[k] = (float)(k * 2654435761u % 1000) * 0.002f - 1.0f;
    for (int run = -1; run < RUNS; run++) {
        double t = now();
        check(srec_plan_run(plan, &error), &error, name);
        if (run >= 0)
            seconds[run] = now() - t;
    }
    srec_plan_free(plan);
    return median(seconds, RUNS);
}

static void bench_codec(const srec_model *model, const srec_image *image, srec_precision precision, unsigned threads,
                        const char *comma)
{
    srec_compute compute = { .precision = precision, .threads = threads };
    srec_error error = { 0 };
    srec_encoder *encoder;
    srec_decoder *decoder;
    check(srec_encoder_create(model, &compute, &encoder, &error), &error, "encoder");
    check(srec_decoder_create(model, &compute, &decoder, &error), &error, "decoder");

    double encode_s[RUNS], decode_s[RUNS];
    srec_image received = *image;
    received.data = get(image->stride * image->height);
    for (int run = -1; run < RUNS; run++) { /* run -1 makes plans and buffers */
        srec_features features;
        double t = now();
        check(srec_encoder_run(encoder, image, 0.2f, SREC_FEATURES_BITS, &features, &error), &error, "encode");
        if (run >= 0)
            encode_s[run] = now() - t;

        size_t n_patches = (size_t)features.patch_cols * features.patch_rows, n;
        uint8_t *rate_map = get(n_patches), *bytes = get(features.n_bytes);
        srec_slice slice;
        check(srec_slice_extract(model, &features, &(srec_slice_number){ 0, 1, 0 },
                                 &(srec_slice_buffers){ rate_map, n_patches, bytes, features.n_bytes }, &slice, &n),
              NULL, "slice");
        float *mean = get(n * sizeof *mean);
        for (size_t i = 0; i < n; i++)
            mean[i] = ((float)bytes[i] - 128.0f) / srec_model_priors(model, SREC_FEATURES_BITS)->levels;

        t = now();
        check(srec_decoder_begin(decoder, &slice, &error), &error, "begin");
        check(srec_decoder_add(decoder, &slice, mean, NULL, n, &error), &error, "add");
        check(srec_decoder_run(decoder, &received, NULL, &error), &error, "decode");
        if (run >= 0)
            decode_s[run] = now() - t;
        free(mean);
        free(rate_map);
        free(bytes);
    }
    double psnr = 0, pixels = (double)image->width * image->height;
    check(srec_psnr(image, &received, &psnr), NULL, "psnr");
    static const char *const encoder_nets[] = { "ga", "ha", "hs", "fe" }, *const decoder_nets[] = { "fd", "gs" };
    double encode_macs = 0, decode_macs = 0;
    for (size_t i = 0; i < 4; i++)
        encode_macs += srec_model_macs_per_pixel(model, encoder_nets[i]);
    for (size_t i = 0; i < 2; i++)
        decode_macs += srec_model_macs_per_pixel(model, decoder_nets[i]);
    static const unsigned encoder_pixels[] = { 1, 16, 64, 16 }, decoder_pixels[] = { 16, 16 };
    double encode_nets_s = 0, decode_nets_s = 0;
    for (size_t i = 0; i < 4; i++)
        encode_nets_s +=
            bench_network(model, &compute, encoder_nets[i], encoder_pixels[i], image->height, image->width);
    for (size_t i = 0; i < 2; i++)
        decode_nets_s +=
            bench_network(model, &compute, decoder_nets[i], decoder_pixels[i], image->height, image->width);
    double e = median(encode_s, RUNS), d = median(decode_s, RUNS);
    printf("    {\"precision\": \"%s\", \"threads\": %u, \"encode_s\": %.5f, \"encode_mpixel_per_s\": %.3f, "
           "\"encode_gflops\": %.1f,"
           " \"decode_s\": %.5f, \"decode_mpixel_per_s\": %.3f, \"decode_gflops\": %.1f, \"encode_networks_s\": %.5f, "
           "\"decode_networks_s\": %.5f, \"psnr_db\": %.3f}%s\n",
           precision == SREC_PRECISION_BF16 ? "bf16" : "f32", threads, e, pixels / e * 1e-6,
           2e-9 * encode_macs * pixels / e, d, pixels / d * 1e-6, 2e-9 * decode_macs * pixels / d, encode_nets_s,
           decode_nets_s, psnr, comma);
    fflush(stdout);
    free(received.data);
    srec_encoder_free(encoder);
    srec_decoder_free(decoder);
}

/* Scrambler against the bare ChaCha20 it is made of, in turn. */
static void bench_scrambler(void)
{
    enum { N = 1 << 20, REPEAT = 64 };
    uint8_t *in = get(N), *out = get(N);
    memset(in, 0x5a, N);
    srec_key key;
    srec_key_from_seed(&key, 1);
    srec_scrambler *s;
    check(srec_scrambler_create(&key, 1, &s, NULL), NULL, "scrambler");
    unsigned char nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = { 0 };
    double ours[RUNS], bare[RUNS], ratio[RUNS];
    for (int run = -1; run < RUNS; run++) {
        double t0 = now();
        for (uint64_t i = 0; i < REPEAT; i++)
            check(srec_scrambler_apply(s, i, 0, in, out, N), NULL, "scramble");
        double t1 = now();
        for (unsigned i = 0; i < REPEAT; i++) {
            nonce[4] = (unsigned char)i;
            crypto_stream_chacha20_ietf(out, N, nonce, key.bytes);
        }
        double t2 = now();
        if (run < 0)
            continue;
        ours[run] = (double)N * REPEAT / (t1 - t0);
        bare[run] = (double)N * REPEAT / (t2 - t1);
        ratio[run] = ours[run] / bare[run];
    }
    printf("  \"scrambler\": {\"gb_per_s\": %.3f, \"bare_chacha20_gb_per_s\": %.3f, \"share\": %.3f},\n",
           1e-9 * median(ours, RUNS), 1e-9 * median(bare, RUNS), median(ratio, RUNS));
    srec_scrambler_free(s);
    free(in);
    free(out);
}

/* (n, soft_per_byte): what a receiver has of n bytes. */
static float *soft_values(srec_modulation m, const uint8_t *sent, size_t n, int snr_db)
{
    const size_t symbols = srec_modem_symbols(m, n);
    float *iq = get(symbols * 2 * sizeof *iq), *soft = get(n * srec_modem_soft_per_byte(m) * sizeof *soft);
    srec_channel *channel;
    check(srec_channel_create(SREC_CHANNEL_AWGN, (float)snr_db, 1, 1, &channel, NULL), NULL, "channel");
    check(srec_modem_map(m, sent, n, iq), NULL, "map");
    check(srec_channel_apply(channel, iq, iq, NULL, symbols), NULL, "channel");
    check(srec_modem_demap(m, iq, NULL, powf(10, -0.1f * (float)snr_db), symbols, soft), NULL, "demap");
    srec_channel_free(channel);
    free(iq);
    return soft;
}

/* At a high SNR most likelihoods are next to nothing: arithmetic that some processors are slow at. */
static void bench_descrambler(const srec_model *model, int snr_db)
{
    enum { N = 200000 };
    for (int format = 0; format < SREC_FEATURE_FORMATS; format++) {
        const srec_priors *priors = srec_model_priors(model, (srec_feature_format)format);
        srec_descrambler *d;
        check(srec_descrambler_create(priors, &d, NULL), NULL, "descrambler");
        srec_modulation m = format == SREC_FEATURES_BITS ? SREC_QPSK : SREC_PAM256;
        uint8_t *bytes = get(N), *keystream = get(N), *tables = get(N);
        float *mean = get(N * sizeof *mean), *deviation = get(N * sizeof *deviation);
        srec_key key;
        srec_scrambler *s;
        srec_key_from_seed(&key, 2);
        check(srec_scrambler_create(&key, 1, &s, NULL), NULL, "scrambler");
        check(srec_scrambler_keystream(s, 0, 0, keystream, N), NULL, "keystream");
        check(srec_scrambler_keystream(s, 1, 0, bytes, N), NULL, "keystream");
        for (size_t i = 0; i < N; i++)
            tables[i] = (uint8_t)(i % priors->n_tables);
        float *soft = soft_values(m, bytes, N, snr_db);
        double rate[RUNS];
        for (int run = -1; run < RUNS; run++) {
            double t = now();
            if (format == SREC_FEATURES_BITS)
                check(srec_descrambler_bytes(
                          d,
                          &(srec_descrambler_input){
                              .modulation = SREC_QPSK, .keystream = keystream, .soft = soft, .tables = tables, .n = N },
                          mean, deviation),
                      NULL, "descramble");
            else
                check(
                    srec_descrambler_bytes(
                        d,
                        &(srec_descrambler_input){
                            .modulation = SREC_PAM256, .keystream = keystream, .soft = soft, .tables = tables, .n = N },
                        mean, deviation),
                    NULL, "descramble");
            if (run >= 0)
                rate[run] = N / (now() - t);
        }
        printf("  \"descrambler_%s_%d_db\": {\"features_per_s\": %.0f},\n",
               format == SREC_FEATURES_BITS ? "llr" : "amplitude", snr_db, median(rate, RUNS));
        srec_scrambler_free(s);
        srec_descrambler_free(d);
        free(bytes);
        free(keystream);
        free(tables);
        free(soft);
        free(mean);
        free(deviation);
    }
}

/* Features of a coded image, which tell about each other, QPSK: the better the SNR, the fewer bytes are in doubt.
 * */
static void bench_soft(const srec_model *model, const srec_image *image, int snr_db)
{
    srec_error error = { 0 };
    srec_encoder *encoder;
    srec_features f;
    srec_descrambler *d;
    check(srec_encoder_create(model, NULL, &encoder, &error), &error, "encoder");
    check(srec_encoder_run(encoder, image, 0.2f, SREC_FEATURES_BITS, &f, &error), &error, "encode");
    check(srec_descrambler_create(srec_model_priors(model, SREC_FEATURES_BITS), &d, NULL), NULL, "descrambler");
    const size_t n = f.n_bytes, n_patches = (size_t)f.patch_cols * f.patch_rows;
    const srec_slice whole = { .format = SREC_FEATURES_BITS, .n_patches = (uint32_t)n_patches, .rate_map = f.rate_map };
    uint8_t *keystream = get(n), *sent = get(n), *tables = get(n);
    float *mean = get(n * sizeof *mean), *deviation = get(n * sizeof *deviation);
    srec_key key;
    srec_scrambler *s;
    srec_key_from_seed(&key, 2);
    check(srec_scrambler_create(&key, 1, &s, NULL), NULL, "scrambler");
    check(srec_scrambler_keystream(s, 0, 0, keystream, n), NULL, "keystream");
    check(srec_scrambler_apply(s, 0, 0, f.bytes, sent, n), NULL, "scramble");
    check(srec_slice_prior_tables(model, &whole, tables, n), NULL, "tables");
    float *soft = soft_values(SREC_QPSK, sent, n, snr_db);
    double rate[RUNS];
    for (int run = -1; run < RUNS; run++) {
        double t = now();
        check(srec_descrambler_soft(
                  d, &(srec_descrambler_input){ SREC_QPSK, keystream, soft, tables, n, f.rate_map, n_patches }, mean,
                  deviation),
              NULL, "descramble");
        if (run >= 0)
            rate[run] = (double)n / (now() - t);
    }
    printf("  \"descrambler_soft_%d_db\": {\"features_per_s\": %.0f},\n", snr_db, median(rate, RUNS));
    srec_scrambler_free(s);
    srec_descrambler_free(d);
    srec_encoder_free(encoder);
    free(keystream);
    free(sent);
    free(tables);
    free(soft);
    free(mean);
    free(deviation);
}

/* What the secret order of the bytes adds to the cipher and the soft descrambler, over the packets of a coded
 * image. */
static void bench_order(const srec_model *model, const srec_image *image, int snr_db)
{
    srec_error error = { 0 };
    srec_encoder *encoder;
    srec_features f;
    srec_descrambler *d;
    srec_scrambler *s;
    srec_key key;
    srec_key_from_seed(&key, 2);
    check(srec_scrambler_create(&key, 1, &s, NULL), NULL, "scrambler");
    check(srec_encoder_create(model, NULL, &encoder, &error), &error, "encoder");
    check(srec_encoder_run(encoder, image, 0.2f, SREC_FEATURES_BITS, &f, &error), &error, "encode");
    check(srec_descrambler_create(srec_model_priors(model, SREC_FEATURES_BITS), &d, NULL), NULL, "descrambler");
    const size_t most = SREC_PAYLOAD_MAX, n_patches = (size_t)f.patch_cols * f.patch_rows;
    uint8_t *rate_map = get(n_patches), *bytes = get(most), *sent = get(most), *keystream = get(most),
            *tables = get(most);
    float *ordered = get(8 * most * sizeof *ordered), *mean = get(most * sizeof *mean),
          *deviation = get(most * sizeof *deviation);
    size_t max_patches, max_bytes, n;
    const uint32_t n_slices = srec_packet_slices(model, &f, SREC_QPSK, 16000, &max_patches, &max_bytes);
    double share[RUNS], order_s[RUNS];
    for (int run = -1; run < RUNS; run++) {
        double t_rest = 0, t_order = 0;
        for (uint32_t i = 0; i < n_slices; i++) {
            srec_slice slice;
            check(srec_slice_extract(model, &f, &(srec_slice_number){ 0, n_slices, i },
                                     &(srec_slice_buffers){ rate_map, n_patches, bytes, most }, &slice, &n),
                  NULL, "slice");
            check(srec_slice_prior_tables(model, &slice, tables, n), NULL, "tables");
            double t0 = now();
            check(srec_scrambler_apply(s, i, 0, bytes, sent, n), NULL, "cipher");
            double t1 = now();
            check(srec_scrambler_scramble(s, i, SREC_CIPHER_NONE, bytes, bytes, n), NULL, "order");
            double t2 = now();
            float *soft = soft_values(SREC_QPSK, sent, n, snr_db);
            double t3 = now();
            check(srec_scrambler_restore_llr(s, i, SREC_CIPHER_NONE, soft, ordered, n), NULL, "order undone");
            double t4 = now();
            check(srec_scrambler_keystream(s, i, 0, keystream, n), NULL, "keystream");
            check(srec_descrambler_soft(
                      d, &(srec_descrambler_input){ SREC_QPSK, keystream, soft, tables, n, rate_map, slice.n_patches },
                      mean, deviation),
                  NULL, "descramble");
            double t5 = now();
            t_order += t2 - t1 + (t4 - t3);
            t_rest += t1 - t0 + (t5 - t4);
            free(soft);
        }
        if (run >= 0) {
            share[run] = t_order / t_rest;
            order_s[run] = 1e9 * t_order / (double)f.n_bytes;
        }
    }
    printf("  \"order_%d_db\": {\"share_of_scrambler_and_descrambler\": %.4f, \"ns_per_feature\": %.2f},\n", snr_db,
           median(share, RUNS), median(order_s, RUNS));
    srec_scrambler_free(s);
    srec_descrambler_free(d);
    srec_encoder_free(encoder);
    void *all[] = { rate_map, bytes, sent, keystream, tables, ordered, mean, deviation };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Packets of one coded image, QPSK at 10 dB: frame making, mapping, demapping, frame reading. */
static void bench_packets(const srec_model *model, const srec_image *image)
{
    srec_error error = { 0 };
    srec_encoder *encoder;
    srec_features f;
    check(srec_encoder_create(model, NULL, &encoder, &error), &error, "encoder");
    check(srec_encoder_run(encoder, image, 0.2f, SREC_FEATURES_BITS, &f, &error), &error, "encode");
    uint32_t n_slices = srec_slice_count(model, &f, 16000, 4096);
    size_t n_patches = (size_t)f.patch_cols * f.patch_rows;
    uint8_t *rate_map = get(n_patches), *bytes = get(f.n_bytes), *frame = get(SREC_FRAME_MAX);
    float *iq = get(SREC_FRAME_MAX * 8 * sizeof *iq), *soft = get(SREC_FRAME_MAX * 8 * sizeof *soft);
    srec_key key;
    srec_key_from_seed(&key, 3);
    double encode_rate[RUNS], decode_rate[RUNS], map_rate[RUNS], demap_rate[RUNS];
    for (int run = -1; run < RUNS; run++) {
        srec_packet_encoder *e;
        srec_packet_decoder *d;
        uint64_t session = (uint64_t)(run + 2);
        check(srec_packet_encoder_create(&key, session, &e, NULL), NULL, "packet encoder");
        check(srec_packet_decoder_create(&key, model, &d, NULL), NULL, "packet decoder");
        double t_encode = 0, t_map = 0, t_demap = 0, t_decode = 0;
        size_t total = 0, symbols_total = 0;
        for (uint32_t i = 0; i < n_slices; i++) {
            srec_slice slice;
            srec_packet packet;
            size_t n, n_frame;
            check(srec_slice_extract(model, &f, &(srec_slice_number){ 0, n_slices, i },
                                     &(srec_slice_buffers){ rate_map, n_patches, bytes, f.n_bytes }, &slice, &n),
                  NULL, "slice");
            double t0 = now();
            check(srec_packet_encode(e,
                                     &(srec_packet_content){ .modulation = SREC_QPSK,
                                                             .cipher = SREC_CIPHER_ADD,
                                                             .packet = i,
                                                             .slice = &slice,
                                                             .payload = bytes,
                                                             .n_payload = n },
                                     frame, SREC_FRAME_MAX, &n_frame, &error),
                  &error, "packet");
            double t1 = now();
            check(srec_modem_map(SREC_QPSK, frame, n_frame, iq), NULL, "map");
            double t2 = now();
            size_t symbols = srec_modem_symbols(SREC_QPSK, n_frame);
            check(srec_modem_demap(SREC_QPSK, iq, NULL, 0.1f, symbols, soft), NULL, "demap");
            double t3 = now();
            check(srec_packet_decode(d, SREC_QPSK, soft, n_frame, &packet), NULL, "packet decode");
            double t4 = now();
            t_encode += t1 - t0;
            t_map += t2 - t1;
            t_demap += t3 - t2;
            t_decode += t4 - t3;
            total += n;
            symbols_total += symbols;
        }
        if (run >= 0) {
            encode_rate[run] = 1e-6 * (double)total / t_encode;
            decode_rate[run] = 1e-6 * (double)total / t_decode;
            map_rate[run] = 1e-6 * (double)symbols_total / t_map;
            demap_rate[run] = 1e-6 * (double)symbols_total / t_demap;
        }
        srec_packet_encoder_free(e);
        srec_packet_decoder_free(d);
    }
    printf("  \"packets\": {\"slices\": %u, \"encode_mb_per_s\": %.1f, \"decode_mb_per_s\": %.1f, "
           "\"map_msymbol_per_s\": %.1f, \"demap_msymbol_per_s\": %.1f},\n",
           n_slices, median(encode_rate, RUNS), median(decode_rate, RUNS), median(map_rate, RUNS),
           median(demap_rate, RUNS));
    srec_encoder_free(encoder);
    free(rate_map);
    free(bytes);
    free(frame);
    free(iq);
    free(soft);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_core MODEL PICTURE.ppm\n");
        return 2;
    }
    srec_error error = { 0 };
    srec_model *model;
    check(srec_model_load(argv[1], &model, &error), &error, argv[1]);
    srec_image image = read_ppm(argv[2]);
    printf("{\n  \"picture\": [%u, %u], \"runs\": %d,\n", image.width, image.height, RUNS);
    bench_scrambler();
    bench_descrambler(model, 4);
    bench_descrambler(model, 14);
    bench_soft(model, &image, 4);
    bench_soft(model, &image, 14);
    bench_order(model, &image, 4);
    bench_order(model, &image, 14);
    bench_packets(model, &image);
    bool bf16 = srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16);
    printf("  \"codec\": [\n");
    for (unsigned threads = 1; threads <= 2; threads++) {
        bench_codec(model, &image, SREC_PRECISION_F32, threads, bf16 || threads == 1 ? "," : "");
        if (bf16)
            bench_codec(model, &image, SREC_PRECISION_BF16, threads, threads == 1 ? "," : "");
    }
    printf("  ]\n}\n");
    free(image.data);
    srec_model_free(model);
    return 0;
}
