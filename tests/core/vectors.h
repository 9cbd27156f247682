/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads data/crypto_vectors.txt: lines of a name, decimal arguments and bytes in hexadecimal. */
#ifndef VECTORS_H
#define VECTORS_H

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

struct vector_line {
    std::vector<uint64_t> arguments;
    std::vector<uint8_t> bytes;
};

/* All lines called \p name that have \p n_arguments arguments. */
inline std::vector<vector_line> read_vectors(const std::string &name, size_t n_arguments)
{
    std::vector<vector_line> lines;
    std::ifstream file(SREC_SOURCE_DIR "/tests/core/data/crypto_vectors.txt");
    for (std::string text; std::getline(file, text);) {
        std::istringstream in(text);
        std::string word;
        in >> word;
        if (word != name)
            continue;
        vector_line line;
        line.arguments.resize(n_arguments);
        for (uint64_t &argument : line.arguments)
            in >> argument;
        in >> word;
        for (size_t i = 0; i + 1 < word.size(); i += 2)
            line.bytes.push_back((uint8_t)std::stoul(word.substr(i, 2), nullptr, 16));
        lines.push_back(line);
    }
    return lines;
}

#endif /* VECTORS_H */
