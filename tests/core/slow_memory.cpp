/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image of 24 Mpixel costs in memory: measured by the kernel, in a child process of its own. */
#include "calls.h"

#include <srec/layer_plan.h>
#include <srec/srec.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

static const uint32_t WIDTH = 6000, HEIGHT = 4000;
static const double BOUND_MB = 500;
static const double LAYERS_BOUND_MB = 1000; /* OpenJPEG holds whole images as 32-bit integers */

static uint8_t pixel(uint32_t x, uint32_t y, unsigned c)
{
    const uint32_t noise = (x * 2654435761u + y * 40503u + c * 977u) >> 28;
    return (uint8_t)(118 + 50 * sinf(0.011f * (float)x * (float)(c + 1)) + 50 * cosf(0.017f * (float)y) + (float)noise);
}

static void must(srec_status status, const srec_error &error, int line)
{
    if (status == SREC_OK)
        return;
    fprintf(stderr, "line %d: %s (%s)\n", line, srec_strerror(status), error.message);
    _exit(1);
}
#define MUST(call) must(call, error, __LINE__)

static double peak_mb()
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024 / 1e6;
}

/* Encodes, cuts, decodes, compares; never returns. */
static void child(srec_precision precision)
{
    srec_error error{};
    srec_model *model;
    srec_encoder *encoder;
    srec_decoder *decoder;
    srec_compute compute{};
    compute.precision = precision;
    std::vector<uint8_t> picture((size_t)WIDTH * HEIGHT * 3);
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++)
            for (unsigned c = 0; c < 3; c++)
                picture[((size_t)y * WIDTH + x) * 3 + c] = pixel(x, y, c);
    const srec_image image{ WIDTH, HEIGHT, 3, (size_t)WIDTH * 3, picture.data() };
    MUST(srec_model_load(SREC_MODEL, &model, &error));
    MUST(srec_encoder_create(model, &compute, &encoder, &error));
    srec_features f;
    MUST(srec_encoder_run(encoder, &image, 0.2f, SREC_FEATURES_BITS, &f, &error));
    const double encoded = peak_mb();
    const std::vector<uint8_t> map(f.rate_map, f.rate_map + (size_t)f.patch_cols * f.patch_rows),
        bytes(f.bytes, f.bytes + f.n_bytes);
    f.rate_map = map.data();
    f.bytes = bytes.data();
    srec_encoder_free(encoder);

    const uint32_t n_slices = srec_slice_count(model, &f, 30000, 4096);
    std::vector<uint8_t> slice_map(4096), slice_bytes(30000);
    std::vector<float> mean(30000);
    MUST(srec_decoder_create(model, &compute, &decoder, &error));
    for (uint32_t i = 0; i < n_slices; i++) {
        srec_slice s;
        size_t n;
        MUST(extract_slice(model, &f, { 0, n_slices, i },
                           { slice_map.data(), slice_map.size(), slice_bytes.data(), slice_bytes.size() }, &s, &n));
        for (size_t k = 0; k < n; k++)
            mean[k] = ((float)slice_bytes[k] - 128.0f) / 16.0f;
        if (!i)
            MUST(srec_decoder_begin(decoder, &s, &error));
        MUST(srec_decoder_add(decoder, &s, mean.data(), nullptr, n, &error));
    }
    MUST(srec_decoder_run(decoder, &image, nullptr, &error)); /* over the image sent: what was sent is computed
                                                               * again below */
    double squares = 0;
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++)
            for (unsigned c = 0; c < 3; c++) {
                const double d = (double)picture[((size_t)y * WIDTH + x) * 3 + c] - pixel(x, y, c);
                squares += d * d;
            }
    const double psnr = 10 * log10(255.0 * 255.0 * (double)picture.size() / squares);
    fprintf(stderr, "%s: peak %.0f MB encoding, %.0f MB in all; %u slices, PSNR %.2f dB\n",
            precision == SREC_PRECISION_BF16 ? "bf16" : "f32", encoded, peak_mb(), n_slices, psnr);
    srec_decoder_free(decoder);
    srec_model_free(model);
    _exit(psnr > 25 ? 0 : 1);
}

