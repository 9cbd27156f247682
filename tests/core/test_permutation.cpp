/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/scrambler.h>
extern "C" {
#include "crypto/permutation.h"
}

#include "vectors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <sodium.h>
#include <vector>

#include <CppUTest/TestHarness.h>

using order = std::vector<uint16_t>;

TEST_GROUP(permutation)
{
    srec_key master;
    uint8_t key[SREC_KEY_BYTES];

    void setup() override { use_session(1, 1); }

    void use_session(uint64_t seed, uint64_t session)
    {
        srec_key_from_seed(&master, seed);
        LONGS_EQUAL(SREC_OK, srec_key_derive_payload(&master, session, key));
    }

    order draw(uint64_t packet, size_t n)
    {
        order out(n);
        srec_permutation_draw(key, packet, out.data(), n);
        return out;
    }
};

TEST(permutation, orders_match_known_answers_of_the_document)
{
    unsigned compared = 0;
    for (const auto &line : read_vectors("order", 4)) {
        const size_t n = line.arguments[3];
        use_session(line.arguments[0], line.arguments[1]);
        const order got = draw(line.arguments[2], n);
        std::vector<uint8_t> bytes;
        for (uint16_t place : got) {
            bytes.push_back((uint8_t)place);
            bytes.push_back((uint8_t)(place >> 8));
        }
        if (n >= 1000) { /* their hash */
            std::vector<uint8_t> hash(32);
            crypto_generichash(hash.data(), hash.size(), bytes.data(), bytes.size(), nullptr, 0);
            bytes = hash;
        }
        CHECK(bytes == line.bytes);
        compared++;
    }
    LONGS_EQUAL(6, compared);
}

TEST(permutation, every_length_gives_each_place_once)
{
    std::vector<size_t> lengths(3000);
    std::iota(lengths.begin(), lengths.end(), 0);
    for (size_t n : { 4095u, 4096u, 16000u, SREC_PAYLOAD_MAX - 1, SREC_PAYLOAD_MAX })
        lengths.push_back(n);
    for (size_t n : lengths) {
        const order got = draw(n, n);
        std::vector<bool> there(n);
        for (uint16_t index : got) {
            CHECK(index < n && !there[index]);
            there[index] = true;
        }
    }
}

/* Chi-square of how often each index is at each place, all orders of n being equally likely. Their sum over places
 * has
 * (n - 1)^2 degrees of freedom: rows and columns are both fixed. */
static double chi_square(const std::vector<unsigned> &seen, size_t n, unsigned trials)
{
    const double expected = (double)trials / (double)n;
    double sum = 0;
    for (unsigned count : seen)
        sum += (count - expected) * (count - expected) / expected;
    return sum * (double)(n - 1) / (double)n;
}

TEST(permutation, every_index_is_equally_likely_at_every_place)
{
    for (size_t n : { 2u, 3u, 5u, 8u, 50u }) {
        const unsigned trials = 40000;
        std::vector<unsigned> seen(n * n);
        for (unsigned packet = 0; packet < trials; packet++) {
            const order got = draw(packet, n);
            for (size_t i = 0; i < n; i++)
                seen[i * n + got[i]]++;
        }
        const double freedom = (double)((n - 1) * (n - 1)), found = chi_square(seen, n, trials);
        CHECK(std::fabs(found - freedom) < 4.5 * std::sqrt(2 * freedom) + 6);
    }
}

TEST(permutation, all_orders_of_five_are_equally_likely)
{
    const unsigned trials = 120 * 500;
    std::vector<unsigned> seen(120);
    for (unsigned packet = 0; packet < trials; packet++) {
        const order got = draw(packet, 5);
        unsigned rank = 0;
        for (unsigned i = 0; i < 5; i++) {
            unsigned smaller = 0;
            for (unsigned j = i + 1; j < 5; j++)
                smaller += got[j] < got[i];
            rank = rank * (5 - i) + smaller;
        }
        seen[rank]++;
    }
    double sum = 0;
    for (unsigned count : seen)
        sum += (count - 500.0) * (count - 500.0) / 500.0;
    CHECK(std::fabs(sum - 119) < 4.5 * std::sqrt(2 * 119.0));
}

TEST(permutation, no_place_is_favoured_in_a_packet_of_full_length)
{
    /* the mean of |place - index| is n / 3, its deviation 0.24 sqrt(n) */
    const size_t n = SREC_PAYLOAD_MAX;
    for (uint64_t packet = 0; packet < 20; packet++) {
        const order got = draw(packet, n);
        double away = 0;
        size_t fixed = 0;
        for (size_t i = 0; i < n; i++) {
            away += std::fabs((double)i - got[i]);
            fixed += got[i] == i;
        }
        DOUBLES_EQUAL((double)n / 3, away / (double)n, 4.5 * 0.24 * std::sqrt((double)n));
        CHECK(fixed < 12); /* one is expected */
    }
}

TEST(permutation, orders_of_other_packets_sessions_and_keys_are_unrelated)
{
    const size_t n = 20000;
    const order base = draw(7, n), next = draw(8, n);
    use_session(1, 2);
    const order session = draw(7, n);
    use_session(2, 1);
    const order foreign = draw(7, n);
    for (const order *other : { &next, &session, &foreign }) {
        size_t equal = 0;
        for (size_t i = 0; i < n; i++)
            equal += base[i] == (*other)[i];
        CHECK(equal < 12); /* one is expected */
    }
}

