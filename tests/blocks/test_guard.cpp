/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guarded blocks: what a handler or work() throws ends the flowgraph and is known; a strange message is not a
 * fault. */
#include "guard.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <gnuradio/block_detail.h>
#include <gnuradio/io_signature.h>
#include <gnuradio/sync_block.h>
#include <gnuradio/top_block.h>
#include <stdexcept>

#include <CppUTest/TestHarness.h>

using namespace gr::srec;

namespace
{

constexpr auto HANG = std::chrono::seconds(120);

class relay_interface : virtual public gr::block
{
};

/* Passes messages on; "bad" throws, "number" is taken for one although it is text. */
class relay : public guarded<relay_interface>
{
public:
    relay() : gr::block("relay", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0))
    {
        message_port_register_in(pmt::mp("in"));
        message_port_register_out(pmt::mp("out"));
        set_msg_handler(pmt::mp("in"), [this](const pmt::pmt_t &message) { handle(message); });
    }

private:
    void handle(const pmt::pmt_t &message)
    {
        if (pmt::eqv(message, pmt::mp("bad")))
            throw std::runtime_error("what happened");
        if (pmt::eqv(message, pmt::mp("number")))
            pmt::to_long(message);
        message_port_pub(pmt::mp("out"), message);
    }
};

/* Keeps what comes; not guarded, like a block of GNU Radio's own. */
class keeper : public gr::block
{
    std::mutex d_mutex;
    std::condition_variable d_came;
    std::vector<pmt::pmt_t> d_messages;

public:
    keeper() : gr::block("keeper", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0))
    {
        message_port_register_in(pmt::mp("in"));
        set_msg_handler(pmt::mp("in"), [this](const pmt::pmt_t &message) {
            std::lock_guard<std::mutex> lock(d_mutex);
            if (pmt::eqv(message, pmt::mp("foreign")))
                throw std::logic_error("not ours");
            d_messages.push_back(message);
            d_came.notify_all();
        });
    }

    /* \return the messages, once there are so many */
    std::vector<pmt::pmt_t> wait(size_t n)
    {
        std::unique_lock<std::mutex> lock(d_mutex);
        d_came.wait_for(lock, HANG, [&] { return d_messages.size() >= n; });
        return d_messages;
    }
};

class source_interface : virtual public gr::sync_block
{
};

/* A stream that throws after some items. */
class source : public guarded<source_interface>
{
    int d_calls = 0;

public:
    source() : gr::sync_block("source", gr::io_signature::make(0, 0, 0), gr::io_signature::make(1, 1, 1)) {}
    int work(int, gr_vector_const_void_star &, gr_vector_void_star &out) override
    {
        if (d_calls++ == 3)
            throw std::bad_alloc();
        *static_cast<char *>(out[0]) = 0;
        return 1;
    }
};

class drain : public gr::sync_block
{
public:
    drain() : gr::sync_block("drain", gr::io_signature::make(1, 1, 1), gr::io_signature::make(0, 0, 0)) {}
    int work(int n, gr_vector_const_void_star &, gr_vector_void_star &) override { return n; }
};

} // namespace

TEST_GROUP(guard)
{
    gr::top_block_sptr top = gr::make_top_block("test");
    std::shared_ptr<relay> relays = gnuradio::make_block_sptr<relay>();
    std::shared_ptr<keeper> keeps = gnuradio::make_block_sptr<keeper>();

    void start()
    {
        top->msg_connect(relays, "out", keeps, "in");
        top->start();
    }

    /* Whether the flowgraph ends by itself. */
    bool ends()
    {
        auto done = std::async(std::launch::async, [this] { top->wait(); });
        const bool ended = done.wait_for(HANG) == std::future_status::ready;
        top->stop();
        return ended;
    }

    void post(const char *text) { relays->_post(pmt::mp("in"), pmt::mp(text)); }
};

TEST(guard, a_fault_reaches_the_log_as_printable_text)
{
    fault_watch watch;
    record_fault("block\x1b", "name\x1b[31m\xe4\n");
    STRCMP_EQUAL("block\\x1b", watch.faults().at(0).first.c_str());
    STRCMP_EQUAL("name\\x1b[31m\\xe4\\x0a", watch.faults().at(0).second.c_str());
}

TEST(guard, what_a_handler_throws_ends_the_flowgraph_with_an_end_mark_and_is_known)
{
    fault_watch watch;
    start();
    for (const char *text : { "first", "bad", "later" })
        post(text);
    CHECK(ends());
    const auto messages = keeps->wait(2);
    CHECK_EQUAL(2u, messages.size());
    CHECK(pmt::eqv(messages[0], pmt::mp("first")));
    CHECK(is_eof(messages[1]));
    const auto faults = watch.faults();
    CHECK_EQUAL(1u, faults.size());
    STRCMP_EQUAL(relays->alias().c_str(), faults[0].first.c_str());
    STRCMP_EQUAL("what happened", faults[0].second.c_str());
}

TEST(guard, a_message_of_the_wrong_type_is_dropped_and_the_block_lives)
{
    fault_watch watch;
    start();
    for (const char *text : { "first", "number", "later" })
        post(text);
    const auto messages = keeps->wait(2);
    CHECK_EQUAL(2u, messages.size());
    STRCMP_EQUAL("later", pmt::write_string(messages[1]).c_str());
    CHECK(watch.faults().empty());
    top->stop();
    top->wait();
}

TEST(guard, what_work_throws_ends_the_flowgraph_and_is_known)
{
    fault_watch watch;
    auto stream = gnuradio::make_block_sptr<source>();
    top->connect(stream, 0, gnuradio::make_block_sptr<drain>(), 0);
    top->start();
    CHECK(ends());
    CHECK_EQUAL(1u, watch.faults().size());
    STRCMP_EQUAL(stream->alias().c_str(), watch.faults()[0].first.c_str());
}

TEST(guard, a_fault_of_a_block_that_is_not_guarded_is_known_too)
{
    fault_watch watch;
    start();
    post("foreign");
    const auto until = std::chrono::steady_clock::now() + HANG;
    while (watch.faults().empty() && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    CHECK_EQUAL(1u, watch.faults().size());
    STRCMP_EQUAL("", watch.faults()[0].first.c_str());
    STRCMP_CONTAINS("not ours", watch.faults()[0].second.c_str());
    top->stop();
    top->wait();
}

TEST(guard, a_flowgraph_that_failed_runs_again)
{
    fault_watch watch;
    start();
    post("bad");
    CHECK(ends());
    top->start();
    post("again");
    CHECK(pmt::eqv(keeps->wait(2).back(), pmt::mp("again")));
    CHECK_EQUAL(1u, watch.faults().size());
    top->stop();
    top->wait();
}

TEST(guard, a_block_is_busy_while_it_works_and_idle_otherwise)
{
    start();
    post("first");
    keeps->wait(1);
    const auto until = std::chrono::steady_clock::now() + HANG;
    while (relays->busy_s() > 0 && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    CHECK_EQUAL(0.0, relays->busy_s());
    top->stop();
    top->wait();
}
