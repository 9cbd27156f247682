/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "surroundings.h"
#include "guard.h"

#include <functional>
#include <gnuradio/block_detail.h>
#include <gnuradio/block_registry.h>
#include <gnuradio/buffer.h>
#include <gnuradio/buffer_reader.h>
#include <gnuradio/srec/layer_encoder.h>
#include <gnuradio/srec/mapper.h>
#include <gnuradio/srec/semantic_encoder.h>
#include <stdexcept>

namespace gr {
namespace srec {

namespace {

using take_subscriber =
    std::function<void(const gr::basic_block_sptr&, const pmt::pmt_t&)>;

/* Calls \p take(block, port in) for each connection of the port \p port of \p block. */
void each_subscriber(gr::basic_block& block,
                     const pmt::pmt_t& port,
                     const take_subscriber& take)
{
    for (pmt::pmt_t list = block.message_subscribers(port); pmt::is_pair(list);
         list = pmt::cdr(list)) {
        const pmt::pmt_t target = pmt::car(list);
        gr::basic_block_sptr subscriber;
        try {
            subscriber = global_block_registry.block_lookup(pmt::car(target));
        } catch (const std::runtime_error&) { /* the block no longer exists */
            continue;
        }
        take(subscriber, pmt::cdr(target));
    }
}

/* The same for all ports. */
void each_subscriber(gr::basic_block& block, const take_subscriber& take)
{
    const pmt::pmt_t ports = block.message_ports_out();
    for (size_t p = 0; p < pmt::length(ports); p++)
        each_subscriber(block, pmt::vector_ref(ports, p), take);
}

/* The blocks that \p source reaches over messages and, if \p streams, over streams too.
 * \p source itself is not included. */
std::vector<gr::basic_block_sptr> reached(const gr::basic_block_sptr& source,
                                          bool streams)
{
    std::vector<gr::basic_block_sptr> found{ source };
    auto add = [&found](const gr::basic_block_sptr& block) {
        if (block && std::find(found.begin(), found.end(), block) == found.end())
            found.push_back(block);
    };
    for (size_t i = 0; i < found.size(); i++) {
        /* A copy, because add() moves the elements. */
        const gr::basic_block_sptr block = found[i];
        each_subscriber(*block,
                        [&add](const auto& subscriber, const auto&) { add(subscriber); });
        const auto with_streams = std::dynamic_pointer_cast<gr::block>(block);
        const block_detail_sptr detail =
            with_streams && streams ? with_streams->detail() : nullptr;
        for (int out = 0; detail && out < detail->noutputs(); out++)
            for (size_t r = 0; r < detail->output(out)->nreaders(); r++)
                add(detail->output(out)->reader(r)->link());
    }
    found.erase(found.begin());
    return found;
}

} // namespace

bool feeds_back(const gr::basic_block_sptr& source, const std::string& port)
{
    bool found = false;
    for (const auto& block : reached(source, true)) {
        each_subscriber(*block, [&](const auto& subscriber, const auto& in) {
            found = found || (subscriber == source && pmt::eqv(in, pmt::mp(port)));
        });
    }
    return found;
}

int follow(const gr::basic_block_sptr& source, const std::string& port)
{
    int n = 0;
    for (const auto& block : reached(source, false))
        if (std::dynamic_pointer_cast<mapper>(block) ||
            std::dynamic_pointer_cast<semantic_encoder>(block) ||
            std::dynamic_pointer_cast<layer_encoder>(block)) {
            block->message_port_sub(pmt::mp("info"),
                                    pmt::cons(source->alias_pmt(), pmt::mp(port)));
            n++;
        }
    return n;
}

size_t waiting_behind(const gr::basic_block_sptr& source, const std::string& port)
{
    size_t n = 0;
    each_subscriber(*source, pmt::mp(port), [&n](const auto& subscriber, const auto& in) {
        n += subscriber->nmsgs(in);
    });
    return n;
}

bool busy_behind(const gr::basic_block_sptr& source)
{
    for (const auto& block : reached(source, false)) {
        const auto* a = dynamic_cast<const activity*>(block.get());
        if (a && a->busy_s() > 1.0)
            return true;
    }
    return false;
}

uint64_t items_behind(const gr::basic_block_sptr& source)
{
    uint64_t items = 0;
    for (const auto& block : reached(source, false)) {
        const auto b = std::dynamic_pointer_cast<gr::block>(block);
        for (int out = 0; b && b->detail() && out < b->detail()->noutputs(); out++)
            items += b->nitems_written(out);
    }
    return items;
}

} // namespace srec
} // namespace gr
