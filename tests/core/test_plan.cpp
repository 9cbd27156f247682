/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The oneDNN backend against the reference, layer by layer and end to end; what plans refuse. */
#include "graph_fixtures.h"
#include "tolerances.h"

static bool has_bf16() { return srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16); }

TEST_GROUP(plan){ /* both precisions against the reference, for 1, 2 and more threads */
                  void agree(network & n, const char *kind, size_t h, size_t w,
                             const std::string &what){ const srec_graph *g = n.parse();
srec_compute reference{}, fast{};
reference.backend = SREC_BACKEND_REFERENCE;
const auto in = random_inputs(g, h, w, 7);
const auto expected = run_whole(g, reference, h, w, in);
for (bool bf16 : { false, true }) {
    if (bf16 && !has_bf16())
        continue;
    fast.precision = bf16 ? SREC_PRECISION_BF16 : SREC_PRECISION_F32;
    fast.threads = 1 + (unsigned)((h + w) % 2);
    const auto got = run_whole(g, fast, h, w, in);
    for (size_t i = 0; i < got.size(); i++) {
        const double d = difference(expected[i], got[i]);
        if (!(d <= tolerance_of(kind, bf16))) {
            char text[200];
            snprintf(text, sizeof text, "%s at %zux%zu, %s, output %zu: differs by %.2g", what.c_str(), h, w,
                     bf16 ? "bf16" : "f32", i, d);
            FAIL(text);
        }
    }
}
}
void convolution(unsigned from, unsigned to, unsigned kernel, unsigned stride, bool relu, bool add)
{
    network n(from * 100 + to);
    n.input("x", from);
    if (add)
        n.input("r", from).conv("r", "s", to, 1, stride);
    n.conv("x", "y", to, kernel, stride, relu, add ? "s" : "").output("y");
    agree(n, "conv", 12, 20,
          "conv " + std::to_string(kernel) + "x" + std::to_string(kernel) + " stride " + std::to_string(stride) + ", " +
              std::to_string(from) + " to " + std::to_string(to) + " channels" + (relu ? ", relu" : "") +
              (add ? ", add" : ""));
}
}
;

TEST(plan, precisions_have_names_and_auto_is_the_fastest_of_this_processor)
{
    srec_precision precision = SREC_PRECISION_BF16;
    srec_error error{};
    CHECK_EQUAL(SREC_OK, srec_precision_parse("f32", &precision, &error));
    CHECK_EQUAL(SREC_PRECISION_F32, precision);
    CHECK_EQUAL(SREC_OK, srec_precision_parse("auto", &precision, &error));
    CHECK_EQUAL(has_bf16() ? SREC_PRECISION_BF16 : SREC_PRECISION_F32, precision);
    CHECK_EQUAL(has_bf16() ? SREC_OK : SREC_ERR_UNSUPPORTED, srec_precision_parse("bf16", &precision, &error));
    CHECK_EQUAL(has_bf16() ? SREC_PRECISION_BF16 : SREC_PRECISION_F32, precision);
    for (const char *name : { "", "BF16", "f16", (const char *)nullptr })
        CHECK_EQUAL(SREC_ERR_ARG, srec_precision_parse(name, &precision, &error));
    CHECK_EQUAL(SREC_ERR_ARG, srec_precision_parse("f32", nullptr, nullptr));
}

TEST(plan, convolutions_of_1_to_67_channels_agree)
{
    for (unsigned c = 1; c <= 67; c++)
        for (unsigned kernel : { 1u, 3u })
            for (unsigned stride : { 1u, 2u })
                convolution(c, 68 - c, kernel, stride, c % 2, false);
}

TEST(plan, convolutions_with_a_fused_sum_agree_for_1_to_67_channels)
{
    for (unsigned c = 1; c <= 67; c++)
        for (unsigned kernel : { 1u, 3u })
            for (unsigned stride : { 1u, 2u })
                convolution(1 + c * 29 % 67, c, kernel, stride, c % 2, true);
}

