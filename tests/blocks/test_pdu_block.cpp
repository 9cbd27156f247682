/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The base of PDU blocks: dropped messages, the end mark, the queue. */
#include "pdu_block.h"

#include <gnuradio/io_signature.h>
#include <stdexcept>

#include <CppUTest/TestHarness.h>

using namespace gr::srec;

namespace
{

class echo_interface : virtual public gr::block
{
};

/* Forwards PDUs of bytes and drops everything else. Tests call take() in place of the scheduler. */
template <class Base>
class echo : public Base
{
public:
    template <typename... Arguments>
    explicit echo(Arguments... arguments)
        : gr::block("echo", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0)), Base(arguments...)
    {
    }
    void take(const pmt::pmt_t &message) { this->receive(message); }
    uint64_t dropped() const { return this->n_dropped(); }

protected:
    void handle_pdu(const pmt::pmt_t &message) override
    {
        if (!is_u8_pdu(message))
            return this->drop("not bytes, at place " + std::to_string(this->n_dropped()) + "\x1b", message);
        this->send(pmt::car(message), pmt::cdr(message));
    }
};

class queued_echo : public echo<queued_pdu_block<echo_interface>>
{
public:
    queued_echo(int max_queue, bool drop_newest)
        : gr::block("echo", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0)),
          echo(pdu_ports{ "in", "out" }, "message", max_queue, drop_newest)
    {
    }

protected:
    void handle_excess(const pmt::pmt_t &message) override { drop("too many", message); }
};

/* Receives what the block publishes; its queue holds the messages. */
class keeper : public gr::block
{
public:
    keeper() : gr::block("keeper", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0))
    {
        for (const char *port : { "out", "info" })
            message_port_register_in(pmt::mp(port));
    }
    std::vector<pmt::pmt_t> all(const char *port)
    {
        std::vector<pmt::pmt_t> messages;
        while (const pmt::pmt_t message = delete_head_nowait(pmt::mp(port)))
            messages.push_back(message);
        return messages;
    }
};

pmt::pmt_t picture(uint64_t number)
{
    return pmt::cons(put_u64(pmt::make_dict(), "picture", number), pmt::init_u8vector(1, { 7 }));
}

pmt::pmt_t floats(uint64_t number)
{
    return pmt::cons(put_u64(pmt::make_dict(), "picture", number), pmt::init_f32vector(1, { 7 }));
}

} // namespace

TEST_GROUP(pdu_block)
{
    std::shared_ptr<keeper> keeps = gnuradio::make_block_sptr<keeper>();

    template <class Block>
    std::shared_ptr<Block> listened(std::shared_ptr<Block> block)
    {
        for (const char *port : { "out", "info" })
            block->message_port_sub(pmt::mp(port), pmt::cons(keeps->alias_pmt(), pmt::mp(port)));
        return block;
    }
    std::shared_ptr<echo<pdu_block<echo_interface>>> simple()
    {
        return listened(gnuradio::make_block_sptr<echo<pdu_block<echo_interface>>>(pdu_ports{ "in", "out" }, "thing"));
    }
    std::shared_ptr<queued_echo> queued(bool drop_newest)
    {
        return listened(gnuradio::make_block_sptr<queued_echo>(2, drop_newest));
    }
    /* The numbers of the images that came out before the end mark, which must be the last message. */
    std::string numbers()
    {
        std::string text;
        const auto messages = keeps->all("out");
        for (const auto &message : messages)
            text += is_eof(message) ? "end" : std::to_string(get_u64(pmt::car(message), "picture")) + " ";
        return text;
    }
};

TEST(pdu_block, a_dropped_message_is_counted_and_reported_with_its_reason_and_image)
{
    auto block = simple();
    block->take(floats(5));
    block->take(pmt::PMT_T);
    block->take(picture(6));
    const auto info = keeps->all("info");
    CHECK_EQUAL(2u, info.size());
    STRCMP_EQUAL("dropped", get_text(info[0], "event").c_str());
    STRCMP_EQUAL("not bytes, at place 0\\x1b", get_text(info[0], "reason").c_str());
    CHECK_EQUAL(5u, get_u64(info[0], "picture"));
    CHECK_FALSE(has_number(info[1], "picture"));
    CHECK_EQUAL(2u, get_u64(info[1], "dropped"));
    CHECK_EQUAL(2u, block->dropped());
    STRCMP_EQUAL("6 ", numbers().c_str());
}

TEST(pdu_block, the_end_mark_passes_and_is_reported_with_the_counters)
{
    auto block = simple();
    block->take(floats(1));
    block->take(eof_pdu());
    STRCMP_EQUAL("end", numbers().c_str());
    const auto info = keeps->all("info");
    STRCMP_EQUAL("eof", get_text(info.back(), "event").c_str());
    CHECK_EQUAL(1u, get_u64(info.back(), "dropped"));
}

TEST(pdu_block, the_queue_drops_what_its_policy_says_but_never_the_end_mark)
{
    for (bool drop_newest : { false, true }) {
        auto block = queued(drop_newest);
        for (uint64_t n = 1; n <= 5; n++)
            block->_post(pmt::mp("in"), picture(n));
        block->_post(pmt::mp("in"), eof_pdu());
        block->take(block->delete_head_nowait(pmt::mp("in")));
        STRCMP_EQUAL(drop_newest ? "1 2 end" : "4 5 end", numbers().c_str());
        CHECK_EQUAL(3u, block->dropped());
        keeps->all("info");
    }
}

TEST(pdu_block, a_queue_without_room_is_refused)
{
    CHECK_THROWS(std::invalid_argument, gnuradio::make_block_sptr<queued_echo>(0, false));
}
