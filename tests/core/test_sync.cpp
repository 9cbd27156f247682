/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/srec.h>

extern "C" {
#include "../../lib/core/codec/model_internal.h"
#include "../../lib/core/phy/waveform.h"
#include "calls.h"
}

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

static const unsigned LADDER[] = { 40, 100 };

struct received {
    size_t n_symbols;
    float n0, snr_db, cfo, clock_ppm, level_db;
    bool inverted;
    double sample;
    std::vector<float> iq, gain;
};

static void keep(void *context, const srec_burst *b)
{
    static_cast<std::vector<received> *>(context)->push_back(
        { b->n_symbols, b->n0, b->snr_db, b->cfo, b->clock_ppm, b->level_db, b->inverted, b->sample,
          std::vector<float>(b->iq, b->iq + 2 * b->n_symbols),
          std::vector<float>(b->gain_iq, b->gain_iq + 2 * b->n_symbols) });
}

struct gate {
    srec_key key;
    srec_modulation modulation;
};

static bool authentic(void *context, const float *soft, size_t n_bytes)
{
    const gate *g = static_cast<const gate *>(context);
    srec_signal signal;
    return srec_packet_authenticate(&g->key, g->modulation, soft, n_bytes, &signal) == SREC_OK;
}

TEST_GROUP(sync)
{
    srec_model *model = nullptr;
    srec_packet_encoder *e = nullptr;
    srec_waveform waveform;
    std::mt19937 random{ 11 };
    uint64_t packet = 0;
    std::vector<received> got;
    srec_sync_counters counters{};
    srec_key key;
    bool checked = false; /* hand on bursts of the key only */

    void setup() override
    {
        srec_waveform_default(&waveform);
        srec_model_create_bare(LADDER, 2, nullptr, nullptr, 1, &model);
        srec_key_from_seed(&key, 1);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, 5, &e, NULL));
    }
    void teardown() override
    {
        srec_packet_encoder_free(e);
        srec_model_free(model);
    }
    /* Symbols of a frame of 16 patches, \p step 0 or 1 of the ladder. */
    std::vector<float> frame(srec_modulation m, uint8_t step = 1)
    {
        std::vector<uint8_t> map(16, step), payload(16 * LADDER[step]), bytes(SREC_FRAME_MAX);
        for (auto &p : payload)
            p = (uint8_t)random();
        srec_slice slice = { 1, 0, 64, 64,         3, m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS,
                             0, 1, 16, map.data(), 1 };
        size_t n;
        LONGS_EQUAL(SREC_OK, encode_packet(e, { m, SREC_CIPHER_ADD, packet++, &slice, payload.data(), payload.size() },
                                           bytes.data(), bytes.size(), &n, nullptr));
        std::vector<float> iq(2 * srec_modem_symbols(m, n));
        srec_modem_map(m, bytes.data(), n, iq.data());
        return iq;
    }
    /* The first symbols of a frame of about n_bytes, its rate map of n_header patches, under the key of \p seed. */
    std::vector<float> head(srec_modulation m, uint64_t seed, size_t n_bytes, size_t n_header, size_t n_symbols)
    {
        srec_key any;
        srec_packet_encoder *other;
        srec_key_from_seed(&any, seed);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&any, seed, &other, NULL));
        std::vector<uint8_t> map(n_header), payload(n_bytes), bytes(SREC_FRAME_MAX);
        for (auto &step : map)
            step = (uint8_t)(random() % 16);
        srec_slice slice = { 1,          0, 1000,
                             1000,       3, m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS,
                             0,          1, (uint32_t)map.size(),
                             map.data(), 1 };
        size_t n = 0;
        while (encode_packet(other, { m, SREC_CIPHER_ADD, packet++, &slice, payload.data(), payload.size() },
                             bytes.data(), bytes.size(), &n, nullptr) != SREC_OK)
            payload.resize(payload.size() - 100);
        srec_packet_encoder_free(other);
        std::vector<float> iq(2 * srec_modem_symbols(m, n));
        srec_modem_map(m, bytes.data(), n, iq.data());
        CHECK(iq.size() > 2 * n_symbols);
        iq.resize(2 * n_symbols);
        return shape(iq);
    }
    std::vector<float> shape(const std::vector<float> &iq)
    {
        srec_shaper *s;
        LONGS_EQUAL(SREC_OK, srec_shaper_create(&waveform, &s, NULL));
        std::vector<float> samples(2 * srec_shaper_samples(s, iq.size() / 2));
        LONGS_EQUAL(SREC_OK, srec_shaper_run(s, iq.data(), iq.size() / 2, samples.data()));
        srec_shaper_free(s);
        return samples;
    }
    std::vector<float> impair(const std::vector<float> &samples, const srec_impairment_set &set, uint64_t seed = 3)
    {
        srec_impairments *s;
        LONGS_EQUAL(SREC_OK, srec_impairments_create(&set, seed, &s, NULL));
        std::vector<float> out(2 * srec_impairments_room(samples.size() / 2));
        size_t n;
        LONGS_EQUAL(SREC_OK, srec_impairments_apply(s, samples.data(), samples.size() / 2, out.data(), &n));
        out.resize(2 * n);
        srec_impairments_free(s);
        return out;
    }
    void receive(srec_modulation m, const std::vector<float> &samples, size_t chunk = 1000)
    {
        srec_sync *s;
        got.clear();
        LONGS_EQUAL(SREC_OK, srec_sync_create(&waveform, m, keep, &got, &s, NULL));
        gate own = { key, m };
        if (checked)
            srec_sync_set_check(s, authentic, &own);
        for (size_t at = 0; at < samples.size() / 2; at += chunk)
            LONGS_EQUAL(SREC_OK, srec_sync_push(s, samples.data() + 2 * at, std::min(chunk, samples.size() / 2 - at)));
        LONGS_EQUAL(SREC_OK, srec_sync_flush(s));
        srec_sync_get_counters(s, &counters);
        srec_sync_free(s);
    }
    static std::vector<float> silence(size_t n) { return std::vector<float>(2 * n); }
    static void append(std::vector<float> & to, const std::vector<float> &more)
    {
        to.insert(to.end(), more.begin(), more.end());
    }
    /* Mean squared error of what was received, in dB. */
    static double error_db(const received &r, const std::vector<float> &sent)
    {
        double sum = 0;
        for (size_t i = 0; i < sent.size(); i++)
            sum += pow(r.iq[i] - r.gain[i / 2 * 2] * sent[i], 2);
        return 10 * log10(sum / (0.5 * (double)sent.size()));
    }
    float noise_for(double snr_db) const { return (float)(waveform.samples_per_symbol * pow(10, -0.1 * snr_db)); }
};

