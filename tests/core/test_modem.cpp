/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <srec/modem.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

static const srec_modulation all[] = { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM, SREC_PAM256 };
static const srec_modulation binary[] = { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM };

static std::vector<uint8_t> random_bytes(size_t n, unsigned seed)
{
    std::mt19937 g(seed);
    std::vector<uint8_t> v(n);
    for (auto &b : v)
        b = (uint8_t)g();
    return v;
}

static std::vector<float> map(srec_modulation m, const std::vector<uint8_t> &bytes)
{
    std::vector<float> iq(2 * srec_modem_symbols(m, bytes.size()));
    LONGS_EQUAL(SREC_OK, srec_modem_map(m, bytes.data(), bytes.size(), iq.data()));
    return iq;
}

static void add_noise(std::vector<float> &iq, float snr_db, uint64_t seed)
{
    srec_channel *c;
    LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, seed, 1, &c, NULL));
    LONGS_EQUAL(SREC_OK, srec_channel_apply(c, iq.data(), iq.data(), nullptr, iq.size() / 2));
    srec_channel_free(c);
}

static std::vector<float> demap(srec_modulation m, const std::vector<float> &iq, const float *gain, double n0)
{
    std::vector<float> soft(iq.size() / 2 * srec_modem_soft_per_symbol(m));
    LONGS_EQUAL(SREC_OK, srec_modem_demap(m, iq.data(), gain, (float)n0, iq.size() / 2, soft.data()));
    return soft;
}

static double noise_power(double snr_db) { return std::pow(10.0, -0.1 * snr_db); }

/* The tables of modem.c, by hand: the label of each level from the right. */
static const char *const gray[5] = { "", "01", "0132", "01326754", "" };
static const unsigned gray16[16] = { 0, 1, 3, 2, 6, 7, 5, 4, 12, 13, 15, 14, 10, 11, 9, 8 };

static std::vector<double> levels(unsigned axis_bits, bool complex_symbol)
{
    unsigned n = 1u << axis_bits;
    std::vector<double> level(n);
    double power = ((double)n * n - 1) / 3 * (complex_symbol ? 2 : 1);
    for (unsigned i = 0; i < n; i++)
        level[axis_bits == 4 ? gray16[i] : (unsigned)(gray[axis_bits][i] - '0')] =
            (n - 1.0 - 2.0 * i) / std::sqrt(power);
    return level;
}

TEST_GROUP(modem){};

TEST(modem, names_and_sizes_are_those_of_the_header)
{
    const char *const names[] = { "bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256" };
    const unsigned bits[] = { 1, 2, 4, 6, 8, 16 }, soft[] = { 1, 2, 4, 6, 8, 4 }, per_byte[] = { 8, 8, 8, 8, 8, 2 },
                   granule[] = { 1, 1, 1, 3, 1, 2 };
    for (int i = 0; i < SREC_MODULATIONS; i++) {
        srec_modulation m = SREC_BPSK;
        STRCMP_EQUAL(names[i], srec_modulation_name((srec_modulation)i));
        LONGS_EQUAL(SREC_OK, srec_modulation_parse(names[i], &m));
        LONGS_EQUAL(i, m);
        UNSIGNED_LONGS_EQUAL(bits[i], srec_modem_bits_per_symbol(m));
        UNSIGNED_LONGS_EQUAL(soft[i], srec_modem_soft_per_symbol(m));
        UNSIGNED_LONGS_EQUAL(per_byte[i], srec_modem_soft_per_byte(m));
        UNSIGNED_LONGS_EQUAL(granule[i], srec_modem_byte_granule(m));
        UNSIGNED_LONGS_EQUAL(240 * 8 / bits[i], srec_modem_symbols(m, 240));
        UNSIGNED_LONGS_EQUAL(240 * 8 / bits[i], srec_modem_symbols(m, 240 - granule[i] + 1)); /* padded */
    }
    srec_modulation m;
    LONGS_EQUAL(SREC_OK, srec_modulation_parse("16QaM", &m));
    LONGS_EQUAL(SREC_16QAM, m);
    LONGS_EQUAL(SREC_ERR_ARG, srec_modulation_parse("8psk", &m));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modulation_parse(nullptr, &m));
    POINTERS_EQUAL(nullptr, srec_modulation_name((srec_modulation)6));
    UNSIGNED_LONGS_EQUAL(0, srec_modem_bits_per_symbol((srec_modulation)-1));
}

