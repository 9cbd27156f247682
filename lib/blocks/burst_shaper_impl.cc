/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/burst_shaper.h>

namespace gr {
namespace srec {

class burst_shaper_impl : public guarded<burst_shaper>
{
    static constexpr size_t LONGEST = 8 * SREC_FRAME_MAX; /* symbols of a frame */
    handle<srec_shaper, srec_shaper_free> d_shaper;
    const pmt::pmt_t d_tag;
    const size_t d_idle, d_tail;
    std::atomic<float> d_amplitude;
    /* Symbols of the frame that arrives; samples to send. */
    std::vector<gr_complex> d_frame, d_samples;
    /* Symbols of the frame; samples already sent. */
    size_t d_want = 0, d_sent = 0;
    /* True while a burst and not silence is sent; true once the end mark has arrived. */
    bool d_burst = false, d_ended = false;
    once d_once;

    void shape()
    {
        d_samples.resize(srec_shaper_samples(d_shaper.get(), d_want));
        require(srec_shaper_run(d_shaper.get(),
                                reinterpret_cast<const float*>(d_frame.data()),
                                d_want,
                                reinterpret_cast<float*>(d_samples.data())),
                {});
        const float amplitude = d_amplitude;
        for (auto& s : d_samples)
            s *= amplitude;
        d_want = 0;
        begin(true);
    }

    void begin(bool burst)
    {
        d_sent = 0;
        d_burst = burst;
    }

    /* Takes symbols until the frame is complete.
     * \return symbols taken */
    size_t take(const gr_complex* in, size_t n)
    {
        std::vector<tag_t> tags;
        get_tags_in_window(tags, 0, 0, n);
        std::sort(tags.begin(), tags.end(), tag_t::offset_compare);
        size_t at = 0, next = 0;
        while (at < n || next < tags.size()) {
            const size_t stop =
                next < tags.size() ? tags[next].offset - nitems_read(0) : n;
            if (d_want && at < stop) {
                const size_t part = std::min(stop - at, d_want - d_frame.size());
                d_frame.insert(d_frame.end(), in + at, in + at + part);
                at += part;
                if (d_frame.size() == d_want) {
                    shape();
                    return at;
                }
                continue;
            }
            at = stop;
            if (next == tags.size())
                break;
            const tag_t& tag = tags[next++];
            if (pmt::eqv(tag.key, pmt::mp(key::srec_eof))) {
                d_ended = true;
                d_samples.assign(1 + d_tail, gr_complex(0, 0));
                begin(false);
                return at + 1;
            }
            if (!pmt::eqv(tag.key, d_tag))
                continue;
            if (d_want && d_once("cut"))
                d_logger->warn(
                    "a frame ended before its length: dropped (reported once)");
            d_frame.clear();
            const long length = pmt::is_integer(tag.value) ? pmt::to_long(tag.value) : 0;
            d_want = length > 0 && length <= (long)LONGEST ? length : 0;
            if (!d_want && d_once("length"))
                d_logger->warn("a length tag that is no number of symbols from 1 to "
                               "{:d}: frame dropped (reported once)",
                               LONGEST);
        }
        return n;
    }

public:
    burst_shaper_impl(int samples_per_symbol,
                      float rolloff,
                      float amplitude,
                      int idle,
                      const std::string& len_tag_key,
                      int tail)
        : gr::block("burst_shaper",
                    gr::io_signature::make(1, 1, sizeof(gr_complex)),
                    gr::io_signature::make(1, 1, sizeof(gr_complex))),
          d_tag(pmt::mp(len_tag_key)), d_idle(idle), d_tail(tail)
    {
        const srec_waveform w = waveform_from(samples_per_symbol, rolloff);
        srec_shaper* s = nullptr;
        srec_error error{};
        require(srec_shaper_create(&w, &s, &error), error);
        d_shaper.reset(s);
        if (idle < 0 || idle > 1000000)
            throw std::invalid_argument("idle must be 0 .. 1000000 samples");
        if (tail < 0 || tail > 100000000)
            throw std::invalid_argument("tail must be 0 .. 100000000 samples");
        set_amplitude(amplitude);
        set_tag_propagation_policy(TPP_DONT);
    }

    void set_amplitude(float amplitude) override
    {
        if (!(amplitude > 0.0f && amplitude <= 1e6f))
            throw std::invalid_argument("amplitude must be above 0");
        d_amplitude = amplitude;
    }
    float amplitude() const override { return d_amplitude; }

    void forecast(int, gr_vector_int& required) override
    {
        required[0] = d_sent < d_samples.size() || d_idle || d_ended ? 0 : 1;
    }

    int work_items(int noutput_items,
                   gr_vector_int& ninput_items,
                   gr_vector_const_void_star& input_items,
                   gr_vector_void_star& output_items) override
    {
        const auto* in = static_cast<const gr_complex*>(input_items[0]);
        auto* out = static_cast<gr_complex*>(output_items[0]);
        if (d_sent == d_samples.size()) {
            if (d_ended)
                return WORK_DONE;
            const size_t taken = take(in, ninput_items[0]);
            consume(0, taken);
            if (d_sent == d_samples.size()) {
                if (!d_idle || d_want) /* within a frame the rest is about to arrive */
                    return 0;
                d_samples.assign(d_idle, gr_complex(0, 0));
                begin(false);
            }
        }
        const size_t part = std::min<size_t>(noutput_items, d_samples.size() - d_sent);
        std::copy_n(d_samples.begin() + d_sent, part, out);
        if (d_burst && d_sent == 0) {
            add_item_tag(0, nitems_written(0), d_tag, pmt::from_long(d_samples.size()));
            add_item_tag(0, nitems_written(0), pmt::mp(key::tx_sob), pmt::PMT_T);
        }
        d_sent += part;
        if (d_burst && d_sent == d_samples.size())
            add_item_tag(
                0, nitems_written(0) + part - 1, pmt::mp(key::tx_eob), pmt::PMT_T);
        if (d_ended && d_sent == d_samples.size())
            add_item_tag(
                0, nitems_written(0) + part - 1, pmt::mp(key::srec_eof), pmt::PMT_T);
        return part;
    }
};

burst_shaper::sptr burst_shaper::make(int samples_per_symbol,
                                      float rolloff,
                                      float amplitude,
                                      int idle,
                                      const std::string& len_tag_key,
                                      int tail)
{
    return gnuradio::make_block_sptr<burst_shaper_impl>(
        samples_per_symbol, rolloff, amplitude, idle, len_tag_key, tail);
}

} // namespace srec
} // namespace gr