TEST(sync, a_burst_has_unit_power_and_stays_in_its_band)
{
    for (unsigned sps : { 2u, 4u, 5u, 16u }) {
        waveform.samples_per_symbol = sps;
        auto symbols = frame(SREC_QPSK);
        auto samples = shape(symbols);
        double power = 0;
        for (float v : samples)
            power += v * v;
        power /= (double)(srec_burst_symbols(symbols.size() / 2) * sps);
        DOUBLES_EQUAL(1, power, 0.02);
        if (sps < 4)
            continue;
        /* beyond 0.75 of the symbol rate from the carrier there is nothing: correlate with tones there */
        double outside = 0, inside = 0;
        for (double f : { 0.0, 0.2, -0.4, 0.75, -0.8, 1.1 }) {
            double sum = 0;
            for (size_t start = 0; start + 256 * sps < samples.size() / 2; start += 256 * sps) {
                double re = 0, im = 0;
                for (size_t k = 0; k < 256 * sps; k++) {
                    double a = 2 * M_PI * f * (double)k / sps, w = 0.5 - 0.5 * cos(2 * M_PI * (double)k / (256 * sps));
                    re += w * (samples[2 * (start + k)] * cos(a) + samples[2 * (start + k) + 1] * sin(a));
                    im += w * (samples[2 * (start + k) + 1] * cos(a) - samples[2 * (start + k)] * sin(a));
                }
                sum += re * re + im * im;
            }
            (fabs(f) < 0.5 ? inside : outside) += sum / 3;
        }
        CHECK(10 * log10(outside / inside) < -45);
    }
}

