/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Base of the blocks that take or send PDUs. It registers the ports, forwards the end
 *  mark, and counts, logs and reports dropped messages. A block implements handle_pdu(). */
#ifndef INCLUDED_SREC_PDU_BLOCK_H
#define INCLUDED_SREC_PDU_BLOCK_H

#include "guard.h"

#include <atomic>
#include <new>
#include <string>

namespace gr {
namespace srec {

/* The message ports of a block in addition to `info`. A null pointer: the block has a
 * stream there. */
struct pdu_ports {
    const char* in;
    const char* out;
};

inline bool is_u8_pdu(const pmt::pmt_t& msg)
{
    return pmt::is_pdu(msg) && pmt::is_u8vector(pmt::cdr(msg));
}
inline bool is_f32_pdu(const pmt::pmt_t& msg)
{
    return pmt::is_pdu(msg) && pmt::is_f32vector(pmt::cdr(msg));
}

template <class Interface>
class pdu_block : public guarded<Interface>
{
    const std::string d_kind; /* what a message carries, for the log: "slice", ... */
    std::atomic<uint64_t> d_dropped{ 0 };
    once d_logged;

protected:
    const pmt::pmt_t d_in, d_out, d_info = pmt::mp("info");

    pdu_block(const pdu_ports& ports, const std::string& kind)
        : d_kind(kind), d_in(ports.in ? pmt::mp(ports.in) : pmt::PMT_NIL),
          d_out(ports.out ? pmt::mp(ports.out) : pmt::PMT_NIL)
    {
        if (ports.in) {
            this->message_port_register_in(d_in);
            this->set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { receive(msg); });
        }
        if (ports.out)
            this->message_port_register_out(d_out);
        this->message_port_register_out(d_info);
    }

    /* A message that is not the end mark. It may be of any type. */
    virtual void handle_pdu(const pmt::pmt_t&) {}

    /* The end mark. */
    virtual void handle_end() { forward_end(); }

    /* Every message of the port `in`. */
    virtual void receive(const pmt::pmt_t& msg)
    {
        if (is_eof(msg))
            handle_end();
        else
            unless_too_large(msg, [this, &msg] { handle_pdu(msg); });
    }

    /* Calls a handler of a message. Drops the message if there is no memory for it. */
    template <class Handler>
    void unless_too_large(const pmt::pmt_t& msg, const Handler& handler)
    {
        try {
            handler();
        } catch (const std::bad_alloc&) {
            drop("not enough memory for it", msg);
        }
    }

    /* Adds the counters of the block to an info dict. */
    virtual pmt::pmt_t with_counters(const pmt::pmt_t& info) const
    {
        return put_u64(info, key::dropped, d_dropped);
    }

    /* Publishes a dict with the event and the counters on `info`. */
    void report(const char* event, const pmt::pmt_t& info = pmt::make_dict())
    {
        this->message_port_pub(d_info,
                               with_counters(put(info, key::event, pmt::mp(event))));
    }

    /* Counts a dropped message, logs it once per kind of reason and reports it. \p msg:
     * the message, if the report shall name its image, so that image_source does not
     * wait for it. */
    void drop(const std::string& reason, const pmt::pmt_t& msg = pmt::PMT_NIL)
    {
        const pmt::pmt_t meta = pmt::is_pair(msg) ? pmt::car(msg) : pmt::PMT_NIL;
        const bool named =
            pmt::is_dict(meta) && pmt::dict_has_key(meta, pmt::mp(key::picture));
        drop_as(d_kind,
                reason,
                named
                    ? put_u64(pmt::make_dict(), key::picture, get_u64(meta, key::picture))
                    : pmt::make_dict());
    }

    /* The same for something else than a message. */
    void
    drop_as(const std::string& kind, const std::string& reason, const pmt::pmt_t& info)
    {
        d_dropped++;
        if (is_new(reason))
            this->d_logger->warn(
                "{:s} dropped: {:s} (reported once)", kind, printable(reason));
        report("dropped", put(info, key::reason, pmt::mp(printable(reason))));
    }

    /* \return true the first time that this line, apart from its numbers, occurs */
    bool is_new(const std::string& line) { return d_logged(line); }

    void send(const pmt::pmt_t& meta, const pmt::pmt_t& vector)
    {
        this->message_port_pub(d_out, pmt::cons(meta, vector));
    }

    void forward_end()
    {
        this->message_port_pub(d_out, eof_pdu());
        report("eof");
    }

    /* Any thread. */
    uint64_t n_dropped() const { return d_dropped; }
};

/* Base of the slow blocks, whose waiting messages are bounded. */
template <class Interface>
class queued_pdu_block : public pdu_block<Interface>
{
    bounded_queue d_queue;

    static size_t checked(int max_queue)
    {
        if (max_queue < 1)
            throw std::invalid_argument("max_queue must be at least 1");
        return (size_t)max_queue;
    }

protected:
    queued_pdu_block(const pdu_ports& ports,
                     const std::string& kind,
                     int max_queue,
                     bool drop_newest)
        : pdu_block<Interface>(ports, kind), d_queue(checked(max_queue), drop_newest)
    {
    }

    /* A message that the queue has no room for. */
    virtual void handle_excess(const pmt::pmt_t& msg) = 0;

    void receive(const pmt::pmt_t& msg) override
    {
        d_queue.work(
            *this,
            this->d_in,
            msg,
            [this](const pmt::pmt_t& excess) {
                this->unless_too_large(excess, [&] { handle_excess(excess); });
            },
            [this](const pmt::pmt_t& next) { handle_next(next); });
    }

    /* Messages that wait in the queue. */
    size_t n_waiting() const { return d_queue.size(); }
    bool is_work_waiting() { return d_queue.size() || this->nmsgs(this->d_in); }

private:
    void handle_next(const pmt::pmt_t& msg)
    {
        if (stopping() && !is_eof(msg))
            this->drop("the flowgraph is stopping", msg);
        else
            pdu_block<Interface>::receive(msg);
    }
};

} // namespace srec
} // namespace gr

#endif
