/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Coded layers in srec_core: an image to pieces, pieces to symbols, symbols to an image. */
#include "core_common.h"

#include <algorithm>
#include <cmath>
#include <srec/burst.h>
#include <srec/layer_packet.h>
#include <srec/layer_plan.h>
#include <stdexcept>

/* An image as pieces. */
struct image_layers {
    srec_layers layers{};
    handle<srec_layer_encoder, srec_layer_encoder_free> encoder; /* owns the pieces */

    unsigned n_layers() const { return layers.format.n_layers; }
    /* \param value function of the number of a layer */
    template <typename Value>
    std::vector<double> of_each(Value value) const
    {
        std::vector<double> out;
        for (unsigned i = 0; i < n_layers(); i++)
            out.push_back(value(i));
        return out;
    }
    /* \return (data, parity) of each layer */
    std::vector<std::pair<uint32_t, uint32_t>> packets() const
    {
        std::vector<std::pair<uint32_t, uint32_t>> out(n_layers());
        for (size_t i = 0; i < layers.n_pieces; i++)
            out[layers.pieces[i].layer] = { layers.pieces[i].n_data, layers.pieces[i].n_parity };
        return out;
    }
    void encode(const srec_image &image, const srec_layer_budget *budgets, unsigned n)
    {
        const unsigned threads = 1; /* a sweep has one process per core */
        srec_error error{};
        encoder = created<srec_layer_encoder, srec_layer_encoder_free>(srec_layer_encoder_create, threads);
        require(srec_layer_encoder_run(encoder.get(), &image, budgets, n, &layers, &error), error);
    }
    pixels decoded(unsigned n) const;
};

/* The image that a receiver of the first n layers decodes. */
pixels image_layers::decoded(unsigned n) const
{
    if (n < 1 || n > n_layers())
        throw std::invalid_argument("1 to " + std::to_string(n_layers()) + " layers");
    const srec_layers_format *f = &layers.format;
    const unsigned threads = 1;
    const size_t stride = (size_t)f->width * f->channels;
    std::vector<uint8_t> data(stride * f->height);
    {
        py::gil_scoped_release release;
        srec_error error{};
        const auto decoder =
            created<srec_layer_decoder, srec_layer_decoder_free>(srec_layer_decoder_create, f, threads);
        for (size_t i = 0; i < layers.n_pieces; i++)
            if (layers.pieces[i].layer < n)
                require(srec_layer_decoder_add(decoder.get(), &layers.pieces[i], &error), error);
        srec_image image{ f->width, f->height, (uint8_t)f->channels, stride, data.data() };
        require(srec_layer_decoder_run(decoder.get(), &image, nullptr, &error), error);
    }
    return as_array(data, f->height, f->width, f->channels);
}

/* An image as pieces, and the plan of its packets. */
struct coded_layers : image_layers {
    srec_layers_request request{};
    srec_layer_plan plans[SREC_LAYERS_MAX]{};

    double bits_per_pixel() const
    {
        double n_bytes = 0;
        for (unsigned i = 0; i < n_layers(); i++)
            n_bytes += (double)layers.layer_bytes[i];
        return 8 * n_bytes / ((double)request.format.width * request.format.height);
    }
};

/* The output of the mapper, and the lengths of its frames. */
struct layer_transmission {
    srec_modulation modulation;
    unsigned n_layers;
    std::vector<std::complex<float>> iq;
    std::vector<size_t> frames; /* symbols of each */
    size_t header_symbols = 0;
};

static void copy_numbers(const std::vector<float> &from, float *to, const char *what)
{
    if (from.size() > SREC_LAYERS_MAX)
        throw std::invalid_argument(std::string(what) + ": " + std::to_string(SREC_LAYERS_MAX) + " numbers at most");
    std::copy(from.begin(), from.end(), to);
}

/* Sets a value if the call names it. */
template <typename T>
static void take(const py::kwargs &options, const char *name, T &value)
{
    if (options.contains(name))
        value = options.attr("pop")(name).cast<T>();
}

