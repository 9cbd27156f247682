/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core_common.h"

#include <cmath>
#include <cstdio>
#include <stdexcept>

void require(srec_status status, const srec_error &error)
{
    if (status == SREC_ERR_ARG)
        throw std::invalid_argument(error.message);
    if (status != SREC_OK)
        throw std::runtime_error(error.message);
}

void require(srec_status status, const char *what)
{
    if (status != SREC_OK)
        throw std::invalid_argument(std::string(what) + ": " + srec_strerror(status));
}

srec_modulation modulation_from(const std::string &name)
{
    srec_modulation m;
    if (srec_modulation_parse(name.c_str(), &m) != SREC_OK)
        throw std::invalid_argument("unknown modulation '" + name + "': bpsk, qpsk, 16qam, 64qam, 256qam or pam256");
    return m;
}

srec_cipher cipher_from(const std::string &name, srec_feature_format format)
{
    srec_cipher c = srec_cipher_for(format);
    if (name != "auto" && srec_cipher_parse(name.c_str(), &c) != SREC_OK)
        throw std::invalid_argument("unknown cipher '" + name + "': auto, add, xor or none");
    return c;
}

srec_feature_format format_of(srec_modulation m)
{
    return m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS;
}

float noise_power(float snr_db) { return std::pow(10.0f, -0.1f * snr_db); }

size_t demap_frame(srec_modulation m, const float *iq, const float *gain, size_t n, float n0, std::vector<float> &soft)
{
    soft.resize(n * srec_modem_soft_per_symbol(m));
    require(srec_modem_demap(m, iq, gain, n0, n, soft.data()), "demapper");
    return soft.size() / srec_modem_soft_per_byte(m);
}

std::string as_id(uint64_t id)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
    return text;
}

srec_image as_image(const pixels &a)
{
    if (a.ndim() < 2 || a.ndim() > 3 || (a.ndim() == 3 && a.shape(2) != 1 && a.shape(2) != 3))
        throw std::invalid_argument("an image is (height, width) or (height, width, 3), uint8");
    const uint8_t channels = a.ndim() == 3 ? (uint8_t)a.shape(2) : 1;
    return { (uint32_t)a.shape(1), (uint32_t)a.shape(0), channels, (size_t)a.shape(1) * channels,
             const_cast<uint8_t *>(a.data()) };
}

pixels as_array(const std::vector<uint8_t> &data, size_t height, size_t width, unsigned channels)
{
    return channels == 1 ? pixels({ height, width }, data.data())
                         : pixels({ height, width, (size_t)channels }, data.data());
}
