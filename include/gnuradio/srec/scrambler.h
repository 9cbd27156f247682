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
 * \brief Encrypts the feature bytes of slices, and puts them in a secret order.
 *
 * It numbers the packets, and combines each slice with the keystream of its session and
 * packet number. docs/security.md describes what this protects. Pieces of coded layers it
 * only numbers. A repeated piece (`first_picture`) also gets its origin, the number of its
 * first transmission, and its redundancy version: 1, 2, ... If the origin is unknown or
 * more than 4096 packets ago, the piece is a first transmission again.
 *
 * Message ports: `in` in (slices), `out` out (slices with session, packet and cipher),
 * `info` out.
 *
 * \param key      shared key, or its text: key file or pipe; 64 hexadecimal digits or
 *                 seed:N (for tests only)
 * \param encrypt  false: the bytes keep their values, but still travel in the secret
 *                 order. The packet indicates that it is in clear
 * \param session  session id; 0: random. On the air it must be random
 * \param cipher   add: addition modulo 256, the paper's cipher; xor: equally secret,
 *                 costs soft decoding nothing, not for pam256; auto: add for pam256, else
 *                 xor
 * \throws std::runtime_error if the key cannot be read, std::invalid_argument for an
 *         unknown cipher
 * \ingroup srec
 */
class GR_SREC_API scrambler : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<scrambler> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(const shared_key& key,
                     bool encrypt = true,
                     uint64_t session = 0,
                     const std::string& cipher = "auto");

    /*!
     * Set whether slices are encrypted, from the next slice on. Any thread.
     *
     * \param encrypt  false: the bytes keep their values, and the packet indicates it
     */
    virtual void set_encrypt(bool encrypt) = 0;

    /*! \return whether slices are encrypted */
    virtual bool encrypt() const = 0;

    /*!
     * Set the cipher, from the next slice on. Any thread.
     *
     * \param cipher  auto, add or xor
     * \throws std::invalid_argument for other names
     */
    virtual void set_cipher(const std::string& cipher) = 0;

    /*! \return auto, add or xor */
    virtual std::string cipher() const = 0;

    /*! \return the session id */
    virtual uint64_t session() const = 0;
};

} // namespace srec
} // namespace gr

#endif
