/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Faults of blocks, and the blocks that follow a source. */
#include "bindings.h"
#include "guard.h"
#include "surroundings.h"

void bind_flowgraph(py::module &m)
{
    using py::arg;

    py::class_<fault_watch>(m, "fault_watch", "Collects the faults of all blocks from its creation on.")
        .def(py::init<>())
        .def("faults", &fault_watch::faults,
             "Returns a list of (block, what happened). The block is \"\" for blocks of GNU Radio itself.");
    m.def("record_fault", &record_fault, arg("block"), arg("what"),
          "Report a fault to every fault_watch. If there is none, it is logged as an error.");
    m.def(
        "end_block", [](const gr::basic_block_sptr &block) { end_block(*block); }, arg("block"),
        "End a block after the messages that wait in its queue.");
    m.def(
        "busy_s",
        [](const gr::basic_block_sptr &block) {
            const auto *a = dynamic_cast<const activity *>(block.get());
            return a ? a->busy_s() : 0.0;
        },
        arg("block"), "Returns the seconds that a block has worked on its current message or samples; 0: it is idle.");
    m.def("feeds_back", &feeds_back, arg("source"), arg("port"),
          "Returns whether a block that follows the source sends messages to this port of the source.");
    m.def("follow", &follow, arg("source"), arg("port"),
          "Connect `info` of the encoders and mappers that follow the source to this port of the source. Call it only "
          "in start().");
    m.def("waiting_behind", &waiting_behind, arg("source"), arg("port"),
          "Returns the number of messages that wait in the queues of the blocks connected to the port.");
    m.def("busy_behind", &busy_behind, arg("source"),
          "Returns whether a block that receives messages from the source, directly or not, has worked on one for over "
          "a second.");
    m.def("items_behind", &items_behind, arg("source"),
          "Returns the number of stream items that the blocks have written which receive messages from the source, "
          "directly or not.");
}
