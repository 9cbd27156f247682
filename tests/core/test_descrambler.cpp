/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
extern "C" {
#include "calls.h"
#include "estimate/descrambler_internal.h"
}

#include <cmath>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

/* Priors: unit Gaussian, narrow Gaussian, Laplace, uniform, bounded with hard edges and a skewed histogram. */
struct priors_for_tests {
    enum { GAUSSIAN, NARROW, LAPLACE, UNIFORM, BOUNDED, SKEWED, TABLES };
    std::vector<float> tables = std::vector<float>(TABLES * 256);
    uint8_t index = 0;
    srec_priors priors{};
    double expected_mean[TABLES] = {}, expected_deviation[TABLES] = {};

    explicit priors_for_tests(float levels = 16)
    {
        for (int t = 0; t < TABLES; t++) {
            double p[256], sum = 0, first = 0, second = 0;
            for (int b = 0; b < 256; b++) {
                double v = (b - 128) / levels;
                p[b] = t == GAUSSIAN  ? std::exp(-0.5 * v * v)
                       : t == NARROW  ? std::exp(-0.5 * v * v * 256)
                       : t == LAPLACE ? std::exp(-std::sqrt(2.0) * std::fabs(v))
                       : t == UNIFORM ? 1.0
                       : t == BOUNDED ? (double)(b > 100 && b < 140)
                                      : (b % 7 + 1) * std::exp(-0.5 * (v + 2) * (v + 2));
                sum += p[b];
            }
            for (int b = 0; b < 256; b++) {
                tables[256 * t + b] = (float)(p[b] / sum);
                first += p[b] / sum * (b - 128) / levels;
                second += p[b] / sum * std::pow((b - 128) / levels, 2);
            }
            expected_mean[t] = first;
            expected_deviation[t] = std::sqrt(second - first * first);
        }
        priors = { levels, TABLES, tables.data(), 1, 1, &index, nullptr, nullptr };
    }
};

/* Posterior by Bayes' rule over the 256 plaintexts, from log likelihoods of the ciphertext. Written apart from the
 * core. */
static void brute_force(const float *prior, double levels, const double *log_likelihood, unsigned key, double *mean,
                        double *deviation)
{
    long double sum = 0, first = 0, second = 0, top = -INFINITY;
    for (unsigned c = 0; c < 256; c++)
        if (prior[(c - key) & 255] > 0 && log_likelihood[c] > top)
            top = log_likelihood[c];
    for (unsigned c = 0; c < 256; c++) {
        unsigned plain = (c - key) & 255;
        if (!(prior[plain] > 0))
            continue;
        long double w = prior[plain] * expl(log_likelihood[c] - top), v = ((long double)plain - 128) / levels;
        sum += w;
        first += w * v;
        second += w * v * v;
    }
    *mean = (double)(first / sum);
    long double variance = second / sum - first / sum * (first / sum);
    *deviation = variance > 0 ? (double)sqrtl(variance) : 0.0;
}

static void llr_likelihood(const float *llr, double *log_likelihood)
{
    for (unsigned c = 0; c < 256; c++) {
        log_likelihood[c] = 0;
        for (unsigned b = 0; b < 8; b++) {
            double l = std::fmin(std::fmax(llr[b], -40.0), 40.0);
            log_likelihood[c] -= std::log1p(std::exp(c >> (7 - b) & 1 ? l : -l));
        }
    }
}

static void amplitude_likelihood(double y, double variance, double *log_likelihood)
{
    for (unsigned c = 0; c < 256; c++)
        log_likelihood[c] = -0.5 * std::pow(y - (c - 127.5) * SREC_PAM256_STEP, 2) / variance;
}

/* Tolerances of the fast path: mean, and deviation, which loses digits where it is the small difference of squares.
 * */
#define MEAN_TOLERANCE      2e-4
#define DEVIATION_TOLERANCE 4e-3

