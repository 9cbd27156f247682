/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common.h"

#include <boost/thread.hpp>
#include <sodium.h>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>

namespace gr {
namespace srec {

srec_modulation modulation_from(const std::string& name)
{
    srec_modulation m;
    if (srec_modulation_parse(name.c_str(), &m) != SREC_OK)
        throw std::invalid_argument("unknown modulation '" + name + "': bpsk, qpsk, 16qam, 64qam, 256qam or pam256");
    return m;
}

srec_precision precision_from(const std::string& name)
{
    if (name == "f32")
        return SREC_PRECISION_F32;
    if (name != "bf16")
        throw std::invalid_argument("unknown precision '" + name + "': f32 or bf16");
    if (!srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16))
        throw std::invalid_argument("this processor has no bfloat16: use precision f32");
    return SREC_PRECISION_BF16;
}

bool drops_newest(const std::string& policy)
{
    if (policy != "drop_newest" && policy != "drop_oldest")
        throw std::invalid_argument("unknown policy '" + policy + "': drop_oldest or drop_newest");
    return policy == "drop_newest";
}

void require(srec_status status, const srec_error& error)
{
    if (status != SREC_OK)
        throw std::runtime_error(error.message);
}

srec_key key_from(const std::string& text)
{
    srec_key key;
    srec_error error{};
    size_t length = 0;
    if (text.rfind("seed:", 0) == 0) {
        char* end;
        unsigned long long seed = std::strtoull(text.c_str() + 5, &end, 10);
        if (end == text.c_str() + 5 || *end)
            throw std::invalid_argument("key '" + text + "': seed: must be followed by a number");
        srec_key_from_seed(&key, seed);
    } else if (text.size() == 2 * SREC_KEY_BYTES && sodium_hex2bin(key.bytes, sizeof key.bytes, text.data(), text.size(), nullptr, &length, nullptr) == 0 && length == SREC_KEY_BYTES) {
    } else
        require(srec_key_read(&key, text.c_str(), &error), error);
    return key;
}

std::string default_model()
{
    if (const char* path = std::getenv("SREC_MODEL"))
        return path;
    for (const char* path : { SREC_INSTALLED_MODEL, SREC_BUILD_MODEL })
        if (std::ifstream(path).good())
            return path;
    return SREC_INSTALLED_MODEL;
}

std::shared_ptr<const srec_model> model_from(const std::string& path)
{
    static std::mutex mutex;
    static std::map<std::string, std::weak_ptr<const srec_model>> loaded;
    const std::string file = path.empty() ? default_model() : path;
    std::lock_guard<std::mutex> lock(mutex);
    if (auto model = loaded[file].lock())
        return model;
    srec_model* raw = nullptr;
    srec_error error{};
    require(srec_model_load(file.c_str(), &raw, &error), error);
    std::shared_ptr<const srec_model> model(raw, [](const srec_model* m) { srec_model_free(const_cast<srec_model*>(m)); });
    loaded[file] = model;
    return model;
}

pmt::pmt_t intern_key(const char* name) { return pmt::intern(name); }
pmt::pmt_t put(const pmt::pmt_t& dict, const char* key, const pmt::pmt_t& value) { return pmt::dict_add(dict, pmt::intern(key), value); }

uint64_t get_u64(const pmt::pmt_t& dict, const char* key, uint64_t fallback)
{
    pmt::pmt_t v = pmt::dict_ref(dict, pmt::intern(key), pmt::PMT_NIL);
    if (pmt::is_uint64(v))
        return pmt::to_uint64(v);
    return pmt::is_integer(v) && pmt::to_long(v) >= 0 ? (uint64_t)pmt::to_long(v) : fallback;
}

bool get_bool(const pmt::pmt_t& dict, const char* key, bool fallback)
{
    pmt::pmt_t v = pmt::dict_ref(dict, pmt::intern(key), pmt::PMT_NIL);
    return pmt::is_bool(v) ? pmt::to_bool(v) : fallback;
}

std::string get_text(const pmt::pmt_t& dict, const char* key)
{
    pmt::pmt_t v = pmt::dict_ref(dict, pmt::intern(key), pmt::PMT_NIL);
    return pmt::is_symbol(v) ? pmt::symbol_to_string(v) : "";
}

bool is_eof(const pmt::pmt_t& msg) { return pmt::is_pdu(msg) && get_bool(pmt::car(msg), "eof"); }
pmt::pmt_t eof_pdu() { return pmt::cons(put(pmt::make_dict(), "eof", pmt::PMT_T), pmt::init_u8vector(0, (const uint8_t*)"")); }

pmt::pmt_t slice_to_dict(const srec_slice& s)
{
    pmt::pmt_t d = pmt::make_dict();
    d = put_u64(d, "model", s.model_id);
    d = put_u64(d, "picture", s.picture);
    d = put_u64(d, "width", s.width);
    d = put_u64(d, "height", s.height);
    d = put_u64(d, "channels", s.channels);
    d = put_u64(d, "format", s.format);
    d = put_u64(d, "slice", s.slice);
    d = put_u64(d, "slices", s.n_slices);
    return put(d, "rate_map", pmt::init_u8vector(s.n_patches, s.rate_map));
}

bool slice_from_dict(const pmt::pmt_t& d, slice_pdu& out)
{
    pmt::pmt_t map = pmt::dict_ref(d, pmt::intern("rate_map"), pmt::PMT_NIL);
    if (!pmt::is_u8vector(map) || !pmt::dict_has_key(d, pmt::intern("model")) || get_u64(d, "slices") == 0)
        return false;
    out.rate_map = pmt::u8vector_elements(map);
    out.slice = { get_u64(d, "model"), (uint32_t)get_u64(d, "picture"), (uint32_t)get_u64(d, "width"), (uint32_t)get_u64(d, "height"), (uint8_t)get_u64(d, "channels"),
                  (srec_feature_format)get_u64(d, "format"), (uint32_t)get_u64(d, "slice"), (uint32_t)get_u64(d, "slices"), (uint32_t)out.rate_map.size(), out.rate_map.data() };
    return true;
}

size_t bounded_queue::take(gr::basic_block& block, const pmt::pmt_t& port, pmt::pmt_t msg)
{
    size_t dropped = 0;
    for (; msg; msg = block.delete_head_nowait(port)) {
        d_queue.push_back(msg);
        for (size_t i = d_drop_newest ? d_queue.size() - 1 : 0; d_queue.size() > d_max && i < d_queue.size(); d_drop_newest ? i-- : i++)
            if (!is_eof(d_queue[i])) {
                d_queue.erase(d_queue.begin() + i);
                dropped++;
                break;
            }
    }
    return dropped;
}

pmt::pmt_t bounded_queue::next(gr::basic_block& block, const pmt::pmt_t& port, size_t& dropped)
{
    dropped += take(block, port, block.delete_head_nowait(port));
    if (d_queue.empty())
        return nullptr;
    pmt::pmt_t msg = d_queue.front();
    d_queue.pop_front();
    return msg;
}

bool stopping() { return boost::this_thread::interruption_requested(); }
bool go_on(void*, size_t, size_t) { return !stopping(); }

} // namespace srec
} // namespace gr