TEST(plan, unusual_kernels_and_strides_agree)
{
    for (bool add : { false, true })
        for (unsigned channels : { 1u, 3u, 16u, 33u, 64u }) {
            convolution(channels, 17, 5, 1, true, add);
            convolution(channels, channels, 5, 2, false, add);
            convolution(channels, 48, 7, 4, true, add);
            convolution(channels, 32, 3, 4, false, add);
            convolution(3, channels, 1, 4, true, add);
        }
}

TEST(plan, even_kernels_agree)
{
    for (unsigned kernel : { 2u, 4u, 8u }) {
        network n;
        n.input("x", 5)
            .conv_padded("x", "y", 9, kernel, kernel == 4 ? 2 : kernel, kernel == 4 ? 1 : 0, true, "")
            .output("y");
        agree(n, "conv", 16, 24, "even kernel");
    }
}

TEST(plan, sums_agree_however_the_added_tensor_is_used)
{
    using use = void (*)(network &);
    const use uses[] = {
        [](network &n) {
            n.conv("x", "a", 24).conv("a", "y", 24, 3, 1, true, "a").output("y");
        }, /* added to itself's convolution */
        [](network &n) {
            n.conv("x", "a", 24).conv("x", "y", 24, 3, 1, true, "a").conv("a", "z", 5).output("y").output("z");
        }, /* read later */
        [](network &n) {
            n.conv("x", "a", 24).conv("x", "y", 24, 3, 1, true, "a").output("y").output("a");
        }, /* an output itself */
        [](network &n) {
            n.conv("x", "a", 24)
                .conv("x", "b", 24, 3, 1, true, "a")
                .conv("b", "y", 24, 3, 1, false, "b")
                .conv("y", "z", 24, 1, 1, false, "b")
                .output("z");
        },
        [](network &n) { n.conv("x", "y", 24, 3, 1, true, "x").output("y"); }, /* an input, and the source */
        [](network &n) {
            n.op("relu", { "x" }, "a")
                .conv("x", "b", 24, 1, 1, false, "a")
                .conv("x", "y", 24, 3, 1, false, "b")
                .output("y");
        },
        [](network &n) {
            n.conv("x", "a", 96)
                .op("pixel_shuffle", { "a" }, "b", 2)
                .conv("b", "c", 24)
                .conv("c", "y", 24, 3, 1, true, "b")
                .output("y");
        },
        [](network &n) {
            n.conv("x", "a", 24, 3, 2)
                .op("pixel_unshuffle", { "x" }, "u", 2)
                .conv("u", "b", 96)
                .conv("b", "c", 96, 3, 1, false, "u")
                .conv("c", "y", 24, 3, 1, false, "a")
                .output("y");
        },
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        network n(3);
        n.input("x", 24);
        uses[i](n);
        agree(n, "network", 16, 12, "sum, case " + std::to_string(i));
    }
}

TEST(plan, elementwise_operations_agree)
{
    for (unsigned c : { 1u, 3u, 16u, 31u, 67u }) {
        for (const char *kind : { "relu", "sigmoid" }) {
            network n;
            n.input("x", c).op(kind, { "x" }, "y").output("y");
            agree(n, kind[0] == 'r' ? "move" : "sigmoid", 9, 13, kind);
        }
        for (const char *kind : { "add", "mul" }) {
            network n;
            n.input("x", c).input("z", c).op(kind, { "x", "z" }, "y").output("y");
            agree(n, "sum", 9, 13, kind);
        }
    }
}

TEST(plan, concatenations_of_1_to_64_tensors_agree)
{
    for (unsigned count : { 1u, 2u, 3u, 8u, 9u, 10u, 16u, 17u, 33u, 64u }) {
        network n;
        n.input("x", 3).input("z", 16);
        std::vector<std::string> in;
        for (unsigned i = 0; i < count; i++) {
            const std::string name = "r" + std::to_string(i);
            n.op(i % 5 ? "relu" : "sigmoid", { i % 3 ? "x" : "z" }, name);
            in.push_back(name);
        }
        n.op("concat", in, "y").output("y");
        agree(n, "sigmoid", 6, 10, "concat of " + std::to_string(count));
    }
}