TEST(modem, every_constellation_has_unit_mean_power)
{
    for (srec_modulation m : all) { /* every byte value in every place: the exact mean */
        std::vector<uint8_t> bytes;
        for (unsigned v = 0; v < 256; v++)
            for (unsigned i = 0; i < 6; i++)
                bytes.push_back((uint8_t)v);
        if (m == SREC_64QAM) { /* three bytes are four symbols: all 64 labels */
            bytes.clear();
            for (unsigned v = 0; v < 64; v++) {
                unsigned group = v << 18 | v << 12 | v << 6 | v;
                for (int shift : { 16, 8, 0 })
                    bytes.push_back((uint8_t)(group >> shift));
            }
        }
        double power = 0;
        auto iq = map(m, bytes);
        for (float v : iq)
            power += (double)v * v;
        DOUBLES_EQUAL(1.0, power / (iq.size() / 2.0), 1e-6);
    }
}

TEST(modem, symbols_are_those_of_the_documented_table)
{
    for (srec_modulation m : binary) {
        unsigned bits = srec_modem_bits_per_symbol(m), axis_bits = bits > 1 ? bits / 2 : 1;
        auto level = levels(axis_bits, m != SREC_BPSK);
        auto bytes = random_bytes(3000, 7);
        auto iq = map(m, bytes);
        for (size_t i = 0; i < iq.size() / 2; i++) {
            unsigned label[2] = { 0, 0 };
            for (unsigned b = 0; b < bits; b++) {
                size_t bit = i * bits + b;
                label[b & 1] = label[b & 1] << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1);
            }
            DOUBLES_EQUAL(level[label[0]], iq[2 * i], 1e-6);
            DOUBLES_EQUAL(m == SREC_BPSK ? 0.0 : level[label[1]], iq[2 * i + 1], 1e-6);
        }
    }
    for (unsigned axis_bits : { 1, 2, 3, 4 }) { /* the table itself is a Gray code */
        auto level = levels(axis_bits, true);
        double step = 2 * std::fabs(level[0]) / (level.size() - 1);
        for (size_t a = 0; a < level.size(); a++)
            for (size_t b = 0; b < a; b++)
                if (std::fabs(level[a] - level[b]) < 1.5 * step)
                    LONGS_EQUAL(1, __builtin_popcount((unsigned)(a ^ b)));
    }
    auto pam = map(SREC_PAM256, { 0, 255, 128, 127 });
    DOUBLES_EQUAL(-127.5 * SREC_PAM256_STEP, pam[0], 1e-6);
    DOUBLES_EQUAL(127.5 * SREC_PAM256_STEP, pam[1], 1e-6);
    DOUBLES_EQUAL(0.5 * SREC_PAM256_STEP, pam[2], 1e-6);
}

TEST(modem, without_noise_every_byte_comes_back)
{
    for (srec_modulation m : all)
        for (double n0 : { 1e-40, 1e-20, 1e-5, 1e-3 }) {
            auto bytes = random_bytes(6000, 2);
            auto soft = demap(m, map(m, bytes), nullptr, n0);
            std::vector<uint8_t> back(bytes.size());
            LONGS_EQUAL(SREC_OK, srec_modem_decide(m, soft.data(), back.size(), back.data()));
            CHECK(bytes == back);
            for (float v : soft)
                CHECK(std::isfinite(v));
        }
}