/* --- as the scrambler uses them ------------------------------------------------------------------------------- */

TEST_GROUP(secret_order)
{
    srec_scrambler *s = nullptr;
    std::vector<uint8_t> in;

    void setup() override
    {
        srec_key key;
        srec_key_from_seed(&key, 4);
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 9, &s, NULL));
        for (size_t i = 0; i < SREC_PAYLOAD_MAX; i++)
            in.push_back((uint8_t)(i * i >> 3));
    }
    void teardown() override { srec_scrambler_free(s); }
};

TEST(secret_order, bytes_come_back_with_every_cipher_also_in_place)
{
    for (size_t n : { (size_t)0, (size_t)1, (size_t)2, (size_t)999, in.size() })
        for (int c = 0; c < SREC_CIPHERS; c++) {
            std::vector<uint8_t> data(in.begin(), in.begin() + (long)n), sent(n), back(n);
            LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(s, 3, (srec_cipher)c, data.data(), sent.data(), n));
            CHECK(n < 999 || sent != data);
            LONGS_EQUAL(SREC_OK, srec_scrambler_descramble(s, 3, (srec_cipher)c, sent.data(), back.data(), n));
            CHECK(back == data);
            LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(s, 3, (srec_cipher)c, data.data(), data.data(), n));
            CHECK(data == sent);
            LONGS_EQUAL(SREC_OK, srec_scrambler_descramble(s, 3, (srec_cipher)c, data.data(), data.data(), n));
            CHECK(data == back);
        }
}

TEST(secret_order, in_clear_the_bytes_are_there_but_elsewhere)
{
    std::vector<uint8_t> sent(in.size()), sorted = in;
    LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(s, 0, SREC_CIPHER_NONE, in.data(), sent.data(), in.size()));
    CHECK(sent != in);
    std::sort(sent.begin(), sent.end());
    std::sort(sorted.begin(), sorted.end());
    CHECK(sent == sorted);
}

TEST(secret_order, soft_values_follow_their_bytes)
{
    for (unsigned per_byte : { 2u, 8u })
        for (size_t n : { (size_t)1, (size_t)500, in.size() }) {
            std::vector<uint8_t> sent(n);
            LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(s, 5, SREC_CIPHER_NONE, in.data(), sent.data(), n));
            std::vector<float> received(n * per_byte), soft(n * per_byte);
            for (size_t i = 0; i < received.size(); i++)
                received[i] = (float)(sent[i / per_byte] * 10 + i % per_byte);
            LONGS_EQUAL(SREC_OK,
                        per_byte == 8
                            ? srec_scrambler_restore_llr(s, 5, SREC_CIPHER_NONE, received.data(), soft.data(), n)
                            : srec_scrambler_restore_amplitude(s, 5, received.data(), soft.data(), n));
            for (size_t i = 0; i < soft.size(); i++)
                CHECK(soft[i] == (float)(in[i / per_byte] * 10 + i % per_byte));
        }
}

TEST(secret_order, soft_values_of_xor_are_those_of_the_plaintext_and_of_add_those_of_the_sum)
{
    const size_t n = 5000;
    for (srec_cipher cipher : { SREC_CIPHER_NONE, SREC_CIPHER_XOR, SREC_CIPHER_ADD }) {
        std::vector<uint8_t> sent(n), expected(in.begin(), in.begin() + n);
        LONGS_EQUAL(SREC_OK, srec_scrambler_scramble(s, 6, cipher, in.data(), sent.data(), n));
        if (cipher == SREC_CIPHER_ADD)
            LONGS_EQUAL(SREC_OK, srec_scrambler_apply(s, 6, 0, expected.data(), expected.data(), n));
        std::vector<float> received(8 * n), soft(8 * n);
        for (size_t i = 0; i < received.size(); i++)
            received[i] = sent[i / 8] >> (7 - i % 8) & 1 ? -3.5f : 3.5f;
        LONGS_EQUAL(SREC_OK, srec_scrambler_restore_llr(s, 6, cipher, received.data(), soft.data(), n));
        for (size_t i = 0; i < soft.size(); i++)
            CHECK(soft[i] == (expected[i / 8] >> (7 - i % 8) & 1 ? -3.5f : 3.5f));
    }
}

TEST(secret_order, impossible_arguments_are_refused)
{
    std::vector<uint8_t> out(SREC_PAYLOAD_MAX + 1);
    std::vector<float> soft(8);
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_scramble(s, 0, SREC_CIPHER_ADD, out.data(), out.data(), out.size()));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_descramble(s, 0, SREC_CIPHER_ADD, out.data(), out.data(), out.size()));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_scramble(s, 0, (srec_cipher)3, out.data(), out.data(), 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_scramble(nullptr, 0, SREC_CIPHER_ADD, out.data(), out.data(), 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_scramble(s, 0, SREC_CIPHER_ADD, nullptr, out.data(), 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_restore_llr(s, 0, (srec_cipher)3, soft.data(), soft.data(), 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_restore_amplitude(s, 0, soft.data(), nullptr, 1));
}