TEST_GROUP(descrambler)
{
    priors_for_tests p;
    srec_descrambler *d = nullptr;
    void setup() override { LONGS_EQUAL(SREC_OK, srec_descrambler_create(&p.priors, &d, NULL)); }
    void teardown() override { srec_descrambler_free(d); }
};

TEST(descrambler, llr_path_is_bayes_rule_for_every_key_prior_and_channel_quality)
{
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float strength : { 0.3f, 3.0f, 12.0f, 60.0f })
        for (unsigned key = 0; key < 256; key++)
            for (uint8_t table = 0; table < p.TABLES; table++) {
                float llr[8], mean, deviation, exact_mean, exact_deviation;
                double log_likelihood[256], expected_mean, expected_deviation;
                for (float &l : llr)
                    l = strength * normal(random);
                uint8_t k = (uint8_t)key;
                llr_likelihood(llr, log_likelihood);
                brute_force(&p.tables[256 * table], 16, log_likelihood, key, &expected_mean, &expected_deviation);
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_QPSK, &k, llr, &table, 1, nullptr, 0 }, &mean, &deviation));
                DOUBLES_EQUAL(expected_mean, mean, MEAN_TOLERANCE);
                DOUBLES_EQUAL(expected_deviation, deviation, DEVIATION_TOLERANCE);
                srec_descrambler_exact_llr(d, k, llr, table, &exact_mean, &exact_deviation);
                DOUBLES_EQUAL(expected_mean, exact_mean, 1e-5);
                DOUBLES_EQUAL(expected_deviation, exact_deviation, 1e-5);
            }
}

TEST(descrambler, amplitude_path_is_bayes_rule_for_every_key_prior_and_channel_quality)
{
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (float variance : { 0.5f, 0.05f, 0.005f, 0.0005f, 0.00001f })
        for (unsigned key = 0; key < 256; key++)
            for (uint8_t table = 0; table < p.TABLES; table++) {
                /* beyond the outermost levels (+-1.22) too: that is evidence for them */
                float soft[2] = { 1.0f * normal(random), variance }, mean, deviation, exact_mean, exact_deviation;
                double log_likelihood[256], expected_mean, expected_deviation;
                uint8_t k = (uint8_t)key;
                amplitude_likelihood(soft[0], soft[1], log_likelihood);
                brute_force(&p.tables[256 * table], 16, log_likelihood, key, &expected_mean, &expected_deviation);
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_PAM256, &k, soft, &table, 1, nullptr, 0 }, &mean, &deviation));
                const double sharp = variance < 0.0001f ? 10 : 1; /* y / step + 127.5 in f32, times 1 / variance */
                DOUBLES_EQUAL(expected_mean, mean, sharp * MEAN_TOLERANCE);
                DOUBLES_EQUAL(expected_deviation, deviation, DEVIATION_TOLERANCE);
                srec_descrambler_exact_amplitude(d, k, soft, table, &exact_mean, &exact_deviation);
                DOUBLES_EQUAL(expected_mean, exact_mean, sharp * MEAN_TOLERANCE);
            }
}

TEST(descrambler, silence_gives_the_mean_and_deviation_of_the_prior)
{
    const float nan = std::nanf("");
    for (uint8_t table = 0; table < p.TABLES; table++)
        for (unsigned key = 0; key < 256; key += 5) {
            const float zero[8] = { 0 }, nonsense[8] = { nan, nan, nan, nan, nan, nan, nan, nan };
            const float noisy[4][2] = { { 0, 1e6f }, { nan, 0.1f }, { 0.5f, nan }, { 0.5f, INFINITY } };
            const uint8_t k = (uint8_t)key;
            float mean, deviation;
            for (const float *llr : { zero, nonsense }) {
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_QPSK, &k, llr, &table, 1, nullptr, 0 }, &mean, &deviation));
                DOUBLES_EQUAL(p.expected_mean[table], mean, MEAN_TOLERANCE);
                DOUBLES_EQUAL(p.expected_deviation[table], deviation, MEAN_TOLERANCE);
            }
            for (const float *soft : noisy) {
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_PAM256, &k, soft, &table, 1, nullptr, 0 }, &mean, &deviation));
                DOUBLES_EQUAL(p.expected_mean[table], mean, MEAN_TOLERANCE);
                DOUBLES_EQUAL(p.expected_deviation[table], deviation, MEAN_TOLERANCE);
            }
        }
}

