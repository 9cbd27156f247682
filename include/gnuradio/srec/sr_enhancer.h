/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SR_ENHANCER_H
#define INCLUDED_GNURADIO_SREC_SR_ENHANCER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Super-resolution: enhances received pictures, at the same size (scale 1) or at
 * twice the size (scale 2).
 *
 * Message ports: in `in` (pictures), out `pdus` (pictures), out `info` (a dict per
 * picture: enhance_s, enhanced, ...).
 * The block reads the reliability of each patch from the picture's metadata
 * (`deviation`, else `mean_deviation`), as
 * semantic_decoder writes it.
 *
 * \param model     model file; "" = $SREC_ENHANCER, else the installed one of that
 * scale; "none" = no network: pictures
 *                  pass as with bypass
 * \param scale     1 or 2: the model's own. 0: the scale at which each picture was sent
 * (`sent_scale` of its metadata);
 *                  with model "" the block then loads both installed models. A picture
 *                  for whose scale there is no
 *                  model passes without enhancement
 * \param bypass    pictures pass without enhancement (scale 2: doubled by cubic
 * interpolation). Set at run time, it
 *                  interrupts the picture in hand, which passes with `enhance_skipped`
 * \param threads   0 = all cores
 * \param precision f32 or bf16
 * \param max_queue pictures that may wait, the end mark not counted; the policy decides
 * about more
 * \param policy    drop_oldest, drop_newest, or pass_oldest: the oldest waiting picture
 * passes without enhancement
 * \throws std::runtime_error if the model cannot be loaded, std::invalid_argument for a
 * parameter out of range or
 * another scale
 * \ingroup srec
 */
class GR_SREC_API sr_enhancer : virtual public gr::block
{
public:
    typedef std::shared_ptr<sr_enhancer> sptr;
    static sptr make(const std::string& model = "",
                     int scale = 1,
                     bool bypass = false,
                     int threads = 0,
                     const std::string& precision = "f32",
                     int max_queue = 4,
                     const std::string& policy = "drop_oldest");
    virtual void set_bypass(bool bypass) = 0;
    virtual bool bypass() const = 0;
};

} // namespace srec
} // namespace gr

#endif
