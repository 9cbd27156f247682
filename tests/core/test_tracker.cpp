/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the carrier and the noise do along a burst, and what the receiver says of it. */
#include <srec/srec.h>

extern "C" {
#include "../../lib/core/codec/model_internal.h"
#include "../../lib/core/phy/waveform.h"
#include "calls.h"
}

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

static const unsigned LADDER[] = { 100 };
static const double TWO_PI = 2 * M_PI;

struct burst_seen {
    srec_burst figures;
    std::vector<float> iq;
    std::vector<float> gain;
};

static void see(void *context, const srec_burst *b)
{
    static_cast<std::vector<burst_seen> *>(context)->push_back(
        { *b, std::vector<float>(b->iq, b->iq + 2 * b->n_symbols),
          std::vector<float>(b->gain_iq, b->gain_iq + 2 * b->n_symbols) });
}

/* A phase in cycles, of a time in symbols from the first symbol of the preamble. */
typedef std::function<double(double)> carrier;

static double db(double power) { return 10 * log10(power); }

TEST_GROUP(tracker)
{
    enum { LEAD = 3000, TAIL = 1500 }; /* samples of silence */
    srec_model *model = nullptr;
    srec_packet_encoder *encoder = nullptr;
    srec_waveform waveform;
    std::mt19937 random{ 2024 };
    uint64_t packet = 0;
    std::vector<burst_seen> got;
    srec_impairment_set channel{};
    uint64_t seed = 1;

    void setup() override
    {
        srec_key key;
        srec_waveform_default(&waveform);
        srec_model_create_bare(LADDER, 1, nullptr, nullptr, 1, &model);
        srec_key_from_seed(&key, 7);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, 9, &encoder, NULL));
    }
    void teardown() override
    {
        srec_packet_encoder_free(encoder);
        srec_model_free(model);
    }
    /* Symbols of a frame of \p patches * 100 payload bytes; patches: 16, 32, 48, .. */
    std::vector<float> frame(srec_modulation m, unsigned patches, srec_cipher cipher = SREC_CIPHER_ADD)
    {
        std::vector<uint8_t> map(patches, 0), payload(patches * LADDER[0]), bytes(SREC_FRAME_MAX);
        std::normal_distribution<double> feature(128, 16);
        for (auto &p : payload)
            p = (uint8_t)(cipher == SREC_CIPHER_ADD ? random() : (unsigned)feature(random));
        const srec_feature_format format = m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        srec_slice slice = { 1, 0, 64, 4 * patches, 3, format, 0, 1, patches, map.data(), 1 };
        size_t n;
        LONGS_EQUAL(SREC_OK, encode_packet(encoder, { m, cipher, packet++, &slice, payload.data(), payload.size() },
                                           bytes.data(), bytes.size(), &n, nullptr));
        std::vector<float> iq(2 * srec_modem_symbols(m, n));
        srec_modem_map(m, bytes.data(), n, iq.data());
        return iq;
    }
    /* Samples of a burst in silence, and what the channel does to them. */
    std::vector<float> send(const std::vector<float> &symbols, const carrier &phase)
    {
        srec_shaper *s;
        srec_impairments *radio;
        const size_t n = symbols.size() / 2;
        LONGS_EQUAL(SREC_OK, srec_shaper_create(&waveform, &s, NULL));
        std::vector<float> samples(2 * (LEAD + srec_shaper_samples(s, n) + TAIL));
        LONGS_EQUAL(SREC_OK, srec_shaper_run(s, symbols.data(), n, samples.data() + 2 * LEAD));
        srec_shaper_free(s);
        LONGS_EQUAL(SREC_OK, srec_impairments_create(&channel, seed, &radio, NULL));
        std::vector<float> out(2 * srec_impairments_room(samples.size() / 2));
        size_t made;
        LONGS_EQUAL(SREC_OK, srec_impairments_apply(radio, samples.data(), samples.size() / 2, out.data(), &made));
        srec_impairments_free(radio);
        out.resize(2 * made);
        for (size_t i = 0; i < made; i++) {
            const double cycles = phase((double)i / waveform.samples_per_symbol -
                                        (double)LEAD / waveform.samples_per_symbol - SREC_BURST_GUARD);
            const double c = cos(TWO_PI * (cycles - floor(cycles))), d = sin(TWO_PI * (cycles - floor(cycles)));
            const double re = out[2 * i], im = out[2 * i + 1];
            out[2 * i] = (float)(re * c - im * d);
            out[2 * i + 1] = (float)(re * d + im * c);
        }
        return out;
    }
    void receive(srec_modulation m, const std::vector<float> &samples)
    {
        srec_sync *s;
        got.clear();
        LONGS_EQUAL(SREC_OK, srec_sync_create(&waveform, m, see, &got, &s, NULL));
        LONGS_EQUAL(SREC_OK, srec_sync_push(s, samples.data(), samples.size() / 2));
        LONGS_EQUAL(SREC_OK, srec_sync_flush(s));
        srec_sync_free(s);
    }
    void set_snr(double snr_db) { channel.noise_power = (float)(waveform.samples_per_symbol * pow(10, -0.1 * snr_db)); }

    /* Signal over error power of symbols first .. end - 1, dB, at unit gain. */
    static double snr_seen(const burst_seen &b, const std::vector<float> &sent, size_t first, size_t end)
    {
        double error = 0, power = 0;
        for (size_t i = 2 * first; i < 2 * end; i++) {
            const double gain = b.gain[i / 2 * 2];
            error += pow(b.iq[i] - gain * sent[i], 2);
            power += gain * gain / 2;
        }
        return db(power / error);
    }
    static double snr_seen(const burst_seen &b, const std::vector<float> &sent)
    {
        return snr_seen(b, sent, 0, sent.size() / 2);
    }

    /* Share of hard decisions of the first bits of symbols first .. end - 1 that are wrong, and mean of what their
     * LLRs promise. */
    static void errors(srec_modulation m, const burst_seen &b, const std::vector<float> &sent, size_t first, size_t end,
                       double *wrong, double *promised)
    {
        const unsigned per_symbol = srec_modem_soft_per_symbol(m);
        std::vector<float> soft((end - first) * per_symbol), truth((end - first) * per_symbol);
        srec_modem_demap(m, b.iq.data() + 2 * first, b.gain.data() + 2 * first, b.figures.n0, end - first, soft.data());
        srec_modem_demap(m, sent.data() + 2 * first, nullptr, 1e-3f, end - first, truth.data());
        *wrong = *promised = 0;
        for (size_t i = 0; i < soft.size(); i++) {
            *wrong += (soft[i] < 0) != (truth[i] < 0);
            *promised += 1 / (1 + exp(fabs((double)soft[i])));
        }
        *wrong /= (double)soft.size();
        *promised /= (double)soft.size();
    }

    /* SNR that the payload sees, mean over four bursts, when the frequency changes by \p change symbol rates from
     * end to end. */
    double with_drift(srec_modulation m, unsigned patches, double snr_db, double change)
    {
        double error = 0;
        set_snr(snr_db);
        channel.clock_ppm = 20;
        channel.cfo = -0.01f;
        for (seed = 1; seed <= 4; seed++) {
            const auto sent = frame(m, patches);
            const double rate = (seed % 2 ? change : -change) / (double)srec_burst_symbols(sent.size() / 2);
            receive(m, send(sent, [rate](double t) { return 0.5 * rate * t * t; }));
            if (got.size() != 1)
                return -100;
            const srec_burst &b = got[0].figures;
            const double seen = snr_seen(got[0], sent), middle = 0.5 * (double)srec_burst_symbols(sent.size() / 2);
            error += pow(10, -0.1 * seen) / 4;
            DOUBLES_EQUAL(seen, b.snr_db, 0.5);
            DOUBLES_EQUAL(rate, b.drift, 1e-7);
            DOUBLES_EQUAL(-0.04 + rate * middle, b.cfo, 2e-5 + 128 * fabs(rate));
        }
        return -db(error);
    }
};

