/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensor files: what is read, and a named error for every way in which one can be wrong. */
#include "graph_fixtures.h"

#include <sodium.h>
#include <unistd.h>

TEST_GROUP(safetensors)
{
    srec_safetensors *file = nullptr;
    srec_error error{};
    void teardown() override { srec_safetensors_free(file); }

    /* header without its braces */
    srec_status parse(const std::string &header, size_t data_bytes)
    {
        srec_safetensors_free(file);
        file = nullptr;
        std::vector<uint8_t> data(data_bytes);
        for (size_t i = 0; i < data_bytes; i++)
            data[i] = (uint8_t)(i + 1);
        auto bytes = safetensors_file("{" + header + "}", data);
        bytes.shrink_to_fit();
        return srec_safetensors_parse(bytes.data(), bytes.size(), &file, &error);
    }
    void refused(srec_status expected, const char *word, const std::string &header, size_t data_bytes)
    {
        error.message[0] = 0;
        const srec_status status = parse(header, data_bytes);
        if (status != expected || file || !strstr(error.message, word) || strchr(error.message, '\n'))
            FAIL((header.substr(0, 100) + ": status " + std::to_string(status) + ", " + error.message).c_str());
    }
};

static std::string entry(const char *name, const char *dtype, const char *shape, const char *offsets)
{
    return std::string("\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}";
}

TEST(safetensors, every_dtype_is_read_exactly)
{
    const uint16_t half[] = { 0x3c00, 0xc000, 0x0001, 0x8001, 0x7bff, 0x0400, 0x03ff, 0x3555 };
    const float half_value[] = { 1, -2, 0x1p-24f, -0x1p-24f, 65504, 0x1p-14f, 1023 * 0x1p-24f, 0.333251953125f };
    const uint16_t brain[] = { 0x3f80, 0xc000, 0x4049, 0x0001 };
    const float brain_value[] = { 1, -2, 3.140625f, 0x1p-133f };
    const float plain[] = { 1.5f, -0.1f, 3e38f, 1e-45f };
    std::vector<uint8_t> data(16 + 16 + 8 + 3);
    memcpy(data.data(), plain, 16);
    memcpy(data.data() + 16, half, 16);
    memcpy(data.data() + 32, brain, 8);
    data[40] = 0, data[41] = 7, data[42] = 255;
    const auto bytes =
        safetensors_file("{\"__metadata__\":{\"a\":\"b\"}," + entry("f", "F32", "[2,2]", "[0,16]") + "," +
                             entry("h", "F16", "[8]", "[16,32]") + "," + entry("b", "BF16", "[4,1]", "[32,40]") + "," +
                             entry("u", "U8", "[3]", "[40,43]") + "}",
                         data);
    LONGS_EQUAL(SREC_OK, srec_safetensors_parse(bytes.data(), bytes.size(), &file, &error));
    const struct {
        const char *name;
        const float *value;
        size_t n;
    } expect[] = { { "f", plain, 4 }, { "h", half_value, 8 }, { "b", brain_value, 4 } };
    for (auto &e : expect) {
        const srec_tensor *t = srec_safetensors_find(file, e.name);
        CHECK(t && t->count == e.n);
        std::vector<float> out(e.n);
        LONGS_EQUAL(SREC_OK, srec_tensor_to_f32(t, out.data()));
        MEMCMP_EQUAL(e.value, out.data(), e.n * sizeof(float));
        CHECK(srec_tensor_finite(t));
    }
    LONGS_EQUAL(255, srec_safetensors_find(file, "u")->data[2]);
    LONGS_EQUAL(16, srec_safetensors_parameters(file));
    STRCMP_EQUAL("b", srec_safetensors_metadata(file, "a"));
    STRCMP_EQUAL("a", srec_safetensors_metadata_key(file, 0));
    POINTERS_EQUAL(nullptr, srec_safetensors_metadata_key(file, 1));
    POINTERS_EQUAL(nullptr, srec_safetensors_find(file, "g"));
}

TEST(safetensors, infinities_and_nans_are_seen_in_every_dtype)
{
    const struct {
        const char *dtype;
        std::vector<uint8_t> bytes;
        bool finite;
    } cases[] = {
        { "F32", { 0, 0, 0x80, 0x7f }, false },
        { "F32", { 1, 0, 0xc0, 0xff }, false },
        { "F32", { 0xff, 0xff, 0x7f, 0x7f }, true },
        { "F16", { 0, 0x7c }, false },
        { "F16", { 1, 0xfe }, false },
        { "F16", { 0xff, 0x7b }, true },
        { "BF16", { 0x80, 0x7f }, false },
        { "BF16", { 0x81, 0xff }, false },
        { "BF16", { 0x7f, 0x7f }, true },
        { "U8", { 255 }, true },
    };
    for (auto &c : cases) {
        std::vector<uint8_t> data(c.bytes.size(), 0); /* a zero before it */
        data.insert(data.end(), c.bytes.begin(), c.bytes.end());
        const auto bytes = safetensors_file(
            "{" + entry("t", c.dtype, "[2]", ("[0," + std::to_string(data.size()) + "]").c_str()) + "}", data);
        srec_safetensors_free(file);
        LONGS_EQUAL(SREC_OK, srec_safetensors_parse(bytes.data(), bytes.size(), &file, &error));
        LONGS_EQUAL(c.finite, srec_tensor_finite(srec_safetensors_find(file, "t")));
    }
}

TEST(safetensors, bad_headers_are_refused_by_name)
{
    refused(SREC_ERR_FORMAT, "JSON", "\"a\":", 0);
    refused(SREC_ERR_FORMAT, "JSON", "}{", 0);
    refused(SREC_ERR_FORMAT, "uplicate", entry("a", "U8", "[1]", "[0,1]") + "," + entry("a", "U8", "[1]", "[1,2]"), 2);
    refused(SREC_ERR_FORMAT, "__metadata__", "\"__metadata__\":[]", 0);
    refused(SREC_ERR_FORMAT, "not a string", "\"__metadata__\":{\"k\":1}", 0);
    refused(SREC_ERR_FORMAT, "missing", "\"a\":{}", 0);
    refused(SREC_ERR_FORMAT, "missing", "\"a\":3", 0);
    refused(SREC_ERR_FORMAT, "missing", "\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,1]}", 1);
    refused(SREC_ERR_FORMAT, "longer than", entry(std::string(201, 'n').c_str(), "U8", "[1]", "[0,1]"), 1);
    std::string many = "\"a\":0";
    for (unsigned i = 0; i < 4096; i++)
        many += ",\"b" + std::to_string(i) + "\":0";
    refused(SREC_ERR_FORMAT, "more than 4096", many, 0);
    refused(SREC_ERR_FORMAT, "a\\x0ab", "\"a\\nb\":3", 0); /* the message stays one line */
}

TEST(safetensors, bad_dtypes_shapes_and_offsets_are_refused_by_name)
{
    refused(SREC_ERR_UNSUPPORTED, "dtype F64", entry("a", "F64", "[1]", "[0,8]"), 8);
    refused(SREC_ERR_UNSUPPORTED, "dtype", entry("a", "", "[1]", "[0,1]"), 1);
    refused(SREC_ERR_SHAPE, "more than 8", entry("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1);
    for (const char *shape : { "[0]", "[-1]", "[1.0]", "[\"1\"]", "[null]" })
        refused(SREC_ERR_SHAPE, "positive", entry("a", "U8", shape, "[0,1]"), 1);
    for (const char *shape : { "[9223372036854775807]", "[4294967296,4294967296]", "[2,9223372036854775807]", "[9]" })
        refused(SREC_ERR_SHAPE, "larger than the file", entry("a", "U8", shape, "[0,8]"), 8);
    refused(SREC_ERR_FORMAT, "JSON", entry("a", "U8", "[99999999999999999999]", "[0,8]"), 8); /* beyond 64 bits */
    refused(SREC_ERR_SHAPE, "its shape needs 8", entry("a", "F32", "[2]", "[0,4]"), 4);
    refused(SREC_ERR_SHAPE, "its shape needs 4", entry("a", "F32", "[1]", "[0,8]"), 8);
    for (const char *offsets : { "[1,0]", "[-1,0]", "[0.0,1]", "[\"0\",1]" })
        refused(SREC_ERR_FORMAT, "bad data_offsets", entry("a", "U8", "[1]", offsets), 1);
    for (const char *offsets : { "[0]", "[]", "[0,1,2]", "0" })
        refused(SREC_ERR_FORMAT, "data_offsets", entry("a", "U8", "[1]", offsets), 1);
    refused(SREC_ERR_TRUNCATED, "cut short", entry("a", "U8", "[1]", "[1,2]"), 1);
    refused(SREC_ERR_TRUNCATED, "cut short", entry("a", "U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1);
}

TEST(safetensors, overlaps_holes_and_left_over_bytes_are_refused_by_name)
{
    refused(SREC_ERR_FORMAT, "overlaps", entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[2,6]"), 6);
    refused(SREC_ERR_FORMAT, "overlaps", entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[0,4]"), 4);
    refused(SREC_ERR_FORMAT, "hole", entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[5,9]"), 9);
    refused(SREC_ERR_FORMAT, "hole", entry("a", "U8", "[4]", "[1,5]"), 5);
    refused(SREC_ERR_FORMAT, "after the last", entry("a", "U8", "[4]", "[0,4]"), 5);
    LONGS_EQUAL(SREC_OK,
                parse(entry("b", "U8", "[4]", "[4,8]") + "," + entry("a", "U8", "[4]", "[0,4]"), 8)); /* any order */
}

TEST(safetensors, a_file_cut_anywhere_and_absurd_lengths_are_refused)
{
    const auto whole = safetensors_file("{" + entry("a", "F32", "[4]", "[0,16]") + "}", std::vector<uint8_t>(16));
    for (size_t n = 0; n < whole.size(); n++) {
        std::vector<uint8_t> cut(whole.begin(), whole.begin() + (long)n);
        cut.shrink_to_fit();
        const srec_status status = srec_safetensors_parse(cut.data(), n, &file, &error);
        LONGS_EQUAL(SREC_ERR_TRUNCATED, status);
        POINTERS_EQUAL(nullptr, file);
    }
    for (uint64_t length : { (uint64_t)1 << 23, (uint64_t)1 << 63, ~(uint64_t)0, ~(uint64_t)0 - 7 }) {
        auto bytes = whole;
        memcpy(bytes.data(), &length, 8);
        LONGS_EQUAL(SREC_ERR_FORMAT, srec_safetensors_parse(bytes.data(), bytes.size(), &file, &error));
        CHECK(strstr(error.message, "header would be"));
    }
}

TEST(safetensors, any_byte_changed_is_survived)
{
    const auto whole = safetensors_file("{\"__metadata__\":{\"x\":\"y\"}," + entry("a", "F32", "[2,2]", "[0,16]") + "}",
                                        std::vector<uint8_t>(16));
    for (size_t i = 0; i < whole.size(); i++)
        for (unsigned change = 1; change < 256; change++) {
            auto bytes = whole;
            bytes[i] = (uint8_t)(bytes[i] ^ change);
            srec_safetensors_free(file);
            file = nullptr;
            if (srec_safetensors_parse(bytes.data(), bytes.size(), &file, &error) != SREC_OK)
                POINTERS_EQUAL(nullptr, file);
        }
}

TEST(safetensors, a_checksum_is_checked_where_there_is_one)
{
    CHECK(sodium_init() >= 0);
    std::vector<uint8_t> data(16, 3);
    uint8_t hash[32];
    char hex[65];
    crypto_generichash(hash, 32, data.data(), data.size(), nullptr, 0);
    sodium_bin2hex(hex, sizeof hex, hash, 32);
    auto bytes = safetensors_file("{\"__metadata__\":{\"checksum\":\"" + std::string(hex) + "\"}," +
                                      entry("a", "F32", "[4]", "[0,16]") + "}",
                                  data);
    LONGS_EQUAL(SREC_OK, srec_safetensors_parse(bytes.data(), bytes.size(), &file, &error));
    srec_safetensors_free(file);
    for (size_t i = 0; i < 16; i++) {
        auto damaged = bytes;
        damaged[bytes.size() - 1 - i] ^= 0x10;
        LONGS_EQUAL(SREC_ERR_CHECKSUM, srec_safetensors_parse(damaged.data(), damaged.size(), &file, &error));
    }
}

TEST(safetensors, folders_and_absent_files_are_refused)
{
    LONGS_EQUAL(SREC_ERR_IO, srec_safetensors_load("/", &file, &error));
    LONGS_EQUAL(SREC_ERR_IO, srec_safetensors_load("/nonexistent/file", &file, &error));
    LONGS_EQUAL(SREC_ERR_IO, srec_safetensors_load("/dev/null", &file, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_safetensors_load(nullptr, &file, &error));
}
