/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The enhancer with tiny networks of random weights (tests/golden/make_enhancers.py): equal to PyTorch, seamless,
 * and
 * the image itself where its last convolution is zero. */
#include <srec/srec.h>

#include "graph_fixtures.h"
#include "tolerances.h"

#include <jansson.h>
#include <sodium.h>

static std::string model_path(unsigned scale)
{
    return std::string(SREC_SOURCE_DIR "/tests/golden/enhancer-x") + (char)('0' + scale) + ".safetensors";
}

/* A model file taken apart, to be changed and put together again. */
struct editor {
    json_t *header = nullptr, *metadata = nullptr, *numbers = nullptr, *graphs = nullptr;
    std::vector<uint8_t> data;

    explicit editor(unsigned scale)
    {
        FILE *f = fopen(model_path(scale).c_str(), "rb");
        CHECK(f != nullptr && sodium_init() >= 0);
        uint64_t length;
        LONGS_EQUAL(1, fread(&length, 8, 1, f));
        std::string text(length, 0);
        LONGS_EQUAL(length, fread(&text[0], 1, length, f));
        for (int c; (c = fgetc(f)) != EOF;)
            data.push_back((uint8_t)c);
        fclose(f);
        header = json_loadb(text.data(), text.size(), 0, nullptr);
        metadata = json_object_get(header, "__metadata__");
        numbers = json_loads(json_string_value(json_object_get(metadata, "enhancer")), 0, nullptr);
        graphs = json_loads(json_string_value(json_object_get(metadata, "graph")), 0, nullptr);
    }
    ~editor()
    {
        json_decref(header);
        json_decref(numbers);
        json_decref(graphs);
    }
    void write_numbers() const
    {
        for (auto part : { std::make_pair("enhancer", numbers), std::make_pair("graph", graphs) }) {
            char *text = json_dumps(part.second, JSON_COMPACT);
            json_object_set_new(metadata, part.first, json_string(text));
            free(text);
        }
    }
    std::vector<uint8_t> file() const
    {
        uint8_t hash[32];
        char hex[65];
        crypto_generichash(hash, 32, data.data(), data.size(), nullptr, 0);
        json_object_set_new(metadata, "checksum", json_string(sodium_bin2hex(hex, sizeof hex, hash, 32)));
        char *text = json_dumps(header, JSON_COMPACT);
        auto out = safetensors_file(text, data);
        free(text);
        return out;
    }
    json_t *last_node() const
    {
        json_t *nodes = json_object_get(json_object_get(graphs, "enhancer"), "nodes");
        return json_array_get(nodes, json_array_size(nodes) - 1);
    }
    void zero(const char *tensor)
    {
        const json_t *offsets = json_object_get(json_object_get(header, tensor), "data_offsets");
        CHECK(offsets != nullptr);
        std::fill(data.begin() + json_integer_value(json_array_get(offsets, 0)),
                  data.begin() + json_integer_value(json_array_get(offsets, 1)), (uint8_t)0);
    }
};

struct picture {
    std::vector<uint8_t> data;
    srec_image image;
    picture(const picture &p) : data(p.data), image(p.image) { image.data = data.data(); }
    picture &operator=(const picture &p)
    {
        data = p.data;
        image = p.image;
        image.data = data.data();
        return *this;
    }
    picture(uint32_t w, uint32_t h, uint8_t channels = 3)
        : data((size_t)w * h * channels), image{ w, h, channels, (size_t)w * channels, data.data() }
    {
    }
    picture &fill()
    {
        std::mt19937 random(5);
        for (size_t i = 0; i < data.size(); i++) {
            const double x = (double)(i / image.channels % image.width), y = (double)(i / image.channels / image.width);
            data[i] = (uint8_t)(128 + 50 * sin(0.11 * x + i % image.channels) + 50 * cos(0.07 * y) + random() % 16);
        }
        return *this;
    }
};

