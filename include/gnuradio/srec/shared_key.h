/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_SHARED_KEY_H
#define INCLUDED_GNURADIO_SREC_SHARED_KEY_H

#include <gnuradio/srec/api.h>
#include <memory>
#include <string>

struct srec_key;

namespace gr {
namespace srec {

/*!
 * \brief A master key that the blocks of a process share.
 *
 * Users of the same key, by handle or by text, share one copy of it in locked memory
 * (srec_key_new()). The last handle wipes it. A pipe is read only once while a handle of
 * it exists. Any thread may use this class.
 *
 * \ingroup srec
 */
class GR_SREC_API shared_key
{
public:
    /*! What happens with the warning about a weak key (srec_key_parse()). */
    enum class warnings {
        log, /*!< it is logged, once in a process for each text */
        keep /*!< it is only kept for warning() */
    };

    /*!
     * Read a key.
     *
     * \param text  key file or pipe; 64 hexadecimal digits or seed:N (for tests only)
     * \param what  what happens with a warning
     * \throws std::runtime_error or std::invalid_argument with one line
     */
    shared_key(const std::string& text, warnings what = warnings::log);

    /*! The same for a literal. */
    shared_key(const char* text) : shared_key(std::string(text)) {}

    /*! \return the key, valid while a handle of it exists */
    const srec_key* get() const { return d_key.get(); }

    /*! \return the warning about a weak key, one line; "" if there is none */
    const std::string& warning() const { return d_warning; }

private:
    std::shared_ptr<const srec_key> d_key;
    std::string d_warning;
};

} // namespace srec
} // namespace gr

#endif
