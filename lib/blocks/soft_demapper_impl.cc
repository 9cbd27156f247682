/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/soft_demapper.h>

namespace gr {
namespace srec {

class soft_demapper_impl : public guarded<soft_demapper>
{
    const srec_modulation d_modulation;
    const unsigned d_per_symbol;
    const pmt::pmt_t d_tag;
    std::atomic<float> d_snr_db; /* NaN: estimated */
    tag_watch d_watch{ d_tag };
    handle<srec_noise_probe, srec_noise_probe_free> d_probe;

    static void check(float snr_db)
    {
        if (!std::isnan(snr_db) && !(snr_db >= -50.0f && snr_db <= 100.0f))
            throw std::invalid_argument(
                "snr_db must be -50 .. 100, or NaN to estimate it");
    }

    /* The tags of n symbols, each to the first soft value of its symbol. */
    void pass_tags(size_t n)
    {
        std::vector<tag_t> tags;
        get_tags_in_window(tags, 0, 0, n);
        for (tag_t& tag : tags) {
            tag.offset = nitems_written(0) + (tag.offset - nitems_read(0)) * d_per_symbol;
            add_item_tag(0, tag);
        }
    }

    /* A frame begins at this tag. burst_sync tags it with the noise power that it has
     * measured. */
    void begin_frame(const tag_t& tag)
    {
        std::vector<tag_t> measured;
        get_tags_in_range(measured, 0, tag.offset, tag.offset + 1, pmt::mp(key::n0));
        if (!measured.empty() && pmt::is_real(measured[0].value) &&
            pmt::to_double(measured[0].value) > 0)
            return srec_noise_probe_begin_known(d_probe.get(),
                                                (float)pmt::to_double(measured[0].value));
        const long length = pmt::is_integer(tag.value) ? pmt::to_long(tag.value) : 0;
        srec_noise_probe_begin(d_probe.get(), length > 0 ? length : 0);
    }

    /* Symbols of one frame, whose noise is estimated meanwhile. */
    void demap(const float* in, const float* gain, size_t n, float* out)
    {
        srec_noise_probe_push(d_probe.get(), in, gain, n);
        srec_modem_demap(
            d_modulation, in, gain, srec_noise_probe_n0(d_probe.get()), n, out);
    }

    /* Frames begin at the tags among n symbols. */
    void demap_frames(const float* in, const float* gain, size_t n, float* out)
    {
        std::vector<tag_t> tags;
        if (!d_watch.done()) {
            get_tags_in_window(tags, 0, 0, n);
            d_watch(d_logger, tags, n);
            tags.clear();
        }
        get_tags_in_window(tags, 0, 0, n, d_tag);
        std::sort(tags.begin(), tags.end(), tag_t::offset_compare);
        size_t from = 0;
        for (size_t k = 0; k <= tags.size(); k++) {
            const size_t to = k < tags.size() ? tags[k].offset - nitems_read(0) : n;
            demap(in + 2 * from,
                  gain ? gain + 2 * from : nullptr,
                  to - from,
                  out + from * d_per_symbol);
            from = to;
            if (k < tags.size())
                begin_frame(tags[k]);
        }
    }

public:
    soft_demapper_impl(const std::string& modulation,
                       float snr_db,
                       const std::string& len_tag_key)
        : gr::sync_interpolator("soft_demapper",
                                gr::io_signature::make(1, 2, sizeof(gr_complex)),
                                gr::io_signature::make(1, 1, sizeof(float)),
                                srec_modem_soft_per_symbol(modulation_from(modulation))),
          d_modulation(modulation_from(modulation)),
          d_per_symbol(srec_modem_soft_per_symbol(d_modulation)),
          d_tag(pmt::mp(len_tag_key)), d_snr_db(snr_db)
    {
        check(snr_db);
        srec_noise_probe* probe = nullptr;
        srec_error error{};
        require(srec_noise_probe_create(d_modulation, &probe, &error), error);
        d_probe.reset(probe);
        set_min_noutput_items(d_per_symbol);
        /* The tags of the gain would arrive a second time. */
        set_tag_propagation_policy(TPP_DONT);
    }

    void set_snr_db(float snr_db) override
    {
        check(snr_db);
        d_snr_db = snr_db;
    }
    float snr_db() const override { return d_snr_db; }

    int work(int noutput_items,
             gr_vector_const_void_star& input_items,
             gr_vector_void_star& output_items) override
    {
        const auto* in = static_cast<const float*>(input_items[0]);
        const auto* gain =
            input_items.size() > 1 ? static_cast<const float*>(input_items[1]) : nullptr;
        auto* out = static_cast<float*>(output_items[0]);
        const size_t n = noutput_items / d_per_symbol;
        pass_tags(n);
        const float snr_db = d_snr_db;
        if (std::isnan(snr_db))
            demap_frames(in, gain, n, out);
        else
            srec_modem_demap(
                d_modulation, in, gain, std::pow(10.0f, -0.1f * snr_db), n, out);
        return noutput_items;
    }
};

soft_demapper::sptr soft_demapper::make(const std::string& modulation,
                                        float snr_db,
                                        const std::string& len_tag_key)
{
    return gnuradio::make_block_sptr<soft_demapper_impl>(modulation, snr_db, len_tag_key);
}

} // namespace srec
} // namespace gr
