/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_pdu.h"
#include "pdu_block.h"

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

/* How reliable an image is: of each patch, or of the whole image if the map is empty. */
struct reliability {
    std::vector<float> map;
    float everywhere; /* negative: not known */
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

class sr_enhancer_impl : public queued_pdu_block<sr_enhancer>
{
    const unsigned d_scale; /* 0: that of each image */
    /* No network: images pass at their full size. */
    const bool d_without;
    std::array<std::array<network, 3>, 2> d_networks; /* by coding and scale */
    const char* const d_precision;
    const excess_policy d_policy;
    std::atomic<bool> d_bypass;
    /* Images that were not enhanced because too many were waiting. */
    uint64_t d_passed = 0;

    /* Returns the deviations of the patches if their number is right, else nothing. */
    static std::vector<float> deviation_of(const pmt::pmt_t& meta,
                                           const srec_image& image)
    {
        const pmt::pmt_t v =
            pmt::dict_ref(meta, pmt::intern(key::deviation), pmt::PMT_NIL);
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
        return get_u64(meta, key::sent_scale, 1) == 2 ? 2 : 1;
    }

    /* Polled between the layers of a network. */
    static bool is_over(void* self)
    {
        return stopping() || static_cast<sr_enhancer_impl*>(self)->d_bypass;
    }

    static srec_coding coding_of(const pmt::pmt_t& msg)
    {
        return is_of_layers(msg) ? SREC_CODING_LAYERS : SREC_CODING_FEATURES;
    }

    /* Returns the network for an image, or warns once that there is none. */
    const network& network_for(srec_coding coding, unsigned scale)
    {
        const network& net = d_networks[coding][scale];
        const std::string what =
            "of scale " + std::to_string(scale) + " for " + name_of(coding);
        if (!net && !d_without && is_new("no model " + what))
            d_logger->warn(
                "no super-resolution model {:s}: these images are not enhanced", what);
        return net;
    }

    /* Returns the reliability of the whole image. Negative: not known. */
    static float deviation_everywhere(const pmt::pmt_t& meta, srec_coding coding)
    {
        const bool layers = coding == SREC_CODING_LAYERS;
        const pmt::pmt_t value =
            pmt::dict_ref(meta,
                          pmt::intern(layers ? key::rms_error : key::mean_deviation),
                          pmt::PMT_NIL);
        if (!pmt::is_real(value))
            return -1.0f;
        const float number = (float)pmt::to_double(value);
        return layers ? srec_enhancer_layers_deviation(number) : number;
    }

    /* \return whether srec_enhancer_run() passes the image unchanged */
    static bool is_good_enough(const network& net, const reliability& known)
    {
        return known.map.empty() && known.everywhere >= 0.0f &&
               known.everywhere < srec_enhancer_model_least_deviation(net.model.get());
    }

    static srec_status enhance(const network& net,
                               const reliability& known,
                               const srec_image& in,
                               const srec_image& out,
                               srec_error& error)
    {
        return srec_enhancer_run(net.enhancer.get(),
                                 &in,
                                 known.map.empty() ? nullptr : known.map.data(),
                                 known.everywhere,
                                 &out,
                                 &error);
    }

    static srec_status copy(const srec_image& in, unsigned scale, const srec_image& out)
    {
        if (scale == 2)
            return srec_image_double(&in, &out);
        std::copy_n(in.data, in.stride * in.height, out.data);
        return SREC_OK;
    }

