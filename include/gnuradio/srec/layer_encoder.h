/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_LAYER_ENCODER_H
#define INCLUDED_GNURADIO_SREC_LAYER_ENCODER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>
#include <vector>

namespace gr {
namespace srec {

/*!
 * \brief Encodes images into the pieces of coded layers.
 *
 * Each layer refines the ones before it, and is meant for receivers from one SNR up. The
 * block shares the budget of symbols among the layers, chooses the code rate of each, and
 * divides each layer into pieces, one per packet (srec/layer_plan.h, srec/layers.h).
 *
 * An image with `first_picture` in its metadata may be repeated: if the next image has the
 * same `first_picture`, another number and the same pixels, its pieces are those of the
 * first one, marked as repeats, and receivers add up their packets. It is encoded anew, as
 * another image, if the budget has changed or if its first pieces were more than 4096
 * pieces ago.
 *
 * Message ports: `pdus` in (images), `out` out (pieces), `info` out (one dict per image).
 *
 * \param modulation     bpsk, qpsk, 16qam, 64qam or 256qam
 * \param layers         Es/N0 in dB from which each layer must arrive, 1 .. 8 values,
 *                       ascending
 * \param cbr            complex symbols / (3 * width * height) of one transmission, headers
 *                       counted, above 0
 * \param shares         share of the symbols of each layer, in any unit, above 0; empty:
 *                       equal shares
 * \param margin_db      margin between the threshold of a code and the SNR, dB, -10 .. 30
 * \param parity         number of parity pieces of each layer; -1: 1 for every 12 pieces
 * \param bursts         whether preambles and pilots count too
 * \param rate_max       highest code rate, up to 8/9; 0: 8/9. On fading channels 2/3
 * \param frame_symbols  payload symbols of a packet in the mean; 0: 16000, or a sixteenth
 *                       of the layer if that is more
 * \param threads        threads of the source coder; 0: all cores
 * \param max_queue      maximum number of waiting images, at least 1; the end mark does
 *                       not count
 * \param policy         what happens to more waiting images: drop_oldest or drop_newest
 * \param scale          2: sends the image at half size; 1: sends it at full size
 * \throws std::invalid_argument if a parameter is out of range, and for pam256
 * \ingroup srec
 */
class GR_SREC_API layer_encoder : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<layer_encoder> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const std::string& modulation = "qpsk",
                     const std::vector<float>& layers = { 6.0f },
                     double cbr = 0.2,
                     const std::vector<float>& shares = {},
                     float margin_db = 0.5f,
                     int parity = -1,
                     bool bursts = true,
                     double rate_max = 0.0,
                     int frame_symbols = 0,
                     int threads = 0,
                     int max_queue = 4,
                     const std::string& policy = "drop_oldest",
                     int scale = 1);

    /*!
     * Set the budget, from the next image on. Any thread.
     *
     * \param cbr  complex symbols / (3 * width * height), headers counted
     * \throws std::invalid_argument if \p cbr is out of range
     */
    virtual void set_cbr(double cbr) = 0;

    /*! \return the budget */
    virtual double cbr() const = 0;
};

} // namespace srec
} // namespace gr

#endif
