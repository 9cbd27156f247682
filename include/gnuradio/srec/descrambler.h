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
 * \brief Soft slices to feature estimates: posterior mean and standard deviation, or
 * hard decisions.
 *
 * Message ports: in `in`, out `out`, out `info`.
 *
 * \param key       key file, 64 hex digits, or seed:N (tests only)
 * \param model     model file; "" = the installed one
 * \param soft      false: hard decisions
 * \param clear_key key for the order of packets that are sent in clear; "" = \p key. It
 * differs from \p key only where an
 *                  eavesdropper is shown, who lacks the key of encrypted packets
 * \ingroup srec
 */
class GR_SREC_API descrambler : virtual public gr::block
{
public:
    typedef std::shared_ptr<descrambler> sptr;
    static sptr
    make(const shared_key& key, const std::string& model = "", bool soft = true);
    static sptr make(const shared_key& key,
                     const std::string& model,
                     bool soft,
                     const shared_key& clear_key);
    virtual void set_soft(bool soft) = 0;
    virtual bool soft() const = 0;
};

} // namespace srec
} // namespace gr

#endif
