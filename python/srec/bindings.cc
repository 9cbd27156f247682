/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Python bindings of the C++ blocks and of the few functions of the core that programs need. */
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "guard.h"
#include "surroundings.h"
#include <gnuradio/srec/burst_shaper.h>
#include <gnuradio/srec/burst_sync.h>
#include <gnuradio/srec/channel.h>
#include <gnuradio/srec/descrambler.h>
#include <gnuradio/srec/impairments.h>
#include <gnuradio/srec/level_meter.h>
#include <gnuradio/srec/mapper.h>
#include <gnuradio/srec/packet_decoder.h>
#include <gnuradio/srec/packet_encoder.h>
#include <gnuradio/srec/scrambler.h>
#include <gnuradio/srec/semantic_decoder.h>
#include <gnuradio/srec/semantic_encoder.h>
#include <gnuradio/srec/shared_key.h>
#include <gnuradio/srec/soft_demapper.h>
#include <gnuradio/srec/sr_enhancer.h>

namespace py = pybind11;
using namespace gr::srec;

/* A file's name from Python: text, as os.fsdecode() makes it, bytes or os.PathLike. Names need not be UTF-8. */
struct file_name {
    std::string text;
};

namespace pybind11
{
namespace detail
{
template <>
struct type_caster<file_name> {
    PYBIND11_TYPE_CASTER(file_name, const_name("os.PathLike"));
    bool load(handle from, bool)
    {
        PyObject *name = nullptr;
        if (!PyUnicode_FSConverter(from.ptr(), &name)) {
            PyErr_Clear();
            return false;
        }
        value.text = reinterpret_steal<bytes>(name);
        return true;
    }
};
} // namespace detail
} // namespace pybind11

static py::str as_text(const std::string &name)
{
    return py::reinterpret_steal<py::str>(PyUnicode_DecodeFSDefaultAndSize(name.data(), name.size()));
}

/* A key or the text of one. While it waits for a pipe, other threads of Python run and signals count. */
static shared_key as_key(const py::object &key, shared_key::warnings what = shared_key::warnings::log)
{
    if (py::isinstance<shared_key>(key))
        return key.cast<shared_key>();
    const std::string text = key.cast<file_name>().text;
    for (;;) {
        try {
            py::gil_scoped_release release;
            return shared_key(text, what);
        } catch (const interrupted &) {
            if (PyErr_CheckSignals() != 0)
                throw py::error_already_set();
        }
    }
}

/* make() of a block, taking keys and file names from Python */
template <typename R, typename... More>
static auto with_path(R (*make)(const std::string &, More...))
{
    return [make](const file_name &path, More... more) { return make(path.text, more...); };
}

template <typename R, typename... More>
static auto with_key(R (*make)(const shared_key &, More...))
{
    return [make](const py::object &key, More... more) { return make(as_key(key), more...); };
}

template <typename R, typename... More>
static auto with_key_and_path(R (*make)(const shared_key &, const std::string &, More...))
{
    return [make](const py::object &key, const file_name &path, More... more) {
        return make(as_key(key), path.text, more...);
    };
}

/* What metadata hold, as text: a symbol's, or how PMT prints the item. What is not UTF-8 becomes \xNN. */
static py::str pmt_text(const pmt::pmt_t &item)
{
    const std::string text = pmt::is_symbol(item) ? pmt::symbol_to_string(item) : pmt::write_string(item);
    return py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(text.data(), text.size(), "backslashreplace"));
}

using pixels = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>;

static srec_image as_image(const pixels &a)
{
    if (a.ndim() < 2 || a.ndim() > 3 || (a.ndim() == 3 && a.shape(2) != 1 && a.shape(2) != 3))
        throw std::invalid_argument("a picture is (height, width) or (height, width, 3), uint8");
    uint8_t channels = a.ndim() == 3 ? (uint8_t)a.shape(2) : 1;
    return { (uint32_t)a.shape(1), (uint32_t)a.shape(0), channels, (size_t)a.shape(1) * channels,
             const_cast<uint8_t *>(a.data()) };
}

template <srec_status (*Metric)(const srec_image *, const srec_image *, double *)>
static double compare(const pixels &a, const pixels &b)
{
    srec_image x = as_image(a), y = as_image(b);
    double value;
    if (Metric(&x, &y, &value) != SREC_OK)
        throw std::invalid_argument("the pictures differ in size or are too small to compare");
    return value;
}

