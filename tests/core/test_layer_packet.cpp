/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/channel.h>
#include <volk/volk.h> /* includes C++ headers: not within extern "C" */

extern "C" {
#include "../../lib/core/codec/model_internal.h"
#include "../../lib/core/crypto/key_internal.h"
#include "../../lib/core/packet/layer_packet_internal.h"
#include "calls.h"
}

#include "vectors.h"

#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace
{

const srec_modulation modulations[] = { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM };

/* Es/N0 in dB at which packets of rate 1/2 arrive. */
float threshold_db(srec_modulation m)
{
    const float db[] = { -1.7f, 1.35f, 6.8f, 11.2f, 15.3f };
    return db[m];
}

} // namespace

TEST_GROUP(layer_packet)
{
    const uint64_t session = 0x1122334455667788;
    std::mt19937 random{ 12 };
    srec_key key{};
    srec_error error{};
    srec_packet_encoder *heads = nullptr;
    srec_layer_packet_encoder *encoder = nullptr;
    srec_packet_decoder *receiver = nullptr;
    srec_layer_packet_decoder *decoder = nullptr;
    std::vector<uint8_t> bytes;

    void setup() override
    {
        srec_key_from_seed(&key, 5);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, session, &heads, &error));
        LONGS_EQUAL(SREC_OK, srec_layer_packet_encoder_create(&key, heads, &encoder, &error));
        LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&key, nullptr, &receiver, &error));
        LONGS_EQUAL(SREC_OK, srec_layer_packet_decoder_create(receiver, 0, &decoder, &error));
    }

    void teardown() override
    {
        srec_layer_packet_decoder_free(decoder);
        srec_packet_decoder_free(receiver);
        srec_layer_packet_encoder_free(encoder);
        srec_packet_encoder_free(heads);
    }

    /* A packet with a random piece. */
    srec_layer_packet packet_of(srec_modulation m, uint64_t number, size_t n_bytes, double code_rate)
    {
        bytes.resize(n_bytes);
        for (auto &b : bytes)
            b = (uint8_t)random();
        srec_layer_packet p{};
        p.signal.modulation = m;
        p.signal.packet = number;
        p.signal.payload_bytes = (uint16_t)srec_layer_packet_coded_bytes(n_bytes, code_rate);
        p.picture = 41;
        p.scale = 1;
        p.format = { 640, 480, 3, 3 };
        p.piece = { 1, 4, 5, 1, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 }, bytes.data(), n_bytes };
        p.origin = number;
        return p;
    }

    std::vector<uint8_t> encode(const srec_layer_packet &p)
    {
        std::vector<uint8_t> frame(SREC_FRAME_MAX);
        size_t n = 0;
        if (srec_layer_packet_write(encoder, &p, frame.data(), frame.size(), &n, &error) != SREC_OK)
            FAIL(error.message);
        frame.resize(n);
        return frame;
    }

    static std::vector<float> certain(const std::vector<uint8_t> &frame)
    {
        std::vector<float> soft(8 * frame.size());
        for (size_t i = 0; i < soft.size(); i++)
            soft[i] = frame[i / 8] >> (7 - i % 8) & 1 ? -20.0f : 20.0f;
        return soft;
    }

    /* LLRs after white noise. \param burst share of the payload's symbols that a burst takes; 'e' erases, 'j' jams
     * them */
    std::vector<float> received(srec_modulation m, const std::vector<uint8_t> &frame, size_t head_bytes, float snr_db,
                                double burst = 0, char kind = 'e')
    {
        const size_t n = srec_modem_symbols(m, frame.size());
        const size_t head = srec_modem_symbols(m, head_bytes);
        std::vector<float> iq(2 * n), gain(2 * n), soft(8 * frame.size());
        LONGS_EQUAL(SREC_OK, srec_modem_map(m, frame.data(), frame.size(), iq.data()));
        for (size_t i = 0; i < n; i++)
            gain[2 * i] = 1;
        const size_t length = (size_t)(burst * (double)(n - head));
        const size_t from = head + random() % (n - head - length + 1);
        srec_channel *channel;
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, random(), 1, &channel, &error));
        srec_channel_apply(channel, iq.data(), iq.data(), nullptr, n);
        srec_channel_free(channel);
        std::normal_distribution<float> normal(0, std::sqrt(0.5f));
        for (size_t i = from; i < from + length; i++) {
            gain[2 * i] = kind == 'e' ? 0.0f : 1.0f;
            iq[2 * i] = normal(random);
            iq[2 * i + 1] = normal(random);
        }
        LONGS_EQUAL(SREC_OK,
                    srec_modem_demap(m, iq.data(), gain.data(), std::pow(10.0f, -0.1f * snr_db), n, soft.data()));
        return soft;
    }

    /* A packet after white noise, whose signal field and header arrive undamaged. */
    std::vector<float> readable(srec_modulation m, const srec_layer_packet &p, float snr_db)
    {
        const auto frame = encode(p);
        const size_t head = frame.size() - p.signal.payload_bytes;
        auto soft = received(m, frame, head, snr_db);
        const auto undamaged = certain(frame);
        std::copy(undamaged.begin(), undamaged.begin() + (std::ptrdiff_t)(8 * head), soft.begin());
        return soft;
    }

    srec_status decode(srec_modulation m, const std::vector<float> &soft, srec_layer_packet *out)
    {
        return srec_layer_packet_decode(decoder, m, soft.data(), soft.size() / 8, out);
    }

    srec_packet_counters counters()
    {
        srec_packet_counters c;
        srec_packet_decoder_get_counters(receiver, &c);
        return c;
    }
};

