/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Python module srec_core: the core without GNU Radio, for sweeps and training. Each call does the work of a row of
 *  blocks, over the same packets, so equal seeds give the flowgraph's result. Arrays are NumPy's: images uint8 (height,
 *  width[, 3]), symbols complex64. Long calls release Python's lock; one thread at a time per Transmission. */
#include "core_common.h"

PYBIND11_MODULE(srec_core, m)
{
    m.doc() = "The C core without GNU Radio: encode, transmit, channel, receive, metrics.";
    bind_codec(m);
    bind_transmission(m);
    bind_training(m);
    bind_reference_code(m);
    bind_pictures(m);
    bind_modem(m);
    bind_ldpc(m);
    bind_layers(m);
    m.def("version", &srec_version);
}
