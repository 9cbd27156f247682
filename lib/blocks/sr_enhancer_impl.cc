/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/sr_enhancer.h>

namespace gr {
namespace srec {

namespace {

/* A network and its model. */
struct network {
    std::shared_ptr<const srec_enhancer_model> model;
    handle<srec_enhancer, srec_enhancer_free> enhancer;
    explicit operator bool() const { return enhancer != nullptr; }
};

/* A checked image PDU. */
struct picture_in {
    pmt::pmt_t meta;
    const uint8_t* pixels;
    size_t length;
    srec_image image;
};

enum class excess_policy { drop_oldest, drop_newest, pass_oldest };

excess_policy policy_from(const std::string& policy)
{
    if (policy == "drop_oldest")
        return excess_policy::drop_oldest;
    if (policy == "drop_newest")
        return excess_policy::drop_newest;
    if (policy == "pass_oldest")
        return excess_policy::pass_oldest;
    throw std::invalid_argument("unknown policy '" + policy +
                                "': drop_oldest, drop_newest or pass_oldest");
}

} // namespace

class sr_enhancer_impl : public guarded<sr_enhancer>
{
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("pdus"),
                     d_info = pmt::mp("info");
    const unsigned d_scale; /* 0: that of each image */
    /* No network: images pass at their full size. */
    const bool d_without;
    std::array<network, 3> d_networks; /* by scale */
    const excess_policy d_policy;
    bounded_queue d_queue;
    std::atomic<bool> d_bypass;
    uint64_t d_dropped = 0;
    /* Images that were not enhanced because too many were waiting. */
    uint64_t d_passed = 0;
    once d_once;

    void drop(const std::string& why, const pmt::pmt_t& msg = pmt::PMT_NIL)
    {
        d_dropped++;
        if (d_once(why))
            d_logger->warn("picture dropped: {:s} (said once)", why);
        message_port_pub(d_info, dropped_info(d_dropped, msg));
    }

    /* Returns the deviations of the patches if their number is right, else nothing. */
    static std::vector<float> deviation_of(const pmt::pmt_t& meta,
                                           const srec_image& image)
    {
        const pmt::pmt_t v = pmt::dict_ref(meta, pmt::intern("deviation"), pmt::PMT_NIL);
        uint32_t cols, rows;
        srec_patch_grid(image.width, image.height, &cols, &rows);
        if (!pmt::is_f32vector(v) || pmt::length(v) != (size_t)cols * rows)
            return {};
        return pmt::f32vector_elements(v);
    }

    unsigned scale_of(const pmt::pmt_t& meta) const
    {
        if (d_scale)
            return d_scale;
        return get_u64(meta, "sent_scale", 1) == 2 ? 2 : 1;
    }

    /* \return false: dropped */
    bool parse(const pmt::pmt_t& msg, picture_in& in)
    {
        if (!pmt::is_pdu(msg) || !pmt::is_u8vector(pmt::cdr(msg))) {
            drop("not a picture PDU (dict . u8vector)", msg);
            return false;
        }
        in.meta = pmt::car(msg);
        in.pixels = pmt::u8vector_elements(pmt::cdr(msg), in.length);
        const uint64_t width = get_u64(in.meta, "width"),
                       height = get_u64(in.meta, "height"),
                       channels = get_u64(in.meta, "channels", 3),
                       most = SREC_IMAGE_MAX_SIDE / scale_of(in.meta);
        if (width < 1 || height < 1 || width > most || height > most ||
            (channels != 1 && channels != 3)) {
            drop("width, height or channels out of range", msg);
            return false;
        }
        if (width * height * channels != in.length) {
            drop("width, height and channels do not fit the vector", msg);
            return false;
        }
        in.image = { (uint32_t)width,
                     (uint32_t)height,
                     (uint8_t)channels,
                     width * channels,
                     const_cast<uint8_t*>(in.pixels) };
        return true;
    }