TEST(layer_packet, a_piece_and_its_description_come_back_in_every_modulation)
{
    uint64_t number = 0;
    for (auto m : modulations)
        for (size_t n : { (size_t)1, (size_t)16, (size_t)333, (size_t)5000 })
            for (auto cipher : { SREC_CIPHER_ADD, SREC_CIPHER_NONE }) {
                srec_layer_packet sent = packet_of(m, number++, n, 0.5), got;
                sent.signal.cipher = cipher;
                sent.scale = 2;
                const auto frame = encode(sent);
                LONGS_EQUAL(0, frame.size() % srec_modem_byte_granule(m));
                LONGS_EQUAL(SREC_OK, decode(m, certain(frame), &got));
                LONGS_EQUAL(SREC_PAYLOAD_LAYERS, got.signal.type);
                LONGS_EQUAL(cipher, got.signal.cipher);
                CHECK(got.signal.session == session && got.signal.packet == sent.signal.packet);
                CHECK(got.origin == sent.signal.packet && got.redundancy_version == 0);
                LONGS_EQUAL(41, got.picture);
                LONGS_EQUAL(2, got.scale);
                CHECK(memcmp(&got.format, &sent.format, sizeof got.format) == 0);
                LONGS_EQUAL(1, got.piece.layer);
                LONGS_EQUAL(4, got.piece.index);
                LONGS_EQUAL(5, got.piece.n_data);
                LONGS_EQUAL(1, got.piece.n_parity);
                MEMCMP_EQUAL(sent.piece.description, got.piece.description, sizeof got.piece.description);
                LONGS_EQUAL(n, got.piece.n_bytes);
                MEMCMP_EQUAL(bytes.data(), got.piece.bytes, n);
            }
    LONGS_EQUAL(number, counters().accepted);
}

TEST(layer_packet, keystream_and_tag_match_known_answers)
{
    for (const auto &line : read_vectors("layer", 2)) {
        uint8_t subkey[SREC_KEY_BYTES];
        srec_key_from_seed(&key, line.arguments[0]);
        LONGS_EQUAL(SREC_OK, srec_key_derive_layers(&key, line.arguments[1], subkey));
        MEMCMP_EQUAL(line.bytes.data(), subkey, sizeof subkey);
    }
    const auto lines = read_vectors("sealed_piece", 5);
    LONGS_EQUAL(7, lines.size());
    for (const auto &line : lines) {
        const size_t n = line.arguments[4];
        uint8_t subkey[SREC_KEY_BYTES];
        srec_key_from_seed(&key, line.arguments[0]);
        LONGS_EQUAL(SREC_OK, srec_key_derive_layers(&key, line.arguments[1], subkey));
        srec_layer_packet p = packet_of(SREC_QPSK, line.arguments[2], n, 0.5);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(7 * i + 3);
        p.signal.session = line.arguments[1];
        p.signal.cipher = (srec_cipher)line.arguments[3];
        p.picture = 7;
        std::vector<uint8_t> scratch(SREC_LAYER_FIXED_BYTES + n), out(n + SREC_LAYER_TAG_BYTES);
        srec_layer_seal(subkey, &p, scratch.data(), out.data());
        LONGS_EQUAL(line.bytes.size(), out.size());
        MEMCMP_EQUAL(line.bytes.data(), out.data(), out.size());
        LONGS_EQUAL(SREC_OK, srec_layer_open(subkey, &p, scratch.data(), out.data()));
        MEMCMP_EQUAL(bytes.data(), out.data(), n);
    }
}

