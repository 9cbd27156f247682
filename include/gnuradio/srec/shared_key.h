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
 * Whoever uses the same key, by handle or by text, shares one copy of it in locked
 * memory (srec_key_new()), which is wiped when the last
 * handle goes. A pipe is read once as long as a handle of it lives. Any thread.
 */
class GR_SREC_API shared_key
{
public:
    /*! What is doubtful about a key (srec_key_parse()): logged, once in a process for
     *  each text, or left to warning(). */
    enum class warnings { log, keep };

    /*! \param text key file or pipe, 64 hex digits, or seed:N; throws
     *  std::runtime_error or std::invalid_argument with one line */
    shared_key(const std::string& text, warnings what = warnings::log);
    shared_key(const char* text) : shared_key(std::string(text)) {}

    const srec_key* get() const { return d_key.get(); }
    const std::string& warning() const { return d_warning; } /*!< "" if there is none */

private:
    std::shared_ptr<const srec_key> d_key;
    std::string d_warning;
};

} // namespace srec
} // namespace gr

#endif
