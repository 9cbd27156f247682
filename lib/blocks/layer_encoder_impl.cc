/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_pdu.h"
#include "pdu_block.h"

#include <atomic>
#include <chrono>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/layer_encoder.h>

namespace gr {
namespace srec {

class layer_encoder_impl : public queued_pdu_block<layer_encoder>
{
    srec_layers_request d_request{}; /* without format, original_pixels and cbr */
    const unsigned d_n_layers;
    const int d_scale;
    handle<srec_layer_encoder, srec_layer_encoder_free> d_encoder;
    std::vector<uint8_t> d_half; /* the image at half size */
    std::atomic<double> d_cbr;
    uint64_t d_pictures = 0;
    uint64_t d_pieces = 0; /* sent so far */
    /* The latest image that its source may repeat. */
    struct {
        pmt::pmt_t pixels = pmt::PMT_NIL; /* of the PDU; nil: no image is kept */
        uint32_t width;
        uint32_t height;
        uint64_t first_picture; /* as its source numbers it */
        uint64_t number;        /* in the packets */
        double cbr;
        uint64_t at; /* its first piece, in pieces sent before */
        std::vector<pmt::pmt_t> pieces;
        pmt::pmt_t info;
    } d_kept;

    /* An image on its way through the encoder. */
    struct job {
        std::chrono::steady_clock::time_point start;
        uint32_t number;
        double cbr;
        uint32_t width; /* of the original */
        uint32_t height;
        srec_image image; /* as encoded */
        srec_layer_plan plans[SREC_LAYERS_MAX];
        srec_layers layers;
        double seconds() const
        {
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
                .count();
        }
    };

    void handle_excess(const pmt::pmt_t& msg) override
    {
        drop("images come faster than they are encoded", msg);
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        job j{};
        j.start = std::chrono::steady_clock::now();
        if (const char* fault = image_from_pdu(msg, SREC_IMAGE_MAX_SIDE, j.image))
            return drop(fault, msg);
        const uint64_t number = get_u64(pmt::car(msg), key::picture, d_pictures);
        if (number > UINT32_MAX)
            return drop("image number out of range", msg);
        j.number = (uint32_t)number;
        j.width = j.image.width;
        j.height = j.image.height;
        if (is_repeat(msg, j)) {
            send_again(j);
        } else {
            std::string why;
            if (!send_first(j, msg, why))
                return drop(why, msg);
        }
        d_pictures = j.number + 1;
    }

    /* \return whether the pieces of the image can be sent again */
    bool is_repeat(const pmt::pmt_t& msg, const job& j) const
    {
        const pmt::pmt_t meta = pmt::car(msg), pixels = pmt::cdr(msg);
        if (!has_number(meta, key::first_picture) || pmt::is_null(d_kept.pixels) ||
            get_u64(meta, key::first_picture) == j.number ||
            get_u64(meta, key::first_picture) != d_kept.first_picture ||
            d_kept.width != j.width || d_kept.height != j.height || d_kept.cbr != d_cbr ||
            d_pieces - d_kept.at > SREC_LAYER_ORIGIN_AGE_MAX)
            return false;
        size_t length, kept_length;
        const uint8_t* bytes = pmt::u8vector_elements(pixels, length);
        const uint8_t* kept = pmt::u8vector_elements(d_kept.pixels, kept_length);
        return length == kept_length && std::equal(bytes, bytes + length, kept);
    }

    void send_again(const job& j)
    {
        for (const auto& piece : d_kept.pieces)
            send(put_u64(put_u64(pmt::car(piece), key::picture, j.number),
                         key::first_picture,
                         d_kept.number),
                 pmt::cdr(piece));
        d_pieces += d_kept.pieces.size();
        pmt::pmt_t info = put_u64(d_kept.info, key::picture, j.number);
        info = put_u64(info, key::first_picture, d_kept.number);
        info = put_real(info, key::encode_s, j.seconds());
        report("picture", put_u64(info, key::queue, n_waiting()));
    }

    void keep(const job& j,
              const pmt::pmt_t& msg,
              const std::vector<pmt::pmt_t>& pieces,
              const pmt::pmt_t& info)
    {
        d_kept.pixels = pmt::cdr(msg);
        d_kept.width = j.width;
        d_kept.height = j.height;
        d_kept.first_picture = get_u64(pmt::car(msg), key::first_picture);
        d_kept.number = j.number;
        d_kept.cbr = j.cbr;
        d_kept.at = d_pieces;
        d_kept.pieces = pieces;
        d_kept.info = info;
    }

