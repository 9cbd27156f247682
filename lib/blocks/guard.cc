/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <gnuradio/logger.h>
#include <set>
#include <spdlog/sinks/base_sink.h>

namespace gr {
namespace srec {

namespace {

struct registry {
    std::mutex mutex;
    std::set<fault_watch*> watches;
};

registry& watches()
{
    static registry all;
    return all;
}

/* \return false if there is no watch */
bool tell(const std::string& block, const std::string& what)
{
    registry& all = watches();
    std::lock_guard<std::mutex> lock(all.mutex);
    for (fault_watch* watch : all.watches)
        watch->add(block, what);
    return !all.watches.empty();
}

/* GNU Radio's wrapper of a block's thread only logs the exception that ended it. */
class thread_listener : public spdlog::sinks::base_sink<std::mutex>
{
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        const std::string logger(message.logger_name.data(), message.logger_name.size());
        if (logger == "thread_body_wrapper" && message.level >= spdlog::level::err)
            tell("", std::string(message.payload.data(), message.payload.size()));
    }
    void flush_() override {}
};

} // namespace

fault_watch::fault_watch()
{
    static std::once_flag once;
    std::call_once(once, [] {
        gr::logging::singleton().add_default_sink(std::make_shared<thread_listener>());
    });
    std::lock_guard<std::mutex> lock(watches().mutex);
    watches().watches.insert(this);
}

fault_watch::~fault_watch()
{
    std::lock_guard<std::mutex> lock(watches().mutex);
    watches().watches.erase(this);
}

void fault_watch::add(const std::string& block, const std::string& what)
{
    std::lock_guard<std::mutex> lock(d_mutex);
    d_faults.emplace_back(printable(block), printable(what));
}

std::vector<std::pair<std::string, std::string>> fault_watch::faults() const
{
    std::lock_guard<std::mutex> lock(d_mutex);
    return d_faults;
}

void record_fault(const std::string& block, const std::string& what)
{
    if (tell(block, what))
        return;
    gr::logger_ptr log, debug_log;
    gr::configure_default_loggers(log, debug_log, block);
    log->error("the block fails and ends the flowgraph: {:s}", printable(what));
}

void end_block(gr::basic_block& block)
{
    block._post(pmt::mp("system"), pmt::cons(pmt::mp("done"), pmt::from_long(1)));
}

} // namespace srec
} // namespace gr