    /* Polled between the layers of a network. */
    static bool is_over(void* self)
    {
        return stopping() || static_cast<sr_enhancer_impl*>(self)->d_bypass;
    }

    srec_status enhance(const network& net,
                        const picture_in& in,
                        const srec_image& out,
                        srec_error& error)
    {
        const std::vector<float> map = deviation_of(in.meta, in.image);
        const pmt::pmt_t mean =
            pmt::dict_ref(in.meta, pmt::intern("mean_deviation"), pmt::PMT_NIL);
        const float everywhere =
            pmt::is_real(mean) ? (float)pmt::to_double(mean) : -1.0f; /* unknown */
        return srec_enhancer_run(net.enhancer.get(),
                                 &in.image,
                                 map.empty() ? nullptr : map.data(),
                                 everywhere,
                                 &out,
                                 &error);
    }

    static srec_status copy(const picture_in& in, unsigned scale, const srec_image& out)
    {
        if (scale == 2)
            return srec_image_double(&in.image, &out);
        std::copy(in.pixels, in.pixels + in.length, out.data);
        return SREC_OK;
    }

    /* \param wanted false: the image passes without enhancement, at its full size */
    void process(const pmt::pmt_t& msg, bool wanted, bool excess = false)
    {
        if (stopping())
            return drop("the flowgraph is stopping", msg);
        picture_in in;
        if (!parse(msg, in))
            return;
        const unsigned scale = scale_of(in.meta);
        const network& net = d_networks[scale];
        bool enhances = wanted && net;
        if (wanted && !net && !d_without &&
            d_once(scale == 2 ? "no model, doubled" : "no model"))
            d_logger->warn("no super-resolution model of scale {:d}: pictures of this "
                           "scale are not enhanced",
                           scale);
        std::vector<uint8_t> result(in.length * scale * scale);
        const srec_image out{ in.image.width * scale,
                              in.image.height * scale,
                              in.image.channels,
                              in.image.stride * scale,
                              result.data() };
        const auto start = std::chrono::steady_clock::now();
        srec_error error{ SREC_OK, "out of memory" };
        srec_status status =
            enhances ? enhance(net, in, out, error) : copy(in, scale, out);
        if (status == SREC_ERR_CANCELLED && !stopping()) { /* set_bypass(true) */
            enhances = false;
            excess = true;
            status = copy(in, scale, out);
        }
        if (status != SREC_OK)
            return drop(error.message, msg);
        const double enhance_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
                .count();
        if (excess)
            in.meta = put(in.meta, "enhance_skipped", pmt::PMT_T);
        publish(in.meta, out, result, enhances, scale, enhance_s);
    }

    void publish(pmt::pmt_t meta,
                 const srec_image& out,
                 const std::vector<uint8_t>& pixels,
                 bool enhanced,
                 unsigned scale,
                 double enhance_s)
    {
        /* It belongs to the patches of the input image. */
        meta = pmt::dict_delete(meta, pmt::intern("deviation"));
        meta = put_u64(meta, "width", out.width);
        meta = put_u64(meta, "height", out.height);
        meta = put(meta, "enhanced", pmt::from_bool(enhanced));
        if (enhanced)
            meta = put(meta, "enhancer", pmt::intern(id_of(d_networks[scale])));
        meta = put_u64(meta, "scale", scale);
        meta = put_real(meta, "enhance_s", enhance_s);
        message_port_pub(
            d_out, pmt::cons(meta, pmt::init_u8vector(pixels.size(), pixels.data())));
        message_port_pub(d_info, counted(put(meta, "event", pmt::mp("picture"))));
    }

    static std::string id_of(const network& net)
    {
        char text[17];
        snprintf(text,
                 sizeof text,
                 "%016llx",
                 (unsigned long long)srec_enhancer_model_id(net.model.get()));
        return text;
    }

    pmt::pmt_t counted(pmt::pmt_t info) const
    {
        info = put_u64(info, "dropped", d_dropped);
        info = put_u64(info, "passed", d_passed);
        return put_u64(info, "queue", d_queue.size());
    }