TEST(layer_packet, nothing_is_shared_between_the_keys_of_features_headers_and_layers)
{
    uint8_t payload[SREC_KEY_BYTES], header[SREC_KEY_BYTES], layer[SREC_KEY_BYTES], other[SREC_KEY_BYTES];
    srec_key_derive_payload(&key, session, payload);
    srec_key_derive_header(&key, session, header);
    srec_key_derive_layers(&key, session, layer);
    srec_key_derive_layers(&key, session + 1, other);
    CHECK(memcmp(layer, payload, sizeof layer) != 0);
    CHECK(memcmp(layer, header, sizeof layer) != 0);
    CHECK(memcmp(layer, other, sizeof layer) != 0);
    /* the keystreams of one packet number have no block in common */
    srec_scrambler *s;
    LONGS_EQUAL(SREC_OK, srec_scrambler_create(&key, session, &s, &error));
    std::vector<uint8_t> features(4096), scratch(SREC_LAYER_FIXED_BYTES + 4096), layers(4096 + SREC_LAYER_TAG_BYTES);
    LONGS_EQUAL(SREC_OK, srec_scrambler_keystream(s, 3, 0, features.data(), features.size()));
    srec_scrambler_free(s);
    const srec_layer_packet p = packet_of(SREC_QPSK, 3, 4096, 0.5);
    std::fill(bytes.begin(), bytes.end(), 0);
    srec_layer_seal(layer, &p, scratch.data(), layers.data());
    std::set<std::vector<uint8_t>> blocks;
    for (size_t at = 0; at < 4096; at += 64) {
        blocks.insert(std::vector<uint8_t>(features.begin() + (long)at, features.begin() + (long)at + 64));
        blocks.insert(std::vector<uint8_t>(layers.begin() + (long)at, layers.begin() + (long)at + 64));
    }
    LONGS_EQUAL(128, blocks.size());
}

TEST(layer_packet, features_and_layers_of_a_session_cannot_use_a_packet_number_twice)
{
    static const uint8_t map[16] = { 0 };
    static const uint8_t payload[10] = { 0 };
    const srec_slice slice = { 9, 1, 64, 64, 3, SREC_FEATURES_BITS, 0, 1, 16, map, 1 };
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    encode(packet_of(SREC_QPSK, 7, 100, 0.5));
    LONGS_EQUAL(SREC_ERR_ARG, encode_packet(heads, { SREC_QPSK, SREC_CIPHER_ADD, 7, &slice, payload, 10 }, frame.data(),
                                            frame.size(), &n, &error));
    LONGS_EQUAL(SREC_OK, encode_packet(heads, { SREC_QPSK, SREC_CIPHER_ADD, 8, &slice, payload, 10 }, frame.data(),
                                       frame.size(), &n, &error));
    const srec_layer_packet again = packet_of(SREC_QPSK, 8, 100, 0.5);
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_packet_encode(encoder, &again, frame.data(), frame.size(), &n, &error));
    STRCMP_CONTAINS("used already", error.message);
}

TEST(layer_packet, the_tag_covers_every_byte_of_the_piece_and_every_fixed_field)
{
    uint8_t subkey[SREC_KEY_BYTES];
    srec_key_derive_layers(&key, session, subkey);
    srec_layer_packet p = packet_of(SREC_QPSK, 9, 40, 0.5);
    p.signal.session = session;
    std::vector<uint8_t> scratch(SREC_LAYER_FIXED_BYTES + 40), sealed(40 + SREC_LAYER_TAG_BYTES), in;
    srec_layer_seal(subkey, &p, scratch.data(), sealed.data());
    for (size_t i = 0; i < sealed.size(); i++) {
        in = sealed;
        in[i] ^= 1;
        LONGS_EQUAL(SREC_ERR_AUTH, srec_layer_open(subkey, &p, scratch.data(), in.data()));
        for (auto b : in)
            LONGS_EQUAL(0, b);
    }
    srec_layer_packet others[12];
    for (auto &o : others)
        o = p;
    others[0].signal.session++;
    others[1].origin++;
    others[2].picture++;
    others[3].format.width++;
    others[4].format.height++;
    others[5].format.channels = 1;
    others[6].format.n_layers++;
    others[7].scale = 2;
    others[8].piece.layer = 0;
    others[9].piece.index--;
    others[10].piece.description[10]++;
    others[11].signal.cipher = SREC_CIPHER_NONE;
    for (const auto &o : others) {
        in = sealed;
        LONGS_EQUAL(SREC_ERR_AUTH, srec_layer_open(subkey, &o, scratch.data(), in.data()));
    }
    srec_layer_packet repeat = p;
    repeat.redundancy_version = 3;
    repeat.signal.packet += 5;
    in = sealed;
    LONGS_EQUAL(SREC_OK, srec_layer_open(subkey, &repeat, scratch.data(), in.data()));
}

