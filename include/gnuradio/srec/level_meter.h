/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_LEVEL_METER_H
#define INCLUDED_GNURADIO_SREC_LEVEL_METER_H

#include <gnuradio/srec/api.h>
#include <gnuradio/sync_block.h>
#include <map>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Measures mean power, peak and the share of clipped samples of a stream.
 *
 * Stream in: complex samples. Message port `info` out: one dict per period, with event =
 * level, level_db and peak_db relative to full scale, clipped (share of the samples), and
 * samples.
 *
 * \param full_scale  magnitude of I or Q that corresponds to 0 dB, above 0. A sample
 *                    counts as clipped if I or Q reaches 0.999 of it
 * \param period      samples between two messages; 0: no messages
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API level_meter : virtual public gr::sync_block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<level_meter> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(float full_scale = 1.0f, int period = 0);

    /*!
     * Read the figures since the previous call. Any thread.
     *
     * \return level_db and peak_db relative to full scale (-inf for silence), clipped
     *         (share of the samples), samples
     */
    virtual std::map<std::string, double> read() = 0;
};

} // namespace srec
} // namespace gr

#endif
