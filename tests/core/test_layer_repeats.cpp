/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/layer_packet.h>

extern "C" {
#include "../../lib/core/packet/layer_repeats.h"
}

#include <vector>

#include <CppUTest/TestHarness.h>

TEST_GROUP(layer_repeats)
{
    srec_layer_repeats *repeats = nullptr;
    srec_ldpc_code code{};
    std::vector<int8_t> llr;
    srec_ldpc_transmission found[SREC_LAYER_REPEATS_KEPT];

    void setup() override
    {
        LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(500, 1000, &code));
        llr.assign(code.coded_bits, 1);
        create(1u << 20);
    }

    void teardown() override { srec_layer_repeats_free(repeats); }

    void create(size_t bytes_max)
    {
        srec_layer_repeats_free(repeats);
        LONGS_EQUAL(SREC_OK, srec_layer_repeats_create(bytes_max, &repeats));
    }

    void add(uint64_t session, uint64_t origin, uint64_t packet, unsigned version)
    {
        const srec_layer_payload p = { session, origin, &code };
        llr[0] = (int8_t)version;
        const srec_ldpc_transmission t = { llr.data(), version };
        srec_layer_repeats_add(repeats, &p, packet, &t);
    }

    unsigned find(uint64_t session, uint64_t origin)
    {
        const srec_layer_payload p = { session, origin, &code };
        return srec_layer_repeats_find(repeats, &p, found);
    }
};

TEST(layer_repeats, transmissions_are_found_by_session_and_origin_the_oldest_first)
{
    add(1, 10, 10, 0);
    add(2, 10, 10, 0);
    add(1, 10, 12, 1);
    LONGS_EQUAL(2, find(1, 10));
    for (unsigned i = 0; i < 2; i++) {
        LONGS_EQUAL(i, found[i].redundancy_version);
        LONGS_EQUAL(i, found[i].llr[0]);
        LONGS_EQUAL(1, found[i].llr[code.coded_bits - 1]);
    }
    LONGS_EQUAL(1, find(2, 10));
    LONGS_EQUAL(0, find(1, 11));
}

TEST(layer_repeats, the_oldest_transmission_of_an_origin_gives_way)
{
    for (unsigned v = 0; v < 10; v++)
        add(1, 0, v, v);
    LONGS_EQUAL(SREC_LAYER_REPEATS_KEPT, find(1, 0));
    LONGS_EQUAL(3, found[0].redundancy_version);
    LONGS_EQUAL(9, found[SREC_LAYER_REPEATS_KEPT - 1].redundancy_version);
    LONGS_EQUAL(SREC_LAYER_REPEATS_KEPT * code.coded_bits, srec_layer_repeats_bytes(repeats));
}

TEST(layer_repeats, the_memory_stays_within_its_bound_and_least_recently_used_origins_go_first)
{
    create(10 * code.coded_bits);
    for (unsigned origin = 0; origin < 10; origin++)
        add(1, origin, origin, 0);
    add(1, 0, 10, 1); /* origin 1 is the one that was not used for longest now */
    LONGS_EQUAL(10 * code.coded_bits, srec_layer_repeats_bytes(repeats));
    LONGS_EQUAL(2, find(1, 0));
    LONGS_EQUAL(0, find(1, 1));
    LONGS_EQUAL(1, find(1, 2));
}

TEST(layer_repeats, a_transmission_that_exceeds_the_memory_is_not_kept)
{
    create(code.coded_bits - 1);
    add(1, 0, 0, 0);
    LONGS_EQUAL(0, find(1, 0));
    LONGS_EQUAL(0, srec_layer_repeats_bytes(repeats));
}

TEST(layer_repeats, the_number_of_origins_is_bounded)
{
    create(64u << 20);
    for (unsigned origin = 0; origin < SREC_LAYER_ORIGINS_MAX + 5; origin++)
        add(origin, 7, 7, 0);
    LONGS_EQUAL(SREC_LAYER_ORIGINS_MAX * code.coded_bits, srec_layer_repeats_bytes(repeats));
    LONGS_EQUAL(0, find(4, 7));
    LONGS_EQUAL(1, find(5, 7));
}

TEST(layer_repeats, origins_that_no_packet_may_repeat_any_more_are_dropped)
{
    add(1, 0, 0, 0);
    add(2, 0, 0, 0);
    add(1, SREC_LAYER_ORIGIN_AGE_MAX, SREC_LAYER_ORIGIN_AGE_MAX, 0);
    LONGS_EQUAL(1, find(1, 0));
    add(1, SREC_LAYER_ORIGIN_AGE_MAX + 1, SREC_LAYER_ORIGIN_AGE_MAX + 1, 0);
    LONGS_EQUAL(0, find(1, 0));
    LONGS_EQUAL(1, find(2, 0));
}

TEST(layer_repeats, a_delivered_payload_is_forgotten)
{
    const srec_layer_payload p = { 1, 0, &code };
    add(1, 0, 0, 0);
    srec_layer_repeats_forget(repeats, &p);
    LONGS_EQUAL(0, find(1, 0));
    LONGS_EQUAL(0, srec_layer_repeats_bytes(repeats));
}

TEST(layer_repeats, transmissions_of_another_code_do_not_mix)
{
    add(1, 0, 0, 0);
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(400, 1000, &code));
    LONGS_EQUAL(0, find(1, 0));
    add(1, 0, 1, 1);
    LONGS_EQUAL(1, find(1, 0));
    LONGS_EQUAL(code.coded_bits, srec_layer_repeats_bytes(repeats));
}
