/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "packet/replay.h"
}

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(replay)
{
    srec_replay *r = nullptr;
    srec_key key, other_key;

    void setup() override
    {
        LONGS_EQUAL(SREC_OK, srec_replay_create(&r));
        srec_key_from_seed(&key, 1);
        srec_key_from_seed(&other_key, 2);
    }
    void teardown() override { srec_replay_free(r); }

    bool accepts(uint64_t session, uint64_t packet)
    {
        const srec_status status = srec_replay_accept(r, session, packet);
        CHECK(status == SREC_OK || status == SREC_ERR_REPLAY);
        return status == SREC_OK;
    }
    std::vector<uint8_t> exported()
    {
        std::vector<uint8_t> bytes(srec_replay_export_size(r));
        LONGS_EQUAL(SREC_OK, srec_replay_export(r, &key, bytes.data()));
        return bytes;
    }
    void restart(const std::vector<uint8_t> &state)
    {
        srec_replay_free(r);
        LONGS_EQUAL(SREC_OK, srec_replay_create(&r));
        LONGS_EQUAL(SREC_OK, srec_replay_import(r, &key, state.data(), state.size(), nullptr));
    }
};

TEST(replay, a_packet_is_new_once_in_any_order)
{
    std::set<uint64_t> before;
    for (uint64_t packet : { 5, 3, 4, 9, 5, 3, 0, 9, 8, 70, 8, 64, 70, 6 })
        CHECK_EQUAL(before.insert(packet).second, accepts(1, packet));
    CHECK(accepts(2, 5)); /* another session */
}

TEST(replay, the_window_is_the_newest_4096_packets_and_not_one_more)
{
    for (uint64_t newest : { (uint64_t)4096, (uint64_t)100000, ((uint64_t)1 << 62) + 77 }) {
        const uint64_t session = newest;
        CHECK(accepts(session, newest));
        CHECK_FALSE(accepts(session, newest - 4096));
        CHECK(accepts(session, newest - 4095));
        CHECK_FALSE(accepts(session, newest - 4095));
        CHECK(accepts(session, newest + 1)); /* the window moves on by one */
        CHECK_FALSE(accepts(session, newest - 4095));
        CHECK(accepts(session, newest - 4094));
    }
}

TEST(replay, packets_far_apart_do_not_hide_each_other)
{
    for (uint64_t packet : { 0, 4095, 4096, 8191, 8193, 20000, 16 * 4096 })
        CHECK(accepts(3, packet));
    for (uint64_t packet : { 16 * 4096, 20000 })
        CHECK_FALSE(accepts(3, packet));
    for (uint64_t behind = 1; behind < 4096; behind++)
        CHECK(accepts(3, 16 * 4096 - behind)); /* none of these came, though packets with the same bits did */
}

TEST(replay, sessions_that_lost_their_window_are_not_accepted_again)
{
    const unsigned sessions = 500; /* windows: 64 */
    for (uint64_t s = 1; s <= sessions; s++)
        for (uint64_t packet : { 10, 12, 11 })
            CHECK(accepts(s, packet));
    for (unsigned round = 0; round < 2; round++)
        for (uint64_t s = 1; s <= sessions; s++)
            for (uint64_t packet : { 10, 11, 12 })
                CHECK_FALSE(accepts(s, packet));
    CHECK(accepts(1, 13)); /* above its mark */
    CHECK_FALSE(accepts(1, 9));
    CHECK_FALSE(accepts(1, 13));
}

TEST(replay, replays_take_no_window_from_a_session_in_use)
{
    for (uint64_t s = 1; s <= 200; s++)
        CHECK(accepts(s, 100));
    for (uint64_t s = 1; s <= 136; s++) /* these have no window */
        CHECK_FALSE(accepts(s, 100));
    for (uint64_t s = 137; s <= 200; s++)
        CHECK(accepts(s, 50)); /* out of order, which only a window allows */
}

TEST(replay, the_number_that_has_no_successor_is_never_new)
{
    CHECK_FALSE(accepts(1, UINT64_MAX));
    CHECK(accepts(1, UINT64_MAX - 1));
    restart(exported());
    CHECK_FALSE(accepts(1, UINT64_MAX - 1));
    CHECK_FALSE(accepts(1, 0));
}

TEST(replay, after_an_import_all_packets_up_to_the_mark_are_replays)
{
    for (uint64_t s = 1; s <= 70; s++)
        for (uint64_t packet : { 20, 22 })
            CHECK(accepts(s, packet));
    restart(exported());
    for (uint64_t s = 1; s <= 70; s++) {
        for (uint64_t packet : { 0, 20, 21, 22 })
            CHECK_FALSE(accepts(s, packet));
        CHECK(accepts(s, 30)); /* the transmitter goes on */
        CHECK(accepts(s, 23));
        CHECK_FALSE(accepts(s, 22));
    }
    CHECK(accepts(99, 1));
}

