/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/semantic_decoder.h>
#include <atomic>
#include <chrono>
#include <cmath>
#include <new>
#include <thread>

namespace gr {
namespace srec {

class semantic_decoder_impl : public guarded<semantic_decoder>
{
    using clock = std::chrono::steady_clock;
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("pdus"), d_info = pmt::mp("info"), d_progress_out = pmt::mp("progress"), d_tick = pmt::mp("tick");
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
    /* means over the slices that came as bursts: what the radio figures of a picture are */
    static constexpr const char* FIGURES[] = { "snr_db", "cfo", "drift", "clock_ppm", "level_db" };
    static constexpr size_t N_FIGURES = sizeof FIGURES / sizeof *FIGURES;
    double d_figures[N_FIGURES];
    uint32_t d_bursts = 0;
    clock::time_point d_last;
    /* the picture so far */
    std::atomic<float> d_progress;
    clock::time_point d_shown;       /* when the last partial picture was done, or the picture began */
    uint32_t d_slices_shown = 0;
    uint64_t d_partials = 0;
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

    bool fits(const srec_slice& s, size_t n_values) const
    {
        uint32_t cols, rows;
        srec_patch_grid(s.width, s.height, &cols, &rows);
        return s.n_slices <= (uint64_t)cols * rows && srec_slice_patches(cols, rows, s.n_slices, s.slice, nullptr, 0) == s.n_patches && n_values &&
               n_values == 2 * srec_slice_bytes(d_model.get(), &s);
    }

    void add_figures(const pmt::pmt_t& burst)
    {
        double value[N_FIGURES];
        for (size_t i = 0; i < N_FIGURES; i++) {
            const pmt::pmt_t v = pmt::is_dict(burst) ? pmt::dict_ref(burst, pmt::mp(FIGURES[i]), pmt::PMT_NIL) : pmt::PMT_NIL;
            if (!pmt::is_real(v))
                return;
            value[i] = pmt::to_double(v);
        }
        for (size_t i = 0; i < N_FIGURES; i++)
            d_figures[i] += value[i];
        d_bursts++;
    }

    /* The picture from what is there. \return PDU, or a null pointer and error filled */
    pmt::pmt_t picture(bool partial, srec_error& error)
    {
        std::vector<uint8_t> pixels((size_t)d_picture.width * d_picture.height * d_picture.channels);
        srec_image image{ d_picture.width, d_picture.height, d_picture.channels, (size_t)d_picture.width * d_picture.channels, pixels.data() };
        srec_decoder_report report;
        const auto start = clock::now();
        if (srec_decoder_run(d_decoder.get(), &image, &report, &error) != SREC_OK)
            return nullptr;
        const double decode_s = std::chrono::duration<double>(clock::now() - start).count();
        pmt::pmt_t meta = pmt::make_dict();
        meta = put_u64(meta, "picture", d_picture.picture);
        meta = put_u64(meta, "width", d_picture.width);
        meta = put_u64(meta, "height", d_picture.height);
        meta = put_u64(meta, "channels", d_picture.channels);
        meta = put_u64(meta, "sent_scale", d_picture.scale);
        meta = put_u64(meta, "session", d_session);
        meta = put_u64(meta, "patches", report.patches);
        meta = put_u64(meta, "patches_lost", report.patches_lost);
        meta = put_u64(meta, "slices", report.slices);
        meta = put_u64(meta, "slices_lost", report.slices_lost);
        meta = put_real(meta, "mean_deviation", report.mean_deviation);
        meta = put_real(meta, "decode_s", decode_s);
        for (size_t i = 0; d_bursts && i < N_FIGURES; i++)
            meta = put_real(meta, FIGURES[i], d_figures[i] / d_bursts);
        if (partial)
            meta = put(meta, "partial", pmt::PMT_T);
        else {
            meta = put_u64(meta, "partials", d_partials);
            meta = put(meta, "deviation", pmt::init_f32vector(report.patches, srec_decoder_deviation(d_decoder.get())));
        }
        return pmt::cons(meta, pmt::init_u8vector(pixels.size(), pixels));
    }

    /* The same; a picture larger than this machine's memory is no reason to end the flowgraph. */
    pmt::pmt_t decode(bool partial, srec_error& error)
    {
        try {
            return picture(partial, error);
        } catch (const std::bad_alloc&) {
            srec_fail(&error, SREC_ERR_MEMORY, "no memory for the pixels of a picture of %ux%u", d_picture.width, d_picture.height);
            return nullptr;
        }
    }