TEST(sync, every_modulation_comes_back_clean_and_the_figures_are_right)
{
    for (int i = 0; i < SREC_MODULATIONS; i++) {
        auto m = (srec_modulation)i;
        auto sent = frame(m);
        std::vector<float> stream = silence(5000);
        append(stream, shape(sent));
        append(stream, silence(2000));
        srec_impairment_set set{};
        set.cfo = 0.02f; /* 0.08 cycles per symbol */
        set.clock_ppm = 30;
        set.delay = 0.4f;
        set.gain_db = -40;
        set.noise_power = noise_for(30) * 1e-4f;
        receive(m, impair(stream, set));
        LONGS_EQUAL(1, got.size());
        const received &r = got[0];
        LONGS_EQUAL(sent.size() / 2, r.n_symbols);
        DOUBLES_EQUAL(-30, error_db(r, sent), r.n_symbols > 4000 ? 1.5 : 2.0); /* a short burst's clock is known
                                                                                * less well */
        DOUBLES_EQUAL(-30, 10 * log10(r.n0), 1.5);
        DOUBLES_EQUAL(30, r.snr_db, 1.5);
        DOUBLES_EQUAL(0.08, r.cfo, 1e-4);
        if (r.n_symbols > 4000) /* short bursts lean on what is expected of clocks */
            DOUBLES_EQUAL(30, r.clock_ppm, 10);
        DOUBLES_EQUAL(-40, r.level_db, 0.2);
        DOUBLES_EQUAL(5000 + 32 * 4, r.sample, 1);
    }
}

TEST(sync, chunks_and_samples_per_symbol_do_not_matter)
{
    for (unsigned sps : { 2u, 3u, 5u, 8u }) {
        waveform.samples_per_symbol = sps;
        auto sent = frame(SREC_QPSK, 0);
        std::vector<float> stream = silence(777);
        append(stream, shape(sent));
        srec_impairment_set set{};
        set.cfo = -0.09f / (float)sps;
        set.noise_power = noise_for(10);
        auto samples = impair(stream, set);
        std::vector<float> first;
        for (size_t chunk : { 1u, 37u, 4096u, 1000000u }) {
            receive(SREC_QPSK, samples, chunk);
            LONGS_EQUAL(1, got.size());
            DOUBLES_EQUAL(-10, error_db(got[0], sent), 0.6);
            if (first.empty())
                first = got[0].iq;
            CHECK(first == got[0].iq);
        }
    }
}

TEST(sync, bursts_back_to_back_all_come_out)
{
    std::vector<float> stream;
    std::vector<std::vector<float>> sent;
    for (int i = 0; i < 12; i++) {
        sent.push_back(frame(SREC_16QAM, (uint8_t)(i & 1)));
        append(stream, shape(sent.back()));
    }
    srec_impairment_set set{};
    set.cfo = 0.01f;
    set.noise_power = noise_for(15);
    receive(SREC_16QAM, impair(stream, set));
    LONGS_EQUAL(sent.size(), got.size());
    for (size_t i = 0; i < got.size(); i++)
        DOUBLES_EQUAL(-15, error_db(got[i], sent[i]), 0.6);
}

/* In these sessions the end of one burst resembles one chirp, and the next preamble seemed to contain the other. */
TEST(sync, data_that_resemble_a_chirp_do_not_hide_the_next_preamble)
{
    checked = true; /* the search continues inside each burst */
    for (uint64_t session : { 2360u, 5474u, 7151u, 7392u }) {
        srec_packet_encoder_free(e);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, session, &e, NULL));
        packet = 0;
        random.seed((unsigned)session);
        std::vector<float> stream;
        for (int i = 0; i < 3; i++)
            append(stream, shape(frame(SREC_QPSK, 0)));
        srec_impairment_set set{};
        set.cfo = 0.001f;
        set.noise_power = noise_for(20);
        receive(SREC_QPSK, impair(stream, set));
        LONGS_EQUAL(3, got.size());
        LONGS_EQUAL(0, counters.unreadable);
    }
}

TEST(sync, echoes_are_equalised)
{
    auto sent = frame(SREC_QPSK);
    for (unsigned delay : { 3u, 10u }) {
        std::vector<float> stream = silence(3000);
        append(stream, shape(sent));
        srec_impairment_set set{};
        set.echo_delay = delay;
        set.echo_db = -6;
        set.echo_phase = 2;
        set.noise_power = noise_for(20);
        receive(SREC_QPSK, impair(stream, set));
        LONGS_EQUAL(1, got.size());
        CHECK(error_db(got[0], sent) < -13); /* -6 without */
    }
}

