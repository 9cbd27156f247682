/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libfec's decoders and encoder of the CCSDS code, which srec sweep compares with. These calls keep Python's lock:
 * libfec fills its tables at the first use, which must not happen in two threads at once. */
#include "core_common.h"

#include <cstdlib>
#include <stdexcept>

extern "C" {
#include <fec.h>
}

static const size_t WORD = 255;  /* bytes of a Reed-Solomon code word */
static const size_t PARITY = 32; /* parity bytes, at its end */
static const size_t TAIL = 6;    /* bits that end the convolutional code, K = 7 */

static pixels viterbi27(const pixels &soft)
{
    const auto n_bits = (size_t)soft.size() / 2;
    if (soft.size() % 2 || n_bits <= TAIL || (n_bits - TAIL) % 8 || n_bits > 1 << 24)
        throw std::invalid_argument("soft values of whole bytes and a tail of 6 bits");
    const size_t n_bytes = (n_bits - TAIL) / 8;
    std::vector<uint8_t> values(soft.data(), soft.data() + soft.size());
    std::vector<uint8_t> out(n_bytes + 1);
    const std::unique_ptr<void, void (*)(void *)> decoder(create_viterbi27((int)(8 * n_bytes)), delete_viterbi27);
    if (!decoder)
        throw std::bad_alloc();
    init_viterbi27(decoder.get(), 0);
    update_viterbi27_blk(decoder.get(), values.data(), (int)n_bits);
    chainback_viterbi27(decoder.get(), out.data(), (unsigned)(8 * n_bytes), 0);
    return pixels(n_bytes, out.data());
}

static pixels rs_encode(const pixels &data)
{
    if ((size_t)data.size() != WORD - PARITY)
        throw std::invalid_argument("a Reed-Solomon word has 223 bytes of data");
    std::vector<uint8_t> word(data.data(), data.data() + data.size());
    word.resize(WORD);
    encode_rs_ccsds(word.data(), word.data() + WORD - PARITY, 0);
    return pixels(WORD, word.data());
}

static py::object rs_decode(const pixels &received)
{
    if ((size_t)received.size() != WORD)
        throw std::invalid_argument("a Reed-Solomon word has 255 bytes");
    std::vector<uint8_t> word(received.data(), received.data() + received.size());
    if (decode_rs_ccsds(word.data(), nullptr, 0, 0) < 0)
        return py::none();
    return pixels(WORD - PARITY, word.data());
}

void bind_reference_code(py::module_ &m)
{
    m.def("viterbi27", &viterbi27, arg("soft"),
          "Decode the convolutional code K = 7, rate 1/2. soft: (2 (8 n + 6)) uint8, 255: a certain 1. -> (n) bytes");
    m.def("rs_ccsds_encode", &rs_encode, arg("data"), "Reed-Solomon (255,223) of CCSDS: (223) bytes -> (255) bytes");
    m.def("rs_ccsds_decode", &rs_decode, arg("word"),
          "(255) bytes -> (223) bytes, or None if there are too many errors");
}
