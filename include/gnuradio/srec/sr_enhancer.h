/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SR_ENHANCER_H
#define INCLUDED_GNURADIO_SREC_SR_ENHANCER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr
{
namespace srec
{

/*!
 * \brief Super-resolution: received pictures to better ones, of the same size (scale 1) or of twice the size (scale 2).
 *
 * Message ports: in `in` (pictures), out `pdus` (pictures), out `info` (a dict per picture: enhance_s, enhanced, ...).
 * How far each patch is to be trusted is read from the picture's metadata (`deviation`, else `mean_deviation`), as
 * semantic_decoder writes it.
 *
 * \param model     enhancer's model file; "" = $SREC_ENHANCER, else the installed one of that scale
 * \param scale     1 or 2; the model's own
 * \param bypass    pictures pass as they are (scale 2: doubled by cubic interpolation)
 * \param threads   0 = all cores
 * \param precision f32 or bf16
 * \param max_queue pictures that may wait, the end mark not counted; beyond, policy decides
 * \param policy    drop_oldest or drop_newest
 * \throws std::runtime_error if the model cannot be loaded, std::invalid_argument for a parameter out of range or
 * another scale \ingroup srec
 */
class GR_SREC_API sr_enhancer : virtual public gr::block
{
public:
    typedef std::shared_ptr<sr_enhancer> sptr;
    static sptr make(const std::string &model = "", int scale = 1, bool bypass = false, int threads = 0,
                     const std::string &precision = "f32", int max_queue = 4,
                     const std::string &policy = "drop_oldest");
    virtual void set_bypass(bool bypass) = 0;
    virtual bool bypass() const = 0;
};

} // namespace srec
} // namespace gr

#endif
