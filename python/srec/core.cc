/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Python binding of the core alone, without a flowgraph: a whole transmission in four calls, for sweeps. Each call
 *  does the work of a row of blocks, over the same packets, so equal seeds give the flowgraph's result. Arrays are
 *  NumPy's: images uint8 (height, width[, 3]), symbols complex64. The calls release Python's lock; one thread at a
 *  time per object. */
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <complex>
#include <memory>
#include <mutex>
#include <srec/srec.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace py = pybind11;
using py::arg;
using pixels = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>;
using symbols = py::array_t<std::complex<float>, py::array::c_style | py::array::forcecast>;
using floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

template <typename T, void (*Free)(T *)>
struct deleter {
    void operator()(T *p) const { Free(p); }
};
template <typename T, void (*Free)(T *)>
using handle = std::unique_ptr<T, deleter<T, Free>>;

static void require(srec_status status, const srec_error &error)
{
    if (status == SREC_ERR_ARG)
        throw std::invalid_argument(error.message);
    if (status != SREC_OK)
        throw std::runtime_error(error.message);
}

static void require(srec_status status, const char *what)
{
    if (status != SREC_OK)
        throw std::invalid_argument(std::string(what) + ": " + srec_strerror(status));
}

static srec_modulation modulation_from(const std::string &name)
{
    srec_modulation m;
    if (srec_modulation_parse(name.c_str(), &m) != SREC_OK)
        throw std::invalid_argument("unknown modulation '" + name + "': bpsk, qpsk, 16qam, 64qam, 256qam or pam256");
    return m;
}

static srec_feature_format format_of(srec_modulation m)
{
    return m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
}

static srec_image as_image(const pixels &a)
{
    if (a.ndim() < 2 || a.ndim() > 3 || (a.ndim() == 3 && a.shape(2) != 1 && a.shape(2) != 3))
        throw std::invalid_argument("a picture is (height, width) or (height, width, 3), uint8");
    const uint8_t channels = a.ndim() == 3 ? (uint8_t)a.shape(2) : 1;
    return { (uint32_t)a.shape(1), (uint32_t)a.shape(0), channels, (size_t)a.shape(1) * channels,
             const_cast<uint8_t *>(a.data()) };
}

static pixels as_array(const std::vector<uint8_t> &data, size_t height, size_t width, unsigned channels)
{
    return channels == 1 ? pixels({ height, width }, data.data())
                         : pixels({ height, width, (size_t)channels }, data.data());
}

static const float *as_floats(const symbols &a) { return reinterpret_cast<const float *>(a.data()); }
static float *as_floats(std::vector<std::complex<float>> &a) { return reinterpret_cast<float *>(a.data()); }

static std::string as_id(uint64_t id)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
    return text;
}

/* Encoders, decoders or enhancers of a model, kept for the next call, because creating one takes as long as a small
 * image. Each uses one thread for its network, since a sweep has one process per core. */
template <typename Model, typename T, srec_status (*Create)(const Model *, const srec_compute *, T **, srec_error *),
          void (*Free)(T *)>
class kept
{
    std::mutex d_mutex;
    std::vector<handle<T, Free>> d_idle;

public:
    handle<T, Free> take(const Model *model)
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        if (!d_idle.empty()) {
            handle<T, Free> one = std::move(d_idle.back());
            d_idle.pop_back();
            return one;
        }
        srec_compute compute{};
        compute.threads = 1;
        T *raw = nullptr;
        srec_error error{};
        require(Create(model, &compute, &raw, &error), error);
        return handle<T, Free>(raw);
    }
    void give_back(handle<T, Free> one)
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        d_idle.push_back(std::move(one));
    }
};

struct model {
    handle<srec_model, srec_model_free> m;
    kept<srec_model, srec_encoder, srec_encoder_create, srec_encoder_free> encoders;
    kept<srec_model, srec_decoder, srec_decoder_create, srec_decoder_free> decoders;
    explicit model(const std::string &path)
    {
        srec_model *raw = nullptr;
        srec_error error{};
        require(srec_model_load(path.c_str(), &raw, &error), error);
        m.reset(raw);
    }
};

/* A coded image that owns its bytes. */
struct coded {
    srec_features f;
    std::vector<uint8_t> rate_map, bytes;
    explicit coded(const srec_features &from)
        : f(from), rate_map(from.rate_map, from.rate_map + (size_t)from.patch_cols * from.patch_rows),
          bytes(from.bytes, from.bytes + from.n_bytes)
    {
        f.rate_map = rate_map.data();
        f.bytes = bytes.data();
    }
};

