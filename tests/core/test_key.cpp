/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "crypto/key_internal.h"
}
#include "vectors.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <pthread.h>
#include <string>
#include <sys/resource.h>
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
    for (size_t n : { 0, 1, 31, 33, 64, 100000 }) {
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

TEST(key, a_write_that_the_disk_refuses_leaves_no_file)
{
    struct rlimit before, none;
    LONGS_EQUAL(0, getrlimit(RLIMIT_FSIZE, &before));
    none = before;
    none.rlim_cur = 16; /* half a key: stands for a full disk */
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    LONGS_EQUAL(0, setrlimit(RLIMIT_FSIZE, &none));
    const srec_status status = srec_key_write(&key, path.c_str(), &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    LONGS_EQUAL(SREC_ERR_IO, status);
    CHECK(message_has(path));
    CHECK(access(path.c_str(), F_OK) != 0);
}

TEST(key, writing_follows_no_link)
{
    const std::string victim = folder + "/victim";
    LONGS_EQUAL(0, symlink("victim", path.c_str())); /* points to nothing: it would be made */
    LONGS_EQUAL(SREC_ERR_IO, srec_key_write(&key, path.c_str(), &error));
    CHECK(access(victim.c_str(), F_OK) != 0);
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
    const uint8_t expected[12] = { 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1 };
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
    std::vector<srec_status> statuses(keys.size(), SREC_ERR_ARG);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < keys.size(); i++)
        threads.emplace_back([&, i] { statuses[i] = srec_key_generate(&keys[i]); });
    for (std::thread &t : threads)
        t.join();
    for (const srec_status status : statuses)
        LONGS_EQUAL(SREC_OK, status);
    for (size_t i = 0; i < keys.size(); i++)
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(&keys[i], &keys[j], sizeof keys[i]) != 0);
}

/* --- pipes --- */

/* Writes bytes into a named pipe after a pause. */
static std::thread writer(const std::string &path, std::vector<size_t> pieces, int pause_ms)
{
    return std::thread([=] {
        usleep(1000 * pause_ms);
        int fd = open(path.c_str(), O_WRONLY);
        for (size_t n : pieces) {
            std::vector<uint8_t> bytes(n, 0x66);
            if (fd < 0 || write(fd, bytes.data(), n) != (ssize_t)n)
                abort();
            usleep(1000 * pause_ms);
        }
        close(fd);
    });
}

TEST(key, a_named_pipe_is_waited_for_and_read_in_pieces)
{
    LONGS_EQUAL(0, mkfifo(path.c_str(), 0600));
    std::thread t = writer(path, { 10, 22 }, 100);
    const srec_status status = srec_key_read(&key, path.c_str(), &error);
    t.join();
    LONGS_EQUAL(SREC_OK, status);
    for (uint8_t b : key.bytes)
        BYTES_EQUAL(0x66, b);
}

TEST(key, a_pipe_of_any_other_length_is_refused)
{
    signal(SIGPIPE, SIG_IGN);
    LONGS_EQUAL(0, mkfifo(path.c_str(), 0600));
    for (std::vector<size_t> pieces : { std::vector<size_t>{}, { 31 }, { 33 } }) {
        std::thread t = writer(path, pieces, 30);
        LONGS_EQUAL(SREC_ERR_FORMAT, srec_key_read(&key, path.c_str(), &error));
        t.join();
        CHECK(key_is_zero());
    }
}

TEST(key, a_pipe_that_nobody_writes_to_is_given_up)
{
    LONGS_EQUAL(0, mkfifo(path.c_str(), 0600));
    LONGS_EQUAL(SREC_ERR_IO, srec_key_read_within(&key, path.c_str(), 200, 60000, &error));
    CHECK(message_has(path) && message_has("no program has opened"));
    const int silent = open(path.c_str(), O_RDWR); /* a writer that writes nothing */
    LONGS_EQUAL(SREC_ERR_IO, srec_key_read_within(&key, path.c_str(), 60000, 200, &error));
    CHECK(message_has(path) && message_has("no key came"));
    close(silent);
    CHECK(key_is_zero());
}

TEST(key, a_signal_ends_the_wait_for_a_pipe)
{
    struct sigaction action = {}, before;
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, &before);
    LONGS_EQUAL(0, mkfifo(path.c_str(), 0600));
    const int silent = open(path.c_str(), O_RDWR);
    const pthread_t reader = pthread_self();
    std::thread t([reader] {
        usleep(200000);
        pthread_kill(reader, SIGUSR1);
    });
    const srec_status status = srec_key_read(&key, path.c_str(), &error);
    t.join();
    close(silent);
    sigaction(SIGUSR1, &before, nullptr);
    LONGS_EQUAL(SREC_ERR_CANCELLED, status);
}

/* --- text --- */

