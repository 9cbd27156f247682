/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <srec/packet.h>
#include <volk/volk.h>

extern "C" {
#include "../../lib/core/codec/model_internal.h"
#include "../../lib/core/packet/packet_internal.h"
#include "../../lib/core/packet/ratemap.h"
#include "../../lib/core/packet/slice_header.h"
#include "calls.h"
}

#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

static const unsigned LADDER[] = { 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192 };

TEST_GROUP(slice){};

TEST(slice, every_patch_is_in_one_slice_and_neighbours_are_in_others)
{
    for (uint32_t n : { 1u, 2u, 3u, 5u, 8u, 12u, 17u, 100u, 480u })
        for (uint32_t cols : { 4u, 12u, 48u, 60u }) {
            const uint32_t rows = 32;
            if (n > cols * rows)
                continue;
            std::vector<int> owner(cols * rows, -1);
            for (uint32_t s = 0; s < n; s++) {
                std::vector<uint32_t> p(cols * rows);
                size_t count = srec_slice_patches(cols, rows, n, s, p.data(), p.size());
                for (size_t i = 0; i < count; i++) {
                    LONGS_EQUAL(-1, owner[p[i]]);
                    owner[p[i]] = (int)s;
                }
            }
            for (uint32_t i = 0; i < cols * rows; i++) {
                CHECK(owner[i] >= 0);
                if (n > 2 && i % cols) {
                    CHECK(owner[i] != owner[i - 1]);
                    if (i >= cols)
                        CHECK(owner[i] != owner[i - cols]);
                }
            }
        }
}

TEST(slice, a_count_is_found_whenever_one_patch_a_slice_suffices_and_no_slice_is_empty)
{
    srec_model *model;
    srec_model_create_bare(LADDER, 16, nullptr, nullptr, 1, &model);
    for (uint32_t cols : { 4u, 12u, 16u })
        for (uint32_t rows : { 4u, 8u, 16u })
            for (size_t room : { 192u, 193u, 243u, 400u, 2000u, 20000u })
                for (size_t max_patches : { 1u, 3u, 1000u }) {
                    std::vector<uint8_t> map(cols * rows, 15), bytes(192 * cols * rows);
                    srec_features f{};
                    f.width = cols * 16;
                    f.height = rows * 16;
                    f.channels = 3;
                    f.patch_cols = cols;
                    f.patch_rows = rows;
                    f.rate_map = map.data();
                    f.bytes = bytes.data();
                    f.n_bytes = bytes.size();
                    uint32_t n = srec_slice_count(model, &f, room, max_patches);
                    CHECK(n > 0);
                    size_t total = 0;
                    for (uint32_t s = 0; s < n; s++) {
                        size_t count = srec_slice_patches(cols, rows, n, s, nullptr, 0);
                        CHECK(count >= 1 && count <= max_patches && count * 192 <= room);
                        total += count;
                    }
                    LONGS_EQUAL(cols * rows, total);
                    if (room == 192)
                        LONGS_EQUAL(0, srec_slice_count(model, &f, 191, max_patches));
                }
    srec_model_free(model);
}

TEST_GROUP(ratemap){};

TEST(ratemap, any_map_comes_back_and_smooth_ones_are_short)
{
    std::mt19937 random(1);
    size_t smooth_bytes = 0;
    for (unsigned trial = 0; trial < 300; trial++) {
        const bool smooth = trial % 2;
        std::vector<uint8_t> map(trial * 7), back(trial * 7);
        int level = 8;
        for (auto &m : map) {
            level = smooth ? std::min(15, std::max(0, level + (int)(random() % 3) - 1)) : (int)(random() % 16);
            m = (uint8_t)level;
        }
        std::vector<uint8_t> code(srec_ratemap_bound(map.size()));
        size_t n = srec_ratemap_encode(map.data(), map.size(), 16, code.data(), code.size());
        CHECK(n > 0);
        LONGS_EQUAL(SREC_OK, srec_ratemap_decode(code.data(), n, 16, back.data(), back.size()));
        CHECK(map == back);
        if (trial == 299)
            smooth_bytes = n;
    }
    CHECK(smooth_bytes * 8 < 2.1 * 299 * 7); /* log2(3) = 1.58 bits at best */
}