static std::shared_ptr<coded> encode(model &m, const pixels &picture, float eta, const std::string &modulation)
{
    const srec_image image = as_image(picture);
    const srec_feature_format format = format_of(modulation_from(modulation));
    py::gil_scoped_release release;
    auto encoder = m.encoders.take(m.m.get());
    srec_error error{};
    srec_features features;
    require(srec_encoder_run(encoder.get(), &image, eta, format, &features, &error), error);
    auto out = std::make_shared<coded>(features);
    m.encoders.give_back(std::move(encoder));
    return out;
}

/* The output of the mapper, and the positions of its frames. */
struct transmission {
    srec_modulation modulation;
    std::vector<std::complex<float>> iq;
    std::vector<size_t> frames; /* symbols of each */
    size_t n_features = 0, header_symbols = 0;
};

static srec_cipher cipher_from(const std::string &name, srec_feature_format format)
{
    srec_cipher c = srec_cipher_for(format);
    if (name != "auto" && srec_cipher_parse(name.c_str(), &c) != SREC_OK)
        throw std::invalid_argument("unknown cipher '" + name + "': auto, add, xor or none");
    return c;
}

static std::shared_ptr<transmission> transmit(const model &m, const coded &picture, const std::string &modulation,
                                              uint64_t key_seed, uint64_t session, const std::string &cipher_name,
                                              size_t frame_bytes)
{
    auto out = std::make_shared<transmission>();
    out->modulation = modulation_from(modulation);
    if (format_of(out->modulation) != picture.f.format)
        throw std::invalid_argument("the picture was coded for another kind of modulation than " + modulation);
    const srec_cipher cipher = cipher_from(cipher_name, picture.f.format);
    py::gil_scoped_release release;
    srec_error error{};
    srec_key key;
    srec_key_from_seed(&key, key_seed);
    srec_scrambler *raw_scrambler = nullptr;
    srec_packet_encoder *raw_encoder = nullptr;
    require(srec_scrambler_create(&key, session, &raw_scrambler, &error), error);
    handle<srec_scrambler, srec_scrambler_free> scrambler(raw_scrambler);
    require(srec_packet_encoder_create(&key, session, &raw_encoder, &error), error);
    handle<srec_packet_encoder, srec_packet_encoder_free> encoder(raw_encoder);
    size_t max_patches, max_bytes;
    const uint32_t slices =
        srec_packet_slices(m.m.get(), &picture.f, out->modulation, frame_bytes, &max_patches, &max_bytes);
    if (!slices)
        throw std::invalid_argument("frames are too short for a patch of this model");
    std::vector<uint8_t> rate_map(max_patches), bytes(max_bytes), frame(SREC_FRAME_MAX);
    const srec_slice_buffers buffers{ rate_map.data(), rate_map.size(), bytes.data(), bytes.size() };
    const unsigned granule = srec_modem_byte_granule(out->modulation);
    for (uint32_t i = 0; i < slices; i++) {
        srec_slice slice;
        size_t n, n_frame;
        const srec_slice_number number{ 0, slices, i };
        require(srec_slice_extract(m.m.get(), &picture.f, &number, &buffers, &slice, &n), "slice");
        require(srec_scrambler_scramble(scrambler.get(), i, cipher, bytes.data(), bytes.data(), n), "scrambler");
        const srec_packet_content content{ out->modulation, cipher, i, &slice, bytes.data(), n };
        require(srec_packet_encode(encoder.get(), &content, frame.data(), frame.size(), &n_frame, &error), error);
        const size_t at = out->iq.size(), count = srec_modem_symbols(out->modulation, n_frame);
        out->iq.resize(at + count);
        srec_modem_map(out->modulation, frame.data(), n_frame, as_floats(out->iq) + 2 * at);
        out->frames.push_back(count);
        out->n_features += n;
        out->header_symbols += count - srec_modem_symbols(out->modulation, (n + granule - 1) / granule * granule);
    }
    return out;
}

