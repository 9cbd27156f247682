/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <srec/descrambler.h>
extern "C" {
#include "calls.h"
#include "estimate/prediction.h"
}

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

/* Latents of falling importance, mixed so that every feature has a share of each: features = Hartley matrix *
 * sqrt(power). */
struct mixture {
    size_t k;
    std::vector<double> map;       /* (k, k) latents of variance 1 -> features */
    std::vector<float> covariance; /* (k, k) of the features */

    explicit mixture(size_t k_) : k(k_), map(k_ * k_), covariance(k_ * k_)
    {
        std::vector<double> power(k);
        double sum = 0;
        for (size_t i = 0; i < k; i++)
            sum += power[i] = 1 / (1.0 + 0.3 * (double)i);
        for (size_t j = 0; j < k; j++)
            for (size_t i = 0; i < k; i++) {
                const double angle = 2 * M_PI * (double)(i * j % k) / (double)k;
                map[j * k + i] = (std::cos(angle) + std::sin(angle)) * std::sqrt(power[i] / sum);
            }
        for (size_t a = 0; a < k; a++)
            for (size_t b = 0; b < k; b++) {
                double c = 0;
                for (size_t i = 0; i < k; i++)
                    c += map[a * k + i] * map[b * k + i];
                covariance[a * k + b] = (float)c;
            }
    }
};

/* Mean and variance of feature i given the noisy others: by elimination on the system without i. Written apart from
 * the core. */
static void condition(const mixture &m, const std::vector<float> &observed, const std::vector<float> &noise, size_t i,
                      double *mean, double *variance)
{
    const size_t n = m.k - 1;
    std::vector<size_t> at;
    for (size_t j = 0; j < m.k; j++)
        if (j != i)
            at.push_back(j);
    std::vector<long double> a(n * (n + 2)); /* columns: the system, covariance with i, observed */
    for (size_t r = 0; r < n; r++) {
        for (size_t c = 0; c < n; c++)
            a[r * (n + 2) + c] = m.covariance[at[r] * m.k + at[c]] + (r == c ? noise[at[r]] : 0.0f);
        a[r * (n + 2) + n] = m.covariance[at[r] * m.k + i];
        a[r * (n + 2) + n + 1] = observed[at[r]];
    }
    for (size_t p = 0; p < n; p++)
        for (size_t r = 0; r < n; r++) {
            if (r == p)
                continue;
            const long double f = a[r * (n + 2) + p] / a[p * (n + 2) + p];
            for (size_t c = p; c < n + 2; c++)
                a[r * (n + 2) + c] -= f * a[p * (n + 2) + c];
        }
    long double first = 0, explained = 0;
    for (size_t r = 0; r < n; r++) {
        const long double c = m.covariance[at[r] * m.k + i] / a[r * (n + 2) + r];
        first += c * a[r * (n + 2) + n + 1];
        explained += c * a[r * (n + 2) + n];
    }
    *mean = (double)first;
    *variance = (double)(m.covariance[i * m.k + i] - explained);
}

static bool predict(const srec_observations &o, float *scratch, float *mean, float *variance)
{
    return srec_predict(&o, scratch, mean, variance);
}

TEST_GROUP(prediction){};

TEST(prediction, each_feature_is_predicted_from_all_others_and_not_from_itself)
{
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (size_t k : { 1, 2, 5, 6, 17, 31, 48, 96, 97 }) {
        const mixture m(k);
        std::vector<float> observed(k), noise(k), mean(k), variance(k), scratch(srec_predict_scratch(k));
        for (size_t i = 0; i < k; i++) {
            observed[i] = normal(random);
            noise[i] = std::exp(2 * normal(random) - 3);
        }
        CHECK(predict({ m.covariance.data(), observed.data(), noise.data(), k }, scratch.data(), mean.data(),
                      variance.data()));
        for (size_t i = 0; i < k; i++) {
            double expected_mean, expected_variance;
            condition(m, observed, noise, i, &expected_mean, &expected_variance);
            DOUBLES_EQUAL(expected_mean, mean[i], 2e-3);
            DOUBLES_EQUAL(expected_variance, variance[i], 2e-3);
        }
        /* its own observation does not matter */
        const float was = mean[0];
        observed[0] += 10;
        CHECK(predict({ m.covariance.data(), observed.data(), noise.data(), k }, scratch.data(), mean.data(),
                      variance.data()));
        DOUBLES_EQUAL(was, mean[0], 1e-3);
    }
}

