/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/sr_enhancer.h>

namespace gr
{
namespace srec
{

class sr_enhancer_impl : public guarded<sr_enhancer>
{
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("pdus"), d_info = pmt::mp("info");
    std::shared_ptr<const srec_enhancer_model> d_model;
    handle<srec_enhancer, srec_enhancer_free> d_enhancer;
    const unsigned d_scale;
    bounded_queue d_queue;
    std::atomic<bool> d_bypass;
    uint64_t d_dropped = 0;
    once d_once;

    void drop(const std::string &why, const pmt::pmt_t &msg = pmt::PMT_NIL)
    {
        d_dropped++;
        if (d_once(why))
            d_logger->warn("picture dropped: {:s} (said once)", why);
        message_port_pub(d_info, dropped_info(d_dropped, msg));
    }

    /* The patches' deviations, if they are there and of the right number. */
    static std::vector<float> deviation_of(const pmt::pmt_t &meta, const srec_image &image)
    {
        const pmt::pmt_t v = pmt::dict_ref(meta, pmt::intern("deviation"), pmt::PMT_NIL);
        uint32_t cols, rows;
        srec_patch_grid(image.width, image.height, &cols, &rows);
        if (!pmt::is_f32vector(v) || pmt::length(v) != (size_t)cols * rows)
            return {};
        return pmt::f32vector_elements(v);
    }

    void handle_picture(const pmt::pmt_t &msg)
    {
        if (is_eof(msg)) {
            message_port_pub(d_out, msg);
            message_port_pub(d_info, put_u64(put(pmt::make_dict(), "event", pmt::mp("eof")), "dropped", d_dropped));
            return;
        }
        if (stopping())
            return drop("the flowgraph is stopping", msg);
        if (!pmt::is_pdu(msg) || !pmt::is_u8vector(pmt::cdr(msg)))
            return drop("not a picture PDU (dict . u8vector)", msg);
        pmt::pmt_t meta = pmt::car(msg);
        size_t length;
        const uint8_t *pixels = pmt::u8vector_elements(pmt::cdr(msg), length);
        const uint64_t width = get_u64(meta, "width"), height = get_u64(meta, "height"),
                       channels = get_u64(meta, "channels", 3);
        if (width < 1 || height < 1 || width * d_scale > SREC_IMAGE_MAX_SIDE ||
            height * d_scale > SREC_IMAGE_MAX_SIDE || (channels != 1 && channels != 3))
            return drop("width, height or channels out of range", msg);
        if (width * height * channels != length)
            return drop("width, height and channels do not fit the vector", msg);
        const srec_image in{(uint32_t)width, (uint32_t)height, (uint8_t)channels, width * channels,
                            const_cast<uint8_t *>(pixels)};
        std::vector<uint8_t> result(length * d_scale * d_scale);
        const srec_image out{in.width * d_scale, in.height * d_scale, in.channels, in.stride * d_scale, result.data()};
        const bool enhance = !d_bypass;
        const auto start = std::chrono::steady_clock::now();
        srec_error error{};
        if (enhance) {
            const std::vector<float> map = deviation_of(meta, in);
            const pmt::pmt_t mean = pmt::dict_ref(meta, pmt::intern("mean_deviation"), pmt::PMT_NIL);
            const float everywhere = pmt::is_real(mean) ? (float)pmt::to_double(mean) : -1.0f; /* not known */
            if (srec_enhancer_run(d_enhancer.get(), &in, map.empty() ? nullptr : map.data(), everywhere, &out,
                                  &error) != SREC_OK)
                return drop(error.message, msg);
        } else if (d_scale == 1)
            std::copy(pixels, pixels + length, result.begin());
        else if (srec_image_double(&in, &out) != SREC_OK)
            return drop("no memory to double the picture", msg);
        const double enhance_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        meta = pmt::dict_delete(meta, pmt::intern("deviation")); /* of the patches of what came in */
        meta = put_u64(meta, "width", out.width);
        meta = put_u64(meta, "height", out.height);
        meta = put(meta, "enhanced", pmt::from_bool(enhance));
        meta = put_u64(meta, "scale", d_scale);
        meta = put_real(meta, "enhance_s", enhance_s);
        message_port_pub(d_out, pmt::cons(meta, pmt::init_u8vector(result.size(), result.data())));
        message_port_pub(d_info, put_u64(put_u64(put(meta, "event", pmt::mp("picture")), "dropped", d_dropped), "queue",
                                         d_queue.size()));
    }

    void handle_message(const pmt::pmt_t &msg)
    {
        d_queue.work(*this, d_in, msg, [this](const pmt::pmt_t &excess) { drop("pictures come faster than they are enhanced", excess); },
                     [this](const pmt::pmt_t &picture) { handle_picture(picture); });
    }

public:
    sr_enhancer_impl(const std::string &model, int scale, bool bypass, int threads, const std::string &precision,
                     int max_queue, const std::string &policy)
        : gr::block("sr_enhancer", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0)), d_scale(scale),
          d_queue(max_queue < 1 ? 1 : max_queue, drops_newest(policy)), d_bypass(bypass)
    {
        if (scale != 1 && scale != 2)
            throw std::invalid_argument("scale must be 1 or 2");
        if (max_queue < 1 || threads < 0)
            throw std::invalid_argument("max_queue must be at least 1, threads at least 0");
        const std::string file = model.empty() ? default_enhancer(scale) : model;
        d_model = enhancer_from(file);
        if (srec_enhancer_model_scale(d_model.get()) != d_scale)
            throw std::invalid_argument("model " + file + " is an enhancer of scale " +
                                        std::to_string(srec_enhancer_model_scale(d_model.get())) + ", and scale " +
                                        std::to_string(scale) + " is wanted");
        srec_compute compute{};
        compute.precision = precision_from(precision);
        compute.threads = threads;
        compute.cancelled = is_cancelled;
        srec_enhancer *enhancer = nullptr;
        srec_error error{};
        require(srec_enhancer_create(d_model.get(), &compute, &enhancer, &error), error);
        d_enhancer.reset(enhancer);
        message_port_register_in(d_in);
        message_port_register_out(d_out);
        message_port_register_out(d_info);
        set_msg_handler(d_in, [this](const pmt::pmt_t &msg) { handle_message(msg); });
    }

    void set_bypass(bool bypass) override { d_bypass = bypass; }
    bool bypass() const override { return d_bypass; }
};

sr_enhancer::sptr sr_enhancer::make(const std::string &model, int scale, bool bypass, int threads,
                                    const std::string &precision, int max_queue, const std::string &policy)
{
    return gnuradio::make_block_sptr<sr_enhancer_impl>(model, scale, bypass, threads, precision, max_queue, policy);
}

} // namespace srec
} // namespace gr
