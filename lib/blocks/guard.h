/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Handling of exceptions in a block's own code. GNU Radio ends the block's thread and
 *  nothing else, so its neighbours would wait for ever. A guarded block records the
 *  fault, sends the end mark and ends as after its last message. The program that runs
 *  the flowgraph can read the faults. */
#ifndef INCLUDED_SREC_GUARD_H
#define INCLUDED_SREC_GUARD_H

#include "common.h"

#include <atomic>
#include <chrono>
#include <gnuradio/block.h>
#include <mutex>
#include <pmt/pmt.h>
#include <string>
#include <utility>
#include <vector>

namespace gr {
namespace srec {

/* The faults of all blocks of this process since the watch began, including GNU Radio's
 * own blocks. Thread-safe. */
class GR_SREC_API fault_watch
{
    mutable std::mutex d_mutex;
    /* Block, description. */
    std::vector<std::pair<std::string, std::string>> d_faults;

public:
    fault_watch();
    ~fault_watch();
    fault_watch(const fault_watch&) = delete;
    fault_watch& operator=(const fault_watch&) = delete;
    void add(const std::string& block, const std::string& what);
    std::vector<std::pair<std::string, std::string>> faults() const;
};

/* Informs every watch; logs an error if there is none. Any thread. */
GR_SREC_API void record_fault(const std::string& block, const std::string& what);

/* Ends the block after its waiting messages, and with it the blocks that depend on its
 * messages. Any thread. */
GR_SREC_API void end_block(gr::basic_block& block);

/* The activity of a guarded block. */
class GR_SREC_API activity
{
    using clock = std::chrono::steady_clock;
    std::atomic<clock::rep> d_since{ 0 }; /* ticks of the clock; 0: idle */

protected:
    /* Marks the block as busy during its lifetime. */
    class mark
    {
        std::atomic<clock::rep>& d_mark;

    public:
        explicit mark(activity& a) : d_mark(a.d_since)
        {
            d_mark = clock::now().time_since_epoch().count();
        }
        ~mark() { d_mark = 0; }
    };

public:
    virtual ~activity() = default;
    /* Seconds of work on the current message or samples; 0: idle. Any thread. */
    double busy_s() const
    {
        const clock::duration since(d_since);
        const clock::duration taken = clock::now().time_since_epoch() - since;
        return since.count() ? std::chrono::duration<double>(taken).count() : 0.0;
    }
};

/* Base of a block's implementation on top of its interface: exceptions in message
 * handlers and work() cannot kill its thread. */
template <class Interface>
class guarded : public Interface, public activity
{
    std::atomic<bool> d_failed{ false };
    once d_kinds;

    /* The message is at fault, not the block. */
    void refuse(const std::string& what)
    {
        if (d_kinds(what))
            this->d_logger->warn("message dropped: {:s} (reported once)",
                                 printable(what));
    }

    void fail(const std::string& what)
    {
        d_failed = true;
        record_fault(this->alias(), what);
        for (const char* port : { "pdus", "out" })
            if (pmt::dict_has_key(this->d_message_subscribers, pmt::mp(port)))
                this->message_port_pub(pmt::mp(port), eof_pdu());
        end_block(*this);
    }

protected:
    void dispatch_msg(pmt::pmt_t port, pmt::pmt_t msg) override
    {
        if (d_failed && !pmt::eqv(port, pmt::mp("system")))
            return;
        const mark busy(*this);
        try {
            Interface::dispatch_msg(port, msg);
        } catch (const pmt::wrong_type& error) {
            refuse(error.what());
        } catch (const pmt::exception& error) {
            refuse(error.what());
        } catch (const std::exception& error) {
            fail(error.what());
        }
    }

    /* general_work() of a block that is not a sync block, decimator or interpolator. */
    virtual int work_items(int n_output,
                           gr_vector_int& n_input,
                           gr_vector_const_void_star& in,
                           gr_vector_void_star& out)
    {
        return Interface::general_work(n_output, n_input, in, out);
    }

public:
    int general_work(int n_output,
                     gr_vector_int& n_input,
                     gr_vector_const_void_star& in,
                     gr_vector_void_star& out) final
    {
        if (d_failed)
            return gr::block::WORK_DONE;
        const mark busy(*this);
        try {
            return work_items(n_output, n_input, in, out);
        } catch (const std::exception& error) {
            fail(error.what());
            return gr::block::WORK_DONE;
        }
    }

    bool start() override
    {
        d_failed = false;
        return Interface::start();
    }
};

} // namespace srec
} // namespace gr

#endif
