/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Thresholds and code rates of coded layers. */
#include "bindings.h"
#include <srec/layer_plan.h>

/* A modulation that carries layers. */
static srec_modulation modulation_of(const std::string &name)
{
    srec_modulation m;
    if (srec_modulation_parse(name.c_str(), &m) != SREC_OK || m == SREC_PAM256)
        throw py::value_error("layers need bpsk, qpsk, 16qam, 64qam or 256qam");
    return m;
}

void bind_layers(py::module &m)
{
    using py::arg;

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
}