TEST_GROUP(enhancer)
{
    srec_error error{};
    srec_enhancer_model *models[3] = {};

    void setup() override
    {
        for (unsigned scale : { 1, 2 })
            if (srec_enhancer_model_load(model_path(scale).c_str(), &models[scale], &error) != SREC_OK)
                FAIL(error.message);
    }
    void teardown() override
    {
        for (auto m : models)
            srec_enhancer_model_free(m);
    }
    static srec_compute with(srec_backend backend, unsigned tile = 0)
    {
        srec_compute c{};
        c.backend = backend;
        c.threads = 1;
        c.tile = tile;
        return c;
    }
    picture run(const srec_enhancer_model *m, const srec_compute &compute, picture &in, const float *map,
                float everywhere, uint32_t w = 0, uint32_t h = 0)
    {
        srec_enhancer *e = nullptr;
        LONGS_EQUAL(SREC_OK, srec_enhancer_create(m, &compute, &e, &error));
        const unsigned scale = srec_enhancer_model_scale(m);
        picture out(w ? w : scale * in.image.width, h ? h : scale * in.image.height, in.image.channels);
        if (srec_enhancer_run(e, &in.image, map, everywhere, &out.image, &error) != SREC_OK)
            FAIL(error.message);
        srec_enhancer_free(e);
        return out;
    }
    static double psnr(const picture &a, const picture &b)
    {
        double db;
        LONGS_EQUAL(SREC_OK, srec_psnr(&a.image, &b.image, &db));
        return db;
    }
    static int worst(const picture &a, const picture &b)
    {
        LONGS_EQUAL(a.data.size(), b.data.size());
        int w = 0;
        for (size_t i = 0; i < a.data.size(); i++)
            w = std::max(w, abs(a.data[i] - b.data[i]));
        return w;
    }
    srec_enhancer_model *from(const editor &e)
    {
        const auto file = e.file();
        srec_enhancer_model *m;
        if (srec_enhancer_model_load_memory(file.data(), file.size(), &m, &error) != SREC_OK)
            FAIL(error.message);
        return m;
    }
    srec_status load(const editor &e)
    {
        const auto file = e.file();
        srec_enhancer_model *m = nullptr;
        error.message[0] = 0;
        const srec_status status = srec_enhancer_model_load_memory(file.data(), file.size(), &m, &error);
        CHECK((status == SREC_OK) == (m != nullptr));
        srec_enhancer_model_free(m);
        return status;
    }
};

/* The image is given in bytes, so the golden planes go through the engine; what is around it is in the other
 * tests.
 */
TEST(enhancer, the_network_equals_pytorch_on_both_backends)
{
    srec_safetensors *golden, *file;
    LONGS_EQUAL(SREC_OK, srec_safetensors_load(SREC_SOURCE_DIR "/tests/golden/enhancers.safetensors", &golden, &error));
    for (unsigned scale : { 1, 2 }) {
        const editor e(scale);
        LONGS_EQUAL(SREC_OK, srec_safetensors_load(model_path(scale).c_str(), &file, &error));
        char *text = json_dumps(json_object_get(e.graphs, "enhancer"), 0);
        srec_graph *g;
        LONGS_EQUAL(SREC_OK, srec_graph_parse("enhancer", text, strlen(text), file, &g, &error));
        free(text);
        std::vector<std::vector<float>> planes;
        const srec_tensor *t = nullptr;
        for (const char *name : { ".in0", ".in1", ".out" }) {
            t = srec_safetensors_find(golden, ("x" + std::to_string(scale) + name).c_str());
            CHECK(t != nullptr);
            planes.emplace_back(t->count);
            srec_tensor_to_f32(t, planes.back().data());
        }
        const auto expected = planes.back();
        planes.pop_back();
        for (auto backend : { SREC_BACKEND_ONEDNN, SREC_BACKEND_REFERENCE }) {
            const auto got = run_whole(g, with(backend), t->shape[0] / scale, t->shape[1] / scale, planes);
            const double d = difference(expected, got[0]);
            if (!(d <= tolerance_of("golden", false)))
                FAIL(("x" + std::to_string(scale) + " differs from PyTorch by " + std::to_string(d)).c_str());
        }
        srec_graph_free(g);
        srec_safetensors_free(file);
    }
    srec_safetensors_free(golden);
}