TEST(prediction, what_is_no_covariance_is_refused)
{
    const float bad[4] = { 1, 3, 3, 1 }, observed[2] = { 1, 1 }, noise[2] = { 0.1f, 0.1f };
    float mean[2] = { 7, 7 }, variance[2] = { 7, 7 };
    std::vector<float> scratch(srec_predict_scratch(2));
    CHECK_FALSE(predict({ bad, observed, noise, 2 }, scratch.data(), mean, variance));
    DOUBLES_EQUAL(7, mean[0], 0);
}

TEST_GROUP(refine)
{
    enum { K = 40, PATCHES = 250, N = K * PATCHES };
    mixture m{ K };
    std::vector<float> table = std::vector<float>(256);
    const uint8_t index[K] = {};
    const unsigned ladder[1] = { K };
    const float *covariances[1] = { m.covariance.data() };
    srec_priors priors{ 16, 1, table.data(), 1, K, index, ladder, covariances };
    srec_descrambler *d = nullptr;
    std::vector<uint8_t> rate_map = std::vector<uint8_t>(PATCHES), keystream = std::vector<uint8_t>(N),
                         tables = std::vector<uint8_t>(N);
    std::vector<double> latents = std::vector<double>(N), features = std::vector<double>(N);
    std::vector<float> soft, mean = std::vector<float>(N), deviation = std::vector<float>(N);

    void setup() override
    {
        double sum = 0;
        for (int b = 0; b < 256; b++)
            sum += table[b] = (float)std::exp(-0.5 * (b - 128) * (b - 128) / 256.0);
        for (float &p : table)
            p = (float)(p / sum);
        LONGS_EQUAL(SREC_OK, srec_descrambler_create(&priors, &d, NULL));
    }
    void teardown() override { srec_descrambler_free(d); }

    /* Features, their way through cipher and channel, and what each byte alone says of them. */
    void send(srec_modulation modulation, float snr_db, double size = 1)
    {
        std::mt19937 random(2);
        std::normal_distribution<double> normal;
        std::vector<uint8_t> bytes(N);
        std::vector<float> iq(2 * srec_modem_symbols(modulation, N));
        soft.resize(N * srec_modem_soft_per_byte(modulation));
        for (double &x : latents)
            x = size * normal(random);
        for (size_t p = 0; p < PATCHES; p++)
            for (size_t j = 0; j < K; j++) {
                double f = 0;
                for (size_t i = 0; i < K; i++)
                    f += m.map[j * K + i] * latents[p * K + i];
                features[p * K + j] = f;
                keystream[p * K + j] = (uint8_t)random();
                const double byte = std::min(std::max(std::rint(128 + 16 * f), 0.0), 255.0);
                bytes[p * K + j] = (uint8_t)((unsigned)byte + keystream[p * K + j]);
            }
        srec_channel *c;
        LONGS_EQUAL(SREC_OK, srec_modem_map(modulation, bytes.data(), N, iq.data()));
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, 5, 1, &c, NULL));
        LONGS_EQUAL(SREC_OK, srec_channel_apply(c, iq.data(), iq.data(), nullptr, iq.size() / 2));
        srec_channel_free(c);
        LONGS_EQUAL(SREC_OK, srec_modem_demap(modulation, iq.data(), nullptr, std::pow(10.0f, -0.1f * snr_db),
                                              iq.size() / 2, soft.data()));
        LONGS_EQUAL(SREC_OK,
                    estimate_bytes(d, { modulation, keystream.data(), soft.data(), tables.data(), N, nullptr, 0 },
                                   mean.data(), deviation.data()));
    }
    srec_status refine(srec_modulation modulation, size_t n_patches = PATCHES)
    {
        return estimate_soft(
            d, { modulation, keystream.data(), soft.data(), tables.data(), N, rate_map.data(), n_patches }, mean.data(),
            deviation.data());
    }
    double error_db() const
    {
        double e = 0;
        for (size_t i = 0; i < N; i++)
            e += (mean[i] - features[i]) * (mean[i] - features[i]);
        return 10 * std::log10(e / N);
    }
    double claimed_db() const
    {
        double e = 0;
        for (size_t i = 0; i < N; i++)
            e += deviation[i] * deviation[i] + 1 / (12.0 * 256);
        return 10 * std::log10(e / N);
    }
};

