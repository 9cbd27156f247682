/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_LAYER_DECODER_H
#define INCLUDED_GNURADIO_SREC_LAYER_DECODER_H

#include <cstdint>
#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <map>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Decodes the pieces of coded layers into images.
 *
 * Parity pieces restore lost pieces; what is still missing costs detail. An image is
 * complete when the last piece has arrived and all data pieces are there or restored. An
 * incomplete image is delivered for the same reasons as by semantic_decoder
 * (srec/collector.h). Messages of features pass unchanged, so this block may precede
 * semantic_decoder.
 *
 * If `progress` is above 0, the port `progress` carries partial images (metadata
 * `partial` = true), which sharpen as layers arrive: at most one in `progress` seconds
 * plus its decoding time, and only when no piece waits.
 *
 * Message ports: `in` in (pieces), `pdus` out (images), `progress` out (partial images),
 * `info` out.
 *
 * \param timeout       seconds without a piece until an image is delivered, above 0
 * \param threads       threads of the source coder; 0: all cores
 * \param max_queue     maximum number of waiting pieces, at least 1; the end mark does
 *                      not count
 * \param policy        what happens to more waiting pieces: drop_oldest or drop_newest
 * \param progress      minimum seconds between partial images; 0: none
 * \param max_pixels    maximum pixels of an image; 0: no limit
 * \param max_pictures  images open at once, 1 .. 1024
 * \param reorder       pieces of later images until an incomplete image is delivered, at
 *                      least 1
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API layer_decoder : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<layer_decoder> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(float timeout = 2.0f,
                     int threads = 0,
                     int max_queue = 4096,
                     const std::string& policy = "drop_oldest",
                     float progress = 0.0f,
                     double max_pixels = 64e6,
                     int max_pictures = 8,
                     int reorder = 16);

    /*!
     * Set the interval of partial images. Any thread.
     *
     * \param progress  minimum seconds between partial images; 0: none
     * \throws std::invalid_argument if \p progress is negative or not finite
     */
    virtual void set_progress(float progress) = 0;

    /*! \return the minimum seconds between partial images */
    virtual float progress() const = 0;

    /*!
     * \return the dropped messages by reason: `late`; `dropped` for all others, which
     *         include `too_large`. Any thread
     */
    virtual std::map<std::string, uint64_t> counters() const = 0;
};

} // namespace srec
} // namespace gr

#endif