TEST(modem, llrs_are_the_exact_log_ratio_of_sums_with_and_without_gain)
{
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (srec_modulation m : binary) {
        unsigned bits = srec_modem_bits_per_symbol(m), axis_bits = bits > 1 ? bits / 2 : 1;
        auto level = levels(axis_bits, m != SREC_BPSK);
        for (double n0 : { 3.0, 0.3, 0.03, 0.003 })
            for (bool faded : { false, true }) {
                std::vector<float> iq(2 * 333), gain(iq.size());
                for (size_t i = 0; i < iq.size(); i++) {
                    iq[i] = normal(random) * (i % 10 ? 1.0f : 20.0f); /* far outside too */
                    gain[i] = normal(random);
                }
                auto soft = demap(m, iq, faded ? gain.data() : nullptr, n0);
                for (size_t i = 0; i < iq.size() / 2; i++) {
                    double g = faded ? gain[2 * i] : 1, h = faded ? gain[2 * i + 1] : 0, power = g * g + h * h;
                    double y[2] = { (iq[2 * i] * g + iq[2 * i + 1] * h) / power,
                                    (iq[2 * i + 1] * g - iq[2 * i] * h) / power };
                    for (unsigned b = 0; b < bits; b++) {
                        double best[2] = { -INFINITY, -INFINITY }, sum[2] = { 0, 0 };
                        for (int pass = 0; pass < 2; pass++)
                            for (size_t k = 0; k < level.size(); k++) {
                                double e = -std::pow(y[b & 1] - level[k], 2) * power / n0;
                                int one = k >> (axis_bits - 1 - b / 2) & 1;
                                if (pass == 0)
                                    best[one] = std::fmax(best[one], e);
                                else
                                    sum[one] += std::exp(e - best[one]);
                            }
                        double exact = best[0] - best[1] + std::log(sum[0] / sum[1]), got = soft[i * bits + b];
                        if (axis_bits == 1 || std::fabs(exact) < 65)
                            DOUBLES_EQUAL(exact, got, 1e-4 + 2e-5 * std::fabs(exact));
                        else /* saturated */
                            CHECK(exact > 0 ? got > 64 && got < 85 : got < -64 && got > -85);
                    }
                }
            }
    }
}

TEST(modem, soft_values_do_not_depend_on_how_symbols_are_grouped)
{
    for (srec_modulation m : all) {
        auto iq = map(m, random_bytes(600, 8));
        add_noise(iq, 8, 8);
        auto whole = demap(m, iq, nullptr, 0.1);
        size_t per = srec_modem_soft_per_symbol(m), at = 0;
        for (size_t n = 1; at < iq.size() / 2; at += n, n = n % 130 + 7) {
            n = std::min(n, iq.size() / 2 - at);
            std::vector<float> part(n * per);
            LONGS_EQUAL(SREC_OK, srec_modem_demap(m, &iq[2 * at], nullptr, 0.1f, n, part.data()));
            CHECK(memcmp(&whole[at * per], part.data(), part.size() * sizeof(float)) == 0);
        }
    }
}

