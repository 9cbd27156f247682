/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The LDPC codes of coded layers in srec_core. */
#include "core_common.h"

#include <srec/layer_plan.h>
#include <srec/ldpc.h>

static srec_ldpc_code code_for(size_t info_bytes, size_t coded_bytes)
{
    srec_ldpc_code code;
    require(srec_ldpc_code_for(info_bytes, coded_bytes, &code), "LDPC code");
    return code;
}

static double ldpc_code_rate(const std::string &modulation, float snr_db)
{
    const srec_modulation m = modulation_from(modulation);
    if (m == SREC_PAM256)
        throw std::invalid_argument("no LDPC code for pam256");
    const double rate = srec_layer_code_rate(m, snr_db);
    return srec_layer_threshold_db(m, rate) <= snr_db ? rate : 0;
}

static pixels ldpc_encode(const pixels &info, size_t coded_bytes)
{
    const srec_ldpc_code code = code_for(info.size(), coded_bytes);
    auto encoder = created<srec_ldpc_encoder, srec_ldpc_encoder_free>(srec_ldpc_encoder_create);
    pixels bits(code.coded_bits);
    require(srec_ldpc_encode(encoder.get(), &code, 0, info.data(), bits.mutable_data()), "LDPC encoder");
    return bits;
}

/* \return the payload, or None if a block failed */
static py::object ldpc_decode(const floats &llr, size_t info_bytes)
{
    const srec_ldpc_code code = code_for(info_bytes, llr.size() / 8);
    if ((size_t)llr.size() != code.coded_bits)
        throw std::invalid_argument("one LLR for each coded bit");
    auto decoder = created<srec_ldpc_decoder, srec_ldpc_decoder_free>(srec_ldpc_decoder_create, nullptr);
    std::vector<int8_t> quantised(code.coded_bits);
    srec_ldpc_quantise(llr.data(), quantised.size(), quantised.data());
    const srec_ldpc_transmission received{ quantised.data(), 0 };
    pixels info(code.info_bytes);
    const srec_status status = srec_ldpc_decode(decoder.get(), &code, &received, 1, info.mutable_data(), nullptr);
    if (status == SREC_ERR_CHECKSUM)
        return py::none();
    require(status, "LDPC decoder");
    return info;
}

void bind_ldpc(py::module_ &m)
{
    m.def("ldpc_code_rate", &ldpc_code_rate, arg("modulation"), arg("snr_db"),
          "The highest code rate whose threshold is at most snr_db; 0 if there is none.");
    m.def("ldpc_encode", &ldpc_encode, arg("info"), arg("coded_bytes"),
          "Bytes to 8 coded_bytes coded bits, one bit per byte.");
    m.def("ldpc_decode", &ldpc_decode, arg("llr"), arg("info_bytes"),
          "LLRs of all coded bits, positive for bit 0, to bytes; None if a block failed.");
}
