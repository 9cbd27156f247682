/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "key_internal.h"
}
#include "vectors.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(key)
{
    std::string folder, path;
    srec_key key;
    srec_error error;

    void setup() override
    {
        char name[] = "/tmp/srec_key_XXXXXX";
        CHECK(mkdtemp(name) != nullptr);
        folder = name;
        path = folder + "/key";
        memset(&key, 0xaa, sizeof key);
        memset(&error, 0, sizeof error);
    }
    void teardown() override
    {
        unlink(path.c_str());
        rmdir(folder.c_str());
    }
    void write_bytes(size_t n)
    {
        std::vector<uint8_t> bytes(n, 0x55);
        FILE *f = fopen(path.c_str(), "wb");
        CHECK(f != nullptr);
        CHECK(n == 0 || fwrite(bytes.data(), 1, n, f) == n);
        fclose(f);
    }
    bool key_is_zero()
    {
        for (uint8_t b : key.bytes)
            if (b)
                return false;
        return true;
    }
    bool message_has(const std::string &text) { return std::string(error.message).find(text) != std::string::npos; }
};

TEST(key, generated_keys_and_sessions_differ_each_time)
{
    srec_key other;
    uint64_t a = 0, b = 0;
    LONGS_EQUAL(SREC_OK, srec_key_generate(&key));
    LONGS_EQUAL(SREC_OK, srec_key_generate(&other));
    CHECK(memcmp(&key, &other, sizeof key) != 0);
    LONGS_EQUAL(SREC_OK, srec_session_generate(&a));
    LONGS_EQUAL(SREC_OK, srec_session_generate(&b));
    CHECK(a != 0 && b != 0 && a != b);
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_generate(nullptr));
    LONGS_EQUAL(SREC_ERR_ARG, srec_session_generate(nullptr));
}

TEST(key, a_written_key_reads_back_and_only_its_owner_can)
{
    LONGS_EQUAL(SREC_OK, srec_key_generate(&key));
    mode_t before = umask(0);
    srec_status status = srec_key_write(&key, path.c_str(), &error);
    umask(before);
    LONGS_EQUAL(SREC_OK, status);
    struct stat info;
    LONGS_EQUAL(0, stat(path.c_str(), &info));
    LONGS_EQUAL(32, info.st_size);
    LONGS_EQUAL(0600, info.st_mode & 07777);
    srec_key back;
    LONGS_EQUAL(SREC_OK, srec_key_read(&back, path.c_str(), &error));
    MEMCMP_EQUAL(&key, &back, sizeof key);
}

TEST(key, writing_leaves_an_existing_file_alone)
{
    write_bytes(32);
    LONGS_EQUAL(SREC_ERR_IO, srec_key_write(&key, path.c_str(), &error));
    CHECK(message_has(path));
    srec_key back;
    LONGS_EQUAL(SREC_OK, srec_key_read(&back, path.c_str(), &error));
    for (uint8_t b : back.bytes)
        BYTES_EQUAL(0x55, b);
}

TEST(key, a_file_of_any_other_length_is_refused_and_the_key_zeroed)
{
    for (size_t n : {0, 1, 31, 33, 64, 100000}) {
        write_bytes(n);
        memset(&key, 0xaa, sizeof key);
        LONGS_EQUAL(SREC_ERR_FORMAT, srec_key_read(&key, path.c_str(), &error));
        CHECK(key_is_zero());
        CHECK(message_has(path) && message_has("srec keygen"));
    }
}

TEST(key, a_missing_file_or_a_folder_is_an_io_error_that_names_it)
{
    LONGS_EQUAL(SREC_ERR_IO, srec_key_read(&key, path.c_str(), &error));
    CHECK(message_has(path) && message_has("srec keygen " + path));
    CHECK(key_is_zero());
    memset(&key, 0xaa, sizeof key);
    LONGS_EQUAL(SREC_ERR_IO, srec_key_read(&key, folder.c_str(), &error));
    CHECK(message_has(folder));
    CHECK(key_is_zero());
    LONGS_EQUAL(SREC_ERR_IO, srec_key_write(&key, (folder + "/absent/key").c_str(), &error));
    LONGS_EQUAL(SREC_ERR_IO, srec_key_read(&key, path.c_str(), nullptr));
}

TEST(key, a_write_that_the_disk_refuses_is_an_io_error)
{
    /* /dev/full cannot be created anew, and a full disk needs privileges: the missing folder above and this stand for
     * it */
    LONGS_EQUAL(SREC_ERR_IO, srec_key_write(&key, "/dev/full", &error));
    CHECK(message_has("/dev/full"));
}

TEST(key, null_arguments_are_refused)
{
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_write(nullptr, path.c_str(), &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_write(&key, nullptr, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_read(nullptr, path.c_str(), &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_read(&key, nullptr, &error));
    CHECK(key_is_zero());
    uint8_t out[SREC_KEY_BYTES];
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_derive_header(nullptr, 1, out));
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_derive_payload(&key, 1, nullptr));
    srec_key_wipe(nullptr);
}

TEST(key, seeded_keys_match_known_answers)
{
    auto lines = read_vectors("master", 1);
    LONGS_EQUAL(3, lines.size());
    for (const vector_line &line : lines) {
        srec_key_from_seed(&key, line.arguments[0]);
        MEMCMP_EQUAL(line.bytes.data(), key.bytes, sizeof key.bytes);
    }
}

TEST(key, subkeys_match_known_answers_of_the_kdf)
{
    auto payload = read_vectors("payload", 2), header = read_vectors("header", 2);
    LONGS_EQUAL(9, payload.size());
    LONGS_EQUAL(9, header.size());
    uint8_t out[SREC_KEY_BYTES];
    for (size_t i = 0; i < payload.size(); i++) {
        srec_key_from_seed(&key, payload[i].arguments[0]);
        LONGS_EQUAL(SREC_OK, srec_key_derive_payload(&key, payload[i].arguments[1], out));
        MEMCMP_EQUAL(payload[i].bytes.data(), out, sizeof out);
        LONGS_EQUAL(SREC_OK, srec_key_derive_header(&key, header[i].arguments[1], out));
        MEMCMP_EQUAL(header[i].bytes.data(), out, sizeof out);
        CHECK(payload[i].bytes != header[i].bytes);
    }
}

TEST(key, a_packets_nonce_is_four_zero_bytes_and_its_number_little_endian)
{
    uint8_t nonce[12];
    srec_packet_nonce(0x0102030405060708, nonce);
    const uint8_t expected[12] = {0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1};
    MEMCMP_EQUAL(expected, nonce, 12);
}

TEST(key, a_wiped_key_is_zero)
{
    srec_key_wipe(&key);
    CHECK(key_is_zero());
}

TEST(key, threads_may_generate_keys_at_the_same_time)
{
    std::vector<srec_key> keys(8);
    std::vector<std::thread> threads;
    for (srec_key &k : keys)
        threads.emplace_back([&k] { srec_key_generate(&k); });
    for (std::thread &t : threads)
        t.join();
    for (size_t i = 0; i < keys.size(); i++)
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(&keys[i], &keys[j], sizeof keys[i]) != 0);
}