TEST(ratemap, damaged_code_never_reads_or_writes_beyond)
{
    std::mt19937 random(2);
    for (unsigned trial = 0; trial < 2000; trial++) {
        std::vector<uint8_t> code(random() % 40), map(random() % 500);
        for (auto &c : code)
            c = (uint8_t)random();
        srec_ratemap_decode(code.data(), code.size(), 16, map.data(), map.size());
        for (auto m : map)
            CHECK(m < 16);
    }
}

TEST_GROUP(packet)
{
    srec_model *model = nullptr;
    srec_key key;
    srec_packet_encoder *e = nullptr;
    srec_packet_decoder *d = nullptr;
    std::vector<uint8_t> map, payload, frame = std::vector<uint8_t>(SREC_FRAME_MAX);
    srec_slice slice{};
    std::mt19937 random{ 3 };

    void setup() override
    {
        srec_model_create_bare(LADDER, 16, nullptr, nullptr, 99, &model);
        srec_key_from_seed(&key, 1);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, 5, &e, NULL));
        LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&key, model, &d, NULL));
        uint32_t cols, rows;
        srec_patch_grid(640, 480, &cols, &rows);
        slice = { 99, 7, 640, 480, 3, SREC_FEATURES_BITS, 2, 9, 0, nullptr, 1 };
        slice.n_patches = (uint32_t)srec_slice_patches(cols, rows, 9, 2, nullptr, 0);
        map.resize(slice.n_patches);
        for (auto &m : map)
            m = (uint8_t)(random() % 16);
        slice.rate_map = map.data();
        payload.resize(srec_slice_bytes(model, &slice));
        for (auto &p : payload)
            p = (uint8_t)random();
    }
    void teardown() override
    {
        srec_packet_encoder_free(e);
        srec_packet_decoder_free(d);
        srec_model_free(model);
    }
    std::vector<float> send(srec_modulation m, uint64_t packet, float snr_db, size_t &n)
    {
        slice.format = m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        srec_error error;
        LONGS_EQUAL(SREC_OK, encode_packet(e, { m, SREC_CIPHER_ADD, packet, &slice, payload.data(), payload.size() },
                                           frame.data(), frame.size(), &n, &error));
        std::vector<float> iq(2 * srec_modem_symbols(m, n)), soft(n * srec_modem_soft_per_byte(m));
        srec_modem_map(m, frame.data(), n, iq.data());
        srec_channel *c;
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, packet + 1, 1, &c, NULL));
        srec_channel_apply(c, iq.data(), iq.data(), nullptr, iq.size() / 2);
        srec_channel_free(c);
        srec_modem_demap(m, iq.data(), nullptr, powf(10, -0.1f * snr_db), iq.size() / 2, soft.data());
        return soft;
    }
    srec_packet_counters counters()
    {
        srec_packet_counters c;
        srec_packet_decoder_get_counters(d, &c);
        return c;
    }
};

TEST(packet, header_and_payload_come_back_with_every_modulation)
{
    for (int i = 0; i < SREC_MODULATIONS; i++) {
        size_t n;
        auto m = (srec_modulation)i;
        auto soft = send(m, (uint64_t)i, 65, n);
        srec_packet p;
        LONGS_EQUAL(SREC_OK, srec_packet_decode(d, m, soft.data(), n, &p));
        LONGS_EQUAL(slice.picture, p.slice.picture);
        LONGS_EQUAL(slice.n_patches, p.slice.n_patches);
        MEMCMP_EQUAL(map.data(), p.slice.rate_map, map.size());
        std::vector<uint8_t> back(payload.size());
        srec_modem_decide(m, p.soft, back.size(), back.data());
        MEMCMP_EQUAL(payload.data(), back.data(), back.size());
        CHECK(n <= SREC_FRAME_MAX);
    }
    LONGS_EQUAL(SREC_MODULATIONS, counters().accepted);
}