TEST(layer_packet, packets_that_cannot_be_corrected_are_counted_and_not_delivered)
{
    const srec_layer_packet sent = packet_of(SREC_QPSK, 0, 2000, 0.7);
    const auto frame = encode(sent);
    srec_layer_packet got;
    const size_t head = frame.size() - sent.signal.payload_bytes;
    LONGS_EQUAL(SREC_ERR_CHECKSUM, decode(SREC_QPSK, received(SREC_QPSK, frame, head, 1.0f), &got));
    LONGS_EQUAL(1, counters().uncorrected);
    LONGS_EQUAL(0, counters().accepted);
    for (size_t i = 0; i < got.piece.n_bytes; i++)
        LONGS_EQUAL(0, got.piece.bytes[i]);
}

TEST(layer_packet, a_payload_of_another_key_under_an_authentic_header_is_a_bad_tag)
{
    /* an encoder whose heads have the key, but whose payloads another one */
    srec_key other;
    srec_layer_packet_encoder *forger;
    srec_key_from_seed(&other, 6);
    LONGS_EQUAL(SREC_OK, srec_layer_packet_encoder_create(&other, heads, &forger, &error));
    const srec_layer_packet sent = packet_of(SREC_16QAM, 0, 700, 0.5);
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    LONGS_EQUAL(SREC_OK, srec_layer_packet_encode(forger, &sent, frame.data(), frame.size(), &n, &error));
    srec_layer_packet_encoder_free(forger);
    frame.resize(n);
    srec_layer_packet got;
    LONGS_EQUAL(SREC_ERR_AUTH, decode(SREC_16QAM, certain(frame), &got));
    LONGS_EQUAL(1, counters().bad_tag);
    LONGS_EQUAL(0, counters().accepted + counters().uncorrected);
}

TEST(layer_packet, recordings_are_replays_and_repeats_of_delivered_origins_duplicates)
{
    srec_layer_packet p = packet_of(SREC_QPSK, 3, 500, 0.5), got;
    const auto first = encode(p);
    LONGS_EQUAL(SREC_OK, decode(SREC_QPSK, certain(first), &got));
    LONGS_EQUAL(SREC_ERR_REPLAY, decode(SREC_QPSK, certain(first), &got));
    LONGS_EQUAL(1, counters().replayed);
    p.signal.packet = 5;
    p.redundancy_version = 1;
    const auto repeat = encode(p);
    CHECK(memcmp(first.data() + 450, repeat.data() + 450, 100) != 0);
    LONGS_EQUAL(SREC_ERR_REPLAY, decode(SREC_QPSK, certain(repeat), &got));
    LONGS_EQUAL(1, counters().duplicate);
    LONGS_EQUAL(1, counters().accepted);
}

TEST(layer_packet, a_repeat_stands_in_for_a_first_transmission_that_was_lost)
{
    srec_layer_packet p = packet_of(SREC_QPSK, 3, 500, 0.5), got;
    encode(p);
    p.signal.packet = 4;
    p.redundancy_version = 1;
    LONGS_EQUAL(SREC_OK, decode(SREC_QPSK, certain(encode(p)), &got));
    CHECK(got.origin == 3 && got.redundancy_version == 1);
    MEMCMP_EQUAL(bytes.data(), got.piece.bytes, 500);
}