TEST(plan, shuffles_agree_before_after_and_without_convolutions)
{
    for (unsigned f : { 2u, 3u, 4u })
        for (unsigned c : { 1u, 3u, 16u, 21u }) {
            network up, down, both, conv;
            up.input("x", c * f * f).op("pixel_shuffle", { "x" }, "y", f).output("y");
            agree(up, "move", 6, 10, "pixel_shuffle");
            down.input("x", c).op("pixel_unshuffle", { "x" }, "y", f).output("y");
            agree(down, "move", 6 * f, 10 * f, "pixel_unshuffle");
            both.input("x", c)
                .op("pixel_unshuffle", { "x" }, "u", f)
                .op("relu", { "u" }, "v")
                .op("pixel_shuffle", { "v" }, "y", f)
                .output("y");
            agree(both, "move", 6 * f, 10 * f, "unshuffle and shuffle");
            conv.input("x", c)
                .op("pixel_unshuffle", { "x" }, "u", f)
                .conv("u", "v", 7 * f * f, 3, 1, true)
                .op("pixel_shuffle", { "v" }, "w", f)
                .output("w");
            conv.op("relu", { "w" }, "t").output("t");
            agree(conv, "conv", 6 * f, 10 * f, "shuffles around a convolution");
        }
}

TEST(plan, a_tensor_may_be_read_and_be_an_output)
{
    network n;
    n.input("x", 8)
        .conv("x", "a", 16, 3, 1, true)
        .conv("a", "b", 64, 3)
        .op("pixel_shuffle", { "b" }, "c", 2)
        .conv("c", "d", 4, 3)
        .op("relu", { "a" }, "e")
        .op("mul", { "e", "a" }, "f");
    n.op("concat", { "f", "a" }, "g").output("a").output("d").output("g").output("c");
    agree(n, "network", 10, 14, "outputs that are read");
}

TEST(plan, a_network_like_an_enhancer_agrees_end_to_end)
{
    for (unsigned width : { 5u, 12u, 16u }) {
        network n(width);
        unet(n, width);
        agree(n, "network", 48, 64, "unet of width " + std::to_string(width));
    }
}

TEST(plan, runs_do_not_depend_on_the_runs_before)
{
    network n;
    unet(n);
    const srec_graph *g = n.parse();
    srec_compute compute{};
    const auto a = random_inputs(g, 32, 40, 1), b = random_inputs(g, 32, 40, 2);
    const auto first = run_whole(g, compute, 32, 40, a);
    srec_error error{};
    srec_plan *plan;
    LONGS_EQUAL(SREC_OK, srec_plan_create(g, &compute, 32, 40, &plan, &error));
    for (auto *in : { &a, &b, &a }) {
        memcpy(srec_plan_input(plan, 0), (*in)[0].data(), (*in)[0].size() * sizeof(float));
        LONGS_EQUAL(SREC_OK, srec_plan_run(plan, &error));
    }
    MEMCMP_EQUAL(first[0].data(), srec_plan_output(plan, 0), first[0].size() * sizeof(float));
    srec_plan_free(plan);
}

TEST(plan, impossible_sizes_are_refused)
{
    network n;
    unet(n); /* granule 8 */
    const srec_graph *g = n.parse();
    srec_error error{};
    srec_plan *plan;
    for (int backend = 0; backend < 2; backend++) {
        srec_compute compute{};
        compute.backend = (srec_backend)backend;
        const size_t sides[][2] = {
            { 0, 8 }, { 8, 0 }, { 12, 8 }, { 8, 9 }, { (size_t)1 << 21, 8 }, { SIZE_MAX - 7, 8 }
        };
        for (auto &s : sides) {
            LONGS_EQUAL(SREC_ERR_ARG, srec_plan_create(g, &compute, s[0], s[1], &plan, &error));
            POINTERS_EQUAL(nullptr, plan);
        }
        LONGS_EQUAL(SREC_ERR_MEMORY, srec_plan_create(g, &compute, 1u << 20, 1u << 20, &plan, &error)); /* 10^12
                                                                                                         * samples
                                                                                                         * */
        POINTERS_EQUAL(nullptr, plan);
    }
}

