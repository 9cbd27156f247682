/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/semantic_decoder.h>
#include <atomic>
#include <chrono>
#include <thread>

namespace gr {
namespace srec {

class semantic_decoder_impl : public semantic_decoder
{
    using clock = std::chrono::steady_clock;
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("pdus"), d_info = pmt::mp("info"), d_tick = pmt::mp("tick");
    std::shared_ptr<const srec_model> d_model;
    handle<srec_decoder, srec_decoder_free> d_decoder;
    bounded_queue d_queue;
    const double d_timeout;
    /* the picture being collected */
    bool d_collecting = false;
    uint64_t d_session = 0;
    srec_slice d_picture{};
    std::vector<bool> d_there;
    uint32_t d_slices = 0;
    clock::time_point d_last;
    uint64_t d_dropped = 0;
    once d_once;
    std::thread d_timer;
    std::atomic<bool> d_timer_stop{ false };

    void drop(const std::string& why)
    {
        d_dropped++;
        if (d_once(why))
            d_logger->warn("slice dropped: {:s} (said once)", why);
        message_port_pub(d_info, put_u64(put(pmt::make_dict(), "event", pmt::mp("dropped")), "dropped", d_dropped));
    }

    void finish_picture()
    {
        if (!d_collecting)
            return;
        d_collecting = false;
        if (stopping())
            return drop("the flowgraph is stopping");
        std::vector<uint8_t> pixels((size_t)d_picture.width * d_picture.height * d_picture.channels);
        srec_image image{ d_picture.width, d_picture.height, d_picture.channels, (size_t)d_picture.width * d_picture.channels, pixels.data() };
        srec_decoder_report report;
        srec_error error{};
        const auto start = clock::now();
        if (srec_decoder_run(d_decoder.get(), &image, &report, &error) != SREC_OK)
            return drop(error.message);
        const double decode_s = std::chrono::duration<double>(clock::now() - start).count();
        pmt::pmt_t meta = pmt::make_dict();
        meta = put_u64(meta, "picture", d_picture.picture);
        meta = put_u64(meta, "width", d_picture.width);
        meta = put_u64(meta, "height", d_picture.height);
        meta = put_u64(meta, "channels", d_picture.channels);
        meta = put_u64(meta, "session", d_session);
        meta = put_u64(meta, "patches", report.patches);
        meta = put_u64(meta, "patches_lost", report.patches_lost);
        meta = put_u64(meta, "slices", report.slices);
        meta = put_u64(meta, "slices_lost", report.slices_lost);
        meta = put_real(meta, "mean_deviation", report.mean_deviation);
        meta = put_real(meta, "decode_s", decode_s);
        message_port_pub(d_out, pmt::cons(meta, pmt::init_u8vector(pixels.size(), pixels)));
        message_port_pub(d_info, put_u64(put(meta, "event", pmt::mp("picture")), "dropped", d_dropped));
    }

    void handle_slice(const pmt::pmt_t& msg)
    {
        if (is_eof(msg)) {
            finish_picture();
            message_port_pub(d_out, msg);
            message_port_pub(d_info, put_u64(put(pmt::make_dict(), "event", pmt::mp("eof")), "dropped", d_dropped));
            return;
        }
        if (stopping())
            return drop("the flowgraph is stopping");
        slice_pdu s;
        if (!pmt::is_pdu(msg) || !pmt::is_f32vector(pmt::cdr(msg)) || !slice_from_dict(pmt::car(msg), s))
            return drop("not an estimate PDU (dict . f32vector)");
        const uint64_t session = get_u64(pmt::car(msg), "session");
        srec_error error{};
        if (d_collecting && (session != d_session || s.slice.picture != d_picture.picture))
            finish_picture();
        if (!d_collecting) {
            if (srec_decoder_begin(d_decoder.get(), &s.slice, &error) != SREC_OK)
                return drop(error.message);
            d_collecting = true;
            d_session = session;
            d_picture = s.slice;
            d_there.assign(s.slice.n_slices, false);
            d_slices = 0;
        }
        size_t length;
        const float* estimate = pmt::f32vector_elements(pmt::cdr(msg), length);
        if (length % 2 || srec_decoder_add(d_decoder.get(), &s.slice, estimate, estimate + length / 2, length / 2, &error) != SREC_OK)
            return drop(length % 2 ? "odd number of values" : error.message);
        if (!d_there[s.slice.slice]) {
            d_there[s.slice.slice] = true;
            d_slices++;
        }
        d_last = clock::now();
        if (d_slices == d_picture.n_slices)
            finish_picture();
    }

    void handle_message(const pmt::pmt_t& msg)
    {
        size_t excess = d_queue.take(*this, d_in, msg);
        while (pmt::pmt_t next = d_queue.next(*this, d_in, excess)) {
            for (; excess; excess--)
                drop("slices come faster than pictures are decoded");
            handle_slice(next);
        }
    }

    /* The timer only posts; the block's own thread looks at the clock. */
    void handle_tick()
    {
        if (d_collecting && std::chrono::duration<double>(clock::now() - d_last).count() > d_timeout)
            finish_picture();
    }

public:
    semantic_decoder_impl(const std::string& model, float timeout, int threads, const std::string& precision, int max_queue, const std::string& policy)
        : gr::block("semantic_decoder", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0)),
          d_model(model_from(model)),
          d_queue(max_queue < 1 ? 1 : max_queue, drops_newest(policy)),
          d_timeout(timeout)
    {
        if (max_queue < 1 || threads < 0 || !(timeout > 0))
            throw std::invalid_argument("max_queue must be at least 1, threads at least 0, timeout above 0");
        srec_compute compute{};
        compute.precision = precision_from(precision);
        compute.threads = threads;
        compute.progress = go_on;
        srec_decoder* decoder = nullptr;
        srec_error error{};
        require(srec_decoder_create(d_model.get(), &compute, &decoder, &error), error);
        d_decoder.reset(decoder);
        message_port_register_in(d_in);
        message_port_register_in(d_tick);
        message_port_register_out(d_out);
        message_port_register_out(d_info);
        set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { handle_message(msg); });
        set_msg_handler(d_tick, [this](const pmt::pmt_t&) { handle_tick(); });
    }

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
        return gr::block::start();
    }

    bool stop() override
    {
        d_timer_stop = true;
        if (d_timer.joinable())
            d_timer.join();
        return gr::block::stop();
    }
};

semantic_decoder::sptr semantic_decoder::make(const std::string& model, float timeout, int threads, const std::string& precision, int max_queue, const std::string& policy)
{
    return gnuradio::make_block_sptr<semantic_decoder_impl>(model, timeout, threads, precision, max_queue, policy);
}

} // namespace srec
} // namespace gr
