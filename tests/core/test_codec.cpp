/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The shipped model through loader, engine, encoder and decoder, against the PyTorch results in tests/golden. */
#include <srec/srec.h>

extern "C" {
#include "../../lib/core/nn/nn.h"
#include "calls.h"
}
#include "tolerances.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <unistd.h>

#include <CppUTest/TestHarness.h>

static std::vector<uint8_t> test_picture(uint32_t w, uint32_t h)
{
    std::vector<uint8_t> p((size_t)w * h * 3);
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                p[(y * (size_t)w + x) * 3 + c] = (uint8_t)(127.5 + 60 * sin(0.05 * x * (c + 1)) +
                                                           60 * cos(0.07 * y + 0.3 * c) + (x / 16 + y / 16) % 2 * 7);
    return p;
}

TEST_GROUP(codec)
{
    srec_model *model = nullptr;
    srec_error error{};
    void setup() override
    {
        srec_status status = srec_model_load(SREC_MODEL, &model, &error);
        if (status != SREC_OK)
            FAIL(error.message);
    }
    void teardown() override { srec_model_free(model); }

    /* encode and decode without a channel: PSNR */
    double round_trip(const srec_compute &compute, uint32_t w, uint32_t h, uint8_t channels = 3,
                      std::vector<uint8_t> *received = nullptr)
    {
        auto pixels = test_picture(w, h);
        srec_image image{ w, h, channels, (size_t)w * channels, pixels.data() };
        srec_encoder *e;
        srec_decoder *d;
        LONGS_EQUAL(SREC_OK, srec_encoder_create(model, &compute, &e, &error));
        LONGS_EQUAL(SREC_OK, srec_decoder_create(model, &compute, &d, &error));
        srec_features f;
        if (srec_encoder_run(e, &image, 0.2f, SREC_FEATURES_BITS, &f, &error) != SREC_OK)
            FAIL(error.message);
        size_t patches = (size_t)f.patch_cols * f.patch_rows, n;
        std::vector<uint8_t> map(patches), bytes(f.n_bytes), out(pixels.size());
        uint32_t slices = srec_slice_count(model, &f, 4000, 4096);
        CHECK(slices > 0);
        srec_image to{ w, h, channels, (size_t)w * channels, out.data() };
        for (uint32_t i = 0; i < slices; i++) {
            srec_slice s;
            LONGS_EQUAL(SREC_OK, extract_slice(model, &f, { 0, slices, i },
                                               { map.data(), map.size(), bytes.data(), bytes.size() }, &s, &n));
            std::vector<float> mean(n);
            for (size_t k = 0; k < n; k++)
                mean[k] = (bytes[k] - 128.0f) / 16;
            if (!i)
                LONGS_EQUAL(SREC_OK, srec_decoder_begin(d, &s, &error));
            LONGS_EQUAL(SREC_OK, srec_decoder_add(d, &s, mean.data(), nullptr, n, &error));
        }
        srec_decoder_report report;
        LONGS_EQUAL(SREC_OK, srec_decoder_run(d, &to, &report, &error));
        LONGS_EQUAL(0, report.patches_lost);
        double psnr;
        LONGS_EQUAL(SREC_OK, srec_psnr(&image, &to, &psnr));
        srec_encoder_free(e);
        srec_decoder_free(d);
        if (received)
            *received = out;
        return psnr;
    }
};

static void compare_golden(srec_model *model, const srec_compute &compute, double tolerance)
{
    srec_safetensors *golden;
    srec_error error;
    LONGS_EQUAL(SREC_OK, srec_safetensors_load(SREC_SOURCE_DIR "/tests/golden/networks.safetensors", &golden, &error));
    for (const char *net : { "ga", "ha", "hs", "fe", "fd", "gs" }) {
        const srec_graph *g = srec_model_graph(model, net);
        srec_plan *plan = nullptr;
        for (unsigned i = 0; i < srec_graph_inputs(g); i++) {
            const srec_tensor *t =
                srec_safetensors_find(golden, (std::string(net) + ".in" + std::to_string(i)).c_str());
            CHECK(t != nullptr);
            if (!plan)
                LONGS_EQUAL(SREC_OK, srec_plan_create(g, &compute, t->shape[0], t->shape[1], &plan, &error));
            srec_tensor_to_f32(t, srec_plan_input(plan, i));
        }
        LONGS_EQUAL(SREC_OK, srec_plan_run(plan, &error));
        const srec_tensor *t = srec_safetensors_find(golden, (std::string(net) + ".out").c_str());
        std::vector<float> expected(t->count);
        srec_tensor_to_f32(t, expected.data());
        double worst = 0, largest = 0;
        for (size_t i = 0; i < t->count; i++) {
            worst = std::max(worst, fabs((double)expected[i] - srec_plan_output(plan, 0)[i]));
            largest = std::max(largest, fabs((double)expected[i]));
        }
        if (!(worst <= tolerance * largest))
            FAIL((std::string(net) + " differs from PyTorch by " + std::to_string(worst / largest)).c_str());
        srec_plan_free(plan);
    }
    srec_safetensors_free(golden);
}