TEST(sync, the_level_is_that_of_the_samples_with_the_equaliser_too)
{
    const auto sent = frame(SREC_QPSK);
    for (const double snr_db : { 6.0, 20.0, 60.0 })
        for (const unsigned echo_delay : { 0u, 5u }) {
            srec_impairment_set set{};
            set.gain_db = -30;
            set.echo_delay = echo_delay;
            set.echo_db = -6;
            set.echo_phase = 1;
            set.noise_power = noise_for(snr_db) * 1e-3f;
            auto samples = silence(3000);
            append(samples, shape(sent));
            append(samples, silence(1000));
            receive(SREC_QPSK, impair(samples, set));
            LONGS_EQUAL(1, got.size());
            DOUBLES_EQUAL(-30, got[0].level_db, echo_delay ? 2.5 : 0.3);
        }
}

TEST(sync, fading_is_followed)
{
    auto sent = frame(SREC_QPSK);
    unsigned found = 0;
    double error = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        std::vector<float> stream = silence(3000);
        append(stream, shape(sent));
        srec_impairment_set set{};
        set.doppler = 2e-5f; /* 80 Hz at 4 Msamples/s: a few fades per burst */
        set.noise_power = noise_for(25);
        receive(SREC_QPSK, impair(stream, set, seed));
        if (got.size() != 1)
            continue; /* faded preamble */
        found++;
        error += pow(10, 0.1 * error_db(got[0], sent)) / 10;
    }
    CHECK(found >= 9);
    CHECK(10 * log10(error) < -15);
}

TEST(sync, noise_alone_gives_nothing_at_any_level)
{
    for (double db : { -60.0, 0.0, 40.0 }) {
        srec_impairment_set set{};
        set.noise_power = (float)pow(10, 0.1 * db);
        receive(SREC_QPSK, impair(silence(1000000), set, (uint64_t)(db + 100)), 65536);
        LONGS_EQUAL(0, got.size());
        LONGS_EQUAL(0, counters.preambles);
    }
}

TEST(sync, a_carrier_alone_or_a_foreign_signal_gives_nothing)
{
    std::vector<float> tone(2 * 200000), foreign(2 * 200000);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < tone.size() / 2; i++) {
        tone[2 * i] = (float)cos(0.1 * (double)i);
        tone[2 * i + 1] = (float)sin(0.1 * (double)i);
        foreign[2 * i] = (float)(i / 400 % 2 ? 3 : 0) + 0.1f * normal(random);
        foreign[2 * i + 1] = 0.1f * normal(random);
    }
    receive(SREC_QPSK, tone);
    LONGS_EQUAL(0, got.size());
    receive(SREC_QPSK, foreign);
    LONGS_EQUAL(0, got.size());
}

TEST(sync, what_is_not_finite_counts_as_nothing)
{
    auto sent = frame(SREC_QPSK, 0);
    std::vector<float> stream = silence(3000);
    stream[100] = NAN;
    stream[200] = INFINITY;
    append(stream, shape(sent));
    srec_impairment_set set{};
    set.noise_power = noise_for(20);
    auto samples = impair(stream, set);
    for (auto &v : samples)
        if (!std::isfinite(v))
            v = NAN;
    receive(SREC_QPSK, samples);
    LONGS_EQUAL(1, got.size());
}

TEST(sync, a_burst_at_the_very_start_of_a_stream_is_found_or_left_alone)
{
    /* the first samples that a fix may reach for, with room for timing errors of a symbol to both sides */
    const size_t reach = (SREC_BURST_SPAN + 6 + 3) * waveform.samples_per_symbol;
    const auto burst = shape(frame(SREC_QPSK, 0));
    const size_t guard = SREC_BURST_GUARD * waveform.samples_per_symbol; /* before the first symbol */
    for (size_t lead = reach - 8; lead <= reach + 8; lead++)
        for (float delay : { 0.0f, 0.5f }) {
            std::vector<float> stream(burst.begin() + 2 * (ptrdiff_t)(guard - lead), burst.end());
            srec_impairment_set set{};
            set.delay = delay;
            set.noise_power = noise_for(20);
            receive(SREC_QPSK, impair(stream, set, lead), 32768);
            CHECK(got.size() <= 1);
            if (lead > reach + waveform.samples_per_symbol)
                LONGS_EQUAL(1, got.size());
        }
}

