/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <algorithm>
#include <cmath>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/soft_demapper.h>

namespace gr {
namespace srec {

class soft_demapper_impl : public guarded<soft_demapper>
{
    static constexpr size_t PROBE = 1024; /* symbols of a frame from which N0 is
                                           * estimated */
    static constexpr size_t LEAST = 16;   /* symbols for a first estimate; until then
                                           * that of the frame before holds */
    const srec_modulation d_modulation;
    const unsigned d_per_symbol;
    const pmt::pmt_t d_tag;
    float d_snr_db, d_n0 = 0.1f;
    tag_watch d_watch{ d_tag };
    /* The probe: what has come of the frame's first d_probe_max symbols. Before the
     * first frame there is none. */
    std::vector<gr_complex> d_symbols, d_gains;
    size_t d_probe_max = 0, d_probed = 0; /* d_probed: symbols that the estimate in
                                           * force stands on */

    void check(float snr_db)
    {
        if (!std::isnan(snr_db) && !(snr_db >= -50.0f && snr_db <= 100.0f))
            throw std::invalid_argument(
                "snr_db must be -50 .. 100, or NaN to estimate it");
    }

    /* Adds n symbols to the probe; estimates anew whenever it has doubled, and when it
     * is complete. */
    void probe(const float* in, const float* gain, size_t n)
    {
        const size_t part = std::min(n, d_probe_max - d_symbols.size());
        const auto* y = reinterpret_cast<const gr_complex*>(in);
        const auto* g = reinterpret_cast<const gr_complex*>(gain);
        d_symbols.insert(d_symbols.end(), y, y + part);
        if (g)
            d_gains.insert(d_gains.end(), g, g + part);
        if (!part || d_symbols.size() < LEAST ||
            (d_symbols.size() < 2 * d_probed && d_symbols.size() < d_probe_max))
            return;
        d_probed = d_symbols.size();
        if (d_gains.size() != d_symbols.size()) {
            srec_modem_estimate_n0(
                d_modulation, in_floats(d_symbols), d_symbols.size(), &d_n0);
            return;
        }
        /* y / g has the noise N0 / |g|^2. Of the symbols only those within 3 dB of the
         * strongest gain, so that noise of one strength is estimated. */
        float strongest = 0.0f;
        for (gr_complex v : d_gains)
            strongest =
                std::max(strongest, std::isfinite(std::norm(v)) ? std::norm(v) : 0.0f);
        std::vector<gr_complex> equal;
        double excess = 0;
        for (size_t i = 0; i < d_symbols.size(); i++)
            if (const float power = std::norm(d_gains[i]);
                power > 0.0f && power >= 0.5f * strongest && power <= strongest) {
                equal.push_back(d_symbols[i] / d_gains[i]);
                excess += 1.0 / power;
            }
        float n0;
        if (equal.size() >= LEAST &&
            srec_modem_estimate_n0(d_modulation, in_floats(equal), equal.size(), &n0) ==
                SREC_OK)
            d_n0 = (float)(n0 * equal.size() / excess);
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

    static const float* in_floats(const std::vector<gr_complex>& v)
    {
        return reinterpret_cast<const float*>(v.data());
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
        set_min_noutput_items(d_per_symbol);
        set_tag_propagation_policy(TPP_DONT); /* those of the gain would come a second
                                               * time */
    }

    void set_snr_db(float snr_db) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        check(snr_db);
        d_snr_db = snr_db;
    }
    float snr_db() const override { return d_snr_db; }

    int work(int noutput_items,
             gr_vector_const_void_star& input_items,
             gr_vector_void_star& output_items) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        const auto* in = static_cast<const float*>(input_items[0]);
        const auto* gain =
            input_items.size() > 1 ? static_cast<const float*>(input_items[1]) : nullptr;
        auto* out = static_cast<float*>(output_items[0]);
        const size_t n = noutput_items / d_per_symbol;
        pass_tags(n);
        if (!std::isnan(d_snr_db)) {
            srec_modem_demap(
                d_modulation, in, gain, std::pow(10.0f, -0.1f * d_snr_db), n, out);
            return noutput_items;
        }
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
            probe(in + 2 * from, gain ? gain + 2 * from : nullptr, to - from);
            srec_modem_demap(d_modulation,
                             in + 2 * from,
                             gain ? gain + 2 * from : nullptr,
                             d_n0,
                             to - from,
                             out + from * d_per_symbol);
            from = to;
            if (k < tags.size()) {
                const long length =
                    pmt::is_integer(tags[k].value) ? pmt::to_long(tags[k].value) : 0;
                d_probe_max =
                    length >= (long)LEAST ? std::min((size_t)length, PROBE) : PROBE;
                d_probed = 0;
                d_symbols.clear();
                d_gains.clear();
                std::vector<tag_t> told;
                get_tags_in_range(
                    told, 0, tags[k].offset, tags[k].offset + 1, pmt::mp("n0"));
                const float n0 = !told.empty() && pmt::is_real(told[0].value)
                                     ? (float)pmt::to_double(told[0].value)
                                     : 0.0f;
                if (n0 > 0.0f && std::isfinite(n0)) {
                    d_n0 = n0;
                    d_probe_max = 0; /* burst_sync knows better than the symbols tell */
                }
            }
        }
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
