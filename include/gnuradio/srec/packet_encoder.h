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
 * \brief Encodes slices into frames.
 *
 * A frame consists of the coded signal field, the authenticated and coded header, and the
 * payload with its bits in importance order (docs/packet-format.md).
 *
 * Pieces of coded layers are encrypted, authenticated and LDPC-coded here.
 *
 * Message ports: `in` in (scrambled slices, or numbered pieces), `out` out (frames), `info` out.
 *
 * \param key         shared key, or its text: key file or pipe; 64 hexadecimal digits or
 *                    seed:N (for tests only)
 * \param modulation  bpsk, qpsk, 16qam, 64qam, 256qam or pam256
 * \throws std::runtime_error if the key cannot be read, std::invalid_argument for an
 *         unknown modulation
 * \ingroup srec
 */
class GR_SREC_API packet_encoder : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<packet_encoder> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const shared_key& key, const std::string& modulation = "qpsk");
};

} // namespace srec
} // namespace gr

#endif
