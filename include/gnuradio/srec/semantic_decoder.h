/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SEMANTIC_DECODER_H
#define INCLUDED_GNURADIO_SREC_SEMANTIC_DECODER_H

#include <cstdint>
#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <map>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Feature estimates to pictures; lost slices are concealed and counted.
 *
 * Message ports: in `in`, out `pdus` (pictures), out `info`. Several pictures are open
 * at once, at most max_pictures, so that stations
 * with one key can take turns. A picture is delivered when all its slices are there,
 * when a later one of its session is complete, when
 * `reorder` slices of later ones came since its own last, after timeout seconds without
 * a slice, or at the end mark (srec/collector.h).
 * Slices of pictures delivered are dropped and counted (`late`), and so are those whose
 * picture has more than max_pixels pixels
 * (`too_large`; 0 = no limit).
 *
 * Out `progress`, with progress above 0: the picture so far (metadata `partial` = true,
 * patches and slices that have not come yet as lost), at
 * most one in progress seconds, not counting the time that decoding it takes, and only
 * when no slice waits. The whole picture comes on `pdus` alone.
 * \ingroup srec
 */
class GR_SREC_API semantic_decoder : virtual public gr::block
{
public:
    typedef std::shared_ptr<semantic_decoder> sptr;
    static sptr make(const std::string& model = "",
                     float timeout = 2.0f,
                     int threads = 0,
                     const std::string& precision = "f32",
                     int max_queue = 4096,
                     const std::string& policy = "drop_oldest",
                     float progress = 0.0f,
                     double max_pixels = 64e6,
                     int max_pictures = 8,
                     int reorder = 16);

    /*! Least seconds between pictures so far; 0 = none. Any thread; throws
     *  std::invalid_argument if negative or not a number. */
    virtual void set_progress(float progress) = 0;
    virtual float progress() const = 0;

    /*! Messages dropped, by reason: `late`; `dropped` all others, of which `too_large`.
     *  Any thread. */
    virtual std::map<std::string, uint64_t> counters() const = 0;
};

} // namespace srec
} // namespace gr

#endif
