/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Networks run window by window against the same networks run whole: no seam, nothing read or written out of place.
 * */
#include "graph_fixtures.h"

TEST_GROUP(tiles)
{
    srec_error error{};

    std::vector<std::vector<float>> run_tiled(const srec_graph *g, const srec_compute &compute, size_t h, size_t w,
                                              const std::vector<std::vector<float>> &in)
    {
        srec_tiler *t = nullptr;
        LONGS_EQUAL(SREC_OK, srec_tiler_create(g, &compute, 1, &t, &error));
        std::vector<std::vector<float>> out;
        std::vector<const float *> from;
        std::vector<float *> to;
        for (auto &plane : in)
            from.push_back(plane.data());
        for (unsigned i = 0; i < srec_graph_outputs(g); i++)
            out.emplace_back(output_count(g, i, h, w), NAN);
        for (auto &plane : out)
            to.push_back(plane.data());
        if (srec_tiler_run_planes(t, h, w, from.data(), to.data(), &error) != SREC_OK)
            FAIL(error.message);
        srec_tiler_free(t);
        return out;
    }

    /* \param tolerance 0: bit by bit */
    void seamless(const srec_graph *g, srec_backend backend, unsigned tile, size_t h, size_t w, double tolerance)
    {
        srec_compute whole{}, tiled{};
        whole.backend = tiled.backend = backend;
        whole.threads = tiled.threads = 1; /* many small windows: threads would wait for each other on a busy
                                            * machine */
        tiled.tile = tile;
        const auto in = random_inputs(g, h, w, 11);
        const auto expected = run_whole(g, whole, h, w, in), got = run_tiled(g, tiled, h, w, in);
        for (size_t i = 0; i < got.size(); i++) {
            const double d = difference(expected[i], got[i]);
            if (!(d <= tolerance)) {
                char text[160];
                snprintf(text, sizeof text, "%zux%zu in tiles of %u (halo %u, granule %u), output %zu: differs by %.2g",
                         w, h, tile, srec_graph_halo(g), srec_graph_granule(g), i, d);
                FAIL(text);
            }
        }
    }
};

TEST(tiles, a_network_like_an_enhancer_is_the_same_tiled_and_whole)
{
    network n;
    unet(n, 2);
    const srec_graph *g = n.parse();
    LONGS_EQUAL(8, srec_graph_granule(g));
    for (unsigned tile : { 1u, 200u })
        for (size_t h : { (size_t)8, (size_t)152 })
            for (size_t w : { (size_t)160, (size_t)328 })
                seamless(g, SREC_BACKEND_REFERENCE, tile, h, w, 0);
    network wide;
    unet(wide, 16);
    for (unsigned tile : { 1u, 200u, 256u })
        seamless(wide.parse(), SREC_BACKEND_ONEDNN, tile, 488, 336, 1e-5);
}

/* Strides, shuffles, kernels and skips at random, two outputs of different scales. */
TEST(tiles, random_networks_are_the_same_tiled_and_whole)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        std::mt19937 random(seed);
        network n(seed);
        n.input("x", 2).input("z", 1).op("concat", { "x", "z" }, "v0");
        unsigned last = 0, half_way = 0;
        int level = 0;                                  /* sides are those of the inputs / 2^level */
        std::map<int, std::string> seen{ { 0, "v0" } }; /* a value of each scale, for skips */
        const unsigned count = 5 + random() % 8;
        for (unsigned i = 1; i <= count; i++) {
            const std::string in = "v" + std::to_string(last), out = "v" + std::to_string(i);
            const unsigned kind = random() % 6;
            if (kind == 0 && level < 3) {
                n.conv(in, out, 4, random() % 2 ? 3 : 1, 2);
                level++;
            } else if (kind == 1 && level < 3) {
                n.conv(in, out + "c", 2).op("pixel_unshuffle", { out + "c" }, out, 2);
                level++;
            } else if (kind <= 3 && level > -1) {
                n.conv(in, out + "c", 12, 1).op("pixel_shuffle", { out + "c" }, out, 2);
                level--;
            } else if (kind == 4 && seen.count(level))
                n.op("concat", { in, seen[level] }, out + "c").conv(out + "c", out, 3, 3);
            else
                n.conv(in, out, 3, 1 + 2 * (random() % 3), 1, random() % 2);
            seen[level] = out;
            last = i;
            if (i == count / 2)
                half_way = i;
        }
        n.output("v" + std::to_string(last)).output("v" + std::to_string(half_way));
        const srec_graph *g = n.parse();
        const size_t granule = srec_graph_granule(g), side = 3 * std::max<size_t>(srec_graph_halo(g), granule);
        seamless(g, SREC_BACKEND_REFERENCE, 1, side + granule * (1 + random() % 5),
                 side + side / 2 / granule * granule + granule, 0);
    }
}

