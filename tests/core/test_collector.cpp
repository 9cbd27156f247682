/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/collector.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace
{

struct body {
    std::set<uint64_t> packets;
};

unsigned released = 0;

void release(void *b)
{
    released++;
    delete (body *)b;
}

/* An image delivered, as text: "session/number reason packets of span". */
std::string text_of(uint64_t session, uint32_t picture, srec_reason reason, size_t came, uint32_t span)
{
    return std::to_string(session) + "/" + std::to_string(picture) + " " + srec_reason_name(reason) + " " +
           std::to_string(came) + " of " + std::to_string(span);
}

/* Stands for a decoder: keeps packet numbers, writes down what is delivered. */
struct receiver {
    srec_collector *c = nullptr;
    srec_error error{};
    std::vector<std::string> out;
    std::map<void *, uint32_t> spans;
    bool in_parts = false; /* images have several parts, and are never complete */

    explicit receiver(const srec_collector_limits &limits)
    {
        if (srec_collector_create(&limits, release, &c, &error) != SREC_OK)
            FAIL(error.message);
    }
    ~receiver() { srec_collector_free(c); }
    receiver(const receiver &) = delete;
    receiver &operator=(const receiver &) = delete;

    void deliver()
    {
        srec_reason reason;
        while (srec_open_picture *p = srec_collector_due(c, &reason)) {
            const body *b = (const body *)p->body;
            out.push_back(text_of(p->session, p->picture, reason, b->packets.size(), spans[p->body]));
            srec_collector_close(c, p);
        }
    }

    srec_status packet(uint64_t session, uint32_t picture, uint64_t number, uint32_t span, double now = 0,
                       size_t bytes_each = 1)
    {
        const srec_collector_packet_id id = { session, number, picture, span, 0 };
        return offer(id, now, bytes_each);
    }

    srec_status offer(const srec_collector_packet_id &id, double now = 0, size_t bytes_each = 1, bool suffices = false)
    {
        const auto [session, number, picture, span, part] = id;
        srec_open_picture *p;
        const srec_status status = srec_collector_packet(c, &id, now, &p, &error);
        if (status != SREC_OK)
            return status;
        LONGS_EQUAL(session, p->session);
        LONGS_EQUAL(picture, p->picture);
        if (!p->body)
            spans[p->body = new body] = span;
        body *b = (body *)p->body;
        b->packets.insert(number);
        if (suffices)
            srec_collector_suffices(c, p);
        srec_collector_stored(c, p, b->packets.size() * bytes_each, !in_parts && b->packets.size() == span);
        deliver();
        return SREC_OK;
    }

    /* Packets from..to-1 of an image that takes `span` numbers from `span * picture` on. */
    void run(uint64_t session, uint32_t picture, uint32_t span, uint32_t from, uint32_t to, double now = 0)
    {
        for (uint32_t i = from; i < to; i++)
            packet(session, picture, (uint64_t)span * picture + i, span, now);
    }

    void expire(double now)
    {
        srec_collector_expire(c, now);
        deliver();
    }

    void end()
    {
        srec_collector_end(c);
        deliver();
    }

    uint64_t late() const
    {
        srec_collector_counters counters;
        srec_collector_get_counters(c, &counters);
        return counters.late;
    }

    void expect(const std::vector<std::string> &expected)
    {
        std::string got, want;
        for (const auto &line : out)
            got += line + "\n";
        for (const auto &line : expected)
            want += line + "\n";
        STRCMP_EQUAL(want.c_str(), got.c_str());
    }
};

srec_collector_limits never()
{
    srec_collector_limits limits{};
    limits.timeout_s = INFINITY;
    return limits;
}

} // namespace

TEST_GROUP(collector){};

TEST(collector, stations_that_take_turns_get_whole_pictures)
{
    receiver r(never());
    for (uint32_t i = 0; i < 5; i++)
        for (uint64_t session : { 11, 22, 33 })
            r.packet(session, 0, i, 5);
    r.expect({ "11/0 complete 5 of 5", "22/0 complete 5 of 5", "33/0 complete 5 of 5" });
}

TEST(collector, packets_of_a_picture_in_any_order_make_it_whole)
{
    receiver r(never());
    for (uint64_t number : { 104, 100, 103, 101, 102 })
        r.packet(1, 0, number, 5);
    r.expect({ "1/0 complete 5 of 5" });
}

