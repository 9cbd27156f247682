/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The shipped model with one thing wrong at a time, its checksum made right again: each is refused by name. */
#include <srec/model.h>

#include "graph_fixtures.h"

#include <cmath>

#include <jansson.h>
#include <sodium.h>

TEST_GROUP(model_file)
{
    json_t *header = nullptr, *metadata = nullptr, *codec = nullptr, *graph = nullptr;
    std::vector<uint8_t> data;
    srec_error error{};

    void setup() override
    {
        FILE *f = fopen(SREC_MODEL, "rb");
        CHECK(f != nullptr && sodium_init() >= 0);
        uint64_t length;
        LONGS_EQUAL(1, fread(&length, 8, 1, f));
        std::string text(length, 0);
        LONGS_EQUAL(length, fread(&text[0], 1, length, f));
        fseek(f, 0, SEEK_END);
        data.resize((size_t)ftell(f) - 8 - length);
        fseek(f, (long)(8 + length), SEEK_SET);
        LONGS_EQUAL(data.size(), fread(data.data(), 1, data.size(), f));
        fclose(f);
        header = json_loadb(text.data(), text.size(), 0, nullptr);
        metadata = json_object_get(header, "__metadata__");
        codec = json_loads(json_string_value(json_object_get(metadata, "codec")), 0, nullptr);
        graph = json_loads(json_string_value(json_object_get(metadata, "graph")), 0, nullptr);
        CHECK(codec && graph);
    }
    void teardown() override
    {
        json_decref(header);
        json_decref(codec);
        json_decref(graph);
        data.clear();
        data.shrink_to_fit();
    }
    /* \param codec_and_graph, checksum: write them anew from what is in memory */
    srec_status load(bool codec_and_graph = true, bool checksum = true)
    {
        if (codec_and_graph)
            for (auto part : { std::make_pair("codec", codec), std::make_pair("graph", graph) }) {
                char *text = json_dumps(part.second, JSON_COMPACT);
                json_object_set_new(metadata, part.first, json_string(text));
                free(text);
            }
        if (checksum) {
            uint8_t hash[32];
            char hex[65];
            crypto_generichash(hash, 32, data.data(), data.size(), nullptr, 0);
            json_object_set_new(metadata, "checksum", json_string(sodium_bin2hex(hex, sizeof hex, hash, 32)));
        }
        char *text = json_dumps(header, JSON_COMPACT);
        const auto file = safetensors_file(text, data);
        free(text);
        srec_model *m = nullptr;
        const srec_status status = srec_model_load_memory(file.data(), file.size(), &m, &error);
        CHECK((status == SREC_OK) == (m != nullptr));
        srec_model_free(m);
        return status;
    }
    void refused(srec_status expected, const char *word, bool codec_and_graph = true, bool checksum = true)
    {
        error.message[0] = 0;
        const srec_status status = load(codec_and_graph, checksum);
        if (status != expected || !strstr(error.message, word))
            FAIL((std::string("expected ") + word + ", got status " + std::to_string(status) + ", " + error.message)
                     .c_str());
    }
    /* The bytes of a tensor. */
    uint8_t *bytes(const char *name)
    {
        const json_t *offsets = json_object_get(json_object_get(header, name), "data_offsets");
        CHECK(offsets != nullptr);
        return data.data() + json_integer_value(json_array_get(offsets, 0));
    }
    const char *dtype(const char *name)
    {
        return json_string_value(json_object_get(json_object_get(header, name), "dtype"));
    }
    /* A tensor's first value replaced, and put back after the check. In a half precision tensor: by what is not
     * finite only. */
    void refused_with(const char *name, float value, const char *word)
    {
        const bool half = strcmp(dtype(name), "F16") == 0;
        CHECK(half ? !std::isfinite(value) : strcmp(dtype(name), "F32") == 0);
        const uint16_t bits = (uint16_t)((std::isnan(value) ? 0x7e00 : 0x7c00) | (std::signbit(value) ? 0x8000 : 0));
        const size_t size = half ? 2 : 4;
        uint8_t *p = bytes(name), was[4];
        memcpy(was, p, size);
        memcpy(p, half ? (const void *)&bits : (const void *)&value, size);
        refused(SREC_ERR_FORMAT, word);
        memcpy(p, was, size);
    }
    /* A codec number replaced, and put back. */
    void codec_refused(const char *key, json_t *value, srec_status expected, const char *word)
    {
        json_t *was = json_incref(json_object_get(codec, key));
        json_object_set_new(codec, key, value);
        refused(expected, word);
        json_object_set_new(codec, key, was);
    }
};

TEST(model_file, unchanged_it_loads) { LONGS_EQUAL(SREC_OK, load()); }

