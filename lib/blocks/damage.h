/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_SREC_BLOCKS_DAMAGE_H
#define INCLUDED_SREC_BLOCKS_DAMAGE_H

#include "common.h"

namespace gr {
namespace srec {

/* Stores the figures of a packet in its metadata, in the dict `damage`. */
pmt::pmt_t put_damage(const pmt::pmt_t& meta, const srec_damage& damage);
/* Reads these figures. Missing values and values that are not numbers count as 0. */
srec_damage get_damage(const pmt::pmt_t& meta);
/* Stores the figures of an image in its metadata; none if nothing was measured. */
pmt::pmt_t put_damage_figures(pmt::pmt_t meta, const srec_damage& damage);

} // namespace srec
} // namespace gr

#endif /* INCLUDED_SREC_BLOCKS_DAMAGE_H */
