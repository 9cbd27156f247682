/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <srec/modem.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

static std::vector<uint8_t> random_bytes(size_t n, unsigned seed)
{
    std::mt19937 g(seed);
    std::vector<uint8_t> v(n);
    for (auto& b : v)
        b = (uint8_t)g();
    return v;
}

/* Share of wrong bits of hard decisions over the channel. */
static double bit_errors(srec_modulation m, srec_channel_kind kind, double snr_db, size_t n_bytes)
{
    auto bytes = random_bytes(n_bytes, 1);
    size_t symbols = srec_modem_symbols(m, n_bytes);
    std::vector<float> iq(2 * symbols), gain(2 * symbols), soft(symbols * srec_modem_soft_per_symbol(m));
    srec_modem_map(m, bytes.data(), n_bytes, iq.data());
    srec_channel* c;
    LONGS_EQUAL(SREC_OK, srec_channel_create(kind, (float)snr_db, 3, 1, &c));
    srec_channel_apply(c, iq.data(), iq.data(), gain.data(), symbols);
    srec_channel_free(c);
    srec_modem_demap(m, iq.data(), gain.data(), powf(10, -0.1f * (float)snr_db), symbols, soft.data());
    std::vector<uint8_t> decided(n_bytes);
    srec_modem_decide(m, soft.data(), n_bytes, decided.data());
    size_t wrong = 0;
    for (size_t i = 0; i < n_bytes; i++)
        wrong += __builtin_popcount(bytes[i] ^ decided[i]);
    return (double)wrong / (8.0 * n_bytes);
}

static double q(double x) { return 0.5 * erfc(x / sqrt(2)); }

static void check_rate(double expected, double got, double bits)
{
    DOUBLES_EQUAL(expected, got, 4 * sqrt(expected / bits));
}

TEST_GROUP(modem) {};

TEST(modem, every_constellation_has_unit_mean_power_and_survives_without_noise)
{
    for (int i = 0; i < SREC_MODULATIONS; i++) {
        auto m = (srec_modulation)i;
        auto bytes = random_bytes(60000, 2);
        size_t symbols = srec_modem_symbols(m, bytes.size());
        std::vector<float> iq(2 * symbols), soft(symbols * srec_modem_soft_per_symbol(m));
        LONGS_EQUAL(SREC_OK, srec_modem_map(m, bytes.data(), bytes.size(), iq.data()));
        double power = 0;
        for (float v : iq)
            power += (double)v * v;
        DOUBLES_EQUAL(1.0, power / symbols, 0.01);
        LONGS_EQUAL(SREC_OK, srec_modem_demap(m, iq.data(), nullptr, 1e-3f, symbols, soft.data()));
        std::vector<uint8_t> back(bytes.size());
        srec_modem_decide(m, soft.data(), back.size(), back.data());
        MEMCMP_EQUAL(bytes.data(), back.data(), back.size());
    }
}

TEST(modem, bit_error_rates_over_awgn_follow_theory)
{
    const size_t n = 150000;
    for (double snr : { 0.0, 4.0, 7.0 }) {
        double g = pow(10, snr / 10);
        check_rate(q(sqrt(2 * g)), bit_errors(SREC_BPSK, SREC_CHANNEL_AWGN, snr, n), 8 * n);
        check_rate(q(sqrt(g)), bit_errors(SREC_QPSK, SREC_CHANNEL_AWGN, snr, n), 8 * n);
    }
    for (double snr : { 8.0, 12.0, 15.0 }) { /* Gray 16QAM, exact: sign and magnitude bits */
        double a = sqrt(pow(10, snr / 10) / 5);
        double sign = 0.5 * (q(a) + q(3 * a)), magnitude = 0.5 * (2 * q(a) + q(3 * a) - q(5 * a));
        check_rate(0.5 * (sign + magnitude), bit_errors(SREC_16QAM, SREC_CHANNEL_AWGN, snr, n), 8 * n);
    }
}

TEST(modem, bpsk_over_flat_rayleigh_follows_theory)
{
    for (double snr : { 5.0, 15.0 }) {
        double g = pow(10, snr / 10);
        check_rate(0.5 * (1 - sqrt(g / (1 + g))), bit_errors(SREC_BPSK, SREC_CHANNEL_RAYLEIGH, snr, 150000), 8 * 150000);
    }
}

