/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Base of the decoders of both codings. It assigns packets to open images with the core's
 *  collector, delivers the images that are due, and shows images that are growing. */
#ifndef INCLUDED_SREC_BLOCKS_PICTURE_ASSEMBLER_H
#define INCLUDED_SREC_BLOCKS_PICTURE_ASSEMBLER_H

#include "burst_figures.h"
#include "pdu_block.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <new>
#include <stdexcept>
#include <thread>

namespace gr {
namespace srec {

struct assembler_options {
    float timeout_s; /* without a packet, until an image is delivered */
    int max_queue;   /* waiting packets */
    std::string policy;
    float progress_s;  /* least interval of partial images; 0: none */
    double max_pixels; /* of an image; 0: no limit */
    int max_pictures;  /* open at once */
    int reorder;       /* packets of later images, until an image is delivered */
};

/* The received part of an image: the body of an open image of the collector. */
struct picture_body {
    using clock = std::chrono::steady_clock;
    burst_figures figures;
    std::string cipher; /* "none" if any packet was sent in clear */
    const clock::time_point begun = clock::now();
    size_t n_shown = 0; /* packets in the last partial image */
    uint64_t partials = 0;

    virtual ~picture_body() = default;
    virtual size_t n_packets() const = 0; /* received, without repetitions */
    virtual std::string size() const = 0; /* for messages */
    static void release(void* body) { delete static_cast<picture_body*>(body); }

    /* The metadata of a packet that is not a repetition. */
    void add_figures(const pmt::pmt_t& meta)
    {
        figures.add(pmt::dict_ref(meta, pmt::mp(key::burst), pmt::PMT_NIL));
        if (const std::string name = get_text(meta, key::cipher);
            cipher != "none" && !name.empty())
            cipher = name;
    }
};

template <class Interface>
class picture_assembler : public queued_pdu_block<Interface>
{
    using clock = std::chrono::steady_clock;
    const pmt::pmt_t d_progress_out = pmt::mp("progress"), d_tick = pmt::mp("tick");
    const std::string d_unit; /* what arrives, for messages */
    handle<srec_collector, srec_collector_free> d_collector;
    const double d_max_pixels;
    std::atomic<float> d_progress{ 0 };
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
        this->drop_as("picture", why, put_u64(pmt::make_dict(), key::picture, number));
    }

    /* decode() without exceptions, because an image larger than the memory must not end
     * the flowgraph.
     * \return a null pointer after an error, with \p why filled */
    pmt::pmt_t try_to_decode(const srec_open_picture& picture, std::string& why)
    {
        const auto& body = *static_cast<picture_body*>(picture.body);
        try {
            return decode(picture, body);
        } catch (const std::bad_alloc&) {
            why = "no memory for the pixels of an image of " + body.size();
        } catch (const std::runtime_error& error) {
            why = stopping() ? "the flowgraph is stopping" : error.what();
        }
        return nullptr;
    }

    void deliver(const srec_open_picture& picture, srec_reason reason)
    {
        auto* body = static_cast<picture_body*>(picture.body);
        std::string why = "the flowgraph is stopping";
        const pmt::pmt_t pdu = stopping() ? nullptr : try_to_decode(picture, why);
        if (!pdu)
            return drop_picture(why, picture.picture);
        const pmt::pmt_t meta =
            put_u64(put(pmt::car(pdu), key::reason, pmt::mp(srec_reason_name(reason))),
                    key::partials,
                    body->partials);
        this->send(with_details(meta), pmt::cdr(pdu));
        report_picture(meta);
    }

    /* Closes the images that are due. \p handle: gets each one that has a body. */
    template <class Handler>
    void close_due(const Handler& handle)
    {
        srec_reason reason;
        while (srec_open_picture* picture =
                   srec_collector_due(d_collector.get(), &reason)) {
            if (picture->body)
                handle(*picture, reason);
            srec_collector_close(d_collector.get(), picture);
        }
    }

    void deliver_due()
    {
        close_due([this](const srec_open_picture& picture, srec_reason reason) {
            deliver(picture, reason);
        });
    }

    /* Drops the unfinished images of a flowgraph that stops before the end mark. */
    void drop_open()
    {
        srec_collector_end(d_collector.get());
        close_due([this](const srec_open_picture& picture, srec_reason) {
            drop_picture("the flowgraph stopped before the end mark, and before all its "
                         "packets had come",
                         picture.picture);
        });
    }

    /* Publishes the image that grew last as partial image, if that is requested and no
     * work waits. It must not delay further messages. */
    void show_progress()
    {
        const float progress = d_progress;
        const srec_open_picture* picture = srec_collector_latest(d_collector.get());
        auto* body = picture ? static_cast<picture_body*>(picture->body) : nullptr;
        if (!(progress > 0) || !body || body->n_packets() == body->n_shown ||
            stopping() || this->is_work_waiting() ||
            std::chrono::duration<double>(clock::now() - std::max(d_shown, body->begun))
                    .count() < progress)
            return;
        std::string why;
        if (const pmt::pmt_t pdu = try_to_decode(*picture, why)) {
            body->partials++;
            this->message_port_pub(
                d_progress_out,
                pmt::cons(put(pmt::car(pdu), key::partial, pmt::PMT_T), pmt::cdr(pdu)));
        } else if (!stopping() && this->is_new(why))
            this->d_logger->warn("no image so far: {:s} (reported once)", why);
        body->n_shown = body->n_packets();
        d_shown = clock::now(); /* excludes the decoding time from the interval */
    }

