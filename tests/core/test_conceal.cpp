/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/srec.h>

extern "C" {
#include "codec/conceal.h"
}

#include <vector>

#include <CppUTest/TestHarness.h>

namespace
{

struct grid {
    size_t rows, cols;
    unsigned channels;
    std::vector<float> latent;
    std::vector<uint8_t> received;

    grid(size_t rows_, size_t cols_, std::vector<float> latent_, std::vector<uint8_t> received_)
        : rows(rows_), cols(cols_), channels((unsigned)(latent_.size() / (rows_ * cols_))), latent(std::move(latent_)),
          received(std::move(received_))
    {
    }
    bool conceal(const srec_compute &compute = {})
    {
        const srec_latent_grid g = { latent.data(), received.data(), rows, cols, channels };
        return srec_conceal(&g, &compute);
    }
    void expect(const std::vector<float> &expected) const
    {
        LONGS_EQUAL(expected.size(), latent.size());
        for (size_t i = 0; i < expected.size(); i++)
            if (latent[i] != expected[i])
                FAIL(StringFromFormat("latent %d is %.9g, not %.9g", (int)i, latent[i], expected[i]).asCharString());
    }
};

const float NOISE = 1e30f; /* what the networks made of a lost patch: must not matter */

} // namespace

TEST_GROUP(conceal){};

TEST(conceal, sides_weigh_two_and_corners_one)
{
    grid g(3, 3, { 1, 10, 2, 20, NOISE, 40, 4, 80, 8 }, { 1, 1, 1, 1, 0, 1, 1, 1, 1 });
    CHECK(g.conceal());
    g.expect({ 1, 10, 2, 20, 26.25f, 40, 4, 80, 8 }); /* (2 * (10 + 20 + 40 + 80) + 1 + 2 + 4 + 8) / 12 */
}

TEST(conceal, each_neighbour_counts_by_where_it_is)
{
    for (size_t neighbour = 0; neighbour < 9; neighbour++) {
        if (neighbour == 4)
            continue;
        std::vector<float> latent(9, 0.0f);
        latent[neighbour] = 12;
        grid g(3, 3, latent, { 1, 1, 1, 1, 0, 1, 1, 1, 1 });
        CHECK(g.conceal());
        DOUBLES_EQUAL(neighbour % 2 ? 2 : 1, g.latent[4], 0);
    }
}

TEST(conceal, the_border_has_fewer_neighbours_and_the_mean_is_over_those)
{
    grid g(2, 3, { NOISE, 6, 100, 3, 9, 100 }, { 0, 1, 1, 1, 1, 1 });
    CHECK(g.conceal());
    g.expect({ 5.4f, 6, 100, 3, 9, 100 }); /* (2 * 6 + 2 * 3 + 9) / 5; nothing wraps around */
}

TEST(conceal, lost_neighbours_of_the_same_ring_do_not_count)
{
    grid g(1, 5, { 8, NOISE, NOISE, NOISE, 16 }, { 1, 0, 0, 0, 1 });
    CHECK(g.conceal());
    g.expect({ 8, 8, 12, 16, 16 }); /* the rims first, then the middle from both */
}

TEST(conceal, a_wide_hole_is_filled_ring_by_ring)
{
    grid g(2, 4, { 2, NOISE, NOISE, NOISE, 4, NOISE, NOISE, NOISE }, { 1, 0, 0, 0, 1, 0, 0, 0 });
    CHECK(g.conceal());
    const float top = (2 * 2 + 4) / 3.0f, bottom = (2 * 4 + 2) / 3.0f;
    const float top2 = (2 * top + bottom) / 3.0f, bottom2 = (top + 2 * bottom) / 3.0f;
    const float top3 = (2 * top2 + bottom2) / 3.0f, bottom3 = (top2 + 2 * bottom2) / 3.0f;
    const std::vector<float> expected = { 2, top, top2, top3, 4, bottom, bottom2, bottom3 };
    for (size_t i = 0; i < expected.size(); i++)
        DOUBLES_EQUAL(expected[i], g.latent[i], 1e-6);
}

TEST(conceal, all_channels_are_concealed_alike)
{
    grid g(1, 3, { 1, -2, 0.5f, NOISE, NOISE, NOISE, 3, 4, 0.25f }, { 1, 0, 1 });
    CHECK(g.conceal());
    g.expect({ 1, -2, 0.5f, 2, 1, 0.375f, 3, 4, 0.25f });
}

TEST(conceal, received_stays_as_it_was_and_with_nothing_received_nothing_changes)
{
    grid g(1, 4, { 1, 2, 3, 4 }, { 0, 1, 0, 0 });
    CHECK(g.conceal());
    g.expect({ 2, 2, 2, 2 });
    CHECK(g.received == (std::vector<uint8_t>{ 0, 1, 0, 0 }));
    grid none(2, 2, { 1, 2, 3, 4 }, { 0, 0, 0, 0 });
    CHECK(none.conceal());
    none.expect({ 1, 2, 3, 4 });
}

TEST(conceal, holes_beyond_the_last_ring_keep_their_latents)
{
    std::vector<float> latent(300, 7.0f);
    std::vector<uint8_t> received(300, 0);
    latent[0] = 5;
    received[0] = 1;
    grid g(1, 300, latent, received);
    CHECK(g.conceal());
    for (size_t i = 0; i < 300; i++)
        DOUBLES_EQUAL(i <= SREC_CONCEAL_RINGS ? 5 : 7, g.latent[i], 0);
}

TEST(conceal, it_stops_when_asked_to_and_can_be_run_again)
{
    grid g(3, 1, { 4, NOISE, NOISE }, { 1, 0, 0 });
    int left = 4; /* rows; one of the second ring */
    srec_compute compute{};
    compute.cancelled = [](void *context) { return --*(int *)context < 0; };
    compute.cancelled_context = &left;
    CHECK_FALSE(g.conceal(compute));
    CHECK(g.received == (std::vector<uint8_t>{ 1, 0, 0 }));
    CHECK(g.conceal());
    g.expect({ 4, 4, 4 });
}
