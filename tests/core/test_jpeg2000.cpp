/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "../../lib/core/layers/jpeg2000.h"
#include <srec/metrics.h>
}

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace
{

/* An image with smooth parts, edges and some noise. */
struct picture {
    std::vector<uint8_t> samples;
    srec_image image;

    picture(uint32_t width, uint32_t height, unsigned channels) : samples((size_t)width * height * channels)
    {
        image = { width, height, (uint8_t)channels, (size_t)width * channels, samples.data() };
    }

    static picture scene(uint32_t width, uint32_t height, unsigned channels)
    {
        picture p(width, height, channels);
        std::mt19937 random(5);
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++)
                for (unsigned c = 0; c < channels; c++) {
                    double v = 120 + 80 * std::sin(x / 31.0 + c) * std::cos(y / 23.0);
                    if ((x / 40 + y / 56) % 2)
                        v += 30;
                    v += (double)(random() % 9) - 4;
                    p.samples[((size_t)y * width + x) * channels + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
                }
        return p;
    }
};

double psnr(const picture &a, const picture &b)
{
    double db = 0;
    LONGS_EQUAL(SREC_OK, srec_psnr(&a.image, &b.image, &db));
    return db;
}

std::vector<srec_j2k_packet> all_packets(const srec_j2k_stream &s)
{
    std::vector<srec_j2k_packet> packets(s.n_packets);
    for (size_t i = 0; i < s.n_packets; i++)
        packets[i] = { s.bytes + s.offset[i], s.offset[i + 1] - s.offset[i] };
    return packets;
}

} // namespace

TEST_GROUP(jpeg2000)
{
    srec_error error = {};
    srec_j2k_stream stream = {};

    void teardown() override { srec_j2k_stream_free(&stream); }

    srec_j2k_format encode(const picture &p, const std::vector<size_t> &layer_bytes)
    {
        const srec_j2k_format f = { p.image.width, p.image.height, p.image.channels, (unsigned)layer_bytes.size() };
        srec_j2k_stream_free(&stream);
        if (srec_j2k_encode(&p.image, &f, layer_bytes.data(), 1, &stream, &error) != SREC_OK)
            FAIL(error.message);
        LONGS_EQUAL(f.n_layers * srec_j2k_packets(&f, SREC_J2K_RESOLUTIONS_MAX), stream.n_packets);
        return f;
    }

    picture decode(const srec_j2k_format &f, const std::vector<srec_j2k_packet> &packets)
    {
        picture out(f.width, f.height, f.channels);
        if (srec_j2k_decode(&f, packets.data(), 1, &out.image, &error) != SREC_OK)
            FAIL(error.message);
        return out;
    }

    /* The error from the packets before each end, against that of the decoded image. */
    void compare_errors(const picture &sent, const srec_j2k_format &f, const std::vector<uint32_t> &ends)
    {
        std::vector<double> rms(ends.size());
        LONGS_EQUAL(SREC_OK,
                    srec_j2k_errors(&sent.image, &stream, nullptr, ends.data(), (unsigned)ends.size(), rms.data()));
        for (size_t i = 0; i < ends.size(); i++) {
            auto packets = all_packets(stream);
            for (size_t k = ends[i]; k < packets.size(); k++)
                packets[k] = { nullptr, 0 };
            const double decoded = 255 / std::pow(10, psnr(sent, decode(f, packets)) / 20);
            DOUBLES_EQUAL(1, rms[i] / decoded, 0.01);
        }
    }
};

TEST(jpeg2000, an_image_comes_back_and_more_layers_make_it_better)
{
    const picture sent = picture::scene(300, 200, 3);
    const srec_j2k_format f = encode(sent, { 500, 1500, 4500 });
    const size_t per_layer = srec_j2k_packets(&f, SREC_J2K_RESOLUTIONS_MAX);
    double before = 20;
    for (unsigned layers = 1; layers <= 3; layers++) {
        auto packets = all_packets(stream);
        for (size_t i = layers * per_layer; i < packets.size(); i++)
            packets[i] = { nullptr, 0 };
        const double db = psnr(sent, decode(f, packets));
        CHECK(db > before + 1);
        before = db;
        const double bytes = (double)stream.offset[layers * per_layer];
        const double wanted = layers == 1 ? 500 : layers == 2 ? 1500 : 4500;
        CHECK(bytes < 1.02 * wanted && bytes > 0.9 * wanted);
    }
}

TEST(jpeg2000, images_of_any_size_and_channels_come_back)
{
    const uint32_t sizes[][2] = { { 1, 1 },   { 2, 1 },   { 1, 9 },     { 7, 5 },     { 31, 33 },
                                  { 64, 64 }, { 129, 3 }, { 65535, 1 }, { 1, 65535 }, { 257, 130 } };
    for (const auto &size : sizes)
        for (unsigned channels : { 1u, 3u }) {
            const picture sent = picture::scene(size[0], size[1], channels);
            const srec_j2k_format f = encode(sent, { sent.samples.size() / 2 + 200, 2 * sent.samples.size() + 400 });
            CHECK(psnr(sent, decode(f, all_packets(stream))) > 38);
        }
}

TEST(jpeg2000, resolutions_follow_the_shorter_side)
{
    LONGS_EQUAL(1, srec_j2k_resolutions(1, 1));
    LONGS_EQUAL(1, srec_j2k_resolutions(65535, 1));
    LONGS_EQUAL(2, srec_j2k_resolutions(2, 3));
    LONGS_EQUAL(5, srec_j2k_resolutions(31, 500));
    LONGS_EQUAL(6, srec_j2k_resolutions(32, 500));
    LONGS_EQUAL(6, srec_j2k_resolutions(5000, 5000));
}

