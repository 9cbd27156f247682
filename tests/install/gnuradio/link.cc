/* SPDX-License-Identifier: GPL-3.0-or-later */
/* 0 if blocks of the installed library can be made and connected, and the core beneath is the same one. */
#include <gnuradio/srec/channel.h>
#include <gnuradio/srec/mapper.h>
#include <gnuradio/srec/packet_encoder.h>
#include <gnuradio/srec/scrambler.h>
#include <gnuradio/top_block.h>
#include <srec/srec.h>

#include <iostream>

int main()
{
    auto top = gr::make_top_block("link");
    auto mapper = gr::srec::mapper::make("16qam");
    auto channel = gr::srec::channel::make();
    top->connect(mapper, 0, channel, 0);
    const gr::srec::shared_key key("seed:1", gr::srec::shared_key::warnings::keep);
    auto scrambler = gr::srec::scrambler::make(key);
    auto packets = gr::srec::packet_encoder::make("seed:2");
    top->msg_connect(scrambler, "out", packets, "in");
    std::cout << mapper->name() << " of srec " << srec_version() << "\n";
    try {
        gr::srec::mapper::make("no such modulation");
    } catch (const std::exception &error) {
        return 0;
    }
    std::cerr << "a bad modulation was accepted\n";
    return 1;
}
