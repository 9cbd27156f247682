/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_SREC_BLOCKS_BURST_FIGURES_H
#define INCLUDED_SREC_BLOCKS_BURST_FIGURES_H

#include "common.h"

namespace gr {
namespace srec {

/* Means over the packets that arrived as bursts: the radio figures of an image. */
class burst_figures
{
    static constexpr const char* NAMES[] = {
        key::snr_db, key::cfo, key::drift, key::clock_ppm, key::level_db
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

} // namespace srec
} // namespace gr

#endif
