/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_pdu.h"
#include "picture_assembler.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/layer_decoder.h>
#include <memory>

namespace gr {
namespace srec {

namespace {

/* The pieces of an image. */
struct received_layers : picture_body {
    /* Upper bound for the bytes that a piece takes in addition to its content. */
    static constexpr size_t OVERHEAD = 256;
    struct layer {
        uint32_t n_pieces = 0; /* data and parity; 0: none came */
        float code_rate = NAN;
        float threshold_db = NAN;
    };
    const srec_layers_format format;
    const uint8_t scale;
    std::vector<layer> layers;
    handle<srec_layer_decoder, srec_layer_decoder_free> decoder;
    size_t n_added = 0;

    explicit received_layers(const srec_layer_packet& first)
        : format(first.format), scale(first.scale), layers(first.format.n_layers)
    {
    }

    /* \return a null pointer after an error */
    static std::unique_ptr<received_layers>
    create(const srec_layer_packet& first, int threads, srec_error& error)
    {
        auto body = std::make_unique<received_layers>(first);
        srec_layer_decoder* d = nullptr;
        if (srec_layer_decoder_create(&first.format, threads, &d, &error) != SREC_OK)
            return nullptr;
        body->decoder.reset(d);
        return body;
    }

    size_t n_packets() const override { return n_added; }
    std::string size() const override
    {
        return std::to_string(format.width) + "x" + std::to_string(format.height);
    }
    size_t bytes() const
    {
        return srec_layer_decoder_bytes(decoder.get()) + n_added * OVERHEAD;
    }

    bool is_of_this_image(const srec_layer_packet& p) const
    {
        return p.format.width == format.width && p.format.height == format.height &&
               p.format.channels == format.channels &&
               p.format.n_layers == format.n_layers && p.scale == scale;
    }

    /* After the decoder has taken the piece. */
    void count(const srec_layer_packet& p, const pmt::pmt_t& meta)
    {
        srec_modulation modulation;
        layer& l = layers[p.piece.layer];
        l.n_pieces = p.piece.n_data + p.piece.n_parity;
        l.code_rate =
            (float)(p.piece.n_bytes + SREC_LAYER_TAG_BYTES) / p.signal.payload_bytes;
        if (srec_modulation_parse(get_text(meta, key::modulation).c_str(), &modulation) ==
            SREC_OK)
            l.threshold_db = srec_layer_threshold_db(modulation, l.code_rate);
        n_added++;
        add_figures(meta);
    }

    /* Pieces of all layers of which any arrived. */
    uint64_t pieces_sent() const
    {
        uint64_t n = 0;
        for (const layer& l : layers)
            n += l.n_pieces;
        return n;
    }
};

} // namespace

class layer_decoder_impl : public picture_assembler<layer_decoder>
{
    const int d_threads;

    void take(const pmt::pmt_t& msg) override
    {
        srec_layer_packet p;
        if (!is_of_layers(msg) && pmt::is_pdu(msg))
            return send(pmt::car(msg), pmt::cdr(msg));
        if (!piece_from_pdu(msg, p))
            return drop("not a piece PDU (dict . u8vector)");
        if (!size_is_allowed(p.format.width, p.format.height, p.picture))
            return;
        srec_open_picture* picture = open({ p.signal.session,
                                            p.origin,
                                            p.picture,
                                            p.piece.n_data + p.piece.n_parity,
                                            p.piece.layer });
        if (!picture)
            return;
        srec_error error{};
        if (!picture->body) {
            auto created = received_layers::create(p, d_threads, error);
            if (!created)
                return drop(error.message);
            picture->body = static_cast<picture_body*>(created.release());
        }
        auto& body =
            *static_cast<received_layers*>(static_cast<picture_body*>(picture->body));
        if (!body.is_of_this_image(p))
            return drop("it contradicts the pieces of its image that came before");
        const size_t before = body.bytes();
        if (srec_layer_decoder_add(body.decoder.get(), &p.piece, &error) != SREC_OK)
            return drop(error.message);
        if (body.bytes() > before) /* not a repetition */
            body.count(p, pmt::car(msg));
        const bool enough = srec_layer_decoder_complete(body.decoder.get());
        const bool last = p.piece.layer + 1 == p.format.n_layers &&
                          p.piece.index + 1 == p.piece.n_data + p.piece.n_parity;
        if (enough) /* do not wait long for the others */
            srec_collector_suffices(collector(), picture);
        srec_collector_stored(collector(),
                              picture,
                              body.bytes(),
                              enough && (last || body.n_packets() == body.pieces_sent()));
    }

