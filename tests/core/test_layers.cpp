/* SPDX-License-Identifier: GPL-3.0-or-later */
extern "C" {
#include "../../lib/core/layers/layers_internal.h"
}

#include "pictures.h"

#include <algorithm>

#include <CppUTest/TestHarness.h>

namespace
{

std::vector<srec_layer_budget> budgets(unsigned n_layers, size_t bytes, uint32_t n_data, uint32_t n_parity,
                                       size_t piece_bytes_max = 20000)
{
    return std::vector<srec_layer_budget>(n_layers, srec_layer_budget{ bytes, n_data, n_parity, piece_bytes_max, 0 });
}

} // namespace

TEST_GROUP(layers)
{
    srec_error error{};
    srec_layer_encoder *encoder = nullptr;
    srec_layers layers{};

    void setup() override { LONGS_EQUAL(SREC_OK, srec_layer_encoder_create(1, &encoder, &error)); }
    void teardown() override { srec_layer_encoder_free(encoder); }

    void must(srec_status status)
    {
        if (status != SREC_OK)
            FAIL(error.message);
    }

    void encode(const picture &p, const std::vector<srec_layer_budget> &b)
    {
        must(srec_layer_encoder_run(encoder, &p.image, b.data(), (unsigned)b.size(), &layers, &error));
        std::vector<size_t> bytes(b.size());
        for (size_t i = 0; i < layers.n_pieces; i++) {
            const srec_layer_piece &piece = layers.pieces[i];
            CHECK(piece.n_bytes >= 1 && piece.n_bytes <= b[piece.layer].piece_bytes_max);
            CHECK(piece.n_data <= b[piece.layer].n_data && piece.n_parity <= b[piece.layer].n_parity);
            bytes[piece.layer] += piece.n_bytes;
        }
        double left = 0;
        for (unsigned i = 0; i < b.size(); i++) {
            LONGS_EQUAL(layers.layer_bytes[i], bytes[i]);
            left += ((double)b[i].bytes - (double)bytes[i]) * (b[i].byte_cost > 0 ? b[i].byte_cost : 1);
            CHECK(left >= 0);
        }
    }

    /* The image of the pieces for which \p arrives. */
    template <typename function>
    picture decode(function arrives, srec_layers_report * report = nullptr)
    {
        picture out(layers.format.width, layers.format.height, layers.format.channels);
        srec_layer_decoder *decoder;
        must(srec_layer_decoder_create(&layers.format, 1, &decoder, &error));
        for (size_t i = layers.n_pieces; i-- > 0;) /* the order does not matter */
            if (arrives(i))
                must(srec_layer_decoder_add(decoder, &layers.pieces[i], &error));
        must(srec_layer_decoder_run(decoder, &out.image, report, &error));
        srec_layer_decoder_free(decoder);
        return out;
    }

    picture decode_all(srec_layers_report *report = nullptr)
    {
        return decode([](size_t) { return true; }, report);
    }
};

TEST(layers, an_image_comes_back_with_the_error_that_the_encoder_measured)
{
    const picture sent = synthetic_photo(300, 200, 3);
    encode(sent, budgets(1, 12000, 8, 1));
    srec_layers_report report;
    const double db = decode_all(&report).psnr(sent);
    LONGS_EQUAL(1, report.layers_complete);
    LONGS_EQUAL(layers.n_pieces, report.pieces_received);
    LONGS_EQUAL(0, report.pieces_missing + report.pieces_recovered);
    DOUBLES_EQUAL(db, 20 * std::log10(255 / report.rms_error), 0.16); /* half a step of the logarithmic byte */
    DOUBLES_EQUAL(layers.rms_error[0], report.rms_error, 1e-6);
    CHECK(db > 30);
}

