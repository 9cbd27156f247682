/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/srec.h>

#include <cmath>
#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(resize)
{
    struct picture {
        std::vector<uint8_t> data;
        srec_image image;
        picture(uint32_t w, uint32_t h, uint8_t channels, double (*f)(double, double) = nullptr)
            : data((size_t)w * h * channels, 77), image{ w, h, channels, (size_t)w * channels, data.data() }
        {
            for (size_t i = 0; f && i < data.size(); i++)
                data[i] = (uint8_t)lrint(f((double)(i / channels % w), (double)(i / channels / w)));
        }
        int at(uint32_t x, uint32_t y) const { return data[(y * (size_t)image.width + x) * image.channels]; }
    };
};

TEST(resize, flat_pictures_stay_flat)
{
    for (uint8_t channels : { 1, 3 })
        for (uint32_t w : { 1u, 2u, 7u, 64u })
            for (uint32_t h : { 1u, 5u }) {
                picture in(w, h, channels), half((w + 1) / 2, (h + 1) / 2, channels), back(w, h, channels);
                half.data.assign(half.data.size(), 0);
                back.data.assign(back.data.size(), 0);
                LONGS_EQUAL(SREC_OK, srec_image_halve(&in.image, &half.image));
                LONGS_EQUAL(SREC_OK, srec_image_double(&half.image, &back.image));
                for (auto v : half.data)
                    LONGS_EQUAL(77, v);
                for (auto v : back.data)
                    LONGS_EQUAL(77, v);
            }
}

/* Sample i of the half image lies at 2 i + 1/2 of the whole one: a ramp tells whether anything is shifted. */
TEST(resize, ramps_stay_ramps_in_place)
{
    picture in(80, 60, 1, [](double x, double y) { return 2 * x + y; }), half(40, 30, 1), back(80, 60, 1);
    LONGS_EQUAL(SREC_OK, srec_image_halve(&in.image, &half.image));
    for (uint32_t y = 2; y < 28; y++)
        for (uint32_t x = 2; x < 38; x++)
            DOUBLES_EQUAL(2 * (2 * x + 0.5) + 2 * y + 0.5, half.at(x, y), 0.51);
    LONGS_EQUAL(SREC_OK, srec_image_double(&half.image, &back.image));
    for (uint32_t y = 8; y < 52; y++)
        for (uint32_t x = 8; x < 72; x++)
            DOUBLES_EQUAL(in.at(x, y), back.at(x, y), 1.01);
}

/* What the half image cannot carry must not come back as something else. */
TEST(resize, waves_beyond_the_half_rate_are_damped)
{
    for (double period : { 2.4, 2.7 }) {
        static double p;
        p = period;
        picture in(128, 16, 1, [](double x, double) { return 128 + 100 * sin(2 * M_PI * x / p); }), half(64, 8, 1);
        LONGS_EQUAL(SREC_OK, srec_image_halve(&in.image, &half.image));
        for (uint32_t x = 4; x < 60; x++)
            CHECK(abs(half.at(x, 4) - 128) < 35);
    }
    picture in(128, 16, 1, [](double x, double) { return 128 + 100 * sin(2 * M_PI * x / 16); }), half(64, 8, 1),
        back(128, 16, 1);
    LONGS_EQUAL(SREC_OK, srec_image_halve(&in.image, &half.image));
    LONGS_EQUAL(SREC_OK, srec_image_double(&half.image, &back.image));
    for (uint32_t x = 8; x < 120; x++)
        DOUBLES_EQUAL(in.at(x, 8), back.at(x, 8), 4);
}

TEST(resize, sizes_that_do_not_fit_are_refused)
{
    picture in(9, 6, 3), good(5, 3, 3), wide(6, 3, 3), grey(5, 3, 1);
    LONGS_EQUAL(SREC_OK, srec_image_halve(&in.image, &good.image));
    LONGS_EQUAL(SREC_ERR_ARG, srec_image_halve(&in.image, &wide.image));
    LONGS_EQUAL(SREC_ERR_ARG, srec_image_halve(&in.image, &grey.image));
    LONGS_EQUAL(SREC_ERR_ARG, srec_image_halve(nullptr, &good.image));
    LONGS_EQUAL(SREC_OK, srec_image_double(&good.image, &in.image));
    LONGS_EQUAL(SREC_ERR_ARG, srec_image_double(&wide.image, &in.image));
    in.image.stride = 1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_image_double(&good.image, &in.image));
}
