/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/impairments.h>

#include <cmath>
#include <complex>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

using signal = std::vector<std::complex<float>>;
static const unsigned LAG = 16; /* of the output */

TEST_GROUP(impairments){ signal apply(const srec_impairment_set &set, const signal &in, size_t chunk = 1 << 20,
                                      uint64_t seed = 1){ srec_impairments * s;
LONGS_EQUAL(SREC_OK, srec_impairments_create(&set, seed, &s, NULL));
signal out;
for (size_t at = 0; at < in.size(); at += chunk) {
    const size_t n = std::min(chunk, in.size() - at);
    signal part(srec_impairments_room(n));
    size_t got;
    LONGS_EQUAL(SREC_OK, srec_impairments_apply(s, (const float *)(in.data() + at), n, (float *)part.data(), &got));
    CHECK(got <= part.size());
    out.insert(out.end(), part.begin(), part.begin() + (long)got);
}
srec_impairments_free(s);
return out;
}
/* cycles per sample */
static signal tone(double f, size_t n)
{
    signal s(n);
    for (size_t i = 0; i < n; i++)
        s[i] = std::polar(1.0f, (float)(2 * M_PI * fmod(f * (double)i, 1)));
    return s;
}
/* component of s at frequency f, from sample `from` on */
static std::complex<double> at(const signal &s, double f, size_t from = 100)
{
    std::complex<double> sum = 0;
    for (size_t i = from; i < s.size(); i++)
        sum += std::complex<double>(s[i]) * std::polar(1.0, -2 * M_PI * fmod(f * (double)i, 1));
    return sum / (double)(s.size() - from);
}
static double power(const signal &s, size_t from = 100)
{
    double sum = 0;
    for (size_t i = from; i < s.size(); i++)
        sum += std::norm(s[i]);
    return sum / (double)(s.size() - from);
}
}
;

TEST(impairments, nothing_asked_changes_nothing)
{
    const signal in = tone(0.11, 5000), out = apply({}, in);
    LONGS_EQUAL(in.size() - LAG, out.size());
    for (size_t i = 100; i < out.size(); i++)
        CHECK(std::abs(out[i] - in[i]) < 1e-3);
}

TEST(impairments, results_do_not_depend_on_chunks)
{
    srec_impairment_set set{};
    set.cfo = 0.01f;
    set.clock_ppm = 100;
    set.noise_power = 0.1f;
    set.phase_noise = 1e-4f;
    set.echo_delay = 7;
    set.echo_db = -3;
    set.doppler = 1e-4f;
    const signal in = tone(0.05, 20000), whole = apply(set, in);
    for (size_t chunk : { 1u, 333u, 4096u })
        CHECK(whole == apply(set, in, chunk));
    CHECK(whole != apply(set, in, 1 << 20, 2));
}

TEST(impairments, carrier_and_clock_offset_move_a_tone_where_they_should)
{
    srec_impairment_set set{};
    set.cfo = 0.02f;
    set.gain_db = -20;
    DOUBLES_EQUAL(0.1, std::abs(at(apply(set, tone(0.05, 20000)), 0.07)), 1e-3);
    set = {};
    set.clock_ppm = 500; /* the receiver takes more samples of the same signal: its tones are lower */
    const signal in = tone(0.25, 400000), out = apply(set, in);
    DOUBLES_EQUAL((double)in.size() * (1 + 500e-6), (double)out.size() + LAG, 2);
    DOUBLES_EQUAL(1, std::abs(at(out, 0.25 / (1 + 500e-6))), 1e-2);
}

TEST(impairments, resampling_leaves_a_tone_clean)
{
    for (double f : { 0.01, 0.2, 0.35 }) {
        srec_impairment_set set{};
        set.clock_ppm = 37;
        set.delay = 0.3f;
        const signal out = apply(set, tone(f, 100000));
        const double wanted = std::norm(at(out, f / (1 + 37e-6)));
        CHECK(10 * log10((power(out) - wanted) / wanted) < -60);
    }
}

TEST(impairments, two_rays_add_as_phasors)
{
    srec_impairment_set set{};
    set.echo_delay = 9;
    set.echo_db = -6;
    set.echo_phase = 1.2f;
    for (double f : { 0.0, 0.05, -0.21 }) {
        const std::complex<double> expected = 1.0 + std::polar(pow(10, -0.3), 1.2 - 2 * M_PI * f * 9);
        CHECK(std::abs(at(apply(set, tone(f, 20000)), f) - expected) < 5e-3);
    }
}

