/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A link without packet headers, for training: feature bytes to estimates through cipher, mapping, noise, demapping and
 * descrambler. */
#include "core_codec.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

/* How features travel. */
struct link_settings {
    srec_modulation modulation;
    float snr_db;
    float n0;
    srec_key key{};
    uint64_t seed;
    srec_cipher cipher;
    bool hard;

    link_settings(const std::string &modulation_name, double snr, const std::string &key_bytes, uint64_t noise_seed,
                  const std::string &cipher_name, bool hard_decisions)
        : modulation(modulation_from(modulation_name)), snr_db((float)snr), n0((float)std::pow(10.0, -snr / 10.0)),
          seed(noise_seed), cipher(cipher_from(cipher_name, format_of(modulation))), hard(hard_decisions)
    {
        if (key_bytes.size() != sizeof key.bytes)
            throw std::invalid_argument("a key has " + std::to_string(sizeof key.bytes) + " bytes");
        std::copy(key_bytes.begin(), key_bytes.end(), key.bytes);
    }
};

/* Priors without a model, as a network in training has them. */
struct priors {
    srec_feature_format format;
    float levels;
    floats tables;                  /* (n_tables, 256) */
    std::vector<unsigned> ladder;   /* features of a patch at each step */
    std::vector<floats> covariance; /* (k, k) for each step, or empty */
    kept<srec_estimator, srec_estimator_free> estimators;

    priors(const std::string &format_name, float byte_levels, const floats &prior_tables,
           const std::vector<unsigned> &steps, const std::vector<floats> &covariances)
        : format(format_name == "amplitude" ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS), levels(byte_levels),
          tables(prior_tables), ladder(steps), covariance(covariances)
    {
        if (format_name != "bits" && format_name != "amplitude")
            throw std::invalid_argument("unknown feature format '" + format_name + "': bits or amplitude");
        if (tables.ndim() != 2 || tables.shape(1) != 256)
            throw std::invalid_argument("tables of priors are (n, 256)");
        if (!covariance.empty() && covariance.size() != ladder.size())
            throw std::invalid_argument("one covariance for each step of the ladder");
        for (size_t r = 0; r < covariance.size(); r++)
            if (covariance[r].ndim() != 2 || covariance[r].shape(0) != ladder[r] || covariance[r].shape(1) != ladder[r])
                throw std::invalid_argument("the covariance of a step is (k, k) for its k features");
        estimators.give_back(estimator()); /* refuses invalid priors now */
    }

    handle<srec_estimator, srec_estimator_free> estimator()
    {
        return estimators.take([this] {
            const uint8_t index = 0; /* not used: each feature names its table */
            std::vector<const float *> covariances;
            for (const floats &c : covariance)
                covariances.push_back(c.data());
            srec_priors p{};
            p.levels = levels;
            p.n_tables = (unsigned)tables.shape(0);
            p.tables = tables.data();
            p.n_steps = (unsigned)ladder.size();
            p.n_positions = 1;
            p.index = &index;
            p.ladder = ladder.data();
            p.covariance = covariances.empty() ? nullptr : covariances.data();
            const srec_priors *from = &p;
            return created<srec_estimator, srec_estimator_free>(srec_estimator_create_from_priors, from, format);
        });
    }
};

/* The sender and the noise of one link. */
class air
{
    const link_settings &d_link;
    handle<srec_scrambler, srec_scrambler_free> d_scrambler;
    handle<srec_channel, srec_channel_free> d_channel;
    std::vector<uint8_t> d_bytes, d_ordered;
    std::vector<float> d_iq, d_received, d_soft;

public:
    explicit air(const link_settings &l)
        : d_link(l),
          d_scrambler(created<srec_scrambler, srec_scrambler_free>(srec_scrambler_create, &l.key, l.seed | 1)),
          d_channel(
              created<srec_channel, srec_channel_free>(srec_channel_create, SREC_CHANNEL_AWGN, l.snr_db, l.seed, 1u))
    {
    }

    srec_scrambler *scrambler() const { return d_scrambler.get(); }

    /* \return soft values of the payload of a packet in the secret order, valid until the next call */
    const float *send(uint64_t packet, const uint8_t *features, size_t n)
    {
        const srec_modulation m = d_link.modulation;
        const size_t granule = srec_modem_byte_granule(m);
        const size_t n_bytes = (n + granule - 1) / granule * granule;
        const size_t n_symbols = srec_modem_symbols(m, n_bytes);
        d_bytes.assign(n_bytes, 0);
        d_ordered.resize(n_bytes);
        d_iq.resize(2 * n_symbols);
        d_received.resize(n_bytes * srec_modem_soft_per_byte(m));
        d_soft.resize(d_received.size());
        require(srec_scrambler_scramble(d_scrambler.get(), packet, d_link.cipher, features, d_bytes.data(), n),
                "scrambler");
        require(srec_modem_order_bytes(m, d_bytes.data(), d_ordered.data(), n_bytes), "mapper");
        require(srec_modem_map(m, d_ordered.data(), n_bytes, d_iq.data()), "mapper");
        require(srec_channel_apply(d_channel.get(), d_iq.data(), d_iq.data(), nullptr, n_symbols), "channel");
        require(srec_modem_demap(m, d_iq.data(), nullptr, d_link.n0, n_symbols, d_received.data()), "demapper");
        require(srec_modem_restore_soft(m, d_received.data(), d_soft.data(), n_bytes), "demapper");
        return d_soft.data();
    }
};

