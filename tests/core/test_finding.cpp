/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/srec.h>

extern "C" {
#include "../../lib/core/phy/survey.h"
#include "calls.h"
}

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

static void ignore(void *, const srec_burst *) {}

static bool nobody(void *, const float *, size_t) { return false; }

TEST_GROUP(finding)
{
    srec_waveform waveform; /* the sender's */
    srec_packet_encoder *e = nullptr;
    uint64_t packet = 0;
    std::mt19937 random{ 12 };
    std::vector<srec_finding> found;

    void setup() override
    {
        srec_key key;
        srec_waveform_default(&waveform);
        srec_key_from_seed(&key, 1);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, 5, &e, NULL));
    }
    void teardown() override { srec_packet_encoder_free(e); }

    std::vector<float> symbols(srec_modulation m, size_t n_bytes = 4000)
    {
        std::vector<uint8_t> map(64, 1), payload(n_bytes), bytes(SREC_FRAME_MAX);
        for (auto &p : payload)
            p = (uint8_t)random();
        const srec_feature_format format = m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        srec_slice slice = { 1, 0, 128, 128, 3, format, 0, 1, 64, map.data(), 1 };
        size_t n;
        LONGS_EQUAL(SREC_OK, encode_packet(e, { m, SREC_CIPHER_ADD, packet++, &slice, payload.data(), payload.size() },
                                           bytes.data(), bytes.size(), &n, nullptr));
        std::vector<float> iq(2 * srec_modem_symbols(m, n));
        srec_modem_map(m, bytes.data(), n, iq.data());
        return iq;
    }
    std::vector<float> bursts(srec_modulation m, unsigned count, size_t silence = 0, size_t n_bytes = 4000)
    {
        srec_shaper *s;
        LONGS_EQUAL(SREC_OK, srec_shaper_create(&waveform, &s, NULL));
        std::vector<float> stream(2 * silence);
        for (unsigned i = 0; i < count; i++) {
            const auto iq = symbols(m, n_bytes);
            const size_t at = stream.size(), n = srec_shaper_samples(s, iq.size() / 2);
            stream.resize(at + 2 * n + 2 * silence);
            LONGS_EQUAL(SREC_OK, srec_shaper_run(s, iq.data(), iq.size() / 2, stream.data() + at));
        }
        srec_shaper_free(s);
        return stream;
    }
    /* \param noise_db power of the noise per sample */
    std::vector<float> impair(const std::vector<float> &samples, float noise_db, float cfo = 0, float ppm = 0)
    {
        srec_impairment_set set{};
        set.noise_power = powf(10, 0.1f * noise_db);
        set.cfo = cfo / (float)waveform.samples_per_symbol;
        set.clock_ppm = ppm;
        srec_impairments *s;
        LONGS_EQUAL(SREC_OK, srec_impairments_create(&set, 3, &s, NULL));
        std::vector<float> out(2 * srec_impairments_room(samples.size() / 2));
        size_t n;
        LONGS_EQUAL(SREC_OK, srec_impairments_apply(s, samples.data(), samples.size() / 2, out.data(), &n));
        out.resize(2 * n);
        srec_impairments_free(s);
        return out;
    }
    /* Kinds found by a receiver with these settings, while samples come and at their end. */
    std::string findings(const std::vector<float> &samples, const srec_waveform &w, srec_modulation m,
                         srec_burst_check check = nullptr)
    {
        srec_sync *s;
        std::string kinds;
        LONGS_EQUAL(SREC_OK, srec_sync_create(&w, m, ignore, nullptr, &s, NULL));
        if (check)
            srec_sync_set_check(s, check, nullptr);
        for (size_t at = 0; at <= samples.size() / 2; at += 50000) {
            const size_t part = std::min<size_t>(50000, samples.size() / 2 - at);
            const bool ended = part < 50000;
            LONGS_EQUAL(SREC_OK, srec_sync_push(s, samples.data() + 2 * at, part));
            if (ended)
                srec_sync_flush(s);
            found.resize(SREC_FINDINGS);
            found.resize(srec_sync_findings(s, ended, found.data()));
            for (const auto &f : found) {
                const std::string name = srec_finding_name(f.kind);
                CHECK(strlen(f.text) > 20 && strlen(f.text) < sizeof f.text - 1);
                if ((" " + kinds).find(" " + name + " ") == std::string::npos)
                    kinds += name + " ";
            }
        }
        srec_sync_free(s);
        return kinds;
    }
    void expect(const char *kinds, const std::string &got)
    {
        if (got != kinds)
            for (const auto &f : found)
                printf("%s: %s\n", srec_finding_name(f.kind), f.text);
        STRCMP_EQUAL(kinds, got.c_str());
    }
    void expect_text(const char *part) { STRCMP_CONTAINS(part, found.empty() ? "" : found[0].text); }
};

TEST(finding, every_kind_has_a_name)
{
    for (int i = 0; i < SREC_FINDINGS; i++)
        CHECK(srec_finding_name((srec_finding_kind)i));
    POINTERS_EQUAL(nullptr, srec_finding_name((srec_finding_kind)SREC_FINDINGS));
}

TEST(finding, a_link_that_works_raises_none)
{
    const struct {
        srec_modulation m;
        float snr_db;
    } points[] = { { SREC_BPSK, -3 },  { SREC_QPSK, 0 },    { SREC_QPSK, 30 },  { SREC_16QAM, 2 },
                   { SREC_64QAM, 12 }, { SREC_256QAM, 40 }, { SREC_PAM256, 15 } };
    for (const auto &p : points)
        for (const size_t silence : { 0u, 20000u }) {
            const auto stream = impair(bursts(p.m, 6, silence), 6 - p.snr_db, 0.09f, 45);
            expect("", findings(stream, waveform, p.m));
        }
}