TEST(collector, a_late_packet_completes_the_picture_that_waits_for_it)
{
    receiver r(never());
    r.run(1, 0, 20, 0, 7);
    r.run(1, 0, 20, 8, 20);
    r.run(1, 1, 20, 0, 15);
    LONGS_EQUAL(0, r.out.size());
    r.run(1, 0, 20, 7, 8);
    r.run(1, 1, 20, 15, 20);
    r.expect({ "1/0 complete 20 of 20", "1/1 complete 20 of 20" });
}

TEST(collector, an_old_packet_of_another_session_leaves_the_picture_whole)
{
    receiver r(never());
    r.run(1, 0, 9, 0, 4);
    r.packet(7, 3, 31, 9);
    r.run(1, 0, 9, 4, 9);
    r.end();
    r.expect({ "1/0 complete 9 of 9", "7/3 end 1 of 9" });
}

TEST(collector, packets_of_a_picture_given_out_are_refused_and_counted)
{
    receiver r(never());
    r.run(5, 0, 3, 0, 3);
    LONGS_EQUAL(SREC_ERR_LATE, r.packet(5, 0, 1, 3));
    STRCMP_CONTAINS("image 0", r.error.message);
    LONGS_EQUAL(SREC_ERR_LATE, r.packet(5, 0, 2, 3));
    LONGS_EQUAL(2, r.late());
    r.end();
    r.expect({ "5/0 complete 3 of 3" });
}

TEST(collector, the_memory_of_pictures_given_out_is_bounded)
{
    srec_collector_limits limits = never();
    limits.max_remembered = 4;
    receiver r(limits);
    for (uint32_t picture = 0; picture < 6; picture++)
        r.run(1, picture, 2, 0, 2);
    for (uint32_t picture = 2; picture < 6; picture++)
        LONGS_EQUAL(SREC_ERR_LATE, r.packet(1, picture, 2 * picture, 2));
    LONGS_EQUAL(SREC_OK, r.packet(1, 1, 2, 2));
    LONGS_EQUAL(4, r.late());
}

TEST(collector, a_lost_packet_delays_its_picture_until_the_next_is_complete_and_no_other)
{
    receiver r(never()); /* video: five images of 3 packets, the last packet of two of them lost */
    r.run(1, 0, 3, 0, 3);
    LONGS_EQUAL(1, r.out.size());
    r.run(1, 1, 3, 0, 2);
    LONGS_EQUAL(1, r.out.size());
    r.run(1, 2, 3, 0, 3);
    r.expect({ "1/0 complete 3 of 3", "1/1 later 2 of 3", "1/2 complete 3 of 3" });
    r.run(1, 3, 3, 0, 2);
    r.run(1, 4, 3, 0, 3);
    r.expect({ "1/0 complete 3 of 3", "1/1 later 2 of 3", "1/2 complete 3 of 3", "1/3 later 2 of 3",
               "1/4 complete 3 of 3" });
}

TEST(collector, with_one_later_packet_the_next_picture_gives_out_the_incomplete_one_at_once)
{
    srec_collector_limits limits = never();
    limits.later_packets = 1;
    receiver r(limits);
    r.run(1, 0, 30, 0, 29);
    LONGS_EQUAL(0, r.out.size());
    r.run(1, 1, 30, 0, 1);
    r.expect({ "1/0 later 29 of 30" });
}

TEST(collector, an_incomplete_picture_waits_for_as_many_later_packets_as_the_limit_says)
{
    srec_collector_limits limits = never();
    limits.later_packets = 7;
    receiver r(limits);
    r.run(1, 0, 50, 0, 49);
    r.run(1, 1, 50, 0, 6);
    LONGS_EQUAL(0, r.out.size());
    r.run(1, 1, 50, 6, 7);
    r.expect({ "1/0 later 49 of 50" });
    LONGS_EQUAL(SREC_ERR_LATE, r.packet(1, 0, 49, 50));
    LONGS_EQUAL(16, [] { /* the default */
                         receiver d(never());
                         d.run(1, 0, 50, 0, 49);
                         uint32_t n = 0;
                         for (; d.out.empty() && n < 50; n++)
                             d.run(1, 1, 50, n, n + 1);
                         return n;
    }());
}

TEST(collector, a_packet_of_its_own_keeps_an_incomplete_picture_open)
{
    srec_collector_limits limits = never();
    limits.later_packets = 4;
    receiver r(limits);
    r.run(1, 0, 9, 0, 5);
    r.run(1, 1, 9, 0, 3);
    r.run(1, 0, 9, 5, 6);
    r.run(1, 1, 9, 3, 6);
    LONGS_EQUAL(0, r.out.size());
    r.run(1, 1, 9, 6, 7);
    r.expect({ "1/0 later 6 of 9" });
}

