/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Metadata, modulations and the version. */
#include "bindings.h"
#include "metadata_keys.h"

/* The text of a symbol, or the printed form of another item. Bytes that are not UTF-8 become \xNN. */
static py::str pmt_text(const pmt::pmt_t &item)
{
    const std::string text = pmt::is_symbol(item) ? pmt::symbol_to_string(item) : pmt::write_string(item);
    return py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(text.data(), text.size(), "backslashreplace"));
}

void bind_metadata(py::module &m)
{
    using py::arg;

    m.def("pmt_text", &pmt_text, arg("item"),
          "Returns the text of a PMT symbol, or the printed form of another item. Bytes that are not UTF-8 become "
          "\\xNN.");
    m.def("version", &srec_version, "Returns the version of libsrec.");
    m.def(
        "bits_per_symbol", [](const std::string &name) { return srec_modem_bits_per_symbol(modulation_from(name)); },
        arg("modulation"), "Returns the bits per symbol of a modulation.");
    m.def("metadata_keys", &metadata_keys,
          "Returns the keys that the C++ blocks use in metadata, info dicts and stream tags.");
}