TEST(packet, headers_survive_where_payloads_are_still_useful)
{
    const struct {
        srec_modulation m;
        float snr_db;
    } points[] = { { SREC_BPSK, -3 }, { SREC_QPSK, 0 }, { SREC_16QAM, 3 }, { SREC_PAM256, 4 } };
    uint64_t packet = 0;
    for (auto &p : points)
        for (int i = 0; i < 40; i++) {
            size_t n;
            auto soft = send(p.m, packet++, p.snr_db, n);
            srec_packet out;
            srec_packet_decode(d, p.m, soft.data(), n, &out);
        }
    CHECK(counters().accepted >= 159); /* of 160 */
}

TEST(packet, replays_forgeries_foreign_keys_and_models_are_dropped_and_counted)
{
    size_t n;
    srec_packet p;
    auto soft = send(SREC_QPSK, 0, 20, n);
    LONGS_EQUAL(SREC_OK, srec_packet_decode(d, SREC_QPSK, soft.data(), n, &p));
    LONGS_EQUAL(SREC_ERR_REPLAY, srec_packet_decode(d, SREC_QPSK, soft.data(), n, &p));

    srec_key other;
    srec_key_from_seed(&other, 2);
    srec_packet_decoder *stranger;
    LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&other, model, &stranger, NULL));
    LONGS_EQUAL(SREC_ERR_AUTH, srec_packet_decode(stranger, SREC_QPSK, soft.data(), n, &p));
    srec_packet_decoder_free(stranger);

    soft = send(SREC_QPSK, 1, 20, n); /* damage beyond the code: the AEAD notices */
    size_t field = srec_packet_signal_bytes(SREC_QPSK) * 8;
    for (size_t i = field; i < field + 4000; i++)
        soft[i] = -soft[i];
    LONGS_EQUAL(SREC_ERR_AUTH, srec_packet_decode(d, SREC_QPSK, soft.data(), n, &p));

    slice.model_id = 98;
    soft = send(SREC_QPSK, 2, 20, n);
    LONGS_EQUAL(SREC_ERR_MODEL, srec_packet_decode(d, SREC_QPSK, soft.data(), n, &p));

    std::vector<float> noise(n * 8);
    std::normal_distribution<float> normal;
    for (auto &v : noise)
        v = normal(random);
    LONGS_EQUAL(SREC_ERR_CHECKSUM, srec_packet_decode(d, SREC_QPSK, noise.data(), n, &p));
    LONGS_EQUAL(SREC_ERR_TRUNCATED, srec_packet_decode(d, SREC_QPSK, soft.data(), n - 1, &p));

    auto c = counters();
    LONGS_EQUAL(1, c.accepted);
    LONGS_EQUAL(1, c.replayed);
    LONGS_EQUAL(1, c.forged);
    LONGS_EQUAL(1, c.foreign_model);
    LONGS_EQUAL(2, c.damaged);
}