/* \param format its number of layers is set here */
static srec_layers_request request_from(const srec_layers_format &format, const std::string &modulation,
                                        const std::vector<float> &layers, double cbr, const py::kwargs &options)
{
    srec_layers_request request{};
    std::vector<float> shares;
    request.format = format;
    request.format.n_layers = (unsigned)layers.size();
    request.modulation = modulation_from(modulation);
    request.cbr = cbr;
    request.margin_db = 0.5f;
    request.n_parity = SREC_LAYER_PARITY_AUTO;
    take(options, "shares", shares);
    take(options, "margin_db", request.margin_db);
    take(options, "parity", request.n_parity);
    take(options, "rate_max", request.rate_max);
    take(options, "original_pixels", request.original_pixels);
    take(options, "frame_symbols", request.frame_symbols);
    take(options, "bursts", request.bursts);
    if (!options.empty())
        throw std::invalid_argument("unknown option '" + std::string(py::str(options.begin()->first)) + "'");
    copy_numbers(layers, request.snr_db, "layers");
    copy_numbers(shares, request.share, "shares");
    if (!shares.empty() && shares.size() != layers.size())
        throw std::invalid_argument("one share for each layer, or none at all");
    return request;
}

static std::shared_ptr<coded_layers> encode_layers(const pixels &picture, const std::string &modulation,
                                                   const std::vector<float> &layers, double cbr,
                                                   const py::kwargs &options)
{
    const srec_image image = as_image(picture);
    auto out = std::make_shared<coded_layers>();
    out->request = request_from({ image.width, image.height, image.channels, 0 }, modulation, layers, cbr, options);
    py::gil_scoped_release release;
    srec_error error{};
    require(srec_layers_plan(&out->request, out->plans, &error), error);
    srec_layer_budget budgets[SREC_LAYERS_MAX];
    for (size_t i = 0; i < layers.size(); i++)
        budgets[i] = out->plans[i].budget;
    out->encode(image, budgets, (unsigned)layers.size());
    return out;
}

/* \return of each layer: dict */
static py::list plan_layers(unsigned width, unsigned height, unsigned channels, const std::string &modulation,
                            const std::vector<float> &layers, double cbr, const py::kwargs &options)
{
    const srec_layers_request request = request_from({ width, height, channels, 0 }, modulation, layers, cbr, options);
    srec_layer_plan plans[SREC_LAYERS_MAX]{};
    srec_error error{};
    require(srec_layers_plan(&request, plans, &error), error);
    py::list out;
    for (size_t i = 0; i < layers.size(); i++) {
        const srec_layer_plan &plan = plans[i];
        py::dict one;
        one["code_rate"] = plan.code_rate;
        one["threshold_db"] = plan.threshold_db;
        one["n_symbols"] = plan.n_symbols;
        one["n_data"] = plan.budget.n_data;
        one["n_parity"] = plan.budget.n_parity;
        one["data_bytes"] =
            (double)plan.budget.bytes * plan.budget.n_data / (plan.budget.n_data + plan.budget.n_parity);
        out.append(one);
    }
    return out;
}

static std::shared_ptr<image_layers> layers_of_bytes(const pixels &picture, const std::vector<size_t> &layer_bytes)
{
    constexpr size_t piece_bytes = 8000;
    const srec_image image = as_image(picture);
    srec_layer_budget budgets[SREC_LAYERS_MAX]{};
    const size_t n = layer_bytes.size();
    if (n < 1 || n > SREC_LAYERS_MAX)
        throw std::invalid_argument("1 to " + std::to_string(SREC_LAYERS_MAX) + " layers");
    for (size_t i = 0; i < n; i++) {
        budgets[i].bytes = layer_bytes[i];
        budgets[i].n_data = (uint32_t)std::min<size_t>(1 + layer_bytes[i] / piece_bytes, SREC_LAYERS_PIECES_MAX);
        budgets[i].piece_bytes_max = SREC_LAYERS_PIECE_BYTES_MAX;
    }
    auto out = std::make_shared<image_layers>();
    py::gil_scoped_release release;
    out->encode(image, budgets, (unsigned)n);
    return out;
}