TEST(layers, the_measured_error_counts_units_that_did_not_fit)
{
    for (size_t bytes : { 1638u, 1700u, 1800u, 2000u }) {
        const picture sent = synthetic_photo(256, 256, 3);
        srec_layers_report report;
        encode(sent, budgets(1, bytes, 3, 1));
        const double db = decode_all(&report).psnr(sent);
        DOUBLES_EQUAL(db, 20 * std::log10(255 / report.rms_error), 0.16);
    }
}

TEST(layers, the_error_byte_covers_0_to_255_in_steps_of_3_5_percent)
{
    LONGS_EQUAL(0, srec_layers_error_to_byte(0));
    LONGS_EQUAL(0, srec_layers_error_to_byte(NAN));
    for (double rms : { 0.05, 0.5, 1.0, 7.3, 40.0, 255.0 })
        DOUBLES_EQUAL(1, srec_layers_error_of_byte(srec_layers_error_to_byte(rms)) / rms, 0.0175);
}

TEST(layers, each_layer_makes_the_image_better)
{
    const picture sent = synthetic_photo(300, 200, 3);
    encode(sent, budgets(3, 5000, 4, 1));
    double before = 20;
    for (unsigned n = 1; n <= 3; n++) {
        srec_layers_report report;
        const double db = decode([&](size_t i) { return layers.pieces[i].layer < n; }, &report).psnr(sent);
        LONGS_EQUAL(n, report.layers_complete);
        DOUBLES_EQUAL(db, 20 * std::log10(255 / report.rms_error), 0.16);
        CHECK(db > before + 1);
        before = db;
    }
}

TEST(layers, budgets_are_never_exceeded_and_filled_to_98_percent_or_86_of_small_images)
{
    const uint32_t sizes[][2] = { { 64, 64 }, { 100, 75 }, { 256, 256 }, { 512, 384 }, { 640, 480 } };
    const uint32_t pieces[][2] = { { 1, 0 }, { 3, 1 }, { 12, 1 } };
    for (const auto &size : sizes)
        for (unsigned channels : { 1u, 3u })
            for (unsigned n_layers : { 1u, 3u })
                for (const auto &n : pieces)
                    for (double bits_per_pixel : { 0.2, 1.5 }) {
                        const picture sent = synthetic_photo(size[0], size[1], channels);
                        const size_t bytes = (size_t)(bits_per_pixel * size[0] * size[1] / 8 / n_layers);
                        const srec_layers_format f = { size[0], size[1], channels, n_layers };
                        if (bytes < srec_layers_least_bytes(&f, n[0], n[1]))
                            continue;
                        encode(sent, budgets(n_layers, bytes, n[0], n[1], 60000));
                        size_t used = 0;
                        for (unsigned i = 0; i < n_layers; i++)
                            used += layers.layer_bytes[i];
                        const double fill = (double)used / (double)(n_layers * bytes);
                        if (fill < (size[0] < 500 ? 0.86 : bits_per_pixel < 1 ? 0.975 : 0.98))
                            FAIL(StringFromFormat("%ux%ux%u in %u layers of %u and %u pieces, %zu bytes: %.3f filled",
                                                  size[0], size[1], channels, n_layers, n[0], n[1], bytes, fill)
                                     .asCharString());
                    }
}

TEST(layers, a_budget_below_the_least_is_refused_with_that_number_which_suffices)
{
    const uint32_t sizes[][2] = { { 1, 1 }, { 3, 300 }, { 64, 64 }, { 768, 512 }, { 65535, 1 } };
    for (const auto &size : sizes)
        for (uint32_t n_data : { 1u, 3u, 9u })
            for (uint32_t n_parity : { 0u, 2u }) {
                const picture sent = synthetic_photo(size[0], size[1], 3);
                const srec_layers_format f = { size[0], size[1], 3, 2 };
                const size_t least = srec_layers_least_bytes(&f, n_data, n_parity);
                auto b = budgets(2, least, n_data, n_parity);
                encode(sent, b);
                CHECK(decode_all().psnr(sent) > 11);
                b[1].bytes = least - 1;
                LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 2, &layers, &error));
                STRCMP_CONTAINS(std::to_string(least).c_str(), error.message);
                STRCMP_CONTAINS("layer 2", error.message);
            }
}