    /* All pieces, or nothing: an image without its end would block its source. */
    bool send_first(job& j, const pmt::pmt_t& msg, std::string& why)
    {
        d_kept.pixels = pmt::PMT_NIL;
        d_kept.pieces.clear();
        j.cbr = d_cbr;
        uint64_t used_symbols = 0;
        std::vector<pmt::pmt_t> pieces;
        if (!halve(j, why) || !encode(j, why) || !pack(j, pieces, used_symbols, why))
            return false;
        for (const auto& piece : pieces)
            send(pmt::car(piece), pmt::cdr(piece));
        const pmt::pmt_t info = figures(j, used_symbols);
        report("picture", info);
        if (has_number(pmt::car(msg), key::first_picture))
            keep(j, msg, pieces, info);
        d_pieces += pieces.size();
        return true;
    }

    /* \return false if it failed, with \p why filled; likewise the next ones */
    bool halve(job& j, std::string& why)
    {
        if (d_scale != 2)
            return true;
        why = "the image cannot be halved";
        return halve_image(j.image, d_half);
    }

    bool encode(job& j, std::string& why)
    {
        srec_layers_request request = d_request;
        request.format = { j.image.width, j.image.height, j.image.channels, d_n_layers };
        request.original_pixels = (uint64_t)j.width * j.height;
        request.cbr = j.cbr;
        srec_layer_budget budgets[SREC_LAYERS_MAX];
        srec_error error{};
        srec_status status = srec_layers_plan(&request, j.plans, &error);
        for (unsigned i = 0; i < d_n_layers; i++)
            budgets[i] = j.plans[i].budget;
        if (status == SREC_OK)
            status = srec_layer_encoder_run(
                d_encoder.get(), &j.image, budgets, d_n_layers, &j.layers, &error);
        why = error.message;
        return status == SREC_OK;
    }

    size_t symbols_of(size_t payload_bytes) const
    {
        const size_t n = srec_layer_packet_symbols(d_request.modulation, payload_bytes);
        return d_request.bursts ? srec_burst_symbols(n) : n;
    }

    /* The pieces as PDUs, and the symbols of their packets. */
    bool pack(const job& j,
              std::vector<pmt::pmt_t>& pieces,
              uint64_t& used_symbols,
              std::string& why) const
    {
        for (size_t i = 0; i < j.layers.n_pieces; i++) {
            srec_layer_packet p{};
            p.picture = j.number;
            p.scale = (uint8_t)d_scale;
            p.format = j.layers.format;
            p.piece = j.layers.pieces[i];
            const size_t payload_bytes = srec_layer_packet_coded_bytes(
                p.piece.n_bytes, j.plans[p.piece.layer].code_rate);
            const size_t symbols = payload_bytes ? symbols_of(payload_bytes) : 0;
            if (!symbols) {
                why = "a piece is too long for a packet";
                return false;
            }
            p.signal.payload_bytes = (uint16_t)payload_bytes;
            used_symbols += symbols;
            pieces.push_back(with_place(piece_to_pdu(p), j, i));
        }
        return true;
    }

    /* What only the sender knows of a piece. */
    static pmt::pmt_t with_place(const pmt::pmt_t& piece, const job& j, size_t i)
    {
        const unsigned layer = j.layers.pieces[i].layer;
        pmt::pmt_t meta = pmt::car(piece);
        meta = put_u64(meta, key::original_width, j.width);
        meta = put_u64(meta, key::original_height, j.height);
        meta = put_real(meta, key::code_rate, j.plans[layer].code_rate);
        meta = put_real(meta, key::rms_error, j.layers.rms_error[layer]);
        meta = put_u64(meta, key::slice, i);
        return pmt::cons(put_u64(meta, key::slices, j.layers.n_pieces), pmt::cdr(piece));
    }