TEST(impairments, noise_has_its_power_and_phase_noise_its_variance)
{
    srec_impairment_set set{};
    set.noise_power = 0.25f;
    DOUBLES_EQUAL(0.25, power(apply(set, signal(400000))), 0.25 * 5 / sqrt(400000));
    set = {};
    set.phase_noise = 1e-3f;
    const signal out = apply(set, signal(400000, 1));
    double sum = 0;
    for (size_t i = 101; i < out.size(); i++)
        sum += pow(std::arg(out[i] * std::conj(out[i - 1])), 2);
    DOUBLES_EQUAL(1e-3, sum / (double)(out.size() - 101), 1e-3 * 5 * sqrt(2.0 / 400000));
}

TEST(impairments, fading_has_unit_power_and_clarkes_autocorrelation)
{
    const double doppler = 1e-3;
    const size_t seeds = 60, n = 40000, step = 50;
    std::vector<std::complex<double>> correlation(20);
    double mean = 0, fourth = 0;
    for (size_t seed = 0; seed < seeds; seed++) {
        srec_impairment_set set{};
        set.doppler = (float)doppler;
        const signal out = apply(set, signal(n, 1), 1 << 20, seed);
        for (size_t lag = 0; lag < correlation.size(); lag++) {
            std::complex<double> sum = 0;
            for (size_t i = 100; i + lag * step < out.size(); i += 10)
                sum += std::complex<double>(out[i + lag * step]) * std::conj(std::complex<double>(out[i]));
            correlation[lag] += sum / ((double)(out.size() - 100 - lag * step) / 10) / (double)seeds;
        }
        for (size_t i = 100; i < out.size(); i += 10) {
            mean += std::norm(out[i]);
            fourth += std::norm(out[i]) * std::norm(out[i]);
        }
    }
    mean /= (double)seeds * (n - 116) / 10;
    fourth /= (double)seeds * (n - 116) / 10;
    DOUBLES_EQUAL(1, mean, 0.05);
    DOUBLES_EQUAL(2, fourth / mean / mean, 0.15); /* complex Gaussian */
    for (size_t lag = 0; lag < correlation.size(); lag++)
        CHECK(std::abs(correlation[lag] - j0(2 * M_PI * doppler * (double)(lag * step))) < 0.08);
}

TEST(impairments, front_end_faults_are_those_of_theory)
{
    const signal in = tone(0.1, 50000);
    srec_impairment_set set{};
    set.iq_gain_db = 1;
    set.iq_phase = 0.05f;
    const double g = pow(10, 0.05);
    const std::complex<double> wanted = 0.5 * (1.0 + g * std::polar(1.0, 0.05)),
                               image = 0.5 * (1.0 - g * std::polar(1.0, -0.05));
    signal out = apply(set, in);
    DOUBLES_EQUAL(std::abs(wanted), std::abs(at(out, 0.1)), 2e-3);
    DOUBLES_EQUAL(std::abs(image), std::abs(at(out, -0.1)), 2e-3);
    set = {};
    set.dc_re = 0.1f;
    set.dc_im = -0.2f;
    CHECK(std::abs(at(apply(set, in), 0) - std::complex<double>(0.1, -0.2)) < 1e-3);
    set = {};
    set.clip = 0.5f;
    for (auto v : apply(set, in))
        CHECK(fabsf(v.real()) <= 0.5f && fabsf(v.imag()) <= 0.5f);
    for (unsigned bits : { 4u, 8u, 12u }) {
        set = {};
        set.bits = bits;
        set.gain_db = -1;
        set.noise_power = 1e-3f; /* dither */
        const signal many = tone(0.1037217, 50000), rounded = apply(set, many);
        set.bits = 0;
        const signal exact = apply(set, many);
        double error = 0;
        for (size_t i = 0; i < exact.size(); i++)
            error += std::norm(rounded[i] - exact[i]) / (double)exact.size();
        const double step = 2.0 / (1 << bits);
        DOUBLES_EQUAL(1, error / (2 * step * step / 12), 0.1);
    }
}

TEST(impairments, what_is_out_of_range_is_refused)
{
    srec_impairments *s;
    srec_impairment_set set{};
    set.cfo = 0.6f;
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(&set, 1, &s, NULL));
    set = {};
    set.echo_delay = 5000;
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(&set, 1, &s, NULL));
    set = {};
    set.gain_db = NAN;
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(&set, 1, &s, NULL));
    set = {};
    set.bits = 17;
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(&set, 1, &s, NULL));
    srec_error error;
    set = {};
    set.cfo = 0.75f;
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(&set, 1, &s, &error));
    STRCMP_EQUAL("cfo 0.75: must be -0.5 to 0.5", error.message);
    set = {};
    set.noise_power = 1e9f;
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(&set, 1, &s, &error));
    STRCMP_EQUAL("noise_power 1e+09: must be 0 or 1e-10 to 100000", error.message);
    LONGS_EQUAL(SREC_ERR_ARG, srec_impairments_create(nullptr, 1, &s, NULL));
}