TEST(layers, images_of_any_size_come_back)
{
    const uint32_t sizes[][2] = { { 1, 1 },   { 2, 1 },   { 1, 9 },     { 7, 5 },     { 16, 16 },
                                  { 33, 31 }, { 129, 3 }, { 65535, 1 }, { 1, 65535 }, { 257, 130 } };
    for (const auto &size : sizes)
        for (unsigned channels : { 1u, 3u })
            for (unsigned n_layers : { 1u, size[0] + size[1] > 60000 ? 2u : 8u }) {
                const picture sent = synthetic_photo(size[0], size[1], channels);
                const size_t bytes = sent.samples.size() / n_layers + 700 * n_layers + 2000 * channels;
                encode(sent, budgets(n_layers, bytes, 5, 1));
                srec_layers_report report;
                CHECK(decode_all(&report).psnr(sent) > 38);
                LONGS_EQUAL(n_layers, report.layers_complete);
            }
}

TEST(layers, rows_may_lie_apart)
{
    const picture sent = synthetic_photo(40, 30, 3);
    picture wide(60, 30, 3);
    srec_image view = { 40, 30, 3, wide.image.stride, wide.samples.data() };
    for (uint32_t y = 0; y < 30; y++)
        std::memcpy(wide.samples.data() + y * 180, sent.samples.data() + y * 120, 120);
    const auto b = budgets(1, 3000, 2, 0);
    must(srec_layer_encoder_run(encoder, &view, b.data(), 1, &layers, &error));
    std::vector<uint8_t> first(layers.pieces[0].bytes, layers.pieces[0].bytes + layers.pieces[0].n_bytes);
    encode(sent, b);
    CHECK(first == std::vector<uint8_t>(layers.pieces[0].bytes, layers.pieces[0].bytes + layers.pieces[0].n_bytes));
}

TEST(layers, parity_restores_as_many_data_pieces_as_there_are_parity_pieces)
{
    const picture sent = synthetic_photo(300, 200, 3);
    encode(sent, budgets(1, 9000, 7, 2));
    const double whole = decode_all().psnr(sent);
    const uint32_t n_data = layers.pieces[0].n_data, n = (uint32_t)layers.n_pieces;
    LONGS_EQUAL(n_data + 2, n);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = a; b < n; b++) {
            srec_layers_report report;
            const picture got = decode([&](size_t i) { return i != a && i != b; }, &report);
            DOUBLES_EQUAL(whole, got.psnr(sent), 1e-9);
            LONGS_EQUAL(1, report.layers_complete);
            LONGS_EQUAL(0, report.pieces_missing);
            LONGS_EQUAL((a < n_data) + (b < n_data && a != b), report.pieces_recovered);
        }
}

TEST(layers, parity_reaches_across_more_than_255_pieces)
{
    for (uint32_t n_data : { 200u, 300u, 1000u }) {
        const uint32_t n_parity = n_data / 12, n = n_data + n_parity;
        const size_t bytes = 9;
        std::mt19937 random(n);
        std::vector<std::vector<uint8_t>> sent(n, std::vector<uint8_t>(bytes)), got;
        std::vector<uint8_t *> rows(n);
        for (uint32_t i = 0; i < n; i++) {
            for (auto &b : sent[i])
                b = i < n_data ? (uint8_t)random() : 0;
            rows[i] = sent[i].data();
        }
        LONGS_EQUAL(SREC_OK, srec_layers_parity_encode(rows.data(), n_data, n_parity, bytes));
        got = sent;
        std::vector<char> there(n, 1);
        const uint32_t lost = n_parity / 2; /* a burst: groups interleave, so it is spread evenly */
        for (uint32_t i = 0; i < lost; i++) {
            there[17 + i] = 0;
            std::fill(got[17 + i].begin(), got[17 + i].end(), 0xaa);
        }
        for (uint32_t i = 0; i < n; i++)
            rows[i] = got[i].data();
        bool *flags = (bool *)there.data();
        LONGS_EQUAL(lost, srec_layers_parity_restores(flags, n_data, n_parity));
        LONGS_EQUAL(SREC_OK, srec_layers_parity_restore(rows.data(), flags, n_data, n_parity, bytes));
        CHECK(got == sent);
    }
}