TEST(enhancer, with_a_last_convolution_of_zero_the_picture_is_what_it_was)
{
    for (unsigned scale : { 1, 2 }) {
        editor e(scale);
        e.zero(json_string_value(json_object_get(e.last_node(), "weight")));
        e.zero(json_string_value(json_object_get(e.last_node(), "bias")));
        srec_enhancer_model *m = from(e);
        for (uint8_t channels : { 1, 3 })
            for (uint32_t w : { 1u, 50u, 131u }) {
                picture in(w, 67, channels), plain(scale * w, scale * 67, channels);
                in.fill();
                if (scale == 1)
                    plain = in;
                else
                    LONGS_EQUAL(SREC_OK, srec_image_double(&in.image, &plain.image));
                /* scale 2: the interpolation's coefficients are exact in half precision, its sums are not rounded
                 * in
                 * between */
                CHECK(worst(plain, run(m, with(SREC_BACKEND_ONEDNN), in, nullptr, 0.3f)) <= (int)scale - 1);
            }
        srec_enhancer_model_free(m);
    }
}

TEST(enhancer, both_backends_agree_and_pictures_of_any_size_pass)
{
    for (unsigned scale : { 1, 2 })
        for (uint32_t w : { 1u, 33u, 90u })
            for (uint32_t h : { 1u, 47u }) {
                picture in = picture(w, h).fill();
                CHECK(worst(run(models[scale], with(SREC_BACKEND_ONEDNN), in, nullptr, 0.5f),
                            run(models[scale], with(SREC_BACKEND_REFERENCE), in, nullptr, 0.5f)) <= 1);
            }
}

TEST(enhancer, grey_is_three_equal_channels_and_their_mean_given_back)
{
    picture grey(70, 40, 1), rgb(70, 40, 3);
    grey.fill();
    for (size_t i = 0; i < rgb.data.size(); i++)
        rgb.data[i] = grey.data[i / 3];
    for (unsigned scale : { 1, 2 }) {
        const picture a = run(models[scale], with(SREC_BACKEND_ONEDNN), grey, nullptr, 0.2f),
                      b = run(models[scale], with(SREC_BACKEND_ONEDNN), rgb, nullptr, 0.2f);
        for (size_t i = 0; i < a.data.size(); i++)
            if (std::max({ b.data[3 * i], b.data[3 * i + 1], b.data[3 * i + 2] }) < 255 &&
                std::min({ b.data[3 * i], b.data[3 * i + 1], b.data[3 * i + 2] }) > 0)
                DOUBLES_EQUAL((b.data[3 * i] + b.data[3 * i + 1] + b.data[3 * i + 2]) / 3.0, a.data[i], 1.01);
    }
}

TEST(enhancer, a_result_one_row_and_column_short_is_the_same_but_for_these)
{
    picture in(31, 20);
    in.fill();
    const picture whole = run(models[2], with(SREC_BACKEND_ONEDNN), in, nullptr, 0),
                  odd = run(models[2], with(SREC_BACKEND_ONEDNN), in, nullptr, 0, 61, 39);
    for (uint32_t y = 0; y < 39; y++)
        MEMCMP_EQUAL(whole.data.data() + y * 62 * 3, odd.data.data() + y * 61 * 3, 61 * 3);
}

TEST(enhancer, the_deviation_of_a_patch_acts_there)
{
    picture in(256, 256);
    in.fill();
    std::vector<float> map(16 * 16, 0.1f);
    const picture flat = run(models[1], with(SREC_BACKEND_ONEDNN), in, map.data(), 9);
    CHECK_EQUAL(0, worst(flat, run(models[1], with(SREC_BACKEND_ONEDNN), in, nullptr, 0.1f)));
    map[2 * 16 + 3] = 1;
    const picture lost = run(models[1], with(SREC_BACKEND_ONEDNN), in, map.data(), 9);
    int inside = 0, outside = 0; /* beyond the network's reach of 92 + 32 pixels */
    for (uint32_t y = 0; y < 256; y++)
        for (uint32_t x = 0; x < 256 * 3; x++) {
            const int d = abs(lost.data[y * 768 + x] - flat.data[y * 768 + x]);
            if (y / 16 == 2 && x / 48 == 3)
                inside = std::max(inside, d);
            if (y >= 48 + 128 || x / 3 >= 64 + 128)
                outside = std::max(outside, d);
        }
    CHECK(inside > 0);
    LONGS_EQUAL(0, outside);
    /* what is not known is not the same as certain; anything below 0 and NaN mean it; beyond 1 is 1 */
    const picture unknown = run(models[1], with(SREC_BACKEND_ONEDNN), in, nullptr, -1);
    CHECK(worst(unknown, run(models[1], with(SREC_BACKEND_ONEDNN), in, nullptr, 0)) > 0);
    LONGS_EQUAL(0, worst(unknown, run(models[1], with(SREC_BACKEND_ONEDNN), in, nullptr, NAN)));
    LONGS_EQUAL(0, worst(run(models[1], with(SREC_BACKEND_ONEDNN), in, nullptr, 1),
                         run(models[1], with(SREC_BACKEND_ONEDNN), in, nullptr, 7)));
}

