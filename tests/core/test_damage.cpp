/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image over AWGN, with its payload as sent, random, or painted, and with N0 as it is or measured too low. */
#include "calls.h"

#include <srec/srec.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

static const uint32_t SIDE = 320;

/* Fractal noise with edges: related features, as photographs have them. */
static std::vector<uint8_t> landscape()
{
    std::mt19937 random(7);
    std::uniform_real_distribution<double> unit(0, 1);
    std::vector<double> light((size_t)SIDE * SIDE, 128);
    for (int wave = 0; wave < 60; wave++) {
        const double period = 8 * pow(40, unit(random)), angle = 6.283 * unit(random), phase = 6.283 * unit(random);
        for (uint32_t i = 0; i < SIDE * SIDE; i++)
            light[i] +=
                0.12 * period * sin(6.283 / period * (cos(angle) * (i % SIDE) + sin(angle) * (i / SIDE)) + phase);
    }
    for (int disc = 0; disc < 40; disc++) {
        const double x = SIDE * unit(random), y = SIDE * unit(random), radius = 5 + 25 * unit(random),
                     step = 120 * unit(random) - 60;
        for (uint32_t i = 0; i < SIDE * SIDE; i++)
            if (hypot(i % SIDE - x, i / SIDE - y) < radius)
                light[i] += step;
    }
    std::vector<uint8_t> rgb;
    for (double v : light)
        for (double tint : { 1.0, 0.9, 0.7 })
            rgb.push_back((uint8_t)fmin(fmax(tint * v, 0), 255));
    return rgb;
}

/* What an attacker makes of the bytes on the air. */
using attack = std::function<void(srec_cipher cipher, const std::vector<uint8_t> &known, std::vector<uint8_t> &sent)>;

static void none(srec_cipher, const std::vector<uint8_t> &, std::vector<uint8_t> &) {}

static void random_bytes(srec_cipher, const std::vector<uint8_t> &, std::vector<uint8_t> &sent)
{
    static std::mt19937 random(1);
    for (uint8_t &byte : sent)
        byte = (uint8_t)random();
}

/* As in test_painting.cpp; the target has the features of the image at other places. */
static void paint(srec_cipher cipher, const std::vector<uint8_t> &known, std::vector<uint8_t> &sent)
{
    for (size_t i = 0; i < sent.size(); i++) {
        const uint8_t from = known[i], to = known[(i + sent.size() / 2) % sent.size()];
        sent[i] = cipher == SREC_CIPHER_XOR ? (uint8_t)(sent[i] ^ from ^ to) : (uint8_t)(sent[i] - from + to);
    }
}