TEST(tracker, a_drift_of_two_percent_within_a_burst_costs_under_0_3_dB)
{
    static const struct {
        srec_modulation m;
        unsigned patches;
        double snr_db;
    } bursts[] = {
        { SREC_BPSK, 16, 0 },   { SREC_QPSK, 16, 0 },   { SREC_QPSK, 48, 0 },    { SREC_QPSK, 16, 10 },
        { SREC_16QAM, 16, 10 }, { SREC_64QAM, 48, 10 }, { SREC_256QAM, 32, 10 }, { SREC_QPSK, 16, 20 },
        { SREC_16QAM, 48, 20 }, { SREC_64QAM, 16, 20 }, { SREC_256QAM, 16, 20 }, { SREC_PAM256, 48, 20 },
    };
    for (const auto &b : bursts) {
        const double steady = with_drift(b.m, b.patches, b.snr_db, 0),
                     drifting = with_drift(b.m, b.patches, b.snr_db, 0.02);
        CHECK(steady > b.snr_db - 0.5);
        CHECK(drifting > b.snr_db - 0.3 - 0.2); /* 0.2 dB: of four short bursts' noise */
        CHECK(drifting > steady - 0.3);
    }
}

TEST(tracker, the_longest_frames_may_drift_by_two_percent)
{
    static const struct {
        srec_modulation m;
        double snr_db;
    } bursts[] = { { SREC_BPSK, 0 }, { SREC_QPSK, 0 }, { SREC_16QAM, 10 }, { SREC_64QAM, 20 }, { SREC_256QAM, 20 } };
    for (const auto &b : bursts)
        CHECK(with_drift(b.m, 256, b.snr_db, 0.02) > b.snr_db - 0.3);
}

