/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "../../lib/core/fec/ldpc_graph.h"
#include <srec/channel.h>
#include <srec/modem.h>
}

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace
{

/* Es/N0 in dB at which 1 block of 100 fails, blocks of 8448 information bits, 20 iterations. */
struct threshold {
    srec_modulation modulation;
    double rate;
    float snr_db;
};
const threshold thresholds[] = {
    { SREC_QPSK, 1.0 / 3, -1.1f },  { SREC_QPSK, 1.0 / 2, 1.15f },   { SREC_QPSK, 2.0 / 3, 3.15f },
    { SREC_QPSK, 3.0 / 4, 4.15f },  { SREC_QPSK, 5.0 / 6, 5.3f },    { SREC_QPSK, 8.0 / 9, 6.25f },
    { SREC_16QAM, 1.0 / 2, 6.6f },  { SREC_16QAM, 3.0 / 4, 10.3f },  { SREC_64QAM, 1.0 / 2, 11.1f },
    { SREC_64QAM, 3.0 / 4, 15.5f }, { SREC_256QAM, 1.0 / 2, 15.2f }, { SREC_256QAM, 3.0 / 4, 20.6f },
};
const size_t BLOCK_BYTES = 1056; /* 8448 bits */

size_t coded_for(size_t info_bytes, double rate) { return (size_t)std::ceil((double)info_bytes / rate - 1e-9); }

} // namespace

TEST_GROUP(ldpc)
{
    std::mt19937 random{ 40 };
    srec_ldpc_encoder *encoder = nullptr;
    srec_ldpc_decoder *decoder = nullptr;
    srec_ldpc_decoder *reference = nullptr;

    void setup() override
    {
        const srec_ldpc_options slow = { 20, SREC_LDPC_ATTEMPTS_MAX, 1 };
        LONGS_EQUAL(SREC_OK, srec_ldpc_encoder_create(&encoder, nullptr));
        LONGS_EQUAL(SREC_OK, srec_ldpc_decoder_create(nullptr, &decoder, nullptr));
        LONGS_EQUAL(SREC_OK, srec_ldpc_decoder_create(&slow, &reference, nullptr));
    }

    void teardown() override
    {
        srec_ldpc_encoder_free(encoder);
        srec_ldpc_decoder_free(decoder);
        srec_ldpc_decoder_free(reference);
    }

    std::vector<uint8_t> random_bytes(size_t n)
    {
        std::vector<uint8_t> bytes(n);
        for (auto &b : bytes)
            b = (uint8_t)random();
        return bytes;
    }

    std::vector<uint8_t> encode(const srec_ldpc_code &code, const std::vector<uint8_t> &info, unsigned version = 0)
    {
        std::vector<uint8_t> bits(code.coded_bits, 0xee);
        LONGS_EQUAL(SREC_OK, srec_ldpc_encode(encoder, &code, version, info.data(), bits.data()));
        for (auto b : bits)
            CHECK(b <= 1);
        return bits;
    }

    /* Clean LLRs of coded bits. */
    static std::vector<int8_t> certain(const std::vector<uint8_t> &bits, int8_t llr = SREC_LDPC_LLR_LIMIT)
    {
        std::vector<int8_t> out(bits.size());
        for (size_t i = 0; i < bits.size(); i++)
            out[i] = (int8_t)(bits[i] ? -llr : llr);
        return out;
    }

    /* The coded bits over one modulation and white noise, with the product's own LLRs. */
    std::vector<int8_t> received(const std::vector<uint8_t> &bits, srec_modulation m, float snr_db)
    {
        const size_t granule = srec_modem_byte_granule(m);
        std::vector<uint8_t> bytes((bits.size() / 8 + granule) / granule * granule, 0);
        for (size_t i = 0; i < bits.size(); i++)
            bytes[i / 8] = (uint8_t)(bytes[i / 8] | bits[i] << (7 - i % 8));
        const size_t symbols = srec_modem_symbols(m, bytes.size());
        std::vector<float> iq(2 * symbols), soft(8 * bytes.size());
        LONGS_EQUAL(SREC_OK, srec_modem_map(m, bytes.data(), bytes.size(), iq.data()));
        srec_channel *channel;
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, random(), 1, &channel, nullptr));
        srec_channel_apply(channel, iq.data(), iq.data(), nullptr, symbols);
        srec_channel_free(channel);
        LONGS_EQUAL(SREC_OK,
                    srec_modem_demap(m, iq.data(), nullptr, std::pow(10.0f, -0.1f * snr_db), symbols, soft.data()));
        std::vector<int8_t> llr(bits.size());
        srec_ldpc_quantise(soft.data(), llr.size(), llr.data());
        return llr;
    }

    std::vector<uint8_t> decode(const srec_ldpc_code &code, const std::vector<int8_t> &llr, srec_ldpc_result *result,
                                srec_ldpc_decoder *d)
    {
        const srec_ldpc_transmission one = { llr.data(), 0 };
        std::vector<uint8_t> info(code.info_bytes, 0xee);
        const srec_status status = srec_ldpc_decode(d, &code, &one, 1, info.data(), result);
        LONGS_EQUAL(result->blocks_failed ? SREC_ERR_CHECKSUM : SREC_OK, status);
        return info;
    }

    /* \return blocks of n that were not decoded */
    unsigned lost(const threshold &t, float snr_db, unsigned n)
    {
        srec_ldpc_code code;
        LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(BLOCK_BYTES, coded_for(BLOCK_BYTES, t.rate), &code));
        unsigned failures = 0;
        for (unsigned i = 0; i < n; i++) {
            const auto info = random_bytes(BLOCK_BYTES);
            srec_ldpc_result result;
            failures += decode(code, received(encode(code, info), t.modulation, snr_db), &result, decoder) != info;
        }
        return failures;
    }
};

