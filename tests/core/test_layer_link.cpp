/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Coded layers from image to image over a channel. */
#include <srec/burst.h>
#include <srec/channel.h>
#include <srec/layer_packet.h>
#include <srec/layer_plan.h>

#include "pictures.h"

#include <CppUTest/TestHarness.h>

TEST_GROUP(layer_link)
{
    srec_key key{};
    srec_error error{};
    srec_packet_encoder *heads = nullptr;
    srec_layer_packet_encoder *packet_encoder = nullptr;
    srec_layer_encoder *encoder = nullptr;
    srec_packet_decoder *receiver = nullptr;
    srec_layer_packet_decoder *packet_decoder = nullptr;
    uint64_t next_packet = 0;
    std::vector<std::vector<uint8_t>> frames;
    srec_layers layers{};
    size_t symbols = 0;

    void setup() override
    {
        srec_key_from_seed(&key, 3);
        LONGS_EQUAL(SREC_OK, srec_packet_encoder_create(&key, 99, &heads, &error));
        LONGS_EQUAL(SREC_OK, srec_layer_packet_encoder_create(&key, heads, &packet_encoder, &error));
        LONGS_EQUAL(SREC_OK, srec_layer_encoder_create(1, &encoder, &error));
        LONGS_EQUAL(SREC_OK, srec_packet_decoder_create(&key, nullptr, &receiver, &error));
        LONGS_EQUAL(SREC_OK, srec_layer_packet_decoder_create(receiver, 0, &packet_decoder, &error));
    }

    void teardown() override
    {
        srec_layer_packet_decoder_free(packet_decoder);
        srec_packet_decoder_free(receiver);
        srec_layer_encoder_free(encoder);
        srec_layer_packet_encoder_free(packet_encoder);
        srec_packet_encoder_free(heads);
    }

    void must(srec_status status)
    {
        if (status != SREC_OK)
            FAIL(error.message);
    }

    static srec_layers_request request_for(const picture &p, srec_modulation m, const std::vector<float> &snr_db,
                                           double cbr)
    {
        srec_layers_request r{};
        r.format = { p.image.width, p.image.height, p.image.channels, (unsigned)snr_db.size() };
        r.modulation = m;
        std::copy(snr_db.begin(), snr_db.end(), r.snr_db);
        r.margin_db = 0.5f;
        r.cbr = cbr;
        r.n_parity = SREC_LAYER_PARITY_AUTO;
        return r;
    }

    /* All frames of an image. */
    void send(const picture &p, const srec_layers_request &request)
    {
        srec_layer_plan plans[SREC_LAYERS_MAX];
        srec_layer_budget budgets[SREC_LAYERS_MAX];
        must(srec_layers_plan(&request, plans, &error));
        for (unsigned i = 0; i < request.format.n_layers; i++)
            budgets[i] = plans[i].budget;
        must(srec_layer_encoder_run(encoder, &p.image, budgets, request.format.n_layers, &layers, &error));
        frames.clear();
        symbols = 0;
        for (size_t i = 0; i < layers.n_pieces; i++) {
            const srec_layer_piece &piece = layers.pieces[i];
            srec_layer_packet packet{};
            packet.signal.modulation = request.modulation;
            packet.signal.packet = next_packet++;
            packet.signal.payload_bytes =
                (uint16_t)srec_layer_packet_coded_bytes(piece.n_bytes, plans[piece.layer].code_rate);
            packet.picture = 7;
            packet.scale = 1;
            packet.format = request.format;
            packet.piece = piece;
            std::vector<uint8_t> frame(SREC_FRAME_MAX);
            size_t n = 0;
            must(srec_layer_packet_encode(packet_encoder, &packet, frame.data(), frame.size(), &n, &error));
            frame.resize(n);
            const size_t of_frame = srec_modem_symbols(request.modulation, n);
            LONGS_EQUAL(of_frame, srec_layer_packet_symbols(request.modulation, packet.signal.payload_bytes));
            symbols += request.bursts ? srec_burst_symbols(of_frame) : of_frame;
            frames.push_back(frame);
        }
    }

    /* The image that a receiver at this SNR has. */
    picture receive(srec_modulation m, float snr_db, srec_layers_report *report)
    {
        picture out(layers.format.width, layers.format.height, layers.format.channels);
        srec_layer_decoder *decoder;
        srec_channel *channel;
        must(srec_layer_decoder_create(&layers.format, 1, &decoder, &error));
        LONGS_EQUAL(SREC_OK, srec_channel_create(SREC_CHANNEL_AWGN, snr_db, 1, 1, &channel, &error));
        for (const auto &frame : frames) {
            const size_t n = srec_modem_symbols(m, frame.size());
            std::vector<float> iq(2 * n), soft(8 * frame.size());
            LONGS_EQUAL(SREC_OK, srec_modem_map(m, frame.data(), frame.size(), iq.data()));
            srec_channel_apply(channel, iq.data(), iq.data(), nullptr, n);
            const float n0 = std::pow(10.0f, -0.1f * snr_db);
            LONGS_EQUAL(SREC_OK, srec_modem_demap(m, iq.data(), nullptr, n0, n, soft.data()));
            srec_layer_packet packet;
            if (srec_layer_packet_decode(packet_decoder, m, soft.data(), frame.size(), &packet) == SREC_OK)
                must(srec_layer_decoder_add(decoder, &packet.piece, &error));
        }
        must(srec_layer_decoder_run(decoder, &out.image, report, &error));
        srec_channel_free(channel);
        srec_layer_decoder_free(decoder);
        return out;
    }
};

