/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_MAPPER_H
#define INCLUDED_GNURADIO_SREC_MAPPER_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_block.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Frames to complex symbols, Es = 1.
 *
 * Message ports: in `pdus` (frames), out `info` (event = picture when a picture's last
 * symbol has left). Stream out: complex symbols, tag
 * len_tag_key (number of symbols) on the first symbol of each frame. Ends the flowgraph
 * after the end mark.
 * \ingroup srec
 */
class GR_SREC_API mapper : virtual public gr::sync_block
{
public:
    typedef std::shared_ptr<mapper> sptr;
    static sptr make(const std::string& modulation = "qpsk",
                     const std::string& len_tag_key = "packet_len");
};

} // namespace srec
} // namespace gr

#endif