/* \return (received symbols, gains or None) */
static py::tuple channel(const symbols &in, const std::string &kind_name, float snr_db, uint64_t seed,
                         unsigned coherence)
{
    srec_channel_kind kind;
    if (srec_channel_kind_parse(kind_name.c_str(), &kind) != SREC_OK)
        throw std::invalid_argument("unknown channel '" + kind_name + "': awgn or rayleigh");
    srec_channel *raw = nullptr;
    srec_error error{};
    require(srec_channel_create(kind, snr_db, seed, coherence, &raw, &error), error);
    handle<srec_channel, srec_channel_free> c(raw);
    const size_t n = in.size();
    symbols out(n), gain(kind == SREC_CHANNEL_AWGN ? 0 : n);
    auto *to = reinterpret_cast<float *>(out.mutable_data());
    auto *gains = kind == SREC_CHANNEL_AWGN ? nullptr : reinterpret_cast<float *>(gain.mutable_data());
    {
        py::gil_scoped_release release;
        require(srec_channel_apply(c.get(), as_floats(in), to, gains, n), "channel");
    }
    return gains ? py::make_tuple(out, gain) : py::make_tuple(out, py::none());
}

/* \return dict: picture (array or None), deviation of each patch (array or None), packets and patches sent and lost,
 * mean_deviation */
static py::dict receive(model &m, const transmission &sent, const symbols &received, const py::object &gains,
                        float snr_db, uint64_t key_seed, uint64_t payload_key_seed, bool soft)
{
    if ((size_t)received.size() != sent.iq.size())
        throw std::invalid_argument("as many symbols must be received as were sent");
    symbols gain;
    if (!gains.is_none()) {
        gain = gains.cast<symbols>();
        if (gain.size() != received.size())
            throw std::invalid_argument("one gain for each symbol");
    }
    srec_decoder_report report{};
    srec_packet_counters counters;
    std::vector<uint8_t> picture;
    std::vector<float> trust; /* of each patch, for the enhancer */
    srec_slice first{};
    uint32_t cols = 0, rows = 0;
    {
        py::gil_scoped_release release;
        srec_key key, payload_key;
        srec_key_from_seed(&key, key_seed);
        srec_key_from_seed(&payload_key, payload_key_seed);
        srec_packet_decoder *raw_packets = nullptr;
        srec_estimator *raw_estimator = nullptr;
        srec_error error{};
        require(srec_packet_decoder_create(&key, m.m.get(), &raw_packets, &error), error);
        handle<srec_packet_decoder, srec_packet_decoder_free> packets(raw_packets);
        require(srec_estimator_create(m.m.get(), &raw_estimator, &error), error);
        handle<srec_estimator, srec_estimator_free> estimator(raw_estimator);
        handle<srec_scrambler, srec_scrambler_free> scrambler; /* one session: that of the first packet */
        auto decoder = m.decoders.take(m.m.get());

        const float n0 = std::pow(10.0f, -0.1f * snr_db);
        std::vector<float> llr, estimate;
        bool begun = false;
        size_t at = 0;
        for (size_t n : sent.frames) {
            llr.resize(n * srec_modem_soft_per_symbol(sent.modulation));
            require(srec_modem_demap(sent.modulation, as_floats(received) + 2 * at,
                                     gains.is_none() ? nullptr : as_floats(gain) + 2 * at, n0, n, llr.data()),
                    "demapper");
            at += n;
            srec_signal signal;
            srec_packet packet;
            const size_t n_bytes = llr.size() / srec_modem_soft_per_byte(sent.modulation);
            if (srec_packet_read_signal(packets.get(), sent.modulation, llr.data(), &signal) != SREC_OK ||
                srec_packet_decode(packets.get(), sent.modulation, llr.data(), n_bytes, &packet) != SREC_OK)
                continue;     /* counted by the packet decoder */
            if (!scrambler) { /* in clear the order comes from the link's key, which is then public */
                srec_scrambler *raw = nullptr;
                require(srec_scrambler_create(packet.signal.cipher == SREC_CIPHER_NONE ? &key : &payload_key,
                                              packet.signal.session, &raw, &error),
                        error);
                scrambler.reset(raw);
            }
            const size_t n_features = srec_slice_bytes(m.m.get(), &packet.slice);
            const srec_payload payload{ sent.modulation, packet.signal.cipher, packet.signal.packet, &packet.slice,
                                        packet.soft };
            estimate.resize(2 * n_features);
            require(srec_estimator_run(estimator.get(), scrambler.get(), &payload, soft, estimate.data(),
                                       estimate.data() + n_features),
                    "descrambler");
            if (!begun)
                require(srec_decoder_begin(decoder.get(), &packet.slice, &error), error);
            begun = true;
            first = packet.slice;
            require(srec_decoder_add(decoder.get(), &packet.slice, estimate.data(),
                                     soft ? estimate.data() + n_features : nullptr, n_features, &error),
                    error);
        }
        srec_packet_decoder_get_counters(packets.get(), &counters);
        if (begun) {
            picture.resize((size_t)first.width * first.height * first.channels);
            const srec_image image{ first.width, first.height, first.channels, (size_t)first.width * first.channels,
                                    picture.data() };
            require(srec_decoder_run(decoder.get(), &image, &report, &error), error);
            srec_patch_grid(first.width, first.height, &cols, &rows);
            const float *deviation = srec_decoder_deviation(decoder.get());
            trust.assign(deviation, deviation + (size_t)cols * rows);
        }
        m.decoders.give_back(std::move(decoder));
    }
    py::dict out;
    out["packets_sent"] = sent.frames.size();
    out["packets_lost"] = sent.frames.size() - counters.accepted;
    out["patches"] = report.patches;
    out["patches_lost"] = report.patches_lost;
    out["mean_deviation"] = report.mean_deviation;
    out["picture"] =
        picture.empty() ? py::object(py::none()) : as_array(picture, first.height, first.width, first.channels);
    out["deviation"] = trust.empty() ? py::object(py::none()) : floats({ (size_t)rows, (size_t)cols }, trust.data());
    return out;
}

