/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_CHANNEL_H
#define INCLUDED_GNURADIO_SREC_CHANNEL_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_block.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief The core's seeded channel, y = gain x + n, in units of unit symbol power.
 *
 * Stream in, stream out, optional second stream out: the complex gain. Tags go with the
 * symbols, not with the gain.
 *
 * \param kind      awgn or rayleigh (flat block fading)
 * \param snr_db    Es/N0
 * \param seed      of noise, fading and loss: results do not depend on how the stream
 * is cut
 * \param coherence symbols of equal gain (rayleigh)
 * \param loss      probability that a frame (from its length tag on) is erased: noise
 * only
 * \ingroup srec
 */
class GR_SREC_API channel : virtual public gr::sync_block
{
public:
    typedef std::shared_ptr<channel> sptr;
    static sptr make(const std::string& kind = "awgn",
                     float snr_db = 10.0f,
                     uint64_t seed = 0,
                     int coherence = 1024,
                     float loss = 0.0f,
                     const std::string& len_tag_key = "packet_len");
    virtual void set_snr_db(float snr_db) = 0;
    virtual float snr_db() const = 0;
    virtual void set_loss(float loss) = 0;
    virtual float loss() const = 0;
};

} // namespace srec
} // namespace gr

#endif
