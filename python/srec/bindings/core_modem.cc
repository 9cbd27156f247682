/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The modem in srec_core. */
#include "core_common.h"

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
    require(srec_modem_demap(m, as_floats(received), nullptr, noise_power(snr_db), received.size(), out.mutable_data()),
            "demapper");
    return out;
}

void bind_modem(py::module_ &m)
{
    m.def("map_bytes", &map_bytes, arg("modulation"), arg("bytes"), "Bytes to symbols, most significant bit first.");
    m.def("demap", &demap, arg("modulation"), arg("received"), arg("snr_db"),
          "Symbols to LLRs, positive for bit 0 (pam256: amplitude, variance).");
    m.def(
        "bits_per_symbol", [](const std::string &name) { return srec_modem_bits_per_symbol(modulation_from(name)); },
        arg("modulation"));
}
