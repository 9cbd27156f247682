/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <algorithm>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/impairments.h>

namespace gr {
namespace srec {

class impairments_impl : public guarded<impairments>
{
    static constexpr size_t PART = 4096; /* samples processed at a time */
    /* Samples of silence after the end mark: more than the resampler's memory. */
    static constexpr size_t TAIL = 64;
    handle<srec_impairments, srec_impairments_free> d_handle;
    std::vector<gr_complex> d_out; /* computed, but not sent yet */
    size_t d_sent = 0;
    uint64_t d_silence; /* remaining samples of the delay */
    bool d_ended = false;

    void apply(const gr_complex* in, size_t n)
    {
        const size_t old = d_out.size();
        size_t made = 0;
        d_out.resize(old + srec_impairments_room(n));
        srec_impairments_apply(d_handle.get(),
                               reinterpret_cast<const float*>(in),
                               n,
                               reinterpret_cast<float*>(d_out.data() + old),
                               &made);
        d_out.resize(old + made);
    }

    /* Computes the next samples.
     * \return samples taken from the input */
    size_t make_part(const gr_complex* in, size_t n)
    {
        d_out.clear();
        d_sent = 0;
        if (d_silence) {
            const std::vector<gr_complex> zeros(std::min<uint64_t>(d_silence, PART));
            apply(zeros.data(), zeros.size());
            d_silence -= zeros.size();
            return 0;
        }
        n = std::min(n, PART);
        std::vector<tag_t> tags;
        get_tags_in_window(tags, 0, 0, n, pmt::mp(key::srec_eof));
        if (!tags.empty()) {
            n = tags[0].offset - nitems_read(0) + 1;
            d_ended = true;
        }
        apply(in, n);
        if (d_ended)
            apply(std::vector<gr_complex>(TAIL).data(), TAIL);
        return n;
    }

public:
    impairments_impl(const srec_impairment_set& set, uint64_t silence, uint64_t seed)
        : gr::block("impairments",
                    gr::io_signature::make(1, 1, sizeof(gr_complex)),
                    gr::io_signature::make(1, 1, sizeof(gr_complex))),
          d_silence(silence)
    {
        srec_impairments* h = nullptr;
        srec_error error{};
        const srec_status status = srec_impairments_create(&set, seed, &h, &error);
        if (status == SREC_ERR_ARG)
            throw std::invalid_argument(std::string("impairments: ") + error.message);
        require(status, error);
        d_handle.reset(h);
        set_tag_propagation_policy(TPP_DONT);
    }

    void forecast(int, gr_vector_int& required) override
    {
        required[0] = d_sent < d_out.size() || d_silence || d_ended ? 0 : 1;
    }

    int work_items(int noutput_items,
                   gr_vector_int& ninput_items,
                   gr_vector_const_void_star& input_items,
                   gr_vector_void_star& output_items) override
    {
        if (d_sent == d_out.size()) {
            if (d_ended)
                return WORK_DONE;
            consume(0,
                    make_part(static_cast<const gr_complex*>(input_items[0]),
                              ninput_items[0]));
        }
        const size_t part = std::min<size_t>(noutput_items, d_out.size() - d_sent);
        std::copy_n(
            d_out.begin() + d_sent, part, static_cast<gr_complex*>(output_items[0]));
        d_sent += part;
        if (d_ended && d_sent == d_out.size())
            add_item_tag(
                0, nitems_written(0) + part - 1, pmt::mp(key::srec_eof), pmt::PMT_T);
        return part;
    }
};

impairments::sptr impairments::make(float noise_power,
                                    float cfo,
                                    float clock_ppm,
                                    double delay,
                                    float gain_db,
                                    float phase_noise,
                                    float doppler,
                                    int echo_delay,
                                    float echo_db,
                                    float echo_phase,
                                    float iq_gain_db,
                                    float iq_phase,
                                    float dc_re,
                                    float dc_im,
                                    float clip,
                                    int bits,
                                    uint64_t seed)
{
    if (!(delay >= 0.0 && delay <= 1e9) || echo_delay < 0 || bits < 0)
        throw std::invalid_argument("impairments: delay must be 0 .. 1e9 samples, "
                                    "echo_delay and bits at least 0");
    srec_impairment_set set{};
    const double silence = std::ceil(delay);
    /* The core's delay has the opposite sign: it takes samples that much later. */
    set.delay = (float)(silence - delay);
    set.noise_power = noise_power;
    set.cfo = cfo;
    set.clock_ppm = clock_ppm;
    set.gain_db = gain_db;
    set.phase_noise = phase_noise;
    set.doppler = doppler;
    set.echo_delay = echo_delay;
    set.echo_db = echo_db;
    set.echo_phase = echo_phase;
    set.iq_gain_db = iq_gain_db;
    set.iq_phase = iq_phase;
    set.dc_re = dc_re;
    set.dc_im = dc_im;
    set.clip = clip;
    set.bits = bits;
    return gnuradio::make_block_sptr<impairments_impl>(set, (uint64_t)silence, seed);
}

} // namespace srec
} // namespace gr