TEST(modem, llrs_are_calibrated_probabilities)
{
    /* of the bits whose LLR says p(1) in a bin, that share really is 1 */
    const size_t n = 300000;
    for (auto m : { SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM }) {
        auto bytes = random_bytes(n, 5);
        auto iq = map(m, bytes);
        add_noise(iq, 8, 9);
        auto soft = demap(m, iq, nullptr, noise_power(8));
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

TEST(modem, symbols_that_are_not_finite_or_have_no_gain_say_nothing)
{
    const float nan = std::nanf(""), inf = INFINITY;
    const float iq[] = { nan, 0.5f, 0.5f, nan, inf, 0.5f, 0.5f, -inf, 1, 1, 1, 1, 1, 1 };
    const float gain[] = { 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, nan, 1, inf, 0 };
    for (srec_modulation m : binary)
        for (const float *g : { (const float *)nullptr, gain }) {
            float soft[7 * 8];
            size_t n = g ? 7 : 4, per = srec_modem_soft_per_symbol(m);
            LONGS_EQUAL(SREC_OK, srec_modem_demap(m, iq, g, 0.1f, n, soft));
            for (size_t i = 0; i < n * per; i++)
                CHECK(soft[i] == 0.0f);
        }
    float soft[7 * 4];
    LONGS_EQUAL(SREC_OK, srec_modem_demap(SREC_PAM256, iq, gain, 0.1f, 7, soft));
    for (size_t i = 0; i < 14; i++) {
        CHECK(soft[2 * i] == 0.0f);
        CHECK(soft[2 * i + 1] >= 1e6f); /* variance */
    }
}

TEST(modem, soft_values_are_finite_at_any_gain_and_noise)
{
    const float iq[] = { 0, 0, 1, -1 }, gain[] = { 1e5f, 0, 1e5f, 0 };
    for (int m = 0; m < SREC_MODULATIONS; m++) {
        float soft[2 * 8];
        LONGS_EQUAL(SREC_OK, srec_modem_demap((srec_modulation)m, iq, gain, 1e-30f, 2, soft));
        for (size_t i = 0; i < 2 * srec_modem_soft_per_symbol((srec_modulation)m); i++)
            CHECK(std::isfinite(soft[i]));
    }
}

/* Noise so strong that no LLR saturates: then another limit would show. */
TEST(modem, received_values_beyond_ten_thousand_count_as_ten_thousand_on_either_axis)
{
    const float limit = 1e4f;
    const float other = 0.25f;
    const float gain[] = { 0.0009765625f, 0 }; /* a power of two: exact */
    for (srec_modulation m : all)
        for (const float *g : { (const float *)nullptr, gain })
            for (unsigned axis : { 0u, 1u })
                for (float sign : { 1.0f, -1.0f }) {
                    const float scale = g ? *g : 1.0f;
                    const auto received = [&](float value) {
                        std::vector<float> iq(2, other * scale);
                        iq[axis] = sign * value * scale;
                        return demap(m, iq, g, g ? 1.0 : 1e6);
                    };
                    const auto expected = received(limit);
                    for (float beyond : { 1.0001e4f, 2e4f, 1e9f, 1e34f })
                        CHECK(received(beyond) == expected);
                    if (m != SREC_BPSK || axis == 0)
                        CHECK(received(0.999f * limit) != expected);
                    for (float v : expected)
                        CHECK(std::isfinite(v) && std::fabs(v) < (m == SREC_PAM256 ? 1e6 : 79));
                }
}

TEST(modem, pam256_gives_amplitude_and_noise_variance_per_dimension)
{
    const float iq[] = { 0.3f, -0.2f }, gain[] = { 0.0f, 0.5f };
    float soft[4];
    LONGS_EQUAL(SREC_OK, srec_modem_demap(SREC_PAM256, iq, nullptr, 0.1f, 1, soft));
    DOUBLES_EQUAL(0.3, soft[0], 1e-6);
    DOUBLES_EQUAL(0.05, soft[1], 1e-7);
    DOUBLES_EQUAL(-0.2, soft[2], 1e-6);
    LONGS_EQUAL(SREC_OK, srec_modem_demap(SREC_PAM256, iq, gain, 0.1f, 1, soft));
    DOUBLES_EQUAL(-0.4, soft[0], 1e-6); /* (0.3 - 0.2 j) / 0.5 j */
    DOUBLES_EQUAL(-0.6, soft[2], 1e-6);
    DOUBLES_EQUAL(0.2, soft[1], 1e-6);
    const float amplitude[] = { 5, 0.1f, -5, 0.1f, std::nanf(""), 0.1f, 0.49f * SREC_PAM256_STEP, 0 };
    uint8_t byte[4];
    LONGS_EQUAL(SREC_OK, srec_modem_decide(SREC_PAM256, amplitude, 4, byte));
    BYTES_EQUAL(255, byte[0]);
    BYTES_EQUAL(0, byte[1]);
    BYTES_EQUAL(128, byte[3]);
}

TEST(modem, importance_order_is_undone_on_soft_values)
{
    for (srec_modulation m : all) {
        auto in = random_bytes(3000, 4);
        size_t per = srec_modem_soft_per_byte(m);
        std::vector<uint8_t> out(in.size()), back(in.size());
        LONGS_EQUAL(SREC_OK, srec_modem_order_bytes(m, in.data(), out.data(), in.size()));
        if (m == SREC_BPSK || m == SREC_QPSK || m == SREC_PAM256 || m == SREC_256QAM)
            CHECK(in == out); /* 256QAM: a byte's own order is already that of importance */
        else
            CHECK(in != out);
        auto soft = demap(m, map(m, out), nullptr, 1e-3);
        std::vector<float> restored(in.size() * per);
        LONGS_EQUAL(SREC_OK, srec_modem_restore_soft(m, soft.data(), restored.data(), in.size()));
        LONGS_EQUAL(SREC_OK, srec_modem_decide(m, restored.data(), in.size(), back.data()));
        CHECK(in == back);
    }
}

TEST(modem, more_significant_bits_ride_on_no_less_protected_bits)
{
    for (srec_modulation m : { SREC_16QAM, SREC_64QAM, SREC_256QAM }) {
        size_t group = m == SREC_64QAM ? 3 : 1;
        unsigned bits = srec_modem_bits_per_symbol(m), least = 0, most[9] = { 0 };
        std::set<unsigned> used;
        for (unsigned significance = 0; significance < 8; significance++)
            for (size_t byte = 0; byte < group; byte++) {
                uint8_t in[3] = { 0 }, out[3] = { 0 };
                in[byte] = (uint8_t)(0x80 >> significance);
                LONGS_EQUAL(SREC_OK, srec_modem_order_bytes(m, in, out, group));
                unsigned word = (unsigned)out[0] << 16 | out[1] << 8 | out[2];
                LONGS_EQUAL(1, __builtin_popcount(word));
                unsigned place = (unsigned)__builtin_clz(word) - 8, protection = place % bits / 2;
                used.insert(place);
                CHECK(protection >= least);
                most[significance] = std::max(most[significance], protection);
                if (byte + 1 == group)
                    least = most[significance];
            }
        LONGS_EQUAL(8 * group, used.size());
    }
    uint8_t ordered, byte = 0xf0;
    LONGS_EQUAL(SREC_OK, srec_modem_order_bytes(SREC_16QAM, &byte, &ordered, 1));
    BYTES_EQUAL(0xcc, ordered); /* sign bits of both symbols */
    byte = 0x8a;                /* b7 b3 b1 -> b7 b6 b3 b2 b5 b4 b1 b0 */
    LONGS_EQUAL(SREC_OK, srec_modem_order_bytes(SREC_16QAM, &byte, &ordered, 1));
    BYTES_EQUAL(0xa2, ordered);
}

/* Deviation of the estimate from the truth, dB: the mean over several runs of n symbols and its spread. */
static void estimate(srec_modulation m, float snr_db, size_t n_symbols, double *bias_db, double *spread_db)
{
    const int runs = 16;
    double sum = 0, square = 0;
    for (int run = 0; run < runs; run++) {
        size_t n_bytes = (n_symbols * srec_modem_bits_per_symbol(m) + 7) / 8;
        auto iq = map(m, random_bytes((n_bytes + 5) / 6 * 6, 6 + (unsigned)run));
        add_noise(iq, snr_db, 11 + (uint64_t)run);
        float n0;
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), iq.size() / 2, &n0));
        double db = 10 * std::log10(n0) + snr_db;
        sum += db;
        square += db * db;
    }
    *bias_db = sum / runs;
    *spread_db = std::sqrt(square / runs - *bias_db * *bias_db);
}