    pmt::pmt_t decode(const srec_open_picture& picture, const picture_body& base) override
    {
        const auto& body = static_cast<const received_layers&>(base);
        const srec_layers_format& f = body.format;
        const auto start = picture_body::clock::now();
        const size_t n_bytes = (size_t)f.width * f.height * f.channels;
        /* Not zeroed, which would take seconds for a huge image. */
        const std::unique_ptr<uint8_t[]> pixels(new uint8_t[n_bytes]);
        srec_image image{ f.width,
                          f.height,
                          (uint8_t)f.channels,
                          (size_t)f.width * f.channels,
                          pixels.get() };
        srec_layers_report report;
        srec_error error{};
        if (srec_layer_decoder_run(body.decoder.get(), &image, &report, &error) !=
            SREC_OK)
            throw std::runtime_error(error.message);
        pmt::pmt_t meta = put(pmt::make_dict(), key::coding, pmt::mp(key::layers));
        meta = put_u64(meta, key::picture, picture.picture);
        meta = put_u64(meta, key::width, f.width);
        meta = put_u64(meta, key::height, f.height);
        meta = put_u64(meta, key::channels, f.channels);
        meta = put_u64(meta, key::sent_scale, body.scale);
        meta = put_u64(meta, key::session, picture.session);
        if (!body.cipher.empty())
            meta = put(meta, key::cipher, pmt::mp(body.cipher));
        meta = put_quality(meta, body, report);
        meta = put_real(
            meta,
            key::decode_s,
            std::chrono::duration<double>(picture_body::clock::now() - start).count());
        return pmt::cons(body.figures.put_into(meta),
                         pmt::init_u8vector(n_bytes, pixels.get()));
    }

    static pmt::pmt_t put_quality(pmt::pmt_t meta,
                                  const received_layers& body,
                                  const srec_layers_report& report)
    {
        const uint64_t sent = body.pieces_sent();
        const double pixels = (double)body.format.width * body.format.height;
        std::vector<float> code_rates, thresholds;
        for (const auto& layer : body.layers) {
            code_rates.push_back(layer.code_rate);
            thresholds.push_back(layer.threshold_db);
        }
        meta = put_u64(meta, key::layers_sent, body.format.n_layers);
        meta = put_u64(meta, key::layers_received, report.layers_complete);
        meta = put_u64(meta, key::pieces_sent, sent);
        meta = put_u64(meta, key::pieces_received, report.pieces_received);
        meta = put_u64(meta, key::pieces_recovered, report.pieces_recovered);
        meta = put_u64(meta, key::slices, sent);
        meta = put_u64(meta, key::slices_lost, sent - report.pieces_received);
        meta = put(
            meta, key::code_rates, pmt::init_f32vector(code_rates.size(), code_rates));
        meta = put(
            meta, key::layer_snr_db, pmt::init_f32vector(thresholds.size(), thresholds));
        meta = put_real(meta,
                        key::bits_per_pixel,
                        8.0 * srec_layer_decoder_bytes(body.decoder.get()) / pixels);
        return std::isnan(report.rms_error)
                   ? meta
                   : put_real(meta, key::rms_error, report.rms_error);
    }

public:
    layer_decoder_impl(const assembler_options& options, int threads)
        : gr::block("layer_decoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          picture_assembler(key::piece, options), d_threads(threads)
    {
        if (threads < 0)
            throw std::invalid_argument("threads must be at least 0");
    }
};

layer_decoder::sptr layer_decoder::make(float timeout,
                                        int threads,
                                        int max_queue,
                                        const std::string& policy,
                                        float progress,
                                        double max_pixels,
                                        int max_pictures,
                                        int reorder)
{
    return gnuradio::make_block_sptr<layer_decoder_impl>(
        assembler_options{
            timeout, max_queue, policy, progress, max_pixels, max_pictures, reorder },
        threads);
}

} // namespace srec
} // namespace gr
