/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Python bindings of the C++ blocks, and of the functions of the core that programs need. */
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
#include <gnuradio/srec/layer_decoder.h>
#include <gnuradio/srec/layer_encoder.h>
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
#include <srec/layer_plan.h>

namespace py = pybind11;
using namespace gr::srec;

/* A file name from Python: text as os.fsdecode() returns it, bytes, or os.PathLike. It need not be UTF-8. */
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

/* A modulation that carries layers. */
static srec_modulation modulation_of(const std::string &name)
{
    srec_modulation m;
    if (srec_modulation_parse(name.c_str(), &m) != SREC_OK || m == SREC_PAM256)
        throw py::value_error("layers need bpsk, qpsk, 16qam, 64qam or 256qam");
    return m;
}

static py::str as_text(const std::string &name)
{
    return py::reinterpret_steal<py::str>(PyUnicode_DecodeFSDefaultAndSize(name.data(), name.size()));
}

/* A key, or its text. While this waits for a pipe, other Python threads run and signals interrupt it. */
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

/* make() of a block with keys and file names from Python. */
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

/* The text of a symbol, or the printed form of another item. Bytes that are not UTF-8 become \xNN. */
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

/* An image of the given size, with as many dimensions as \p a. */
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
                           R"(A master key that the blocks of the process share.

Users of the same key share one copy of it in locked memory. The last handle wipes it. A pipe is read
only once while a handle of it exists.

text: key file or pipe, or another srec.key; 64 hexadecimal digits or seed:N (for tests only)
warn: True: a warning about a weak key is logged once

