/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/level_meter.h>

namespace gr {
namespace srec {

class level_meter_impl : public guarded<level_meter>
{
    const pmt::pmt_t d_info = pmt::mp("info");
    const float d_full_scale;
    const uint64_t d_period;
    /* Since the last message, and since the last read(). */
    srec_level d_message{}, d_reading{};

    std::map<std::string, double> figures(const srec_level& l) const
    {
        srec_level_figures f;
        srec_level_get_figures(&l, d_full_scale, &f);
        return { { key::level_db, f.level_db },
                 { key::peak_db, f.peak_db },
                 { key::clipped, f.clipped },
                 { key::samples, (double)l.n } };
    }

public:
    level_meter_impl(float full_scale, int period)
        : gr::sync_block("level_meter",
                         gr::io_signature::make(1, 1, sizeof(gr_complex)),
                         gr::io_signature::make(0, 0, 0)),
          d_full_scale(full_scale), d_period(period)
    {
        if (!(full_scale > 0.0f && full_scale <= 1e9f) || period < 0)
            throw std::invalid_argument("full_scale must be above 0, period at least 0");
        message_port_register_out(d_info);
    }

    std::map<std::string, double> read() override
    {
        gr::thread::scoped_lock lock(d_setlock);
        const srec_level l = d_reading;
        d_reading = {};
        return figures(l);
    }

    int work(int n, gr_vector_const_void_star& input_items, gr_vector_void_star&) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        const auto* in = static_cast<const float*>(input_items[0]);
        const float limit = 0.999f * d_full_scale;
        srec_level_add(&d_reading, in, n, limit);
        for (uint64_t at = 0; d_period && at < (uint64_t)n;) {
            const uint64_t part = std::min<uint64_t>(n - at, d_period - d_message.n);
            srec_level_add(&d_message, in + 2 * at, part, limit);
            at += part;
            if (d_message.n == d_period) {
                pmt::pmt_t info = put(pmt::make_dict(), key::event, pmt::mp("level"));
                for (const auto& [key, value] : figures(d_message))
                    info = put_real(info, key.c_str(), value);
                message_port_pub(d_info, info);
                d_message = {};
            }
        }
        return n;
    }
};

level_meter::sptr level_meter::make(float full_scale, int period)
{
    return gnuradio::make_block_sptr<level_meter_impl>(full_scale, period);
}

} // namespace srec
} // namespace gr
