/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/scrambler.h>

#include "vectors.h"

#include <cmath>
#include <cstring>
#include <sodium.h>
#include <vector>

#include <CppUTest/TestHarness.h>

using bytes = std::vector<uint8_t>;

TEST_GROUP(scrambler)
{
    srec_key key;
    srec_scrambler *s = nullptr;

    void setup() override
    {
        srec_key_from_seed(&key, 1);
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 1, &s, NULL));
    }
    void teardown() override { srec_scrambler_free(s); }

    bytes keystream(uint64_t packet, uint64_t offset, size_t n)
    {
        bytes out(n);
        LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(s, packet, offset, out.data(), n));
        return out;
    }
};

TEST(scrambler, keystream_matches_known_answers_of_chacha20)
{
    auto lines = read_vectors("keystream", 4);
    LONGS_EQUAL(8, lines.size());
    for (const vector_line &line : lines) {
        srec_scrambler *other;
        srec_key_from_seed(&key, line.arguments[0]);
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, line.arguments[1], &other, NULL));
        bytes out(line.bytes.size());
        LONGS_EQUAL(SREC_OK,
                    srec_scrambler_keystream(other, line.arguments[2], line.arguments[3], out.data(), out.size()));
        MEMCMP_EQUAL(line.bytes.data(), out.data(), out.size());
        srec_scrambler_free(other);
    }
}

TEST(scrambler, keystream_is_chacha20_under_the_payload_subkey_of_the_session)
{
    uint8_t subkey[32], expected[200];
    const uint8_t nonce[12] = { 0, 0, 0, 0, 5 };
    crypto_kdf_derive_from_key(subkey, sizeof subkey, 1, "srecpayl", key.bytes);
    crypto_stream_chacha20_ietf(expected, sizeof expected, nonce, subkey);
    const bytes got = keystream(5, 0, sizeof expected);
    MEMCMP_EQUAL(expected, got.data(), got.size());
}

TEST(scrambler, every_length_and_alignment_adds_the_keystream_and_touches_nothing_else)
{
    const bytes ks = keystream(7, 0, 20000);
    for (uint64_t offset : { 0, 1, 63, 64, 65, 127, 8100, 8191, 8192 })
        for (size_t n = 0; n <= 300; n++) {
            size_t shift = n % 17;
            bytes in(n + 32, 0x11), out(n + 64, 0xee);
            for (size_t i = 0; i < n; i++)
                in[shift + i] = (uint8_t)(i * 31 + n);
            LONGS_EQUAL(SREC_OK, srec_scrambler_apply(s, 7, offset, &in[shift], &out[shift + 1], n));
            for (size_t i = 0; i < out.size(); i++) {
                bool inside = i >= shift + 1 && i < shift + 1 + n;
                size_t j = i - shift - 1;
                uint8_t expected = inside ? (uint8_t)(in[shift + j] + ks[offset + j]) : 0xee;
                if (out[i] != expected)
                    BYTES_EQUAL(expected, out[i]);
            }
        }
}

TEST(scrambler, removing_in_place_restores_what_was_applied_in_place)
{
    for (size_t n : { 1, 64, 8191, 8192, 8193, 100003 }) {
        bytes data(n), original;
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)(i ^ i >> 8);
        original = data;
        LONGS_EQUAL(SREC_OK, srec_scrambler_apply(s, 3, 5, data.data(), data.data(), n));
        const bytes ks = keystream(3, 5, n);
        for (size_t i = 0; i < n; i++)
            if (data[i] != (uint8_t)(original[i] + ks[i]))
                FAIL("not the sum modulo 256");
        LONGS_EQUAL(SREC_OK, srec_scrambler_remove(s, 3, 5, data.data(), data.data(), n));
        CHECK(data == original);
    }
}

TEST(scrambler, any_part_of_the_keystream_can_be_had_alone)
{
    const bytes whole = keystream(9, 0, 40000);
    for (size_t offset = 0; offset < 39000; offset += 997) {
        const bytes part = keystream(9, offset, 1000);
        MEMCMP_EQUAL(&whole[offset], part.data(), part.size());
    }
    const bytes wide = keystream(9, (uint64_t)1 << 33, 500), narrow = keystream(9, ((uint64_t)1 << 33) + 100, 400);
    MEMCMP_EQUAL(&wide[100], narrow.data(), narrow.size());
}