TEST(ldpc, every_parity_check_of_every_lifting_size_holds_on_random_data)
{
    for (unsigned base_graph : { 1u, 2u })
        for (unsigned z : { 24u, 48u, 96u, 192u, 384u })
            for (unsigned filler_bytes : { 0u, 1u }) {
                const srec_ldpc_graph *g = srec_ldpc_graph_of(base_graph);
                const size_t info_bytes = g->n_info * z / 8 - filler_bytes;
                srec_ldpc_code code;
                LONGS_EQUAL(SREC_OK,
                            srec_ldpc_code_for(info_bytes, coded_for(info_bytes, base_graph == 1 ? 0.7 : 0.6), &code));
                LONGS_EQUAL(base_graph, code.base_graph);
                LONGS_EQUAL(z, code.lifting_size);
                LONGS_EQUAL(1, code.n_blocks);
                const auto info = random_bytes(info_bytes);
                /* the codeword from its definition: information, fillers, then what the redundancy versions send */
                std::vector<int> word(g->n_columns * z, -1);
                for (size_t i = 0; i < g->n_info * z; i++)
                    word[i] = i < 8 * info_bytes ? info[i / 8] >> (7 - i % 8) & 1 : 0;
                const size_t systematic = 8 * info_bytes - 2 * z;
                const size_t buffer = systematic + (g->n_columns - g->n_info) * z;
                for (unsigned version = 0; version * code.coded_bits < buffer; version++) {
                    const auto bits = encode(code, info, version);
                    for (size_t i = 0; i < bits.size(); i++) {
                        const size_t at = (version * bits.size() + i) % buffer;
                        int &bit = word[at < systematic ? 2 * z + at : g->n_info * z + at - systematic];
                        CHECK(bit == -1 || bit == bits[i]);
                        bit = bits[i];
                    }
                }
                for (unsigned row = 0; row < g->n_rows; row++)
                    for (unsigned i = 0; i < z; i++) {
                        int parity = 0;
                        for (unsigned k = g->row[row]; k < g->row[row + 1]; k++) {
                            const int bit = word[g->edges[k].column * z + (i + g->edges[k].shift) % z];
                            CHECK(bit >= 0);
                            parity ^= bit;
                        }
                        LONGS_EQUAL(0, parity);
                    }
            }
}

TEST(ldpc, a_payload_is_divided_into_as_few_equal_blocks_as_hold_it)
{
    srec_ldpc_code code;
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(480, 720, &code)); /* 3840 bits at rate 2/3 */
    LONGS_EQUAL(2, code.base_graph);
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(480, 719, &code)); /* above 2/3 */
    LONGS_EQUAL(1, code.base_graph);
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(481, 2000, &code)); /* above 3840 bits */
    LONGS_EQUAL(1, code.base_graph);
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(1056, 1188, &code)); /* 8448 bits at rate 8/9 */
    LONGS_EQUAL(1, code.n_blocks);
    LONGS_EQUAL(384, code.lifting_size);
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(1057, 2000, &code));
    LONGS_EQUAL(2, code.n_blocks);
    LONGS_EQUAL(4228, code.block_bits);
    LONGS_EQUAL(384, code.lifting_size); /* 22 * 192 = 4224 is too small by 4 bits */
}