TEST(descrambler, certain_bits_give_the_byte_whatever_key_and_prior)
{
    for (float size : { 60.0f, 1e30f, INFINITY })
        for (unsigned key = 0; key < 256; key += 3)
            for (unsigned plain = 0; plain < 256; plain++) {
                const uint8_t k = (uint8_t)key, c = (uint8_t)(plain + key), table = p.UNIFORM;
                float llr[8], mean, deviation;
                for (unsigned b = 0; b < 8; b++)
                    llr[b] = c >> (7 - b) & 1 ? -size : size;
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_QPSK, &k, llr, &table, 1, nullptr, 0 }, &mean, &deviation));
                DOUBLES_EQUAL(((double)plain - 128) / 16, mean, 1e-5);
                CHECK(deviation >= 0 && deviation < DEVIATION_TOLERANCE);
                float soft[2] = { ((float)c - 127.5f) * SREC_PAM256_STEP, 0.0f };
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_PAM256, &k, soft, &table, 1, nullptr, 0 }, &mean, &deviation));
                DOUBLES_EQUAL(((double)plain - 128) / 16, mean, 1e-5);
                soft[0] = c < 128 ? -INFINITY : INFINITY; /* as far out as can be */
                LONGS_EQUAL(SREC_OK,
                            estimate_bytes(d, { SREC_PAM256, &k, soft, &table, 1, nullptr, 0 }, &mean, &deviation));
                DOUBLES_EQUAL(((double)(uint8_t)((c < 128 ? 0 : 255) - key) - 128) / 16, mean, 1e-5);
            }
}

TEST(descrambler, a_channel_that_contradicts_the_prior_still_gives_bayes_rule)
{
    /* certain of a byte that the prior excludes: f32 sums vanish, the exact way must take over */
    for (uint8_t table : { (uint8_t)p.BOUNDED, (uint8_t)p.NARROW })
        for (unsigned c = 0; c < 256; c++) {
            float llr[8], soft[2] = { ((float)c - 127.5f) * SREC_PAM256_STEP, 1e-6f }, mean, deviation;
            double log_likelihood[256], expected_mean, expected_deviation;
            for (unsigned b = 0; b < 8; b++)
                llr[b] = c >> (7 - b) & 1 ? -INFINITY : INFINITY;
            llr_likelihood(llr, log_likelihood);
            brute_force(&p.tables[256 * table], 16, log_likelihood, 0, &expected_mean, &expected_deviation);
            LONGS_EQUAL(SREC_OK,
                        estimate_bytes(d, { SREC_QPSK, nullptr, llr, &table, 1, nullptr, 0 }, &mean, &deviation));
            DOUBLES_EQUAL(expected_mean, mean, MEAN_TOLERANCE);
            DOUBLES_EQUAL(expected_deviation, deviation, DEVIATION_TOLERANCE);
            LONGS_EQUAL(SREC_OK,
                        estimate_bytes(d, { SREC_PAM256, nullptr, soft, &table, 1, nullptr, 0 }, &mean, &deviation));
            CHECK(std::isfinite(mean) && std::isfinite(deviation));
            if (table == p.BOUNDED && c < 100)
                DOUBLES_EQUAL((101.0 - 128) / 16, mean, 1e-3); /* the nearest value the prior allows */
        }
}

TEST(descrambler, results_do_not_depend_on_how_features_are_grouped)
{
    const size_t n = 200;
    std::mt19937 random(4);
    std::vector<float> llr(8 * n), mean(n), deviation(n);
    std::vector<uint8_t> key(n), table(n);
    for (float &l : llr)
        l = (float)(random() % 2000) / 100 - 10;
    for (size_t i = 0; i < n; i++) {
        key[i] = (uint8_t)random();
        table[i] = (uint8_t)(random() % p.TABLES);
    }
    LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, key.data(), llr.data(), table.data(), n, nullptr, 0 },
                                        mean.data(), deviation.data()));
    for (size_t i = 0; i < n; i++) {
        float m, v;
        LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, &key[i], &llr[8 * i], &table[i], 1, nullptr, 0 }, &m, &v));
        CHECK(m == mean[i] && v == deviation[i]);
    }
}