TEST(sync, a_burst_cut_off_is_counted_and_the_next_stream_is_whole)
{
    auto sent = frame(SREC_QPSK);
    auto burst = shape(sent);
    srec_sync *s;
    LONGS_EQUAL(SREC_OK, srec_sync_create(&waveform, SREC_QPSK, keep, &got, &s, NULL));
    srec_sync_push(s, burst.data(), burst.size() / 6);
    LONGS_EQUAL(SREC_OK, srec_sync_flush(s));
    srec_sync_get_counters(s, &counters);
    LONGS_EQUAL(1, counters.truncated);
    LONGS_EQUAL(0, got.size());
    srec_sync_push(s, burst.data(), burst.size() / 2);
    LONGS_EQUAL(SREC_OK, srec_sync_flush(s));
    LONGS_EQUAL(1, got.size());
    const double first = got[0].sample;
    srec_sync_push(s, burst.data(), burst.size() / 2);
    LONGS_EQUAL(SREC_OK, srec_sync_flush(s));
    LONGS_EQUAL(2, got.size());
    DOUBLES_EQUAL(first + (double)burst.size() / 2, got[1].sample, 0.5); /* the zeros of the flush do not count */
    srec_sync_free(s);
}

TEST(sync, a_preamble_counts_once_wherever_the_stream_ends)
{
    struct {
        srec_modulation sent;
        uint64_t key_seed;
    } const cases[] = { { SREC_QPSK, 1 }, { SREC_QPSK, 77 }, { SREC_BPSK, 1 } };
    for (const auto &sender : cases)
        for (const bool check : { false, true })
            for (size_t n_symbols = 100; n_symbols < 3900; n_symbols += 300) {
                std::vector<float> stream = silence(500);
                append(stream, head(sender.sent, sender.key_seed, 2000, 16, n_symbols));
                srec_impairment_set set{};
                set.noise_power = noise_for(20);
                checked = check;
                receive(SREC_QPSK, impair(stream, set));
                LONGS_EQUAL(1, counters.preambles);
                LONGS_EQUAL(1, counters.bursts + counters.unreadable + counters.unsupported + counters.foreign +
                                   counters.truncated);
            }
}

TEST(sync, a_forged_signal_field_hides_no_burst)
{
    for (const auto m : { SREC_BPSK, SREC_QPSK, SREC_256QAM, SREC_PAM256 }) {
        const size_t field = srec_modem_symbols(m, srec_packet_signal_bytes(m)) + 300;
        for (const size_t n_header : { 20u, 1500u }) { /* it lies about the payload, or about the header */
            std::vector<float> stream = silence(1000);
            append(stream, head(m, 77, 29000, n_header, field));
            for (int i = 0; i < 5; i++)
                append(stream, shape(frame(m, 0)));
            srec_impairment_set set{};
            set.noise_power = noise_for(20);
            stream = impair(stream, set);
            checked = true;
            receive(m, stream); /* the stream ends within what the field claims: nothing waits for that */
            LONGS_EQUAL(5, got.size());
            LONGS_EQUAL(1, counters.foreign + counters.truncated);
            append(stream, silence(1000000)); /* it ends later */
            receive(m, stream);
            LONGS_EQUAL(5, got.size());
            LONGS_EQUAL(1, counters.foreign);
            LONGS_EQUAL(6, counters.preambles);
            checked = false;
            receive(m, stream);
            CHECK(got.size() < 5); /* the attack works where nothing is checked, or this is no test */
        }
    }
}

TEST(sync, a_sender_that_stops_within_a_burst_hides_no_other)
{
    checked = true;
    for (const double share : { 0.35, 0.5, 0.9 }) { /* from the end of the header on */
        auto stream = silence(500);
        auto first = frame(SREC_QPSK);
        first.resize((size_t)(share * (double)first.size()) / 2 * 2);
        append(stream, shape(first));
        auto next = frame(SREC_QPSK);
        append(stream, shape(next));
        append(stream, silence(100000));
        srec_impairment_set set{};
        set.noise_power = noise_for(15);
        receive(SREC_QPSK, impair(stream, set));
        LONGS_EQUAL(2, got.size());
        DOUBLES_EQUAL(-15, error_db(got[1], next), 0.6);
    }
}