/* Maps a frame, and counts its symbols. */
static void append(layer_transmission &to, const std::vector<uint8_t> &frame, size_t payload_bytes)
{
    const unsigned granule = srec_modem_byte_granule(to.modulation);
    const size_t at = to.iq.size();
    const size_t count = srec_modem_symbols(to.modulation, frame.size());
    to.iq.resize(at + count);
    srec_modem_map(to.modulation, frame.data(), frame.size(), as_floats(to.iq) + 2 * at);
    to.frames.push_back(count);
    to.header_symbols += count - srec_modem_symbols(to.modulation, (payload_bytes + granule - 1) / granule * granule);
}

static std::shared_ptr<layer_transmission> transmit_layers(const coded_layers &coded, uint64_t key_seed,
                                                           uint64_t session, bool encrypt, unsigned scale)
{
    auto out = std::make_shared<layer_transmission>();
    out->modulation = coded.request.modulation;
    out->n_layers = coded.n_layers();
    py::gil_scoped_release release;
    srec_key key;
    srec_key_from_seed(&key, key_seed);
    const auto heads =
        created<srec_packet_encoder, srec_packet_encoder_free>(srec_packet_encoder_create, &key, session);
    const auto encoder = created<srec_layer_packet_encoder, srec_layer_packet_encoder_free>(
        srec_layer_packet_encoder_create, &key, heads.get());
    for (size_t i = 0; i < coded.layers.n_pieces; i++) {
        srec_layer_packet packet{};
        packet.scale = (uint8_t)scale;
        packet.format = coded.layers.format;
        packet.piece = coded.layers.pieces[i];
        packet.signal.modulation = out->modulation;
        packet.signal.cipher = encrypt ? SREC_CIPHER_ADD : SREC_CIPHER_NONE;
        packet.signal.packet = i;
        const size_t n_payload =
            srec_layer_packet_coded_bytes(packet.piece.n_bytes, coded.plans[packet.piece.layer].code_rate);
        packet.signal.payload_bytes = (uint16_t)n_payload;
        std::vector<uint8_t> frame(SREC_FRAME_MAX);
        size_t n_frame;
        srec_error error{};
        require(srec_layer_packet_encode(encoder.get(), &packet, frame.data(), frame.size(), &n_frame, &error), error);
        frame.resize(n_frame);
        append(*out, frame, n_payload);
    }
    return out;
}

/* Frames go in, an image comes out. */
class layer_receiver
{
    const srec_modulation d_modulation;
    srec_key d_key; /* outlives the decoder */
    handle<srec_packet_decoder, srec_packet_decoder_free> d_heads;
    handle<srec_layer_packet_decoder, srec_layer_packet_decoder_free> d_packets;
    handle<srec_layer_decoder, srec_layer_decoder_free> d_decoder; /* from the first packet on */
    std::vector<float> d_llr;

    void add(const srec_layer_packet &packet)
    {
        if (!d_decoder) {
            const unsigned threads = 1;
            format = packet.format;
            const srec_layers_format *f = &format;
            d_decoder = created<srec_layer_decoder, srec_layer_decoder_free>(srec_layer_decoder_create, f, threads);
        }
        srec_error error{};
        require(srec_layer_decoder_add(d_decoder.get(), &packet.piece, &error), error);
    }

public:
    srec_layers_format format{};
    srec_layers_report report{};
    srec_packet_counters counters{};
    std::vector<uint8_t> picture; /* empty if no packet arrived */

