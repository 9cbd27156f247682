/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole transmission without a flowgraph, for sweeps: image to symbols, channel, symbols to image. */
#include "core_codec.h"

#include <stdexcept>

/* The output of the mapper, and the lengths of its frames. */
struct transmission {
    srec_modulation modulation;
    std::vector<std::complex<float>> iq;
    std::vector<size_t> frames; /* symbols of each */
    size_t n_features = 0;
    size_t header_symbols = 0;
};

/* Cuts a coded image into slices and appends their frames to a transmission. */
class sender
{
    const model &d_model;
    const coded &d_picture;
    srec_cipher d_cipher;
    handle<srec_scrambler, srec_scrambler_free> d_scrambler;
    handle<srec_packet_encoder, srec_packet_encoder_free> d_encoder;

    void append(transmission &to, const uint8_t *frame, size_t n_frame, size_t n_features) const
    {
        const unsigned granule = srec_modem_byte_granule(to.modulation);
        const size_t at = to.iq.size();
        const size_t count = srec_modem_symbols(to.modulation, n_frame);
        to.iq.resize(at + count);
        srec_modem_map(to.modulation, frame, n_frame, as_floats(to.iq) + 2 * at);
        to.frames.push_back(count);
        to.n_features += n_features;
        to.header_symbols += count - srec_modem_symbols(to.modulation, (n_features + granule - 1) / granule * granule);
    }

public:
    sender(const model &m, const coded &picture, srec_cipher cipher, const srec_key &key, uint64_t session)
        : d_model(m), d_picture(picture), d_cipher(cipher),
          d_scrambler(created<srec_scrambler, srec_scrambler_free>(srec_scrambler_create, &key, session)),
          d_encoder(created<srec_packet_encoder, srec_packet_encoder_free>(srec_packet_encoder_create, &key, session))
    {
    }

    void run(transmission &to, size_t frame_bytes) const
    {
        size_t max_patches, max_bytes;
        const uint32_t slices =
            srec_packet_slices(d_model.m.get(), &d_picture.f, to.modulation, frame_bytes, &max_patches, &max_bytes);
        if (!slices)
            throw std::invalid_argument("frames are too short for a patch of this model");
        std::vector<uint8_t> rate_map(max_patches), bytes(max_bytes), frame(SREC_FRAME_MAX);
        const srec_slice_buffers buffers{ rate_map.data(), rate_map.size(), bytes.data(), bytes.size() };
        for (uint32_t i = 0; i < slices; i++) {
            srec_slice slice;
            srec_error error{};
            size_t n, n_frame;
            const srec_slice_number number{ 0, slices, i };
            require(srec_slice_extract(d_model.m.get(), &d_picture.f, &number, &buffers, &slice, &n), "slice");
            require(srec_scrambler_scramble(d_scrambler.get(), i, d_cipher, bytes.data(), bytes.data(), n),
                    "scrambler");
            const srec_packet_content content{ to.modulation, d_cipher, i, &slice, bytes.data(), n };
            require(srec_packet_encode(d_encoder.get(), &content, frame.data(), frame.size(), &n_frame, &error), error);
            append(to, frame.data(), n_frame, n);
        }
    }
};

static std::shared_ptr<transmission> transmit(const model &m, const coded &picture, const std::string &modulation,
                                              uint64_t key_seed, uint64_t session, const std::string &cipher_name,
                                              size_t frame_bytes)
{
    auto out = std::make_shared<transmission>();
    out->modulation = modulation_from(modulation);
    if (format_of(out->modulation) != picture.f.format)
        throw std::invalid_argument("the image was coded for another kind of modulation than " + modulation);
    const srec_cipher cipher = cipher_from(cipher_name, picture.f.format);
    py::gil_scoped_release release;
    srec_key key;
    srec_key_from_seed(&key, key_seed);
    sender(m, picture, cipher, key, session).run(*out, frame_bytes);
    return out;
}

