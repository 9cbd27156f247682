/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calls.h"

#include <srec/srec.h>

#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

static const uint64_t PACKET = 5;

TEST_GROUP(estimator)
{
    srec_model *model = nullptr;
    srec_scrambler *scrambler = nullptr;
    srec_estimator *estimator = nullptr;
    std::vector<uint8_t> rate_map = std::vector<uint8_t>(16, 3);
    srec_slice slice{};
    size_t n = 0;

    void setup() override
    {
        srec_error error;
        srec_key key;
        srec_key_from_seed(&key, 1);
        LONGS_EQUAL(SREC_OK, srec_model_load(SREC_MODEL, &model, &error));
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 2, &scrambler, nullptr));
        LONGS_EQUAL(SREC_OK, srec_estimator_create(model, &estimator, nullptr));
        slice = { srec_model_id(model), 0, 64, 64, 3, SREC_FEATURES_BITS, 0, 1, 16, rate_map.data(), 1 };
        n = srec_slice_bytes(model, &slice);
    }
    void teardown() override
    {
        srec_estimator_free(estimator);
        srec_scrambler_free(scrambler);
        srec_model_free(model);
    }

    std::vector<float> soft_values(unsigned per_byte) const
    {
        std::mt19937 random(3);
        std::normal_distribution<float> normal(0, 4);
        std::vector<float> soft(per_byte * n);
        for (float &v : soft)
            v = normal(random);
        for (size_t i = 1; per_byte == 2 && i < soft.size(); i += 2)
            soft[i] = 0.01f; /* noise variances */
        return soft;
    }
};

/* The steps one by one, as srec/scrambler.h and srec/descrambler.h describe them. */
TEST(estimator, the_estimates_are_those_of_the_steps_one_by_one)
{
    const struct {
        srec_modulation modulation;
        srec_cipher cipher;
        bool soft;
    } cases[] = {
        { SREC_QPSK, SREC_CIPHER_XOR, true },   { SREC_QPSK, SREC_CIPHER_ADD, true },
        { SREC_16QAM, SREC_CIPHER_NONE, true }, { SREC_QPSK, SREC_CIPHER_ADD, false },
        { SREC_PAM256, SREC_CIPHER_ADD, true }, { SREC_PAM256, SREC_CIPHER_NONE, false },
    };
    for (const auto &c : cases) {
        slice.format = c.modulation == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        const std::vector<float> soft = soft_values(srec_modem_soft_per_byte(c.modulation));
        const srec_payload payload = { c.modulation, c.cipher, PACKET, &slice, soft.data() };
        std::vector<float> mean(n), deviation(n), wanted_mean(n), wanted_deviation(n), ordered(soft.size());
        LONGS_EQUAL(SREC_OK, srec_estimator_run(estimator, scrambler, &payload, c.soft, mean.data(), deviation.data()));

        srec_descrambler *d;
        std::vector<uint8_t> keystream(n), tables(n);
        LONGS_EQUAL(SREC_OK, srec_descrambler_create(srec_model_priors(model, slice.format), &d, nullptr));
        if (c.modulation == SREC_PAM256)
            LONGS_EQUAL(SREC_OK, srec_scrambler_restore_amplitude(scrambler, PACKET, soft.data(), ordered.data(), n));
        else
            LONGS_EQUAL(SREC_OK,
                        srec_scrambler_restore_llr(scrambler, PACKET, c.cipher, soft.data(), ordered.data(), n));
        LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(scrambler, PACKET, 0, keystream.data(), n));
        LONGS_EQUAL(SREC_OK, srec_slice_prior_tables(model, &slice, tables.data(), n));
        const uint8_t *key = c.cipher == SREC_CIPHER_ADD ? keystream.data() : nullptr;
        if (c.soft)
            estimate_soft(d, { c.modulation, key, ordered.data(), tables.data(), n, rate_map.data(), 16 },
                          wanted_mean.data(), wanted_deviation.data());
        else
            estimate_hard(d, { c.modulation, key, ordered.data(), nullptr, n, nullptr, 0 }, wanted_mean.data(),
                          wanted_deviation.data());
        MEMCMP_EQUAL(wanted_mean.data(), mean.data(), n * sizeof(float));
        MEMCMP_EQUAL(wanted_deviation.data(), deviation.data(), n * sizeof(float));
        srec_damage damage, wanted_damage;
        srec_estimator_damage(estimator, &damage);
        srec_descrambler_damage(d, &wanted_damage);
        MEMCMP_EQUAL(&wanted_damage, &damage, sizeof damage);
        srec_descrambler_free(d);
    }
}

