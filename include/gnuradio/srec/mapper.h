/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_MAPPER_H
#define INCLUDED_GNURADIO_SREC_MAPPER_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_block.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Maps frames to complex symbols, Es = 1.
 *
 * The first symbol of each frame carries the tag len_tag_key with the number of symbols.
 * The block ends the flowgraph after the end mark.
 *
 * Message ports: `in` in (frames), `info` out (event = picture when the last symbol of
 * an image has left). Stream out: complex symbols.
 *
 * \param modulation   bpsk, qpsk, 16qam, 64qam, 256qam or pam256; the same as in
 *                     packet_encoder
 * \param len_tag_key  key of the length tag
 * \throws std::invalid_argument for an unknown modulation
 * \ingroup srec
 */
class GR_SREC_API mapper : virtual public gr::sync_block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<mapper> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& modulation = "qpsk",
                     const std::string& len_tag_key = "packet_len");
};

} // namespace srec
} // namespace gr

#endif