TEST(descrambler, a_key_that_flips_the_top_bit_is_the_top_llr_with_its_sign_changed)
{
    /* + 128 mod 256 is an exclusive or: the one key whose effect can be said without the key */
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 5);
    const uint8_t key = 128;
    for (int i = 0; i < 1000; i++) {
        float llr[8], flipped[8], a[2], b[2];
        const uint8_t table = (uint8_t)(i % p.TABLES);
        for (int k = 0; k < 8; k++)
            flipped[k] = llr[k] = normal(random);
        flipped[0] = -llr[0];
        LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, &key, llr, &table, 1, nullptr, 0 }, &a[0], &a[1]));
        LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, nullptr, flipped, &table, 1, nullptr, 0 }, &b[0], &b[1]));
        DOUBLES_EQUAL(b[0], a[0], 1e-5);
        DOUBLES_EQUAL(b[1], a[1], DEVIATION_TOLERANCE);
    }
}

TEST(descrambler, a_known_keystream_is_only_a_rotation)
{
    /* Prior rotated by the key and no key, or prior as it is and the key: the same posterior, of the ciphertext's
     * value
     * in the one case and of the plaintext's in the other. A prior on few neighbours keeps the wrap out of the
     * difference. */
    std::vector<float> plain(256), rotated(256);
    std::mt19937 random(6);
    std::normal_distribution<float> normal(0, 2);
    const uint8_t table = 0;
    for (unsigned key = 0; key < 256; key++) {
        const unsigned first = random() % 248;
        std::fill(plain.begin(), plain.end(), 0.0f);
        std::fill(rotated.begin(), rotated.end(), 0.0f);
        const unsigned moved = (first + key) % 256;
        if (moved > 248)
            continue; /* would wrap */
        for (unsigned i = 0; i < 8; i++)
            plain[first + i] = rotated[(moved + i) % 256] = (float)(i + 1) / 36;
        srec_priors a = p.priors, b = p.priors;
        a.n_tables = b.n_tables = 1;
        a.tables = plain.data();
        b.tables = rotated.data();
        srec_descrambler *with_key, *without;
        LONGS_EQUAL(SREC_OK, srec_descrambler_create(&a, &with_key, NULL));
        LONGS_EQUAL(SREC_OK, srec_descrambler_create(&b, &without, NULL));
        float llr[8], soft[2] = { 0.5f * normal(random), 0.01f }, x[2], y[2];
        for (float &l : llr)
            l = normal(random);
        const uint8_t k = (uint8_t)key;
        const double shift = ((double)first - moved) / 16;
        LONGS_EQUAL(SREC_OK, estimate_bytes(with_key, { SREC_QPSK, &k, llr, &table, 1, nullptr, 0 }, &x[0], &x[1]));
        LONGS_EQUAL(SREC_OK, estimate_bytes(without, { SREC_QPSK, nullptr, llr, &table, 1, nullptr, 0 }, &y[0], &y[1]));
        DOUBLES_EQUAL(y[0] + shift, x[0], 1e-4);
        DOUBLES_EQUAL(y[1], x[1], DEVIATION_TOLERANCE);
        LONGS_EQUAL(SREC_OK, estimate_bytes(with_key, { SREC_PAM256, &k, soft, &table, 1, nullptr, 0 }, &x[0], &x[1]));
        LONGS_EQUAL(SREC_OK,
                    estimate_bytes(without, { SREC_PAM256, nullptr, soft, &table, 1, nullptr, 0 }, &y[0], &y[1]));
        DOUBLES_EQUAL(y[0] + shift, x[0], 1e-4);
        DOUBLES_EQUAL(y[1], x[1], DEVIATION_TOLERANCE);
        srec_descrambler_free(with_key);
        srec_descrambler_free(without);
    }
}

