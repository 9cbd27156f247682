/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdu_block.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/semantic_encoder.h>

namespace gr {
namespace srec {

/* auto is f32: bf16 costs up to 0.13 dB in the encoder (tests/bench/precision.py). */
static std::string encoder_precision(const std::string& name)
{
    return name == "auto" ? "f32" : name;
}

class semantic_encoder_impl : public queued_pdu_block<semantic_encoder>
{
    std::shared_ptr<const srec_model> d_model;
    handle<srec_encoder, srec_encoder_free> d_encoder;
    const srec_modulation d_modulation;
    const char* const d_precision;
    const size_t d_frame_bytes;
    const int d_scale;
    std::vector<uint8_t> d_half; /* the image at half size */
    std::atomic<float> d_eta;
    uint64_t d_pictures = 0;

    void handle_excess(const pmt::pmt_t& msg) override
    {
        drop("images come faster than they are encoded", msg);
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        srec_image image;
        if (const char* fault = image_from_pdu(msg, SREC_IMAGE_MAX_SIDE, image))
            return drop(fault, msg);
        const pmt::pmt_t meta = pmt::car(msg);
        if (get_u64(meta, key::picture) > UINT32_MAX)
            return drop("image number out of range", msg);

        srec_features features;
        srec_error error{};
        const float eta = d_eta;
        const auto start = std::chrono::steady_clock::now();
        if (d_scale == 2 && !halve_image(image, d_half))
            return drop("the image cannot be halved", msg);
        const srec_feature_format format =
            d_modulation == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
        if (srec_encoder_run(d_encoder.get(), &image, eta, format, &features, &error) !=
            SREC_OK)
            return drop(error.message, msg);
        const double encode_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
                .count();

        size_t max_patches, room;
        const uint32_t slices = srec_packet_slices(
            d_model.get(), &features, d_modulation, d_frame_bytes, &max_patches, &room);
        if (!slices)
            return drop("frames are too short for a patch of this model", msg);
        const uint32_t number = (uint32_t)get_u64(meta, key::picture, d_pictures);
        std::vector<uint8_t> rate_map(max_patches), bytes(room);
        const srec_slice_buffers buffers{
            rate_map.data(), rate_map.size(), bytes.data(), bytes.size()
        };
        for (uint32_t i = 0; i < slices; i++) {
            srec_slice slice;
            size_t n;
            const srec_slice_number which{ number, slices, i };
            const srec_status status = srec_slice_extract(
                d_model.get(), &features, &which, &buffers, &slice, &n);
            if (status != SREC_OK)
                return drop(srec_strerror(status), msg);
            slice.scale = (uint8_t)d_scale;
            send(slice_to_dict(slice), pmt::init_u8vector(n, bytes.data()));
        }
        d_pictures = number + 1;
        pmt::pmt_t info = put_u64(pmt::make_dict(), key::picture, number);
        info = put_u64(info, key::n_features, features.n_bytes);
        info = put_u64(info, key::slices, slices);
        info = put_real(info, key::entropy_bits, features.entropy_bits);
        info = put_real(info, key::encode_s, encode_s);
        info = put(info, key::precision, pmt::mp(d_precision));
        info = put_real(info, key::eta, eta);
        info = put_u64(info, key::queue, n_waiting());
        report("picture", info);
    }

public:
    semantic_encoder_impl(const std::string& model,
                          float eta,
                          const std::string& modulation,
                          int frame_bytes,
                          int threads,
                          const std::string& precision,
                          int max_queue,
                          const std::string& policy,
                          int scale)
        : gr::block("semantic_encoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          queued_pdu_block({ "pdus", "out" }, "picture", max_queue, drops_newest(policy)),
          d_model(model_from(model)), d_modulation(modulation_from(modulation)),
          d_precision(name_of(precision_from(encoder_precision(precision)))),
          d_frame_bytes(frame_bytes), d_scale(scale), d_eta(eta)
    {
        if (scale != 1 && scale != 2)
            throw std::invalid_argument("scale must be 1 or 2");
        set_eta(eta);
        const int least =
            std::max(2000, (int)srec_packet_least_frame(d_model.get(), d_modulation));
        if (frame_bytes < least || frame_bytes > (int)SREC_FRAME_MAX)
            throw std::invalid_argument("frame_bytes must be " + std::to_string(least) +
                                        " .. " + std::to_string(SREC_FRAME_MAX) +
                                        " for " + srec_modulation_name(d_modulation));
        const srec_compute compute = compute_from(threads, encoder_precision(precision));
        srec_encoder* encoder = nullptr;
        srec_error error{};
        require(srec_encoder_create(d_model.get(), &compute, &encoder, &error), error);
        d_encoder.reset(encoder);
    }

    void set_eta(float eta) override
    {
        if (!(eta >= 0.001f && eta <= 10.0f))
            throw std::invalid_argument("eta must be 0.001 .. 10");
        d_eta = eta;
    }
    float eta() const override { return d_eta; }
};

semantic_encoder::sptr semantic_encoder::make(const std::string& model,
                                              float eta,
                                              const std::string& modulation,
                                              int frame_bytes,
                                              int threads,
                                              const std::string& precision,
                                              int max_queue,
                                              const std::string& policy,
                                              int scale)
{
    return gnuradio::make_block_sptr<semantic_encoder_impl>(model,
                                                            eta,
                                                            modulation,
                                                            frame_bytes,
                                                            threads,
                                                            precision,
                                                            max_queue,
                                                            policy,
                                                            scale);
}

} // namespace srec
} // namespace gr