TEST(packet, the_head_alone_tells_who_holds_the_key_and_leaves_no_trace)
{
    srec_key other;
    srec_key_from_seed(&other, 2);
    for (int i = 0; i < SREC_MODULATIONS; i++) {
        const auto m = (srec_modulation)i;
        const unsigned per_byte = srec_modem_soft_per_byte(m);
        size_t n;
        srec_signal signal{}, read{};
        const auto whole = send(m, 10 + (uint64_t)i, 30, n);
        LONGS_EQUAL(SREC_OK, srec_signal_read(m, whole.data(), &read));
        const size_t head = srec_packet_head_bytes(m, &read);
        CHECK(head < n);
        auto soft = std::vector<float>(whole.begin(), whole.begin() + (ptrdiff_t)(head * per_byte)); /* no more:
                                                                                                      * sanitizers
                                                                                                      * watch */
        for (int again = 0; again < 2; again++)
            LONGS_EQUAL(SREC_OK, srec_packet_authenticate(&key, m, soft.data(), head, &signal));
        CHECK_EQUAL(10u + (unsigned)i, signal.packet);
        CHECK_EQUAL(n, signal.frame_bytes);
        LONGS_EQUAL(SREC_ERR_AUTH, srec_packet_authenticate(&other, m, soft.data(), head, &signal));
        LONGS_EQUAL(SREC_ERR_TRUNCATED, srec_packet_authenticate(&key, m, soft.data(), head - 1, &signal));
        LONGS_EQUAL(SREC_ERR_TRUNCATED,
                    srec_packet_authenticate(&key, m, soft.data(), srec_packet_signal_bytes(m) - 1, &signal));
        std::fill(soft.begin() + (ptrdiff_t)(srec_packet_signal_bytes(m) * per_byte), soft.end(), 1.0f); /* a forged
                                                                                                          * field
                                                                                                          * alone */
        LONGS_EQUAL(SREC_ERR_AUTH, srec_packet_authenticate(&key, m, soft.data(), head, &signal));
        std::fill(soft.begin(), soft.end(), NAN);
        CHECK(srec_packet_authenticate(&key, m, soft.data(), head, &signal) < 0);
        srec_packet p;
        LONGS_EQUAL(SREC_OK, srec_packet_decode(d, m, whole.data(), n, &p)); /* not yet seen */
    }
    srec_signal signal;
    LONGS_EQUAL(SREC_ERR_ARG, srec_packet_authenticate(nullptr, SREC_QPSK, nullptr, 0, &signal));
    LONGS_EQUAL(SREC_MODULATIONS, counters().accepted);
    LONGS_EQUAL(0, counters().forged + counters().damaged + counters().replayed);
}

/* Soft values of the frame of packet \p number of a session, QPSK without noise. */
static std::vector<float> recorded(const srec_key &key, uint64_t session, uint64_t number, const srec_slice &slice,
                                   const std::vector<uint8_t> &payload)
{
    srec_packet_encoder *one;
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, session, &one, NULL));
    LONGS_EQUAL(SREC_OK,
                encode_packet(one, { SREC_QPSK, SREC_CIPHER_XOR, number, &slice, payload.data(), payload.size() },
                              frame.data(), frame.size(), &n, nullptr));
    srec_packet_encoder_free(one);
    std::vector<float> soft(8 * n);
    for (size_t i = 0; i < soft.size(); i++)
        soft[i] = frame[i / 8] >> (7 - i % 8) & 1 ? -9.0f : 9.0f;
    return soft;
}

TEST(packet, recordings_of_90_sessions_are_refused_also_by_a_new_decoder_that_imports_the_marks)
{
    srec_packet p;
    std::vector<std::vector<float>> frames;
    for (uint64_t session = 1000; session < 1090; session++)
        for (uint64_t number : { 4, 9 })
            frames.push_back(recorded(key, session, number, slice, payload));
    for (auto &f : frames)
        LONGS_EQUAL(SREC_OK, srec_packet_decode(d, SREC_QPSK, f.data(), f.size() / 8, &p));
    for (auto &f : frames)
        LONGS_EQUAL(SREC_ERR_REPLAY, srec_packet_decode(d, SREC_QPSK, f.data(), f.size() / 8, &p));
    std::vector<uint8_t> marks(srec_packet_decoder_marks_size(d));
    size_t n;
    LONGS_EQUAL(SREC_ERR_ARG, srec_packet_decoder_export_marks(d, marks.data(), marks.size() - 1, &n));
    LONGS_EQUAL(SREC_OK, srec_packet_decoder_export_marks(d, marks.data(), marks.size(), &n));
    LONGS_EQUAL(marks.size(), n);

    srec_packet_decoder *restarted;
    LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&key, model, &restarted, NULL));
    LONGS_EQUAL(SREC_OK, srec_packet_decoder_import_marks(restarted, marks.data(), n, nullptr));
    for (auto &f : frames)
        LONGS_EQUAL(SREC_ERR_REPLAY, srec_packet_decode(restarted, SREC_QPSK, f.data(), f.size() / 8, &p));
    auto between = recorded(key, 1000, 7, slice, payload), above = recorded(key, 1000, 10, slice, payload);
    LONGS_EQUAL(SREC_ERR_REPLAY, srec_packet_decode(restarted, SREC_QPSK, between.data(), between.size() / 8, &p));
    LONGS_EQUAL(SREC_OK, srec_packet_decode(restarted, SREC_QPSK, above.data(), above.size() / 8, &p));
    srec_packet_decoder_free(restarted);
}