static py::dict model_info(const file_name &path)
{
    auto model = model_from(path.text);
    py::dict info, metadata, macs;
    py::list ladder;
    for (size_t i = 0; const char *key = srec_model_metadata_key(model.get(), i); i++)
        metadata[key] = srec_model_metadata(model.get(), key);
    for (unsigned i = 0; i < srec_model_ladder_steps(model.get()); i++)
        ladder.append(srec_model_ladder(model.get(), i));
    for (const char *net : { "ga", "ha", "hs", "fe", "fd", "gs" })
        macs[net] = srec_model_macs_per_pixel(model.get(), net);
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)srec_model_id(model.get()));
    info["id"] = id;
    info["metadata"] = metadata;
    info["ladder"] = ladder;
    info["macs_per_pixel"] = macs;
    info["parameters"] = srec_model_parameters(model.get());
    return info;
}

static py::dict enhancer_info(const file_name &path)
{
    auto model = enhancer_from(path.text);
    py::dict info, metadata;
    for (size_t i = 0; const char *key = srec_enhancer_model_metadata_key(model.get(), i); i++)
        metadata[key] = srec_enhancer_model_metadata(model.get(), key);
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)srec_enhancer_model_id(model.get()));
    info["id"] = id;
    info["metadata"] = metadata;
    info["scale"] = srec_enhancer_model_scale(model.get());
    info["macs_per_pixel"] = srec_enhancer_model_macs_per_pixel(model.get());
    info["parameters"] = srec_enhancer_model_parameters(model.get());
    return info;
}

/* A picture of the given size, of as many dimensions as \p like. */
static pixels like(const pixels &a, py::ssize_t height, py::ssize_t width)
{
    return a.ndim() == 3 ? pixels(std::vector<py::ssize_t>{ height, width, a.shape(2) })
                         : pixels(std::vector<py::ssize_t>{ height, width });
}

static pixels image_double(const pixels &a)
{
    const srec_image in = as_image(a);
    pixels result = like(a, 2 * a.shape(0), 2 * a.shape(1));
    const srec_image out = as_image(result);
    if (srec_image_double(&in, &out) != SREC_OK)
        throw std::invalid_argument("a picture of this size cannot be doubled");
    return result;
}

static pixels image_halve(const pixels &a)
{
    const srec_image in = as_image(a);
    pixels result = like(a, (a.shape(0) + 1) / 2, (a.shape(1) + 1) / 2);
    const srec_image out = as_image(result);
    if (srec_image_halve(&in, &out) != SREC_OK)
        throw std::invalid_argument("a picture of this size cannot be halved");
    return result;
}

static void key_generate(const file_name &path)
{
    std::shared_ptr<srec_key> key(srec_key_new(), srec_key_free);
    srec_error error{};
    srec_status status = srec_key_generate(key.get());
    if (status == SREC_OK)
        status = srec_key_write(key.get(), path.text.c_str(), &error);
    else
        srec_fail(&error, status, "no key: %s", srec_strerror(status));
    require(status, error);
}

