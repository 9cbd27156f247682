/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "../../lib/core/layers/wavelet.h"
}

#include <cmath>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace
{

std::vector<float> noise(uint32_t width, uint32_t height)
{
    std::mt19937 random(3);
    std::vector<float> plane((size_t)width * height);
    for (auto &v : plane)
        v = (float)(random() % 256) - 128;
    return plane;
}

} // namespace

TEST_GROUP(wavelet){};

TEST(wavelet, the_inverse_gives_the_samples_back)
{
    const uint32_t sizes[][2] = { { 2, 2 }, { 3, 2 }, { 2, 3 }, { 5, 7 }, { 33, 64 }, { 65, 130 }, { 200, 101 } };
    for (const auto &size : sizes) {
        const unsigned side = size[0] < size[1] ? size[0] : size[1];
        for (unsigned levels = 0; levels < 6 && side >> levels; levels++) {
            const std::vector<float> sent = noise(size[0], size[1]);
            std::vector<float> plane = sent;
            LONGS_EQUAL(SREC_OK, srec_wavelet_transform(plane.data(), size[0], size[1], levels, false));
            LONGS_EQUAL(SREC_OK, srec_wavelet_transform(plane.data(), size[0], size[1], levels, true));
            for (size_t i = 0; i < sent.size(); i++)
                DOUBLES_EQUAL(sent[i], plane[i], 1e-3);
        }
    }
}

TEST(wavelet, a_constant_is_in_the_lowest_band_with_gain_1)
{
    std::vector<float> plane(40 * 24, 100.0f);
    LONGS_EQUAL(SREC_OK, srec_wavelet_transform(plane.data(), 40, 24, 3, false));
    for (size_t y = 0; y < 24; y++)
        for (size_t x = 0; x < 40; x++)
            DOUBLES_EQUAL(x < 5 && y < 3 ? 100 : 0, plane[y * 40 + x], 1e-3);
}

TEST(wavelet, an_alternating_signal_is_in_a_high_band_with_gain_1)
{
    std::vector<float> plane(32 * 16);
    for (size_t i = 0; i < plane.size(); i++)
        plane[i] = i % 2 ? -50.0f : 50.0f;
    LONGS_EQUAL(SREC_OK, srec_wavelet_transform(plane.data(), 32, 16, 1, false));
    for (size_t y = 0; y < 16; y++)
        for (size_t x = 0; x < 32; x++)
            DOUBLES_EQUAL(x >= 16 && y < 8 ? 50 : 0, std::fabs(plane[y * 32 + x]), 1e-3);
}