TEST(enhancer, tiles_leave_no_seam)
{
    for (unsigned scale : { 1, 2 }) {
        picture in(720 / scale, 560 / scale);
        in.fill();
        std::vector<float> map(48 * 48);
        for (size_t i = 0; i < map.size(); i++)
            map[i] = (float)(i * 37 % 100) / 100;
        const picture whole = run(models[scale], with(SREC_BACKEND_ONEDNN, 1024), in, map.data(), 0);
        const picture tiled = run(models[scale], with(SREC_BACKEND_ONEDNN, 320), in, map.data(), 0);
        CHECK(worst(whole, tiled) <= 1);
        CHECK(psnr(whole, tiled) > 60);
    }
}

/* With neither halo nor margin the windows lie side by side, so their number is known. The run ends before the
 * first. */
TEST(enhancer, tiles_are_counted_in_pixels_of_the_result_at_either_scale)
{
    const struct {
        unsigned tile;
        uint32_t side; /* of the result */
        size_t windows;
    } cases[] = {
        { 320, 1280, 4 * 4 }, { 320, 1312, 5 * 5 }, { 1280, 1280, 1 }, { 0, 3840, 5 * 5 }, { 768, 3840, 5 * 5 }
    };
    for (unsigned scale : { 1, 2 }) {
        editor model_file(scale);
        json_object_set_new(model_file.numbers, "halo", json_integer(0));
        json_object_set_new(model_file.numbers, "margin", json_integer(0));
        model_file.write_numbers();
        srec_enhancer_model *m = from(model_file);
        for (const auto &c : cases) {
            size_t windows = 0;
            srec_compute compute = with(SREC_BACKEND_ONEDNN, c.tile);
            compute.progress = [](void *context, size_t, size_t total) {
                *(size_t *)context = total;
                return false;
            };
            compute.progress_context = &windows;
            srec_enhancer *e;
            LONGS_EQUAL(SREC_OK, srec_enhancer_create(m, &compute, &e, &error));
            picture in(c.side / scale, c.side / scale, 1), out(c.side, c.side, 1);
            LONGS_EQUAL(SREC_ERR_CANCELLED, srec_enhancer_run(e, &in.image, nullptr, 0, &out.image, &error));
            LONGS_EQUAL(c.windows, windows);
            srec_enhancer_free(e);
        }
        srec_enhancer_model_free(m);
    }
}

/* A smaller halo than the layers' reach is the model's to choose; it must then really be used. */
TEST(enhancer, the_halo_is_the_models_to_choose)
{
    picture in(720, 560);
    in.fill();
    editor e(1);
    json_object_set_new(e.numbers, "halo", json_integer(0));
    e.write_numbers();
    srec_enhancer_model *m = from(e);
    const picture whole = run(m, with(SREC_BACKEND_ONEDNN, 1024), in, nullptr, 0.5f),
                  tiled = run(m, with(SREC_BACKEND_ONEDNN, 320), in, nullptr, 0.5f);
    CHECK(worst(whole, tiled) > 1); /* a seam */
    srec_enhancer_model_free(m);
    json_object_set_new(e.numbers, "halo", json_integer(64));
    e.write_numbers();
    m = from(e);
    const picture near_enough = run(m, with(SREC_BACKEND_ONEDNN, 320), in, nullptr, 0.5f);
    CHECK(psnr(whole, near_enough) > psnr(whole, tiled) + 6);
    srec_enhancer_model_free(m);
}