TEST(packet, a_packet_4095_behind_the_newest_is_accepted_and_4096_behind_is_not)
{
    srec_packet p;
    const struct {
        uint64_t number;
        srec_status status;
    } offered[] = {
        { 9000, SREC_OK }, { 4904, SREC_ERR_REPLAY }, { 4905, SREC_OK }, { 4905, SREC_ERR_REPLAY }, { 8999, SREC_OK }
    };
    for (const auto &o : offered) {
        auto f = recorded(key, 3, o.number, slice, payload);
        LONGS_EQUAL(o.status, srec_packet_decode(d, SREC_QPSK, f.data(), f.size() / 8, &p));
    }
}

TEST(packet, a_number_is_used_once_and_frames_have_a_limit)
{
    size_t n;
    srec_error error;
    send(SREC_QPSK, 3, 20, n);
    LONGS_EQUAL(SREC_ERR_ARG,
                encode_packet(e, { SREC_QPSK, SREC_CIPHER_ADD, 3, &slice, payload.data(), payload.size() },
                              frame.data(), frame.size(), &n, &error));
    LONGS_EQUAL(SREC_ERR_ARG,
                encode_packet(e, { SREC_QPSK, SREC_CIPHER_ADD, 4, &slice, payload.data(), payload.size() },
                              frame.data(), 100, &n, &error));
}

TEST(packet, an_impossible_slice_is_refused)
{
    size_t n;
    srec_error error;
    auto refused = [&](const char *why) {
        LONGS_EQUAL(SREC_ERR_ARG,
                    encode_packet(e, { SREC_QPSK, SREC_CIPHER_ADD, 0, &slice, payload.data(), payload.size() },
                                  frame.data(), frame.size(), &n, &error));
        STRCMP_CONTAINS(why, error.message);
    };
    const srec_slice good = slice;
    slice.slice = slice.n_slices;
    refused("slice");
    slice = good;
    slice.channels = 2;
    refused("channels");
    slice = good;
    for (uint8_t step : { 16, 255 }) { /* beyond every ladder */
        map[map.size() / 2] = step;
        refused("rate map");
    }
}

TEST(packet, the_cipher_travels_and_xor_is_refused_where_amplitudes_travel)
{
    size_t n;
    srec_error error;
    srec_packet p;
    uint64_t packet = 0;
    for (srec_cipher cipher : { SREC_CIPHER_ADD, SREC_CIPHER_NONE, SREC_CIPHER_XOR }) {
        LONGS_EQUAL(SREC_OK, encode_packet(e, { SREC_BPSK, cipher, packet++, &slice, payload.data(), payload.size() },
                                           frame.data(), frame.size(), &n, &error));
        std::vector<float> soft(8 * n);
        for (size_t i = 0; i < soft.size(); i++)
            soft[i] = frame[i / 8] >> (7 - i % 8) & 1 ? -9.0f : 9.0f;
        LONGS_EQUAL(SREC_OK, srec_packet_decode(d, SREC_BPSK, soft.data(), n, &p));
        LONGS_EQUAL(cipher, p.signal.cipher);
    }
    slice.format = SREC_FEATURES_AMPLITUDE;
    LONGS_EQUAL(SREC_ERR_ARG,
                encode_packet(e, { SREC_PAM256, SREC_CIPHER_XOR, packet, &slice, payload.data(), payload.size() },
                              frame.data(), frame.size(), &n, &error));
    STRCMP_CONTAINS("pam256", error.message);
    LONGS_EQUAL(SREC_ERR_ARG,
                encode_packet(e, { SREC_BPSK, (srec_cipher)3, packet, &slice, payload.data(), payload.size() },
                              frame.data(), frame.size(), &n, &error));
}

