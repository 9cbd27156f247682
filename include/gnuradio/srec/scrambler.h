/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SCRAMBLER_H
#define INCLUDED_GNURADIO_SREC_SCRAMBLER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Adds the keystream of (session, packet) to a slice's bytes, modulo 256.
 *
 * Message ports: in `in` (slices), out `out` (slices with session, packet, clear), out `info`.
 *
 * \param key     key file, 64 hex digits, or seed:N (tests only)
 * \param encrypt false: bytes pass unchanged and the packet says so
 * \param session 0 = random, as it must be on the air
 * \ingroup srec
 */
class GR_SREC_API scrambler : virtual public gr::block
{
public:
    typedef std::shared_ptr<scrambler> sptr;
    static sptr make(const std::string& key, bool encrypt = true, uint64_t session = 0);
    virtual void set_encrypt(bool encrypt) = 0;
    virtual bool encrypt() const = 0;
    virtual uint64_t session() const = 0;
};

} // namespace srec
} // namespace gr

#endif