TEST(collector, without_a_timeout_a_partial_picture_is_given_out_when_two_later_ones_have_begun)
{
    receiver r(never()); /* a recording: every image lost its last packet */
    for (uint32_t picture = 0; picture < 4; picture++)
        r.run(1, picture, 5, 0, 4);
    r.expect({ "1/0 later 4 of 5", "1/1 later 4 of 5" });
    r.end();
    r.expect({ "1/0 later 4 of 5", "1/1 later 4 of 5", "1/2 end 4 of 5", "1/3 end 4 of 5" });
}

TEST(collector, other_sessions_do_not_give_out_an_incomplete_picture)
{
    receiver r(never());
    r.run(1, 0, 6, 0, 5);
    for (uint32_t picture = 0; picture < 20; picture++)
        r.run(2, picture, 6, 0, 6);
    LONGS_EQUAL(20, r.out.size());
    r.run(1, 0, 6, 5, 6);
    STRCMP_EQUAL("1/0 complete 6 of 6", r.out.back().c_str());
}

TEST(collector, each_picture_has_a_timeout_of_its_own)
{
    srec_collector_limits limits{};
    limits.timeout_s = 3;
    receiver r(limits);
    r.run(1, 0, 4, 0, 2, 10.0);
    r.run(2, 0, 4, 0, 3, 11.5);
    r.expire(12.9);
    LONGS_EQUAL(0, r.out.size());
    r.expire(13.0);
    r.expect({ "1/0 timeout 2 of 4" });
    r.packet(2, 0, 3, 4, 13.5);
    r.expect({ "1/0 timeout 2 of 4", "2/0 complete 4 of 4" });
    r.expire(1e9);
    LONGS_EQUAL(2, r.out.size());
}

TEST(collector, packets_alone_let_no_time_pass)
{
    srec_collector_limits limits{};
    limits.timeout_s = 1;
    receiver r(limits); /* the decoder was busy for a minute: what waited is not late */
    r.run(1, 0, 4, 0, 2, 0.0);
    r.run(2, 0, 4, 0, 4, 60.0);
    r.run(1, 0, 4, 2, 4, 60.0);
    r.expect({ "2/0 complete 4 of 4", "1/0 complete 4 of 4" });
}

TEST(collector, beyond_the_limit_the_picture_without_a_packet_for_longest_is_given_out)
{
    srec_collector_limits limits = never();
    limits.max_open = 3;
    receiver r(limits);
    for (uint64_t session : { 1, 2, 3 })
        r.run(session, 0, 9, 0, 2);
    r.run(1, 0, 9, 2, 3); /* now 2 is the least recent */
    LONGS_EQUAL(0, r.out.size());
    r.run(4, 0, 9, 0, 1);
    r.expect({ "2/0 room 2 of 9" });
    r.run(5, 0, 9, 0, 1);
    r.expect({ "2/0 room 2 of 9", "3/0 room 2 of 9" });
    r.end();
    r.expect({ "2/0 room 2 of 9", "3/0 room 2 of 9", "1/0 end 3 of 9", "4/0 end 1 of 9", "5/0 end 1 of 9" });
}

TEST(collector, a_picture_in_reception_survives_a_flood_of_fragments)
{
    receiver r(never());
    for (uint32_t i = 0; i < 40; i++) {
        r.packet(1, 0, i, 40);
        for (uint64_t k = 0; k < 7; k++) /* 7 others and this one: the default limit */
            r.packet(1000 + 7 * i + k, 0, 0, 100);
    }
    CHECK(std::find(r.out.begin(), r.out.end(), "1/0 complete 40 of 40") != r.out.end());
    for (const auto &line : r.out)
        CHECK(line.find("room 1 of 100") != std::string::npos || line == "1/0 complete 40 of 40");
}

TEST(collector, bodies_never_hold_more_than_the_limit_of_bytes)
{
    srec_collector_limits limits = never();
    limits.max_bytes = 1000;
    receiver r(limits);
    r.packet(1, 0, 0, 9, 0, 400);
    r.packet(2, 0, 0, 9, 0, 400);
    LONGS_EQUAL(0, r.out.size());
    r.packet(3, 0, 0, 9, 0, 400);
    r.expect({ "1/0 room 1 of 9" });
    r.packet(2, 0, 1, 9, 0, 400);
    r.expect({ "1/0 room 1 of 9", "3/0 room 1 of 9" });
    r.packet(2, 0, 2, 9, 0, 400); /* too much even alone */
    r.expect({ "1/0 room 1 of 9", "3/0 room 1 of 9", "2/0 room 3 of 9" });
}

