/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Painting: an attacker knows the image that is sent, but not the key, and changes every byte on the air by what
 * turns
 * its feature into that of another image, the target. Without the secret order he does not know which byte to
 * change. */
#include "calls.h"

#include <srec/srec.h>

#include <cmath>
#include <vector>

#include <CppUTest/TestHarness.h>

static const uint32_t SIDE = 192;

TEST_GROUP(painting)
{
    srec_model *model = nullptr;
    srec_decoder *decoder = nullptr;
    srec_scrambler *scrambler = nullptr;
    srec_slice slice{};
    std::vector<uint8_t> rate_map, known, wanted; /* feature bytes of the image that is sent, and of the target */
    std::vector<uint8_t> target;                  /* its pixels */

    void setup() override
    {
        srec_error error;
        srec_encoder *encoder;
        srec_features f;
        srec_key key;
        srec_compute compute{};
        compute.threads = 1;
        LONGS_EQUAL(SREC_OK, srec_model_load(SREC_MODEL, &model, &error));
        LONGS_EQUAL(SREC_OK, srec_encoder_create(model, &compute, &encoder, &error));
        LONGS_EQUAL(SREC_OK, srec_decoder_create(model, &compute, &decoder, &error));
        std::vector<uint8_t> pixels;
        for (uint32_t y = 0; y < SIDE; y++)
            for (uint32_t x = 0; x < SIDE; x++)
                for (unsigned c = 0; c < 3; c++)
                    pixels.push_back((uint8_t)(128 + (y < 96 ? 120 : -110) * tanh(4 * sin(x / (31.0 + 4 * c)))));
        const srec_image image = { SIDE, SIDE, 3, SIDE * 3, pixels.data() };
        LONGS_EQUAL(SREC_OK, srec_encoder_run(encoder, &image, 0.2f, SREC_FEATURES_BITS, &f, &error));
        rate_map.resize((size_t)f.patch_cols * f.patch_rows);
        known.resize(f.n_bytes);
        size_t n;
        LONGS_EQUAL(SREC_OK,
                    extract_slice(model, &f, { 0, 1, 0 },
                                  { rate_map.data(), rate_map.size(), known.data(), known.size() }, &slice, &n));
        srec_encoder_free(encoder);
        wanted = moved();
        target = decoded(wanted);
        srec_key_from_seed(&key, 5);
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 1, &scrambler, NULL));
    }
    void teardown() override
    {
        srec_scrambler_free(scrambler);
        srec_decoder_free(decoder);
        srec_model_free(model);
    }

    /* Another scene of the same rate map: the patches of each step of the ladder in reverse order. */
    std::vector<uint8_t> moved()
    {
        const unsigned *ladder = srec_model_priors(model, SREC_FEATURES_BITS)->ladder;
        std::vector<std::vector<size_t>> starts(SREC_LADDER_MAX_STEPS); /* of the patches, by step */
        std::vector<uint8_t> out(known.size());
        size_t at = 0;
        for (uint8_t step : rate_map) {
            starts[step].push_back(at);
            at += ladder[step];
        }
        for (size_t step = 0; step < starts.size(); step++)
            for (size_t i = 0; i < starts[step].size(); i++)
                for (size_t k = 0; k < ladder[step]; k++)
                    out[starts[step][i] + k] = known[starts[step][starts[step].size() - 1 - i] + k];
        return out;
    }

    std::vector<uint8_t> decoded(const std::vector<uint8_t> &features)
    {
        srec_error error;
        std::vector<float> mean;
        for (uint8_t byte : features)
            mean.push_back((byte - 128.0f) / srec_model_priors(model, SREC_FEATURES_BITS)->levels);
        std::vector<uint8_t> pixels(SIDE * SIDE * 3);
        const srec_image image = { SIDE, SIDE, 3, SIDE * 3, pixels.data() };
        LONGS_EQUAL(SREC_OK, srec_decoder_begin(decoder, &slice, &error));
        LONGS_EQUAL(SREC_OK, srec_decoder_add(decoder, &slice, mean.data(), nullptr, mean.size(), &error));
        LONGS_EQUAL(SREC_OK, srec_decoder_run(decoder, &image, nullptr, &error));
        return pixels;
    }

    double psnr_of_target(std::vector<uint8_t> picture)
    {
        double psnr = 0;
        const srec_image a = { SIDE, SIDE, 3, SIDE * 3, target.data() },
                         b = { SIDE, SIDE, 3, SIDE * 3, picture.data() };
        LONGS_EQUAL(SREC_OK, srec_psnr(&a, &b, &psnr));
        return psnr;
    }

    /* What a receiver shows after byte i on the air was changed as if it carried feature feature_at[i]. */
    std::vector<uint8_t> painted(srec_cipher cipher, const std::vector<size_t> &feature_at)
    {
        std::vector<uint8_t> sent(known.size());
        LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(scrambler, 7, cipher, known.data(), sent.data(), sent.size()));
        for (size_t i = 0; i < sent.size(); i++) {
            const uint8_t from = known[feature_at[i]], to = wanted[feature_at[i]];
            sent[i] = cipher == SREC_CIPHER_XOR ? (uint8_t)(sent[i] ^ from ^ to) : (uint8_t)(sent[i] - from + to);
        }
        LONGS_EQUAL(SREC_OK, srec_scrambler_descramble(scrambler, 7, cipher, sent.data(), sent.data(), sent.size()));
        return decoded(sent);
    }
};

TEST(painting, without_the_order_the_target_does_not_appear_and_with_it_it_would)
{
    std::vector<uint8_t> marks(known.size()), places(known.size());
    std::vector<size_t> guessed, order(known.size());
    for (size_t i = 0; i < known.size(); i++)
        guessed.push_back(i);
    for (unsigned half = 0; half < 2; half++) { /* learn the order by sending each index, byte by byte */
        for (size_t i = 0; i < known.size(); i++)
            marks[i] = (uint8_t)(i >> 8 * half);
        LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(scrambler, 7, SREC_CIPHER_NONE, marks.data(), places.data(),
                                                     places.size()));
        for (size_t i = 0; i < places.size(); i++)
            order[i] |= (size_t)places[i] << 8 * half;
    }
    for (srec_cipher cipher : { SREC_CIPHER_XOR, SREC_CIPHER_ADD }) {
        const double before = psnr_of_target(decoded(known));
        const double stranger = psnr_of_target(painted(cipher, guessed));
        const double insider = psnr_of_target(painted(cipher, order));
        printf(
            "cipher %s: PSNR of the target %.1f dB unpainted, %.1f dB painted, %.1f dB painted with the order known\n",
            srec_cipher_name(cipher), before, stranger, insider);
        CHECK(stranger < 12);
        CHECK(insider > 30);
    }
}