TEST(layer_packet, two_transmissions_arrive_3_dB_and_four_6_dB_below_the_threshold_of_one)
{
    const struct {
        double code_rate;
        float threshold_db;
        float gain_db[2]; /* of two and of four transmissions */
    } cases[] = { { 0.5, 1.3f, { 3.3f, 6.2f } }, { 8 / 9.0, 6.45f, { 5.0f, 8.5f } } };
    uint64_t number = 0;
    for (const auto &c : cases)
        for (unsigned i = 0; i < 2; i++)
            for (unsigned trial = 0; trial < 8; trial++) {
                srec_layer_packet p = packet_of(SREC_QPSK, number, 3000, c.code_rate), got;
                srec_status status = SREC_ERR_CHECKSUM;
                for (unsigned v = 0; v < 2u << i; v++) {
                    p.redundancy_version = (uint8_t)v;
                    p.signal.packet = number++;
                    const auto soft = readable(SREC_QPSK, p, c.threshold_db - c.gain_db[i]);
                    CHECK(status != SREC_OK);
                    status = decode(SREC_QPSK, soft, &got);
                }
                LONGS_EQUAL(SREC_OK, status);
                MEMCMP_EQUAL(bytes.data(), got.piece.bytes, got.piece.n_bytes);
            }
    LONGS_EQUAL(32, counters().combined);
    LONGS_EQUAL(2 * 8 * 2 + 2 * 8 * 4, counters().summed);
}

TEST(layer_packet, a_jammed_transmission_does_not_spoil_the_sum_of_the_others)
{
    srec_layer_packet p = packet_of(SREC_QPSK, 0, 1500, 0.5), got;
    for (unsigned v = 0; v < 4; v++) {
        p.redundancy_version = (uint8_t)v;
        p.signal.packet = v;
        auto soft = readable(SREC_QPSK, p, v == 0 ? 20.0f : -2.0f);
        for (size_t i = soft.size() - 8 * p.signal.payload_bytes; v == 0 && i < soft.size(); i++)
            soft[i] = random() % 2 ? 30.0f : -30.0f;
        LONGS_EQUAL(v < 2 ? SREC_ERR_CHECKSUM : SREC_OK, decode(SREC_QPSK, soft, &got));
        if (v == 2)
            break;
    }
    LONGS_EQUAL(2, counters().uncorrected);
}

TEST(layer_packet, repeats_are_refused_that_do_not_follow_their_origin)
{
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    srec_layer_packet p = packet_of(SREC_QPSK, 5000, 500, 0.5);
    for (const uint64_t origin : { (uint64_t)5000, (uint64_t)5001, (uint64_t)903 }) {
        p.origin = origin;
        LONGS_EQUAL(SREC_ERR_ARG, srec_layer_packet_encode_repeat(encoder, &p, frame.data(), frame.size(), &n, &error));
        STRCMP_CONTAINS("cannot repeat", error.message);
    }
}

TEST(layer_packet, a_repeat_carries_the_payload_of_its_origin_or_is_refused)
{
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    const srec_layer_packet first = packet_of(SREC_QPSK, 904, 500, 0.5);
    const auto repeat = [&](srec_layer_packet p, uint64_t number) {
        p.signal.packet = number;
        p.redundancy_version = 1;
        return srec_layer_packet_encode_repeat(encoder, &p, frame.data(), frame.size(), &n, &error);
    };
    LONGS_EQUAL(SREC_ERR_ARG, repeat(first, 905)); /* its origin was never sent */
    LONGS_EQUAL(SREC_OK, srec_layer_packet_encode(encoder, &first, frame.data(), frame.size(), &n, &error));
    srec_layer_packet others[5] = { first, first, first, first, first };
    auto changed = bytes;
    changed[499] ^= 1;
    others[0].piece.bytes = changed.data();
    others[1].piece.index = 3;
    others[2].picture++;
    others[3].signal.cipher = SREC_CIPHER_NONE;
    others[4].signal.payload_bytes++;
    for (const auto &other : others) {
        LONGS_EQUAL(SREC_ERR_ARG, repeat(other, 906));
        STRCMP_CONTAINS("another one", error.message);
    }
    LONGS_EQUAL(SREC_OK, repeat(first, 906));
    LONGS_EQUAL(SREC_OK, repeat(first, 5000));
    LONGS_EQUAL(SREC_ERR_ARG, repeat(first, 5001)); /* too old */
    frame.resize(n);
    srec_layer_packet got;
    LONGS_EQUAL(SREC_OK, decode(SREC_QPSK, certain(frame), &got));
    CHECK(got.origin == 904 && got.signal.packet == 5000 && got.redundancy_version == 1);
    MEMCMP_EQUAL(bytes.data(), got.piece.bytes, 500);
}