/* Number of patches that the packet from patch `first` on carries, and their features. */
static size_t packet_patches(const std::vector<unsigned> &sizes, size_t first, size_t *n_features)
{
    size_t count = 0;
    *n_features = 0;
    while (first + count < sizes.size() && *n_features + sizes[first + count] <= SREC_PAYLOAD_MAX)
        *n_features += sizes[first + count++];
    return count;
}

/* \return features of each patch */
static std::vector<unsigned> patch_sizes(const priors &p, const pixels &rate_map, size_t n_features)
{
    std::vector<unsigned> sizes;
    size_t sum = 0;
    for (py::ssize_t i = 0; i < rate_map.size(); i++) {
        const uint8_t step = rate_map.data()[i];
        if (step >= p.ladder.size() || p.ladder[step] > SREC_PAYLOAD_MAX)
            throw std::invalid_argument("the rate map has a step that is not on the ladder");
        sizes.push_back(p.ladder[step]);
        sum += p.ladder[step];
    }
    if (sum != n_features)
        throw std::invalid_argument("the steps of the rate map do not add up to the number of features");
    return sizes;
}

static py::tuple send_features(priors &p, const pixels &features, const pixels &tables, const pixels &rate_map,
                               const link_settings &l)
{
    const auto n = (size_t)features.size();
    if ((size_t)tables.size() != n)
        throw std::invalid_argument("one prior table for each feature");
    if (format_of(l.modulation) != p.format)
        throw std::invalid_argument("the priors are of another feature format than the modulation");
    const std::vector<unsigned> sizes = patch_sizes(p, rate_map, n);
    floats mean(n), deviation(n);
    float *means = mean.mutable_data(), *deviations = deviation.mutable_data();
    {
        py::gil_scoped_release release;
        auto estimator = p.estimator();
        air to(l);
        size_t at = 0;
        size_t patch = 0;
        for (uint64_t packet = 0; at < n; packet++) {
            srec_feature_payload payload{};
            payload.modulation = l.modulation;
            payload.cipher = l.cipher;
            payload.packet = packet;
            payload.n_patches = packet_patches(sizes, patch, &payload.n_features);
            payload.tables = tables.data() + at;
            payload.rate_map = rate_map.data() + patch;
            payload.soft = to.send(packet, features.data() + at, payload.n_features);
            require(srec_estimator_run_features(estimator.get(), to.scrambler(), &payload, !l.hard, means + at,
                                                deviations + at),
                    "descrambler");
            at += payload.n_features;
            patch += payload.n_patches;
        }
        p.estimators.give_back(std::move(estimator));
    }
    return py::make_tuple(mean, deviation);
}

static py::tuple send_slice(model &m, const slice &s, const link_settings &l)
{
    const size_t n = s.bytes.size();
    floats mean(n), deviation(n);
    float *means = mean.mutable_data(), *deviations = deviation.mutable_data();
    {
        py::gil_scoped_release release;
        auto estimator = m.estimator();
        air to(l);
        const srec_payload payload{ l.modulation, l.cipher, 0, &s.s, to.send(0, s.bytes.data(), n) };
        require(srec_estimator_run(estimator.get(), to.scrambler(), &payload, !l.hard, means, deviations),
                "descrambler");
        m.estimators.give_back(std::move(estimator));
    }
    return py::make_tuple(mean, l.hard ? py::object(py::none()) : py::object(deviation));
}

void bind_training(py::module_ &m)
{
    py::class_<link_settings>(m, "Link",
                              "How features travel over AWGN in training: no headers, packet numbers from 0.")
        .def(py::init<const std::string &, double, const std::string &, uint64_t, const std::string &, bool>(),
             arg("modulation"), arg("snr_db"), arg("key"), arg("seed"), arg("cipher") = "add", arg("hard") = false,
             "snr_db is Es/N0. key: 32 bytes. seed: of noise and session. hard: decisions as in the paper.");
    py::class_<priors, std::shared_ptr<priors>>(m, "Priors",
                                                "Priors of features without a model. Several threads may use it.")
        .def(py::init<const std::string &, float, const floats &, const std::vector<unsigned> &,
                      const std::vector<floats> &>(),
             arg("format"), arg("levels"), arg("tables"), arg("ladder"), arg("covariance") = std::vector<floats>(),
             "format: bits or amplitude. levels: byte levels per unit of a feature. tables: (n, 256), rows sum to 1. "
             "ladder: features of a patch at each step. covariance: (k, k) for each step; without it each feature is "
             "estimated separately.")
        .def_readonly("tables", &priors::tables)
        .def_readonly("covariance", &priors::covariance);
    m.def("send_features", &send_features, arg("priors"), arg("features"), arg("tables"), arg("rate_map"), arg("link"),
          "Send features patch by patch. tables: prior table of each; rate_map: ladder step of each patch. -> (mean, "
          "deviation), in units of the feature");
    m.def("send_slice", &send_slice, arg("model"), arg("slice"), arg("link"),
          "Send a slice, with the priors of the model. -> (mean, deviation or None after hard decisions)");
}