    void finish_picture()
    {
        if (!d_collecting)
            return;
        d_collecting = false;
        if (stopping())
            return drop("the flowgraph is stopping");
        srec_error error{};
        const pmt::pmt_t picture = decode(false, error);
        if (!picture)
            return drop(error.message);
        message_port_pub(d_out, picture);
        const pmt::pmt_t meta = pmt::dict_delete(pmt::car(picture), pmt::mp("deviation"));
        message_port_pub(d_info, put_u64(put_u64(put(meta, "event", pmt::mp("picture")), "dropped", d_dropped), "queue", d_queue.size()));
    }

    /* The picture so far, if that is wanted, has grown, and no work waits: it must not hold up what is to come. */
    void show_progress()
    {
        const float progress = d_progress;
        if (!(progress > 0) || !d_collecting || d_slices == d_slices_shown || stopping() || d_queue.size() || nmsgs(d_in) ||
            std::chrono::duration<double>(clock::now() - d_shown).count() < progress)
            return;
        srec_error error{};
        if (const pmt::pmt_t picture = decode(true, error)) {
            d_partials++;
            message_port_pub(d_progress_out, picture);
        } else if (!stopping() && d_once(error.message))
            d_logger->warn("no picture so far: {:s} (said once)", error.message);
        d_slices_shown = d_slices;
        d_shown = clock::now(); /* its own decoding time comes on top */
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
        size_t length;
        const float* estimate = pmt::f32vector_elements(pmt::cdr(msg), length);
        if (s.slice.model_id != srec_model_id(d_model.get()))
            return drop("made with another model");
        if (!fits(s.slice, length)) /* looked at first: a bad slice must not end the picture being collected */
            return drop("sizes, rate map and number of values do not fit");
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
            d_slices = d_slices_shown = 0;
            d_partials = 0;
            d_shown = clock::now();
            d_bursts = 0;
            std::fill_n(d_figures, N_FIGURES, 0.0);
        }
        if (srec_decoder_add(d_decoder.get(), &s.slice, estimate, get_bool(pmt::car(msg), "soft", true) ? estimate + length / 2 : nullptr, length / 2, &error) != SREC_OK) {
            d_collecting = d_slices > 0; /* a picture of which nothing came is none */
            return drop(error.message);
        }
        if (!d_there[s.slice.slice]) {
            d_there[s.slice.slice] = true;
            d_slices++;
            add_figures(pmt::dict_ref(pmt::car(msg), pmt::mp("burst"), pmt::PMT_NIL));
        }
        d_last = clock::now();
        if (d_slices == d_picture.n_slices)
            finish_picture();
    }

    void handle_message(const pmt::pmt_t& msg)
    {
        d_queue.work(*this, d_in, msg, [this](const pmt::pmt_t&) { drop("slices come faster than pictures are decoded"); },
                     [this](const pmt::pmt_t& slice) { handle_slice(slice); });
        show_progress();
    }

    /* The timer only posts; the block's own thread looks at the clock. */
    void handle_tick()
    {
        const bool waiting = d_queue.size() || nmsgs(d_in); /* then it is we who are late, not the slices */
        if (d_collecting && !waiting && std::chrono::duration<double>(clock::now() - d_last).count() > d_timeout)
            finish_picture();
        else
            show_progress();
    }

public:
    semantic_decoder_impl(const std::string& model, float timeout, int threads, const std::string& precision, int max_queue, const std::string& policy, float progress)
        : gr::block("semantic_decoder", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0)),
          d_model(model_from(model)),
          d_queue(max_queue < 1 ? 1 : max_queue, drops_newest(policy)),
          d_timeout(timeout),
          d_progress(progress)
    {
        set_progress(progress);
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
        message_port_register_out(d_progress_out);
        set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { handle_message(msg); });
        set_msg_handler(d_tick, [this](const pmt::pmt_t&) { handle_tick(); });
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
        return guarded<semantic_decoder>::start();
    }

    bool stop() override
    {
        d_timer_stop = true;
        if (d_timer.joinable())
            d_timer.join();
        return gr::block::stop();
    }
};

semantic_decoder::sptr semantic_decoder::make(const std::string& model, float timeout, int threads, const std::string& precision, int max_queue, const std::string& policy, float progress)
{
    return gnuradio::make_block_sptr<semantic_decoder_impl>(model, timeout, threads, precision, max_queue, policy, progress);
}

} // namespace srec
} // namespace gr
