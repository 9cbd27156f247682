/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SEMANTIC_ENCODER_H
#define INCLUDED_GNURADIO_SREC_SEMANTIC_ENCODER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Encodes images into slices of feature bytes.
 *
 * It runs the networks ga, ha, hs and fe. docs/blocks.md describes the metadata.
 *
 * Message ports: `pdus` in (images), `out` out (slices), `info` out (one dict per image).
 *
 * \param model        model file; "": the installed model
 * \param eta          rate parameter, features per bit of the entropy model, 0.001 .. 10
 * \param modulation   bpsk, qpsk, 16qam, 64qam, 256qam or pam256; it determines the
 *                     feature format and the slice size
 * \param frame_bytes  maximum length of a frame, bytes, 2000 .. 30000; from 64qam on the
 *                     minimum can be higher, and the exception names it
 * \param threads      threads of the networks; 0: all cores
 * \param precision    auto (f32, because bf16 costs up to 0.13 dB), f32 or bf16
 * \param max_queue    maximum number of waiting images, at least 1; the end mark does not
 *                     count
 * \param policy       what happens to more waiting images: drop_oldest or drop_newest
 * \param scale        2: sends the image at half size, and the receiver's enhancer
 *                     doubles it; 1: sends it at full size
 * \throws std::runtime_error if the model cannot be loaded, std::invalid_argument if a
 *         parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API semantic_encoder : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<semantic_encoder> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& model = "",
                     float eta = 0.2f,
                     const std::string& modulation = "qpsk",
                     int frame_bytes = 16000,
                     int threads = 0,
                     const std::string& precision = "auto",
                     int max_queue = 4,
                     const std::string& policy = "drop_oldest",
                     int scale = 1);

    /*!
     * Set the rate parameter, from the next image on. Any thread.
     *
     * \param eta  features per bit of the entropy model, 0.001 .. 10
     * \throws std::invalid_argument if \p eta is out of range
     */
    virtual void set_eta(float eta) = 0;

    /*! \return the rate parameter */
    virtual float eta() const = 0;
};

} // namespace srec
} // namespace gr

#endif