TEST(collector, a_sender_that_restarts_its_picture_numbers_is_not_late)
{
    receiver r(never());
    r.packet(1, 0, 0, 2);
    r.packet(1, 0, 1, 2);
    r.packet(1, 0, 2, 2); /* number 0 again, with the next packets of the session */
    r.packet(1, 0, 3, 2);
    r.packet(1, 0, 4, 2); /* and again, incomplete */
    r.packet(1, 0, 6, 2);
    r.packet(1, 0, 7, 2);
    r.expect({ "1/0 complete 2 of 2", "1/0 complete 2 of 2", "1/0 later 1 of 2", "1/0 complete 2 of 2" });
    LONGS_EQUAL(0, r.late());
}

TEST(collector, the_end_gives_out_all_that_is_open_in_order)
{
    receiver r(never());
    r.run(9, 4, 5, 0, 3);
    r.run(3, 1, 5, 0, 2);
    r.run(9, 3, 5, 0, 4); /* opened later, sent earlier */
    r.end();
    r.expect({ "9/3 end 4 of 5", "9/4 end 3 of 5", "3/1 end 2 of 5" });
}

TEST(collector, after_the_end_another_stream_may_use_the_same_numbers)
{
    receiver r(never());
    for (int stream = 0; stream < 3; stream++) {
        r.run(1, 0, 3, 0, 3);
        r.run(1, 1, 3, 0, 2);
        r.end();
        LONGS_EQUAL(2 * (stream + 1), r.out.size());
    }
    r.end();
    LONGS_EQUAL(6, r.out.size());
    LONGS_EQUAL(0, r.late());
}

TEST(collector, the_latest_picture_is_the_one_whose_packet_came_last)
{
    receiver r(never());
    CHECK(srec_collector_latest(r.c) == nullptr);
    r.run(1, 0, 5, 0, 2);
    r.run(2, 0, 5, 0, 1);
    LONGS_EQUAL(2, srec_collector_latest(r.c)->session);
    r.run(1, 0, 5, 2, 3);
    LONGS_EQUAL(1, srec_collector_latest(r.c)->session);
    r.run(1, 0, 5, 3, 5);
    LONGS_EQUAL(2, srec_collector_latest(r.c)->session);
}

TEST(collector, every_body_is_released_once)
{
    released = 0;
    {
        receiver r(never());
        r.run(1, 0, 3, 0, 3);
        r.run(2, 0, 3, 0, 1);
        LONGS_EQUAL(1, released);
    }
    LONGS_EQUAL(2, released);
}

TEST(collector, counters_say_why_pictures_were_given_out)
{
    srec_collector_limits limits{};
    limits.max_open = 1;
    receiver r(limits);
    r.run(1, 0, 3, 0, 3);
    r.run(2, 0, 3, 0, 1);
    r.run(3, 0, 3, 0, 1);
    r.expire(100);
    r.run(4, 0, 3, 0, 1);
    r.end();
    srec_collector_counters c;
    srec_collector_get_counters(r.c, &c);
    LONGS_EQUAL(4, c.opened);
    for (srec_reason reason : { SREC_REASON_COMPLETE, SREC_REASON_ROOM, SREC_REASON_TIMEOUT, SREC_REASON_END })
        LONGS_EQUAL(1, c.delivered[reason]);
    LONGS_EQUAL(0, c.delivered[SREC_REASON_LATER]);
}

TEST(collector, limits_and_packets_out_of_range_are_refused)
{
    srec_collector *c;
    srec_error error;
    for (double timeout : { -1.0, (double)NAN, -(double)INFINITY }) {
        srec_collector_limits limits{};
        limits.timeout_s = timeout;
        LONGS_EQUAL(SREC_ERR_ARG, srec_collector_create(&limits, nullptr, &c, &error));
        STRCMP_CONTAINS("timeout", error.message);
    }
    srec_collector_limits limits{};
    limits.max_open = 1025;
    LONGS_EQUAL(SREC_ERR_ARG, srec_collector_create(&limits, nullptr, &c, &error));
    limits.max_open = 0;
    limits.max_remembered = (1 << 20) + 1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_collector_create(&limits, nullptr, &c, &error));
    CHECK(c == nullptr);
    LONGS_EQUAL(SREC_ERR_ARG, srec_collector_create(nullptr, nullptr, nullptr, &error));

    LONGS_EQUAL(SREC_OK, srec_collector_create(nullptr, nullptr, &c, &error));
    srec_open_picture *p;
    srec_collector_packet_id id = { 1, 0, 0, 0, 0 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_collector_packet(c, &id, 0, &p, &error));
    id.span = 1;
    LONGS_EQUAL(SREC_OK, srec_collector_packet(c, &id, 0, &p, &error));
    srec_collector_close(c, p); /* not due: stays */
    POINTERS_EQUAL(p, srec_collector_latest(c));
    for (uint32_t i = 1; i < 9; i++) {
        id.session = i + 1;
        LONGS_EQUAL(SREC_OK, srec_collector_packet(c, &id, 0, &p, &error));
    }
    id.session = 10; /* the image that is due was not closed */
    LONGS_EQUAL(SREC_ERR_ARG, srec_collector_packet(c, &id, 0, &p, &error));
    STRCMP_CONTAINS("due", error.message);
    srec_collector_free(c);
    srec_collector_free(nullptr);
    CHECK(srec_collector_due(nullptr, nullptr) == nullptr);
}

