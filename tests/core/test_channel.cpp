/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <srec/modem.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

#define SIGMAS 3.5 /* every statistical bound here; seeds are fixed, so a pass stays a pass */

static double q(double x) { return 0.5 * std::erfc(x / std::sqrt(2.0)); }

static std::vector<float> zeros(size_t n) { return std::vector<float>(2 * n); }

static std::vector<float> transmit(srec_channel_kind kind, float snr_db, uint64_t seed, unsigned coherence,
                                   const std::vector<float> &in, std::vector<float> *gain = nullptr)
{
    srec_channel *c;
    std::vector<float> out(in.size());
    LONGS_EQUAL(SREC_OK, srec_channel_create(kind, snr_db, seed, coherence, &c, NULL));
    LONGS_EQUAL(SREC_OK, srec_channel_apply(c, in.data(), out.data(), gain ? gain->data() : nullptr, in.size() / 2));
    srec_channel_free(c);
    return out;
}

TEST_GROUP(channel){};

TEST(channel, a_sample_depends_on_seed_and_number_only)
{
    const size_t n = 20000;
    std::vector<float> in(2 * n);
    for (size_t i = 0; i < in.size(); i++)
        in[i] = std::sin((float)i);
    for (srec_channel_kind kind : { SREC_CHANNEL_AWGN, SREC_CHANNEL_RAYLEIGH })
        for (unsigned coherence : { 1u, 3u, 700u }) {
            std::vector<float> gain(2 * n), whole = transmit(kind, 3, 77, coherence, in, &gain), cut = in,
                                            cut_gain(2 * n);
            srec_channel *c;
            LONGS_EQUAL(SREC_OK, srec_channel_create(kind, 3, 77, coherence, &c, NULL));
            for (size_t at = 0, part = 1; at < n; at += part, part = part * 3 % 1009 + 1) {
                part = std::min(part, n - at); /* in place too */
                LONGS_EQUAL(SREC_OK, srec_channel_apply(c, &cut[2 * at], &cut[2 * at], &cut_gain[2 * at], part));
            }
            CHECK(whole == cut);
            CHECK(gain == cut_gain);
            for (size_t at : { (size_t)9999, (size_t)3, (size_t)0, (size_t)15001 }) {
                float out[2];
                srec_channel_seek(c, at);
                LONGS_EQUAL(SREC_OK, srec_channel_apply(c, &in[2 * at], out, nullptr, 1));
                CHECK(memcmp(out, &whole[2 * at], sizeof out) == 0);
            }
            srec_channel_free(c);
        }
}

TEST(channel, noise_has_the_moments_of_a_gaussian_of_the_stated_power)
{
    const size_t n = 1000000, samples = 2 * n;
    for (float snr_db : { -10.0f, 3.0f, 40.0f }) {
        const double sigma = std::sqrt(0.5 * std::pow(10.0, -0.1 * snr_db));
        auto noise = transmit(SREC_CHANNEL_AWGN, snr_db, 1, 1, zeros(n));
        double m1 = 0, m2 = 0, m3 = 0, m4 = 0, cross = 0, next = 0, beyond[5] = { 0 };
        for (size_t i = 0; i < samples; i++) {
            double v = noise[i] / sigma;
            m1 += v;
            m2 += v * v;
            m3 += v * v * v;
            m4 += v * v * v * v;
            if (i % 2 == 0)
                cross += v * noise[i + 1] / sigma;
            if (i + 2 < samples)
                next += v * noise[i + 2] / sigma;
            for (int k = 1; k < 5; k++)
                beyond[k] += std::fabs(v) > k;
        }
        /* deviations of the sample moments of a unit Gaussian: 1, sqrt(2), sqrt(15), sqrt(96) over sqrt(samples) */
        const double one = SIGMAS / std::sqrt((double)samples);
        DOUBLES_EQUAL(0.0, m1 / samples, one);
        DOUBLES_EQUAL(1.0, m2 / samples, one * std::sqrt(2.0));
        DOUBLES_EQUAL(0.0, m3 / samples, one * std::sqrt(15.0));
        DOUBLES_EQUAL(3.0, m4 / samples, one * std::sqrt(96.0));
        DOUBLES_EQUAL(0.0, cross / n, SIGMAS / std::sqrt((double)n));
        DOUBLES_EQUAL(0.0, next / samples, one);
        for (int k = 1; k < 5; k++) {
            double expected = 2 * q(k) * samples;
            DOUBLES_EQUAL(expected, beyond[k], SIGMAS * std::sqrt(expected));
        }
    }
}

