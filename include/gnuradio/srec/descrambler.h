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
 * \brief Soft slices to feature estimates: posterior mean and standard deviation, or hard decisions.
 *
 * Message ports: in `in`, out `out`, out `info`.
 * \ingroup srec
 */
class GR_SREC_API descrambler : virtual public gr::block
{
public:
    typedef std::shared_ptr<descrambler> sptr;
    static sptr make(const shared_key& key, const std::string& model = "", bool soft = true);
    virtual void set_soft(bool soft) = 0;
    virtual bool soft() const = 0;
};

} // namespace srec
} // namespace gr

#endif
