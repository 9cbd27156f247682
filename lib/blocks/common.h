/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Shared by all blocks: parameters from text, models shared between blocks, slices
 *  and images as PDUs. */
#ifndef INCLUDED_SREC_COMMON_H
#define INCLUDED_SREC_COMMON_H

#include "metadata_keys.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <memory>
#include <pmt/pmt.h>
#include <set>
#include <srec/srec.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace gr {
namespace srec {

/* Parameters. Each function throws std::invalid_argument or std::runtime_error with one
 * line. */
GR_SREC_API srec_modulation modulation_from(const std::string& name);
/* \return features or layers */
GR_SREC_API const char* name_of(srec_coding coding);
/* \param name  auto, f32 or bf16; auto: bf16 where the processor has it */
GR_SREC_API srec_precision precision_from(const std::string& name);
/* \return f32 or bf16 */
GR_SREC_API const char* name_of(srec_precision precision);
srec_waveform waveform_from(int samples_per_symbol, float rolloff);
bool drops_newest(const std::string& policy);
/* \return parameters of a network that stops when the flowgraph stops */
srec_compute compute_from(int threads, const std::string& precision);

/* The path in $SREC_MODEL, else the installed model, else that of the build tree. */
GR_SREC_API std::string default_model();
/* The path of an installed model, by its file name: in the folders of $SREC_MODEL, of the
 * installed models and of the build tree, in this order. "": there is none. */
GR_SREC_API std::string installed_model(const std::string& name);
/* Returns the copy of a model that all blocks of the process share.
 * \param path  "": the default; a name without a folder that is no file in the current
 *              folder is that of an installed model */
GR_SREC_API std::shared_ptr<const srec_model> model_from(const std::string& path);
/* The path in $SREC_ENHANCER, else the installed enhancer of that scale and coding, else
 * that of the build tree. If there is none, the path where it would be installed. */
GR_SREC_API std::string default_enhancer(int scale,
                                         srec_coding coding = SREC_CODING_FEATURES);
/* The same for an enhancer; there is no default. */
GR_SREC_API std::shared_ptr<const srec_enhancer_model>
enhancer_from(const std::string& path);
/* Makes text from outside, or of an exception that may contain some, safe for log and
 * terminal. srec_fail() does this itself. */
GR_SREC_API std::string printable(const std::string& text);
/* Throws unless status is SREC_OK: std::invalid_argument for SREC_ERR_ARG, else
 * std::runtime_error. The text is the message of \p error, or that of the status if there is
 * none. */
GR_SREC_API void require(srec_status status, const srec_error& error);

/* A signal arrived during a wait. The call may be repeated. */
struct GR_SREC_API interrupted : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* Handles of the core that free themselves. */
template <typename T, void (*Free)(T*)>
struct handle_deleter {
    void operator()(T* p) const { Free(p); }
};
template <typename T, void (*Free)(T*)>
using handle = std::unique_ptr<T, handle_deleter<T, Free>>;

/* A slice with the memory that its rate map points to. */
struct slice_pdu {
    srec_slice slice;
    std::vector<uint8_t> rate_map;
};

pmt::pmt_t slice_to_dict(const srec_slice& slice);
/* \return false if a key is missing, of the wrong kind or out of range */
bool slice_from_dict(const pmt::pmt_t& dict, slice_pdu& out);

/* PDU functions in addition to pmt::is_pdu(). The keys are those of metadata_keys.h. */
GR_SREC_API bool is_eof(const pmt::pmt_t& msg);
GR_SREC_API pmt::pmt_t eof_pdu();
pmt::pmt_t intern_key(const char* name);
GR_SREC_API uint64_t get_u64(const pmt::pmt_t& dict,
                             const char* key,
                             uint64_t fallback = 0);
GR_SREC_API bool has_number(const pmt::pmt_t& dict, const char* key); /* not negative */
GR_SREC_API bool get_bool(const pmt::pmt_t& dict, const char* key, bool fallback = false);
GR_SREC_API std::string get_text(const pmt::pmt_t& dict, const char* key);
GR_SREC_API pmt::pmt_t
put(const pmt::pmt_t& dict, const char* key, const pmt::pmt_t& value);
inline pmt::pmt_t put_u64(const pmt::pmt_t& dict, const char* key, uint64_t v)
{
    return put(dict, key, pmt::from_uint64(v));
}
inline pmt::pmt_t put_real(const pmt::pmt_t& dict, const char* key, double v)
{
    return put(dict, key, pmt::from_double(v));
}

/* Reads numbers of a dict, and remembers whether each was there and within its range. */
class number_reader
{
    const pmt::pmt_t d_dict;
    bool d_good = true;

public:
    explicit number_reader(const pmt::pmt_t& dict) : d_dict(dict) {}
    uint64_t operator()(const char* key, uint64_t least, uint64_t most);
    bool good() const { return d_good; }
};

/* The image of a PDU; it refers to the pixels in \p msg.
 * \return nullptr, or why the message is not an image of at most \p max_side pixels a
 * side */
const char* image_from_pdu(const pmt::pmt_t& msg, uint64_t max_side, srec_image& image);

/* Halves an image. \p room: holds the samples of the result. \return false if it failed */
bool halve_image(srec_image& image, std::vector<uint8_t>& room);

/* Logs each kind of trouble once, so that a bad link does not fill the terminal. Lines
 * that differ only in numbers are of one kind. */
class once
{
    std::set<std::string> d_said;

public:
    bool operator()(std::string kind)
    {
        kind.erase(std::remove_if(kind.begin(),
                                  kind.end(),
                                  [](char c) { return c >= '0' && c <= '9'; }),
                   kind.end());
        return d_said.insert(kind).second;
    }
};

/* For a block that waits for tags: reports once if none with its key arrives, and which
 * other tags do. */
class tag_watch
{
    static constexpr uint64_t PATIENCE = 65536; /* items without the tag */
    static constexpr uint64_t LEAST = 1024;     /* and before the end mark */
    static constexpr size_t NAMES = 5;
    const pmt::pmt_t d_key;
    std::set<std::string> d_others;
    uint64_t d_items = 0;
    bool d_done = false; /* the tag has arrived, or its absence has been reported */

public:
    explicit tag_watch(const pmt::pmt_t& key) : d_key(key) {}
    bool done() const { return d_done; }
    /* Examines the \p tags on the next \p n items. At an end mark it reports at once. */
    void operator()(const gr::logger_ptr& logger,
                    const std::vector<gr::tag_t>& tags,
                    size_t n);
};

/* GNU Radio's message queues have no limit. A handler that may be slow moves the messages
 * that wait on its port to this queue, which applies the policy, and takes them from
 * here. The end mark is never dropped and does not count. */
class GR_SREC_API bounded_queue
{
    std::deque<pmt::pmt_t> d_queue;
    size_t d_waiting = 0; /* messages in d_queue, without end marks */
    const size_t d_max;
    const bool d_drop_newest;

    /* Appends the messages that the policy drops to \p dropped. */
    void take(gr::basic_block& block,
              const pmt::pmt_t& port,
              pmt::pmt_t msg,
              std::vector<pmt::pmt_t>& dropped);
    /* \return the next message, or a null pointer; also takes new messages from the
     * port */
    pmt::pmt_t next(gr::basic_block& block,
                    const pmt::pmt_t& port,
                    std::vector<pmt::pmt_t>& dropped);

public:
    using handler = std::function<void(const pmt::pmt_t&)>;
    bounded_queue(size_t max, bool drop_newest) : d_max(max), d_drop_newest(drop_newest)
    {
    }
    /* Passes \p msg, the argument of the port's handler, and then all waiting messages to
     * \p handle. Before each it passes those that the policy has dropped to \p drop. */
    void work(gr::basic_block& block,
              const pmt::pmt_t& port,
              const pmt::pmt_t& msg,
              const handler& drop,
              const handler& handle);
    size_t size() const { return d_waiting; }
};

/* True while the flowgraph is being stopped: waiting messages must be dropped. */
GR_SREC_API bool stopping();
/* The same as srec_compute.cancelled: networks stop between two layers. */
bool is_cancelled(void*);

} // namespace srec
} // namespace gr

#endif
