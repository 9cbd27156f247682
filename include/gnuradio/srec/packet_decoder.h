/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_PACKET_DECODER_H
#define INCLUDED_GNURADIO_SREC_PACKET_DECODER_H

#include <gnuradio/srec/api.h>
#include <gnuradio/srec/shared_key.h>
#include <gnuradio/sync_block.h>
#include <map>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Finds frames by their tags, authenticates their headers, gives out the
 * payload's soft values.
 *
 * Stream in: floats. Message ports: out `out` (soft slices), out `info` (counters per
 * frame dropped and at the end).
 * \ingroup srec
 */
class GR_SREC_API packet_decoder : virtual public gr::sync_block
{
public:
    typedef std::shared_ptr<packet_decoder> sptr;
    static sptr make(const shared_key& key,
                     const std::string& model = "",
                     const std::string& modulation = "qpsk",
                     const std::string& len_tag_key = "packet_len");
    virtual uint64_t accepted() const = 0;
    virtual uint64_t dropped() const = 0;
    virtual std::map<std::string, uint64_t> counters() const = 0;
    /*! The newest packet number of each session received, as bytes tied to the key, for
     *  import_marks() of a later run. Any thread. */
    virtual std::string export_marks() const = 0;
    /*! From now on packets up to these marks count as replays. Throws
     *  std::runtime_error if they are damaged or of another key. Any thread. */
    virtual void import_marks(const std::string& marks) = 0;
};

} // namespace srec
} // namespace gr

#endif
