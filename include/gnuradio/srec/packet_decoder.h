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
 * \brief Finds frames by their tags, authenticates their headers, and returns the soft
 * values of their payloads (features) or their corrected, authentic payloads (coded
 * layers).
 *
 * It drops and counts damaged, forged, repeated and foreign frames
 * (docs/packet-format.md). Repeats of layers add up: a payload that no transmission
 * carries alone is decoded as the sum of up to 8.
 *
 * Stream in: soft values as floats, with a tag at the first soft value of each frame.
 * Message ports: `out` out (soft slices, pieces), `info` out (the counters, for each
 * dropped frame and at the end).
 *
 * \param key          shared key, or its text: key file or pipe; 64 hexadecimal digits or
 *                     seed:N (for tests only)
 * \param model        model file; "": the installed model; "none": no model, for links of
 *                     layers only
 * \param modulation   bpsk, qpsk, 16qam, 64qam, 256qam or pam256
 * \param len_tag_key  key of the tag at the first soft value of each frame
 * \throws std::runtime_error if the key or the model cannot be read,
 *         std::invalid_argument for an unknown modulation
 * \ingroup srec
 */
class GR_SREC_API packet_decoder : virtual public gr::sync_block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<packet_decoder> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const shared_key& key,
                     const std::string& model = "",
                     const std::string& modulation = "qpsk",
                     const std::string& len_tag_key = "packet_len");

    /*! \return frames accepted so far */
    virtual uint64_t accepted() const = 0;

    /*! \return frames dropped so far */
    virtual uint64_t dropped() const = 0;

    /*!
     * \return the counters so far: accepted, damaged, forged, replayed, foreign_model,
     *         unsupported, uncorrected, bad_tag, duplicate, combined, summed
     *         (srec_packet_counters in srec/packet.h) and truncated (the next frame began
     *         too early)
     */
    virtual std::map<std::string, uint64_t> counters() const = 0;

    /*!
     * Export the newest packet number of each known session, for import_marks() in a
     * later run. Any thread.
     *
     * \return bytes that are bound to the key by a tag
     */
    virtual std::string export_marks() const = 0;

    /*!
     * Import marks. From now on packets up to these marks count as replays. Any thread.
     *
     * \param marks  bytes from export_marks()
     * \throws std::runtime_error if they are damaged or of another key
     */
    virtual void import_marks(const std::string& marks) = 0;
};

} // namespace srec
} // namespace gr

#endif
