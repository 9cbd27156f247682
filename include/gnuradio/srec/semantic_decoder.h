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
 * \ingroup srec
 */
class GR_SREC_API semantic_decoder : virtual public gr::block
{
public:
    typedef std::shared_ptr<semantic_decoder> sptr;
    static sptr make(const std::string& model = "", float timeout = 2.0f, int threads = 0, const std::string& precision = "f32", int max_queue = 4096, const std::string& policy = "drop_oldest");
};

} // namespace srec
} // namespace gr

#endif
