/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_BURST_SYNC_H
#define INCLUDED_GNURADIO_SREC_BURST_SYNC_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <gnuradio/srec/shared_key.h>
#include <map>
#include <optional>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Finds bursts in samples, and returns their symbols.
 *
 * It estimates delay, carrier, clock, phase and level (docs/waveform.md).
 *
 * Stream in: complex samples. Streams out: complex frame symbols of unit power, and
 * optionally the gain of each symbol. Tags at the first symbol of each frame: len_tag_key
 * (number of symbols), `n0` (noise power per symbol, which soft_demapper uses if its
 * snr_db is NaN) and `burst` (a dict with snr_db, cfo in cycles per symbol, drift in
 * cycles per symbol^2, clock_ppm, level_db, sample, and inverted = true for an inverted
 * spectrum). packet_decoder copies this dict to the metadata of the slice. The gain
 * carries no tags.
 *
 * Message port `info` out: dicts with the counters. There is one per burst (event =
 * burst, with its figures and n_symbols), one when bursts were rejected (event =
 * rejected), one for each kind of finding (event = finding, kind, text), and one at the
 * end mark (event = eof). The block also logs the findings.
 *
 * \param modulation          modulation of the frames
 * \param samples_per_symbol  the same as in the sender, 2 .. 16
 * \param rolloff             the same as in the sender, 0.1 .. 1
 * \param len_tag_key         key of the length tag
 * \param key                 key of packet_decoder, or none. With a key the block drops
 *                            bursts whose header it does not authenticate (counter
 *                            foreign), and forged or recorded bursts hide no other
 *                            bursts. Without a key it accepts bursts of any key
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API burst_sync : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<burst_sync> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& modulation = "qpsk",
                     int samples_per_symbol = 4,
                     float rolloff = 0.25f,
                     const std::string& len_tag_key = "packet_len",
                     const std::optional<shared_key>& key = std::nullopt);

    /*! \return bursts received so far. Any thread */
    virtual uint64_t bursts() const = 0;

    /*!
     * \return the counters so far: candidates, preambles, bursts, unreadable,
     *         unsupported, foreign, truncated, skipped and inverted (srec_sync_counters
     *         in srec/sync.h). Any thread
     */
    virtual std::map<std::string, uint64_t> counters() const = 0;

    /*!
     * \return the reasons why bursts are not received, as far as the input shows them:
     *         kind -> one line (srec/finding.h). Any thread
     */
    virtual std::map<std::string, std::string> findings() const = 0;
};

} // namespace srec
} // namespace gr

#endif
