/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Blocks of the transmitter. */
#include "bindings.h"
#include <gnuradio/srec/burst_shaper.h>
#include <gnuradio/srec/layer_encoder.h>
#include <gnuradio/srec/mapper.h>
#include <gnuradio/srec/packet_encoder.h>
#include <gnuradio/srec/scrambler.h>
#include <gnuradio/srec/semantic_encoder.h>

static void bind_semantic_encoder(py::module &m)
{
    using py::arg;
    py::class_<semantic_encoder, gr::block, gr::basic_block, std::shared_ptr<semantic_encoder>>(m, "semantic_encoder",
                                                                                                doc::semantic_encoder)
        .def(py::init(with_path(&semantic_encoder::make)), arg("model") = "", arg("eta") = 0.2f,
             arg("modulation") = "qpsk", arg("frame_bytes") = 16000, arg("threads") = 0, arg("precision") = "auto",
             arg("max_queue") = 4, arg("policy") = "drop_oldest", arg("scale") = 1)
        .def("set_eta", &semantic_encoder::set_eta, arg("eta"), doc::semantic_encoder_set_eta)
        .def("eta", &semantic_encoder::eta, doc::semantic_encoder_eta);
}

static void bind_layer_encoder(py::module &m)
{
    using py::arg;
    py::class_<layer_encoder, gr::block, gr::basic_block, std::shared_ptr<layer_encoder>>(m, "layer_encoder",
                                                                                          doc::layer_encoder)
        .def(py::init(&layer_encoder::make), arg("modulation") = "qpsk", arg("layers") = std::vector<float>{ 6.0f },
             arg("cbr") = 0.2, arg("shares") = std::vector<float>{}, arg("margin_db") = 0.5f, arg("parity") = -1,
             arg("bursts") = true, arg("rate_max") = 0.0, arg("frame_symbols") = 0, arg("threads") = 0,
             arg("max_queue") = 4, arg("policy") = "drop_oldest", arg("scale") = 1)
        .def("set_cbr", &layer_encoder::set_cbr, arg("cbr"), doc::layer_encoder_set_cbr)
        .def("cbr", &layer_encoder::cbr, doc::layer_encoder_cbr);
}

static void bind_scrambler(py::module &m)
{
    using py::arg;
    py::class_<scrambler, gr::block, gr::basic_block, std::shared_ptr<scrambler>>(m, "scrambler", doc::scrambler)
        .def(py::init(with_key(&scrambler::make)), arg("key"), arg("encrypt") = true, arg("session") = 0,
             arg("cipher") = "auto")
        .def("set_encrypt", &scrambler::set_encrypt, arg("encrypt"), doc::scrambler_set_encrypt)
        .def("encrypt", &scrambler::encrypt, doc::scrambler_encrypt)
        .def("set_cipher", &scrambler::set_cipher, arg("cipher"), doc::scrambler_set_cipher)
        .def("cipher", &scrambler::cipher, doc::scrambler_cipher)
        .def("session", &scrambler::session, doc::scrambler_session);
}

static void bind_packet_encoder(py::module &m)
{
    using py::arg;
    py::class_<packet_encoder, gr::block, gr::basic_block, std::shared_ptr<packet_encoder>>(m, "packet_encoder",
                                                                                            doc::packet_encoder)
        .def(py::init(with_key(&packet_encoder::make)), arg("key"), arg("modulation") = "qpsk");
}

static void bind_mapper(py::module &m)
{
    using py::arg;
    py::class_<mapper, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<mapper>>(m, "mapper", doc::mapper)
        .def(py::init(&mapper::make), arg("modulation") = "qpsk", arg("len_tag_key") = "packet_len");
}

static void bind_burst_shaper(py::module &m)
{
    using py::arg;
    py::class_<burst_shaper, gr::block, gr::basic_block, std::shared_ptr<burst_shaper>>(m, "burst_shaper",
                                                                                        doc::burst_shaper)
        .def(py::init(&burst_shaper::make), arg("samples_per_symbol") = 4, arg("rolloff") = 0.25f,
             arg("amplitude") = 1.0f, arg("idle") = 0, arg("len_tag_key") = "packet_len", arg("tail") = 0)
        .def("set_amplitude", &burst_shaper::set_amplitude, arg("amplitude"), doc::burst_shaper_set_amplitude)
        .def("amplitude", &burst_shaper::amplitude, doc::burst_shaper_amplitude);
}

void bind_transmit_blocks(py::module &m)
{
    bind_semantic_encoder(m);
    bind_layer_encoder(m);
    bind_scrambler(m);
    bind_packet_encoder(m);
    bind_mapper(m);
    bind_burst_shaper(m);
}