TEST(modem, blind_noise_estimate_finds_the_true_noise_of_every_binary_modulation)
{
    for (srec_modulation m : binary)
        for (float snr_db : { -5.0f, 0.0f, 5.0f, 10.0f, 15.0f, 20.0f, 25.0f, 30.0f, 40.0f }) {
            double bias, spread;
            estimate(m, snr_db, 4096, &bias, &spread);
            /* mean of 16 runs of 4096 symbols; where constellation points blur, only the second moment is left */
            double bound = 0.25;
            if (std::fabs(bias) > bound || spread > 0.6)
                printf("%s at %g dB: bias %.3f dB, spread %.3f dB\n", srec_modulation_name(m), snr_db, bias, spread);
            DOUBLES_EQUAL(0.0, bias, bound);
            CHECK(spread < 0.6);
        }
}

TEST(modem, blind_noise_estimate_of_pam256_is_good_while_noise_is_not_small)
{
    for (float snr_db : { -5.0f, 0.0f, 5.0f, 10.0f }) {
        double bias, spread;
        estimate(SREC_PAM256, snr_db, 8000, &bias, &spread);
        DOUBLES_EQUAL(0.0, bias, 0.5);
    }
}

TEST(modem, blind_noise_estimate_stays_in_range_whatever_it_is_fed)
{
    const float nan = std::nanf("");
    for (srec_modulation m : all) {
        float n0 = 0;
        std::vector<float> zeros(64), bad(64, nan), huge(64, 1e30f);
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, zeros.data(), 32, &n0));
        CHECK(n0 >= 0.99e-5f && n0 <= 10.0f);
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, bad.data(), 32, &n0));
        DOUBLES_EQUAL(10.0, n0, 1e-5); /* nothing usable: as noisy as can be said */
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, huge.data(), 32, &n0));
        DOUBLES_EQUAL(10.0, n0, 1e-5);
        auto iq = map(m, random_bytes(600, 3));
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), iq.size() / 2, &n0));
        if (m != SREC_PAM256)
            DOUBLES_EQUAL(1e-5, n0, 1e-7); /* no noise at all */
        add_noise(iq, 10, 1);
        float clean, spoilt;
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), iq.size() / 2, &clean));
        iq[20] = nan; /* one damaged sample changes next to nothing */
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), iq.size() / 2, &spoilt));
        DOUBLES_EQUAL(clean, spoilt, 0.05);
        LONGS_EQUAL(SREC_ERR_ARG, srec_modem_estimate_n0(m, iq.data(), 15, &n0));
    }
}