PYBIND11_MODULE(srec_python, m)
{
    py::module::import("gnuradio.gr");
    py::module::import("pmt");
    using py::arg;

    py::class_<shared_key>(m, "key",
                           "A master key, one copy of it in locked memory for all blocks of the process. text: key "
                           "file or pipe, 64 hex digits or seed:N, "
                           "or another key. warn: what is doubtful about it goes to the log, once. Raises RuntimeError "
                           "or ValueError with one line.")
        .def(py::init([](const py::object &text, bool warn) {
                 return as_key(text, warn ? shared_key::warnings::log : shared_key::warnings::keep);
             }),
             arg("text"), arg("warn") = true)
        .def_property_readonly("warning", &shared_key::warning,
                               "What is doubtful about it, one line; empty if nothing.")
        .def(
            "__eq__", [](const shared_key &a, const shared_key &b) { return srec_key_equal(a.get(), b.get()) == 1; },
            py::is_operator())
        .def("__repr__", [](const shared_key &) { return "<srec.key>"; });

    py::class_<semantic_encoder, gr::block, gr::basic_block, std::shared_ptr<semantic_encoder>>(
        m, "semantic_encoder", "Pictures to slices of feature bytes.")
        .def(py::init(with_path(&semantic_encoder::make)), arg("model") = "", arg("eta") = 0.2f,
             arg("modulation") = "qpsk", arg("frame_bytes") = 16000, arg("threads") = 0, arg("precision") = "f32",
             arg("max_queue") = 4, arg("policy") = "drop_oldest", arg("scale") = 1)
        .def("set_eta", &semantic_encoder::set_eta, arg("eta"), "Features per bit of the entropy model, 0.001 .. 10.")
        .def("eta", &semantic_encoder::eta);
    py::class_<scrambler, gr::block, gr::basic_block, std::shared_ptr<scrambler>>(m, "scrambler",
                                                                                  "Joins keystream and feature bytes.")
        .def(py::init(with_key(&scrambler::make)), arg("key"), arg("encrypt") = true, arg("session") = 0,
             arg("cipher") = "auto")
        .def("set_encrypt", &scrambler::set_encrypt, arg("encrypt"),
             "False: bytes pass in clear, and the packet says so.")
        .def("encrypt", &scrambler::encrypt)
        .def("set_cipher", &scrambler::set_cipher, arg("cipher"),
             "auto, add (modulo 256) or xor, from the next slice on.")
        .def("cipher", &scrambler::cipher)
        .def("session", &scrambler::session);
    py::class_<packet_encoder, gr::block, gr::basic_block, std::shared_ptr<packet_encoder>>(m, "packet_encoder",
                                                                                            "Slices to frames.")
        .def(py::init(with_key(&packet_encoder::make)), arg("key"), arg("modulation") = "qpsk");
    py::class_<mapper, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<mapper>>(
        m, "mapper", "Frames to complex symbols, Es = 1.")
        .def(py::init(&mapper::make), arg("modulation") = "qpsk", arg("len_tag_key") = "packet_len");
    py::class_<channel, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<channel>>(
        m, "channel", "Seeded AWGN or flat Rayleigh channel.")
        .def(py::init(&channel::make), arg("kind") = "awgn", arg("snr_db") = 10.0f, arg("seed") = 0,
             arg("coherence") = 1024, arg("loss") = 0.0f, arg("len_tag_key") = "packet_len")
        .def("set_snr_db", &channel::set_snr_db, arg("snr_db"), "Es/N0, -50 .. 100 dB.")
        .def("snr_db", &channel::snr_db)
        .def("set_loss", &channel::set_loss, arg("loss"), "Probability that a frame is erased, 0 .. 1.")
        .def("loss", &channel::loss);
    py::class_<burst_shaper, gr::block, gr::basic_block, std::shared_ptr<burst_shaper>>(
        m, "burst_shaper", "Frames of symbols to bursts of samples.")
        .def(py::init(&burst_shaper::make), arg("samples_per_symbol") = 4, arg("rolloff") = 0.25f,
             arg("amplitude") = 1.0f, arg("idle") = 0, arg("len_tag_key") = "packet_len", arg("tail") = 0)
        .def("set_amplitude", &burst_shaper::set_amplitude, arg("amplitude"),
             "Root mean square of the samples of the next bursts.")
        .def("amplitude", &burst_shaper::amplitude);
    py::class_<burst_sync, gr::block, gr::basic_block, std::shared_ptr<burst_sync>>(
        m, "burst_sync", "Bursts of samples to frames of symbols.")
        .def(py::init([](const std::string &modulation, int samples_per_symbol, float rolloff,
                         const std::string &len_tag_key, const py::object &key) {
                 const bool none = key.is_none() || (py::isinstance<py::str>(key) && py::len(key) == 0);
                 return burst_sync::make(modulation, samples_per_symbol, rolloff, len_tag_key,
                                         none ? std::nullopt : std::optional(as_key(key)));
             }),
             arg("modulation") = "qpsk", arg("samples_per_symbol") = 4, arg("rolloff") = 0.25f,
             arg("len_tag_key") = "packet_len", arg("key") = "")
        .def("bursts", &burst_sync::bursts)
        .def("counters", &burst_sync::counters,
             "candidates, preambles, bursts, unreadable, unsupported, foreign, truncated, skipped, inverted so far.")
        .def("findings", &burst_sync::findings, "What keeps bursts from being received: kind -> one line.");
    py::class_<impairments, gr::block, gr::basic_block, std::shared_ptr<impairments>>(
        m, "impairments", "What radios and the air do to samples.")
        .def(py::init(&impairments::make), arg("noise_power") = 0.0f, arg("cfo") = 0.0f, arg("clock_ppm") = 0.0f,
             arg("delay") = 0.0, arg("gain_db") = 0.0f, arg("phase_noise") = 0.0f, arg("doppler") = 0.0f,
             arg("echo_delay") = 0, arg("echo_db") = 0.0f, arg("echo_phase") = 0.0f, arg("iq_gain_db") = 0.0f,
             arg("iq_phase") = 0.0f, arg("dc_re") = 0.0f, arg("dc_im") = 0.0f, arg("clip") = 0.0f, arg("bits") = 0,
             arg("seed") = 0);
    py::class_<level_meter, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<level_meter>>(
        m, "level_meter", "Mean power, peak and clipped samples of a stream.")
        .def(py::init(&level_meter::make), arg("full_scale") = 1.0f, arg("period") = 0)
        .def("read", &level_meter::read,
             "dict since the call before: level_db, peak_db, clipped (share of the samples), samples.");
    py::class_<soft_demapper, gr::sync_interpolator, gr::sync_block, gr::block, gr::basic_block,
               std::shared_ptr<soft_demapper>>(m, "soft_demapper", "Symbols to exact LLRs.")
        .def(py::init(&soft_demapper::make), arg("modulation") = "qpsk", arg("snr_db") = 10.0f,
             arg("len_tag_key") = "packet_len")
        .def("set_snr_db", &soft_demapper::set_snr_db, arg("snr_db"), "Es/N0 in dB; NaN = estimate per frame.")
        .def("snr_db", &soft_demapper::snr_db);
    py::class_<packet_decoder, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<packet_decoder>>(
        m, "packet_decoder", "Frames to soft slices.")
        .def(py::init(with_key_and_path(&packet_decoder::make)), arg("key"), arg("model") = "",
             arg("modulation") = "qpsk", arg("len_tag_key") = "packet_len")
        .def("accepted", &packet_decoder::accepted)
        .def("dropped", &packet_decoder::dropped)
        .def(
            "export_marks", [](const packet_decoder &d) { return py::bytes(d.export_marks()); },
            "-> bytes: the newest packet number of each session received, tied to the key, for import_marks() of a "
            "later run.")
        .def(
            "import_marks", [](packet_decoder &d, const py::bytes &marks) { d.import_marks(marks); }, arg("marks"),
            "From now on packets up to these marks count as replays. RuntimeError if they are damaged or of another "
            "key.")
        .def("counters", &packet_decoder::counters,
             "accepted, damaged, forged, replayed, foreign_model, unsupported, truncated so far.");
    py::class_<descrambler, gr::block, gr::basic_block, std::shared_ptr<descrambler>>(
        m, "descrambler", "Soft slices to feature estimates.")
        .def(py::init([](const py::object &key, const file_name &model, bool soft, const py::object &clear_key) {
                 const shared_key k = as_key(key);
                 return descrambler::make(k, model.text, soft, py::bool_(clear_key) ? as_key(clear_key) : k);
             }),
             arg("key"), arg("model") = "", arg("soft") = true, arg("clear_key") = "")
        .def("set_soft", &descrambler::set_soft, arg("soft"), "False: hard decisions, as the paper has them.")
        .def("soft", &descrambler::soft);
    py::class_<semantic_decoder, gr::block, gr::basic_block, std::shared_ptr<semantic_decoder>>(
        m, "semantic_decoder", "Feature estimates to pictures.")
        .def(py::init(with_path(&semantic_decoder::make)), arg("model") = "", arg("timeout") = 2.0f, arg("threads") = 0,
             arg("precision") = "f32", arg("max_queue") = 4096, arg("policy") = "drop_oldest", arg("progress") = 0.0f,
             arg("max_pixels") = 64e6, arg("max_pictures") = 8, arg("reorder") = 16)
        .def("set_progress", &semantic_decoder::set_progress, arg("progress"),
             "Least seconds between pictures so far; 0 = none.")
        .def("progress", &semantic_decoder::progress)
        .def("counters", &semantic_decoder::counters, "Messages dropped, by reason.");

    py::class_<sr_enhancer, gr::block, gr::basic_block, std::shared_ptr<sr_enhancer>>(
        m, "sr_enhancer", "Super-resolution of received pictures.")
        .def(py::init(with_path(&sr_enhancer::make)), arg("model") = "", arg("scale") = 1, arg("bypass") = false,
             arg("threads") = 0, arg("precision") = "f32", arg("max_queue") = 4, arg("policy") = "drop_oldest")
        .def("set_bypass", &sr_enhancer::set_bypass, arg("bypass"),
             "True: pictures pass as they are (scale 2: doubled by cubic interpolation).")
        .def("bypass", &sr_enhancer::bypass);

    py::class_<fault_watch>(m, "fault_watch", "The faults of all blocks since it was made.")
        .def(py::init<>())
        .def("faults", &fault_watch::faults,
             "[(block, what happened)]; of GNU Radio's own blocks with \"\" for the block.");
    m.def("record_fault", &record_fault, arg("block"), arg("what"),
          "Tells every fault_watch; logs an error if there is none.");
    m.def(
        "end_block", [](const gr::basic_block_sptr &block) { end_block(*block); }, arg("block"),
        "It ends once it has handled the messages that wait.");
    m.def(
        "busy_s",
        [](const gr::basic_block_sptr &block) {
            const auto *a = dynamic_cast<const activity *>(block.get());
            return a ? a->busy_s() : 0.0;
        },
        arg("block"), "Seconds that the message or samples in hand have taken so far, 0 = idle.");
    m.def("feeds_back", &feeds_back, arg("source"), arg("port"),
          "Whether a block behind the source sends messages to its port.");
    m.def("follow", &follow, arg("source"), arg("port"),
          "Connects `info` of the encoders and mappers behind the source to its port; in start() only.");
    m.def("waiting_behind", &waiting_behind, arg("source"), arg("port"),
          "Messages that wait in the queues of the blocks connected to the port.");
    m.def("busy_behind", &busy_behind, arg("source"),
          "Whether a block reached over messages has worked on one for over a second.");
    m.def("items_behind", &items_behind, arg("source"),
          "Items that the blocks reached over messages have put into streams.");

    m.def("psnr", &compare<srec_psnr>, arg("a"), arg("b"),
          "Peak signal-to-noise ratio in dB of two uint8 pictures; 100 if equal.");
    m.def("ms_ssim", &compare<srec_ms_ssim>, arg("a"), arg("b"),
          "Multi-scale structural similarity of two uint8 pictures, 0 .. 1.");
    m.def("key_generate", &key_generate, arg("path"),
          "Write a new key file, mode 0600; an existing file is left alone.");
    m.def("model_info", &model_info, arg("path") = "", "What a model file says of itself.");
    m.def(
        "default_model", [] { return as_text(default_model()); }, "Path of the model that \"\" stands for.");
    m.def(
        "model_folders",
        [] {
            py::list folders;
            for (const std::string &folder : model_folders())
                folders.append(as_text(folder));
            return folders;
        },
        "Folders where models of gr-srec may lie, in the order in which they are searched.");
    m.def("enhancer_info", &enhancer_info, arg("path"), "What an enhancer's model file says of itself.");
    m.def(
        "default_enhancer", [](int scale) { return as_text(default_enhancer(scale)); }, arg("scale") = 1,
        "Path of the enhancer that \"\" stands for; there may be none.");
    m.def("image_double", &image_double, arg("picture"),
          "uint8 picture to one of twice the size, by cubic interpolation.");
    m.def("image_halve", &image_halve, arg("picture"), "uint8 picture to what scale 2 sends of it.");
    m.def(
        "u8vector", [](const pixels &a) { return pmt::init_u8vector(a.size(), a.data()); }, arg("array"),
        "uint8 array to PMT, without the detour over a list.");
    m.def(
        "u8array",
        [](const pmt::pmt_t &v) {
            size_t n;
            const uint8_t *p = pmt::u8vector_elements(v, n);
            return pixels(n, p);
        },
        arg("vector"), "PMT to uint8 array.");
    m.def("pmt_text", &pmt_text, arg("item"),
          "A symbol's text, or how PMT prints the item; what is not UTF-8 becomes \\xNN.");
    m.def("version", &srec_version);
    m.def(
        "bits_per_symbol", [](const std::string &name) { return srec_modem_bits_per_symbol(modulation_from(name)); },
        arg("modulation"));
    m.def("supports_bf16", [] { return srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16); });
}
