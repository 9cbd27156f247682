/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SOFT_DEMAPPER_H
#define INCLUDED_GNURADIO_SREC_SOFT_DEMAPPER_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_interpolator.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Computes soft values from symbols: exact LLRs, or amplitude and noise variance
 * (pam256).
 *
 * LLRs are positive for bit 0. The soft decoders of GNU Radio use the opposite sign.
 *
 * Streams in: complex symbols, and optionally the complex gain of the channel. Stream
 * out: floats. Tags of the symbols pass to the first soft value of their symbol. Tags of
 * the gain do not pass.
 *
 * \param modulation   bpsk, qpsk, 16qam, 64qam, 256qam or pam256
 * \param snr_db       Es/N0 in dB, -50 .. 100. NaN: from the tag `n0`, or else estimated
 *                     from the first 1024 symbols of each frame (from all if the frame is
 *                     shorter) while they arrive. Until 16 symbols have arrived, the
 *                     estimate of the previous frame holds, at first 10 dB. The estimate
 *                     takes the gain into account
 * \param len_tag_key  key of the tag at the first symbol of each frame
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API soft_demapper : virtual public gr::sync_interpolator
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<soft_demapper> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& modulation = "qpsk",
                     float snr_db = 10.0f,
                     const std::string& len_tag_key = "packet_len");

    /*!
     * Set the SNR. Any thread.
     *
     * \param snr_db  Es/N0 in dB, -50 .. 100; NaN: estimate it in each frame
     * \throws std::invalid_argument if \p snr_db is out of range
     */
    virtual void set_snr_db(float snr_db) = 0;

    /*! \return Es/N0 in dB, or NaN */
    virtual float snr_db() const = 0;
};

} // namespace srec
} // namespace gr

#endif