TEST(key, text_is_a_seed_hex_digits_or_a_path)
{
    srec_error warning;
    srec_key expected;
    srec_key_from_seed(&expected, 12);
    LONGS_EQUAL(SREC_OK, srec_key_parse(&key, "seed:12", &warning, &error));
    CHECK(srec_key_equal(&key, &expected));
    STRCMP_CONTAINS("for tests", warning.message);
    std::string hex;
    for (uint8_t b : expected.bytes) {
        char two[3];
        snprintf(two, sizeof two, "%02x", b);
        hex += two;
    }
    LONGS_EQUAL(SREC_OK, srec_key_parse(&key, hex.c_str(), &warning, &error));
    CHECK(srec_key_equal(&key, &expected));
    STRCMP_CONTAINS("for tests", warning.message);
    CHECK(std::string(warning.message).find(hex) == std::string::npos);
    LONGS_EQUAL(SREC_OK, srec_key_write(&expected, path.c_str(), &error));
    LONGS_EQUAL(SREC_OK, srec_key_parse(&key, path.c_str(), &warning, &error));
    CHECK(srec_key_equal(&key, &expected));
    STRCMP_EQUAL("", warning.message);
    LONGS_EQUAL(SREC_OK, srec_key_parse(&key, path.c_str(), nullptr, nullptr));
}

TEST(key, a_key_file_that_others_can_read_or_change_gets_a_warning)
{
    srec_error warning;
    LONGS_EQUAL(SREC_OK, srec_key_generate(&key));
    LONGS_EQUAL(SREC_OK, srec_key_write(&key, path.c_str(), &error));
    for (mode_t mode : { 0640, 0604, 0620, 0602, 0644, 0666 }) {
        chmod(path.c_str(), mode);
        LONGS_EQUAL(SREC_OK, srec_key_parse(&key, path.c_str(), &warning, &error));
        char shown[8];
        snprintf(shown, sizeof shown, "%04o", (unsigned)mode);
        STRCMP_CONTAINS(shown, warning.message);
        STRCMP_CONTAINS(("chmod 600 " + path).c_str(), warning.message);
    }
    for (mode_t mode : { 0600, 0400, 0711 }) {
        chmod(path.c_str(), mode);
        LONGS_EQUAL(SREC_OK, srec_key_parse(&key, path.c_str(), &warning, &error));
        STRCMP_EQUAL("", warning.message);
    }
}

TEST(key, text_that_is_no_key_is_refused_and_not_repeated_if_it_may_be_secret)
{
    for (const char *text : { "seed:", "seed:-1", "seed: 1", "seed:1x", "seed:18446744073709551616" }) {
        memset(&key, 0xaa, sizeof key);
        LONGS_EQUAL(SREC_ERR_FORMAT, srec_key_parse(&key, text, nullptr, &error));
        CHECK(key_is_zero());
    }
    for (size_t digits : { 63, 65, 40 }) {
        const std::string hex(digits, 'c');
        LONGS_EQUAL(SREC_ERR_FORMAT, srec_key_parse(&key, hex.c_str(), nullptr, &error));
        CHECK(message_has("64 digits") && !message_has(hex));
    }
    LONGS_EQUAL(SREC_ERR_IO, srec_key_parse(&key, "", nullptr, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_parse(&key, nullptr, nullptr, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_key_parse(nullptr, "seed:1", nullptr, &error));
}

/* --- memory --- */

/* The line "VmFlags:" of the mapping that holds an address. */
static std::string flags_of(const void *address)
{
    std::ifstream maps("/proc/self/smaps");
    std::string line;
    bool inside = false;
    while (std::getline(maps, line)) {
        unsigned long from, to;
        char dash;
        if (sscanf(line.c_str(), "%lx%c%lx ", &from, &dash, &to) == 3 && dash == '-')
            inside = (unsigned long)address >= from && (unsigned long)address < to;
        else if (inside && line.rfind("VmFlags:", 0) == 0)
            return line + " ";
    }
    return "";
}

TEST(key, a_new_key_is_zero_locked_and_left_out_of_core_dumps)
{
    srec_key *k = srec_key_new();
    CHECK(k != nullptr);
    key = *k;
    CHECK(key_is_zero());
    const std::string flags = flags_of(k);
    if (flags.empty())
        printf("(no /proc/self/smaps here) ");
    else
        STRCMP_CONTAINS(" dd ", flags.c_str());
#ifndef __SANITIZE_ADDRESS__ /* AddressSanitizer makes mlock() do nothing */
    struct rlimit lock;
    getrlimit(RLIMIT_MEMLOCK, &lock);
    if (!flags.empty() && lock.rlim_cur >= 65536)
        STRCMP_CONTAINS(" lo ", flags.c_str());
#endif
    srec_key_free(k);
    srec_key_free(nullptr);
}

TEST(key, keys_are_equal_in_every_byte_or_not_at_all)
{
    srec_key_from_seed(&key, 1);
    srec_key other = key;
    CHECK(srec_key_equal(&key, &other));
    for (uint8_t &b : other.bytes) {
        b ^= 0x10;
        CHECK(!srec_key_equal(&key, &other));
        b ^= 0x10;
    }
    CHECK(!srec_key_equal(&key, nullptr) && !srec_key_equal(nullptr, &key));
}