    /* \param wanted false: the image passes without enhancement, at its full size */
    void process(const pmt::pmt_t& msg, bool wanted, bool excess = false)
    {
        if (stopping())
            return drop("the flowgraph is stopping", msg);
        srec_image in;
        if (const char* fault = image_from_pdu(msg, SREC_IMAGE_MAX_SIDE, in))
            return drop(fault, msg);
        pmt::pmt_t meta = pmt::car(msg);
        const unsigned scale = scale_of(meta);
        if (std::max(in.width, in.height) > SREC_IMAGE_MAX_SIDE / scale)
            return drop("too large to be doubled", msg);
        const srec_coding coding = coding_of(msg);
        const reliability known{ deviation_of(meta, in),
                                 deviation_everywhere(meta, coding) };
        const network* net = wanted ? &network_for(coding, scale) : nullptr;
        if (net && (!*net || is_good_enough(*net, known)))
            net = nullptr;
        std::vector<uint8_t> result(in.stride * in.height * scale * scale);
        const srec_image out{ in.width * scale,
                              in.height * scale,
                              in.channels,
                              in.stride * scale,
                              result.data() };
        const auto start = std::chrono::steady_clock::now();
        srec_error error{};
        srec_status status =
            net ? enhance(*net, known, in, out, error) : copy(in, scale, out);
        if (status == SREC_ERR_CANCELLED && !stopping()) { /* set_bypass(true) */
            net = nullptr;
            excess = true;
            status = copy(in, scale, out);
        }
        if (status != SREC_OK)
            return drop(*error.message ? error.message : srec_strerror(status), msg);
        const double enhance_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
                .count();
        if (excess)
            meta = put(meta, key::enhance_skipped, pmt::PMT_T);
        publish(meta, out, result, net, scale, enhance_s);
    }

    /* \param net  what enhanced the image, or nullptr */
    void publish(pmt::pmt_t meta,
                 const srec_image& out,
                 const std::vector<uint8_t>& pixels,
                 const network* net,
                 unsigned scale,
                 double enhance_s)
    {
        /* It belongs to the patches of the input image. */
        meta = pmt::dict_delete(meta, pmt::intern(key::deviation));
        meta = put_u64(meta, key::width, out.width);
        meta = put_u64(meta, key::height, out.height);
        meta = put(meta, key::enhanced, pmt::from_bool(net));
        if (net)
            meta = put(put(meta, key::enhancer, pmt::intern(id_of(*net))),
                       key::enhancer_precision,
                       pmt::mp(d_precision));
        meta = put_u64(meta, key::scale, scale);
        meta = put_real(meta, key::enhance_s, enhance_s);
        send(meta, pmt::init_u8vector(pixels.size(), pixels.data()));
        report("picture", meta);
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

    pmt::pmt_t with_counters(const pmt::pmt_t& info) const override
    {
        return put_u64(
            put_u64(queued_pdu_block::with_counters(info), key::passed, d_passed),
            key::queue,
            n_waiting());
    }

    void handle_excess(const pmt::pmt_t& msg) override
    {
        if (d_policy != excess_policy::pass_oldest)
            return drop("images come faster than they are enhanced", msg);
        d_passed++;
        if (is_new("passed"))
            d_logger->warn("images come faster than they are enhanced: some pass as "
                           "they are (reported once)");
        process(msg, false, true);
    }

    void handle_pdu(const pmt::pmt_t& msg) override { process(msg, !d_bypass); }

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
        d_networks[srec_enhancer_model_coding(net.model.get())][found] = std::move(net);
    }

    /* Loads the installed enhancers. */
    void load_installed(const srec_compute& compute)
    {
        bool loaded = false;
        for (srec_coding coding : { SREC_CODING_FEATURES, SREC_CODING_LAYERS })
            for (unsigned scale = 1; scale <= 2; scale++) {
                const std::string file = default_enhancer(scale, coding);
                if ((d_scale && d_scale != scale) || !std::filesystem::exists(file))
                    continue;
                load(file, scale, compute);
                loaded = true;
            }
        if (!loaded)
            throw std::runtime_error("no super-resolution model is installed (" +
                                     default_enhancer(d_scale ? d_scale : 1) + ")");
    }

    /* Loads the networks that the parameters name. */
    void load_all(const std::string& model, const srec_compute& compute)
    {
        if (d_without)
            return;
        const char* environment = getenv("SREC_ENHANCER");
        if (!model.empty())
            load(model, d_scale, compute);
        else if (environment && *environment)
            load(environment, d_scale, compute);
        else
            load_installed(compute);
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
          queued_pdu_block({ "pdus", "pdus" },
                           "picture",
                           max_queue,
                           policy_from(policy) == excess_policy::drop_newest),
          d_scale(scale), d_without(model == "none"),
          d_precision(name_of(precision_from(precision))), d_policy(policy_from(policy)),
          d_bypass(bypass)
    {
        if (scale < 0 || scale > 2)
            throw std::invalid_argument(
                "scale must be 1, 2, or 0 for that of each image");
        srec_compute compute = compute_from(threads, precision);
        compute.cancelled = is_over;
        compute.cancelled_context = this;
        load_all(model, compute);
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
