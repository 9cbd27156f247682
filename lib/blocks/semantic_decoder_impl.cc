/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"
#include "pdu_block.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/semantic_decoder.h>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>

namespace gr {
namespace srec {

/* Means over the slices that arrived as bursts: the radio figures of an image. */
class burst_figures
{
    static constexpr const char* NAMES[] = {
        "snr_db", "cfo", "drift", "clock_ppm", "level_db"
    };
    static constexpr size_t N = sizeof NAMES / sizeof *NAMES;
    double d_sums[N] = {};
    uint32_t d_bursts = 0;

public:
    void add(const pmt::pmt_t& burst)
    {
        double value[N];
        for (size_t i = 0; i < N; i++) {
            const pmt::pmt_t v =
                pmt::is_dict(burst)
                    ? pmt::dict_ref(burst, pmt::mp(NAMES[i]), pmt::PMT_NIL)
                    : pmt::PMT_NIL;
            if (!pmt::is_real(v))
                return;
            value[i] = pmt::to_double(v);
        }
        for (size_t i = 0; i < N; i++)
            d_sums[i] += value[i];
        d_bursts++;
    }

    pmt::pmt_t put_into(pmt::pmt_t meta) const
    {
        for (size_t i = 0; d_bursts && i < N; i++)
            meta = put_real(meta, NAMES[i], d_sums[i] / d_bursts);
        return meta;
    }
};

/* The received part of an image: the body of an open image of the collector. */
struct slices {
    using clock = std::chrono::steady_clock;
    /* Upper bound for the bytes of a message in addition to its values. */
    static constexpr size_t OVERHEAD = 4096;
    const srec_slice common; /* everything except slice, patches and rate map */
    std::map<uint32_t, pmt::pmt_t> came; /* received estimates by slice */
    size_t bytes = 0;
    burst_figures figures;
    srec_damage damage{};
    /* "none" if any packet was sent in clear. */
    std::string cipher;
    const clock::time_point begun = clock::now();
    size_t n_shown = 0; /* slices in the last partial image */
    uint64_t partials = 0;

    explicit slices(const srec_slice& first) : common(first) {}
    static void release(void* body) { delete static_cast<slices*>(body); }

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
            figures.add(
                pmt::dict_ref(pmt::car(estimate), pmt::mp("burst"), pmt::PMT_NIL));
        }
        place = estimate;
        bytes += size_of(estimate);
        if (const std::string name = get_text(pmt::car(estimate), "cipher");
            cipher != "none" && !name.empty())
            cipher = name;
    }
};

class semantic_decoder_impl : public queued_pdu_block<semantic_decoder>
{
    using clock = std::chrono::steady_clock;
    const pmt::pmt_t d_progress_out = pmt::mp("progress"), d_tick = pmt::mp("tick");
    std::shared_ptr<const srec_model> d_model;
    handle<srec_decoder, srec_decoder_free> d_decoder;
    handle<srec_collector, srec_collector_free> d_collector;
    const double d_max_pixels; /* 0: no limit */
    std::atomic<float> d_progress;
    std::atomic<uint64_t> d_too_large{ 0 }, d_late{ 0 };
    clock::time_point d_shown; /* when the last partial image was finished */
    std::thread d_timer;
    std::atomic<bool> d_timer_stop{ false };

    static double now_s()
    {
        return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
    }

    pmt::pmt_t with_counters(const pmt::pmt_t& info) const override
    {
        pmt::pmt_t counted = info;
        for (const auto& [key, value] : counters())
            counted = put_u64(counted, key.c_str(), value);
        return counted;
    }

    /* Reports an image that will never be delivered, so that its source does not wait for
     * it. */
    void drop_picture(const std::string& why, uint32_t number)
    {
        drop_as("picture", why, put_u64(pmt::make_dict(), "picture", number));
    }

    /* \return false if this image must not be decoded here */
    bool size_is_allowed(const srec_slice& s)
    {
        if (!(d_max_pixels > 0) || (double)s.width * s.height <= d_max_pixels)
            return true;
        d_too_large++;
        drop_picture("its header demands " + std::to_string(s.width) + "x" +
                         std::to_string(s.height) +
                         " pixels, more than max_pixels allows: " +
                         std::to_string((uint64_t)d_max_pixels),
                     s.picture);
        return false;
    }

    void add_slices(const slices& body, srec_error& error)
    {
        if (srec_decoder_begin(d_decoder.get(), &body.common, &error) != SREC_OK)
            throw std::runtime_error(stopping() ? "the flowgraph is stopping"
                                                : error.message);
        for (const auto& [number, msg] : body.came) {
            if (stopping())
                throw std::runtime_error("the flowgraph is stopping");
            slice_pdu s;
            size_t length;
            slice_from_dict(pmt::car(msg), s);
            const float* mean = pmt::f32vector_elements(pmt::cdr(msg), length);
            const float* deviation =
                get_bool(pmt::car(msg), "soft", true) ? mean + length / 2 : nullptr;
            if (srec_decoder_add(
                    d_decoder.get(), &s.slice, mean, deviation, length / 2, &error) !=
                SREC_OK)
                throw std::runtime_error(error.message);
        }
    }