/* 64 x 64 x 64 x ... up, with many channels: sizes pass 2^64 long before memory does. */
TEST(plan, sizes_that_overflow_are_refused_not_wrapped)
{
    network n;
    n.input("x", 4096)
        .op("pixel_shuffle", { "x" }, "a", 64)
        .conv("a", "b", 4096, 1)
        .op("pixel_shuffle", { "b" }, "c", 64)
        .conv("c", "d", 4096, 1);
    n.op("pixel_shuffle", { "d" }, "e", 64).conv("e", "y", 4096, 1).output("y");
    const srec_graph *g = n.parse();
    srec_error error{};
    srec_plan *plan;
    for (size_t side : { (size_t)1, (size_t)1 << 10, (size_t)1 << 14, (size_t)1 << 20 })
        for (int backend = 0; backend < 2; backend++) {
            srec_compute compute{};
            compute.backend = (srec_backend)backend;
            LONGS_EQUAL(SREC_ERR_MEMORY, srec_plan_create(g, &compute, side, side, &plan, &error));
            POINTERS_EQUAL(nullptr, plan);
        }
}

TEST(plan, absurd_numbers_of_threads_are_capped)
{
    network n;
    unet(n);
    const srec_graph *g = n.parse();
    const auto in = random_inputs(g, 32, 40, 1);
    srec_compute compute{};
    compute.threads = 1;
    const auto expected = run_whole(g, compute, 32, 40, in);
    for (unsigned threads : { 1000u, 1000000u, UINT32_MAX }) {
        compute.threads = threads;
        const double d = difference(expected[0], run_whole(g, compute, 32, 40, in)[0]);
        CHECK(d <= tolerance_of("network", false));
    }
}

TEST(plan, networks_whose_strides_never_come_out_even_are_refused)
{
    network n; /* 1/61 * 1/59 * 1/53 of the side: no image is a multiple of 190747 */
    n.input("x", 1)
        .conv_padded("x", "a", 1, 61, 61, 0, false, "")
        .conv_padded("a", "b", 1, 59, 59, 0, false, "")
        .conv_padded("b", "y", 1, 53, 53, 0, false, "")
        .output("y");
    srec_error error{};
    LONGS_EQUAL(SREC_ERR_SHAPE, n.try_parse(&error));
}

/* Graphs come from files: whatever is wrong in one, it is refused, or it runs within its buffers (AddressSanitizer
 * watches). */
TEST(plan, damaged_graphs_are_refused_or_run)
{
    network n;
    unet(n, 2);
    const std::string whole = n.json();
    const auto file = n.weights();
    srec_error error{};
    srec_safetensors *weights;
    LONGS_EQUAL(SREC_OK, srec_safetensors_parse(file.data(), file.size(), &weights, &error));
    std::mt19937 random(5);
    unsigned run = 0;
    for (unsigned trial = 0; trial < 6000; trial++) {
        std::string json = whole;
        for (unsigned change = 0; change < 1 + trial % 3; change++) {
            const size_t at = random() % json.size();
            if (json[at] >= '0' && json[at] <= '9')
                json[at] = (char)('0' + random() % 10); /* other names, factors, strides */
            else if (random() % 20 == 0)
                json[at] = (char)random();
        }
        srec_graph *g;
        if (srec_graph_parse("test", json.data(), json.size(), weights, &g, &error) != SREC_OK) {
            POINTERS_EQUAL(nullptr, g);
            continue;
        }
        const size_t side = srec_graph_granule(g);
        for (int backend = 0; backend < 2 && side <= 32; backend++) {
            srec_compute compute{};
            compute.backend = (srec_backend)backend;
            compute.threads = 1;
            srec_plan *plan;
            if (srec_plan_create(g, &compute, side, side, &plan, &error) != SREC_OK)
                FAIL((std::string(error.message) + ": " + json).c_str());
            for (unsigned i = 0; i < srec_graph_inputs(g); i++)
                memset(srec_plan_input(plan, i), 0, side * side * srec_graph_input_channels(g, i) * sizeof(float));
            LONGS_EQUAL(SREC_OK, srec_plan_run(plan, &error));
            srec_plan_free(plan);
            run++;
        }
        srec_graph_free(g);
    }
    CHECK(run > 20);
    srec_safetensors_free(weights);
}