/* The signal field of a version 1 frame (BPSK, xor, H = 60, P = 200, session 5, packet 3), made by that version. */
static const char VERSION_1_SIGNAL[] = "0bd87c9998fb268a499e0cd9d7fd9b4c8b0da9de3b378102f0ff36358dc002da7f1890b8070ce71"
                                       "2a5dc97800859d00f87c27ebf7a50919f454fa7338d984b0b"
                                       "31689bc462596c15cfa3a3010b3a01f0f84fd7ef4a1233e8a9f4e671b30961662d13788c4b2d82b"
                                       "9f474617b0f93331f64d14933c19b3affb3699161b53bc766"
                                       "f0205e1fe6c6b1b8005b4fe3121700e19ce254bb92f0";

TEST(packet, frames_of_version_1_are_counted_as_unsupported)
{
    const size_t n = srec_packet_signal_bytes(SREC_BPSK);
    std::vector<float> soft;
    for (size_t i = 0; i < n; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            soft.push_back(std::stoul(std::string(VERSION_1_SIGNAL + 2 * i, 2), nullptr, 16) >> (7 - bit) & 1 ? -4.0f
                                                                                                              : 4.0f);
    srec_signal signal;
    LONGS_EQUAL(SREC_ERR_VERSION, srec_packet_read_signal(d, SREC_BPSK, soft.data(), &signal));
    LONGS_EQUAL(1, counters().unsupported);
    LONGS_EQUAL(2, SREC_PACKET_VERSION);
}

TEST(packet, the_scale_travels_and_only_1_and_2_exist)
{
    size_t n;
    srec_packet p;
    for (uint8_t scale : { 0, 1, 2 }) { /* 0: a slice that does not say it */
        slice.scale = scale;
        auto soft = send(SREC_QPSK, scale, 20, n);
        LONGS_EQUAL(SREC_OK, srec_packet_decode(d, SREC_QPSK, soft.data(), n, &p));
        LONGS_EQUAL(scale == 2 ? 2 : 1, p.slice.scale);
    }
    srec_error error;
    slice.scale = 3;
    LONGS_EQUAL(SREC_ERR_ARG,
                encode_packet(e, { SREC_QPSK, SREC_CIPHER_ADD, 3, &slice, payload.data(), payload.size() },
                              frame.data(), frame.size(), &n, &error));
    STRCMP_CONTAINS("scale 3", error.message);
}

TEST(packet, what_only_a_later_release_sends_is_not_damaged)
{
    uint8_t plain[SREC_HEADER_MAX];
    slice.scale = 1;
    const size_t n = srec_slice_header_put(&slice, plain);
    const srec_signal signal{};
    srec_buffer steps{};
    srec_slice got;
    for (uint8_t flag : { 1 << 6, 1 << 7, 2 << 2 }) { /* two reserved flags, and scale 3 */
        plain[16] |= flag;
        LONGS_EQUAL(SREC_ERR_VERSION, srec_slice_header_get(model, &signal, plain, n, &steps, &got));
        plain[16] ^= flag;
    }
    srec_buffer_free(&steps);
}

TEST(packet, every_slice_of_the_division_fits_a_frame)
{
    std::vector<uint8_t> steps(40 * 32);
    size_t n_bytes = 0;
    for (auto &step : steps)
        n_bytes += LADDER[step = (uint8_t)(random() % 16)];
    std::vector<uint8_t> bytes(n_bytes);
    srec_features f{};
    f.width = 640;
    f.height = 480;
    f.channels = 3;
    f.patch_cols = 40;
    f.patch_rows = 32;
    f.rate_map = steps.data();
    f.bytes = bytes.data();
    f.n_bytes = n_bytes;
    uint64_t packet = 0;
    for (int m = 0; m < SREC_MODULATIONS; m++)
        for (size_t most : { (size_t)4000, (size_t)16000, (size_t)SREC_FRAME_MAX }) {
            size_t max_patches = 0, max_bytes = 0;
            const uint32_t slices = srec_packet_slices(model, &f, (srec_modulation)m, most, &max_patches, &max_bytes);
            CHECK(slices > 0);
            /* no single share of the frame for the header does with fewer */
            for (size_t patches : { 16u, 128u, 4096u })
                if (size_t room = srec_packet_payload_room((srec_modulation)m, patches, most)) {
                    const uint32_t n = srec_slice_count(model, &f, room, patches);
                    CHECK(n == 0 || n >= slices);
                }
            std::vector<uint8_t> rate_map(max_patches), payload_bytes(max_bytes);
            size_t total = 0;
            for (uint32_t i = 0; i < slices; i++) {
                srec_slice one;
                size_t n, n_frame;
                LONGS_EQUAL(SREC_OK,
                            extract_slice(model, &f, { 0, slices, i },
                                          { rate_map.data(), max_patches, payload_bytes.data(), max_bytes }, &one, &n));
                LONGS_EQUAL(
                    SREC_OK,
                    encode_packet(e, { (srec_modulation)m, SREC_CIPHER_NONE, packet++, &one, payload_bytes.data(), n },
                                  frame.data(), frame.size(), &n_frame, nullptr));
                CHECK(n_frame <= most);
                total += n;
            }
            LONGS_EQUAL(n_bytes, total);
            LONGS_EQUAL(0, srec_packet_slices(model, &f, (srec_modulation)m, 100, &max_patches, &max_bytes));
        }
}

TEST(packet, frames_of_the_least_length_divide_an_image_of_the_longest_patches)
{
    const unsigned longest = srec_model_ladder(model, srec_model_ladder_steps(model) - 1);
    std::vector<uint8_t> steps(40 * 32, (uint8_t)(srec_model_ladder_steps(model) - 1));
    std::vector<uint8_t> bytes(steps.size() * longest);
    srec_features f{};
    f.width = 640;
    f.height = 480;
    f.channels = 3;
    f.patch_cols = 40;
    f.patch_rows = 32;
    f.rate_map = steps.data();
    f.bytes = bytes.data();
    f.n_bytes = bytes.size();
    for (int m = 0; m < SREC_MODULATIONS; m++) {
        const size_t least = srec_packet_least_frame(model, (srec_modulation)m);
        size_t max_patches, max_bytes;
        CHECK(least > 4 * longest && least < SREC_FRAME_MAX);
        CHECK(srec_packet_slices(model, &f, (srec_modulation)m, least, &max_patches, &max_bytes) > 0);
    }
    LONGS_EQUAL(0, srec_packet_least_frame(nullptr, SREC_QPSK));
    LONGS_EQUAL(0, srec_packet_least_frame(model, (srec_modulation)-1));
}

TEST(packet, signal_fields_have_unit_power_though_they_are_mostly_zeros)
{
    for (srec_modulation m : { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM, SREC_PAM256 }) {
        double power = 0;
        size_t symbols = srec_modem_symbols(m, srec_packet_signal_bytes(m)), n;
        for (uint64_t packet = 0; packet < 40; packet++) {
            std::vector<float> iq(2 * symbols);
            send(m, packet + 100 * m, 60, n);
            srec_modem_map(m, frame.data(), srec_packet_signal_bytes(m), iq.data());
            for (float v : iq)
                power += v * v;
        }
        DOUBLES_EQUAL(1.0, power / (40.0 * (double)symbols), 0.12); /* without dispersal up to 1.37 */
    }
}