    layer_receiver(srec_modulation modulation, uint64_t key_seed) : d_modulation(modulation)
    {
        srec_key_from_seed(&d_key, key_seed);
        const srec_model *no_model = nullptr;
        const unsigned iterations = 0; /* the default */
        d_heads = created<srec_packet_decoder, srec_packet_decoder_free>(srec_packet_decoder_create, &d_key, no_model);
        d_packets = created<srec_layer_packet_decoder, srec_layer_packet_decoder_free>(srec_layer_packet_decoder_create,
                                                                                       d_heads.get(), iterations);
        report.rms_error = NAN;
    }

    /* \param gain (n, 2), or NULL: 1 */
    void frame(const float *iq, const float *gain, size_t n, float n0)
    {
        const size_t n_bytes = demap_frame(d_modulation, iq, gain, n, n0, d_llr);
        srec_signal signal;
        srec_layer_packet packet;
        if (srec_packet_read_signal(d_heads.get(), d_modulation, d_llr.data(), &signal) == SREC_OK &&
            srec_layer_packet_decode(d_packets.get(), d_modulation, d_llr.data(), n_bytes, &packet) == SREC_OK)
            add(packet); /* the packet decoder counts the others */
    }

    void finish()
    {
        srec_packet_decoder_get_counters(d_heads.get(), &counters);
        if (!d_decoder)
            return;
        const size_t stride = (size_t)format.width * format.channels;
        picture.resize(stride * format.height);
        srec_image image{ format.width, format.height, (uint8_t)format.channels, stride, picture.data() };
        srec_error error{};
        require(srec_layer_decoder_run(d_decoder.get(), &image, &report, &error), error);
    }
};

static py::dict as_dict(const layer_receiver &r, const layer_transmission &sent)
{
    py::dict out;
    out["packets_sent"] = sent.frames.size();
    out["packets_lost"] = sent.frames.size() - r.counters.accepted;
    out["packets_uncorrected"] = r.counters.uncorrected;
    out["packets_bad_tag"] = r.counters.bad_tag;
    out["duplicates"] = r.counters.duplicate;
    out["layers_sent"] = sent.n_layers;
    out["layers_received"] = r.report.layers_complete;
    out["pieces_sent"] = sent.frames.size();
    out["pieces_received"] = r.report.pieces_received;
    out["rms_error"] = std::isnan(r.report.rms_error) ? py::object(py::none()) : py::float_(r.report.rms_error);
    out["picture"] = r.picture.empty() ? py::object(py::none())
                                       : as_array(r.picture, r.format.height, r.format.width, r.format.channels);
    return out;
}

static py::dict receive_layers(const layer_transmission &sent, const symbols &received, const py::object &gains,
                               float snr_db, uint64_t key_seed)
{
    if ((size_t)received.size() != sent.iq.size())
        throw std::invalid_argument("as many symbols must be received as were sent");
    symbols gain;
    if (!gains.is_none()) {
        gain = gains.cast<symbols>();
        if (gain.size() != received.size())
            throw std::invalid_argument("one gain for each symbol");
    }
    const float *iq = as_floats(received);
    const float *gain_iq = gains.is_none() ? nullptr : as_floats(gain);
    std::unique_ptr<layer_receiver> r;
    {
        py::gil_scoped_release release;
        r = std::make_unique<layer_receiver>(sent.modulation, key_seed);
        size_t at = 0;
        for (size_t n : sent.frames) {
            r->frame(iq + 2 * at, gain_iq ? gain_iq + 2 * at : nullptr, n, noise_power(snr_db));
            at += n;
        }
        r->finish();
    }
    return as_dict(*r, sent);
}

static float layer_least_snr_db(const std::string &modulation)
{
    return srec_layer_least_snr_db(modulation_from(modulation));
}

