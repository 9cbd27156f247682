/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "../../lib/core/packet/ratemap.h"
}

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(ratemap){
    /* Encodes into exactly the room that srec_ratemap_bound() promises to be enough, decodes, compares. \return
     * bytes of the code */
    size_t round_trip(const std::vector<uint8_t> &map, unsigned n_steps){
        std::vector<uint8_t> code(srec_ratemap_bound(map.size())), back(map.size() + 1, 0xee);
size_t n = srec_ratemap_encode(map.data(), map.size(), n_steps, code.data(), code.size());
CHECK(n >= 1 && n <= code.size());
code.resize(n); /* reading past the end is for AddressSanitizer to see */
code.shrink_to_fit();
srec_status status = srec_ratemap_decode(code.data(), n, n_steps, back.data(), map.size());
if (status != SREC_OK) {
    char text[120];
    snprintf(text, sizeof text, "a map of %zu patches, first step %u of %u: refused", map.size(),
             map.empty() ? 0 : map[0], n_steps);
    FAIL(text);
}
LONGS_EQUAL(0xee, back.back());
back.pop_back();
CHECK(back == map);
return n;
}
}
;

TEST(ratemap, a_flat_map_of_any_step_and_1_to_4096_patches_comes_back)
{
    for (unsigned step : { 0u, 1u, 7u, 8u, 15u })
        for (size_t n = 1; n <= 4096; n++)
            round_trip(std::vector<uint8_t>(n, (uint8_t)step), 16);
}

TEST(ratemap, a_flat_map_is_short)
{
    for (unsigned step = 0; step < 16; step++)
        CHECK(round_trip(std::vector<uint8_t>(4096, (uint8_t)step), 16) <= 40);
}

TEST(ratemap, random_maps_of_1_to_4096_patches_and_1_to_16_steps_come_back)
{
    std::mt19937 random(20);
    for (size_t n = 1; n <= 4096; n++) {
        const unsigned n_steps = 1 + random() % 16, kind = random() % 3;
        std::vector<uint8_t> map(n);
        int level = (int)(n_steps / 2);
        for (auto &m : map) {
            level = std::min((int)n_steps - 1, std::max(0, level + (int)(random() % 3) - 1));
            m = (uint8_t)(kind == 0            ? random() % n_steps
                          : kind == 1          ? level
                          : random() % 50 == 0 ? random() % n_steps
                                               : 0);
        }
        round_trip(map, n_steps);
    }
}

/* Each step is the one seen least after the step before: nothing compresses, and the bound still holds. */
TEST(ratemap, maps_made_to_be_unlikely_stay_within_the_bound)
{
    for (unsigned n_steps : { 2u, 3u, 16u })
        for (size_t n : { (size_t)1, (size_t)20, (size_t)400, (size_t)4096 }) {
            std::vector<std::vector<unsigned>> seen(n_steps, std::vector<unsigned>(n_steps, 0));
            std::vector<uint8_t> map(n);
            unsigned before = n_steps / 2;
            for (auto &m : map) {
                auto &row = seen[before];
                unsigned best = 0;
                for (unsigned s = 0; s < n_steps; s++) { /* ties: the farthest, which starts with the smallest
                                                          * frequency */
                    auto distance = [&](unsigned t) { return t > before ? t - before : before - t; };
                    if (row[s] < row[best] || (row[s] == row[best] && distance(s) > distance(best)))
                        best = s;
                }
                row[best]++;
                m = (uint8_t)(before = best);
            }
            round_trip(map, n_steps);
        }
}

TEST(ratemap, damaged_or_cut_codes_give_some_map_within_the_ladder_or_an_error)
{
    std::mt19937 random(21);
    for (unsigned trial = 0; trial < 5000; trial++) {
        std::vector<uint8_t> code(random() % 40), map(random() % 500 + 1, 0xee);
        for (auto &c : code)
            c = (uint8_t)random();
        const unsigned n_steps = 1 + random() % 16;
        if (srec_ratemap_decode(code.data(), code.size(), n_steps, map.data(), map.size()) == SREC_OK)
            for (uint8_t m : map)
                CHECK(m < n_steps);
    }
}

TEST(ratemap, too_little_room_is_refused_and_nothing_is_written_beyond_it)
{
    std::mt19937 random(22);
    std::vector<uint8_t> map(300), whole(srec_ratemap_bound(300));
    for (auto &m : map)
        m = (uint8_t)(random() % 16);
    const size_t n = srec_ratemap_encode(map.data(), map.size(), 16, whole.data(), whole.size());
    for (size_t room : { (size_t)0, (size_t)1, (size_t)4, n / 2, n - 1 }) {
        std::vector<uint8_t> code(room + 1, 0xee);
        LONGS_EQUAL(0, srec_ratemap_encode(map.data(), map.size(), 16, code.data(), room));
        LONGS_EQUAL(0xee, code[room]);
    }
}