TEST(tracker, a_satellite_may_pass_at_300_Hz_per_second_and_25_kBd)
{
    /* 9 seconds of BPSK: the carrier moves by 11 % of the symbol rate, a good deal of it beyond what the search
     * covers */
    const auto sent = frame(SREC_BPSK, 272);
    const double rate = 300.0 / (25e3 * 25e3);
    set_snr(0);
    receive(SREC_BPSK, send(sent, [rate](double t) { return -0.05 * t + 0.5 * rate * t * t; }));
    LONGS_EQUAL(1, got.size());
    CHECK(snr_seen(got[0], sent) > -0.3);
    DOUBLES_EQUAL(rate, got[0].figures.drift, 0.01 * rate);
}

TEST(tracker, a_frequency_that_swings_is_followed)
{
    for (const double snr_db : { 0.0, 10.0, 20.0 })
        for (const double period : { 6000.0, 15000.0, 40000.0 }) { /* symbols */
            const auto sent = frame(SREC_QPSK, 48);
            const double swing = 2e-7 * period; /* symbol rates to each side */
            set_snr(snr_db);
            receive(SREC_QPSK,
                    send(sent, [=](double t) { return swing * period / TWO_PI * sin(TWO_PI * t / period + 1); }));
            LONGS_EQUAL(1, got.size());
            CHECK(snr_seen(got[0], sent) > snr_db - 0.6);
            CHECK(got[0].figures.snr_db < snr_db + 0.5);
        }
}

TEST(tracker, drift_clock_error_and_echo_come_together)
{
    for (const double change : { -0.02, 0.0, 0.02 }) {
        const auto sent = frame(SREC_QPSK, 32);
        const double rate = change / (double)srec_burst_symbols(sent.size() / 2);
        set_snr(20);
        channel.clock_ppm = -45;
        channel.echo_delay = 6;
        channel.echo_db = -9;
        channel.echo_phase = 2;
        receive(SREC_QPSK, send(sent, [rate](double t) { return 0.5 * rate * t * t; }));
        LONGS_EQUAL(1, got.size());
        CHECK(snr_seen(got[0], sent) > 16); /* 9 dB without equaliser */
        DOUBLES_EQUAL(-45, got[0].figures.clock_ppm, 8);
    }
}

TEST(tracker, whole_turns_between_pilots_are_found_by_the_data)
{
    /* an oscillator jumps by one or two turns a pilot distance, which no pilot block can see */
    for (const int turns : { -2, -1, 1, 2 })
        for (const srec_modulation m : { SREC_QPSK, SREC_16QAM, SREC_256QAM }) {
            const auto sent = frame(m, 48);
            const double jump = srec_unit_start(8) - SREC_BURST_PILOTS + 3.5; /* in the middle of a pilot block */
            set_snr(m == SREC_256QAM ? 25 : 15);
            receive(m, send(sent, [=](double t) { return t < jump ? 0 : turns / 256.0 * (t - jump); }));
            LONGS_EQUAL(1, got.size());
            CHECK(snr_seen(got[0], sent) > (m == SREC_256QAM ? 23.5 : 14.5));
            DOUBLES_EQUAL(snr_seen(got[0], sent), got[0].figures.snr_db, 0.7);
        }
}