static void bind_coded_layers(py::module_ &m)
{
    py::class_<image_layers, std::shared_ptr<image_layers>>(m, "ImageLayers", "An image as pieces of layers.")
        .def_property_readonly("n_pieces", [](const image_layers &c) { return c.layers.n_pieces; })
        .def_property_readonly(
            "layer_bytes",
            [](const image_layers &c) {
                return std::vector<size_t>(c.layers.layer_bytes, c.layers.layer_bytes + c.n_layers());
            },
            "of all pieces of each layer")
        .def_property_readonly("packets", &image_layers::packets, "of each layer: (data, parity)")
        .def_property_readonly(
            "rms_errors",
            [](const image_layers &c) { return c.of_each([&](unsigned i) { return c.layers.rms_error[i]; }); },
            "of the image up to each layer, 0 .. 255")
        .def("decoded", &image_layers::decoded, arg("n_layers"), "The image that a receiver of these layers decodes.");
    py::class_<coded_layers, image_layers, std::shared_ptr<coded_layers>>(
        m, "CodedLayers", "An image as pieces of layers, with the plan of its packets.")
        .def_property_readonly("bits_per_pixel", &coded_layers::bits_per_pixel)
        .def_property_readonly(
            "code_rates",
            [](const coded_layers &c) { return c.of_each([&](unsigned i) { return c.plans[i].code_rate; }); },
            "of each layer");
    m.def("encode_layers", &encode_layers, arg("picture"), arg("modulation"), arg("layers"), arg("cbr"),
          "Image to layers for receivers at the SNRs `layers` in dB, ascending. cbr: complex symbols / (3 * pixels), "
          "headers counted. Options: shares (equal), margin_db (0.5), parity (-1: 1 for every 12 pieces), rate_max "
          "(0: 8/9), original_pixels (0: those of the image; cbr refers to them), frame_symbols (mean payload symbols "
          "of a packet; 0: 16000, or a sixteenth of the layer), bursts (False: preambles and pilots do not count). "
          "ValueError if a number is out of range, or the budget is below the least.");
    m.def(
        "plan_layers", &plan_layers, arg("width"), arg("height"), arg("channels"), arg("modulation"), arg("layers"),
        arg("cbr"),
        "How encode_layers() would spend the budget, with its options. -> list with a dict for each layer: code_rate, "
        "threshold_db (with the margin), n_symbols (at most), n_data and n_parity (pieces), data_bytes (without "
        "parity). ValueError as for encode_layers().");
    m.def("layers_of_bytes", &layers_of_bytes, arg("picture"), arg("layer_bytes"),
          "Image to layers of these sizes, without parity and without packets. ValueError if a layer is below the "
          "least.");
    m.def("burst_symbols", &srec_burst_symbols, arg("n_data"),
          "Symbols of the burst that carries a frame of n_data symbols, with preamble and pilots.");
}

void bind_layers(py::module_ &m)
{
    bind_coded_layers(m);
    py::class_<layer_transmission, std::shared_ptr<layer_transmission>>(
        m, "LayerTransmission", "Layers as complex symbols, Es = 1, cut into frames.")
        .def_property_readonly(
            "symbols", [](const layer_transmission &t) { return symbols(t.iq.size(), t.iq.data()); },
            "complex64 (n_symbols)")
        .def_property_readonly("n_symbols", [](const layer_transmission &t) { return t.iq.size(); })
        .def_readonly("header_symbols", &layer_transmission::header_symbols, "of n_symbols, those outside the payloads")
        .def_readonly("frames", &layer_transmission::frames, "symbols of each frame");
    m.def("transmit_layers", &transmit_layers, arg("coded"), arg("key_seed"), arg("session"), arg("encrypt") = true,
          arg("scale") = 1, "Layers to symbols: encryption, tags, LDPC code, packets, mapping.");
    m.def("receive_layers", &receive_layers, arg("sent"), arg("received"), arg("gains"), arg("snr_db"), arg("key_seed"),
          "Symbols to image. -> dict; picture is None if every packet was lost.");
    m.def("layer_least_snr_db", &layer_least_snr_db, arg("modulation"),
          "The least SNR in dB that a layer may be meant for; NaN for pam256.");
}