TEST_GROUP(damage)
{
    srec_model *model = nullptr;
    srec_encoder *encoder = nullptr;
    srec_key key;
    const std::vector<uint8_t> pixels = landscape();
    srec_features features;
    srec_feature_format format = SREC_FEATURES_BITS;
    uint32_t n_slices = 0;
    uint64_t session = 0;
    std::vector<uint8_t> rate_map;

    void load(const std::string &path)
    {
        srec_error error;
        srec_encoder_free(encoder);
        srec_model_free(model);
        srec_compute compute{};
        compute.threads = 1;
        LONGS_EQUAL(SREC_OK, srec_model_load(path.c_str(), &model, &error));
        LONGS_EQUAL(SREC_OK, srec_encoder_create(model, &compute, &encoder, &error));
        srec_key_from_seed(&key, 4);
    }
    void teardown() override
    {
        srec_encoder_free(encoder);
        srec_model_free(model);
    }

    void encode(srec_modulation m)
    {
        srec_error error;
        size_t max_patches, max_bytes;
        const srec_image image = { SIDE, SIDE, 3, SIDE * 3, const_cast<uint8_t *>(pixels.data()) };
        format = m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        LONGS_EQUAL(SREC_OK, srec_encoder_run(encoder, &image, 0.2f, format, &features, &error));
        n_slices = srec_packet_slices(model, &features, m, 8000, &max_patches, &max_bytes);
        rate_map.resize((size_t)features.patch_cols * features.patch_rows);
    }

    std::vector<float> received(srec_modulation m, const std::vector<uint8_t> &frame, double snr_db, double n0_error_db)
    {
        const size_t n_symbols = srec_modem_symbols(m, frame.size());
        std::vector<float> iq(2 * n_symbols), soft(8 * frame.size());
        srec_channel *channel;
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, (float)snr_db, session, 1, &channel, NULL));
        LONGS_EQUAL(SREC_OK, srec_modem_map(m, frame.data(), frame.size(), iq.data()));
        LONGS_EQUAL(SREC_OK, srec_channel_apply(channel, iq.data(), iq.data(), nullptr, n_symbols));
        const float n0 = (float)pow(10, -0.1 * (snr_db - n0_error_db));
        LONGS_EQUAL(SREC_OK, srec_modem_demap(m, iq.data(), nullptr, n0, n_symbols, soft.data()));
        srec_channel_free(channel);
        return soft;
    }

    /* Figures of one slice; all 0 if its header was lost. */
    srec_damage over_the_air(srec_modulation m, uint32_t number, srec_descrambler * d, const attack &change,
                             double snr_db, double n0_error_db)
    {
        const srec_cipher cipher = srec_cipher_for(format);
        srec_scrambler *scrambler;
        srec_packet_encoder *packer;
        srec_packet_decoder *unpacker;
        srec_slice slice;
        srec_packet packet;
        srec_damage damage{};
        size_t n;
        session++;
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, session, &scrambler, NULL));
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, session, &packer, NULL));
        LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&key, model, &unpacker, NULL));
        std::vector<uint8_t> known(SREC_PAYLOAD_MAX), frame(SREC_FRAME_MAX);
        LONGS_EQUAL(SREC_OK,
                    extract_slice(model, &features, { 0, n_slices, number },
                                  { rate_map.data(), rate_map.size(), known.data(), known.size() }, &slice, &n));
        known.resize(n);
        std::vector<uint8_t> sent(n), keystream(n), tables(n);
        LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(scrambler, number, cipher, known.data(), sent.data(), n));
        change(cipher, known, sent);
        size_t frame_bytes;
        LONGS_EQUAL(SREC_OK, encode_packet(packer, { m, cipher, number, &slice, sent.data(), n }, frame.data(),
                                           frame.size(), &frame_bytes, nullptr));
        frame.resize(frame_bytes);
        const auto soft = received(m, frame, snr_db, n0_error_db);
        if (srec_packet_decode(unpacker, m, soft.data(), frame.size(), &packet) == SREC_OK) {
            std::vector<float> ordered(8 * n), mean(n), deviation(n);
            if (m == SREC_PAM256)
                LONGS_EQUAL(SREC_OK,
                            srec_scrambler_restore_amplitude(scrambler, number, packet.soft, ordered.data(), n));
            else
                LONGS_EQUAL(SREC_OK,
                            srec_scrambler_restore_llr(scrambler, number, cipher, packet.soft, ordered.data(), n));
            LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(scrambler, number, 0, keystream.data(), n));
            LONGS_EQUAL(SREC_OK, srec_slice_prior_tables(model, &slice, tables.data(), n));
            LONGS_EQUAL(SREC_OK,
                        estimate_soft(d,
                                      { m, cipher == SREC_CIPHER_ADD ? keystream.data() : nullptr, ordered.data(),
                                        tables.data(), n, packet.slice.rate_map, packet.slice.n_patches },
                                      mean.data(), deviation.data()));
            srec_descrambler_damage(d, &damage);
            srec_damage_add(&damage, &packet.damage);
        }
        srec_packet_decoder_free(unpacker);
        srec_packet_encoder_free(packer);
        srec_scrambler_free(scrambler);
        return damage;
    }

    /* Of all packets of the image. */
    bool is_suspect(srec_modulation m, const attack &change, double snr_db, double n0_error_db = 0)
    {
        srec_damage sum{};
        srec_descrambler *d;
        LONGS_EQUAL(SREC_OK, srec_descrambler_create(srec_model_priors(model, format), &d, NULL));
        for (uint32_t i = 0; i < n_slices; i++) {
            const srec_damage part = over_the_air(m, i, d, change, snr_db, n0_error_db);
            srec_damage_add(&sum, &part);
        }
        srec_descrambler_free(d);
        const bool suspect = srec_damage_is_suspect(&sum);
        const double scale = sum.within.expected > 0 ? sum.within.expected : 1;
        printf("%s %g dB N0 %+g dB: header errors %.0f, expected %.1f, tolerated %.1f; random %.0f %%; within %.2f +- "
               "%.2f, between %.1f +- %.1f%s\n",
               srec_modulation_name(m), snr_db, n0_error_db, sum.header_errors, sum.header_errors_expected,
               sum.header_errors_tolerated, 100 * sum.features_random / sum.features, sum.within.sum / scale,
               sqrt(sum.within.variance) / scale, sum.between.sum, sqrt(sum.between.variance),
               suspect ? ": suspect" : "");
        return suspect;
    }
};

static const std::string MODELS = SREC_SOURCE_DIR "/models/";
static const srec_modulation MODULATIONS[] = { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_PAM256 };

