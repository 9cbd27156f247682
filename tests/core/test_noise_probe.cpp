/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/srec.h>

#include <cmath>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(noise_probe)
{
    srec_noise_probe *probe = nullptr;
    void setup() override { LONGS_EQUAL(SREC_OK, srec_noise_probe_create(SREC_QPSK, &probe, nullptr)); }
    void teardown() override { srec_noise_probe_free(probe); }

    /* (n, 2) QPSK symbols times gain, with noise */
    static std::vector<float> received(size_t n, float gain, float snr_db, unsigned seed)
    {
        std::mt19937 random(seed);
        std::vector<uint8_t> bytes(n / 4);
        for (uint8_t &b : bytes)
            b = (uint8_t)random();
        std::vector<float> iq(2 * n);
        LONGS_EQUAL(SREC_OK, srec_modem_map(SREC_QPSK, bytes.data(), bytes.size(), iq.data()));
        for (float &v : iq)
            v *= gain;
        srec_channel *channel;
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, seed, 1, &channel, NULL));
        LONGS_EQUAL(SREC_OK, srec_channel_apply(channel, iq.data(), iq.data(), nullptr, n));
        srec_channel_free(channel);
        return iq;
    }
    double snr_db() const { return -10 * std::log10((double)srec_noise_probe_n0(probe)); }
};

TEST(noise_probe, the_estimate_stays_until_sixteen_symbols_of_a_frame_have_come)
{
    const std::vector<float> iq = received(1024, 1, 12, 1);
    srec_noise_probe_push(probe, iq.data(), nullptr, 1024); /* before the first frame */
    DOUBLES_EQUAL(0.1, srec_noise_probe_n0(probe), 1e-6);
    srec_noise_probe_begin(probe, 1024);
    srec_noise_probe_push(probe, iq.data(), nullptr, 15);
    DOUBLES_EQUAL(0.1, srec_noise_probe_n0(probe), 1e-6);
    srec_noise_probe_push(probe, iq.data() + 30, nullptr, 1);
    CHECK(std::fabs(srec_noise_probe_n0(probe) - 0.1f) > 1e-6f);
    srec_noise_probe_push(probe, iq.data() + 32, nullptr, 1008);
    DOUBLES_EQUAL(12, snr_db(), 0.4);
}

TEST(noise_probe, the_estimate_does_not_depend_on_how_a_complete_frame_was_cut)
{
    const std::vector<float> iq = received(1024, 1, 6, 2);
    srec_noise_probe_begin(probe, 0);
    srec_noise_probe_push(probe, iq.data(), nullptr, 1024);
    const float whole = srec_noise_probe_n0(probe);
    srec_noise_probe_begin(probe, 0);
    for (size_t i = 0; i < 1024; i += 7)
        srec_noise_probe_push(probe, iq.data() + 2 * i, nullptr, std::min<size_t>(7, 1024 - i));
    DOUBLES_EQUAL(whole, srec_noise_probe_n0(probe), 0);
}

TEST(noise_probe, symbols_behind_the_probe_change_nothing)
{
    const std::vector<float> good = received(1024, 1, 12, 3);
    const std::vector<float> bad = received(1024, 1, -5, 4);
    srec_noise_probe_begin(probe, 5000);
    srec_noise_probe_push(probe, good.data(), nullptr, 1024);
    srec_noise_probe_push(probe, bad.data(), nullptr, 1024);
    DOUBLES_EQUAL(12, snr_db(), 0.4);
}

TEST(noise_probe, gains_are_divided_out_and_weak_symbols_left_out)
{
    std::vector<float> iq = received(512, 2, 10, 5); /* N0 0.1 at a gain of 2 .. */
    const std::vector<float> faded = received(512, 0.05f, 10, 6);
    iq.insert(iq.end(), faded.begin(), faded.end()); /* .. then in a fade */
    std::vector<float> gain(2048);
    for (size_t i = 0; i < 1024; i++)
        gain[2 * i] = i < 512 ? 2 : 0.05f;
    srec_noise_probe_begin(probe, 1024);
    srec_noise_probe_push(probe, iq.data(), gain.data(), 1024);
    DOUBLES_EQUAL(10, snr_db(), 0.6);
}

TEST(noise_probe, a_known_noise_power_holds_for_its_frame_and_nonsense_is_ignored)
{
    const std::vector<float> iq = received(1024, 1, 12, 7);
    srec_noise_probe_begin_known(probe, 0.5f);
    srec_noise_probe_push(probe, iq.data(), nullptr, 1024);
    DOUBLES_EQUAL(0.5, srec_noise_probe_n0(probe), 0);
    for (float nonsense : { 0.0f, -1.0f, NAN, INFINITY }) {
        srec_noise_probe_begin_known(probe, nonsense);
        DOUBLES_EQUAL(0.5, srec_noise_probe_n0(probe), 0);
        srec_noise_probe_push(probe, iq.data(), nullptr, 1024);
        DOUBLES_EQUAL(12, snr_db(), 0.4);
        srec_noise_probe_begin_known(probe, 0.5f);
    }
}

TEST(noise_probe, gains_that_are_not_finite_give_no_estimate)
{
    const std::vector<float> iq = received(64, 1, 12, 8);
    const std::vector<float> gain(128, NAN);
    srec_noise_probe_begin(probe, 64);
    srec_noise_probe_push(probe, iq.data(), gain.data(), 64);
    DOUBLES_EQUAL(0.1, srec_noise_probe_n0(probe), 1e-6);
}

TEST(noise_probe, an_unknown_modulation_is_refused)
{
    srec_noise_probe *none;
    srec_error error;
    LONGS_EQUAL(SREC_ERR_ARG, srec_noise_probe_create((srec_modulation)99, &none, &error));
    STRCMP_EQUAL("noise probe: unknown modulation 99", error.message);
    POINTERS_EQUAL(nullptr, none);
}
