/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_BURST_SHAPER_H
#define INCLUDED_GNURADIO_SREC_BURST_SHAPER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Shapes frames of symbols into bursts of samples.
 *
 * A burst has a preamble, pilots and root raised cosine pulses (docs/waveform.md).
 *
 * Stream in: complex symbols, Es = 1, with a length tag at the first symbol of each
 * frame. Symbols outside frames are dropped. Stream out: complex samples. The first
 * sample of each burst carries the tags len_tag_key (number of samples) and tx_sob, the
 * last sample the tag tx_eob.
 *
 * \param samples_per_symbol  2 .. 16
 * \param rolloff             roll-off of the pulses, 0.1 .. 1
 * \param amplitude           root mean square of the samples within a burst, above 0
 * \param idle                samples of silence, 0 .. 1000000, sent whenever no frame
 *                            waits, for radios that need a continuous stream; 0: sends
 *                            nothing then
 * \param len_tag_key         key of the length tags
 * \param tail                samples of silence after the end mark, 0 .. 100000000. A
 *                            radio that is switched off sends the rest of the last burst
 *                            first
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API burst_shaper : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<burst_shaper> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(int samples_per_symbol = 4,
                     float rolloff = 0.25f,
                     float amplitude = 1.0f,
                     int idle = 0,
                     const std::string& len_tag_key = "packet_len",
                     int tail = 0);

    /*!
     * Set the amplitude, from the next burst on. Any thread.
     *
     * \param amplitude  root mean square of the samples within a burst, above 0, at most
     *                   1e6
     * \throws std::invalid_argument if \p amplitude is out of range
     */
    virtual void set_amplitude(float amplitude) = 0;

    /*! \return the root mean square of the samples within a burst */
    virtual float amplitude() const = 0;
};

} // namespace srec
} // namespace gr

#endif