TEST(layers, a_single_lost_piece_costs_detail_but_never_the_image)
{
    const picture sent = synthetic_photo(384, 256, 3);
    encode(sent, budgets(1, 24000, 12, 0));
    const double whole = decode_all().psnr(sent);
    double worst = whole;
    for (size_t lost = 0; lost < layers.n_pieces; lost++) {
        srec_layers_report report;
        worst = std::min(worst, decode([&](size_t i) { return i != lost; }, &report).psnr(sent));
        LONGS_EQUAL(0, report.layers_complete);
        LONGS_EQUAL(1, report.pieces_missing);
        CHECK(report.rms_error > 0);
    }
    if (worst < 23 || whole < 34)
        FAIL(StringFromFormat("worst %.2f, whole %.2f dB", worst, whole).asCharString());
}

TEST(layers, random_losses_leave_a_sensible_image)
{
    const picture sent = synthetic_photo(384, 256, 3);
    encode(sent, budgets(2, 16000, 12, 1));
    std::mt19937 random(6);
    std::vector<double> db;
    for (unsigned round = 0; round < 100; round++)
        db.push_back(decode([&](size_t) { return random() % 10 != 0; }).psnr(sent));
    std::sort(db.begin(), db.end());
    if (db[0] < 15 || db[5] < 25 || db[50] < 30)
        FAIL(StringFromFormat("least %.2f, 5 %% %.2f, median %.2f dB", db[0], db[5], db[50]).asCharString());
}

TEST(layers, no_piece_gives_grey_and_an_unknown_error)
{
    const picture sent = synthetic_photo(50, 40, 3);
    encode(sent, budgets(1, 3000, 3, 0));
    srec_layers_report report;
    const picture grey = decode([](size_t) { return false; }, &report);
    for (auto v : grey.samples)
        LONGS_EQUAL(128, v);
    LONGS_EQUAL(0, report.layers_complete + report.pieces_received + report.pieces_missing);
    CHECK(std::isnan(report.rms_error));
}

TEST(layers, a_unit_longer_than_a_piece_is_cut_and_joined_again)
{
    const picture sent = synthetic_photo(300, 200, 3);
    encode(sent, budgets(1, 20000, 60, 2, 500));
    unsigned cut = 0;
    for (size_t i = 0; i < layers.n_pieces; i++) {
        srec_layers_content c;
        if (layers.pieces[i].index < layers.pieces[i].n_data) {
            CHECK(srec_layers_get_content(layers.pieces[i].description, &c));
            cut += c.open;
        }
    }
    CHECK(cut > 5);
    CHECK(decode_all().psnr(sent) > 35);
    for (size_t lost = 0; lost < layers.n_pieces; lost += 7)
        CHECK(decode([&](size_t i) { return i != lost && i + 1 != lost && i + 2 != lost; }).psnr(sent) > 24);
}