TEST(enhancer, a_callback_can_stop_it)
{
    srec_compute c = with(SREC_BACKEND_ONEDNN);
    c.progress = [](void *, size_t, size_t) { return false; };
    srec_enhancer *e;
    LONGS_EQUAL(SREC_OK, srec_enhancer_create(models[1], &c, &e, &error));
    picture in(40, 40), out(40, 40);
    LONGS_EQUAL(SREC_ERR_CANCELLED, srec_enhancer_run(e, &in.image, nullptr, 0, &out.image, &error));
    srec_enhancer_free(e);
}

TEST(enhancer, pictures_that_do_not_fit_are_refused)
{
    srec_enhancer *one, *two;
    LONGS_EQUAL(SREC_OK, srec_enhancer_create(models[1], nullptr, &one, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_create(nullptr, nullptr, &two, &error));
    POINTERS_EQUAL(nullptr, two);
    LONGS_EQUAL(SREC_OK, srec_enhancer_create(models[2], nullptr, &two, &error));
    picture a(10, 8), b(20, 16), narrow(18, 16), grey(10, 8, 1);
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_run(one, &a.image, nullptr, 0, &b.image, &error));
    STRCMP_CONTAINS("scale 1", error.message);
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_run(one, &a.image, nullptr, 0, &grey.image, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_run(two, &a.image, nullptr, 0, &narrow.image, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_run(two, &a.image, nullptr, 0, nullptr, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_run(nullptr, &a.image, nullptr, 0, &b.image, &error));
    a.image.width = 0;
    LONGS_EQUAL(SREC_ERR_ARG, srec_enhancer_run(two, &a.image, nullptr, 0, &b.image, &error));
    srec_enhancer_free(one);
    srec_enhancer_free(two);
}

TEST(enhancer, models_of_the_other_kind_are_refused_by_name)
{
    srec_enhancer_model *m;
    LONGS_EQUAL(SREC_ERR_UNSUPPORTED, srec_enhancer_model_load(SREC_MODEL, &m, &error));
    STRCMP_CONTAINS("an enhancer is needed", error.message);
    srec_model *codec;
    LONGS_EQUAL(SREC_ERR_UNSUPPORTED, srec_model_load(model_path(1).c_str(), &codec, &error));
    STRCMP_CONTAINS("model of kind enhancer; a codec is needed", error.message);
    LONGS_EQUAL(SREC_ERR_IO, srec_enhancer_model_load("/nonexistent", &m, &error));
    POINTERS_EQUAL(nullptr, m);
}

TEST(enhancer, the_model_tells_of_itself)
{
    LONGS_EQUAL(2, srec_enhancer_model_scale(models[2]));
    STRCMP_EQUAL("tiny enhancer x2", srec_enhancer_model_metadata(models[2], "name"));
    CHECK(srec_enhancer_model_parameters(models[1]) > 1000);
    DOUBLES_EQUAL(1636, srec_enhancer_model_macs_per_pixel(models[1]), 1); /* as make_enhancers.py prints */
    DOUBLES_EQUAL(1254, srec_enhancer_model_macs_per_pixel(models[2]), 1);
}

TEST(enhancer, the_model_names_its_coding)
{
    LONGS_EQUAL(SREC_CODING_FEATURES, srec_enhancer_model_coding(models[1]));
    for (const char *name : { "features", "layers" }) {
        editor e(1);
        json_object_set_new(e.numbers, "coding", json_string(name));
        e.write_numbers();
        srec_enhancer_model *m = from(e);
        LONGS_EQUAL(strcmp(name, "layers") ? SREC_CODING_FEATURES : SREC_CODING_LAYERS, srec_enhancer_model_coding(m));
        srec_enhancer_model_free(m);
    }
}

TEST(enhancer, images_that_are_better_than_the_model_improves_pass)
{
    for (unsigned scale : { 1u, 2u }) {
        editor e(scale);
        json_object_set_new(e.numbers, "least_deviation", json_real(0.25));
        e.write_numbers();
        srec_enhancer_model *m = from(e);
        DOUBLES_EQUAL(0.25, srec_enhancer_model_least_deviation(m), 0);
        srec_enhancer *enhancer;
        LONGS_EQUAL(SREC_OK, srec_enhancer_create(m, nullptr, &enhancer, &error));
        picture in(20, 12), plain(20 * scale, 12 * scale), out(20 * scale, 12 * scale);
        in.fill();
        if (scale == 1)
            plain.data = in.data;
        else
            LONGS_EQUAL(SREC_OK, srec_image_double(&in.image, &plain.image));
        LONGS_EQUAL(SREC_OK, srec_enhancer_run(enhancer, &in.image, nullptr, 0.24f, &out.image, &error));
        LONGS_EQUAL(0, worst(plain, out));
        for (float deviation : { 0.25f, -1.0f }) {
            LONGS_EQUAL(SREC_OK, srec_enhancer_run(enhancer, &in.image, nullptr, deviation, &out.image, &error));
            CHECK(worst(plain, out) > 0);
        }
        srec_enhancer_free(enhancer);
        srec_enhancer_model_free(m);
    }
}

TEST(enhancer, the_rms_error_of_layers_becomes_a_deviation)
{
    DOUBLES_EQUAL(0, srec_enhancer_layers_deviation(0), 0);
    DOUBLES_EQUAL(0.25, srec_enhancer_layers_deviation(8), 0);
    DOUBLES_EQUAL(1, srec_enhancer_layers_deviation(40), 0);
    DOUBLES_EQUAL(1, srec_enhancer_layers_deviation(INFINITY), 0);
    for (float unknown : { -1.0f, NAN })
        DOUBLES_EQUAL(-1, srec_enhancer_layers_deviation(unknown), 0);
}

TEST(enhancer, models_that_do_not_fit_are_refused)
{
    const struct {
        const char *key;
        json_t *value;
        const char *word;
    } cases[] = { { "scale", json_integer(3), "scale" },
                  { "scale", json_integer(0), "scale" },
                  { "scale", json_string("1"), "scale" },
                  { "scale", nullptr, "scale" },
                  { "margin", json_integer(-1), "margin" },
                  { "margin", json_integer(65), "margin" },
                  { "margin", json_real(1.5), "margin" },
                  { "mean", json_pack("[ff]", .5, .5), "mean" },
                  { "mean", json_pack("[fff]", .5, .5, 1e308), "mean" },
                  { "mean", nullptr, "mean" },
                  { "coding", json_string("pieces"), "coding" },
                  { "coding", json_integer(1), "coding" },
                  { "least_deviation", json_real(1.5), "least_deviation" },
                  { "least_deviation", json_string("0"), "least_deviation" },
                  { "halo", json_integer(31), "halo" },
                  { "halo", json_integer(-32), "halo" },
                  { "halo", json_integer(1 << 20), "halo" },
                  { "halo", json_string("32"), "halo" } };
    for (auto &c : cases) {
        editor e(1);
        if (c.value)
            json_object_set_new(e.numbers, c.key, c.value);
        else
            json_object_del(e.numbers, c.key);
        e.write_numbers();
        LONGS_EQUAL(SREC_ERR_FORMAT, load(e));
        STRCMP_CONTAINS(c.word, error.message);
    }
    {
        editor e(2); /* the network doubles, the number says 1 */
        json_object_set_new(e.numbers, "scale", json_integer(1));
        e.write_numbers();
        LONGS_EQUAL(SREC_ERR_SHAPE, load(e));
        STRCMP_CONTAINS("scale", error.message);
    }
    for (const char *key : { "graph", "enhancer" })
        for (const char *text : { "", "[]", "{" }) {
            editor e(1);
            json_object_set_new(e.metadata, key, json_string(text));
            LONGS_EQUAL(SREC_ERR_FORMAT, load(e));
            STRCMP_CONTAINS("graph or enhancer", error.message);
        }
    {
        editor e(1);
        json_object_del(e.graphs, "enhancer");
        e.write_numbers();
        LONGS_EQUAL(SREC_ERR_FORMAT, load(e));
        STRCMP_CONTAINS("network enhancer", error.message);
    }
    editor e(1);
    json_array_append_new(json_object_get(json_object_get(e.graphs, "enhancer"), "outputs"), json_string("t0"));
    e.write_numbers();
    LONGS_EQUAL(SREC_ERR_SHAPE, load(e));
    editor v(1);
    json_object_set_new(v.metadata, "format_version", json_string("2"));
    LONGS_EQUAL(SREC_ERR_VERSION, load(v));
}
