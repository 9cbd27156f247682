/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SEMANTIC_DECODER_H
#define INCLUDED_GNURADIO_SREC_SEMANTIC_DECODER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Feature estimates to pictures; lost slices are concealed and counted.
 *
 * Message ports: in `in`, out `pdus` (pictures), out `info`. A picture is given out when all its slices are there, when a later one begins, at the
 * end mark, or after timeout seconds without a slice.
 *
 * Out `progress`, with progress above 0: the picture so far (metadata `partial` = true, patches and slices that have not come yet as lost), at
 * most one in progress seconds, not counting the time that decoding it takes, and only when no slice waits. The whole picture comes on `pdus` alone.
 * \ingroup srec
 */
class GR_SREC_API semantic_decoder : virtual public gr::block
{
public:
    typedef std::shared_ptr<semantic_decoder> sptr;
    static sptr make(const std::string& model = "", float timeout = 2.0f, int threads = 0, const std::string& precision = "f32", int max_queue = 4096, const std::string& policy = "drop_oldest", float progress = 0.0f);

    /*! Least seconds between pictures so far; 0 = none. Any thread; throws std::invalid_argument if negative or not a number. */
    virtual void set_progress(float progress) = 0;
    virtual float progress() const = 0;
};

} // namespace srec
} // namespace gr

#endif