    /* The image from the slices received. Throws std::runtime_error with one line. */
    pmt::pmt_t decode(uint64_t session, slices& body)
    {
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
            throw std::runtime_error(stopping() ? "the flowgraph is stopping"
                                                : error.message);
        pmt::pmt_t meta = pmt::make_dict();
        meta = put_u64(meta, "picture", s.picture);
        meta = put_u64(meta, "width", s.width);
        meta = put_u64(meta, "height", s.height);
        meta = put_u64(meta, "channels", s.channels);
        meta = put_u64(meta, "sent_scale", s.scale == 2 ? 2 : 1);
        meta = put_u64(meta, "session", session);
        if (!body.cipher.empty())
            meta = put(meta, "cipher", pmt::mp(body.cipher));
        meta = put_u64(meta, "patches", report.patches);
        meta = put_u64(meta, "patches_lost", report.patches_lost);
        meta = put_u64(meta, "slices", report.slices);
        meta = put_u64(meta, "slices_lost", report.slices_lost);
        meta = put_real(meta, "mean_deviation", report.mean_deviation);
        meta = put_real(meta,
                        "decode_s",
                        std::chrono::duration<double>(clock::now() - start).count());
        meta = put_damage_figures(body.figures.put_into(meta), body.damage);
        return pmt::cons(meta, pmt::init_u8vector(n_bytes, pixels.get()));
    }

    /* The same without exceptions, because an image larger than the memory must not end
     * the flowgraph.
     * \return a null pointer after an error, with \p why filled */
    pmt::pmt_t try_to_decode(uint64_t session, slices& body, std::string& why)
    {
        try {
            return decode(session, body);
        } catch (const std::bad_alloc&) {
            why = "no memory for the pixels of a picture of " +
                  std::to_string(body.common.width) + "x" +
                  std::to_string(body.common.height);
        } catch (const std::runtime_error& error) {
            why = error.what();
        }
        return nullptr;
    }

    void deliver(const srec_open_picture& picture, srec_reason reason)
    {
        auto* body = static_cast<slices*>(picture.body);
        if (!body)
            return;
        std::string why = "the flowgraph is stopping";
        const pmt::pmt_t pdu =
            stopping() ? nullptr : try_to_decode(picture.session, *body, why);
        if (!pdu)
            return drop_picture(why, picture.picture);
        const pmt::pmt_t meta =
            put_u64(put(pmt::car(pdu), "reason", pmt::mp(srec_reason_name(reason))),
                    "partials",
                    body->partials);
        const size_t patches = get_u64(meta, "patches");
        message_port_pub(
            d_out,
            pmt::cons(put(meta,
                          "deviation",
                          pmt::init_f32vector(patches,
                                              srec_decoder_deviation(d_decoder.get()))),
                      pmt::cdr(pdu)));
        report("picture", put_u64(meta, "queue", n_waiting()));
    }

    void deliver_due()
    {
        srec_reason reason;
        while (srec_open_picture* picture =
                   srec_collector_due(d_collector.get(), &reason)) {
            deliver(*picture, reason);
            srec_collector_close(d_collector.get(), picture);
        }
    }

    /* Publishes the image that grew last as partial image, if that is requested and no
     * work waits. It must not delay further messages. */
    void show_progress()
    {
        const float progress = d_progress;
        const srec_open_picture* picture = srec_collector_latest(d_collector.get());
        auto* body = picture ? static_cast<slices*>(picture->body) : nullptr;
        if (!(progress > 0) || !body || body->came.size() == body->n_shown ||
            stopping() || is_work_waiting() ||
            std::chrono::duration<double>(clock::now() - std::max(d_shown, body->begun))
                    .count() < progress)
            return;
        std::string why;
        if (const pmt::pmt_t pdu = try_to_decode(picture->session, *body, why)) {
            body->partials++;
            message_port_pub(
                d_progress_out,
                pmt::cons(put(pmt::car(pdu), "partial", pmt::PMT_T), pmt::cdr(pdu)));
        } else if (!stopping() && is_new(why))
            d_logger->warn("no picture so far: {:s} (said once)", why);
        body->n_shown = body->came.size();
        d_shown = clock::now(); /* excludes the decoding time from the interval */
    }

    void handle_end() override
    {
        srec_collector_end(d_collector.get());
        deliver_due();
        forward_end();
    }