TEST(refine, features_of_a_patch_correct_each_other_and_know_how_well)
{
    const struct {
        srec_modulation modulation;
        float snr_db;
        double gain_db;
    } cases[] = { { SREC_BPSK, 0, 1 }, { SREC_QPSK, 0, 0.5 }, { SREC_QPSK, 4, 1 },
                  { SREC_QPSK, 8, 1 }, { SREC_16QAM, 8, 1 },  { SREC_PAM256, 10, 0.5 } };
    for (const auto &c : cases) {
        send(c.modulation, c.snr_db);
        const double alone = error_db();
        LONGS_EQUAL(SREC_OK, refine(c.modulation));
        CHECK_TEXT(error_db() < alone - c.gain_db,
                   StringFromFormat("%s %g dB: %.2f -> %.2f dB", srec_modulation_name(c.modulation), (double)c.snr_db,
                                    alone, error_db())
                       .asCharString());
        DOUBLES_EQUAL(error_db(), claimed_db(), 0.8);
    }
}

TEST(refine, calm_and_busy_patches_are_known_as_such)
{
    for (double size : { 0.4, 1.6 }) {
        send(SREC_QPSK, 4, size);
        const double alone = error_db();
        LONGS_EQUAL(SREC_OK, refine(SREC_QPSK));
        CHECK_TEXT(error_db() < alone - 2,
                   StringFromFormat("size %g: %.2f -> %.2f dB", size, alone, error_db()).asCharString());
        DOUBLES_EQUAL(error_db(), claimed_db(), 1.6);
    }
}

TEST(refine, certain_bytes_stay_as_they_are)
{
    send(SREC_QPSK, 25);
    const std::vector<float> was = mean;
    LONGS_EQUAL(SREC_OK, refine(SREC_QPSK));
    CHECK(was == mean);
}

TEST(refine, nothing_is_done_without_covariance)
{
    send(SREC_QPSK, 4);
    const std::vector<float> was = mean;
    srec_priors alone = priors;
    alone.covariance = nullptr;
    srec_descrambler_free(d);
    LONGS_EQUAL(SREC_OK, srec_descrambler_create(&alone, &d, NULL));
    LONGS_EQUAL(SREC_OK, refine(SREC_QPSK));
    CHECK(was == mean);
}

TEST(refine, steps_that_do_not_fit_and_bad_covariances_are_refused)
{
    send(SREC_QPSK, 4);
    rate_map[3] = 1; /* beyond the ladder */
    LONGS_EQUAL(SREC_ERR_ARG, refine(SREC_QPSK));
    rate_map[3] = 0;
    LONGS_EQUAL(SREC_ERR_ARG, refine(SREC_QPSK, PATCHES - 1));
    LONGS_EQUAL(SREC_ERR_ARG, refine((srec_modulation)99));
    LONGS_EQUAL(SREC_ERR_ARG,
                estimate_soft(nullptr, { SREC_QPSK, nullptr, soft.data(), tables.data(), N, rate_map.data(), PATCHES },
                              mean.data(), deviation.data()));
    srec_descrambler *bad = nullptr;
    m.covariance[0] = 0;
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&priors, &bad, NULL));
    m.covariance[0] = NAN;
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&priors, &bad, NULL));
    priors.ladder = nullptr;
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&priors, &bad, NULL));
    POINTERS_EQUAL(nullptr, bad);
}

TEST(refine, values_that_are_not_finite_do_no_harm)
{
    send(SREC_QPSK, 4);
    for (size_t i = 0; i < N; i += 7)
        soft[8 * i + i % 8] = i % 3 ? INFINITY : NAN;
    LONGS_EQUAL(SREC_OK, refine(SREC_QPSK));
    for (size_t i = 0; i < N; i++)
        CHECK(std::isfinite(mean[i]) && std::isfinite(deviation[i]));
}
