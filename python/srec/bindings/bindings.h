/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Shared by the files of the module srec_python: keys and file names from Python, and one function for each group of
 *  bindings. */
#ifndef INCLUDED_SREC_BINDINGS_H
#define INCLUDED_SREC_BINDINGS_H

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "common.h"
#include "docstrings.h" /* generated from the headers of the blocks by docstrings.py */
#include <gnuradio/srec/shared_key.h>
#include <string>

namespace py = pybind11;
using namespace gr::srec;

/* A file name from Python: text as os.fsdecode() returns it, bytes, or os.PathLike. It need not be UTF-8. */
struct file_name {
    std::string text;
};

namespace pybind11
{
namespace detail
{
template <>
struct type_caster<file_name> {
    PYBIND11_TYPE_CASTER(file_name, const_name("os.PathLike"));
    bool load(handle from, bool)
    {
        PyObject *name = nullptr;
        if (!PyUnicode_FSConverter(from.ptr(), &name)) {
            PyErr_Clear();
            return false;
        }
        value.text = reinterpret_steal<bytes>(name);
        return true;
    }
};
} // namespace detail
} // namespace pybind11

/* Text as os.fsdecode() returns it. */
py::str as_text(const std::string &name);

/* A key, or its text. While this waits for a pipe, other Python threads run and signals interrupt it. */
shared_key as_key(const py::object &key, shared_key::warnings what = shared_key::warnings::log);

/* make() of a block with keys and file names from Python. */
template <typename R, typename... More>
auto with_path(R (*make)(const std::string &, More...))
{
    return [make](const file_name &path, More... more) { return make(path.text, more...); };
}

template <typename R, typename... More>
auto with_key(R (*make)(const shared_key &, More...))
{
    return [make](const py::object &key, More... more) { return make(as_key(key), more...); };
}

template <typename R, typename... More>
auto with_key_and_path(R (*make)(const shared_key &, const std::string &, More...))
{
    return [make](const py::object &key, const file_name &path, More... more) {
        return make(as_key(key), path.text, more...);
    };
}

/* The bindings, by group. */
void bind_key(py::module &m);
void bind_transmit_blocks(py::module &m);
void bind_channel_blocks(py::module &m);
void bind_receive_blocks(py::module &m);
void bind_flowgraph(py::module &m);
void bind_images(py::module &m);
void bind_layers(py::module &m);
void bind_models(py::module &m);
void bind_metadata(py::module &m);

#endif
