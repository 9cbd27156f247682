/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"
#include "layer_pdu.h"
#include "picture_assembler.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/semantic_decoder.h>
#include <map>
#include <memory>

namespace gr {
namespace srec {

/* The slices of an image. */
struct slices : picture_body {
    /* Upper bound for the bytes of a message in addition to its values. */
    static constexpr size_t OVERHEAD = 4096;
    const srec_slice common; /* everything except slice, patches and rate map */
    std::map<uint32_t, pmt::pmt_t> came; /* received estimates by slice */
    size_t bytes = 0;
    srec_damage damage{};

    explicit slices(const srec_slice& first) : common(first) {}

    size_t n_packets() const override { return came.size(); }
    std::string size() const override
    {
        return std::to_string(common.width) + "x" + std::to_string(common.height);
    }

    static size_t size_of(const pmt::pmt_t& estimate)
    {
        return pmt::length(pmt::cdr(estimate)) * sizeof(float) + OVERHEAD;
    }

    void add(uint32_t slice, const pmt::pmt_t& estimate)
    {
        pmt::pmt_t& place = came[slice];
        if (place)
            bytes -= size_of(place);
        else {
            const srec_damage part = get_damage(pmt::car(estimate));
            srec_damage_add(&damage, &part);
            add_figures(pmt::car(estimate));
        }
        place = estimate;
        bytes += size_of(estimate);
    }
};

class semantic_decoder_impl : public picture_assembler<semantic_decoder>
{
    using clock = std::chrono::steady_clock;
    std::shared_ptr<const srec_model> d_model;
    const char* const d_precision;
    handle<srec_decoder, srec_decoder_free> d_decoder;

    void add_slices(const slices& body, srec_error& error)
    {
        if (srec_decoder_begin(d_decoder.get(), &body.common, &error) != SREC_OK)
            throw std::runtime_error(error.message);
        for (const auto& [number, msg] : body.came) {
            if (stopping())
                throw std::runtime_error("the flowgraph is stopping");
            slice_pdu s;
            size_t length;
            slice_from_dict(pmt::car(msg), s);
            const float* mean = pmt::f32vector_elements(pmt::cdr(msg), length);
            const float* deviation =
                get_bool(pmt::car(msg), key::soft, true) ? mean + length / 2 : nullptr;
            if (srec_decoder_add(
                    d_decoder.get(), &s.slice, mean, deviation, length / 2, &error) !=
                SREC_OK)
                throw std::runtime_error(error.message);
        }
    }

    pmt::pmt_t decode(const srec_open_picture& picture, const picture_body& base) override
    {
        const auto& body = static_cast<const slices&>(base);
        const srec_slice& s = body.common;
        srec_error error{};
        const auto start = clock::now();
        add_slices(body, error);
        const size_t n_bytes = (size_t)s.width * s.height * s.channels;
        /* Not zeroed, which would take seconds for a huge image. */
        const std::unique_ptr<uint8_t[]> pixels(new uint8_t[n_bytes]);
        const srec_image image{
            s.width, s.height, s.channels, (size_t)s.width * s.channels, pixels.get()
        };
        srec_decoder_report report;
        if (srec_decoder_run(d_decoder.get(), &image, &report, &error) != SREC_OK)
            throw std::runtime_error(error.message);
        pmt::pmt_t meta = pmt::make_dict();
        meta = put_u64(meta, key::picture, s.picture);
        meta = put_u64(meta, key::width, s.width);
        meta = put_u64(meta, key::height, s.height);
        meta = put_u64(meta, key::channels, s.channels);
        meta = put_u64(meta, key::sent_scale, s.scale == 2 ? 2 : 1);
        meta = put_u64(meta, key::session, picture.session);
        if (!body.cipher.empty())
            meta = put(meta, key::cipher, pmt::mp(body.cipher));
        meta = put_u64(meta, key::patches, report.patches);
        meta = put_u64(meta, key::patches_lost, report.patches_lost);
        meta = put_u64(meta, key::slices, report.slices);
        meta = put_u64(meta, key::slices_lost, report.slices_lost);
        meta = put_real(meta, key::mean_deviation, report.mean_deviation);
        meta = put_real(meta,
                        key::decode_s,
                        std::chrono::duration<double>(clock::now() - start).count());
        meta = put(meta, key::precision, pmt::mp(d_precision));
        meta = put_damage_figures(body.figures.put_into(meta), body.damage);
        return pmt::cons(meta, pmt::init_u8vector(n_bytes, pixels.get()));
    }