TEST(channel, seeds_give_unrelated_noise_and_equal_seeds_equal_noise)
{
    const size_t n = 100000;
    auto a = transmit(SREC_CHANNEL_AWGN, 0, 5, 1, zeros(n)), b = transmit(SREC_CHANNEL_AWGN, 0, 6, 1, zeros(n)),
         c = transmit(SREC_CHANNEL_AWGN, 0, 5 + ((uint64_t)1 << 63), 1, zeros(n));
    CHECK(a == transmit(SREC_CHANNEL_AWGN, 0, 5, 1, zeros(n)));
    for (auto *other : { &b, &c }) {
        double sum = 0;
        for (size_t i = 0; i < 2 * n; i++)
            sum += (double)a[i] * (*other)[i] / 0.5;
        DOUBLES_EQUAL(0.0, sum / (2 * n), SIGMAS / std::sqrt(2.0 * n));
    }
}

TEST(channel, a_new_snr_scales_the_same_noise)
{
    srec_channel *c;
    auto first = transmit(SREC_CHANNEL_AWGN, 0, 9, 1, zeros(100)), second = zeros(100);
    LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, 0, 9, 1, &c, NULL));
    LONGS_EQUAL(SREC_OK, srec_channel_set_snr(c, 20));
    LONGS_EQUAL(SREC_OK, srec_channel_apply(c, second.data(), second.data(), nullptr, 100));
    for (size_t i = 0; i < 200; i++)
        DOUBLES_EQUAL(first[i] / 10, second[i], 1e-6);
    for (float bad : { -51.0f, 101.0f, std::nanf(""), INFINITY })
        LONGS_EQUAL(SREC_ERR_ARG, srec_channel_set_snr(c, bad));
    srec_channel_free(c);
}

TEST(channel, rayleigh_gain_is_complex_gaussian_of_unit_power_and_held_for_the_coherence_time)
{
    const size_t n = 200000;
    for (unsigned coherence : { 1u, 10u }) {
        std::vector<float> in(2 * n), gain(2 * n);
        for (size_t i = 0; i < n; i++)
            in[2 * i] = 1.0f;
        auto out = transmit(SREC_CHANNEL_RAYLEIGH, 100, 3, coherence, in, &gain);
        const double blocks = (double)(n / coherence);
        double power = 0, fourth = 0, re = 0, im = 0, deep = 0;
        for (size_t i = 0; i < n; i++) {
            double p = (double)gain[2 * i] * gain[2 * i] + (double)gain[2 * i + 1] * gain[2 * i + 1];
            DOUBLES_EQUAL(gain[2 * i], out[2 * i], 1e-4); /* y = gain x + n, n 100 dB down */
            DOUBLES_EQUAL(gain[2 * i + 1], out[2 * i + 1], 1e-4);
            if (i % coherence)
                CHECK(gain[2 * i] == gain[2 * i - 2] && gain[2 * i + 1] == gain[2 * i - 1]);
            else {
                power += p;
                fourth += p * p;
                re += gain[2 * i];
                im += gain[2 * i + 1];
                deep += p < 0.1;
            }
        }
        const double one = SIGMAS / std::sqrt(blocks); /* |gain|^2 is exponential: moments 1, 2; variances 1, 20 */
        DOUBLES_EQUAL(1.0, power / blocks, one);
        DOUBLES_EQUAL(2.0, fourth / blocks, one * std::sqrt(20.0));
        DOUBLES_EQUAL(0.0, re / blocks, one * std::sqrt(0.5));
        DOUBLES_EQUAL(0.0, im / blocks, one * std::sqrt(0.5));
        const double p_deep = 1 - std::exp(-0.1);
        DOUBLES_EQUAL(p_deep, deep / blocks, one * std::sqrt(p_deep * (1 - p_deep)));
    }
}

TEST(channel, awgn_gain_is_one_and_complex_input_is_rotated_by_the_fading_gain)
{
    std::vector<float> in = { 0.3f, -0.7f, 1.0f, 2.0f }, gain(4);
    transmit(SREC_CHANNEL_AWGN, 10, 1, 1, in, &gain);
    CHECK(gain == std::vector<float>({ 1, 0, 1, 0 }));
    auto out = transmit(SREC_CHANNEL_RAYLEIGH, 100, 1, 1, in, &gain);
    for (size_t i = 0; i < 2; i++) {
        auto y = std::complex<double>(in[2 * i], in[2 * i + 1]) * std::complex<double>(gain[2 * i], gain[2 * i + 1]);
        DOUBLES_EQUAL(y.real(), out[2 * i], 1e-4);
        DOUBLES_EQUAL(y.imag(), out[2 * i + 1], 1e-4);
    }
}