TEST(scrambler, keystreams_of_other_packets_sessions_and_keys_are_unrelated)
{
    const size_t n = 65536;
    srec_key other_key;
    srec_scrambler *session, *foreign;
    srec_key_from_seed(&other_key, 2);
    LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 2, &session, NULL));
    LONGS_EQUAL(SREC_OK, srec_scrambler_create(&other_key, 1, &foreign, NULL));
    bytes base = keystream(0, 0, n), a = keystream(1, 0, n), b(n), c(n);
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(session, 0, 0, b.data(), n));
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(foreign, 0, 0, c.data(), n));
    for (const bytes *other : { &a, &b, &c }) {
        size_t equal = 0;
        for (size_t i = 0; i < n; i++)
            equal += base[i] == (*other)[i];
        DOUBLES_EQUAL(256.0, (double)equal, 3.5 * 16.0); /* n / 256 hits by chance, deviation 16 */
    }
    srec_scrambler_free(session);
    srec_scrambler_free(foreign);
}

TEST(scrambler, scrambled_bytes_are_uniform_whatever_the_picture)
{
    const size_t n = 1 << 20;
    bytes data(n, 128);
    LONGS_EQUAL(SREC_OK, srec_scrambler_apply(s, 4, 0, data.data(), data.data(), n));
    double count[256] = { 0 }, chi = 0;
    for (uint8_t v : data)
        count[v]++;
    for (double k : count)
        chi += (k - n / 256.0) * (k - n / 256.0) / (n / 256.0);
    DOUBLES_EQUAL(255.0, chi, 3.5 * std::sqrt(2 * 255.0)); /* chi squared, 255 degrees of freedom */
}

TEST(scrambler, offsets_end_where_the_words_of_the_order_begin)
{
    const uint64_t limit = (uint64_t)1 << 37;
    bytes out(300);
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(s, 0, limit - 300, out.data(), 300));
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(s, 0, limit, out.data(), 0));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_keystream(s, 0, limit - 299, out.data(), 300));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_keystream(s, 0, UINT64_MAX, out.data(), 2));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_apply(s, 0, 0, out.data(), out.data(), SIZE_MAX));
}

TEST(scrambler, bad_arguments_are_refused)
{
    uint8_t byte = 0;
    srec_scrambler *none = s;
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_create(nullptr, 1, &none, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_create(&key, 1, nullptr, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_apply(nullptr, 0, 0, &byte, &byte, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_apply(s, 0, 0, nullptr, &byte, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_remove(s, 0, 0, &byte, nullptr, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_keystream(s, 0, 0, nullptr, 1));
    LONGS_EQUAL(SREC_OK, srec_scrambler_apply(s, 0, 0, nullptr, nullptr, 0));
    srec_scrambler_free(nullptr);
}

TEST(scrambler, xor_twice_is_nothing_and_once_is_the_keystream)
{
    for (size_t n : { 0u, 1u, 63u, 64u, 65u, 8191u, 8192u, 20001u }) {
        bytes in(n), out(n);
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)(i * 7);
        const bytes ks = keystream(3, 5, n);
        LONGS_EQUAL(SREC_OK, srec_scrambler_xor(s, 3, 5, in.data(), out.data(), n));
        for (size_t i = 0; i < n; i++)
            LONGS_EQUAL(in[i] ^ ks[i], out[i]);
        LONGS_EQUAL(SREC_OK, srec_scrambler_xor(s, 3, 5, out.data(), out.data(), n));
        CHECK(in == out);
    }
}

TEST(scrambler, ciphers_have_names)
{
    for (int c = 0; c < SREC_CIPHERS; c++) {
        srec_cipher back;
        LONGS_EQUAL(SREC_OK, srec_cipher_parse(srec_cipher_name((srec_cipher)c), &back));
        LONGS_EQUAL(c, back);
    }
    srec_cipher none;
    LONGS_EQUAL(SREC_ERR_ARG, srec_cipher_parse("rot13", &none));
    LONGS_EQUAL(SREC_ERR_ARG, srec_cipher_parse(nullptr, &none));
    POINTERS_EQUAL(nullptr, srec_cipher_name((srec_cipher)SREC_CIPHERS));
}
