/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_BURST_SHAPER_H
#define INCLUDED_GNURADIO_SREC_BURST_SHAPER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Frames of symbols to bursts of samples: preamble, pilots, root raised cosine
 * (docs/waveform.md).
 *
 * Stream in: symbols, Es = 1, with a length tag on the first of each frame. Stream out:
 * samples of unit mean power, tag len_tag_key (samples)
 * and tx_sob on the first of each burst, tx_eob on its last. Symbols outside frames are
 * dropped.
 *
 * \param samples_per_symbol 2 .. 16
 * \param rolloff  0.1 .. 1
 * \param amplitude root mean square of the samples within a burst, above 0; *
 * \param idle     samples of silence to send whenever no frame is waiting, for radios
 * that must never run dry; 0: send nothing then
 * \param tail     samples of silence after the end mark, 0 .. 100000000: a radio that
 * is switched off sends what is left of the last burst first
 * \ingroup srec
 */
class GR_SREC_API burst_shaper : virtual public gr::block
{
public:
    typedef std::shared_ptr<burst_shaper> sptr;
    static sptr make(int samples_per_symbol = 4,
                     float rolloff = 0.25f,
                     float amplitude = 1.0f,
                     int idle = 0,
                     const std::string& len_tag_key = "packet_len",
                     int tail = 0);
    virtual void set_amplitude(float amplitude) = 0; /*!< from the next burst on */
    virtual float amplitude() const = 0;
};

} // namespace srec
} // namespace gr

#endif
