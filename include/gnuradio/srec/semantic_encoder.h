/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SEMANTIC_ENCODER_H
#define INCLUDED_GNURADIO_SREC_SEMANTIC_ENCODER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Pictures to slices of feature bytes (ga, entropy model, fe).
 *
 * Message ports: in `pdus` (pictures), out `out` (slices), out `info` (a dict per
 * picture). See docs/blocks.md for the metadata.
 *
 * \param model       model file; "" = the installed one
 * \param eta         features per bit of the entropy model, 0.001 .. 10
 * \param modulation  decides feature format and slice size: bpsk qpsk 16qam 64qam
 * 256qam pam256
 * \param frame_bytes longest frame, bytes: 2000 (64QAM and up more: the exception names
 * the figure) .. 30000
 * \param threads     0 = all cores
 * \param precision   f32 or bf16
 * \param max_queue   pictures that may wait, the end mark not counted; beyond, policy
 * decides
 * \param policy      drop_oldest or drop_newest
 * \param scale       2: sends the half-size picture, for a receiver whose enhancer
 * restores it; else 1
 * \throws std::runtime_error if the model cannot be loaded, std::invalid_argument for a
 * parameter out of range
 * \ingroup srec
 */
class GR_SREC_API semantic_encoder : virtual public gr::block
{
public:
    typedef std::shared_ptr<semantic_encoder> sptr;
    static sptr make(const std::string& model = "",
                     float eta = 0.2f,
                     const std::string& modulation = "qpsk",
                     int frame_bytes = 16000,
                     int threads = 0,
                     const std::string& precision = "f32",
                     int max_queue = 4,
                     const std::string& policy = "drop_oldest",
                     int scale = 1);
    virtual void set_eta(float eta) = 0;
    virtual float eta() const = 0;
};

} // namespace srec
} // namespace gr

#endif