TEST(ldpc, lengths_out_of_range_and_rates_above_8_9_are_refused)
{
    srec_ldpc_code code;
    LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_code_for(SREC_LDPC_BYTES_MIN - 1, 100, &code));
    LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_code_for(100, 0, &code));
    LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_code_for(SREC_LDPC_BYTES_MAX + 1, SREC_LDPC_BYTES_MAX, &code));
    LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_code_for(100, SREC_LDPC_BYTES_MAX + 1, &code));
    LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_code_for(800, 899, &code));
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(800, 900, &code));
    LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_code_for(800, 900, nullptr));
    srec_ldpc_decoder *d;
    for (srec_ldpc_options wrong : { srec_ldpc_options{ 0, 1, 0 }, { 101, 1, 0 }, { 20, 0, 0 }, { 20, 4, 0 } })
        LONGS_EQUAL(SREC_ERR_ARG, srec_ldpc_decoder_create(&wrong, &d, nullptr));
}

TEST(ldpc, payloads_of_every_short_length_and_any_rate_come_back_from_clean_symbols)
{
    for (double rate : { 0.02, 0.2, 1.0 / 3, 0.5, 0.61, 2.0 / 3, 0.75, 8.0 / 9 })
        for (size_t n = SREC_LDPC_BYTES_MIN; n <= 200; n += n < 50 ? 1 : 7) {
            srec_ldpc_code code;
            LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(n, coded_for(n, rate), &code));
            const auto info = random_bytes(n);
            srec_ldpc_result result;
            CHECK(decode(code, certain(encode(code, info)), &result, decoder) == info);
            LONGS_EQUAL(0, result.blocks_failed);
        }
}

TEST(ldpc, many_blocks_with_uneven_shares_of_the_coded_bits_come_back)
{
    for (size_t n : { (size_t)1057, (size_t)5003, (size_t)29999 })
        for (double rate : { 0.5, 0.88 }) {
            srec_ldpc_code code;
            LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(n, coded_for(n, rate) + 1, &code));
            CHECK(code.coded_bits % code.n_blocks != 0 || code.n_blocks == 2);
            const auto info = random_bytes(n);
            srec_ldpc_result result;
            CHECK(decode(code, certain(encode(code, info)), &result, decoder) == info);
            CHECK(decode(code, certain(encode(code, info), 4), &result, decoder) == info);
        }
}

TEST(ldpc, the_fast_decoder_equals_the_reference_in_bits_failures_and_iterations)
{
    struct {
        size_t bytes;
        double rate;
        float snr_db;
    } cases[] = { { 20, 0.5, 1 },     { 60, 0.33, 0 },   { 120, 0.5, 1 },    { 200, 0.6, 2 }, { 470, 0.4, 0 },
                  { 60, 0.8, 5 },     { 120, 0.85, 5 },  { 250, 0.75, 4 },   { 500, 0.5, 1 }, { 1056, 0.5, 1.2f },
                  { 1056, 0.34, -5 }, { 1056, 0.88, 6 }, { 2500, 0.7, 3.5f } };
    for (const auto &c : cases)
        for (unsigned i = 0; i < 3; i++) {
            srec_ldpc_code code;
            LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(c.bytes, coded_for(c.bytes, c.rate), &code));
            const auto llr = received(encode(code, random_bytes(c.bytes)), SREC_QPSK, c.snr_db);
            srec_ldpc_result fast, slow;
            CHECK(decode(code, llr, &fast, decoder) == decode(code, llr, &slow, reference));
            LONGS_EQUAL(slow.blocks_failed, fast.blocks_failed);
            LONGS_EQUAL(slow.iterations, fast.iterations);
        }
}

TEST(ldpc, the_decoders_agree_on_llrs_of_any_value)
{
    for (size_t n : { (size_t)30, (size_t)100, (size_t)1056 })
        for (unsigned kind = 0; kind < 4; kind++) {
            srec_ldpc_code code;
            LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(n, 2 * n, &code));
            std::vector<int8_t> llr(code.coded_bits);
            for (auto &l : llr)
                l = (int8_t)(kind == 0 ? 0 : kind == 1 ? 127 : kind == 2 ? -128 : (int)(random() % 256) - 128);
            srec_ldpc_result fast, slow;
            CHECK(decode(code, llr, &fast, decoder) == decode(code, llr, &slow, reference));
            LONGS_EQUAL(slow.iterations, fast.iterations);
            LONGS_EQUAL(slow.blocks_failed, fast.blocks_failed);
        }
}