TEST(codec, every_network_equals_pytorch_on_both_backends)
{
    srec_compute compute{};
    compare_golden(model, compute, tolerance_of("golden", false));
    compute.backend = SREC_BACKEND_REFERENCE;
    compare_golden(model, compute, tolerance_of("golden", false));
}

TEST(codec, bfloat16_stays_near)
{
    srec_compute compute{};
    compute.precision = SREC_PRECISION_BF16;
    if (srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16))
        compare_golden(model, compute, tolerance_of("golden", true));
    else
        LONGS_EQUAL(SREC_OK, 0 * printf("this processor has no bfloat16: skipped\n"));
    compute.backend = SREC_BACKEND_REFERENCE;
    srec_plan *plan;
    LONGS_EQUAL(SREC_ERR_UNSUPPORTED, srec_plan_create(srec_model_graph(model, "fd"), &compute, 4, 4, &plan, &error));
}

TEST(codec, tiles_leave_no_seam)
{
    srec_compute whole{}, tiled{};
    tiled.tile = 384;
    std::vector<uint8_t> a, b;
    double pa = round_trip(whole, 640, 448, 3, &a), pb = round_trip(tiled, 640, 448, 3, &b);
    DOUBLES_EQUAL(pa, pb, 0.01);
    int worst = 0;
    for (size_t i = 0; i < a.size(); i++)
        worst = std::max(worst, abs(a[i] - b[i]));
    CHECK(worst <= 12); /* a latent that rounds the other way changes a byte; a seam would show as an edge */
}

/* Every network sees its plane in at least so many windows, whatever its plane's scale. */
TEST(codec, tiles_are_counted_in_pixels_of_the_picture_by_every_network)
{
    const uint32_t width = 2560;
    const unsigned tile = 640;
    std::vector<size_t> windows; /* of each network, in the order of their runs */
    srec_compute compute{};
    compute.tile = tile;
    compute.progress = [](void *context, size_t done, size_t total) {
        if (done == 0)
            ((std::vector<size_t> *)context)->push_back(total);
        return true;
    };
    compute.progress_context = &windows;
    CHECK(round_trip(compute, width, 64) > 20);
    LONGS_EQUAL(6, windows.size()); /* ga, ha, hs, fe; fd, gs */
    for (size_t n : windows)
        CHECK(n >= width / tile && n <= 3 * width / tile);
}

TEST(codec, pictures_of_any_size_and_grey_ones_pass)
{
    srec_compute compute{};
    CHECK(round_trip(compute, 1, 1) > 15);
    CHECK(round_trip(compute, 64, 1) > 15);
    CHECK(round_trip(compute, 17, 130) > 20);
    CHECK(round_trip(compute, 200, 100, 1) > 10); /* read as grey, the image is nearly noise */
    CHECK(round_trip(compute, 256, 192) > 25);
}

struct patience {
    size_t left;
    size_t calls = 0;
    static bool is_over(void *context)
    {
        auto *p = (patience *)context;
        return ++p->calls > p->left;
    }
};

TEST(codec, decoding_can_be_cancelled_anywhere_and_done_again)
{
    patience p{ SIZE_MAX };
    srec_compute compute{};
    compute.cancelled = patience::is_over;
    compute.cancelled_context = &p;
    srec_decoder *d;
    LONGS_EQUAL(SREC_OK, srec_decoder_create(model, &compute, &d, &error));
    const uint32_t side = 128; /* 64 patches in 64 slices, of which one came: concealment too */
    const uint8_t step = 3;
    srec_slice s{};
    s.model_id = srec_model_id(model);
    s.width = s.height = side;
    s.channels = 3;
    s.slice = 27;
    s.n_slices = 64;
    s.n_patches = 1;
    s.rate_map = &step;
    const std::vector<float> mean(srec_slice_bytes(model, &s), 0.5f);
    LONGS_EQUAL(SREC_OK, srec_decoder_begin(d, &s, &error));
    LONGS_EQUAL(SREC_OK, srec_decoder_add(d, &s, mean.data(), nullptr, mean.size(), &error));
    std::vector<uint8_t> whole((size_t)side * side * 3), again(whole.size());
    const srec_image image{ side, side, 3, (size_t)side * 3, whole.data() },
        other{ side, side, 3, (size_t)side * 3, again.data() };
    p = patience{ SIZE_MAX };
    LONGS_EQUAL(SREC_OK, srec_decoder_run(d, &image, nullptr, &error));
    const size_t calls = p.calls;
    CHECK(calls > 20);
    for (size_t left = 0; left < calls; left += 9) {
        p = patience{ left };
        LONGS_EQUAL(SREC_ERR_CANCELLED, srec_decoder_run(d, &other, nullptr, &error));
        LONGS_EQUAL(left + 1, p.calls);
    }
    for (size_t left = 0; left < side / 16; left++) { /* a row of patches after the other is made ready */
        p = patience{ left };
        LONGS_EQUAL(SREC_ERR_CANCELLED, srec_decoder_begin(d, &s, &error));
        LONGS_EQUAL(left + 1, p.calls);
        LONGS_EQUAL(SREC_ERR_ARG, srec_decoder_run(d, &other, nullptr, &error));
    }
    p = patience{ SIZE_MAX };
    LONGS_EQUAL(SREC_OK, srec_decoder_begin(d, &s, &error));
    LONGS_EQUAL(SREC_OK, srec_decoder_add(d, &s, mean.data(), nullptr, mean.size(), &error));
    srec_decoder_report report;
    LONGS_EQUAL(SREC_OK, srec_decoder_run(d, &other, &report, &error));
    LONGS_EQUAL(63, report.slices_lost);
    CHECK(whole == again);
    srec_decoder_free(d);
}