TEST(sync, recorded_heads_played_back_hide_no_burst)
{
    checked = true;
    auto stream = silence(500);
    std::vector<std::vector<float>> sent;
    for (int i = 0; i < 6; i++) {
        append(stream, head(SREC_QPSK, 1, 25000, 16, 1900)); /* of the right key: authentic, but nothing follows */
        sent.push_back(frame(SREC_QPSK));
        append(stream, shape(sent.back()));
    }
    append(stream, silence(500000));
    srec_impairment_set set{};
    set.noise_power = noise_for(15);
    receive(SREC_QPSK, impair(stream, set));
    LONGS_EQUAL(0, counters.foreign);
    unsigned whole = 0;
    for (const auto &burst : got)
        for (const auto &s : sent)
            whole += burst.n_symbols == s.size() / 2 && error_db(burst, s) < -13;
    LONGS_EQUAL(6, whole);
}

TEST(sync, a_flood_of_forgeries_is_limited_and_the_next_burst_is_received)
{
    checked = true;
    for (const size_t n_header : { 20u, 4000u }) {
        std::vector<float> stream = silence(500);
        for (int i = 0; i < 100; i++)
            append(stream, head(SREC_QPSK, 77, 29000, n_header, 745));
        auto sent = frame(SREC_QPSK);
        append(stream, shape(sent));
        append(stream, silence(600000));
        receive(SREC_QPSK, stream);
        LONGS_EQUAL(101, counters.preambles);
        LONGS_EQUAL(1, got.size());
        CHECK(error_db(got[0], sent) < -25);
        LONGS_EQUAL(100, counters.foreign + counters.skipped + counters.unreadable);
        CHECK(n_header == 20 ? counters.skipped == 0 : counters.skipped > 20);
    }
}

TEST(sync, another_key_gets_nothing_and_counts_it)
{
    checked = true;
    std::vector<float> stream;
    for (int i = 0; i < 4; i++)
        append(stream, shape(frame(SREC_16QAM, 0)));
    srec_key_from_seed(&key, 2);
    receive(SREC_16QAM, stream);
    LONGS_EQUAL(0, got.size());
    LONGS_EQUAL(4, counters.foreign);
}

TEST(sync, whatever_the_samples_the_work_is_bounded_and_the_next_burst_is_received)
{
    const size_t n = 300000;
    const float wild[] = { 1e18f, 3e38f, 1e10f, -1e30f, 1e-42f, 1e-20f, NAN, INFINITY };
    auto sent = frame(SREC_QPSK);
    for (unsigned kind = 0; kind < 6; kind++) {
        std::vector<float> stream(2 * n);
        std::normal_distribution<float> normal;
        for (size_t i = 0; i < 2 * n; i++) {
            const uint32_t bits = (uint32_t)random();
            const float v = normal(random);
            const float as_float[] = { wild[bits % 8], v, v, 0, 0, 0 };
            stream[i] = as_float[kind];
            if (kind == 1 && i / 2 % 1000 == 500)
                stream[i] = 1e9f; /* clicks */
            if (kind == 2)
                stream[i] *= i / 2 / 300 % 2 ? 1000.0f : 0.001f; /* level in steps */
            if (kind == 3) {                                     /* the bytes of a receiver with 8 bits */
                uint8_t bytes[4];
                for (auto &b : bytes)
                    b = (uint8_t)fmin(255, fmax(0, 127.5 + 10 * (double)normal(random)));
                memcpy(&stream[i], bytes, 4);
            }
            if (kind == 4) { /* and with 16 */
                int16_t words[2] = { (int16_t)(300 * normal(random)), (int16_t)(300 * normal(random)) };
                memcpy(&stream[i], words, 4);
            }
            if (kind == 5) /* up chirps alone, one after the other */
                stream[i] = 1e9f * (float)(i % 2 ? sin(M_PI * pow((double)(i / 2 % 512) / 4, 2) / 128)
                                                 : cos(M_PI * pow((double)(i / 2 % 512) / 4, 2) / 128));
        }
        append(stream, silence(3000));
        append(stream, shape(sent));
        append(stream, silence(3000));
        receive(SREC_QPSK, stream);
        LONGS_EQUAL(stream.size() / 2, counters.samples);
        LONGS_EQUAL(1, got.size());
        CHECK(error_db(got[0], sent) < -25);
        CHECK(counters.candidates - counters.skipped <= stream.size() / 2 / (64 * waveform.samples_per_symbol) + 40);
        CHECK((kind == 0 || kind == 3 || kind == 4) == (counters.absurd > n / 2));
        if (kind == 1 || kind == 2)
            CHECK(counters.candidates < n / 2000); /* of 150 and 300 clicks and steps */
    }
}