TEST(layer_packet, foreign_damaged_and_short_frames_are_counted_where_they_fail)
{
    srec_key other;
    srec_packet_decoder *eve;
    srec_layer_packet_decoder *eve_layers;
    srec_packet_counters c;
    srec_layer_packet got;
    srec_key_from_seed(&other, 77);
    LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&other, nullptr, &eve, &error));
    LONGS_EQUAL(SREC_OK, srec_layer_packet_decoder_create(eve, 0, &eve_layers, &error));
    const auto soft = certain(encode(packet_of(SREC_QPSK, 0, 300, 0.5)));
    LONGS_EQUAL(SREC_ERR_AUTH, srec_layer_packet_decode(eve_layers, SREC_QPSK, soft.data(), soft.size() / 8, &got));
    srec_packet_decoder_get_counters(eve, &c);
    LONGS_EQUAL(1, c.forged);
    srec_layer_packet_decoder_free(eve_layers);
    srec_packet_decoder_free(eve);

    LONGS_EQUAL(SREC_ERR_TRUNCATED,
                srec_layer_packet_decode(decoder, SREC_QPSK, soft.data(), soft.size() / 8 - 1, &got));
    LONGS_EQUAL(SREC_ERR_TRUNCATED, srec_layer_packet_decode(decoder, SREC_QPSK, soft.data(), 3, &got));
    LONGS_EQUAL(2, counters().damaged);
    LONGS_EQUAL(SREC_OK, decode(SREC_QPSK, soft, &got)); /* a truncated frame does not use up the number */
    LONGS_EQUAL(SREC_ERR_ARG, decode(SREC_PAM256, soft, &got));
}

TEST(layer_packet, the_two_payload_types_do_not_take_each_other_for_their_own)
{
    const unsigned ladder[] = { 2, 4 };
    srec_model *model;
    srec_packet_decoder *features;
    srec_packet packet;
    LONGS_EQUAL(SREC_OK, srec_model_create_bare(ladder, 2, nullptr, nullptr, 9, &model));
    LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&key, model, &features, &error));
    const auto soft = certain(encode(packet_of(SREC_QPSK, 0, 300, 0.5)));
    srec_signal signal;
    LONGS_EQUAL(SREC_OK, srec_packet_read_signal(features, SREC_QPSK, soft.data(), &signal));
    LONGS_EQUAL(SREC_PAYLOAD_LAYERS, signal.type);
    LONGS_EQUAL(SREC_OK, srec_packet_authenticate(&key, SREC_QPSK, soft.data(), soft.size() / 8, &signal));
    LONGS_EQUAL(SREC_ERR_VERSION, srec_packet_decode(features, SREC_QPSK, soft.data(), soft.size() / 8, &packet));
    srec_packet_decoder_free(features);
    srec_model_free(model);

    static const uint8_t map[16] = { 0 };
    static const uint8_t payload[32] = { 0 };
    const srec_slice slice = { 9, 1, 64, 64, 3, SREC_FEATURES_BITS, 0, 1, 16, map, 1 };
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    LONGS_EQUAL(SREC_OK, encode_packet(heads, { SREC_QPSK, SREC_CIPHER_ADD, 8, &slice, payload, 32 }, frame.data(),
                                       frame.size(), &n, &error));
    frame.resize(n);
    srec_layer_packet got;
    LONGS_EQUAL(SREC_ERR_VERSION, decode(SREC_QPSK, certain(frame), &got));
    LONGS_EQUAL(1, counters().unsupported);
    /* without a model, features are a foreign model's */
    LONGS_EQUAL(SREC_ERR_MODEL, srec_packet_decode(receiver, SREC_QPSK, certain(frame).data(), n, &packet));
}

TEST(layer_packet, impossible_packets_are_refused_with_a_line)
{
    std::vector<uint8_t> frame(SREC_FRAME_MAX);
    size_t n;
    srec_layer_packet bad[9];
    for (auto &b : bad)
        b = packet_of(SREC_QPSK, 0, 300, 0.5);
    bad[0].signal.modulation = SREC_PAM256;
    bad[1].signal.cipher = SREC_CIPHER_XOR;
    bad[2].scale = 3;
    bad[3].format.n_layers = 9;
    bad[4].piece.index = 6;
    bad[5].piece.n_bytes = 0;
    bad[6].signal.payload_bytes = 300; /* rate above 8/9 */
    bad[7].signal.payload_bytes = 29900;
    bad[8].format.width = 65536;
    for (const auto &b : bad) {
        error.message[0] = 0;
        LONGS_EQUAL(SREC_ERR_ARG, srec_layer_packet_encode(encoder, &b, frame.data(), frame.size(), &n, &error));
        CHECK(error.message[0] && !strchr(error.message, '\n'));
    }
}

