/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_PACKET_ENCODER_H
#define INCLUDED_GNURADIO_SREC_PACKET_ENCODER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <gnuradio/srec/shared_key.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Slices to frames: authenticated, FEC-coded header and payload in importance
 * order.
 *
 * Message ports: in `in` (scrambled slices), out `out` (frames), out `info`.
 * \ingroup srec
 */
class GR_SREC_API packet_encoder : virtual public gr::block
{
public:
    typedef std::shared_ptr<packet_encoder> sptr;
    static sptr make(const shared_key& key, const std::string& modulation = "qpsk");
};

} // namespace srec
} // namespace gr

#endif
