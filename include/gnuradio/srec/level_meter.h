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
 * \brief Level and clip meter: mean power, peak and share of clipped samples of a
 * stream.
 *
 * Stream in: samples. Message port out `info`: every `period` samples a dict (event =
 * level; level_db, peak_db relative to full scale, clipped:
 * share of the samples, samples).
 *
 * \param full_scale magnitude of I or Q that counts as 0 dB; a sample is clipped if I
 * or Q reaches 0.999 of it
 * \param period     samples between two messages, 0: none
 * \ingroup srec
 */
class GR_SREC_API level_meter : virtual public gr::sync_block
{
public:
    typedef std::shared_ptr<level_meter> sptr;
    static sptr make(float full_scale = 1.0f, int period = 0);
    /*! Since the call before: level_db, peak_db (-inf of silence), clipped (share),
     *  samples. From any thread. */
    virtual std::map<std::string, double> read() = 0;
};

} // namespace srec
} // namespace gr

#endif