TEST(model_file, foreign_or_newer_files_are_refused_by_name)
{
    const struct {
        const char *key, *value;
        srec_status status;
        const char *word;
    } cases[] = { { "format", "gguf", SREC_ERR_FORMAT, "not an srec model" },
                  { "format", nullptr, SREC_ERR_FORMAT, "not an srec model" },
                  { "format_version", "2", SREC_ERR_VERSION, "version 2" },
                  { "format_version", "1.0", SREC_ERR_VERSION, "version 1.0" },
                  { "format_version", "", SREC_ERR_VERSION, "reads version 1" },
                  { "format_version", nullptr, SREC_ERR_VERSION, "(none)" },
                  { "kind", "enhancer", SREC_ERR_UNSUPPORTED, "enhancer" },
                  { "kind", nullptr, SREC_ERR_UNSUPPORTED, "(none)" },
                  { "graph", "{", SREC_ERR_FORMAT, "graph or codec" },
                  { "graph", "[]", SREC_ERR_FORMAT, "graph or codec" },
                  { "codec", "", SREC_ERR_FORMAT, "graph or codec" },
                  { "codec", nullptr, SREC_ERR_FORMAT, "graph or codec" } };
    for (auto &c : cases) {
        json_t *was = json_incref(json_object_get(metadata, c.key));
        if (c.value)
            json_object_set_new(metadata, c.key, json_string(c.value));
        else
            json_object_del(metadata, c.key);
        refused(c.status, c.word, false);
        json_object_set_new(metadata, c.key, was);
    }
}

TEST(model_file, a_wrong_or_missing_checksum_is_refused)
{
    data[data.size() / 2] ^= 1;
    refused(SREC_ERR_CHECKSUM, "checksum", false, false);
    data[data.size() / 2] ^= 1;
    json_object_set_new(metadata, "checksum", json_string("00"));
    refused(SREC_ERR_CHECKSUM, "checksum", false, false);
    json_object_del(metadata, "checksum");
    refused(SREC_ERR_FORMAT, "checksum", false, false);
}

TEST(model_file, values_that_are_not_finite_are_refused_wherever_they_are)
{
    for (float bad : { NAN, INFINITY, -INFINITY }) {
        refused_with("prior.bits.tables", bad, "not finite");
        refused_with("prior.amplitude.tables", bad, "not finite");
        refused_with("fe.token", bad, "not finite");
        refused_with("entropy.scale", bad, "not finite");
        refused_with("fd.linear.3.deviation", bad, "not finite");
        refused_with("prior.bits.covariance.3", bad, "not finite");
    }
    uint8_t *w = bytes("ga.1.weight"); /* a convolution's */
    const size_t size = strcmp(dtype("ga.1.weight"), "F32") == 0 ? 4 : 2;
    w[size - 2] = 0xff;
    w[size - 1] = 0x7f;
    refused(SREC_ERR_FORMAT, "not finite");
}

TEST(model_file, priors_that_are_no_probabilities_are_refused)
{
    refused_with("prior.bits.tables", -0.25f, "negative probability");
    refused_with("prior.bits.tables", 0.5f, "sums to");
    uint8_t *index = bytes("prior.bits.index");
    const uint8_t was = *index;
    *index = 255;
    refused(SREC_ERR_FORMAT, "names table 255");
    *index = was;
    uint8_t *variance = bytes("prior.amplitude.covariance.4"); /* half precision */
    variance[1] |= 0x80;
    refused(SREC_ERR_FORMAT, "variances must be positive");
    variance[1] &= 0x7f;
    json_object_del(header, "prior.amplitude.index"); /* leaves a hole, or bytes at the end */
    LONGS_EQUAL(SREC_ERR_FORMAT, load());
}

TEST(model_file, tensors_of_another_shape_are_refused)
{
    for (const char *name :
         { "prior.bits.tables", "prior.bits.index", "prior.bits.covariance.0", "prior.amplitude.covariance.15",
           "fe.token", "fd.linear.0.weight", "fe.linear.15.weight", "ga.1.weight" }) {
        json_t *shape = json_object_get(json_object_get(header, name), "shape");
        json_t *was = json_deep_copy(shape);
        json_int_t count = 1;
        for (size_t i = 0; i < json_array_size(shape); i++)
            count *= json_integer_value(json_array_get(shape, i));
        json_array_clear(shape);
        json_array_append_new(shape, json_integer(count)); /* as many bytes, one dimension */
        refused(SREC_ERR_SHAPE, name);
        json_array_clear(shape);
        json_array_extend(shape, was);
        json_decref(was);
    }
}

