/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/layer_packet.h>
#include <srec/layer_plan.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include <CppUTest/TestHarness.h>

TEST_GROUP(layer_plan)
{
    srec_error error{};
    srec_layer_plan plans[SREC_LAYERS_MAX]{};

    static srec_layers_request request(srec_modulation m, std::initializer_list<float> snr_db, double cbr)
    {
        srec_layers_request r{};
        r.format = { 768, 512, 3, (unsigned)snr_db.size() };
        r.modulation = m;
        unsigned i = 0;
        for (float s : snr_db)
            r.snr_db[i++] = s;
        r.margin_db = 0.5f;
        r.cbr = cbr;
        r.n_parity = SREC_LAYER_PARITY_AUTO;
        return r;
    }

    void plan(const srec_layers_request &r)
    {
        if (srec_layers_plan(&r, plans, &error) != SREC_OK)
            FAIL(error.message);
    }

    void refused(const srec_layers_request &r, const char *why)
    {
        LONGS_EQUAL(SREC_ERR_ARG, srec_layers_plan(&r, plans, &error));
        STRCMP_CONTAINS(why, error.message);
    }
};

TEST(layer_plan, thresholds_rise_with_rate_and_modulation)
{
    for (int m = SREC_BPSK; m <= SREC_256QAM; m++)
        for (double rate = 0.05; rate < 0.88; rate += 0.01) {
            CHECK(srec_layer_threshold_db((srec_modulation)m, rate) <
                  srec_layer_threshold_db((srec_modulation)m, rate + 0.005));
            if (m > SREC_BPSK)
                CHECK(srec_layer_threshold_db((srec_modulation)(m - 1), rate) <
                      srec_layer_threshold_db((srec_modulation)m, rate));
        }
    DOUBLES_EQUAL(1.35, srec_layer_threshold_db(SREC_QPSK, 0.5), 0.01);
    DOUBLES_EQUAL(-3.9, srec_layer_threshold_db(SREC_QPSK, 1.0 / 6), 0.1);
    CHECK(std::isnan(srec_layer_threshold_db(SREC_QPSK, 0.9)));
    CHECK(std::isnan(srec_layer_threshold_db(SREC_PAM256, 0.5)));
    CHECK(std::isnan(srec_layer_threshold_db(SREC_QPSK, 0)));
}

TEST(layer_plan, the_code_rate_is_the_inverse_of_the_threshold)
{
    for (int m = SREC_BPSK; m <= SREC_256QAM; m++)
        for (double rate = 0.1; rate < 0.88; rate += 0.03) {
            const float snr_db = srec_layer_threshold_db((srec_modulation)m, rate);
            DOUBLES_EQUAL(rate, srec_layer_code_rate((srec_modulation)m, snr_db), 1e-4);
        }
    DOUBLES_EQUAL(8.0 / 9, srec_layer_code_rate(SREC_QPSK, 50), 1e-9);
    DOUBLES_EQUAL(0.02, srec_layer_code_rate(SREC_QPSK, -50), 1e-9);
}

TEST(layer_plan, each_layer_gets_its_rate_and_its_share)
{
    auto r = request(SREC_QPSK, { 0, 4, 8 }, 0.4);
    plan(r);
    const double all = 0.4 * 3 * 768 * 512;
    for (unsigned i = 0; i < 3; i++) {
        CHECK(plans[i].threshold_db <= r.snr_db[i] + 0.01f);
        CHECK(!i || plans[i].code_rate > plans[i - 1].code_rate);
        DOUBLES_EQUAL(all / 3, (double)plans[i].n_symbols, 1);
    }
    DOUBLES_EQUAL(8.0 / 9, plans[2].code_rate, 1e-6); /* QPSK can use no more than about 7 dB */
    CHECK(plans[2].threshold_db < 7.2f);
    r.share[0] = 3;
    r.share[1] = 1;
    r.share[2] = 1;
    plan(r);
    DOUBLES_EQUAL(all * 0.6, (double)plans[0].n_symbols, 1);
    DOUBLES_EQUAL(all * 0.2, (double)plans[2].n_symbols, 1);
    r.rate_max = 2.0 / 3;
    plan(r);
    DOUBLES_EQUAL(2.0 / 3, plans[2].code_rate, 1e-6);
}