TEST(damage, with_the_right_noise_no_picture_is_suspected)
{
    for (const char *name : { "srec-codec-v3.safetensors", "srec-codec-paper-v2.safetensors" }) {
        load(MODELS + name);
        for (srec_modulation m : MODULATIONS) {
            encode(m);
            for (double snr_db : { 0, 4, 8, 12, 16, 20 })
                CHECK_FALSE(is_suspect(m, none, snr_db));
        }
    }
}

TEST(damage, a_payload_of_random_bytes_is_suspected)
{
    load(MODELS + "srec-codec-v3.safetensors");
    for (srec_modulation m : MODULATIONS) {
        encode(m);
        for (double snr_db : { 8, 14, 20 })
            CHECK(is_suspect(m, random_bytes, snr_db));
    }
}

TEST(damage, random_bytes_show_in_the_share_of_random_features_also_without_covariance)
{
    load(MODELS + "srec-codec-paper-v2.safetensors");
    encode(SREC_QPSK);
    srec_descrambler *d;
    LONGS_EQUAL(SREC_OK, srec_descrambler_create(srec_model_priors(model, format), &d, NULL));
    const srec_damage intact = over_the_air(SREC_QPSK, 0, d, none, 10, 0);
    const srec_damage replaced = over_the_air(SREC_QPSK, 0, d, random_bytes, 10, 0);
    srec_descrambler_free(d);
    CHECK(intact.features_random < 0.2 * intact.features);
    CHECK(replaced.features_random > 0.7 * replaced.features);
}

TEST(damage, a_painted_payload_is_suspected)
{
    load(MODELS + "srec-codec-v3.safetensors");
    for (srec_modulation m : { SREC_BPSK, SREC_QPSK, SREC_16QAM }) {
        encode(m);
        for (double snr_db : { 0, 6, 12, 20 })
            CHECK(is_suspect(m, paint, snr_db));
    }
}

TEST(damage, noise_measured_3_dB_too_low_is_suspected_where_it_makes_errors)
{
    load(MODELS + "srec-codec-v3.safetensors");
    const struct {
        srec_modulation modulation;
        double snr_db;
    } cases[] = { { SREC_BPSK, 0 },  { SREC_BPSK, 4 },   { SREC_QPSK, 0 },   { SREC_QPSK, 8 },
                  { SREC_16QAM, 0 }, { SREC_16QAM, 14 }, { SREC_PAM256, 2 }, { SREC_PAM256, 6 } };
    for (const auto &c : cases) {
        encode(c.modulation);
        CHECK(is_suspect(c.modulation, none, c.snr_db, -3));
        CHECK_FALSE(is_suspect(c.modulation, none, c.snr_db, -0.5));
    }
}

TEST(damage, header_errors_are_as_many_as_their_LLRs_promise)
{
    load(MODELS + "srec-codec-v3.safetensors");
    for (srec_modulation m : MODULATIONS) {
        encode(m);
        srec_descrambler *d;
        LONGS_EQUAL(SREC_OK, srec_descrambler_create(srec_model_priors(model, format), &d, NULL));
        srec_damage sum{};
        for (unsigned i = 0; i < 30; i++) {
            const srec_damage part = over_the_air(m, i % n_slices, d, none, 3, 0);
            srec_damage_add(&sum, &part);
        }
        srec_descrambler_free(d);
        CHECK(sum.header_errors > 100);
        DOUBLES_EQUAL(sum.header_errors_expected, sum.header_errors,
                      4 * sqrt(sum.header_errors_expected) + 0.02 * sum.header_errors_expected);
    }
}

TEST(damage, nothing_measured_is_nothing_suspected_and_hard_decisions_measure_no_features)
{
    srec_damage damage{};
    CHECK_FALSE(srec_damage_is_suspect(&damage));
    load(MODELS + "srec-codec-v3.safetensors");
    srec_descrambler *d;
    LONGS_EQUAL(SREC_OK, srec_descrambler_create(srec_model_priors(model, SREC_FEATURES_BITS), &d, NULL));
    const std::vector<float> soft(800, 3.0f);
    const std::vector<uint8_t> tables(100, 0);
    std::vector<float> mean(100), deviation(100);
    LONGS_EQUAL(SREC_OK, estimate_bytes(d, { SREC_QPSK, nullptr, soft.data(), tables.data(), 100, nullptr, 0 },
                                        mean.data(), deviation.data()));
    srec_descrambler_damage(d, &damage);
    DOUBLES_EQUAL(100, damage.features, 0);
    LONGS_EQUAL(SREC_OK, estimate_hard(d, { SREC_QPSK, nullptr, soft.data(), nullptr, 100, nullptr, 0 }, mean.data(),
                                       deviation.data()));
    srec_descrambler_damage(d, &damage);
    DOUBLES_EQUAL(0, damage.features, 0);
    srec_descrambler_free(d);
}