TEST(layer_link, qpsk_at_4_dB_and_cbr_0_46_gives_36_dB_of_a_photo_like_image)
{
    const picture sent = synthetic_photo(768, 512, 3);
    const auto request = request_for(sent, SREC_QPSK, { 4 }, 0.46);
    send(sent, request);
    const double cbr = (double)symbols / (3.0 * 768 * 512);
    CHECK(cbr <= 0.46 && cbr >= 0.98 * 0.46);
    srec_layers_report report;
    const picture received = receive(SREC_QPSK, 4, &report);
    LONGS_EQUAL(1, report.layers_complete);
    const double db = received.psnr(sent);
    if (db < 36)
        FAIL(StringFromFormat("%.2f dB at cbr %.4f", db, cbr).asCharString());
    DOUBLES_EQUAL(db, 20 * std::log10(255 / report.rms_error), 0.2);
}

TEST(layer_link, qpsk_at_4_dB_and_cbr_0_46_gives_36_dB_of_kodak_in_the_mean)
{
    double sum = 0;
    const char *const names[] = { "01", "05", "09", "13", "17", "21" };
    for (const char *name : names) {
        const picture sent = kodak(name);
        if (sent.image.width == 1)
            return; /* no folder of photographs: SREC_TEST_IMAGES */
        send(sent, request_for(sent, SREC_QPSK, { 4 }, 0.46));
        srec_layers_report report;
        const double db = receive(SREC_QPSK, 4, &report).psnr(sent);
        CHECK(db > 30);
        sum += db;
    }
    CHECK(sum / 6 > 36.3);
}

TEST(layer_link, three_layers_arrive_one_after_the_other_as_the_snr_rises)
{
    const picture sent = synthetic_photo(384, 256, 3);
    auto request = request_for(sent, SREC_QPSK, { 0, 4, 8 }, 0.6);
    request.bursts = true;
    double before = 20;
    for (unsigned n = 0; n <= 3; n++) {
        send(sent, request);
        const double cbr = (double)symbols / (3.0 * 384 * 256);
        CHECK(cbr <= 0.6 && cbr >= 0.97 * 0.6);
        srec_layers_report report;
        const picture received =
            receive(SREC_QPSK, 4 * (float)n - 3.5f, &report); /* half a dB above the n-th layer's */
        LONGS_EQUAL(n, report.layers_complete);
        if (n == 0) { /* below all: nothing, not garbage */
            LONGS_EQUAL(0, report.pieces_received);
            continue;
        }
        const double db = received.psnr(sent);
        CHECK(db > before + 0.8);
        DOUBLES_EQUAL(db, 20 * std::log10(255 / report.rms_error), 0.2);
        before = db;
    }
}

TEST(layer_link, every_modulation_delivers_at_the_snr_that_it_was_planned_for_and_30_dB_above)
{
    const picture sent = synthetic_photo(256, 192, 3);
    const float snr_db[] = { 0, 3, 9, 14, 19 };
    for (auto m : { SREC_BPSK, SREC_QPSK, SREC_16QAM, SREC_64QAM, SREC_256QAM })
        for (float above : { 0.0f, 30.0f }) {
            send(sent, request_for(sent, m, { snr_db[m] }, 0.3));
            srec_layers_report report;
            receive(m, snr_db[m] + above, &report);
            LONGS_EQUAL(1, report.layers_complete);
            LONGS_EQUAL(layers.n_pieces, report.pieces_received);
        }
}