TEST(descrambler, bad_arguments_are_refused)
{
    const float llr[8] = { 0 };
    const uint8_t table = priors_for_tests::TABLES, key = 0;
    float mean, deviation;
    LONGS_EQUAL(SREC_ERR_ARG, estimate_bytes(d, { SREC_QPSK, &key, llr, &table, 1, nullptr, 0 }, &mean, &deviation));
    LONGS_EQUAL(SREC_ERR_ARG, estimate_bytes(d, { SREC_PAM256, &key, llr, &table, 1, nullptr, 0 }, &mean, &deviation));
    LONGS_EQUAL(SREC_ERR_ARG,
                estimate_bytes(nullptr, { SREC_QPSK, &key, llr, &key, 1, nullptr, 0 }, &mean, &deviation));
    LONGS_EQUAL(SREC_ERR_ARG, estimate_bytes(d, { SREC_QPSK, &key, nullptr, &key, 1, nullptr, 0 }, &mean, &deviation));
    LONGS_EQUAL(SREC_ERR_ARG,
                estimate_hard(d, { (srec_modulation)9, &key, llr, nullptr, 1, nullptr, 0 }, &mean, &deviation));
    LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, nullptr, nullptr, nullptr, 0, nullptr, 0 }, nullptr, nullptr));
    srec_descrambler *none = d;
    srec_priors bad = p.priors;
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(nullptr, &none, NULL));
    POINTERS_EQUAL(nullptr, none);
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&p.priors, nullptr, NULL));
    bad.n_tables = 65;
    LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&bad, &none, NULL));
    for (float levels : { 0.0f, -1.0f, std::nanf(""), INFINITY }) {
        bad = p.priors;
        bad.levels = levels;
        LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&bad, &none, NULL));
    }
    for (float value : { -0.1f, std::nanf(""), INFINITY, 3.0f }) { /* no probability, or too much of it */
        auto tables = p.tables;
        tables[300] = value;
        bad = p.priors;
        bad.tables = tables.data();
        LONGS_EQUAL(SREC_ERR_ARG, srec_descrambler_create(&bad, &none, NULL));
    }
    srec_descrambler_free(nullptr);
}

/* ---- Error power of unit Gaussian features over a link: DESIGN section 5 ---- */

enum { HARD, SOFT };

