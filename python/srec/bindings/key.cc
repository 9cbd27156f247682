/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The master key. */
#include "bindings.h"

shared_key as_key(const py::object &key, shared_key::warnings what)
{
    if (py::isinstance<shared_key>(key))
        return key.cast<shared_key>();
    const std::string text = key.cast<file_name>().text;
    for (;;) {
        try {
            py::gil_scoped_release release;
            return shared_key(text, what);
        } catch (const interrupted &) {
            if (PyErr_CheckSignals() != 0)
                throw py::error_already_set();
        }
    }
}

static void key_generate(const file_name &path)
{
    std::shared_ptr<srec_key> key(srec_key_new(), srec_key_free);
    srec_error error{};
    srec_status status = srec_key_generate(key.get());
    if (status == SREC_OK)
        status = srec_key_write(key.get(), path.text.c_str(), &error);
    else
        srec_fail(&error, status, "no key: %s", srec_strerror(status));
    require(status, error);
}

void bind_key(py::module &m)
{
    using py::arg;

    py::class_<shared_key>(m, "key", doc::shared_key)
        .def(py::init([](const py::object &text, bool warn) {
                 return as_key(text, warn ? shared_key::warnings::log : shared_key::warnings::keep);
             }),
             arg("text"), arg("warn") = true,
             "text: key file or pipe, or another srec.key; 64 hexadecimal digits or seed:N (for tests only). warn: "
             "True: a "
             "warning about a weak key is logged once. Raises RuntimeError or ValueError with one line.")
        .def_property_readonly("warning", &shared_key::warning, doc::shared_key_warning)
        .def(
            "__eq__", [](const shared_key &a, const shared_key &b) { return srec_key_equal(a.get(), b.get()) == 1; },
            py::is_operator())
        .def("__repr__", [](const shared_key &) { return "<srec.key>"; });

    m.def("key_generate", &key_generate, arg("path"),
          "Write a random key to a new file, mode 0600. Raises RuntimeError if the file exists or cannot be written.");
}
