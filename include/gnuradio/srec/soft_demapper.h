/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SOFT_DEMAPPER_H
#define INCLUDED_GNURADIO_SREC_SOFT_DEMAPPER_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_interpolator.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Symbols to soft values: exact LLRs, or amplitude and noise variance (pam256).
 *
 * Stream in: complex symbols; optional second stream in: complex channel gain. Stream
 * out: floats, positive LLR = bit 0.
 * Tags of the symbols go on to the first soft value of their symbol; those of the gain
 * do not.
 *
 * \param snr_db Es/N0, -50 .. 100 dB; NaN = estimated from the first 1024 symbols of
 * each frame, or all if the length tag says that
 *               it is shorter, as they come in: until 16 are there, the estimate of the
 *               frame before holds (at first 10 dB). A
 *               gain input is taken into account.
 * \ingroup srec
 */
class GR_SREC_API soft_demapper : virtual public gr::sync_interpolator
{
public:
    typedef std::shared_ptr<soft_demapper> sptr;
    static sptr make(const std::string& modulation = "qpsk",
                     float snr_db = 10.0f,
                     const std::string& len_tag_key = "packet_len");
    virtual void set_snr_db(float snr_db) = 0;
    virtual float snr_db() const = 0;
};

} // namespace srec
} // namespace gr

#endif