TEST(tiles, a_large_plane_is_the_same_tiled_and_whole)
{
    network n;
    n.input("x", 3)
        .conv("x", "a", 16, 3, 2, true)
        .conv("a", "b", 16, 3, 1, false, "a")
        .conv("b", "c", 12, 3)
        .op("pixel_shuffle", { "c" }, "y", 2)
        .output("y");
    seamless(n.parse(), SREC_BACKEND_ONEDNN, 0, 1536, 2560, 1e-5);
    seamless(n.parse(), SREC_BACKEND_ONEDNN, 128, 1536, 2560, 1e-5);
}

/* By hand: what one output block needs of the plane. */
TEST(tiles, the_halo_is_what_the_layers_need_and_no_more)
{
    const struct {
        void (*build)(network &);
        unsigned granule, halo;
    } cases[] = {
        { [](network &n) { n.conv("x", "y", 1, 1); }, 1, 0 },
        { [](network &n) { n.conv("x", "y", 1, 3); }, 1, 1 },
        { [](network &n) { n.conv("x", "a", 1, 3).conv("a", "y", 1, 5); }, 1, 3 },
        { [](network &n) { n.conv("x", "y", 1, 3, 2); }, 2, 2 },                         /* sees 1, rounded to 2 */
        { [](network &n) { n.conv("x", "a", 1, 3, 2).conv("a", "y", 1, 3, 2); }, 4, 4 }, /* 1 + 2 = 3 */
        { [](network &n) { n.op("pixel_unshuffle", { "x" }, "a", 4).op("pixel_shuffle", { "a" }, "y", 4); }, 4, 0 },
        { [](network &n) {
             n.op("pixel_unshuffle", { "x" }, "a", 4).conv("a", "b", 16).op("pixel_shuffle", { "b" }, "y", 4);
         },
          4, 4 },
        { [](network &n) {
             n.conv("x", "a", 16, 3, 4).conv("a", "b", 16).op("pixel_shuffle", { "b" }, "c", 4).conv("c", "y", 1);
         },
          4, 12 }, /* 1 -> 4 -> 8 -> 9 */
        { [](network &n) { n.conv("x", "a", 4).op("pixel_shuffle", { "a" }, "b", 2).conv("b", "y", 1); }, 1,
          2 }, /* half a sample, and 1 */
    };
    for (auto &c : cases) {
        network n;
        n.input("x", 1);
        c.build(n);
        const srec_graph *g = n.output("y").parse();
        LONGS_EQUAL(c.granule, srec_graph_granule(g));
        LONGS_EQUAL(c.halo, srec_graph_halo(g));
    }
}

/* Windows as the tiler asks for them. */
struct recorder {
    size_t height, width, side;
    std::vector<uint8_t> written; /* per output sample */
    size_t windows = 0;
};

static void record_read(void *context, unsigned, const srec_window *window, float *dst)
{
    auto *r = (recorder *)context;
    const auto [y, x, h, w] = *window;
    CHECK(y % 8 == 0 && x % 8 == 0 && h % 8 == 0 && w % 8 == 0);
    CHECK(y + h <= r->height && x + w <= r->width && h <= r->side && w <= r->side);
    r->windows++;
    memset(dst, 0, h * w * 3 * sizeof *dst);
}

static void record_write(void *context, unsigned, const srec_window *window, const float *, size_t stride)
{
    auto *r = (recorder *)context;
    const auto [y, x, h, w] = *window;
    CHECK(y + h <= r->height && x + w <= r->width && stride >= w * 3);
    for (size_t i = 0; i < h; i++)
        for (size_t k = 0; k < w; k++)
            r->written[(y + i) * r->width + x + k]++;
}

static srec_status record(srec_tiler *t, size_t height, size_t width, recorder &r)
{
    const srec_tile_io io{ record_read, record_write, &r };
    srec_error error{};
    return srec_tiler_run(t, height, width, &io, &error);
}