TEST(tracker, a_drift_that_cannot_be_followed_never_looks_good)
{
    unsigned found = 0;
    for (const srec_modulation m : { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM })
        for (const double start : { 4000.0, 6000.0 }) { /* symbol from which on the carrier runs away */
            const auto sent = frame(m, m == SREC_BPSK ? 48 : 128);
            set_snr(m == SREC_BPSK ? 5 : 20);
            receive(m, send(sent, [=](double t) {
                        return t < start ? 0 : 0.5 * 4e-5 * pow(t - start, 2) * sin((t - start) / 500);
                    }));
            for (const auto &b : got) {
                found++;
                const double seen = snr_seen(b, sent);
                CHECK(seen < 8); /* it is that bad */
                CHECK(b.figures.snr_db < 3);
                double wrong, promised;
                errors(m, b, sent, (size_t)start + 2000, sent.size() / 2 - 500, &wrong, &promised);
                CHECK(promised > 0.7 * wrong);
            }
        }
    CHECK(found >= 8);
}

TEST(tracker, noise_that_comes_between_pilots_is_told_and_costs_only_its_symbols)
{
    const auto sent = frame(SREC_QPSK, 48);
    set_snr(20);
    auto samples = send(sent, [](double) { return 0.02; });
    std::normal_distribution<float> normal;
    const size_t first = 10, last = 14; /* units of which the data are hit, not the pilots */
    for (size_t u = first; u <= last; u++)
        for (size_t i = 0; i < (SREC_BURST_DATA - 40) * 4; i++) {
            const size_t at = LEAD + 4 * (SREC_BURST_GUARD + srec_unit_start(u) + 20) + 16 + i;
            samples[2 * at] += 2.0f * normal(random);
            samples[2 * at + 1] += 2.0f * normal(random);
        }
    receive(SREC_QPSK, samples);
    LONGS_EQUAL(1, got.size());
    const size_t n = sent.size() / 2;
    CHECK(got[0].figures.snr_db < 12);
    double wrong, promised, error = 0;
    errors(SREC_QPSK, got[0], sent, first * SREC_BURST_DATA, (last + 1) * SREC_BURST_DATA, &wrong, &promised);
    CHECK(wrong > 0.02);
    CHECK(promised > 0.5 * wrong);
    errors(SREC_QPSK, got[0], sent, 0, first * SREC_BURST_DATA, &wrong, &promised);
    CHECK(promised < 1e-3); /* the others are as sure as before */
    for (size_t i = 0; i < 2 * n; i++)
        error += pow(got[0].iq[i] - got[0].gain[i / 2 * 2] * sent[i], 2);
    CHECK(error / (double)n < 2 * got[0].figures.n0); /* weighted, all symbols have the same noise */
}

TEST(tracker, the_noise_told_includes_the_errors_of_the_gain)
{
    /* fading so fast that the gain between pilots is not known well: most of the noise is that */
    double error = 0, told = 0;
    set_snr(20);
    channel.doppler = 1e-4f;
    for (seed = 1; seed <= 12; seed++) {
        const auto sent = frame(SREC_QPSK, 16);
        receive(SREC_QPSK, send(sent, [](double) { return 0.0; }));
        for (const auto &b : got) {
            for (size_t i = 0; i < sent.size(); i++)
                error += pow(b.iq[i] - b.gain[i / 2 * 2] * sent[i], 2);
            told += b.figures.n0 * (double)(sent.size() / 2);
        }
    }
    CHECK(error > 0);
    CHECK(db(told / error) > -0.5);
    CHECK(db(told / error) < 4);
}

TEST(tracker, a_healthy_burst_counts_as_one_at_every_modulation_and_snr)
{
    static const double least_db[SREC_MODULATIONS] = { -4, -1, 1, 3, 8, 2 };
    for (unsigned m = 0; m < SREC_MODULATIONS; m++)
        for (const double more_db : { 0.0, 3.0, 10.0, 20.0 })
            for (const srec_cipher cipher :
                 { SREC_CIPHER_ADD, SREC_CIPHER_NONE }) { /* in clear some points come seldom */
                const double snr_db = least_db[m] + more_db;
                const auto sent = frame((srec_modulation)m, 32, cipher);
                set_snr(snr_db);
                seed++;
                receive((srec_modulation)m, send(sent, [](double) { return 0.1; }));
                LONGS_EQUAL(1, got.size());
                DOUBLES_EQUAL(snr_seen(got[0], sent), got[0].figures.snr_db, 1); /* short bursts have few pilots */
                DOUBLES_EQUAL(-db(got[0].figures.n0), got[0].figures.snr_db, 0.15);
            }
}