TEST(layer_plan, a_packet_has_16000_payload_symbols_or_a_sixteenth_of_its_layer)
{
    auto r = request(SREC_QPSK, { 4 }, 0.05); /* 58 982 symbols */
    plan(r);
    LONGS_EQUAL(3, plans[0].budget.n_data + plans[0].budget.n_parity);
    LONGS_EQUAL(0, plans[0].budget.n_parity);
    r.cbr = 0.5;
    plan(r);
    LONGS_EQUAL(15, plans[0].budget.n_data + plans[0].budget.n_parity);
    LONGS_EQUAL(1, plans[0].budget.n_parity); /* 1 for every 12 */
    r.frame_symbols = 4000;
    plan(r);
    LONGS_EQUAL(102, plans[0].budget.n_data + plans[0].budget.n_parity);
    LONGS_EQUAL(9, plans[0].budget.n_parity);
    r.n_parity = 0;
    plan(r);
    LONGS_EQUAL(0, plans[0].budget.n_parity);
    r.n_parity = 20;
    plan(r);
    LONGS_EQUAL(20, plans[0].budget.n_parity);
}

TEST(layer_plan, what_the_packets_take_stays_within_the_symbols)
{
    for (auto m : { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM })
        for (double cbr : { 0.02, 0.2, 3.0 })
            for (size_t frame_symbols : { 0u, 3000u }) {
                auto r = request(m, { 18 }, cbr);
                r.frame_symbols = frame_symbols;
                plan(r);
                const srec_layer_budget &b = plans[0].budget;
                const uint32_t n = b.n_data + b.n_parity;
                /* pieces of equal length, the worst for rounding */
                const size_t piece = b.bytes / n;
                size_t symbols = 0, used = 0;
                for (uint32_t i = 0; i < n; i++) {
                    const size_t bytes = i + 1 < n ? piece : b.bytes - used;
                    const size_t coded = srec_layer_packet_coded_bytes(bytes, plans[0].code_rate);
                    CHECK(srec_layer_packet_symbols(m, coded) > 0);
                    symbols += srec_layer_packet_symbols(m, coded);
                    used += bytes;
                }
                CHECK(symbols <= plans[0].n_symbols);
                CHECK((double)symbols > 0.985 * (double)plans[0].n_symbols);
                CHECK(
                    srec_layer_packet_symbols(m, srec_layer_packet_coded_bytes(b.piece_bytes_max, plans[0].code_rate)));
            }
}

TEST(layer_plan, impossible_requests_are_refused_with_the_number_at_fault)
{
    refused(request(SREC_PAM256, { 4 }, 0.2), "pam256");
    refused(request(SREC_QPSK, { -2, 4 }, 0.2), "-2 dB");
    refused(request(SREC_QPSK, { 4, 4 }, 0.2), "ascend");
    refused(request(SREC_QPSK, { 8, 4 }, 0.2), "ascend");
    refused(request(SREC_QPSK, { NAN }, 0.2), "nan");
    refused(request(SREC_QPSK, { 4 }, 0), "cbr of 0");
    refused(request(SREC_QPSK, { 4 }, NAN), "nan");
    auto r = request(SREC_QPSK, { 0, 4 }, 0.2);
    r.share[0] = -1;
    refused(r, "share of -1");
    r.share[0] = 0;
    r.margin_db = 40;
    refused(r, "margin of 40");
    r.margin_db = 0;
    for (double rate : { 1e-4, 0.019, -1.0 }) {
        r.rate_max = rate;
        refused(r, "code rate of");
    }
    r.format.n_layers = 9;
    refused(r, "9 layers");
}

TEST(layer_plan, a_cbr_below_the_least_is_refused_with_that_number_which_suffices)
{
    for (auto n_layers : { 1u, 3u })
        for (auto m : { SREC_BPSK, SREC_QPSK, SREC_256QAM }) {
            auto r = n_layers == 1 ? request(m, { 17 }, 1e-5) : request(m, { 12, 14, 17 }, 1e-5);
            LONGS_EQUAL(SREC_ERR_ARG, srec_layers_plan(&r, plans, &error));
            const char *number = strstr(error.message, "layers: ");
            CHECK(number != nullptr);
            r.cbr = std::atof(number + strlen("layers: "));
            CHECK(r.cbr > 1e-4 && r.cbr < 0.1);
            plan(r);
        }
}
