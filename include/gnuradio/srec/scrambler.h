/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SCRAMBLER_H
#define INCLUDED_GNURADIO_SREC_SCRAMBLER_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <gnuradio/srec/shared_key.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Joins the keystream of (session, packet) with a slice's bytes and puts them in
 * the packet's secret order.
 *
 * Message ports: in `in` (slices), out `out` (slices with session, packet, cipher), out
 * `info`.
 *
 * \param key     shared_key, or its text: key file, 64 hex digits or seed:N (these two
 * for tests only)
 * \param encrypt false: bytes keep their values, in secret order all the same, and the
 * packet says so
 * \param cipher  add: modulo 256, the paper's; xor: equally secret and without loss in
 * soft decoding, not for pam256;
 *                auto: xor, and add for pam256
 * \param session 0 = random, as it must be on the air
 * \ingroup srec
 */
class GR_SREC_API scrambler : virtual public gr::block
{
public:
    typedef std::shared_ptr<scrambler> sptr;
    static sptr make(const shared_key& key,
                     bool encrypt = true,
                     uint64_t session = 0,
                     const std::string& cipher = "auto");
    virtual void set_encrypt(bool encrypt) = 0;
    virtual bool encrypt() const = 0;
    virtual void set_cipher(const std::string& cipher) = 0; /*!< from the next slice on;
                                                             *   throws
                                                             *   std::invalid_argument
                                                             *   */
    virtual std::string cipher() const = 0;
    virtual uint64_t session() const = 0;
};

} // namespace srec
} // namespace gr

#endif