    pmt::pmt_t with_details(const pmt::pmt_t& meta) override
    {
        return put(meta,
                   key::deviation,
                   pmt::init_f32vector(get_u64(meta, key::patches),
                                       srec_decoder_deviation(d_decoder.get())));
    }

    /* Estimates without a packet number come directly from an encoder. They are numbered
     * as by a scrambler whose images all have as many slices. */
    static srec_collector_packet_id packet_of(const pmt::pmt_t& meta, const srec_slice& s)
    {
        const uint64_t counted = (uint64_t)s.picture * s.n_slices + s.slice;
        return { get_u64(meta, key::session),
                 get_u64(meta, key::packet, counted),
                 s.picture,
                 s.n_slices,
                 0 };
    }

    void collect(const pmt::pmt_t& msg, const srec_slice& s)
    {
        srec_open_picture* picture = open(packet_of(pmt::car(msg), s));
        if (!picture)
            return;
        if (!picture->body)
            picture->body = static_cast<picture_body*>(new slices(s));
        auto* body = static_cast<slices*>(static_cast<picture_body*>(picture->body));
        if (!srec_slice_same_picture(&s, &body->common))
            return drop("it contradicts the slices of its image that came before");
        body->add(s.slice, msg);
        srec_collector_stored(
            collector(), picture, body->bytes, body->came.size() == s.n_slices);
    }

    /* Images of layer_decoder pass. */
    void pass_picture(const pmt::pmt_t& msg)
    {
        send(pmt::car(msg), pmt::cdr(msg));
        report_picture(pmt::car(msg));
    }

    void take(const pmt::pmt_t& msg) override
    {
        if (is_piece(msg))
            return drop("a piece of layers: put a layer_decoder before this block");
        if (is_of_layers(msg))
            return pass_picture(msg);
        slice_pdu s;
        if (!is_f32_pdu(msg) || !slice_from_dict(pmt::car(msg), s))
            return drop("not an estimate PDU (dict . f32vector)");
        const size_t length = pmt::length(pmt::cdr(msg));
        const srec_status status =
            srec_slice_check(d_model.get(), &s.slice, length / 2, nullptr);
        if (status == SREC_ERR_MODEL)
            return drop("made with another model");
        if (status != SREC_OK || length % 2)
            return drop("sizes, rate map and number of values do not fit");
        if (size_is_allowed(s.slice.width, s.slice.height, s.slice.picture))
            collect(msg, s.slice);
    }

public:
    semantic_decoder_impl(const std::string& model,
                          const assembler_options& options,
                          int threads,
                          const std::string& precision)
        : gr::block("semantic_decoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          picture_assembler(key::slice, options), d_model(model_from(model)),
          d_precision(name_of(precision_from(precision)))
    {
        const srec_compute compute = compute_from(threads, precision);
        srec_decoder* decoder = nullptr;
        srec_error error{};
        require(srec_decoder_create(d_model.get(), &compute, &decoder, &error), error);
        d_decoder.reset(decoder);
    }
};

semantic_decoder::sptr semantic_decoder::make(const std::string& model,
                                              float timeout,
                                              int threads,
                                              const std::string& precision,
                                              int max_queue,
                                              const std::string& policy,
                                              float progress,
                                              double max_pixels,
                                              int max_pictures,
                                              int reorder)
{
    return gnuradio::make_block_sptr<semantic_decoder_impl>(
        model,
        assembler_options{
            timeout, max_queue, policy, progress, max_pixels, max_pictures, reorder },
        threads,
        precision);
}

} // namespace srec
} // namespace gr