static double error_db(srec_descrambler *d, srec_modulation m, float snr_db, int decision, bool encrypt, bool ordered,
                       double *claimed_db = nullptr, double *standard_error_db = nullptr, double levels = 16)
{
    const size_t n = 300000;
    std::mt19937_64 random(2);
    std::normal_distribution<double> normal;
    std::vector<double> s(n);
    std::vector<float> iq(2 * srec_modem_symbols(m, n)), soft(n * srec_modem_soft_per_byte(m)), restored(soft.size()),
        mean(n), deviation(n);
    std::vector<uint8_t> bytes(n), keystream(n), sent(n), tables(n, priors_for_tests::GAUSSIAN);
    srec_key key;
    srec_scrambler *scrambler;
    srec_key_from_seed(&key, 3);
    LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 1, &scrambler, NULL));
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(scrambler, 1, 0, keystream.data(), n));
    for (size_t i = 0; i < n; i++) {
        s[i] = normal(random);
        bytes[i] = (uint8_t)std::fmin(std::fmax(std::rint(128 + levels * s[i]), 0), 255);
    }
    if (encrypt)
        LONGS_EQUAL(SREC_OK, srec_scrambler_apply(scrambler, 1, 0, bytes.data(), bytes.data(), n));
    srec_scrambler_free(scrambler);
    sent = bytes;
    if (ordered)
        LONGS_EQUAL(SREC_OK, srec_modem_order_bytes(m, bytes.data(), sent.data(), n));
    LONGS_EQUAL(SREC_OK, srec_modem_map(m, sent.data(), n, iq.data()));
    srec_channel *c;
    LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, 5, 1, &c, NULL));
    LONGS_EQUAL(SREC_OK, srec_channel_apply(c, iq.data(), iq.data(), nullptr, iq.size() / 2));
    srec_channel_free(c);
    LONGS_EQUAL(SREC_OK,
                srec_modem_demap(m, iq.data(), nullptr, std::pow(10.0f, -0.1f * snr_db), iq.size() / 2, soft.data()));
    restored = soft;
    if (ordered)
        LONGS_EQUAL(SREC_OK, srec_modem_restore_soft(m, soft.data(), restored.data(), n));
    const uint8_t *ks = encrypt ? keystream.data() : nullptr;
    if (decision == HARD)
        LONGS_EQUAL(SREC_OK, estimate_hard(d, { m, ks, restored.data(), nullptr, n, nullptr, 0 }, mean.data(),
                                           deviation.data()));
    else if (m == SREC_PAM256)
        LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_PAM256, ks, restored.data(), tables.data(), n, nullptr, 0 },
                                            mean.data(), deviation.data()));
    else
        LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, ks, restored.data(), tables.data(), n, nullptr, 0 },
                                            mean.data(), deviation.data()));
    double error = 0, claimed = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = (mean[i] - s[i]) * (mean[i] - s[i]);
        error += e;
        square += e * e;
        claimed += (double)deviation[i] * deviation[i];
    }
    if (claimed_db)
        *claimed_db = 10 * std::log10(claimed / n + 1 / (12 * levels * levels)); /* and the quantisation */
    if (standard_error_db)                                                       /* of the mean, first order */
        *standard_error_db = 10 / std::log(10.0) * std::sqrt(square - error * error / n) / error;
    return 10 * std::log10(error / n);
}

/* The exact expectation of the hard error power: unit Gaussian feature, independent bit errors of the given rates
 * (most
 * significant first), mean over all keys if encrypted. No random number. */
static double hard_theory_db(const double *rate, bool encrypt)
{
    std::vector<double> weight(256), first(256), second(256), flip(256);
    double total = 0, error = 0;
    for (double x = -9; x <= 9; x += 1e-4) {
        const int b = (int)std::fmin(std::fmax(std::rint(128 + 16 * x), 0), 255);
        const double w = std::exp(-0.5 * x * x);
        total += w;
        weight[b] += w;
        first[b] += w * x;
        second[b] += w * x * x;
    }
    for (unsigned pattern = 0; pattern < 256; pattern++) {
        flip[pattern] = 1;
        for (unsigned b = 0; b < 8; b++)
            flip[pattern] *= pattern >> (7 - b) & 1 ? rate[b] : 1 - rate[b];
    }
    const unsigned keys = encrypt ? 256 : 1;
    for (unsigned key = 0; key < keys; key++)
        for (unsigned p = 0; p < 256; p++)
            for (unsigned pattern = 0; pattern < 256; pattern++) {
                const double v = ((double)((((p + key) ^ pattern) - key) & 255) - 128) / 16;
                error += flip[pattern] * (second[p] - 2 * v * first[p] + v * v * weight[p]);
            }
    return 10 * std::log10(error / total / keys);
}

static double q(double x) { return 0.5 * std::erfc(x / std::sqrt(2.0)); }