    pmt::pmt_t figures(const job& j, uint64_t used_symbols) const
    {
        std::vector<float> code_rates, thresholds;
        uint64_t planned_symbols = 0;
        size_t n_bytes = 0;
        for (unsigned i = 0; i < d_n_layers; i++) {
            code_rates.push_back((float)j.plans[i].code_rate);
            thresholds.push_back(j.plans[i].threshold_db);
            planned_symbols += j.plans[i].n_symbols;
            n_bytes += j.layers.layer_bytes[i];
        }
        pmt::pmt_t info = put(pmt::make_dict(), key::coding, pmt::mp(key::layers));
        info = put_u64(info, key::picture, j.number);
        info = put_u64(info, key::layers, d_n_layers);
        info = put(
            info, key::layer_snr_db, pmt::init_f32vector(d_n_layers, d_request.snr_db));
        info = put(info, key::threshold_db, pmt::init_f32vector(d_n_layers, thresholds));
        info = put(info, key::code_rates, pmt::init_f32vector(d_n_layers, code_rates));
        info = put(
            info, key::rms_errors, pmt::init_f32vector(d_n_layers, j.layers.rms_error));
        info = put_real(info,
                        key::bits_per_pixel,
                        8.0 * n_bytes / ((double)j.image.width * j.image.height));
        info = put_u64(info, key::pieces, j.layers.n_pieces);
        info = put_u64(info, key::planned_symbols, planned_symbols);
        info = put_u64(info, key::used_symbols, used_symbols);
        info = put_real(info, key::encode_s, j.seconds());
        info = put_real(info, key::cbr, j.cbr);
        return put_u64(info, key::queue, n_waiting());
    }

    /* Throws if no image at all could be sent like this. */
    void check_request()
    {
        srec_layers_request large = d_request;
        srec_layer_plan plans[SREC_LAYERS_MAX];
        srec_error error{};
        large.format = { 4096, 4096, 3, d_n_layers };
        large.cbr = 1;
        require(srec_layers_plan(&large, plans, &error), error);
    }

public:
    layer_encoder_impl(const srec_layers_request& request,
                       unsigned n_layers,
                       double cbr,
                       int threads,
                       int max_queue,
                       const std::string& policy,
                       int scale)
        : gr::block("layer_encoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          queued_pdu_block({ "pdus", "out" }, "picture", max_queue, drops_newest(policy)),
          d_request(request), d_n_layers(n_layers), d_scale(scale), d_cbr(cbr)
    {
        if (scale != 1 && scale != 2)
            throw std::invalid_argument("scale must be 1 or 2");
        if (threads < 0)
            throw std::invalid_argument("threads must be at least 0");
        set_cbr(cbr);
        check_request();
        srec_layer_encoder* encoder = nullptr;
        srec_error error{};
        require(srec_layer_encoder_create(threads, &encoder, &error), error);
        d_encoder.reset(encoder);
    }

    void set_cbr(double cbr) override
    {
        if (!(cbr > 0 && cbr <= 1e6))
            throw std::invalid_argument("cbr must be above 0, at most 1e6");
        d_cbr = cbr;
    }
    double cbr() const override { return d_cbr; }
};

static void check_numbers(const std::vector<float>& layers,
                          const std::vector<float>& shares,
                          int parity,
                          int frame_symbols)
{
    if (layers.empty() || layers.size() > SREC_LAYERS_MAX)
        throw std::invalid_argument("layers must be 1 .. " +
                                    std::to_string(SREC_LAYERS_MAX) +
                                    " SNRs in dB, not " + std::to_string(layers.size()));
    if (!shares.empty() && shares.size() != layers.size())
        throw std::invalid_argument(std::to_string(shares.size()) + " shares for " +
                                    std::to_string(layers.size()) +
                                    " layers: one for each layer, or none at all");
    for (float share : shares)
        if (!(share > 0))
            throw std::invalid_argument("each share must be above 0");
    if (parity < -1 || frame_symbols < 0)
        throw std::invalid_argument(
            "parity must be at least 0, or -1 for one piece in 12, frame_symbols at "
            "least 0");
}

layer_encoder::sptr layer_encoder::make(const std::string& modulation,
                                        const std::vector<float>& layers,
                                        double cbr,
                                        const std::vector<float>& shares,
                                        float margin_db,
                                        int parity,
                                        bool bursts,
                                        double rate_max,
                                        int frame_symbols,
                                        int threads,
                                        int max_queue,
                                        const std::string& policy,
                                        int scale)
{
    check_numbers(layers, shares, parity, frame_symbols);
    srec_layers_request request{};
    request.modulation = modulation_from(modulation);
    std::copy(layers.begin(), layers.end(), request.snr_db);
    std::copy(shares.begin(), shares.end(), request.share);
    request.margin_db = margin_db;
    request.rate_max = rate_max;
    request.frame_symbols = frame_symbols;
    request.n_parity = parity < 0 ? SREC_LAYER_PARITY_AUTO : parity;
    request.bursts = bursts;
    return gnuradio::make_block_sptr<layer_encoder_impl>(
        request, (unsigned)layers.size(), cbr, threads, max_queue, policy, scale);
}

} // namespace srec
} // namespace gr