TEST(collector, no_packet_is_ever_lost_or_given_out_twice)
{
    const unsigned seed = 20;
    std::mt19937 random(seed); /* fixed: the same storm each time */
    srec_collector_limits limits{};
    limits.max_open = 4;
    limits.max_bytes = 60;
    limits.max_remembered = 100000;
    receiver r(limits);
    uint64_t refused = 0, stored = 0;
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t session = random() % 3;
        const uint32_t picture = i / 500 + random() % 3, part = random() % 12;
        const srec_status status = r.packet(session, picture, 12 * picture + part, 12, 0.001 * i);
        refused += status == SREC_ERR_LATE;
        stored += status == SREC_OK;
        if (random() % 100 == 0)
            r.expire(0.001 * i);
    }
    r.end();
    LONGS_EQUAL(20000, refused + stored);
    LONGS_EQUAL(refused, r.late());
    std::set<std::string> pictures;
    for (const auto &line : r.out)
        CHECK(pictures.insert(line.substr(0, line.find(' '))).second);
    CHECK(pictures.size() > 100);
}

/* Layers: parts with spans of their own. Of each image there are 3 packets of part 0, then 5 of part 1, then 2. */
static srec_collector_packet_id of_part(uint64_t start, uint32_t picture, unsigned part, uint32_t index)
{
    static const uint32_t spans[] = { 3, 5, 2 }, before[] = { 0, 3, 8 };
    return { 1, start + before[part] + index, picture, spans[part], part };
}

TEST(collector, parts_of_unknown_length_join_their_image_in_any_order)
{
    receiver r(never());
    r.in_parts = true;
    const std::vector<std::pair<unsigned, uint32_t>> order = { { 1, 4 }, { 2, 1 }, { 0, 0 },
                                                               { 0, 2 }, { 1, 0 }, { 2, 0 } };
    for (auto [part, index] : order)
        LONGS_EQUAL(SREC_OK, r.offer(of_part(100, 7, part, index)));
    LONGS_EQUAL(0, r.out.size());
    r.end();
    r.expect({ "1/7 end 6 of 5" }); /* the span of the part that came first */
}

TEST(collector, a_sender_that_restarts_its_numbers_begins_another_image_though_a_part_never_came)
{
    auto limits = never();
    limits.later_packets = 1;
    receiver r(limits);
    r.in_parts = true;
    for (uint64_t start : { 0u, 10u, 20u }) /* the same image number; part 2 does not reach this receiver */
        for (unsigned part : { 0u, 1u })
            LONGS_EQUAL(SREC_OK, r.offer(of_part(start, 0, part, 1)));
    r.expect({ "1/0 later 2 of 3", "1/0 later 2 of 3" });
    LONGS_EQUAL(SREC_ERR_LATE, r.offer(of_part(10, 0, 1, 2)));
    LONGS_EQUAL(1, r.late());
}

TEST(collector, an_image_that_suffices_waits_for_a_later_packet_and_is_complete_then)
{
    receiver r(never());
    r.in_parts = true;
    r.offer(of_part(0, 0, 0, 0), 0, 1, true);
    LONGS_EQUAL(0, r.out.size());
    r.offer(of_part(0, 0, 1, 0));
    LONGS_EQUAL(0, r.out.size());
    r.offer(of_part(10, 1, 0, 0));
    r.expect({ "1/0 complete 2 of 3" });
}

TEST(collector, a_part_out_of_range_is_refused)
{
    receiver r(never());
    const srec_collector_packet_id id = { 1, 0, 0, 1, SREC_COLLECTOR_PARTS_MAX };
    LONGS_EQUAL(SREC_ERR_ARG, r.offer(id));
}