/* Wrong bits of hard decisions on exact LLRs, over a channel whose gain is known. */
static double count_errors(srec_modulation m, srec_channel_kind kind, double snr_db, size_t n_bytes, uint64_t seed)
{
    std::mt19937 random((unsigned)seed);
    std::vector<uint8_t> bytes(n_bytes), decided(n_bytes);
    for (uint8_t &b : bytes)
        b = (uint8_t)random();
    size_t n = srec_modem_symbols(m, n_bytes);
    std::vector<float> iq(2 * n), gain(2 * n), soft(n * srec_modem_soft_per_symbol(m));
    LONGS_EQUAL(SREC_OK, srec_modem_map(m, bytes.data(), n_bytes, iq.data()));
    iq = transmit(kind, (float)snr_db, seed, 1, iq, &gain);
    LONGS_EQUAL(SREC_OK, srec_modem_demap(m, iq.data(), kind == SREC_CHANNEL_AWGN ? nullptr : gain.data(),
                                          (float)std::pow(10.0, -0.1 * snr_db), n, soft.data()));
    LONGS_EQUAL(SREC_OK, srec_modem_decide(m, soft.data(), n_bytes, decided.data()));
    double wrong = 0;
    for (size_t i = 0; i < n_bytes; i++)
        wrong += __builtin_popcount(bytes[i] ^ decided[i]);
    return wrong;
}

/* The theoretical rate lies in the Wilson interval of what was counted. Errors of one symbol's bits are not
 * independent: the interval is that of the symbols' worth of bits, variance up by at most the bits of an axis. */
static void check_rate(const char *what, double snr_db, double theory, double wrong, double bits, double dependence)
{
    const double z2 = SIGMAS * SIGMAS * dependence, rate = wrong / bits;
    const double centre = (rate + z2 / (2 * bits)) / (1 + z2 / bits);
    const double half = std::sqrt(z2) / (1 + z2 / bits) * std::sqrt(rate * (1 - rate) / bits + z2 / (4 * bits * bits));
    if (std::fabs(theory - centre) > half)
        printf("%s at %g dB: theory %.6g, counted %.6g\n", what, snr_db, theory, rate);
    DOUBLES_EQUAL(theory, centre, half);
}

/* Bit error rate of the best bitwise decision on one axis of Gray-coded levels +-1, +-3, ... in Gaussian noise of
 * the
 * given deviation: the integral over y of the smaller of p(y, bit 0) and p(y, bit 1), by the trapezoidal rule. */
static double axis_error_rate(unsigned axis_bits, double deviation)
{
    const unsigned n = 1u << axis_bits;
    const double step = deviation / 200, end = n + 8 * deviation;
    double total = 0;
    for (double y = -end; y < end; y += step) {
        double p[2][4] = { { 0 } };
        for (unsigned i = 0; i < n; i++) {
            double d = (y - (n - 1.0 - 2.0 * i)) / deviation;
            unsigned label = i ^ i >> 1;
            for (unsigned b = 0; b < axis_bits; b++)
                p[label >> b & 1][b] += std::exp(-0.5 * d * d);
        }
        for (unsigned b = 0; b < axis_bits; b++)
            total += std::min(p[0][b], p[1][b]);
    }
    return total * step / (deviation * std::sqrt(2 * std::acos(-1.0)) * n * axis_bits);
}

static double square_qam_error_rate(unsigned axis_bits, double snr_db)
{
    const double n = 1u << axis_bits, power = 2 * (n * n - 1) / 3; /* per symbol, levels +-1, +-3, ... */
    return axis_error_rate(axis_bits, std::sqrt(0.5 * power * std::pow(10.0, -0.1 * snr_db)));
}