TEST(replay, an_import_adds_to_what_is_known_and_the_newer_mark_counts)
{
    CHECK(accepts(1, 50));
    CHECK(accepts(2, 50));
    const auto state = exported();
    CHECK(accepts(1, 60));
    CHECK(accepts(3, 7));
    LONGS_EQUAL(SREC_OK, srec_replay_import(r, &key, state.data(), state.size(), nullptr));
    CHECK_FALSE(accepts(1, 60)); /* newer than the import */
    CHECK(accepts(1, 55));       /* its window is still there .. */
    CHECK_FALSE(accepts(1, 49)); /* .. above the imported mark */
    CHECK_FALSE(accepts(2, 49));
    CHECK_FALSE(accepts(3, 7));
    CHECK(accepts(3, 6));
}

TEST(replay, a_mark_imported_for_a_session_with_a_window_outlives_the_window)
{
    CHECK(accepts(1, 100));
    const auto state = exported();
    for (bool evicted : { false, true }) {
        srec_replay_free(r);
        LONGS_EQUAL(SREC_OK, srec_replay_create(&r));
        CHECK(accepts(1, 10));
        LONGS_EQUAL(SREC_OK, srec_replay_import(r, &key, state.data(), state.size(), nullptr));
        for (uint64_t s = 2; evicted && s <= 80; s++)
            CHECK(accepts(s, 1));
        if (!evicted)
            restart(exported());
        CHECK_FALSE(accepts(1, 50));
        CHECK(accepts(1, 101));
    }
}

TEST(replay, when_the_marks_are_full_the_session_that_left_first_is_forgotten)
{
    const uint64_t all = SREC_REPLAY_MARKS + SREC_REPLAY_SESSIONS;
    for (uint64_t s = 1; s <= all + 2; s++)
        CHECK(accepts(s * 0x9e3779b97f4a7c15u, 1));
    for (uint64_t s : { (uint64_t)3, (uint64_t)4, all / 2, all, all + 2 })
        CHECK_FALSE(accepts(s * 0x9e3779b97f4a7c15u, 1));
    auto state = exported();
    LONGS_EQUAL(22 + 16 * all + 16, state.size());
    restart(state); /* keeps the newest marks */
    CHECK_FALSE(accepts((all + 2) * 0x9e3779b97f4a7c15u, 1));
    CHECK_FALSE(accepts(100 * 0x9e3779b97f4a7c15u, 1));
    CHECK(accepts(1 * 0x9e3779b97f4a7c15u, 1));
    CHECK(accepts(2 * 0x9e3779b97f4a7c15u, 1));
}

TEST(replay, a_damaged_or_foreign_state_is_refused_and_changes_nothing)
{
    CHECK(accepts(1, 50));
    const auto good = exported();
    srec_replay_free(r);
    LONGS_EQUAL(SREC_OK, srec_replay_create(&r));
    srec_error error;
    auto refused = [&](srec_status status, const char *words, std::vector<uint8_t> bytes, const srec_key &with) {
        LONGS_EQUAL(status, srec_replay_import(r, &with, bytes.data(), bytes.size(), &error));
        STRCMP_CONTAINS(words, error.message);
    };
    refused(SREC_ERR_AUTH, "another key", good, other_key);
    for (size_t length = 0; length < good.size(); length++) {
        const std::vector<uint8_t> cut(good.begin(), good.begin() + (long)length);
        CHECK(srec_replay_import(r, &key, cut.data(), cut.size(), &error) != SREC_OK);
    }
    for (size_t i = 0; i < 8 * good.size(); i++) {
        auto bad = good;
        bad[i / 8] ^= (uint8_t)(1 << i % 8);
        CHECK(srec_replay_import(r, &key, bad.data(), bad.size(), &error) != SREC_OK);
    }
    auto bad = good;
    bad[30] ^= 1; /* a mark */
    refused(SREC_ERR_CHECKSUM, "damaged", bad, key);
    bad = good;
    bad[8] = 2;
    refused(SREC_ERR_VERSION, "version 2", bad, key);
    bad = good;
    bad.push_back(0);
    refused(SREC_ERR_TRUNCATED, "length", bad, key);
    refused(SREC_ERR_FORMAT, "not a", std::vector<uint8_t>(100, 'x'), key);
    CHECK(accepts(1, 50)); /* nothing was imported */
}
