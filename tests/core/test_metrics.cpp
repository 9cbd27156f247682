/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/metrics.h>

#include <cmath>
#include <vector>

#include <CppUTest/TestHarness.h>

struct picture {
    std::vector<uint8_t> pixels;
    srec_image image;
    picture(uint32_t width, uint32_t height, uint8_t channels, uint8_t value = 0)
        : pixels((size_t)width * height * channels, value), image{ width, height, channels, (size_t)width * channels,
                                                                   pixels.data() }
    {
    }
};

/* The two images of data/make_metrics.py, in every channel. */
static void fill(picture &a, picture &b)
{
    size_t i = 0;
    for (long y = 0; y < a.image.height; y++)
        for (long x = 0; x < a.image.width; x++)
            for (unsigned c = 0; c < a.image.channels; c++, i++) {
                long v = (x * x + 3 * y * y + 5 * x * y) / 64 % 256, w = v + (x * 7 + y * 13) % 41 - 20;
                a.pixels[i] = (uint8_t)v;
                b.pixels[i] = (uint8_t)(w < 0 ? 0 : w > 255 ? 255 : w);
            }
}

TEST_GROUP(metrics){};

TEST(metrics, psnr_is_that_of_a_known_error)
{
    for (unsigned error : { 1u, 7u, 100u, 255u }) {
        picture a(40, 30, 3), b(40, 30, 3, (uint8_t)error);
        double db;
        LONGS_EQUAL(SREC_OK, srec_psnr(&a.image, &b.image, &db));
        DOUBLES_EQUAL(20 * log10(255.0 / error), db, 1e-9);
    }
    picture a(10, 10, 1), b(10, 10, 1); /* one sample of 100 wrong by 50: MSE 25 */
    b.pixels[37] = 50;
    double db;
    LONGS_EQUAL(SREC_OK, srec_psnr(&a.image, &b.image, &db));
    DOUBLES_EQUAL(10 * log10(255.0 * 255.0 / 25), db, 1e-9);
    LONGS_EQUAL(SREC_OK, srec_psnr(&a.image, &a.image, &db));
    DOUBLES_EQUAL(100, db, 0);
}

TEST(metrics, ms_ssim_matches_the_known_answers)
{
    const struct {
        uint32_t width, height;
        double value;
    } known[] = { { 256, 192, 0.994980 }, { 101, 64, 0.966978 }, { 11, 11, 0.352000 } }; /* data/make_metrics.py */
    for (auto &k : known)
        for (uint8_t channels : { (uint8_t)1, (uint8_t)3 }) {
            picture a(k.width, k.height, channels), b(k.width, k.height, channels);
            fill(a, b);
            double value;
            LONGS_EQUAL(SREC_OK, srec_ms_ssim(&a.image, &b.image, &value));
            DOUBLES_EQUAL(k.value, value, 2e-5);
        }
}

TEST(metrics, ms_ssim_of_flat_pictures_is_their_luminance_term)
{
    picture a(256, 256, 3, 100), b(256, 256, 3, 150);
    double value;
    LONGS_EQUAL(SREC_OK, srec_ms_ssim(&a.image, &b.image, &value));
    DOUBLES_EQUAL(pow((2 * 100.0 * 150 + 6.5025) / (100.0 * 100 + 150.0 * 150 + 6.5025), 0.1333), value, 1e-4);
    LONGS_EQUAL(SREC_OK, srec_ms_ssim(&a.image, &a.image, &value));
    DOUBLES_EQUAL(1, value, 1e-6);
}

TEST(metrics, rows_may_have_a_stride)
{
    picture a(64, 48, 3), b(64, 48, 3), wide(80, 48, 3, 99);
    fill(a, b);
    for (unsigned y = 0; y < 48; y++)
        for (unsigned x = 0; x < 64 * 3; x++)
            wide.pixels[y * 240 + x] = b.pixels[y * 192 + x];
    wide.image.width = 64;
    double packed[2], strided[2];
    srec_psnr(&a.image, &b.image, &packed[0]);
    srec_psnr(&a.image, &wide.image, &strided[0]);
    srec_ms_ssim(&a.image, &b.image, &packed[1]);
    srec_ms_ssim(&a.image, &wide.image, &strided[1]);
    DOUBLES_EQUAL(packed[0], strided[0], 0);
    DOUBLES_EQUAL(packed[1], strided[1], 0);
}

TEST(metrics, what_cannot_be_compared_is_refused)
{
    picture a(20, 20, 3), b(20, 21, 3), grey(20, 20, 1), small(10, 20, 3);
    double value;
    LONGS_EQUAL(SREC_ERR_ARG, srec_psnr(&a.image, &b.image, &value));
    LONGS_EQUAL(SREC_ERR_ARG, srec_psnr(&a.image, &grey.image, &value));
    LONGS_EQUAL(SREC_ERR_ARG, srec_psnr(nullptr, &a.image, &value));
    LONGS_EQUAL(SREC_ERR_ARG, srec_psnr(&a.image, &a.image, nullptr));
    LONGS_EQUAL(SREC_ERR_ARG, srec_ms_ssim(&small.image, &small.image, &value));
}