TEST(jpeg2000, packets_are_counted_by_precincts_of_every_resolution)
{
    const srec_j2k_format f = { 768, 512, 3, 1 };
    /* 24x16, 48x32, 96x64 and 192x128, 384x256, 768x512 in precincts of 128x128 */
    LONGS_EQUAL(3, srec_j2k_packets(&f, 1));
    LONGS_EQUAL(6, srec_j2k_packets(&f, 2));
    LONGS_EQUAL(3 * (1 + 1 + 1 + 2 + 6 + 24), srec_j2k_packets(&f, 6));
    LONGS_EQUAL(srec_j2k_packets(&f, 6), srec_j2k_packets(&f, 99));
}

TEST(jpeg2000, any_pattern_of_missing_packets_decodes_and_the_lowest_resolutions_bound_the_damage)
{
    const picture sent = picture::scene(300, 200, 3);
    const srec_j2k_format f = encode(sent, { 6000, 20000 });
    const double whole = psnr(sent, decode(f, all_packets(stream)));
    std::mt19937 random(7);
    for (unsigned round = 0; round < 40; round++) {
        auto packets = all_packets(stream);
        const size_t safe = round % 2 ? srec_j2k_packets(&f, 3) : 0;
        for (size_t i = safe; i < packets.size(); i++)
            if (random() % 100 < (round < 20 ? 10 : 60))
                packets[i] = { nullptr, 0 };
        const double db = psnr(sent, decode(f, packets));
        CHECK(db <= whole + 1e-9);
        CHECK(db > (safe ? 14 : 5));
    }
}

TEST(jpeg2000, no_packet_at_all_gives_a_flat_image)
{
    const srec_j2k_format f = { 70, 50, 3, 2 };
    const std::vector<srec_j2k_packet> none(2 * srec_j2k_packets(&f, 6), srec_j2k_packet{ nullptr, 0 });
    const picture flat = decode(f, none);
    for (auto v : flat.samples)
        LONGS_EQUAL(128, v);
}

TEST(jpeg2000, damaged_packets_fail_with_a_line_or_decode_to_some_image)
{
    const picture sent = picture::scene(150, 100, 3);
    const srec_j2k_format f = encode(sent, { 4000, 12000 });
    std::mt19937 random(8);
    for (unsigned round = 0; round < 200; round++) {
        std::vector<uint8_t> bytes(stream.bytes, stream.bytes + stream.offset[stream.n_packets]);
        for (unsigned k = 0; k < 1 + round % 20; k++)
            bytes[random() % bytes.size()] = (uint8_t)random();
        std::vector<srec_j2k_packet> packets(stream.n_packets);
        for (size_t i = 0; i < packets.size(); i++)
            packets[i] = { bytes.data() + stream.offset[i], stream.offset[i + 1] - stream.offset[i] };
        picture out(f.width, f.height, f.channels);
        if (srec_j2k_decode(&f, packets.data(), 1, &out.image, &error) != SREC_OK)
            CHECK(strlen(error.message) > 10 && !strchr(error.message, '\n'));
    }
}

TEST(jpeg2000, errors_of_any_part_are_known_without_decoding)
{
    const uint32_t sizes[][2] = { { 300, 200 }, { 257, 130 }, { 64, 640 }, { 31, 33 } };
    for (const auto &size : sizes)
        for (unsigned channels : { 1u, 3u }) {
            const picture sent = picture::scene(size[0], size[1], channels);
            const size_t n = sent.samples.size();
            const srec_j2k_format f = encode(sent, { n / 100 + 50, n / 20 + 100, n / 4 + 200 });
            const uint32_t layer = (uint32_t)srec_j2k_packets(&f, SREC_J2K_RESOLUTIONS_MAX);
            compare_errors(sent, f, { layer, 2 * layer - layer / 3, 2 * layer, 3 * layer - 1, 3 * layer });
        }
}

TEST(jpeg2000, errors_of_damaged_packets_are_refused_or_finite)
{
    const picture sent = picture::scene(150, 100, 3);
    encode(sent, { 4000, 12000 });
    const std::vector<uint8_t> bytes(stream.bytes, stream.bytes + stream.offset[stream.n_packets]);
    std::mt19937 random(9);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned k = 0; k < 1 + round % 20; k++)
            stream.bytes[random() % bytes.size()] = (uint8_t)random();
        const uint32_t end = (uint32_t)stream.n_packets;
        double rms = 0;
        const srec_status status = srec_j2k_errors(&sent.image, &stream, nullptr, &end, 1, &rms);
        CHECK(status == SREC_ERR_FORMAT || (status == SREC_OK && std::isfinite(rms)));
        std::copy(bytes.begin(), bytes.end(), stream.bytes);
    }
}

TEST(jpeg2000, a_format_that_does_not_fit_is_refused)
{
    const picture sent = picture::scene(20, 10, 3);
    const size_t bytes[] = { 500, 400 };
    srec_j2k_format f = { 20, 10, 3, 2 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_j2k_encode(&sent.image, &f, bytes, 1, &stream, &error)); /* not ascending */
    f.n_layers = SREC_J2K_LAYERS_MAX + 1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_j2k_encode(&sent.image, &f, bytes, 1, &stream, &error));
    f = { 20, 10, 2, 1 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_j2k_encode(&sent.image, &f, bytes, 1, &stream, &error));
    f = { 21, 10, 3, 1 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_j2k_encode(&sent.image, &f, bytes, 1, &stream, &error));
}