Raises RuntimeError or ValueError with one line.)")
        .def(py::init([](const py::object &text, bool warn) {
                 return as_key(text, warn ? shared_key::warnings::log : shared_key::warnings::keep);
             }),
             arg("text"), arg("warn") = true)
        .def_property_readonly("warning", &shared_key::warning,
                               "The warning about a weak key, one line; empty if there is none.")
        .def(
            "__eq__", [](const shared_key &a, const shared_key &b) { return srec_key_equal(a.get(), b.get()) == 1; },
            py::is_operator())
        .def("__repr__", [](const shared_key &) { return "<srec.key>"; });

    py::class_<semantic_encoder, gr::block, gr::basic_block, std::shared_ptr<semantic_encoder>>(
        m, "semantic_encoder", R"(Encodes images into slices of feature bytes.

It runs the networks ga, ha, hs and fe. docs/blocks.md describes the metadata.

Message ports: `pdus` in (images), `out` out (slices), `info` out (one dict per image).

model: model file; "": the installed model
eta: rate parameter, features per bit of the entropy model, 0.001 .. 10
modulation: bpsk, qpsk, 16qam, 64qam, 256qam or pam256; it determines the feature format and the
    slice size
frame_bytes: maximum length of a frame, bytes, 2000 .. 30000; from 64qam on the minimum can be
    higher, and the exception names it
threads: threads of the networks; 0: all cores
precision: f32 or bf16
max_queue: maximum number of waiting images, at least 1; the end mark does not count
policy: what happens to more waiting images: drop_oldest or drop_newest
scale: 2: sends the image at half size, and the receiver's enhancer doubles it; 1: sends it at full
    size

Raises RuntimeError if the model cannot be loaded, ValueError if a parameter is out of range.)")
        .def(py::init(with_path(&semantic_encoder::make)), arg("model") = "", arg("eta") = 0.2f,
             arg("modulation") = "qpsk", arg("frame_bytes") = 16000, arg("threads") = 0, arg("precision") = "f32",
             arg("max_queue") = 4, arg("policy") = "drop_oldest", arg("scale") = 1)
        .def("set_eta", &semantic_encoder::set_eta, arg("eta"),
             "Set the rate parameter, from the next image on. eta: features per bit of the entropy model, 0.001 .. 10. "
             "Raises ValueError if eta is out of range.")
        .def("eta", &semantic_encoder::eta, "Returns the rate parameter.");
    py::class_<scrambler, gr::block, gr::basic_block, std::shared_ptr<scrambler>>(
        m, "scrambler",
        R"(Encrypts the feature bytes of slices, and puts them in a secret order.

It numbers the packets, and combines each slice with the keystream of its session and packet number.
docs/security.md describes what this protects. Pieces of coded layers it only numbers.

Message ports: `in` in (slices), `out` out (slices with session, packet and cipher), `info` out.

key: srec.key, or its text: key file or pipe; 64 hexadecimal digits or seed:N (for tests only)
encrypt: False: the bytes keep their values, but still travel in the secret order. The packet
    indicates that it is in clear
session: session id; 0: random. On the air it must be random
cipher: add: addition modulo 256, the paper's cipher; xor: equally secret, costs soft decoding
    nothing, not for pam256; auto: add for pam256, else xor

Raises RuntimeError if the key cannot be read, ValueError for an unknown cipher.)")
        .def(py::init(with_key(&scrambler::make)), arg("key"), arg("encrypt") = true, arg("session") = 0,
             arg("cipher") = "auto")
        .def("set_encrypt", &scrambler::set_encrypt, arg("encrypt"),
             "Set whether slices are encrypted, from the next slice on. encrypt: False: the bytes keep their values, "
             "and the packet indicates it.")
        .def("encrypt", &scrambler::encrypt, "Returns whether slices are encrypted.")
        .def("set_cipher", &scrambler::set_cipher, arg("cipher"),
             "Set the cipher, from the next slice on. cipher: auto, add or xor. Raises ValueError for other names.")
        .def("cipher", &scrambler::cipher, "Returns auto, add or xor.")
        .def("session", &scrambler::session, "Returns the session id.");
    py::class_<packet_encoder, gr::block, gr::basic_block, std::shared_ptr<packet_encoder>>(
        m, "packet_encoder",
        R"(Encodes slices into frames.

A frame consists of the coded signal field, the authenticated and coded header, and the payload with
its bits in importance order (docs/packet-format.md).

Message ports: `in` in (scrambled slices), `out` out (frames), `info` out.

key: srec.key, or its text: key file or pipe; 64 hexadecimal digits or seed:N (for tests only)
modulation: bpsk, qpsk, 16qam, 64qam, 256qam or pam256

Raises RuntimeError if the key cannot be read, ValueError for an unknown modulation.)")
        .def(py::init(with_key(&packet_encoder::make)), arg("key"), arg("modulation") = "qpsk");
    py::class_<mapper, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<mapper>>(
        m, "mapper", R"(Maps frames to complex symbols, Es = 1.

The first symbol of each frame carries the tag len_tag_key with the number of symbols. The block
ends the flowgraph after the end mark.

Message ports: `pdus` in (frames), `info` out (event = picture when the last symbol of an image has
left). Stream out: complex symbols.

modulation: bpsk, qpsk, 16qam, 64qam, 256qam or pam256; the same as in packet_encoder
len_tag_key: key of the length tag

Raises ValueError for an unknown modulation.)")
        .def(py::init(&mapper::make), arg("modulation") = "qpsk", arg("len_tag_key") = "packet_len");
    py::class_<channel, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<channel>>(
        m, "channel", R"(A seeded AWGN or Rayleigh channel for symbols: y = gain x + n.

The SNR refers to symbols of unit power. Equal seeds give equal gains, noise and losses, however the
scheduler divides the stream.

Stream in: complex symbols. Streams out: complex symbols, and optionally the complex gain. Tags pass
with the symbols, not with the gain.

kind: awgn or rayleigh (flat block fading)
snr_db: Es/N0 in dB, -50 .. 100
seed: seed of noise, fading and losses
coherence: symbols with the same gain (rayleigh), at least 1
loss: probability that a frame is erased, 0 .. 1. Noise alone replaces its symbols
len_tag_key: key of the tag at the first symbol of each frame

Raises ValueError if a parameter is out of range.)")
        .def(py::init(&channel::make), arg("kind") = "awgn", arg("snr_db") = 10.0f, arg("seed") = 0,
             arg("coherence") = 1024, arg("loss") = 0.0f, arg("len_tag_key") = "packet_len")
        .def("set_snr_db", &channel::set_snr_db, arg("snr_db"),
             "Set the SNR. snr_db: Es/N0 in dB, -50 .. 100. Raises ValueError if snr_db is out of range.")
        .def("snr_db", &channel::snr_db, "Returns Es/N0 in dB.")
        .def("set_loss", &channel::set_loss, arg("loss"),
             "Set the loss, from the next frame on. loss: probability that a frame is erased, 0 .. 1. Raises "
             "ValueError if loss is out of range.")
        .def("loss", &channel::loss, "Returns the probability that a frame is erased.");
    py::class_<burst_shaper, gr::block, gr::basic_block, std::shared_ptr<burst_shaper>>(
        m, "burst_shaper", R"(Shapes frames of symbols into bursts of samples.

A burst has a preamble, pilots and root raised cosine pulses (docs/waveform.md).

Stream in: complex symbols, Es = 1, with a length tag at the first symbol of each frame. Symbols
outside frames are dropped. Stream out: complex samples. The first sample of each burst carries the
tags len_tag_key (number of samples) and tx_sob, the last sample the tag tx_eob.

samples_per_symbol: 2 .. 16
rolloff: roll-off of the pulses, 0.1 .. 1
amplitude: root mean square of the samples within a burst, above 0
idle: samples of silence, 0 .. 1000000, sent whenever no frame waits, for radios that need a
    continuous stream; 0: sends nothing then
len_tag_key: key of the length tags
tail: samples of silence after the end mark, 0 .. 100000000. A radio that is switched off sends the
    rest of the last burst first

Raises ValueError if a parameter is out of range.)")
        .def(py::init(&burst_shaper::make), arg("samples_per_symbol") = 4, arg("rolloff") = 0.25f,
             arg("amplitude") = 1.0f, arg("idle") = 0, arg("len_tag_key") = "packet_len", arg("tail") = 0)
        .def("set_amplitude", &burst_shaper::set_amplitude, arg("amplitude"),
             "Set the amplitude, from the next burst on. amplitude: root mean square of the samples within a burst, "
             "above 0, at most 1e6. Raises ValueError if amplitude is out of range.")
        .def("amplitude", &burst_shaper::amplitude, "Returns the root mean square of the samples within a burst.");
    py::class_<burst_sync, gr::block, gr::basic_block, std::shared_ptr<burst_sync>>(
        m, "burst_sync", R"(Finds bursts in samples, and returns their symbols.

It estimates delay, carrier, clock, phase and level (docs/waveform.md).

Stream in: complex samples. Streams out: complex frame symbols of unit power, and optionally the
gain of each symbol. Tags at the first symbol of each frame: len_tag_key (number of symbols), `n0`
(noise power per symbol, which soft_demapper uses if its snr_db is NaN) and `burst` (a dict with
snr_db, cfo in cycles per symbol, drift in cycles per symbol^2, clock_ppm, level_db, sample, and
inverted = True for an inverted spectrum). packet_decoder copies this dict to the metadata of the
slice. The gain carries no tags.

Message port `info` out: dicts with the counters. There is one per burst (event = burst, with its
figures and n_symbols), one when bursts were rejected (event = rejected), and one for each kind of
finding (event = finding, kind, text). The block also logs the findings.

modulation: modulation of the frames
samples_per_symbol: the same as in the sender, 2 .. 16
rolloff: the same as in the sender, 0.1 .. 1
len_tag_key: key of the length tag
key: key of packet_decoder, or none. With a key the block drops bursts whose header it does not
    authenticate (counter foreign), and forged or recorded bursts hide no other bursts. Without a
    key it accepts bursts of any key

Raises ValueError if a parameter is out of range.)")
        .def(py::init([](const std::string &modulation, int samples_per_symbol, float rolloff,
                         const std::string &len_tag_key, const py::object &key) {
                 const bool none = key.is_none() || (py::isinstance<py::str>(key) && py::len(key) == 0);
                 return burst_sync::make(modulation, samples_per_symbol, rolloff, len_tag_key,
                                         none ? std::nullopt : std::optional(as_key(key)));
             }),
             arg("modulation") = "qpsk", arg("samples_per_symbol") = 4, arg("rolloff") = 0.25f,
             arg("len_tag_key") = "packet_len", arg("key") = "")
        .def("bursts", &burst_sync::bursts, "Returns bursts received so far.")
        .def("counters", &burst_sync::counters,
             "Returns the counters so far: candidates, preambles, bursts, unreadable, unsupported, foreign, truncated, "
             "skipped and inverted.")
        .def("findings", &burst_sync::findings,
             "Returns the reasons why bursts are not received, as far as the input shows them: kind -> one line.");
    py::class_<impairments, gr::block, gr::basic_block, std::shared_ptr<impairments>>(
        m, "impairments", R"(Applies the impairments of radios and channels to samples.

The order is: echo, fading, clock offset, carrier offset and phase noise, gain, noise, IQ imbalance,
DC, clipping, quantisation. Random effects are seeded.

Streams in and out: complex samples. Only the end mark passes, because the samples move. After the
sample of the end mark the block sends 64 samples of silence through, so that no sample remains
inside.

noise_power: noise power of a complex sample after the gain, 0 or 1e-10 .. 1e5. For bursts of unit
    power it is samples per symbol * 10^(-0.1 SNR) * 10^(0.1 gain_db)
cfo: carrier offset, cycles per sample, -0.5 .. 0.5
clock_ppm: clock offset, ppm, -1000 .. 1000: the receiver takes more samples per second by this
    share
delay: samples of silence before the signal, 0 .. 1e9; fractions are allowed
gain_db: gain, dB, -200 .. 200
phase_noise: variance of the steps of the phase's random walk, rad^2 per sample, 0 or 1e-10 .. 10
doppler: Rayleigh fading: maximum Doppler shift, cycles per sample, 0 .. 0.001; 0: no fading
echo_delay: delay of a second ray, samples, 0 .. 4096; 0: no second ray
echo_db: level of the second ray relative to the first, dB, -60 .. 0
echo_phase: phase of the second ray, rad
iq_gain_db: gain of Q relative to I, dB, -60 .. 60
iq_phase: phase error, rad: Q receives sin(iq_phase) of I
dc_re: DC offset of I
dc_im: DC offset of Q
clip: limit of I and Q; 0: no limit
bits: resolution of the converter between -1 and 1, bits, 1 .. 16; 0: no rounding
seed: seed of noise, phase noise and fading

Raises ValueError if a parameter is out of range.)")
        .def(py::init(&impairments::make), arg("noise_power") = 0.0f, arg("cfo") = 0.0f, arg("clock_ppm") = 0.0f,
             arg("delay") = 0.0, arg("gain_db") = 0.0f, arg("phase_noise") = 0.0f, arg("doppler") = 0.0f,
             arg("echo_delay") = 0, arg("echo_db") = 0.0f, arg("echo_phase") = 0.0f, arg("iq_gain_db") = 0.0f,
             arg("iq_phase") = 0.0f, arg("dc_re") = 0.0f, arg("dc_im") = 0.0f, arg("clip") = 0.0f, arg("bits") = 0,
             arg("seed") = 0);
    py::class_<level_meter, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<level_meter>>(
        m, "level_meter", R"(Measures mean power, peak and the share of clipped samples of a stream.

Stream in: complex samples. Message port `info` out: one dict per period, with event = level,
level_db and peak_db relative to full scale, clipped (share of the samples), and samples.

full_scale: magnitude of I or Q that corresponds to 0 dB, above 0. A sample counts as clipped if I
    or Q reaches 0.999 of it
period: samples between two messages; 0: no messages

Raises ValueError if a parameter is out of range.)")
        .def(py::init(&level_meter::make), arg("full_scale") = 1.0f, arg("period") = 0)
        .def("read", &level_meter::read,
             "Read the figures since the previous call. Returns level_db and peak_db relative to full scale (-inf for "
             "silence), clipped (share of the samples), samples.");
    py::class_<soft_demapper, gr::sync_interpolator, gr::sync_block, gr::block, gr::basic_block,
               std::shared_ptr<soft_demapper>>(
        m, "soft_demapper", R"(Computes soft values from symbols: exact LLRs, or amplitude and noise variance (pam256).

LLRs are positive for bit 0. The soft decoders of GNU Radio use the opposite sign.

Streams in: complex symbols, and optionally the complex gain of the channel. Stream out: floats.
Tags of the symbols pass to the first soft value of their symbol. Tags of the gain do not pass.

modulation: bpsk, qpsk, 16qam, 64qam, 256qam or pam256
snr_db: Es/N0 in dB, -50 .. 100. NaN: from the tag `n0`, or else estimated from the first 1024
    symbols of each frame (from all if the frame is shorter) while they arrive. Until 16 symbols
    have arrived, the estimate of the previous frame holds, at first 10 dB. The estimate takes the
    gain into account
len_tag_key: key of the tag at the first symbol of each frame

Raises ValueError if a parameter is out of range.)")
        .def(py::init(&soft_demapper::make), arg("modulation") = "qpsk", arg("snr_db") = 10.0f,
             arg("len_tag_key") = "packet_len")
        .def("set_snr_db", &soft_demapper::set_snr_db, arg("snr_db"),
             "Set the SNR. snr_db: Es/N0 in dB, -50 .. 100; NaN: estimate it in each frame. Raises ValueError if "
             "snr_db is out of range.")
        .def("snr_db", &soft_demapper::snr_db, "Returns Es/N0 in dB, or NaN.");
    py::class_<packet_decoder, gr::sync_block, gr::block, gr::basic_block, std::shared_ptr<packet_decoder>>(
        m, "packet_decoder",
        R"(Finds frames by their tags, authenticates their headers, and returns the soft values of their
payloads (features) or their corrected, authentic payloads (coded layers).

It drops and counts damaged, forged, repeated and foreign frames (docs/packet-format.md).

Stream in: soft values as floats, with a tag at the first soft value of each frame. Message ports:
`out` out (soft slices, pieces), `info` out (the counters, for each dropped frame and at the end).

key: srec.key, or its text: key file or pipe; 64 hexadecimal digits or seed:N (for tests only)
model: model file; "": the installed model; "none": no model, for links of layers only
modulation: bpsk, qpsk, 16qam, 64qam, 256qam or pam256
len_tag_key: key of the tag at the first soft value of each frame

Raises RuntimeError if the key or the model cannot be read, ValueError for an unknown modulation.)")
        .def(py::init(with_key_and_path(&packet_decoder::make)), arg("key"), arg("model") = "",
             arg("modulation") = "qpsk", arg("len_tag_key") = "packet_len")
        .def("accepted", &packet_decoder::accepted, "Returns frames accepted so far.")
        .def("dropped", &packet_decoder::dropped, "Returns frames dropped so far.")
        .def(
            "export_marks", [](const packet_decoder &d) { return py::bytes(d.export_marks()); },
            "Export the newest packet number of each known session, for import_marks() in a later run. Returns bytes "
            "that "
            "are bound to the key by a tag.")
        .def(
            "import_marks", [](packet_decoder &d, const py::bytes &marks) { d.import_marks(marks); }, arg("marks"),
            "Import marks. From now on packets up to these marks count as replays. marks: bytes from export_marks(). "
            "Raises "
            "RuntimeError if they are damaged or of another key.")
        .def("counters", &packet_decoder::counters,
             "Returns the counters so far: accepted, damaged, forged, replayed, foreign_model, unsupported, "
             "uncorrected, bad_tag, duplicate and truncated (the next frame began too early).");
    py::class_<descrambler, gr::block, gr::basic_block, std::shared_ptr<descrambler>>(
        m, "descrambler", R"(Decrypts soft slices, and estimates their features.

Soft decoding combines the soft values with the priors of the model, and returns the posterior mean
and standard deviation of each feature. Hard decoding decides each bit first. Pieces of coded layers
pass, unless they are encrypted and key is not clear_key.

Message ports: `in` in (soft slices), `out` out (estimates), `info` out.

key: srec.key, or its text: key file or pipe; 64 hexadecimal digits or seed:N (for tests only)
model: model file; "": the installed model; "none": no model, for links of layers only
soft: True: soft decoding; False: hard decisions, as in the paper
clear_key: key for the secret order of packets in clear, by default key. It differs from key only in
    demonstrations of an eavesdropper, who lacks the key of encrypted packets

Raises RuntimeError if a key or the model cannot be read.)")
        .def(py::init([](const py::object &key, const file_name &model, bool soft, const py::object &clear_key) {
                 const shared_key k = as_key(key);
                 return descrambler::make(k, model.text, soft, py::bool_(clear_key) ? as_key(clear_key) : k);
             }),
             arg("key"), arg("model") = "", arg("soft") = true, arg("clear_key") = "")
        .def("set_soft", &descrambler::set_soft, arg("soft"),
             "Set the kind of decoding, from the next slice on. soft: True: soft decoding; False: hard decisions, as "
             "in the paper.")
        .def("soft", &descrambler::soft, "Returns whether decoding is soft.");
    py::class_<semantic_decoder, gr::block, gr::basic_block, std::shared_ptr<semantic_decoder>>(
        m, "semantic_decoder", R"(Decodes feature estimates into images. Lost slices are concealed and counted.

Several images are open at once, so that stations with the same key can take turns. An image is
delivered for the first of these reasons: all its slices arrived; a later image of its session is
complete; two later images began; `reorder` slices of later images arrived since its last slice; no
slice arrived for `timeout` seconds; another image needs the place; the end mark arrived
(srec/collector.h). Slices of delivered images are dropped and counted (`late`). So are slices of
images that are too large (`too_large`).

If `progress` is above 0, the port `progress` carries partial images (metadata `partial` = True), in
which slices that have not arrived count as lost. There is at most one in `progress` seconds plus
its decoding time, and only when no slice waits. The port `pdus` carries only delivered images.

Message ports: `in` in (estimates), `pdus` out (images), `progress` out (partial images), `info`
out.

model: model file; "": the installed model
timeout: seconds without a slice until an image is delivered, above 0
threads: threads of the networks; 0: all cores
precision: f32 or bf16
max_queue: maximum number of waiting slices, at least 1; the end mark does not count
policy: what happens to more waiting slices: drop_oldest or drop_newest
progress: minimum seconds between partial images; 0: none
max_pixels: maximum pixels of an image; 0: no limit
max_pictures: images open at once, 1 .. 1024
reorder: slices of later images until an incomplete image is delivered, at least 1

Raises RuntimeError if the model cannot be loaded, ValueError if a parameter is out of range.)")
        .def(py::init(with_path(&semantic_decoder::make)), arg("model") = "", arg("timeout") = 2.0f, arg("threads") = 0,
             arg("precision") = "f32", arg("max_queue") = 4096, arg("policy") = "drop_oldest", arg("progress") = 0.0f,
             arg("max_pixels") = 64e6, arg("max_pictures") = 8, arg("reorder") = 16)
        .def("set_progress", &semantic_decoder::set_progress, arg("progress"),
             "Set the interval of partial images. progress: minimum seconds between partial images; 0: none. Raises "
             "ValueError if progress is negative or not finite.")
        .def("progress", &semantic_decoder::progress, "Returns the minimum seconds between partial images.")
        .def("counters", &semantic_decoder::counters,
             "Returns the dropped messages by reason: `late`; `dropped` for all others, which include `too_large`.");

    py::class_<layer_encoder, gr::block, gr::basic_block, std::shared_ptr<layer_encoder>>(
        m, "layer_encoder", R"(Encodes images into the pieces of coded layers.

Each layer refines the ones before it, and is meant for receivers from one SNR up. The block shares
the budget of symbols among the layers, chooses the code rate of each, and divides each layer into
pieces, one per packet.

Message ports: `pdus` in (images), `out` out (pieces), `info` out (one dict per image).

modulation: bpsk, qpsk, 16qam, 64qam or 256qam
layers: Es/N0 in dB from which each layer must arrive, 1 .. 8 values, ascending
cbr: complex symbols / (3 * width * height), headers counted, above 0
shares: share of the symbols of each layer, in any unit, above 0; empty: equal shares
margin_db: margin between the threshold of a code and the SNR, dB, -10 .. 30
parity: number of parity pieces of each layer; -1: 1 for every 12 pieces
bursts: whether preambles and pilots count too
rate_max: highest code rate, up to 8/9; 0: 8/9. On fading channels 2/3
frame_symbols: payload symbols of a packet in the mean; 0: 16000, or a sixteenth of the layer if that
    is more
threads: threads of the source coder; 0: all cores
max_queue: maximum number of waiting images, at least 1; the end mark does not count
policy: what happens to more waiting images: drop_oldest or drop_newest
scale: 2: sends the image at half size; 1: sends it at full size

Raises ValueError if a parameter is out of range, and for pam256.)")
        .def(py::init(&layer_encoder::make), arg("modulation") = "qpsk", arg("layers") = std::vector<float>{ 6.0f },
             arg("cbr") = 0.2, arg("shares") = std::vector<float>{}, arg("margin_db") = 0.5f, arg("parity") = -1,
             arg("bursts") = true, arg("rate_max") = 0.0, arg("frame_symbols") = 0, arg("threads") = 0,
             arg("max_queue") = 4, arg("policy") = "drop_oldest", arg("scale") = 1)
        .def("set_cbr", &layer_encoder::set_cbr, arg("cbr"),
             "Set the budget, from the next image on. cbr: complex symbols / (3 * width * height), headers counted. "
             "Raises ValueError if cbr is out of range.")
        .def("cbr", &layer_encoder::cbr, "Returns the budget.");
    py::class_<layer_decoder, gr::block, gr::basic_block, std::shared_ptr<layer_decoder>>(
        m, "layer_decoder", R"(Decodes the pieces of coded layers into images.

Parity pieces restore lost pieces; what is still missing costs detail. An image is complete when the
last piece has arrived and all data pieces are there or restored. An incomplete image is delivered
for the same reasons as by semantic_decoder (srec/collector.h). Messages of features pass unchanged,
so this block may precede semantic_decoder.

If `progress` is above 0, the port `progress` carries partial images (metadata `partial` = True),
which sharpen as layers arrive: at most one in `progress` seconds plus its decoding time, and only
when no piece waits.

Message ports: `in` in (pieces), `pdus` out (images), `progress` out (partial images), `info` out.

timeout: seconds without a piece until an image is delivered, above 0
threads: threads of the source coder; 0: all cores
max_queue: maximum number of waiting pieces, at least 1; the end mark does not count
policy: what happens to more waiting pieces: drop_oldest or drop_newest
progress: minimum seconds between partial images; 0: none
max_pixels: maximum pixels of an image; 0: no limit
max_pictures: images open at once, 1 .. 1024
reorder: pieces of later images until an incomplete image is delivered, at least 1

Raises ValueError if a parameter is out of range.)")
        .def(py::init(&layer_decoder::make), arg("timeout") = 2.0f, arg("threads") = 0, arg("max_queue") = 4096,
             arg("policy") = "drop_oldest", arg("progress") = 0.0f, arg("max_pixels") = 64e6, arg("max_pictures") = 8,
             arg("reorder") = 16)
        .def("set_progress", &layer_decoder::set_progress, arg("progress"),
             "Set the interval of partial images. progress: minimum seconds between partial images; 0: none. Raises "
             "ValueError if progress is negative or not finite.")
        .def("progress", &layer_decoder::progress, "Returns the minimum seconds between partial images.")
        .def("counters", &layer_decoder::counters,
             "Returns the dropped messages by reason: `late`; `dropped` for all others, which include `too_large`.");

    py::class_<sr_enhancer, gr::block, gr::basic_block, std::shared_ptr<sr_enhancer>>(
        m, "sr_enhancer",
        R"(Enhances received images by super-resolution, at the same size (scale 1) or at twice the size (scale
2).