TEST(layers, pieces_that_contradict_others_are_refused)
{
    const picture sent = synthetic_photo(200, 140, 3);
    encode(sent, budgets(1, 4000, 3, 1));
    LONGS_EQUAL(4, layers.n_pieces);
    srec_layer_decoder *decoder;
    must(srec_layer_decoder_create(&layers.format, 1, &decoder, &error));
    must(srec_layer_decoder_add(decoder, &layers.pieces[0], &error));
    const srec_layer_piece good = layers.pieces[1];
    srec_layer_piece bad = good;
    bad.n_data = 4;
    LONGS_EQUAL(SREC_ERR_FORMAT, srec_layer_decoder_add(decoder, &bad, &error));
    bad = good;
    bad.layer = 1;
    LONGS_EQUAL(SREC_ERR_FORMAT, srec_layer_decoder_add(decoder, &bad, &error));
    bad = good;
    bad.index = 4;
    LONGS_EQUAL(SREC_ERR_FORMAT, srec_layer_decoder_add(decoder, &bad, &error));
    bad = good;
    bad.n_bytes--;
    LONGS_EQUAL(SREC_ERR_FORMAT, srec_layer_decoder_add(decoder, &bad, &error));
    bad = good;
    bad.description[8] |= 0x80;
    LONGS_EQUAL(SREC_ERR_FORMAT, srec_layer_decoder_add(decoder, &bad, &error));
    LONGS_EQUAL(layers.pieces[0].n_bytes, srec_layer_decoder_bytes(decoder));
    must(srec_layer_decoder_add(decoder, &layers.pieces[0], &error)); /* again: ignored */
    LONGS_EQUAL(layers.pieces[0].n_bytes, srec_layer_decoder_bytes(decoder));
    CHECK_FALSE(srec_layer_decoder_complete(decoder));
    must(srec_layer_decoder_add(decoder, &layers.pieces[1], &error));
    must(srec_layer_decoder_add(decoder, &layers.pieces[3], &error)); /* parity stands in for the third */
    CHECK(srec_layer_decoder_complete(decoder));
    srec_layer_decoder_free(decoder);
}

TEST(layers, corrupted_pieces_never_crash)
{
    const picture sent = synthetic_photo(100, 80, 3);
    encode(sent, budgets(2, 3000, 4, 1, 900));
    std::mt19937 random(9);
    for (unsigned round = 0; round < 300; round++) {
        picture out(100, 80, 3);
        srec_layer_decoder *decoder;
        must(srec_layer_decoder_create(&layers.format, 1, &decoder, &error));
        for (size_t i = 0; i < layers.n_pieces; i++) {
            std::vector<uint8_t> bytes(layers.pieces[i].bytes, layers.pieces[i].bytes + layers.pieces[i].n_bytes);
            srec_layer_piece piece = layers.pieces[i];
            for (unsigned k = 0; k < round % 7; k++)
                bytes[random() % (random() % 2 ? bytes.size() : std::min<size_t>(bytes.size(), 30))] =
                    (uint8_t)random();
            if (random() % 4 == 0)
                piece.description[random() % sizeof piece.description] = (uint8_t)random();
            piece.bytes = bytes.data();
            if (random() % 5)
                srec_layer_decoder_add(decoder, &piece, &error);
        }
        if (srec_layer_decoder_run(decoder, &out.image, nullptr, &error) != SREC_OK)
            CHECK(error.message[0] && !strchr(error.message, '\n'));
        srec_layer_decoder_free(decoder);
    }
}

TEST(layers, impossible_arguments_are_refused_with_a_line)
{
    const picture sent = synthetic_photo(20, 10, 3);
    auto b = budgets(1, 3000, 3, 1);
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 0, &layers, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 9, &layers, &error));
    b[0].n_data = 0;
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 1, &layers, &error));
    b[0] = { 3000, 65535, 1, 20000, 0 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 1, &layers, &error));
    b[0] = { 3000, 3, 1, 63, 0 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 1, &layers, &error));
    b[0] = { 3000, 3, 1, 65536, 0 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_encoder_run(encoder, &sent.image, b.data(), 1, &layers, &error));
    srec_layer_decoder *decoder;
    const srec_layers_format none = { 0, 10, 3, 1 }, four = { 10, 10, 4, 1 };
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_decoder_create(&none, 1, &decoder, &error));
    LONGS_EQUAL(SREC_ERR_ARG, srec_layer_decoder_create(&four, 1, &decoder, &error));
}
