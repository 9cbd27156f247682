/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The Python module srec_python: the C++ blocks, and the functions of the core that programs need. */
#include "bindings.h"

PYBIND11_MODULE(srec_python, m)
{
    py::module::import("gnuradio.gr");
    py::module::import("pmt");
    bind_key(m);
    bind_transmit_blocks(m);
    bind_channel_blocks(m);
    bind_receive_blocks(m);
    bind_flowgraph(m);
    bind_images(m);
    bind_layers(m);
    bind_models(m);
    bind_metadata(m);
}
