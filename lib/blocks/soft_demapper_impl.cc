/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/soft_demapper.h>
#include <cmath>

namespace gr {
namespace srec {

class soft_demapper_impl : public soft_demapper
{
    static constexpr size_t PROBE = 1024; /* symbols of a frame from which N0 is estimated */
    const srec_modulation d_modulation;
    const unsigned d_per_symbol;
    const pmt::pmt_t d_tag;
    float d_snr_db, d_n0 = 0.1f;

    void check(float snr_db)
    {
        if (!std::isnan(snr_db) && !(snr_db >= -50.0f && snr_db <= 100.0f))
            throw std::invalid_argument("snr_db must be -50 .. 100, or NaN to estimate it");
    }

public:
    soft_demapper_impl(const std::string& modulation, float snr_db, const std::string& len_tag_key)
        : gr::sync_interpolator("soft_demapper", gr::io_signature::make(1, 2, sizeof(gr_complex)), gr::io_signature::make(1, 1, sizeof(float)), srec_modem_soft_per_symbol(modulation_from(modulation))),
          d_modulation(modulation_from(modulation)),
          d_per_symbol(srec_modem_soft_per_symbol(d_modulation)),
          d_tag(pmt::mp(len_tag_key)),
          d_snr_db(snr_db)
    {
        check(snr_db);
        set_min_noutput_items(d_per_symbol);
    }

    void set_snr_db(float snr_db) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        check(snr_db);
        d_snr_db = snr_db;
    }
    float snr_db() const override { return d_snr_db; }

    int work(int noutput_items, gr_vector_const_void_star& input_items, gr_vector_void_star& output_items) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        const auto* in = static_cast<const float*>(input_items[0]);
        const auto* gain = input_items.size() > 1 ? static_cast<const float*>(input_items[1]) : nullptr;
        auto* out = static_cast<float*>(output_items[0]);
        const size_t n = noutput_items / d_per_symbol;
        if (!std::isnan(d_snr_db)) {
            srec_modem_demap(d_modulation, in, gain, std::pow(10.0f, -0.1f * d_snr_db), n, out);
            return noutput_items;
        }
        /* the estimate holds from a frame's first symbol to the next frame; what is in hand of the frame serves as its probe */
        std::vector<tag_t> tags;
        get_tags_in_window(tags, 0, 0, n, d_tag);
        std::sort(tags.begin(), tags.end(), tag_t::offset_compare);
        size_t from = 0;
        for (size_t k = 0; k <= tags.size(); k++) {
            const size_t to = k < tags.size() ? tags[k].offset - nitems_read(0) : n;
            srec_modem_demap(d_modulation, in + 2 * from, gain ? gain + 2 * from : nullptr, d_n0, to - from, out + from * d_per_symbol);
            from = to;
            const size_t end = k + 1 < tags.size() ? tags[k + 1].offset - nitems_read(0) : n, probe = std::min(end - from, PROBE);
            if (k < tags.size() && probe >= 16)
                srec_modem_estimate_n0(d_modulation, in + 2 * from, probe, &d_n0);
        }
        return noutput_items;
    }
};

soft_demapper::sptr soft_demapper::make(const std::string& modulation, float snr_db, const std::string& len_tag_key) { return gnuradio::make_block_sptr<soft_demapper_impl>(modulation, snr_db, len_tag_key); }

} // namespace srec
} // namespace gr
