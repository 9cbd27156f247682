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
 * \brief Decodes feature estimates into images. Lost slices are concealed and counted.
 *
 * Several images are open at once, so that stations with the same key can take turns. An
 * image is delivered for the first of these reasons: all its slices arrived; a later
 * image of its session is complete; two later images began; `reorder` slices of later
 * images arrived since its last slice; no slice arrived for `timeout` seconds; another
 * image needs the place; the end mark arrived (srec/collector.h). Slices of delivered
 * images are dropped and counted (`late`). So are slices of images that are too large
 * (`too_large`).
 *
 * If `progress` is above 0, the port `progress` carries partial images (metadata
 * `partial` = true), in which slices that have not arrived count as lost. There is at
 * most one in `progress` seconds plus its decoding time, and only when no slice waits.
 * The port `pdus` carries only delivered images, and those of layer_decoder, which pass.
 *
 * Message ports: `in` in (estimates), `pdus` out (images), `progress` out (partial
 * images), `info` out.
 *
 * \param model         model file; "": the installed model
 * \param timeout       seconds without a slice until an image is delivered, above 0
 * \param threads       threads of the networks; 0: all cores
 * \param precision     auto (bf16 where the processor has it, else f32), f32 or bf16
 * \param max_queue     maximum number of waiting slices, at least 1; the end mark does
 *                      not count
 * \param policy        what happens to more waiting slices: drop_oldest or drop_newest
 * \param progress      minimum seconds between partial images; 0: none
 * \param max_pixels    maximum pixels of an image; 0: no limit
 * \param max_pictures  images open at once, 1 .. 1024
 * \param reorder       slices of later images until an incomplete image is delivered, at
 *                      least 1
 * \throws std::runtime_error if the model cannot be loaded, std::invalid_argument if a
 *         parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API semantic_decoder : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<semantic_decoder> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& model = "",
                     float timeout = 2.0f,
                     int threads = 0,
                     const std::string& precision = "auto",
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