TEST(codec, the_mean_deviation_is_that_of_the_last_estimates)
{
    srec_decoder *d;
    LONGS_EQUAL(SREC_OK, srec_decoder_create(model, nullptr, &d, &error));
    const uint8_t steps[2] = { 3, 1 };
    uint32_t cols, rows;
    srec_patch_grid(32, 16, &cols, &rows);
    srec_slice s[2]{};
    for (unsigned i = 0; i < 2; i++) {
        s[i].model_id = srec_model_id(model);
        s[i].width = 32;
        s[i].height = 16;
        s[i].channels = 3;
        s[i].slice = i;
        s[i].n_slices = cols * rows;
        s[i].n_patches = 1;
        s[i].rate_map = &steps[i];
    }
    std::vector<uint8_t> pixels(32 * 16 * 3);
    const srec_image image{ 32, 16, 3, 32 * 3, pixels.data() };
    srec_decoder_report report;
    LONGS_EQUAL(SREC_OK, srec_decoder_begin(d, &s[0], &error));
    LONGS_EQUAL(SREC_OK, srec_decoder_run(d, &image, &report, &error));
    DOUBLES_EQUAL(1, report.mean_deviation, 0); /* nothing came */
    const size_t n[2] = { srec_slice_bytes(model, &s[0]), srec_slice_bytes(model, &s[1]) };
    const std::vector<float> mean(n[0], 0.5f), good(n[0], 0.25f), bad(n[0], 0.75f);
    const auto add = [&](unsigned slice, const float *deviation, double expected) {
        LONGS_EQUAL_TEXT(SREC_OK, srec_decoder_add(d, &s[slice], mean.data(), deviation, n[slice], &error),
                         error.message);
        LONGS_EQUAL(SREC_OK, srec_decoder_run(d, &image, &report, &error));
        DOUBLES_EQUAL(expected, report.mean_deviation, 1e-6);
    };
    add(0, nullptr, -1); /* hard decisions */
    add(0, bad.data(), 0.75);
    add(0, good.data(), 0.25);
    add(1, bad.data(), (0.25 * (double)n[0] + 0.75 * (double)n[1]) / (double)(n[0] + n[1]));
    add(1, nullptr, 0.25);
    srec_decoder_free(d);
}

TEST(codec, bad_pictures_and_numbers_are_refused)
{
    srec_encoder *e;
    srec_features f;
    uint8_t pixel[3] = {};
    srec_image image{ 0, 1, 3, 3, pixel };
    LONGS_EQUAL(SREC_OK, srec_encoder_create(model, nullptr, &e, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_encoder_run(e, &image, 0.2f, SREC_FEATURES_BITS, &f, &error));
    image.width = 70000;
    LONGS_EQUAL(SREC_ERR_ARG, srec_encoder_run(e, &image, 0.2f, SREC_FEATURES_BITS, &f, &error));
    image.width = 1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_encoder_run(e, &image, NAN, SREC_FEATURES_BITS, &f, &error));
    srec_encoder_free(e);
}

TEST_GROUP(model){};

TEST(model, a_file_cut_or_damaged_anywhere_is_refused_with_a_reason)
{
    FILE *f = fopen(SREC_MODEL, "rb");
    CHECK(f != nullptr);
    fseek(f, 0, SEEK_END);
    std::vector<uint8_t> file((size_t)ftell(f));
    rewind(f);
    LONGS_EQUAL(file.size(), fread(file.data(), 1, file.size(), f));
    fclose(f);
    srec_model *m;
    srec_error e{};
    for (size_t n : { (size_t)0, (size_t)7, (size_t)8, (size_t)1000, file.size() / 2, file.size() - 1 }) {
        LONGS_EQUAL(SREC_ERR_TRUNCATED, srec_model_load_memory(file.data(), n, &m, &e));
        CHECK(m == nullptr && e.message[0]);
    }
    file[file.size() - 5] ^= 1;
    LONGS_EQUAL(SREC_ERR_CHECKSUM, srec_model_load_memory(file.data(), file.size(), &m, &e));
    file[20] = '!';
    CHECK(srec_model_load_memory(file.data(), file.size(), &m, &e) != SREC_OK);
    LONGS_EQUAL(SREC_ERR_IO, srec_model_load("/nonexistent", &m, &e));
}
