/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common.h"

#include <algorithm>
#include <boost/thread.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

namespace gr {
namespace srec {

srec_modulation modulation_from(const std::string& name)
{
    srec_modulation m;
    if (srec_modulation_parse(name.c_str(), &m) != SREC_OK)
        throw std::invalid_argument("unknown modulation '" + name +
                                    "': bpsk, qpsk, 16qam, 64qam, 256qam or pam256");
    return m;
}

const char* name_of(srec_coding coding)
{
    return coding == SREC_CODING_LAYERS ? "layers" : "features";
}

srec_precision precision_from(const std::string& name)
{
    srec_precision precision;
    srec_error error{};
    if (srec_precision_parse(name.c_str(), &precision, &error) != SREC_OK)
        throw std::invalid_argument(error.message);
    return precision;
}

const char* name_of(srec_precision precision)
{
    return precision == SREC_PRECISION_BF16 ? "bf16" : "f32";
}

srec_waveform waveform_from(int samples_per_symbol, float rolloff)
{
    if (samples_per_symbol < 0)
        throw std::invalid_argument("samples_per_symbol " +
                                    std::to_string(samples_per_symbol) +
                                    ": must be 2 to 16");
    return { (unsigned)samples_per_symbol, rolloff };
}

bool drops_newest(const std::string& policy)
{
    if (policy != "drop_newest" && policy != "drop_oldest")
        throw std::invalid_argument("unknown policy '" + policy +
                                    "': drop_oldest or drop_newest");
    return policy == "drop_newest";
}

srec_compute compute_from(int threads, const std::string& precision)
{
    if (threads < 0)
        throw std::invalid_argument("threads must be at least 0");
    srec_compute compute{};
    compute.precision = precision_from(precision);
    compute.threads = threads;
    compute.cancelled = is_cancelled;
    return compute;
}

std::string printable(const std::string& text)
{
    srec_error error;
    srec_fail(&error, SREC_ERR_INTERNAL, "%s", text.c_str());
    return error.message;
}

void require(srec_status status, const srec_error& error)
{
    const std::string what = *error.message ? error.message : srec_strerror(status);
    if (status == SREC_ERR_ARG)
        throw std::invalid_argument(what);
    if (status != SREC_OK)
        throw std::runtime_error(what);
}

std::string default_model()
{
    if (const char* path = std::getenv("SREC_MODEL"); path && *path)
        return path;
    for (const char* path : { SREC_INSTALLED_MODEL, SREC_BUILD_MODEL })
        if (std::ifstream(path).good())
            return path;
    return SREC_INSTALLED_MODEL;
}

static std::vector<std::string> model_folders()
{
    std::vector<std::string> folders;
    for (const char* path : { (const char*)std::getenv("SREC_MODEL"),
                              SREC_INSTALLED_MODEL,
                              SREC_BUILD_MODEL })
        if (const std::string file = path ? path : "";
            file.find('/') != std::string::npos)
            folders.push_back(file.substr(0, file.rfind('/')));
    return folders;
}

std::string installed_model(const std::string& name)
{
    if (!name.empty() && name.find('/') == std::string::npos)
        for (const std::string& folder : model_folders())
            if (std::ifstream(folder + "/" + name).good())
                return folder + "/" + name;
    return "";
}

static std::string find_model(const std::string& file)
{
    const std::string installed = std::ifstream(file).good() ? "" : installed_model(file);
    return installed.empty() ? file : installed;
}

template <typename Model,
          srec_status (*Load)(const char*, Model**, srec_error*),
          void (*Free)(Model*)>
static std::shared_ptr<const Model> shared_model(const std::string& file)
{
    static std::mutex mutex;
    static std::map<std::string, std::weak_ptr<const Model>> loaded;
    std::lock_guard<std::mutex> lock(mutex);
    if (auto model = loaded[file].lock())
        return model;
    Model* raw = nullptr;
    srec_error error{};
    require(Load(file.c_str(), &raw, &error), error);
    std::shared_ptr<const Model> model(
        raw, [](const Model* m) { Free(const_cast<Model*>(m)); });
    loaded[file] = model;
    return model;
}

std::shared_ptr<const srec_model> model_from(const std::string& path)
{
    return shared_model<srec_model, srec_model_load, srec_model_free>(
        path.empty() ? default_model() : find_model(path));
}

std::string default_enhancer(int scale, srec_coding coding)
{
    if (const char* path = std::getenv("SREC_ENHANCER"); path && *path)
        return path;
    const char* const names[2][2] = {
        { SREC_ENHANCER_X1, SREC_ENHANCER_X2 },
        { SREC_LAYERS_ENHANCER_X1, SREC_LAYERS_ENHANCER_X2 },
    };
    const std::string name = names[coding == SREC_CODING_LAYERS][scale == 2];
    const std::string installed = SREC_INSTALLED_MODELS "/" + name;
    const std::string built = SREC_BUILD_MODELS "/" + name;
    if (!std::ifstream(installed).good() && std::ifstream(built).good())
        return built;
    return installed;
}

std::shared_ptr<const srec_enhancer_model> enhancer_from(const std::string& path)
{
    return shared_model<srec_enhancer_model,
                        srec_enhancer_model_load,
                        srec_enhancer_model_free>(find_model(path));
}

pmt::pmt_t intern_key(const char* name) { return pmt::intern(name); }
pmt::pmt_t put(const pmt::pmt_t& dict, const char* key, const pmt::pmt_t& value)
{
    return pmt::dict_add(dict, pmt::intern(key), value);
}

uint64_t get_u64(const pmt::pmt_t& dict, const char* key, uint64_t fallback)
{
    pmt::pmt_t v = pmt::dict_ref(dict, pmt::intern(key), pmt::PMT_NIL);
    if (pmt::is_uint64(v))
        return pmt::to_uint64(v);
    return pmt::is_integer(v) && pmt::to_long(v) >= 0 ? (uint64_t)pmt::to_long(v)
                                                      : fallback;
}

bool has_number(const pmt::pmt_t& dict, const char* key)
{
    pmt::pmt_t v = pmt::dict_ref(dict, pmt::intern(key), pmt::PMT_NIL);
    return pmt::is_uint64(v) || (pmt::is_integer(v) && pmt::to_long(v) >= 0);
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

bool is_eof(const pmt::pmt_t& msg)
{
    return pmt::is_pdu(msg) && get_bool(pmt::car(msg), key::eof);
}
pmt::pmt_t eof_pdu()
{
    return pmt::cons(put(pmt::make_dict(), key::eof, pmt::PMT_T),
                     pmt::init_u8vector(0, (const uint8_t*)""));
}

const char* image_from_pdu(const pmt::pmt_t& msg, uint64_t max_side, srec_image& image)
{
    if (!pmt::is_pdu(msg) || !pmt::is_u8vector(pmt::cdr(msg)))
        return "not an image PDU (dict . u8vector)";
    const pmt::pmt_t meta = pmt::car(msg);
    const uint64_t width = get_u64(meta, key::width), height = get_u64(meta, key::height),
                   channels = get_u64(meta, key::channels, 3);
    if (width < 1 || height < 1 || width > max_side || height > max_side ||
        (channels != 1 && channels != 3))
        return "width, height or channels out of range";
    size_t length;
    const uint8_t* pixels = pmt::u8vector_elements(pmt::cdr(msg), length);
    if (width * height * channels != length)
        return "width, height and channels do not fit the vector";
    image = { (uint32_t)width,
              (uint32_t)height,
              (uint8_t)channels,
              (size_t)(width * channels),
              const_cast<uint8_t*>(pixels) };
    return nullptr;
}

uint64_t number_reader::operator()(const char* key, uint64_t least, uint64_t most)
{
    const bool there = has_number(d_dict, key);
    const uint64_t v = there ? get_u64(d_dict, key) : 0;
    d_good = d_good && there && v >= least && v <= most;
    return v;
}

bool halve_image(srec_image& image, std::vector<uint8_t>& room)
{
    srec_image half{
        (image.width + 1) / 2, (image.height + 1) / 2, image.channels, 0, nullptr
    };
    half.stride = (size_t)half.width * half.channels;
    room.resize(half.stride * half.height);
    half.data = room.data();
    if (srec_image_halve(&image, &half) != SREC_OK)
        return false;
    image = half;
    return true;
}

pmt::pmt_t slice_to_dict(const srec_slice& s)
{
    pmt::pmt_t d = pmt::make_dict();
    d = put_u64(d, key::model, s.model_id);
    d = put_u64(d, key::picture, s.picture);
    d = put_u64(d, key::width, s.width);
    d = put_u64(d, key::height, s.height);
    d = put_u64(d, key::channels, s.channels);
    d = put_u64(d, key::format, s.format);
    d = put_u64(d, key::slice, s.slice);
    d = put_u64(d, key::slices, s.n_slices);
    d = put_u64(d, key::sent_scale, s.scale == 2 ? 2 : 1);
    return put(d, key::rate_map, pmt::init_u8vector(s.n_patches, s.rate_map));
}

bool slice_from_dict(const pmt::pmt_t& d, slice_pdu& out)
{
    pmt::pmt_t map = pmt::dict_ref(d, pmt::intern(key::rate_map), pmt::PMT_NIL);
    if (!pmt::is_u8vector(map))
        return false;
    number_reader number(d);
    srec_slice& s = out.slice;
    out.rate_map = pmt::u8vector_elements(map);
    s.model_id = number(key::model, 0, UINT64_MAX);
    s.picture = (uint32_t)number(key::picture, 0, UINT32_MAX);
    s.width = (uint32_t)number(key::width, 1, SREC_IMAGE_MAX_SIDE);
    s.height = (uint32_t)number(key::height, 1, SREC_IMAGE_MAX_SIDE);
    s.channels = (uint8_t)number(key::channels, 1, 3);
    s.format = (srec_feature_format)number(key::format, 0, SREC_FEATURE_FORMATS - 1);
    s.slice = (uint32_t)number(key::slice, 0, UINT32_MAX);
    s.n_slices = (uint32_t)number(key::slices, 1, UINT32_MAX);
    s.scale = pmt::dict_has_key(d, pmt::intern(key::sent_scale))
                  ? (uint8_t)number(key::sent_scale, 1, 2)
                  : 1;
    s.n_patches = (uint32_t)out.rate_map.size();
    s.rate_map = out.rate_map.data();
    return number.good() && s.channels != 2 && s.slice < s.n_slices;
}

void tag_watch::operator()(const gr::logger_ptr& logger,
                           const std::vector<gr::tag_t>& tags,
                           size_t n)
{
    bool ended = false;
    d_items += n;
    for (const auto& tag : tags)
        if (pmt::eqv(tag.key, d_key))
            d_done = true;
        else if (pmt::eqv(tag.key, pmt::mp(key::srec_eof)))
            ended = true;
        else if (d_others.size() < NAMES)
            d_others.insert(pmt::symbol_to_string(tag.key));
    if (d_done || d_items < (ended ? LEAST : PATIENCE))
        return;
    d_done = true;
    std::string others;
    for (const auto& name : d_others)
        others += (others.empty() ? "; the tags here are " : ", ") + name;
    logger->warn(
        "no tag {:s} in {:d} items: is the length tag key the same in all blocks?{:s}",
        pmt::symbol_to_string(d_key),
        d_items,
        others);
}

void bounded_queue::take(gr::basic_block& block,
                         const pmt::pmt_t& port,
                         pmt::pmt_t msg,
                         std::vector<pmt::pmt_t>& dropped)
{
    for (; msg; msg = block.delete_head_nowait(port)) {
        d_queue.push_back(msg);
        if (is_eof(msg) || ++d_waiting <= d_max)
            continue;
        auto victim = d_drop_newest
                          ? std::prev(d_queue.end())
                          : std::find_if_not(d_queue.begin(), d_queue.end(), is_eof);
        dropped.push_back(*victim);
        /* The newest one is the message that has just arrived, which is not an end
         * mark. */
        d_queue.erase(victim);
        d_waiting--;
    }
}

pmt::pmt_t bounded_queue::next(gr::basic_block& block,
                               const pmt::pmt_t& port,
                               std::vector<pmt::pmt_t>& dropped)
{
    take(block, port, block.delete_head_nowait(port), dropped);
    if (d_queue.empty())
        return nullptr;
    pmt::pmt_t msg = d_queue.front();
    d_queue.pop_front();
    if (!is_eof(msg))
        d_waiting--;
    return msg;
}

void bounded_queue::work(gr::basic_block& block,
                         const pmt::pmt_t& port,
                         const pmt::pmt_t& msg,
                         const handler& drop,
                         const handler& handle)
{
    std::vector<pmt::pmt_t> dropped;
    take(block, port, msg, dropped);
    while (pmt::pmt_t message = next(block, port, dropped)) {
        for (const auto& d : dropped)
            drop(d);
        dropped.clear();
        handle(message);
    }
}

bool stopping() { return boost::this_thread::interruption_requested(); }
bool is_cancelled(void*) { return stopping(); }

} // namespace srec
} // namespace gr