    void handle_excess(const pmt::pmt_t& msg)
    {
        if (d_policy != excess_policy::pass_oldest)
            return drop("pictures come faster than they are enhanced", msg);
        d_passed++;
        if (d_once("passed"))
            d_logger->warn("pictures come faster than they are enhanced: some pass as "
                           "they are (said once)");
        process(msg, false, true);
    }

    void handle_picture(const pmt::pmt_t& msg)
    {
        if (is_eof(msg)) {
            message_port_pub(d_out, msg);
            message_port_pub(d_info,
                             counted(put(pmt::make_dict(), "event", pmt::mp("eof"))));
            return;
        }
        process(msg, !d_bypass);
    }

    void handle_message(const pmt::pmt_t& msg)
    {
        d_queue.work(
            *this,
            d_in,
            msg,
            [this](const pmt::pmt_t& excess) { handle_excess(excess); },
            [this](const pmt::pmt_t& picture) { handle_picture(picture); });
    }

    void load(const std::string& file, unsigned scale, const srec_compute& compute)
    {
        network net;
        net.model = enhancer_from(file);
        const unsigned found = srec_enhancer_model_scale(net.model.get());
        if (scale && found != scale)
            throw std::invalid_argument("model " + file + " is an enhancer of scale " +
                                        std::to_string(found) + ", and scale " +
                                        std::to_string(scale) + " is wanted");
        srec_enhancer* enhancer = nullptr;
        srec_error error{};
        require(srec_enhancer_create(net.model.get(), &compute, &enhancer, &error),
                error);
        net.enhancer.reset(enhancer);
        d_networks[found] = std::move(net);
    }

    /* Loads the networks that the parameters name. */
    void load_all(const std::string& model, const srec_compute& compute)
    {
        if (d_without)
            return;
        const char* environment = getenv("SREC_ENHANCER");
        if (d_scale || !model.empty())
            return load(
                model.empty() ? default_enhancer(d_scale) : model, d_scale, compute);
        if (environment && *environment)
            return load(environment, 0, compute);
        for (unsigned scale = 1; scale <= 2; scale++)
            if (std::filesystem::exists(default_enhancer(scale)))
                load(default_enhancer(scale), scale, compute);
        if (!d_networks[1] && !d_networks[2])
            throw std::runtime_error("no super-resolution model is installed (" +
                                     default_enhancer(1) + ")");
    }

public:
    sr_enhancer_impl(const std::string& model,
                     int scale,
                     bool bypass,
                     int threads,
                     const std::string& precision,
                     int max_queue,
                     const std::string& policy)
        : gr::block("sr_enhancer",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          d_scale(scale), d_without(model == "none"), d_policy(policy_from(policy)),
          d_queue(max_queue < 1 ? 1 : max_queue, d_policy == excess_policy::drop_newest),
          d_bypass(bypass)
    {
        if (scale < 0 || scale > 2)
            throw std::invalid_argument(
                "scale must be 1, 2, or 0 for that of each picture");
        if (max_queue < 1 || threads < 0)
            throw std::invalid_argument(
                "max_queue must be at least 1, threads at least 0");
        srec_compute compute{};
        compute.precision = precision_from(precision);
        compute.threads = threads;
        compute.cancelled = is_over;
        compute.cancelled_context = this;
        load_all(model, compute);
        message_port_register_in(d_in);
        message_port_register_out(d_out);
        message_port_register_out(d_info);
        set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { handle_message(msg); });
    }

    void set_bypass(bool bypass) override { d_bypass = bypass; }
    bool bypass() const override { return d_bypass; }
};

sr_enhancer::sptr sr_enhancer::make(const std::string& model,
                                    int scale,
                                    bool bypass,
                                    int threads,
                                    const std::string& precision,
                                    int max_queue,
                                    const std::string& policy)
{
    return gnuradio::make_block_sptr<sr_enhancer_impl>(
        model, scale, bypass, threads, precision, max_queue, policy);
}

} // namespace srec
} // namespace gr
