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
 * \brief Finds bursts in samples and gives their symbols: delay, carrier, clock, phase
 * and level are found out (docs/waveform.md).
 *
 * Stream in: samples. Streams out: frame symbols of unit power, and (optional) the gain
 * of each. Tags on the first symbol of each frame:
 * len_tag_key (symbols), `n0` (noise power per symbol, which soft_demapper takes if its
 * snr_db is NaN) and, on the first port, `burst` (dict:
 * snr_db, cfo in cycles per symbol, drift in cycles per symbol^2, clock_ppm, level_db,
 * sample, and inverted = true if the spectrum was), which
 * packet_decoder puts into the slice's metadata. Message port out `info`: dicts with
 * the counters of srec_sync_counters, per burst (event = burst; the
 * figures and n_symbols), when bursts were rejected (event = rejected), and once for
 * each kind of finding (event = finding, kind, text), which is
 * logged too.
 *
 * \param modulation of the frames
 * \param samples_per_symbol, rolloff  as the sender has them
 * \param key  as of packet_decoder: bursts whose header it does not authenticate are
 * dropped at once (counter foreign), and forged or recorded
 *             ones hide no others. None: bursts of any key are handed on
 * \ingroup srec
 */
class GR_SREC_API burst_sync : virtual public gr::block
{
public:
    typedef std::shared_ptr<burst_sync> sptr;
    static sptr make(const std::string& modulation = "qpsk",
                     int samples_per_symbol = 4,
                     float rolloff = 0.25f,
                     const std::string& len_tag_key = "packet_len",
                     const std::optional<shared_key>& key = std::nullopt);
    virtual uint64_t bursts() const = 0;
    virtual std::map<std::string, uint64_t> counters() const = 0;
    /*! What keeps bursts from being received, as far as the input shows it: kind -> one
     *  line. */
    virtual std::map<std::string, std::string> findings() const = 0;
};

} // namespace srec
} // namespace gr

#endif