TEST(finding, a_burst_longer_than_the_samples_that_are_judged_raises_none)
{
    for (const float snr_db : { 1.0f, 4.0f, 30.0f })
        expect("", findings(impair(bursts(SREC_QPSK, 1, 5000, 28000), 6 - snr_db), waveform, SREC_QPSK));
}

TEST(finding, noise_raises_none_whatever_its_level_and_colour)
{
    const std::vector<float> nothing(2 * 600000);
    for (const float db : { -80.0f, 0.0f, 40.0f })
        expect("", findings(impair(nothing, db), waveform, SREC_QPSK));
    auto late = impair(nothing, -20); /* silence first, to within a piece of the survey's */
    std::fill(late.begin(), late.begin() + 2 * 100031, 0.0f);
    expect("", findings(late, waveform, SREC_QPSK));
    auto coloured = impair(nothing, 0);
    for (int stage = 0; stage < 4; stage++) /* a receiver's filter */
        for (size_t i = 2; i < coloured.size(); i++)
            coloured[i] = 0.7f * coloured[i - 2] + 0.3f * coloured[i];
    expect("", findings(coloured, waveform, SREC_QPSK));
}

TEST(finding, another_number_of_samples_per_symbol_is_measured)
{
    for (const unsigned sps : { 2u, 4u, 8u })
        for (const unsigned set : { 2u, 4u, 5u, 8u, 16u }) {
            if (sps == set)
                continue;
            waveform.samples_per_symbol = sps;
            const srec_waveform receiver = { set, 0.25f };
            expect("symbol_rate ", findings(impair(bursts(SREC_QPSK, 4, 3000), -15), receiver, SREC_QPSK));
            double measured = 0;
            sscanf(strstr(found[0].text, "wide as "), "wide as %lf samples per symbol", &measured);
            DOUBLES_EQUAL(sps, measured, 0.03 * sps);
        }
}

TEST(finding, another_rolloff_is_measured)
{
    for (const float sent : { 0.1f, 0.5f, 0.9f }) {
        waveform.rolloff = sent;
        const srec_waveform receiver = { 4, sent > 0.4f ? 0.1f : 0.9f };
        expect("rolloff ", findings(impair(bursts(SREC_QPSK, 6), -10), receiver, SREC_QPSK));
        double measured = 0;
        sscanf(found[0].text, "the signal has a roll-off of about %lf", &measured);
        DOUBLES_EQUAL(sent, measured, 0.1);
    }
}

TEST(finding, symbols_instead_of_samples_are_recognised)
{
    for (const auto m : { SREC_QPSK, SREC_16QAM, SREC_PAM256 }) {
        std::vector<float> stream;
        for (int i = 0; i < 20; i++) {
            const auto iq = symbols(m, 7000);
            stream.insert(stream.end(), iq.begin(), iq.end());
        }
        expect("symbols ", findings(impair(stream, -10), waveform, m));
    }
}

TEST(finding, another_modulation_is_named)
{
    expect("modulation ", findings(impair(bursts(SREC_16QAM, 4, 1000), -20), waveform, SREC_QPSK));
    expect_text("16qam: the receiver is set to qpsk");
}

TEST(finding, an_inverted_spectrum_and_offsets_beyond_the_range_are_measured)
{
    auto stream = impair(bursts(SREC_QPSK, 3, 1000), -10);
    for (size_t i = 1; i < stream.size(); i += 2)
        stream[i] = -stream[i];
    expect("inverted ", findings(stream, waveform, SREC_QPSK));
    expect("carrier ", findings(impair(bursts(SREC_QPSK, 3, 1000), -10, -0.17f), waveform, SREC_QPSK));
    expect_text("-0.170");
    expect("carrier ", findings(impair(bursts(SREC_QPSK, 9, 1000), -10, 0.7f), waveform, SREC_QPSK));
    expect_text("+0.70");
    expect("clock ", findings(impair(bursts(SREC_QPSK, 3, 1000), -10, 0, 90), waveform, SREC_QPSK));
}

TEST(finding, an_unmodulated_carrier_is_measured)
{
    for (const float at : { 0.0f, 0.3f }) {
        auto stream = impair(bursts(SREC_QPSK, 4, 20000), 0);
        for (size_t i = 0; i < stream.size() / 2; i++) {
            stream[2 * i] += 12 * cosf(2 * (float)M_PI * at / 4 * (float)(i % 40));
            stream[2 * i + 1] += 12 * sinf(2 * (float)M_PI * at / 4 * (float)(i % 40));
        }
        expect("tone ", findings(stream, waveform, SREC_QPSK));
        expect_text(at == 0 ? "0.000 of the symbol rate" : "+0.300 of the symbol rate");
    }
}

TEST(finding, another_key_and_another_format_are_named)
{
    expect("key ", findings(impair(bursts(SREC_QPSK, 3), -10), waveform, SREC_QPSK, nobody));
    expect_text("3 bursts failed authentication");
    std::normal_distribution<float> normal;
    std::vector<float> stream(2 * 50000);
    for (auto &v : stream) {
        uint8_t bytes[4];
        for (auto &b : bytes)
            b = (uint8_t)(127.5f + 20 * normal(random));
        memcpy(&v, bytes, 4);
    }
    expect("format ", findings(stream, waveform, SREC_QPSK));
}

TEST(finding, a_signal_without_preambles_is_measured)
{
    const size_t n = 300000;
    std::vector<float> stream(2 * n);
    for (size_t i = 0; i < n; i++) /* on-off keying */
        stream[2 * i] = i / 20000 % 3 == 0 ? (float)(random() % 2) : 0;
    expect("no_preamble ", findings(impair(stream, -20), waveform, SREC_QPSK));
}
