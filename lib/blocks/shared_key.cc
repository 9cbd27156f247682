/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common.h"

#include <gnuradio/logger.h>
#include <gnuradio/srec/shared_key.h>
#include <map>
#include <mutex>
#include <set>
#include <sys/stat.h>

namespace gr {
namespace srec {

using key_ptr = std::shared_ptr<const srec_key>;

/* The keys in use. A pipe gives its bytes once, so its name is stored with the key. */
struct key_register {
    std::mutex mutex;
    std::vector<std::weak_ptr<const srec_key>> keys;
    std::map<std::string, std::weak_ptr<const srec_key>> pipes;
    std::set<std::string> logged;
};

static key_register& in_use()
{
    static key_register keys;
    return keys;
}

static bool is_pipe(const std::string& text)
{
    struct stat info;
    return stat(text.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

/* Returns the copy that others use already, or else this one. */
static key_ptr shared(key_register& keys, key_ptr key)
{
    keys.keys.erase(std::remove_if(keys.keys.begin(),
                                   keys.keys.end(),
                                   [](const auto& k) { return k.expired(); }),
                    keys.keys.end());
    for (const auto& other : keys.keys)
        if (key_ptr k = other.lock(); srec_key_equal(k.get(), key.get()))
            return k;
    keys.keys.push_back(key);
    return key;
}

shared_key::shared_key(const std::string& text, warnings what)
{
    key_register& keys = in_use();
    const bool pipe = is_pipe(text);
    std::lock_guard<std::mutex> lock(keys.mutex);
    if (pipe && (d_key = keys.pipes[text].lock()))
        return;
    std::shared_ptr<srec_key> key(srec_key_new(), srec_key_free);
    if (!key)
        throw std::bad_alloc();
    srec_error warning{}, error{};
    const srec_status status = srec_key_parse(key.get(), text.c_str(), &warning, &error);
    if (status == SREC_ERR_CANCELLED)
        throw interrupted(error.message);
    if (status == SREC_ERR_FORMAT && text.rfind("seed:", 0) == 0)
        throw std::invalid_argument(error.message);
    require(status, error);
    d_key = shared(keys, key);
    d_warning = warning.message;
    if (pipe)
        keys.pipes[text] = d_key;
    if (!d_warning.empty() && what == warnings::log && keys.logged.insert(text).second)
        gr::logger("srec").warn("{:s}", d_warning);
}

} // namespace srec
} // namespace gr
