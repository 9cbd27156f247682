/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SR_ENHANCER_H
#define INCLUDED_GNURADIO_SREC_SR_ENHANCER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Enhances received images by super-resolution, at the same size (scale 1) or at
 * twice the size (scale 2).
 *
 * The block reads the reliability of an image from its metadata: `deviation` of each
 * patch, or else `mean_deviation`, which semantic_decoder writes; `rms_error` for images of
 * coded layers, which layer_decoder writes. Features and layers have models of their own.
 * An image that is better than the model can improve passes without enhancement.
 *
 * Message ports: `pdus` in (images), `pdus` out (images), `info` out (one dict per image:
 * enhance_s, enhanced, ...).
 *
 * \param model      model file; "": $SREC_ENHANCER, or else the installed model of the
 *                   scale; none: no network, images pass as with bypass
 * \param scale      scale of the model, 1 or 2. 0: the scale at which each image was sent
 *                   (`sent_scale` in its metadata). With model "" the block loads all
 *                   installed models of the scale, or with 0 of both scales. An image for
 *                   whose scale and coding there is no model passes without enhancement
 * \param bypass     true: images pass without enhancement (scale 2: doubled by cubic
 *                   interpolation). Set at run time, it also interrupts the current
 *                   image, which then passes with `enhance_skipped`
 * \param threads    threads of the network; 0: all cores
 * \param precision  auto (bf16 where the processor has it, else f32), f32 or bf16
 * \param max_queue  maximum number of waiting images, at least 1; the end mark does not
 *                   count
 * \param policy     what happens to more waiting images: drop_oldest, drop_newest, or
 *                   pass_oldest (the oldest waiting image passes without enhancement)
 * \throws std::runtime_error if the model cannot be loaded, std::invalid_argument if a
 *         parameter is out of range, or for a model of another scale
 * \ingroup srec
 */
class GR_SREC_API sr_enhancer : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<sr_enhancer> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& model = "",
                     int scale = 1,
                     bool bypass = false,
                     int threads = 0,
                     const std::string& precision = "auto",
                     int max_queue = 4,
                     const std::string& policy = "drop_oldest");

    /*!
     * Set the bypass. Any thread.
     *
     * \param bypass  true: images pass without enhancement (scale 2: doubled by cubic
     *                interpolation)
     */
    virtual void set_bypass(bool bypass) = 0;

    /*! \return whether images pass without enhancement */
    virtual bool bypass() const = 0;
};

} // namespace srec
} // namespace gr

#endif