TEST(model_file, codec_numbers_out_of_range_are_refused)
{
    codec_refused("patch", json_integer(8), SREC_ERR_UNSUPPORTED, "patch");
    codec_refused("multiple", json_string("64"), SREC_ERR_UNSUPPORTED, "multiple");
    for (json_int_t c : { 0LL, -1LL, 4097LL, 9223372036854775807LL })
        codec_refused("latent_channels", json_integer(c), SREC_ERR_FORMAT, "latent_channels");
    codec_refused("latent_channels", json_integer(191), SREC_ERR_SHAPE, "network"); /* what the networks do not have
                                                                                     * */
    codec_refused("ladder", json_pack("[]"), SREC_ERR_FORMAT, "ladder");
    codec_refused("ladder", json_pack("[iii]", 2, 4, 4), SREC_ERR_FORMAT, "ladder");
    codec_refused("ladder", json_pack("[i]", 0), SREC_ERR_FORMAT, "ladder");
    codec_refused("ladder", json_pack("[ii]", 2, 5000), SREC_ERR_FORMAT, "ladder");
    codec_refused("ladder", json_pack("[iiiiiiiiiiiiiiiii]", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17),
                  SREC_ERR_FORMAT, "ladder");
    codec_refused("mean", json_pack("[ff]", .5, .5), SREC_ERR_FORMAT, "mean");
    codec_refused("mean", json_pack("[fff]", .5, .5, 1e308), SREC_ERR_FORMAT, "mean");
    codec_refused("mean", json_pack("[ffs]", .5, .5, "x"), SREC_ERR_FORMAT, "mean");
    codec_refused("bits_max", json_real(1e308), SREC_ERR_FORMAT, "bits_max");
    codec_refused("bits_scale", json_real(0), SREC_ERR_FORMAT, "bits_scale");
    codec_refused("entropy", json_pack("{sf}", "floor", -1.0), SREC_ERR_FORMAT, "entropy.floor");
    codec_refused("entropy", json_string("floor"), SREC_ERR_FORMAT, "entropy.floor");
    codec_refused("formats", json_pack("{}"), SREC_ERR_FORMAT, "levels");
    codec_refused("formats", json_pack("{s{sf}}", "bits", "levels", 1e9), SREC_ERR_FORMAT, "levels");
}

TEST(model_file, networks_that_do_not_fit_are_refused)
{
    for (const char *net : { "ga", "ha", "hs", "fe", "fd", "gs" }) {
        json_t *was = json_incref(json_object_get(graph, net));
        json_object_del(graph, net);
        refused(SREC_ERR_FORMAT, net);
        json_object_set_new(graph, net, json_integer(3));
        LONGS_EQUAL(SREC_ERR_FORMAT, load());
        json_t *other = json_deep_copy(was); /* another scale: an unshuffle at the end */
        json_array_append_new(json_object_get(other, "nodes"),
                              json_pack("{sss[O]sssi}", "op", "pixel_unshuffle", "in",
                                        json_array_get(json_object_get(other, "outputs"), 0), "out", "end", "factor",
                                        2));
        json_object_set_new(other, "outputs", json_pack("[s]", "end"));
        json_object_set_new(graph, net, other);
        refused(SREC_ERR_SHAPE, net);
        json_object_set_new(graph, net, was);
    }
    json_t *node = json_array_get(json_object_get(json_object_get(graph, "ga"), "nodes"), 1);
    const struct {
        const char *key;
        json_t *value;
        srec_status status;
    } cases[] = { { "op", json_string("softmax"), SREC_ERR_UNSUPPORTED },
                  { "in", json_pack("[s]", "later"), SREC_ERR_FORMAT },
                  { "in", json_pack("[]"), SREC_ERR_FORMAT },
                  { "in", json_pack("[ss]", "t0", "t0"), SREC_ERR_FORMAT },
                  { "out", json_string("t0"), SREC_ERR_FORMAT },
                  { "out", json_string(std::string(64, 'x').c_str()), SREC_ERR_FORMAT },
                  { "weight", json_string("fe.token"), SREC_ERR_SHAPE },
                  { "weight", json_string("none"), SREC_ERR_SHAPE },
                  { "bias", json_string("fe.token"), SREC_ERR_SHAPE },
                  { "stride", json_integer(0), SREC_ERR_FORMAT },
                  { "stride", json_integer(1 << 30), SREC_ERR_FORMAT },
                  { "pad", json_integer(-1), SREC_ERR_FORMAT },
                  { "pad", json_integer(3), SREC_ERR_SHAPE },
                  { "add", json_string("none"), SREC_ERR_FORMAT },
                  { "add", json_string("image"), SREC_ERR_SHAPE } };
    for (auto &c : cases) {
        json_t *was = json_incref(json_object_get(node, c.key));
        json_object_set_new(node, c.key, c.value);
        error.message[0] = 0;
        const srec_status status = load();
        if (status != c.status || !strstr(error.message, "network ga"))
            FAIL((std::string(c.key) + ": status " + std::to_string(status) + ", " + error.message).c_str());
        if (was)
            json_object_set_new(node, c.key, was);
        else
            json_object_del(node, c.key);
    }
    LONGS_EQUAL(SREC_OK, load());
}
