/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_DESCRAMBLER_H
#define INCLUDED_GNURADIO_SREC_DESCRAMBLER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <gnuradio/srec/shared_key.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Decrypts soft slices, and estimates their features.
 *
 * Soft decoding combines the soft values with the priors of the model, and returns the
 * posterior mean and standard deviation of each feature. Hard decoding decides each bit
 * first. Pieces of coded layers pass, unless they are encrypted and \p key is not \p
 * clear_key.
 *
 * Message ports: `in` in (soft slices), `out` out (estimates), `info` out.
 *
 * \param key        shared key, or its text: key file or pipe; 64 hexadecimal digits or
 *                   seed:N (for tests only)
 * \param model      model file; "": the installed model; "none": no model, for links of
 *                   layers only
 * \param soft       true: soft decoding; false: hard decisions, as in the paper
 * \param clear_key  key for the secret order of packets in clear, by default \p key. It
 *                   differs from \p key only in demonstrations of an eavesdropper, who
 *                   lacks the key of encrypted packets
 * \throws std::runtime_error if a key or the model cannot be read
 * \ingroup srec
 */
class GR_SREC_API descrambler : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<descrambler> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr
    make(const shared_key& key, const std::string& model = "", bool soft = true);

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const shared_key& key,
                     const std::string& model,
                     bool soft,
                     const shared_key& clear_key);

    /*!
     * Set the kind of decoding, from the next slice on. Any thread.
     *
     * \param soft  true: soft decoding; false: hard decisions, as in the paper
     */
    virtual void set_soft(bool soft) = 0;

    /*! \return whether decoding is soft */
    virtual bool soft() const = 0;
};

} // namespace srec
} // namespace gr

#endif