TEST(channel, the_integral_used_as_theory_agrees_with_closed_formulas)
{
    for (double snr_db : { 10.0, 14.0 }) {
        const double g = std::pow(10.0, 0.1 * snr_db), a = std::sqrt(g / 5);
        DOUBLES_EQUAL(q(std::sqrt(g)), square_qam_error_rate(1, snr_db), 1e-6);
        /* Gray 16QAM with decisions for the nearest level; the bitwise best is no worse and hardly better */
        const double nearest = 0.75 * q(a) + 0.5 * q(3 * a) - 0.25 * q(5 * a), best = square_qam_error_rate(2, snr_db);
        CHECK(best <= nearest * (1 + 1e-6));
        DOUBLES_EQUAL(nearest, best, 0.01 * nearest);
    }
}

TEST(channel, bpsk_and_qpsk_bit_error_rates_over_awgn_follow_the_q_function)
{
    const size_t bytes = 300000;
    for (double snr_db : { -5.0, 0.0, 3.0, 6.0, 8.0 }) {
        const double g = std::pow(10.0, 0.1 * snr_db);
        check_rate("bpsk", snr_db, q(std::sqrt(2 * g)), count_errors(SREC_BPSK, SREC_CHANNEL_AWGN, snr_db, bytes, 21),
                   8.0 * bytes, 1);
        check_rate("qpsk", snr_db, q(std::sqrt(g)), count_errors(SREC_QPSK, SREC_CHANNEL_AWGN, snr_db, bytes, 22),
                   8.0 * bytes, 1);
    }
}

TEST(channel, qam_bit_error_rates_over_awgn_follow_theory)
{
    const struct {
        srec_modulation m;
        unsigned axis_bits;
        double snr_db[5];
    } cases[] = { { SREC_16QAM, 2, { 0, 5, 10, 13, 16 } },
                  { SREC_64QAM, 3, { 0, 8, 14, 18, 22 } },
                  { SREC_256QAM, 4, { 5, 12, 18, 24, 28 } } };
    const size_t bytes = 300000;
    for (auto &c : cases)
        for (double snr_db : c.snr_db)
            check_rate(srec_modulation_name(c.m), snr_db, square_qam_error_rate(c.axis_bits, snr_db),
                       count_errors(c.m, SREC_CHANNEL_AWGN, snr_db, bytes, 23), 8.0 * bytes, c.axis_bits);
}

TEST(channel, bpsk_and_qpsk_bit_error_rates_over_rayleigh_fading_follow_theory)
{
    const size_t bytes = 300000;
    for (double snr_db : { 0.0, 5.0, 10.0, 20.0, 30.0 }) {
        const double g = std::pow(10.0, 0.1 * snr_db);
        check_rate("bpsk", snr_db, 0.5 * (1 - std::sqrt(g / (1 + g))),
                   count_errors(SREC_BPSK, SREC_CHANNEL_RAYLEIGH, snr_db, bytes, 24), 8.0 * bytes, 1);
        check_rate("qpsk", snr_db, 0.5 * (1 - std::sqrt(g / (2 + g))), /* Eb = Es / 2; two bits share a gain */
                   count_errors(SREC_QPSK, SREC_CHANNEL_RAYLEIGH, snr_db, bytes, 25), 8.0 * bytes, 2);
    }
}

TEST(channel, names_and_bad_arguments)
{
    srec_channel_kind kind;
    srec_channel *c = nullptr;
    LONGS_EQUAL(SREC_OK, srec_channel_kind_parse("Rayleigh", &kind));
    LONGS_EQUAL(SREC_CHANNEL_RAYLEIGH, kind);
    LONGS_EQUAL(SREC_OK, srec_channel_kind_parse("awgn", &kind));
    LONGS_EQUAL(SREC_CHANNEL_AWGN, kind);
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_kind_parse("rice", &kind));
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_kind_parse(nullptr, &kind));
    STRCMP_EQUAL("rayleigh", srec_channel_kind_name(SREC_CHANNEL_RAYLEIGH));
    POINTERS_EQUAL(nullptr, srec_channel_kind_name((srec_channel_kind)2));
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_create(SREC_CHANNEL_AWGN, 0, 0, 0, &c, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_create((srec_channel_kind)2, 0, 0, 1, &c, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_create(SREC_CHANNEL_AWGN, 200, 0, 1, &c, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_create(SREC_CHANNEL_AWGN, 0, 0, 1, nullptr, NULL));
    POINTERS_EQUAL(nullptr, c);
    LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, 0, 0, 1, &c, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_channel_apply(c, nullptr, nullptr, nullptr, 1));
    LONGS_EQUAL(SREC_OK, srec_channel_apply(c, nullptr, nullptr, nullptr, 0));
    srec_channel_free(c);
    srec_channel_free(nullptr);
}
