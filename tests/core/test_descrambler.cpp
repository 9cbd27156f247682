/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <srec/descrambler.h>

#include <cmath>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

/* One unit Gaussian prior at 16 levels a deviation. */
struct gaussian {
    std::vector<float> table = std::vector<float>(256);
    uint8_t index = 0;
    srec_priors priors{};
    gaussian()
    {
        double sum = 0;
        for (int v = 0; v < 256; v++)
            sum += exp(-0.5 * pow((v - 128) / 16.0, 2));
        for (int v = 0; v < 256; v++)
            table[v] = (float)(exp(-0.5 * pow((v - 128) / 16.0, 2)) / sum);
        priors = { 16, 1, table.data(), 1, 1, &index };
    }
};

TEST_GROUP(descrambler)
{
    gaussian g;
    srec_descrambler* d = nullptr;
    void setup() override { LONGS_EQUAL(SREC_OK, srec_descrambler_create(&g.priors, &d)); }
    void teardown() override { srec_descrambler_free(d); }
};

TEST(descrambler, equals_the_sum_over_all_256_hypotheses_for_every_key)
{
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 4);
    const uint8_t table = 0;
    for (int key = 0; key < 256; key++) {
        float llr[8], mean, deviation;
        for (float& l : llr)
            l = normal(random);
        double s0 = 0, s1 = 0, s2 = 0;
        for (int c = 0; c < 256; c++) {
            double p = g.table[(uint8_t)(c - key)], v = ((uint8_t)(c - key) - 128) / 16.0;
            for (int b = 0; b < 8; b++)
                p *= 1 / (1 + exp((c >> (7 - b) & 1 ? 1 : -1) * (double)llr[b]));
            s0 += p;
            s1 += p * v;
            s2 += p * v * v;
        }
        uint8_t k = (uint8_t)key;
        LONGS_EQUAL(SREC_OK, srec_descrambler_llr(d, &k, llr, &table, 1, &mean, &deviation));
        DOUBLES_EQUAL(s1 / s0, mean, 1e-3);
        DOUBLES_EQUAL(sqrt(s2 / s0 - s1 / s0 * s1 / s0), deviation, 2e-3);
    }
}

TEST(descrambler, silence_gives_the_prior_and_nonsense_is_silence)
{
    float llr[16] = {}, mean[2], deviation[2];
    for (int i = 8; i < 16; i++)
        llr[i] = NAN;
    const uint8_t key[2] = { 17, 200 }, tables[2] = { 0, 0 };
    LONGS_EQUAL(SREC_OK, srec_descrambler_llr(d, key, llr, tables, 2, mean, deviation));
    for (int i = 0; i < 2; i++) {
        DOUBLES_EQUAL(0, mean[i], 1e-4);
        DOUBLES_EQUAL(1, deviation[i], 0.01);
    }
    const uint8_t bad = 1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_llr(d, key, llr, &bad, 1, mean, deviation));
}

/* Error power in dB of unit Gaussian features over a link; DESIGN's table. */
static double error_db(srec_descrambler* d, srec_modulation m, float snr_db, bool soft)
{
    const size_t n = 60000;
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> s(n), iq(2 * srec_modem_symbols(m, n)), llr(8 * n), restored(8 * n), mean(n), deviation(n);
    std::vector<uint8_t> bytes(n), keystream(n), ordered(n), tables(n);
    for (size_t i = 0; i < n; i++) {
        s[i] = normal(random);
        keystream[i] = (uint8_t)random();
        float v = rintf(128 + 16 * s[i]);
        bytes[i] = (uint8_t)((uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v) + keystream[i]);
    }
    srec_modem_order_bytes(m, bytes.data(), ordered.data(), n);
    srec_modem_map(m, ordered.data(), n, iq.data());
    srec_channel* c;
    srec_channel_create(SREC_CHANNEL_AWGN, snr_db, 5, 1, &c);
    srec_channel_apply(c, iq.data(), iq.data(), nullptr, iq.size() / 2);
    srec_channel_free(c);
    srec_modem_demap(m, iq.data(), nullptr, powf(10, -0.1f * snr_db), iq.size() / 2, llr.data());
    srec_modem_restore_soft(m, llr.data(), restored.data(), n);
    if (soft)
        srec_descrambler_llr(d, keystream.data(), restored.data(), tables.data(), n, mean.data(), deviation.data());
    else
        srec_descrambler_hard(d, m, keystream.data(), restored.data(), n, mean.data(), deviation.data());
    double error = 0;
    for (size_t i = 0; i < n; i++)
        error += pow(mean[i] - s[i], 2);
    return 10 * log10(error / n);
}

TEST(descrambler, soft_decisions_reach_the_prototypes_error_power)
{
    DOUBLES_EQUAL(-13.1, error_db(d, SREC_BPSK, 4, true), 0.2);
    DOUBLES_EQUAL(-6.7, error_db(d, SREC_QPSK, 4, true), 0.2); /* the prototype, with another prior: -7.0 */
    DOUBLES_EQUAL(-8.1, error_db(d, SREC_16QAM, 10, true), 0.2); /* -8.4 */
    DOUBLES_EQUAL(0.0, error_db(d, SREC_BPSK, 4, false), 0.3); /* -0.5 */
    DOUBLES_EQUAL(6.4, error_db(d, SREC_QPSK, 4, false), 0.3);
}