/* \return (received symbols, gains or None) */
static py::tuple channel(const symbols &in, const std::string &kind_name, float snr_db, uint64_t seed,
                         unsigned coherence)
{
    srec_channel_kind kind;
    if (srec_channel_kind_parse(kind_name.c_str(), &kind) != SREC_OK)
        throw std::invalid_argument("unknown channel '" + kind_name + "': awgn or rayleigh");
    const auto c = created<srec_channel, srec_channel_free>(srec_channel_create, kind, snr_db, seed, coherence);
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

/* Bob or Eve: frames go in, an image comes out. */
class receiver
{
    model &d_model;
    srec_modulation d_modulation;
    bool d_soft;
    srec_key d_key, d_payload_key;
    handle<srec_packet_decoder, srec_packet_decoder_free> d_packets;
    handle<srec_estimator, srec_estimator_free> d_estimator;
    handle<srec_scrambler, srec_scrambler_free> d_scrambler; /* one session: that of the first packet */
    handle<srec_decoder, srec_decoder_free> d_decoder;
    std::vector<float> d_llr, d_estimate;
    bool d_begun = false;

    void add(const srec_packet &packet)
    {
        if (!d_scrambler) /* in clear the order comes from the link's key, which is then public */
            d_scrambler = created<srec_scrambler, srec_scrambler_free>(
                srec_scrambler_create, packet.signal.cipher == SREC_CIPHER_NONE ? &d_key : &d_payload_key,
                packet.signal.session);
        const size_t n = srec_slice_bytes(d_model.m.get(), &packet.slice);
        const srec_payload payload{ d_modulation, packet.signal.cipher, packet.signal.packet, &packet.slice,
                                    packet.soft };
        d_estimate.resize(2 * n);
        float *mean = d_estimate.data(), *deviation = mean + n;
        require(srec_estimator_run(d_estimator.get(), d_scrambler.get(), &payload, d_soft, mean, deviation),
                "descrambler");
        srec_error error{};
        if (!d_begun)
            require(srec_decoder_begin(d_decoder.get(), &packet.slice, &error), error);
        d_begun = true;
        first = packet.slice;
        require(srec_decoder_add(d_decoder.get(), &packet.slice, mean, d_soft ? deviation : nullptr, n, &error), error);
    }

public:
    srec_slice first{}; /* a slice of the image; its rate map is not valid */
    srec_decoder_report report{};
    std::vector<uint8_t> picture; /* empty if no packet arrived */
    std::vector<float> deviation; /* of each patch, for the enhancer */

    receiver(model &m, srec_modulation modulation, bool soft, uint64_t key_seed, uint64_t payload_key_seed)
        : d_model(m), d_modulation(modulation), d_soft(soft)
    {
        const srec_model *codec = m.m.get();
        srec_key_from_seed(&d_key, key_seed);
        srec_key_from_seed(&d_payload_key, payload_key_seed);
        d_packets = created<srec_packet_decoder, srec_packet_decoder_free>(srec_packet_decoder_create, &d_key, codec);
        d_estimator = created<srec_estimator, srec_estimator_free>(srec_estimator_create, codec);
        d_decoder = m.decoder();
    }

    /* \param gain (n, 2), or NULL: 1 */
    void frame(const float *iq, const float *gain, size_t n, float n0)
    {
        const size_t n_bytes = demap_frame(d_modulation, iq, gain, n, n0, d_llr);
        srec_signal signal;
        srec_packet packet;
        if (srec_packet_read_signal(d_packets.get(), d_modulation, d_llr.data(), &signal) == SREC_OK &&
            srec_packet_decode(d_packets.get(), d_modulation, d_llr.data(), n_bytes, &packet) == SREC_OK)
            add(packet); /* the packet decoder counts the others */
    }

    /* \return packets accepted */
    uint64_t finish()
    {
        srec_packet_counters counters;
        srec_packet_decoder_get_counters(d_packets.get(), &counters);
        if (d_begun) {
            const size_t stride = (size_t)first.width * first.channels;
            picture.resize(stride * first.height);
            const srec_image image{ first.width, first.height, first.channels, stride, picture.data() };
            srec_error error{};
            require(srec_decoder_run(d_decoder.get(), &image, &report, &error), error);
            uint32_t cols, rows;
            srec_patch_grid(first.width, first.height, &cols, &rows);
            const float *values = srec_decoder_deviation(d_decoder.get());
            deviation.assign(values, values + (size_t)cols * rows);
        }
        d_model.decoders.give_back(std::move(d_decoder));
        return counters.accepted;
    }
};

static py::dict as_dict(const receiver &r, size_t n_sent, size_t n_accepted)
{
    uint32_t cols = 0, rows = 0;
    srec_patch_grid(r.first.width, r.first.height, &cols, &rows);
    py::dict out;
    out["packets_sent"] = n_sent;
    out["packets_lost"] = n_sent - n_accepted;
    out["patches"] = r.report.patches;
    out["patches_lost"] = r.report.patches_lost;
    out["mean_deviation"] = r.report.mean_deviation;
    out["picture"] = r.picture.empty() ? py::object(py::none())
                                       : as_array(r.picture, r.first.height, r.first.width, r.first.channels);
    out["deviation"] =
        r.deviation.empty() ? py::object(py::none()) : floats({ (size_t)rows, (size_t)cols }, r.deviation.data());
    return out;
}

/* \return dict: image (array or None), deviation of each patch (array or None), packets and patches sent and lost,
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
    const float *iq = as_floats(received);
    const float *gain_iq = gains.is_none() ? nullptr : as_floats(gain);
    std::unique_ptr<receiver> r;
    size_t n_accepted = 0;
    {
        py::gil_scoped_release release;
        r = std::make_unique<receiver>(m, sent.modulation, soft, key_seed, payload_key_seed);
        size_t at = 0;
        for (size_t n : sent.frames) {
            r->frame(iq + 2 * at, gain_iq ? gain_iq + 2 * at : nullptr, n, noise_power(snr_db));
            at += n;
        }
        n_accepted = r->finish();
    }
    return as_dict(*r, sent.frames.size(), n_accepted);
}

void bind_transmission(py::module_ &m)
{
    py::class_<transmission, std::shared_ptr<transmission>>(m, "Transmission",
                                                            "An image as complex symbols, Es = 1, cut into frames.")
        .def_property_readonly(
            "symbols", [](const transmission &t) { return symbols(t.iq.size(), t.iq.data()); }, "complex64 (n_symbols)")
        .def_property_readonly("n_symbols", [](const transmission &t) { return t.iq.size(); })
        .def_readonly("header_symbols", &transmission::header_symbols, "of n_symbols, those that are not features")
        .def_readonly("n_features", &transmission::n_features)
        .def_readonly("frames", &transmission::frames, "symbols of each frame");
    m.def("transmit", &transmit, arg("model"), arg("coded"), arg("modulation"), arg("key_seed"), arg("session"),
          arg("cipher") = "auto", arg("frame_bytes") = 16000,
          "Features to symbols: slices, keystream, packets, mapping. cipher: auto, add, xor or none.");
    m.def("channel", &channel, arg("symbols"), arg("kind"), arg("snr_db"), arg("seed"), arg("coherence") = 1024,
          "-> (symbols, gains or None). snr_db is Es/N0.");
    m.def("receive", &receive, arg("model"), arg("sent"), arg("received"), arg("gains"), arg("snr_db"), arg("key_seed"),
          arg("payload_key_seed"), arg("soft") = true,
          "Symbols to image. Another payload_key_seed than the sender's: what Eve sees. -> dict; picture is None if "
          "every packet was lost.");
}