    /* Estimates without a packet number come directly from an encoder. They are numbered
     * as by a scrambler whose images all have as many slices. */
    static srec_collector_packet_id packet_of(const pmt::pmt_t& meta, const srec_slice& s)
    {
        const uint64_t counted = (uint64_t)s.picture * s.n_slices + s.slice;
        return { get_u64(meta, "session"),
                 get_u64(meta, "packet", counted),
                 s.picture,
                 s.n_slices };
    }

    void collect(const pmt::pmt_t& msg, const srec_slice& s)
    {
        const srec_collector_packet_id packet = packet_of(pmt::car(msg), s);
        srec_open_picture* picture = nullptr;
        srec_error error{};
        const srec_status status =
            srec_collector_packet(d_collector.get(), &packet, now_s(), &picture, &error);
        if (status == SREC_ERR_LATE) {
            d_late++;
            return report("late", put_u64(pmt::make_dict(), "picture", s.picture));
        }
        if (status != SREC_OK)
            return drop(error.message);
        if (!picture->body)
            picture->body = new slices(s);
        auto* body = static_cast<slices*>(picture->body);
        if (!srec_slice_same_picture(&s, &body->common))
            return drop("it contradicts the slices of its picture that came before");
        body->add(s.slice, msg);
        srec_collector_stored(
            d_collector.get(), picture, body->bytes, body->came.size() == s.n_slices);
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
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
        if (!size_is_allowed(s.slice))
            return;
        try {
            collect(msg, s.slice);
        } catch (const std::bad_alloc&) {
            drop("no memory for what came of a picture");
        }
        deliver_due();
    }

    void handle_excess(const pmt::pmt_t&) override
    {
        drop("slices come faster than pictures are decoded");
    }

    void receive(const pmt::pmt_t& msg) override
    {
        queued_pdu_block::receive(msg);
        show_progress();
    }

    /* The timer only posts; the block's own thread reads the clock. */
    void handle_tick()
    {
        /* If messages wait, this block is late, not the slices. */
        if (!is_work_waiting()) {
            srec_collector_expire(d_collector.get(), now_s());
            deliver_due();
        }
        show_progress();
    }

public:
    semantic_decoder_impl(const std::string& model,
                          float timeout,
                          int threads,
                          const std::string& precision,
                          int max_queue,
                          const std::string& policy,
                          float progress,
                          double max_pixels,
                          int max_pictures,
                          int reorder)
        : gr::block("semantic_decoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          queued_pdu_block({ "in", "pdus" }, "slice", max_queue, drops_newest(policy)),
          d_model(model_from(model)), d_max_pixels(max_pixels), d_progress(progress)
    {
        set_progress(progress);
        if (!(timeout > 0))
            throw std::invalid_argument("timeout must be above 0");
        if (!(max_pixels >= 0))
            throw std::invalid_argument("max_pixels must be 0 (no limit) or more");
        if (max_pictures < 1 || max_pictures > 1024 || reorder < 1)
            throw std::invalid_argument(
                "max_pictures must be 1 .. 1024, reorder at least 1");
        srec_error error{};
        srec_collector_limits limits{};
        limits.timeout_s = timeout;
        limits.max_open = max_pictures;
        limits.later_packets = reorder;
        srec_collector* collector = nullptr;
        require(srec_collector_create(&limits, slices::release, &collector, &error),
                error);
        d_collector.reset(collector);
        const srec_compute compute = compute_from(threads, precision);
        srec_decoder* decoder = nullptr;
        require(srec_decoder_create(d_model.get(), &compute, &decoder, &error), error);
        d_decoder.reset(decoder);
        message_port_register_in(d_tick);
        message_port_register_out(d_progress_out);
        set_msg_handler(d_tick, [this](const pmt::pmt_t&) { handle_tick(); });
    }

    std::map<std::string, uint64_t> counters() const override
    {
        return { { "dropped", n_dropped() },
                 { "late", d_late },
                 { "too_large", d_too_large } };
    }

    void set_progress(float progress) override
    {
        if (!(progress >= 0) || std::isinf(progress))
            throw std::invalid_argument("progress must be 0 (never) or more seconds");
        d_progress = progress;
    }
    float progress() const override { return d_progress; }

    bool start() override
    {
        d_timer_stop = false;
        d_timer = std::thread([this] {
            for (int beat = 0; !d_timer_stop; beat++) {
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
                if (beat % 10 == 9)
                    _post(d_tick, pmt::PMT_T);
            }
        });
        return queued_pdu_block::start();
    }

    bool stop() override
    {
        d_timer_stop = true;
        if (d_timer.joinable())
            d_timer.join();
        return gr::block::stop();
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
    return gnuradio::make_block_sptr<semantic_decoder_impl>(model,
                                                            timeout,
                                                            threads,
                                                            precision,
                                                            max_queue,
                                                            policy,
                                                            progress,
                                                            max_pixels,
                                                            max_pictures,
                                                            reorder);
}

} // namespace srec
} // namespace gr