TEST(estimator, the_priors_of_a_model_give_the_estimates_of_the_model)
{
    for (const srec_modulation m : { SREC_16QAM, SREC_PAM256 }) {
        slice.format = m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        const std::vector<float> soft = soft_values(srec_modem_soft_per_byte(m));
        const srec_payload payload = { m, SREC_CIPHER_ADD, PACKET, &slice, soft.data() };
        std::vector<float> mean(n), deviation(n), wanted_mean(n), wanted_deviation(n);
        LONGS_EQUAL(SREC_OK, srec_estimator_run(estimator, scrambler, &payload, true, wanted_mean.data(),
                                                wanted_deviation.data()));
        srec_estimator *bare;
        LONGS_EQUAL(SREC_OK, srec_estimator_create_from_priors(srec_model_priors(model, slice.format), slice.format,
                                                               &bare, nullptr));
        std::vector<uint8_t> tables(n);
        LONGS_EQUAL(SREC_OK, srec_slice_prior_tables(model, &slice, tables.data(), n));
        srec_feature_payload features = {
            m, SREC_CIPHER_ADD, PACKET, n, tables.data(), 16, rate_map.data(), soft.data()
        };
        LONGS_EQUAL(SREC_OK,
                    srec_estimator_run_features(bare, scrambler, &features, true, mean.data(), deviation.data()));
        MEMCMP_EQUAL(wanted_mean.data(), mean.data(), n * sizeof(float));
        MEMCMP_EQUAL(wanted_deviation.data(), deviation.data(), n * sizeof(float));
        /* it has no model, no priors of the other format and no such table */
        LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_run(bare, scrambler, &payload, true, mean.data(), deviation.data()));
        features.modulation = m == SREC_PAM256 ? SREC_QPSK : SREC_PAM256;
        LONGS_EQUAL(SREC_ERR_ARG,
                    srec_estimator_run_features(bare, scrambler, &features, true, mean.data(), deviation.data()));
        features.modulation = m;
        tables[n / 2] = 200;
        LONGS_EQUAL(SREC_ERR_ARG,
                    srec_estimator_run_features(bare, scrambler, &features, true, mean.data(), deviation.data()));
        tables[n / 2] = 0;
        features.n_features = SREC_PAYLOAD_MAX + 1;
        LONGS_EQUAL(SREC_ERR_ARG,
                    srec_estimator_run_features(bare, scrambler, &features, true, mean.data(), deviation.data()));
        srec_estimator_free(bare);
    }
}

TEST(estimator, what_does_not_fit_is_refused)
{
    const std::vector<float> soft(8 * n);
    std::vector<float> mean(n), deviation(n);
    srec_payload payload = { SREC_QPSK, SREC_CIPHER_XOR, PACKET, &slice, soft.data() };
    rate_map[0] = 99; /* beyond the ladder */
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_run(estimator, scrambler, &payload, true, mean.data(), deviation.data()));
    rate_map[0] = 3;
    slice.format = SREC_FEATURES_AMPLITUDE; /* not that of QPSK */
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_run(estimator, scrambler, &payload, true, mean.data(), deviation.data()));
    slice.format = (srec_feature_format)2;
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_run(estimator, scrambler, &payload, true, mean.data(), deviation.data()));
    payload.slice = nullptr;
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_run(estimator, scrambler, &payload, true, mean.data(), deviation.data()));
    srec_estimator *none;
    srec_error error;
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_create(nullptr, &none, &error));
    STRCMP_EQUAL("estimator: NULL argument", error.message);
    const srec_priors *priors = srec_model_priors(model, SREC_FEATURES_BITS);
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_create_from_priors(priors, (srec_feature_format)2, &none, &error));
    POINTERS_EQUAL(nullptr, none);
    STRCMP_EQUAL("estimator: unknown feature format 2", error.message);
    srec_priors broken = *priors;
    broken.levels = -1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_estimator_create_from_priors(&broken, SREC_FEATURES_BITS, &none, &error));
    POINTERS_EQUAL(nullptr, none);
}