The block reads the reliability of each patch from the metadata of the image (`deviation`, or else
`mean_deviation`), which semantic_decoder writes. Images of coded layers pass without enhancement.

Message ports: `in` in (images), `pdus` out (images), `info` out (one dict per image: enhance_s,
enhanced, ...).

model: model file; "": $SREC_ENHANCER, or else the installed model of the scale; none: no network,
    images pass as with bypass
scale: scale of the model, 1 or 2. 0: the scale at which each image was sent (`sent_scale` in its
    metadata). With 0 and model "" the block loads both installed models. An image for whose scale
    there is no model passes without enhancement
bypass: True: images pass without enhancement (scale 2: doubled by cubic interpolation). Set at run
    time, it also interrupts the current image, which then passes with `enhance_skipped`
threads: threads of the network; 0: all cores
precision: f32 or bf16
max_queue: maximum number of waiting images, at least 1; the end mark does not count
policy: what happens to more waiting images: drop_oldest, drop_newest, or pass_oldest (the oldest
    waiting image passes without enhancement)

Raises RuntimeError if the model cannot be loaded, ValueError if a parameter is out of range, or for
a model of another scale.)")
        .def(py::init(with_path(&sr_enhancer::make)), arg("model") = "", arg("scale") = 1, arg("bypass") = false,
             arg("threads") = 0, arg("precision") = "f32", arg("max_queue") = 4, arg("policy") = "drop_oldest")
        .def("set_bypass", &sr_enhancer::set_bypass, arg("bypass"),
             "Set the bypass. bypass: True: images pass without enhancement (scale 2: doubled by cubic interpolation).")
        .def("bypass", &sr_enhancer::bypass, "Returns whether images pass without enhancement.");

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

    m.def("psnr", &compare<srec_psnr>, arg("a"), arg("b"),
          "Returns the peak signal-to-noise ratio of two uint8 images, in dB; 100 if they are equal. Raises ValueError "
          "if the sizes differ.");
    m.def("ms_ssim", &compare<srec_ms_ssim>, arg("a"), arg("b"),
          "Returns the multi-scale structural similarity of two uint8 images, 0 .. 1. Raises ValueError if the sizes "
          "differ, or if a side is under 11 pixels.");
    m.def("key_generate", &key_generate, arg("path"),
          "Write a random key to a new file, mode 0600. Raises RuntimeError if the file exists or cannot be written.");
    m.def("model_info", &model_info, arg("path") = "",
          "Returns a dict that describes a codec: id, metadata, ladder, macs_per_pixel, parameters.");
    m.def(
        "default_model", [] { return as_text(default_model()); }, "Returns the path of the model that \"\" selects.");
    m.def(
        "model_folders",
        [] {
            py::list folders;
            for (const std::string &folder : model_folders())
                folders.append(as_text(folder));
            return folders;
        },
        "Returns the folders in which gr-srec searches models, in this order.");
    m.def("enhancer_info", &enhancer_info, arg("path"),
          "Returns a dict that describes an enhancer: id, metadata, scale, macs_per_pixel, parameters.");
    m.def(
        "default_enhancer", [](int scale) { return as_text(default_enhancer(scale)); }, arg("scale") = 1,
        "Returns the path of the enhancer that \"\" selects for this scale; the file may be missing.");
    m.def("image_double", &image_double, arg("picture"),
          "Returns a uint8 image of twice the size, by cubic interpolation.");
    m.def("image_halve", &image_halve, arg("picture"),
          "Returns a uint8 image of half the size, as a sender transmits it at scale 2.");
    m.def(
        "layer_least_snr_db",
        [](const std::string &modulation) { return srec_layer_least_snr_db(modulation_of(modulation)); },
        arg("modulation"),
        "Returns the least Es/N0 in dB of a layer, below which headers are lost. Raises ValueError for pam256.");
    m.def(
        "layer_threshold_db",
        [](const std::string &modulation, double code_rate) {
            return srec_layer_threshold_db(modulation_of(modulation), code_rate);
        },
        arg("modulation"), arg("code_rate"),
        "Returns the Es/N0 in dB at which 1 of 1000 packets of layers is lost. code_rate: above 0, at most 8/9. Raises "
        "ValueError for pam256.");
    m.def(
        "layer_code_rate",
        [](const std::string &modulation, float snr_db) {
            return srec_layer_code_rate(modulation_of(modulation), snr_db);
        },
        arg("modulation"), arg("snr_db"),
        "Returns the highest code rate of layers whose threshold is at most an Es/N0 in dB. Raises ValueError for "
        "pam256.");
    m.def(
        "u8vector", [](const pixels &a) { return pmt::init_u8vector(a.size(), a.data()); }, arg("array"),
        "Returns a PMT u8vector with the bytes of a uint8 array.");
    m.def(
        "u8array",
        [](const pmt::pmt_t &v) {
            size_t n;
            const uint8_t *p = pmt::u8vector_elements(v, n);
            return pixels(n, p);
        },
        arg("vector"), "Returns a uint8 array with the bytes of a PMT u8vector.");
    m.def("pmt_text", &pmt_text, arg("item"),
          "Returns the text of a PMT symbol, or the printed form of another item. Bytes that are not UTF-8 become "
          "\\xNN.");
    m.def("version", &srec_version, "Returns the version of libsrec.");
    m.def(
        "bits_per_symbol", [](const std::string &name) { return srec_modem_bits_per_symbol(modulation_from(name)); },
        arg("modulation"), "Returns the bits per symbol of a modulation.");
    m.def(
        "supports_bf16", [] { return srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16); },
        "Returns whether this CPU can run networks in bfloat16.");
}
