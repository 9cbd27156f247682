/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Blocks of the receiver. */
#include "bindings.h"
#include <gnuradio/srec/burst_sync.h>
#include <gnuradio/srec/descrambler.h>
#include <gnuradio/srec/layer_decoder.h>
#include <gnuradio/srec/packet_decoder.h>
#include <gnuradio/srec/semantic_decoder.h>
#include <gnuradio/srec/soft_demapper.h>
#include <gnuradio/srec/sr_enhancer.h>

static void bind_burst_sync(py::module &m)
{
    using py::arg;
    py::class_<burst_sync, gr::block, gr::basic_block, std::shared_ptr<burst_sync>>(m, "burst_sync", doc::burst_sync)
        .def(py::init([](const std::string &modulation, int samples_per_symbol, float rolloff,
                         const std::string &len_tag_key, const py::object &key) {
                 const bool none = key.is_none() || (py::isinstance<py::str>(key) && py::len(key) == 0);
                 return burst_sync::make(modulation, samples_per_symbol, rolloff, len_tag_key,
                                         none ? std::nullopt : std::optional(as_key(key)));
             }),
             arg("modulation") = "qpsk", arg("samples_per_symbol") = 4, arg("rolloff") = 0.25f,
             arg("len_tag_key") = "packet_len", arg("key") = "")
        .def("bursts", &burst_sync::bursts, doc::burst_sync_bursts)
        .def("counters", &burst_sync::counters, doc::burst_sync_counters)
        .def("findings", &burst_sync::findings, doc::burst_sync_findings);
}

static void bind_soft_demapper(py::module &m)
{
    using py::arg;
    py::class_<soft_demapper, gr::sync_interpolator, gr::sync_block, gr::block, gr::basic_block,
               std::shared_ptr<soft_demapper>>(m, "soft_demapper", doc::soft_demapper)
        .def(py::init(&soft_demapper::make), arg("modulation") = "qpsk", arg("snr_db") = 10.0f,
             arg("len_tag_key") = "packet_len")
        .def("set_snr_db", &soft_demapper::set_snr_db, arg("snr_db"), doc::soft_demapper_set_snr_db)
        .def("snr_db", &soft_demapper::snr_db, doc::soft_demapper_snr_db);
}

static void bind_packet_decoder(py::module &m)
{
    using py::arg;
    py::class_<packet_decoder, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<packet_decoder>>(
        m, "packet_decoder", doc::packet_decoder)
        .def(py::init(with_key_and_path(&packet_decoder::make)), arg("key"), arg("model") = "",
             arg("modulation") = "qpsk", arg("len_tag_key") = "packet_len")
        .def("accepted", &packet_decoder::accepted, doc::packet_decoder_accepted)
        .def("dropped", &packet_decoder::dropped, doc::packet_decoder_dropped)
        .def(
            "export_marks", [](const packet_decoder &d) { return py::bytes(d.export_marks()); },
            doc::packet_decoder_export_marks)
        .def(
            "import_marks", [](packet_decoder &d, const py::bytes &marks) { d.import_marks(marks); }, arg("marks"),
            doc::packet_decoder_import_marks)
        .def("counters", &packet_decoder::counters, doc::packet_decoder_counters);
}

static void bind_descrambler(py::module &m)
{
    using py::arg;
    py::class_<descrambler, gr::block, gr::basic_block, std::shared_ptr<descrambler>>(m, "descrambler",
                                                                                      doc::descrambler)
        .def(py::init([](const py::object &key, const file_name &model, bool soft, const py::object &clear_key) {
                 const shared_key k = as_key(key);
                 return descrambler::make(k, model.text, soft, py::bool_(clear_key) ? as_key(clear_key) : k);
             }),
             arg("key"), arg("model") = "", arg("soft") = true, arg("clear_key") = "")
        .def("set_soft", &descrambler::set_soft, arg("soft"), doc::descrambler_set_soft)
        .def("soft", &descrambler::soft, doc::descrambler_soft);
}

static void bind_layer_decoder(py::module &m)
{
    using py::arg;
    py::class_<layer_decoder, gr::block, gr::basic_block, std::shared_ptr<layer_decoder>>(m, "layer_decoder",
                                                                                          doc::layer_decoder)
        .def(py::init(&layer_decoder::make), arg("timeout") = 2.0f, arg("threads") = 0, arg("max_queue") = 4096,
             arg("policy") = "drop_oldest", arg("progress") = 0.0f, arg("max_pixels") = 64e6, arg("max_pictures") = 8,
             arg("reorder") = 16)
        .def("set_progress", &layer_decoder::set_progress, arg("progress"), doc::layer_decoder_set_progress)
        .def("progress", &layer_decoder::progress, doc::layer_decoder_progress)
        .def("counters", &layer_decoder::counters, doc::layer_decoder_counters);
}

static void bind_semantic_decoder(py::module &m)
{
    using py::arg;
    py::class_<semantic_decoder, gr::block, gr::basic_block, std::shared_ptr<semantic_decoder>>(m, "semantic_decoder",
                                                                                                doc::semantic_decoder)
        .def(py::init(with_path(&semantic_decoder::make)), arg("model") = "", arg("timeout") = 2.0f, arg("threads") = 0,
             arg("precision") = "auto", arg("max_queue") = 4096, arg("policy") = "drop_oldest", arg("progress") = 0.0f,
             arg("max_pixels") = 64e6, arg("max_pictures") = 8, arg("reorder") = 16)
        .def("set_progress", &semantic_decoder::set_progress, arg("progress"), doc::semantic_decoder_set_progress)
        .def("progress", &semantic_decoder::progress, doc::semantic_decoder_progress)
        .def("counters", &semantic_decoder::counters, doc::semantic_decoder_counters);
}

static void bind_sr_enhancer(py::module &m)
{
    using py::arg;
    py::class_<sr_enhancer, gr::block, gr::basic_block, std::shared_ptr<sr_enhancer>>(m, "sr_enhancer",
                                                                                      doc::sr_enhancer)
        .def(py::init(with_path(&sr_enhancer::make)), arg("model") = "", arg("scale") = 1, arg("bypass") = false,
             arg("threads") = 0, arg("precision") = "auto", arg("max_queue") = 4, arg("policy") = "drop_oldest")
        .def("set_bypass", &sr_enhancer::set_bypass, arg("bypass"), doc::sr_enhancer_set_bypass)
        .def("bypass", &sr_enhancer::bypass, doc::sr_enhancer_bypass);
}

void bind_receive_blocks(py::module &m)
{
    bind_burst_sync(m);
    bind_soft_demapper(m);
    bind_packet_decoder(m);
    bind_descrambler(m);
    bind_layer_decoder(m);
    bind_semantic_decoder(m);
    bind_sr_enhancer(m);
}