TEST(ldpc, quantisation_rounds_limits_and_takes_nan_as_unknown)
{
    const float llr[] = { 0.0f, 0.1f, 0.13f, -0.13f, 1.0f, -2.4f, 7.7f, 7.9f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN };
    const int8_t expected[] = { 0, 0, 1, -1, 4, -10, 31, 31, 31, -31, 31, -31, 0 };
    int8_t out[sizeof llr / sizeof *llr];
    srec_ldpc_quantise(llr, sizeof llr / sizeof *llr, out);
    for (size_t i = 0; i < sizeof expected; i++)
        LONGS_EQUAL(expected[i], out[i]);
}

/* 200 blocks at 1e-2: more than 8 errors have a probability of 1e-4. */
TEST(ldpc, one_block_of_a_hundred_fails_at_the_threshold)
{
    for (const auto &t : thresholds) {
        const unsigned at = lost(t, t.snr_db + 0.15f, 200);
        const unsigned below = lost(t, t.snr_db - 0.5f, 40);
        if (at > 8 || below < 8) {
            FAIL(StringFromFormat("%s rate %.3f: %u of 200 lost 0.15 dB above, %u of 40 lost 0.5 dB below %.2f dB",
                                  srec_modulation_name(t.modulation), t.rate, at, below, (double)t.snr_db)
                     .asCharString());
        }
    }
}

TEST(ldpc, no_block_fails_1_to_30_dB_above_the_threshold)
{
    for (const auto &t : thresholds)
        for (float above : { 1.0f, 5.0f, 15.0f, 30.0f })
            LONGS_EQUAL(0, lost(t, t.snr_db + above, 20));
}

TEST(ldpc, attempts_with_smaller_llrs_decode_what_wrong_and_large_ones_prevent)
{
    const srec_ldpc_options single = { 20, 1, 0 };
    srec_ldpc_decoder *once;
    LONGS_EQUAL(SREC_OK, srec_ldpc_decoder_create(&single, &once, nullptr));
    srec_ldpc_code code;
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(BLOCK_BYTES, coded_for(BLOCK_BYTES, 0.5), &code));
    unsigned lost_once = 0;
    for (unsigned i = 0; i < 40; i++) {
        const auto info = random_bytes(BLOCK_BYTES);
        auto llr = received(encode(code, info), SREC_QPSK, 4.5f);
        for (size_t k = 0; k < llr.size() / 20; k++) /* interference over 5 % of the coded bits */
            llr[random() % llr.size()] = random() % 2 ? SREC_LDPC_LLR_LIMIT : -SREC_LDPC_LLR_LIMIT;
        srec_ldpc_result result;
        lost_once += decode(code, llr, &result, once) != info;
        CHECK(decode(code, llr, &result, decoder) == info);
        LONGS_EQUAL(0, result.blocks_failed);
    }
    CHECK(lost_once > 0);
    srec_ldpc_decoder_free(once);
}

TEST(ldpc, a_second_redundancy_version_adds_to_the_first)
{
    srec_ldpc_code code;
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(BLOCK_BYTES, coded_for(BLOCK_BYTES, 0.5), &code));
    unsigned alone = 0, together = 0;
    for (unsigned i = 0; i < 20; i++) {
        const auto info = random_bytes(BLOCK_BYTES);
        const auto first =
            received(encode(code, info, 0), SREC_QPSK, -1.5f); /* 2.65 dB below the threshold of rate 1/2 */
        const auto second = received(encode(code, info, 1), SREC_QPSK, -1.5f);
        const srec_ldpc_transmission both[] = { { first.data(), 0 }, { second.data(), 1 } };
        std::vector<uint8_t> out(BLOCK_BYTES);
        alone += srec_ldpc_decode(decoder, &code, both, 1, out.data(), nullptr) == SREC_OK;
        srec_ldpc_decode(decoder, &code, both, 2, out.data(), nullptr);
        together += out == info;
    }
    LONGS_EQUAL(0, alone);
    LONGS_EQUAL(20, together);
}

TEST(ldpc, repeated_bits_add_up_below_the_mother_code)
{
    srec_ldpc_code code;
    LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(200, 200 * 16, &code)); /* rate 1/16 */
    for (unsigned i = 0; i < 20; i++) {
        const auto info = random_bytes(200);
        srec_ldpc_result result;
        CHECK(decode(code, received(encode(code, info), SREC_QPSK, -8.0f), &result, decoder) == info);
    }
}