TEST(layer_packet, sizes_of_frames_are_those_that_are_announced)
{
    LONGS_EQUAL(0, srec_layer_packet_coded_bytes(100, 0));
    LONGS_EQUAL(0, srec_layer_packet_coded_bytes(60000, 0.5));
    LONGS_EQUAL(232, srec_layer_packet_coded_bytes(100, 0.5));
    LONGS_EQUAL(131, srec_layer_packet_coded_bytes(100, 1)); /* 8/9 */
    for (auto m : modulations) {
        const size_t most = srec_layer_packet_coded_bytes_max(m);
        CHECK(srec_layer_packet_symbols(m, most) > 0);
        LONGS_EQUAL(0, srec_layer_packet_symbols(m, most + srec_modem_byte_granule(m)));
    }
    LONGS_EQUAL(1800, srec_layer_packet_symbols(SREC_QPSK, 0));
    LONGS_EQUAL(0, srec_layer_packet_symbols(SREC_PAM256, 100));
}

TEST(layer_packet, any_burst_over_5_percent_takes_an_equal_share_of_every_block)
{
    for (size_t n_bytes : { (size_t)500, (size_t)8483, (size_t)28001 }) {
        srec_ldpc_code code;
        LONGS_EQUAL(SREC_OK, srec_ldpc_code_for(n_bytes / 2, n_bytes, &code));
        const size_t bits = 8 * n_bytes, stride = srec_layer_stride(bits), length = bits / 20;
        std::vector<unsigned> block(bits);
        for (size_t i = 0; i < bits; i++)
            block[i * stride % bits] = (unsigned)(i * code.n_blocks / bits);
        for (size_t from = 0; from + length <= bits; from += length / 3) {
            std::vector<size_t> hits(code.n_blocks);
            for (size_t i = from; i < from + length; i++)
                hits[block[i]]++;
            for (auto h : hits)
                DOUBLES_EQUAL(0.05, (double)h * code.n_blocks / (double)bits,
                              0.002 + 8.0 * code.n_blocks / (double)bits);
        }
    }
}

/* A receiver that does not know of interference takes its symbols for reliable; that costs 64QAM 1 dB
 * more, 256QAM 2 dB. */
TEST(layer_packet, a_burst_over_5_percent_of_the_payload_loses_no_packet_2_to_30_dB_above_the_threshold)
{
    uint64_t number = 0;
    for (auto m : modulations)
        for (char kind : { 'e', 'j' })
            for (float above_db : { 2.0f, 10.0f, 30.0f })
                for (unsigned i = 0; i < 20; i++) {
                    const srec_layer_packet sent = packet_of(m, number++, 2400, 0.5);
                    const auto frame = encode(sent);
                    const size_t head_bytes = srec_packet_frame_bytes(m, SREC_LAYER_HEADER, 0);
                    const float snr_db =
                        threshold_db(m) + above_db + (kind == 'j' && m > SREC_16QAM ? (float)(m - SREC_16QAM) : 0.0f);
                    srec_layer_packet got;
                    if (decode(m, received(m, frame, head_bytes, snr_db, 0.05, kind), &got) != SREC_OK)
                        FAIL(StringFromFormat("%s, %s, %.0f dB above", srec_modulation_name(m),
                                              kind == 'e' ? "erased" : "jammed", (double)above_db)
                                 .asCharString());
                }
    LONGS_EQUAL(number, counters().accepted);
}

TEST(layer_packet, noise_alone_is_no_packet)
{
    std::normal_distribution<float> normal(0, 4);
    srec_layer_packet got;
    for (unsigned i = 0; i < 200; i++) {
        std::vector<float> soft(8 * 3000);
        for (auto &s : soft)
            s = normal(random);
        CHECK(decode(SREC_QPSK, soft, &got) != SREC_OK);
    }
    LONGS_EQUAL(200, counters().damaged);
}