struct enhancer_model {
    handle<srec_enhancer_model, srec_enhancer_model_free> m;
    kept<srec_enhancer_model, srec_enhancer, srec_enhancer_create, srec_enhancer_free> enhancers;
    explicit enhancer_model(const std::string &path)
    {
        srec_enhancer_model *raw = nullptr;
        srec_error error{};
        require(srec_enhancer_model_load(path.c_str(), &raw, &error), error);
        m.reset(raw);
    }
};

/* \param deviation (rows, cols) from receive()
 * \return image of height x width */
static pixels enhance(enhancer_model &m, const pixels &picture, const floats &deviation, size_t height, size_t width)
{
    const srec_image in = as_image(picture);
    uint32_t cols, rows;
    srec_patch_grid(in.width, in.height, &cols, &rows);
    if (deviation.ndim() != 2 || deviation.shape(0) != rows || deviation.shape(1) != cols)
        throw std::invalid_argument("one deviation for each patch of the picture");
    std::vector<uint8_t> data(height * width * in.channels);
    const srec_image out{ (uint32_t)width, (uint32_t)height, in.channels, width * in.channels, data.data() };
    {
        py::gil_scoped_release release;
        auto enhancer = m.enhancers.take(m.m.get());
        srec_error error{};
        require(srec_enhancer_run(enhancer.get(), &in, deviation.data(), 0.0f, &out, &error), error);
        m.enhancers.give_back(std::move(enhancer));
    }
    return as_array(data, height, width, in.channels);
}

template <srec_status (*Resize)(const srec_image *, const srec_image *)>
static pixels resized(const pixels &picture, size_t height, size_t width)
{
    const srec_image in = as_image(picture);
    std::vector<uint8_t> data(height * width * in.channels);
    const srec_image out{ (uint32_t)width, (uint32_t)height, in.channels, width * in.channels, data.data() };
    require(Resize(&in, &out), "resize");
    return as_array(data, height, width, in.channels);
}

static pixels halve(const pixels &picture)
{
    return resized<srec_image_halve>(picture, (picture.shape(0) + 1) / 2, (picture.shape(1) + 1) / 2);
}

template <srec_status (*Metric)(const srec_image *, const srec_image *, double *)>
static double compare(const pixels &a, const pixels &b)
{
    const srec_image x = as_image(a), y = as_image(b);
    double value;
    py::gil_scoped_release release;
    if (Metric(&x, &y, &value) != SREC_OK)
        throw std::invalid_argument("the pictures differ in size or are too small to compare");
    return value;
}

static symbols map_bytes(const std::string &modulation, const pixels &bytes)
{
    const srec_modulation m = modulation_from(modulation);
    symbols out(srec_modem_symbols(m, bytes.size()));
    require(srec_modem_map(m, bytes.data(), bytes.size(), reinterpret_cast<float *>(out.mutable_data())), "mapper");
    return out;
}

static floats demap(const std::string &modulation, const symbols &received, float snr_db)
{
    const srec_modulation m = modulation_from(modulation);
    floats out(received.size() * srec_modem_soft_per_symbol(m));
    require(srec_modem_demap(m, as_floats(received), nullptr, std::pow(10.0f, -0.1f * snr_db), received.size(),
                             out.mutable_data()),
            "demapper");
    return out;
}