TEST(tiles, windows_stay_inside_and_write_every_sample_once)
{
    network n;
    unet(n, 1);
    const srec_graph *g = n.parse();
    srec_compute compute{};
    compute.tile = 3 * srec_graph_halo(g);
    compute.threads = 1;
    srec_tiler *t;
    LONGS_EQUAL(SREC_OK, srec_tiler_create(g, &compute, 1, &t, &error));
    for (size_t h : { (size_t)8, (size_t)compute.tile, (size_t)compute.tile + 8, (size_t)600 })
        for (size_t w = 8; w <= 600; w += 72) {
            recorder r{ h, w, compute.tile, std::vector<uint8_t>(h * w, 0) };
            LONGS_EQUAL(SREC_OK, record(t, h, w, r));
            CHECK(std::all_of(r.written.begin(), r.written.end(), [](uint8_t c) { return c == 1; }));
        }
    srec_tiler_free(t);
}

TEST(tiles, planes_that_are_no_multiple_of_the_granule_are_refused)
{
    network n;
    unet(n, 1);
    const srec_graph *g = n.parse();
    for (unsigned tile : { 1u, 4096u }) {
        srec_compute compute{};
        compute.tile = tile;
        srec_tiler *t;
        LONGS_EQUAL(SREC_OK, srec_tiler_create(g, &compute, 1, &t, &error));
        const size_t sides[][2] = {
            { 1, 8 }, { 8, 1 }, { 1001, 1000 }, { 1000, 1004 }, { 0, 8 }, { 8, 0 }, { 500, 9 }
        };
        for (auto &s : sides) {
            recorder r{ s[0], s[1], 4096, {} };
            LONGS_EQUAL(SREC_ERR_ARG, record(t, s[0], s[1], r));
            LONGS_EQUAL(0, r.windows);
        }
        srec_tiler_free(t);
    }
}

static bool stop_at_third(void *context, size_t done, size_t total)
{
    *(size_t *)context = total;
    return done < 3;
}

TEST(tiles, a_callback_can_stop_the_run_and_the_next_one_is_whole)
{
    network n;
    unet(n, 1);
    const srec_graph *g = n.parse();
    size_t total = 0;
    srec_compute compute{};
    compute.tile = 1;
    compute.progress = stop_at_third;
    compute.progress_context = &total;
    srec_tiler *t;
    LONGS_EQUAL(SREC_OK, srec_tiler_create(g, &compute, 1, &t, &error));
    recorder r{ 800, 800, 4096, std::vector<uint8_t>(800 * 800, 0) };
    LONGS_EQUAL(SREC_ERR_CANCELLED, record(t, 800, 800, r));
    LONGS_EQUAL(3, r.windows);
    CHECK(total > 3);
    recorder small{ 8, 8, 4096, std::vector<uint8_t>(64, 0) };
    LONGS_EQUAL(SREC_OK, record(t, 8, 8, small));
    srec_tiler_free(t);
}

struct countdown {
    size_t left, calls = 0;
    static bool cancelled(void *context)
    {
        auto *c = (countdown *)context;
        return ++c->calls > c->left;
    }
};

TEST(tiles, a_run_can_be_cancelled_between_the_layers_of_a_single_window)
{
    network n;
    n.input("x", 3).conv("x", "a", 3).conv("a", "b", 3).conv("b", "c", 3).conv("c", "y", 3).output("y");
    const srec_graph *g = n.parse();
    for (srec_backend backend : { SREC_BACKEND_REFERENCE, SREC_BACKEND_ONEDNN }) {
        countdown stop{ 2 }; /* layers */
        srec_compute compute{};
        compute.backend = backend;
        compute.cancelled = countdown::cancelled;
        compute.cancelled_context = &stop;
        srec_tiler *t;
        LONGS_EQUAL(SREC_OK, srec_tiler_create(g, &compute, 1, &t, &error));
        const std::vector<float> in(24 * 24 * 3, 1.0f);
        std::vector<float> out(in.size(), NAN), expected(in.size(), NAN);
        const float *from = in.data();
        float *to = out.data();
        LONGS_EQUAL(SREC_ERR_CANCELLED, srec_tiler_run_planes(t, 24, 24, &from, &to, &error));
        LONGS_EQUAL(3, stop.calls);
        CHECK(std::isnan(out[0]));
        stop.left = SIZE_MAX;
        LONGS_EQUAL(SREC_OK, srec_tiler_run_planes(t, 24, 24, &from, &to, &error));
        LONGS_EQUAL(3 + 4, stop.calls);
        srec_tiler_free(t);
        compute.cancelled = nullptr;
        LONGS_EQUAL(SREC_OK, srec_tiler_create(g, &compute, 1, &t, &error));
        to = expected.data();
        LONGS_EQUAL(SREC_OK, srec_tiler_run_planes(t, 24, 24, &from, &to, &error));
        CHECK(out == expected);
        srec_tiler_free(t);
    }
}