TEST(modem, blind_noise_estimate_leaves_out_what_lies_beyond_ten_thousand)
{
    for (srec_modulation m : all) {
        auto iq = map(m, random_bytes(300, 4));
        add_noise(iq, 5, 2);
        float alone = 0;
        float with = 0;
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), iq.size() / 2, &alone));
        auto spoilt = iq;
        for (float v : { 1.0001e4f, 0.3f, 0.3f, -1.0001e4f, -1e20f, 1e20f })
            spoilt.push_back(v);
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, spoilt.data(), spoilt.size() / 2, &with));
        DOUBLES_EQUAL(alone, with, 1e-4 * alone);
        for (float v : { 0.9999e4f, 0.0f })
            iq.push_back(v);
        LONGS_EQUAL(SREC_OK, srec_modem_estimate_n0(m, iq.data(), iq.size() / 2, &with));
        DOUBLES_EQUAL(10.0, with, 1e-5); /* that one counts, and no noise is as strong */
    }
}

TEST(modem, bad_arguments_are_refused)
{
    uint8_t bytes[3] = { 0 }, out[3];
    float iq[64] = { 0 }, soft[64];
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_map((srec_modulation)6, bytes, 1, iq));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_map(SREC_64QAM, bytes, 2, iq));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_map(SREC_PAM256, bytes, 1, iq));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_map(SREC_QPSK, nullptr, 1, iq));
    for (float n0 : { 0.0f, -1.0f, std::nanf(""), INFINITY })
        LONGS_EQUAL(SREC_ERR_ARG, srec_modem_demap(SREC_QPSK, iq, nullptr, n0, 1, soft));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_demap(SREC_QPSK, iq, nullptr, 1, 1, nullptr));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_order_bytes(SREC_64QAM, bytes, out, 2));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_restore_soft(SREC_64QAM, soft, iq, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_modem_decide((srec_modulation)9, soft, 1, out));
    LONGS_EQUAL(SREC_OK, srec_modem_map(SREC_QPSK, nullptr, 0, nullptr));
    LONGS_EQUAL(SREC_OK, srec_modem_demap(SREC_QPSK, nullptr, nullptr, 1, 0, nullptr));
}
