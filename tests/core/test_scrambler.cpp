/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/scrambler.h>

#include <sodium.h>
#include <cstring>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

TEST_GROUP(scrambler)
{
    srec_key key;
    srec_scrambler* s = nullptr;
    void setup() override
    {
        srec_key_from_seed(&key, 7);
        LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, 42, &s));
    }
    void teardown() override { srec_scrambler_free(s); }
};

TEST(scrambler, keystream_is_chacha20_under_the_payload_subkey_of_the_session)
{
    uint8_t sub[32], nonce[12] = { 0, 0, 0, 0, 5 }, expected[200], got[200];
    crypto_kdf_derive_from_key(sub, sizeof sub, 42, "srecpayl", key.bytes);
    crypto_stream_chacha20_ietf(expected, sizeof expected, nonce, sub);
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(s, 5, 0, got, sizeof got));
    MEMCMP_EQUAL(expected, got, sizeof got);
}

TEST(scrambler, every_length_offset_and_alignment_comes_back)
{
    std::vector<uint8_t> whole(20000), in(20001), out(20003), back(20003);
    srec_scrambler_keystream(s, 1, 0, whole.data(), whole.size());
    randombytes_buf_deterministic(in.data(), in.size(), key.bytes);
    for (size_t n : { 0, 1, 2, 63, 64, 65, 127, 128, 300, 8191, 8192, 8193, 16500 })
        for (size_t offset : { 0, 1, 63, 64, 100, 3000 }) {
            LONGS_EQUAL(SREC_OK, srec_scrambler_apply(s, 1, offset, in.data() + 1, out.data() + 3, n));
            for (size_t i = 0; i < n; i++)
                BYTES_EQUAL((uint8_t)(in[1 + i] + whole[offset + i]), out[3 + i]);
            LONGS_EQUAL(SREC_OK, srec_scrambler_remove(s, 1, offset, out.data() + 3, out.data() + 3, n));
            CHECK(memcmp(in.data() + 1, out.data() + 3, n) == 0);
        }
}

TEST(scrambler, packets_sessions_and_keys_have_streams_of_their_own)
{
    uint8_t a[64], b[64];
    srec_scrambler_keystream(s, 1, 0, a, sizeof a);
    srec_scrambler_keystream(s, 2, 0, b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    srec_scrambler* other;
    srec_scrambler_create(&key, 43, &other);
    srec_scrambler_keystream(other, 1, 0, b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    srec_scrambler_free(other);
}

TEST(scrambler, reading_past_the_counter_is_refused)
{
    uint8_t a[2];
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_keystream(s, 1, (uint64_t)1 << 38, a, 1));
    LONGS_EQUAL(SREC_ERR_ARG, srec_scrambler_keystream(s, 1, UINT64_MAX, a, 2));
}

TEST_GROUP(key) {};

TEST(key, files_are_private_not_overwritten_and_of_one_size)
{
    char folder[] = "/tmp/srec-key-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    std::string path = std::string(folder) + "/key";
    srec_key a, b;
    srec_error e;
    LONGS_EQUAL(SREC_ERR_IO, srec_key_read(&a, path.c_str(), &e));
    CHECK(strstr(e.message, "srec keygen") != nullptr);
    srec_key_generate(&a);
    LONGS_EQUAL(SREC_OK, srec_key_write(&a, path.c_str(), &e));
    struct stat st;
    stat(path.c_str(), &st);
    LONGS_EQUAL(0600, st.st_mode & 0777);
    LONGS_EQUAL(SREC_ERR_IO, srec_key_write(&a, path.c_str(), &e));
    LONGS_EQUAL(SREC_OK, srec_key_read(&b, path.c_str(), &e));
    MEMCMP_EQUAL(a.bytes, b.bytes, sizeof a.bytes);
    CHECK(truncate(path.c_str(), 31) == 0);
    LONGS_EQUAL(SREC_ERR_FORMAT, srec_key_read(&b, path.c_str(), &e));
    unlink(path.c_str());
    rmdir(folder);
}