/* Enhances; never returns. */
static void enhance(srec_precision precision)
{
    srec_error error{};
    srec_enhancer_model *model;
    srec_enhancer *enhancer;
    srec_compute compute{};
    compute.precision = precision;
    std::vector<uint8_t> picture((size_t)WIDTH * HEIGHT * 3), result(picture.size());
    for (size_t i = 0; i < picture.size(); i++)
        picture[i] = pixel((uint32_t)(i / 3 % WIDTH), (uint32_t)(i / 3 / WIDTH), i % 3);
    const srec_image in{ WIDTH, HEIGHT, 3, (size_t)WIDTH * 3, picture.data() },
        out{ WIDTH, HEIGHT, 3, (size_t)WIDTH * 3, result.data() };
    MUST(srec_enhancer_model_load(SREC_ENHANCER, &model, &error));
    MUST(srec_enhancer_create(model, &compute, &enhancer, &error));
    MUST(srec_enhancer_run(enhancer, &in, nullptr, 0, &out, &error));
    fprintf(stderr, "%s: peak %.0f MB enhancing\n", precision == SREC_PRECISION_BF16 ? "bf16" : "f32", peak_mb());
    _exit(0);
}

/* Encodes as three coded layers, decodes, compares; never returns. */
static void layers(srec_precision)
{
    srec_error error{};
    srec_layer_encoder *encoder;
    srec_layer_decoder *decoder;
    std::vector<uint8_t> picture((size_t)WIDTH * HEIGHT * 3), result(picture.size());
    for (size_t i = 0; i < picture.size(); i++)
        picture[i] = pixel((uint32_t)(i / 3 % WIDTH), (uint32_t)(i / 3 / WIDTH), i % 3);
    const srec_image in{ WIDTH, HEIGHT, 3, (size_t)WIDTH * 3, picture.data() };
    srec_image out{ WIDTH, HEIGHT, 3, (size_t)WIDTH * 3, result.data() };
    srec_layers_request request{};
    request.format = { WIDTH, HEIGHT, 3, 3 };
    request.modulation = SREC_QPSK;
    request.snr_db[1] = 4;
    request.snr_db[2] = 8;
    request.cbr = 0.4;
    request.margin_db = 0.5f;
    request.n_parity = SREC_LAYER_PARITY_AUTO;
    srec_layer_plan plans[SREC_LAYERS_MAX];
    srec_layer_budget budgets[SREC_LAYERS_MAX];
    srec_layers sent;
    MUST(srec_layers_plan(&request, plans, &error));
    for (unsigned i = 0; i < request.format.n_layers; i++)
        budgets[i] = plans[i].budget;
    MUST(srec_layer_encoder_create(0, &encoder, &error));
    MUST(srec_layer_encoder_run(encoder, &in, budgets, request.format.n_layers, &sent, &error));
    const double encoded = peak_mb();
    MUST(srec_layer_decoder_create(&sent.format, 0, &decoder, &error));
    for (size_t i = 0; i < sent.n_pieces; i++)
        MUST(srec_layer_decoder_add(decoder, &sent.pieces[i], &error));
    srec_layer_encoder_free(encoder);
    srec_layers_report report;
    MUST(srec_layer_decoder_run(decoder, &out, &report, &error));
    double psnr;
    MUST(srec_psnr(&in, &out, &psnr));
    fprintf(stderr, "layers: peak %.0f MB encoding, %.0f MB in all; %zu pieces, PSNR %.2f dB\n", encoded, peak_mb(),
            sent.n_pieces, psnr);
    srec_layer_decoder_free(decoder);
    _exit(psnr > 25 ? 0 : 1);
}

/* Runs the work in a child process, which must succeed. */
static void within_bound(double bound_mb, srec_precision precision, void (*work)(srec_precision))
{
    const pid_t pid = fork();
    if (pid == 0)
        work(precision);
    CHECK(pid > 0);
    int status;
    struct rusage usage;
    LONGS_EQUAL(pid, wait4(pid, &status, 0, &usage));
    CHECK(WIFEXITED(status));
    LONGS_EQUAL(0, WEXITSTATUS(status));
    const double mb = (double)usage.ru_maxrss * 1024 / 1e6;
    if (mb >= bound_mb)
        FAIL(("peak of " + std::to_string(mb) + " MB").c_str());
}

TEST_GROUP(memory){};

TEST(memory, a_24_mpixel_image_encodes_and_decodes_in_under_500_mb)
{
    within_bound(BOUND_MB, SREC_PRECISION_F32, child);
}

TEST(memory, so_it_does_in_bfloat16)
{
    if (srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16))
        within_bound(BOUND_MB, SREC_PRECISION_BF16, child);
    else
        printf("this processor has no bfloat16: skipped\n");
}

TEST(memory, a_24_mpixel_image_is_enhanced_in_under_500_mb)
{
    if (access(SREC_ENHANCER, R_OK) == 0)
        within_bound(BOUND_MB, SREC_PRECISION_F32, enhance);
    else
        printf("no enhancer in models/: skipped\n");
}

TEST(memory, a_24_mpixel_image_becomes_layers_and_an_image_again_in_under_1_gb)
{
    within_bound(LAYERS_BOUND_MB, SREC_PRECISION_F32, layers);
}