PYBIND11_MODULE(srec_core, m)
{
    m.doc() = "The C core without GNU Radio: encode, transmit, channel, receive, metrics.";
    py::class_<model, std::shared_ptr<model>>(
        m, "Model", "A model file, loaded and checked; RuntimeError says what is wrong with it.")
        .def(py::init<const std::string &>(), arg("path"))
        .def_property_readonly(
            "id", [](const model &c) { return as_id(srec_model_id(c.m.get())); },
            "16 hex digits: start of the file's BLAKE2b hash");
    py::class_<coded, std::shared_ptr<coded>>(m, "Coded", "A coded picture: feature bytes and rate map.")
        .def_property_readonly("n_features", [](const coded &c) { return c.bytes.size(); })
        .def_property_readonly("entropy_bits", [](const coded &c) { return c.f.entropy_bits; });
    py::class_<transmission, std::shared_ptr<transmission>>(m, "Transmission",
                                                            "A picture as complex symbols, Es = 1, cut into frames.")
        .def_property_readonly(
            "symbols", [](const transmission &t) { return symbols(t.iq.size(), t.iq.data()); }, "complex64 (n_symbols)")
        .def_property_readonly("n_symbols", [](const transmission &t) { return t.iq.size(); })
        .def_readonly("header_symbols", &transmission::header_symbols, "of n_symbols, those that are not features")
        .def_readonly("n_features", &transmission::n_features)
        .def_readonly("frames", &transmission::frames, "symbols of each frame");
    m.def("encode", &encode, arg("model"), arg("picture"), arg("eta"), arg("modulation"),
          "Picture to features; pam256 has a format of its own.");
    m.def("transmit", &transmit, arg("model"), arg("coded"), arg("modulation"), arg("key_seed"), arg("session"),
          arg("cipher") = "auto", arg("frame_bytes") = 16000,
          "Features to symbols: slices, keystream, packets, mapping. cipher: auto, add, xor or none.");
    m.def("channel", &channel, arg("symbols"), arg("kind"), arg("snr_db"), arg("seed"), arg("coherence") = 1024,
          "-> (symbols, gains or None). snr_db is Es/N0.");
    m.def("receive", &receive, arg("model"), arg("sent"), arg("received"), arg("gains"), arg("snr_db"), arg("key_seed"),
          arg("payload_key_seed"), arg("soft") = true,
          "Symbols to picture. Another payload_key_seed than the sender's: what Eve sees. -> dict; picture is None if "
          "every packet was lost.");
    m.def("psnr", &compare<srec_psnr>, arg("a"), arg("b"),
          "Peak signal-to-noise ratio in dB of two uint8 pictures; 100 if equal.");
    m.def("ms_ssim", &compare<srec_ms_ssim>, arg("a"), arg("b"),
          "Multi-scale structural similarity of two uint8 pictures, 0 .. 1.");
    m.def("map_bytes", &map_bytes, arg("modulation"), arg("bytes"), "Bytes to symbols, most significant bit first.");
    m.def("demap", &demap, arg("modulation"), arg("received"), arg("snr_db"),
          "Symbols to LLRs, positive for bit 0 (pam256: amplitude, variance).");
    m.def(
        "bits_per_symbol", [](const std::string &name) { return srec_modem_bits_per_symbol(modulation_from(name)); },
        arg("modulation"));
    m.def("version", &srec_version);
    py::class_<enhancer_model, std::shared_ptr<enhancer_model>>(m, "EnhancerModel",
                                                                "An enhancer's model file, loaded and checked.")
        .def(py::init<const std::string &>(), arg("path"))
        .def_property_readonly(
            "id", [](const enhancer_model &e) { return as_id(srec_enhancer_model_id(e.m.get())); }, "16 hex digits")
        .def_property_readonly("scale", [](const enhancer_model &e) { return srec_enhancer_model_scale(e.m.get()); });
    m.def("enhance", &enhance, arg("model"), arg("picture"), arg("deviation"), arg("height"), arg("width"),
          "Super-resolution of a received picture.");
    m.def("halve", &halve, arg("picture"), "Half the size, low-pass filtered: what is sent with scale 2.");
    m.def("double", &resized<srec_image_double>, arg("picture"), arg("height"), arg("width"),
          "Twice the size, without super-resolution.");
}
