/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_CHANNEL_H
#define INCLUDED_GNURADIO_SREC_CHANNEL_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_block.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief A seeded AWGN or Rayleigh channel for symbols: y = gain x + n.
 *
 * The SNR refers to symbols of unit power. Equal seeds give equal gains, noise and
 * losses, however the scheduler divides the stream.
 *
 * Stream in: complex symbols. Streams out: complex symbols, and optionally the complex
 * gain. Tags pass with the symbols, not with the gain.
 *
 * \param kind         awgn or rayleigh (flat block fading)
 * \param snr_db       Es/N0 in dB, -50 .. 100
 * \param seed         seed of noise, fading and losses
 * \param coherence    symbols with the same gain (rayleigh), at least 1
 * \param loss         probability that a frame is erased, 0 .. 1. Noise alone replaces
 *                     its symbols
 * \param len_tag_key  key of the tag at the first symbol of each frame
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API channel : virtual public gr::sync_block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<channel> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& kind = "awgn",
                     float snr_db = 10.0f,
                     uint64_t seed = 0,
                     int coherence = 1024,
                     float loss = 0.0f,
                     const std::string& len_tag_key = "packet_len");

    /*!
     * Set the SNR. Any thread.
     *
     * \param snr_db  Es/N0 in dB, -50 .. 100
     * \throws std::invalid_argument if \p snr_db is out of range
     */
    virtual void set_snr_db(float snr_db) = 0;

    /*! \return Es/N0 in dB */
    virtual float snr_db() const = 0;

    /*!
     * Set the loss, from the next frame on. Any thread.
     *
     * \param loss  probability that a frame is erased, 0 .. 1
     * \throws std::invalid_argument if \p loss is out of range
     */
    virtual void set_loss(float loss) = 0;

    /*! \return the probability that a frame is erased */
    virtual float loss() const = 0;
};

} // namespace srec
} // namespace gr

#endif
