/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/srec.h>

#include <cmath>
#include <limits>
#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(level){};

TEST(level, a_tone_of_half_scale_has_a_quarter_of_the_power)
{
    std::vector<float> tone(2 * 1000);
    for (size_t i = 0; i < 1000; i++) {
        tone[2 * i] = 0.5f * (float)cos(2 * M_PI * (double)i / 50);
        tone[2 * i + 1] = 0.5f * (float)sin(2 * M_PI * (double)i / 50);
    }
    srec_level l{};
    for (size_t at = 0; at < 1000; at += 125) /* adds up over calls */
        LONGS_EQUAL(SREC_OK, srec_level_add(&l, tone.data() + 2 * at, 125, 0.999f));
    LONGS_EQUAL(1000, l.n);
    DOUBLES_EQUAL(0.25, l.energy / (double)l.n, 1e-6);
    DOUBLES_EQUAL(0.5, l.peak, 1e-6);
    LONGS_EQUAL(0, l.clipped);
}

TEST(level, samples_at_the_limit_in_i_or_q_are_clipped)
{
    const float samples[] = { 1, 0, 0, -1, 0.9f, 0.9f, -1, 1 };
    srec_level l{};
    LONGS_EQUAL(SREC_OK, srec_level_add(&l, samples, 4, 0.999f));
    LONGS_EQUAL(3, l.clipped);
    DOUBLES_EQUAL(1, l.peak, 0);
}

TEST(level, what_is_not_finite_is_clipped_and_leaves_the_power_alone)
{
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const float samples[] = { inf, 0, 0, nan, 0.5f, 0 };
    srec_level l{};
    LONGS_EQUAL(SREC_OK, srec_level_add(&l, samples, 3, 0.999f));
    LONGS_EQUAL(2, l.clipped);
    LONGS_EQUAL(3, l.n);
    DOUBLES_EQUAL(0.25, l.energy, 1e-9);
    DOUBLES_EQUAL(0.5, l.peak, 0);
}

TEST(level, bad_arguments_are_refused)
{
    const float sample[2] = { 0, 0 };
    srec_level l{};
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_add(nullptr, sample, 1, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_add(&l, nullptr, 1, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_add(&l, sample, 1, 0));
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_add(&l, sample, 1, std::numeric_limits<float>::quiet_NaN()));
    LONGS_EQUAL(SREC_OK, srec_level_add(&l, nullptr, 0, 1));
    LONGS_EQUAL(0, l.n);
}

TEST(level, figures_are_decibels_relative_to_full_scale_and_silence_is_minus_infinity)
{
    const float samples[] = { 1, 1, 0, 0, 0, 2, -1, 0 };
    srec_level l{};
    srec_level_figures f;
    LONGS_EQUAL(SREC_OK, srec_level_get_figures(&l, 2, &f));
    CHECK(std::isinf(f.level_db) && f.level_db < 0 && std::isinf(f.peak_db) && f.peak_db < 0);
    LONGS_EQUAL(SREC_OK, srec_level_add(&l, samples, 4, 2));
    LONGS_EQUAL(SREC_OK, srec_level_get_figures(&l, 2, &f));
    DOUBLES_EQUAL(10 * std::log10(7.0 / 4 / 4), f.level_db, 1e-9);
    DOUBLES_EQUAL(0, f.peak_db, 1e-9);
    DOUBLES_EQUAL(0.25, f.clipped, 1e-9);
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_get_figures(nullptr, 1, &f));
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_get_figures(&l, 0, &f));
    LONGS_EQUAL(SREC_ERR_ARG, srec_level_get_figures(&l, 1, nullptr));
}
