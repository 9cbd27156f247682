/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Blocks of channels and measurements. */
#include "bindings.h"
#include <gnuradio/srec/channel.h>
#include <gnuradio/srec/impairments.h>
#include <gnuradio/srec/level_meter.h>

static void bind_channel(py::module &m)
{
    using py::arg;
    py::class_<channel, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<channel>>(m, "channel",
                                                                                              doc::channel)
        .def(py::init(&channel::make), arg("kind") = "awgn", arg("snr_db") = 10.0f, arg("seed") = 0,
             arg("coherence") = 1024, arg("loss") = 0.0f, arg("len_tag_key") = "packet_len")
        .def("set_snr_db", &channel::set_snr_db, arg("snr_db"), doc::channel_set_snr_db)
        .def("snr_db", &channel::snr_db, doc::channel_snr_db)
        .def("set_loss", &channel::set_loss, arg("loss"), doc::channel_set_loss)
        .def("loss", &channel::loss, doc::channel_loss);
}

static void bind_impairments(py::module &m)
{
    using py::arg;
    py::class_<impairments, gr::block, gr::basic_block, std::shared_ptr<impairments>>(m, "impairments",
                                                                                      doc::impairments)
        .def(py::init(&impairments::make), arg("noise_power") = 0.0f, arg("cfo") = 0.0f, arg("clock_ppm") = 0.0f,
             arg("delay") = 0.0, arg("gain_db") = 0.0f, arg("phase_noise") = 0.0f, arg("doppler") = 0.0f,
             arg("echo_delay") = 0, arg("echo_db") = 0.0f, arg("echo_phase") = 0.0f, arg("iq_gain_db") = 0.0f,
             arg("iq_phase") = 0.0f, arg("dc_re") = 0.0f, arg("dc_im") = 0.0f, arg("clip") = 0.0f, arg("bits") = 0,
             arg("seed") = 0);
}

static void bind_level_meter(py::module &m)
{
    using py::arg;
    py::class_<level_meter, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<level_meter>>(m, "level_meter",
                                                                                                      doc::level_meter)
        .def(py::init(&level_meter::make), arg("full_scale") = 1.0f, arg("period") = 0)
        .def("read", &level_meter::read, doc::level_meter_read);
}

void bind_channel_blocks(py::module &m)
{
    bind_channel(m);
    bind_impairments(m);
    bind_level_meter(m);
}