TEST(descrambler, hard_decisions_have_exactly_the_error_power_of_theory)
{
    const double bpsk = q(std::sqrt(2 * std::pow(10, 0.4))), qpsk = q(std::sqrt(std::pow(10, 0.4))), a = std::sqrt(2.0);
    const double sign = 0.5 * (q(a) + q(3 * a)), size = 0.5 * (2 * q(a) + q(3 * a) - q(5 * a)); /* 16QAM at 10 dB */
    const double one[8] = { bpsk, bpsk, bpsk, bpsk, bpsk, bpsk, bpsk, bpsk };
    const double two[8] = { qpsk, qpsk, qpsk, qpsk, qpsk, qpsk, qpsk, qpsk };
    const double natural[8] = { sign, sign, size, size, sign, sign, size, size };
    const double important[8] = { sign, sign, sign, sign, size, size, size, size };
    for (bool encrypt : { false, true }) { /* 300 000 features: 3.5 standard errors are 0.2 dB at most */
        DOUBLES_EQUAL(hard_theory_db(one, encrypt), error_db(d, SREC_BPSK, 4, HARD, encrypt, false), 0.2);
        DOUBLES_EQUAL(hard_theory_db(two, encrypt), error_db(d, SREC_QPSK, 4, HARD, encrypt, false), 0.2);
        DOUBLES_EQUAL(hard_theory_db(natural, encrypt), error_db(d, SREC_16QAM, 10, HARD, encrypt, false), 0.2);
        DOUBLES_EQUAL(hard_theory_db(important, encrypt), error_db(d, SREC_16QAM, 10, HARD, encrypt, true), 0.2);
    }
    /* and so, in dB: */
    DOUBLES_EQUAL(0.21, hard_theory_db(one, true), 0.02);
    DOUBLES_EQUAL(6.52, hard_theory_db(two, true), 0.02);
    DOUBLES_EQUAL(5.23, hard_theory_db(natural, true), 0.02);
    DOUBLES_EQUAL(5.05, hard_theory_db(important, true), 0.02);
}

TEST(descrambler, soft_decisions_have_the_error_power_of_the_prototype)
{
    /* The PyTorch prototype with this prior and 400 000 features: -13.01, -6.71, -8.18 dB, good to about 0.07 dB.
     * */
    DOUBLES_EQUAL(-13.01, error_db(d, SREC_BPSK, 4, SOFT, true, true), 0.2);
    DOUBLES_EQUAL(-6.71, error_db(d, SREC_QPSK, 4, SOFT, true, true), 0.2);
    DOUBLES_EQUAL(-8.18, error_db(d, SREC_16QAM, 10, SOFT, true, true), 0.2);
    /* and in clear, where neighbouring values' codewords differ in more bits: -15.79, -8.98, -10.55 dB */
    DOUBLES_EQUAL(-15.79, error_db(d, SREC_BPSK, 4, SOFT, false, true), 0.2);
    DOUBLES_EQUAL(-8.98, error_db(d, SREC_QPSK, 4, SOFT, false, true), 0.2);
    DOUBLES_EQUAL(-10.55, error_db(d, SREC_16QAM, 10, SOFT, false, true), 0.2);
}

TEST(descrambler, amplitudes_at_40_levels_a_deviation_have_the_error_power_of_the_prototype)
{
    priors_for_tests p40(40);
    srec_descrambler *d40;
    LONGS_EQUAL(SREC_OK, srec_descrambler_create(&p40.priors, &d40, NULL));
    const double db = error_db(d40, SREC_PAM256, 10, SOFT, true, true, nullptr, nullptr, 40);
    srec_descrambler_free(d40);
    DOUBLES_EQUAL(-5.2, db, 0.2);
}

TEST(descrambler, importance_order_gains_more_than_one_db_on_16qam)
{
    CHECK(error_db(d, SREC_16QAM, 10, SOFT, true, true) < error_db(d, SREC_16QAM, 10, SOFT, true, false) - 1.0);
}

TEST(descrambler, the_stated_deviation_is_the_error_that_is_made)
{
    const struct {
        srec_modulation m;
        float snr_db;
    } cases[] = { { SREC_BPSK, 0 },   { SREC_BPSK, 4 },    { SREC_QPSK, 4 },    { SREC_QPSK, 10 },  { SREC_16QAM, 10 },
                  { SREC_64QAM, 14 }, { SREC_256QAM, 20 }, { SREC_PAM256, 10 }, { SREC_PAM256, 30 } };
    for (auto &c : cases) {
        double claimed, spread, made = error_db(d, c.m, c.snr_db, SOFT, true, true, &claimed, &spread);
        DOUBLES_EQUAL(made, claimed, 3.5 * spread);
    }
}