TEST(sync, an_inverted_spectrum_is_recognised_and_set_right)
{
    for (const double snr_db : { -1.0, 20.0 })
        for (const float cfo : { 0.0f, 0.09f, -0.09f }) {
            std::vector<std::vector<float>> sent;
            std::vector<float> stream = silence(3000);
            for (int i = 0; i < 4; i++) {
                sent.push_back(frame(SREC_BPSK, 0));
                append(stream, shape(sent.back()));
                append(stream, silence(300));
            }
            srec_impairment_set set{};
            set.cfo = cfo / 4;
            set.clock_ppm = 20;
            set.noise_power = noise_for(snr_db);
            stream = impair(stream, set, 9);
            for (size_t i = 0; i < 75640; i++) /* of the first two bursts: a mixer above the carrier */
                stream[2 * i + 1] = -stream[2 * i + 1];
            receive(SREC_BPSK, stream);
            LONGS_EQUAL(4, got.size());
            LONGS_EQUAL(2, counters.inverted);
            LONGS_EQUAL(0, counters.unreadable);
            for (size_t i = 0; i < got.size(); i++) {
                CHECK_EQUAL(i < 2, got[i].inverted);
                DOUBLES_EQUAL(i < 2 ? -cfo : cfo, got[i].cfo, 1e-3);
                DOUBLES_EQUAL(-snr_db, error_db(got[i], sent[i]), 1);
            }
        }
}

TEST(sync, carriers_beyond_the_range_are_found_where_the_signal_is_strong)
{
    auto sent = frame(SREC_QPSK);
    for (const float cfo : { 0.14f, -0.2f, 0.25f }) {
        auto stream = silence(3000);
        append(stream, shape(sent));
        append(stream, silence(3000));
        srec_impairment_set set{};
        set.cfo = cfo / 4;
        set.noise_power = noise_for(6);
        receive(SREC_QPSK, impair(stream, set));
        LONGS_EQUAL(1, got.size());
        DOUBLES_EQUAL(cfo, got[0].cfo, 1e-4);
        DOUBLES_EQUAL(-6, error_db(got[0], sent), 0.6);
    }
}

TEST(sync, a_burst_of_another_modulation_is_named)
{
    for (int i = 0; i < SREC_MODULATIONS; i++)
        for (const auto expected : { SREC_QPSK, SREC_64QAM }) {
            const auto m = (srec_modulation)i;
            if (m == expected)
                continue;
            std::vector<float> stream = silence(1000);
            for (int k = 0; k < 3; k++)
                append(stream, shape(frame(m)));
            append(stream, silence(6000));
            srec_impairment_set set{};
            set.noise_power = noise_for(20);
            receive(expected, impair(stream, set));
            LONGS_EQUAL(0, got.size());
            LONGS_EQUAL(3, counters.unreadable);
            LONGS_EQUAL(3, counters.other_modulation[m]);
        }
}

TEST(sync, bad_arguments_are_refused)
{
    srec_sync *s;
    srec_shaper *shaper;
    srec_waveform bad = waveform;
    bad.samples_per_symbol = 1;
    LONGS_EQUAL(SREC_ERR_ARG, srec_sync_create(&bad, SREC_QPSK, keep, &got, &s, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_shaper_create(&bad, &shaper, NULL));
    bad = waveform;
    bad.rolloff = NAN;
    LONGS_EQUAL(SREC_ERR_ARG, srec_sync_create(&bad, SREC_QPSK, keep, &got, &s, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_sync_create(&waveform, (srec_modulation)9, keep, &got, &s, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_sync_create(&waveform, SREC_QPSK, nullptr, nullptr, &s, NULL));
    LONGS_EQUAL(SREC_ERR_ARG, srec_sync_push(nullptr, nullptr, 0));
}