TEST(modem, llrs_are_calibrated_probabilities)
{
    /* of the bits whose LLR says p(1) in a bin, that share really is 1 */
    const size_t n = 300000;
    for (auto m : { SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM }) {
        auto bytes = random_bytes(n, 5);
        size_t symbols = srec_modem_symbols(m, n);
        std::vector<float> iq(2 * symbols), soft(symbols * srec_modem_soft_per_symbol(m));
        srec_modem_map(m, bytes.data(), n, iq.data());
        srec_channel* c;
        srec_channel_create(SREC_CHANNEL_AWGN, 8, 9, 1, &c);
        srec_channel_apply(c, iq.data(), iq.data(), nullptr, symbols);
        srec_channel_free(c);
        srec_modem_demap(m, iq.data(), nullptr, powf(10, -0.8f), symbols, soft.data());
        double expected[10] = {}, ones[10] = {}, count[10] = {};
        for (size_t i = 0; i < 8 * n; i++) {
            double p = 1 / (1 + exp((double)soft[i]));
            int bin = p < 1 ? (int)(10 * p) : 9;
            expected[bin] += p;
            ones[bin] += bytes[i / 8] >> (7 - i % 8) & 1;
            count[bin]++;
        }
        for (int b = 0; b < 10; b++)
            if (count[b] > 100)
                DOUBLES_EQUAL(expected[b] / count[b], ones[b] / count[b], 4 * 0.5 / sqrt(count[b]));
    }
}

TEST(modem, importance_order_is_a_permutation_that_puts_msbs_on_sign_bits)
{
    for (auto m : { SREC_BPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM, SREC_PAM256 }) {
        auto in = random_bytes(3000, 4);
        std::vector<uint8_t> out(in.size()), back(in.size());
        unsigned per = srec_modem_soft_per_byte(m);
        LONGS_EQUAL(SREC_OK, srec_modem_order_bytes(m, in.data(), out.data(), in.size()));
        std::vector<float> soft(in.size() * per), restored(soft.size());
        if (per != 8)
            continue;
        for (size_t i = 0; i < soft.size(); i++)
            soft[i] = out[i / 8] >> (7 - i % 8) & 1 ? -1.0f : 1.0f;
        LONGS_EQUAL(SREC_OK, srec_modem_restore_soft(m, soft.data(), restored.data(), in.size()));
        srec_modem_decide(m, restored.data(), in.size(), back.data());
        MEMCMP_EQUAL(in.data(), back.data(), in.size());
    }
    const uint8_t high = 0xf0;
    uint8_t ordered;
    srec_modem_order_bytes(SREC_16QAM, &high, &ordered, 1);
    BYTES_EQUAL(0xcc, ordered); /* sign bits of both symbols */
}

TEST(modem, blind_noise_estimate_is_near_the_truth)
{
    for (auto m : { SREC_BPSK, SREC_QPSK, SREC_16QAM })
        for (float snr : { 6.0f, 10.0f, 15.0f }) {
            auto bytes = random_bytes(4096, 6);
            size_t symbols = srec_modem_symbols(m, bytes.size());
            std::vector<float> iq(2 * symbols);
            srec_modem_map(m, bytes.data(), bytes.size(), iq.data());
            srec_channel* c;
            srec_channel_create(SREC_CHANNEL_AWGN, snr, 11, 1, &c);
            srec_channel_apply(c, iq.data(), iq.data(), nullptr, symbols);
            srec_channel_free(c);
            float n0;
            LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), symbols, &n0));
            DOUBLES_EQUAL(-snr, 10 * log10(n0), m == SREC_16QAM && snr < 8 ? 1.5 : 0.4);
        }
}

TEST(modem, damaged_samples_say_nothing)
{
    const float iq[] = { NAN, 0, INFINITY, 1 }, none[] = { 0, 0, 0, 0 };
    float soft[8];
    LONGS_EQUAL(SREC_OK, srec_modem_demap(SREC_16QAM, iq, nullptr, 0.1f, 2, soft));
    for (float v : soft)
        DOUBLES_EQUAL(0, v, 0);
    LONGS_EQUAL(SREC_OK, srec_modem_demap(SREC_QPSK, iq, none, 0.1f, 2, soft));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_demap(SREC_QPSK, iq, nullptr, 0, 2, soft));
}

TEST_GROUP(channel) {};

TEST(channel, noise_does_not_depend_on_how_the_stream_is_cut_and_has_its_power)
{
    const size_t n = 100000;
    std::vector<float> zero(2 * n), whole(2 * n), parts(2 * n);
    srec_channel *a, *b;
    srec_channel_create(SREC_CHANNEL_AWGN, 3, 77, 1, &a);
    srec_channel_create(SREC_CHANNEL_AWGN, 3, 77, 1, &b);
    srec_channel_apply(a, zero.data(), whole.data(), nullptr, n);
    for (size_t at = 0, part = 1; at < n; at += part, part = part * 3 % 1009 + 1) {
        part = part < n - at ? part : n - at;
        srec_channel_apply(b, zero.data(), parts.data() + 2 * at, nullptr, part);
    }
    MEMCMP_EQUAL(whole.data(), parts.data(), whole.size() * sizeof(float));
    double power = 0;
    for (float v : whole)
        power += (double)v * v;
    DOUBLES_EQUAL(pow(10, -0.3), power / n, 4 * pow(10, -0.3) / sqrt(n));
    srec_channel_free(a);
    srec_channel_free(b);
}