    void handle_end() override
    {
        srec_collector_end(d_collector.get());
        deliver_due();
        this->forward_end();
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        try {
            take(msg);
        } catch (const std::bad_alloc&) {
            this->drop("no memory for the received part of an image");
        }
        deliver_due();
    }

    void handle_excess(const pmt::pmt_t&) override
    {
        this->drop(d_unit + "s come faster than images are decoded");
    }

    void receive(const pmt::pmt_t& msg) override
    {
        queued_pdu_block<Interface>::receive(msg);
        show_progress();
    }

    /* The timer only posts; the block's own thread reads the clock. */
    void handle_tick()
    {
        /* If messages wait, this block is late, not the packets. */
        if (!this->is_work_waiting()) {
            srec_collector_expire(d_collector.get(), now_s());
            deliver_due();
        }
        show_progress();
    }

    void create_collector(const assembler_options& o)
    {
        if (!(o.timeout_s > 0))
            throw std::invalid_argument("timeout must be above 0");
        if (!(o.max_pixels >= 0))
            throw std::invalid_argument("max_pixels must be 0 (no limit) or more");
        if (o.max_pictures < 1 || o.max_pictures > 1024 || o.reorder < 1)
            throw std::invalid_argument(
                "max_pictures must be 1 .. 1024, reorder at least 1");
        srec_collector_limits limits{};
        limits.timeout_s = o.timeout_s;
        limits.max_open = o.max_pictures;
        limits.later_packets = o.reorder;
        srec_collector* collector = nullptr;
        srec_error error{};
        require(srec_collector_create(&limits, picture_body::release, &collector, &error),
                error);
        d_collector.reset(collector);
    }

protected:
    /* One message that is not the end mark. */
    virtual void take(const pmt::pmt_t& msg) = 0;
    /* The image from the packets received. Throws std::runtime_error with one line. */
    virtual pmt::pmt_t decode(const srec_open_picture& picture,
                              const picture_body& body) = 0;
    /* What a delivered image has in addition to a partial one. */
    virtual pmt::pmt_t with_details(const pmt::pmt_t& meta) { return meta; }

    void report_picture(const pmt::pmt_t& meta)
    {
        this->report("picture", put_u64(meta, key::queue, this->n_waiting()));
    }

    /* \return false if this image must not be decoded here: dropped */
    bool size_is_allowed(uint32_t width, uint32_t height, uint32_t number)
    {
        if (!(d_max_pixels > 0) || (double)width * height <= d_max_pixels)
            return true;
        d_too_large++;
        drop_picture("its header demands " + std::to_string(width) + "x" +
                         std::to_string(height) +
                         " pixels, more than max_pixels allows: " +
                         std::to_string((uint64_t)d_max_pixels),
                     number);
        return false;
    }

    /* The open image of a packet. Its body may be a null pointer.
     * \return a null pointer: dropped */
    srec_open_picture* open(const srec_collector_packet_id& packet)
    {
        srec_open_picture* picture = nullptr;
        srec_error error{};
        const srec_status status =
            srec_collector_packet(d_collector.get(), &packet, now_s(), &picture, &error);
        if (status == SREC_ERR_LATE) {
            d_late++;
            this->report("late", put_u64(pmt::make_dict(), key::picture, packet.picture));
        } else if (status != SREC_OK)
            this->drop(error.message);
        return picture;
    }

    srec_collector* collector() { return d_collector.get(); }

    picture_assembler(const std::string& unit, const assembler_options& options)
        : queued_pdu_block<Interface>(
              { "in", "pdus" }, unit, options.max_queue, drops_newest(options.policy)),
          d_unit(unit), d_max_pixels(options.max_pixels)
    {
        create_collector(options);
        set_progress(options.progress_s);
        this->message_port_register_in(d_tick);
        this->message_port_register_out(d_progress_out);
        this->set_msg_handler(d_tick, [this](const pmt::pmt_t&) { handle_tick(); });
    }

public:
    std::map<std::string, uint64_t> counters() const override
    {
        return { { key::dropped, this->n_dropped() },
                 { key::late, d_late },
                 { key::too_large, d_too_large } };
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
                    this->_post(d_tick, pmt::PMT_T);
            }
        });
        return queued_pdu_block<Interface>::start();
    }

    bool stop() override
    {
        d_timer_stop = true;
        if (d_timer.joinable())
            d_timer.join();
        drop_open();
        return gr::block::stop();
    }
};

} // namespace srec
} // namespace gr

#endif
