/* SPDX-License-Identifier: GPL-3.0-or-later */
/* 0 if blocks of the installed library can be made and connected, and the core beneath is the same one. */
#include <gnuradio/srec/channel.h>
#include <gnuradio/srec/mapper.h>
#include <gnuradio/top_block.h>
#include <srec/srec.h>

#include <iostream>

int main()
{
    auto top = gr::make_top_block("link");
    auto mapper = gr::srec::mapper::make("16qam");
    auto channel = gr::srec::channel::make();
    top->connect(mapper, 0, channel, 0);
    std::cout << mapper->name() << " of srec " << srec_version() << "\n";
    try {
        gr::srec::mapper::make("no such modulation");
    } catch (const std::exception& error) {
        return 0;
    }
    std::cerr << "a bad modulation was accepted\n";
    return 1;
}
