/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What the files of the Python module srec_core share: handles, errors, NumPy arrays, and one bind function each. */
#ifndef SREC_BINDINGS_CORE_COMMON_H
#define SREC_BINDINGS_CORE_COMMON_H

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <complex>
#include <memory>
#include <mutex>
#include <srec/srec.h>
#include <string>
#include <vector>

namespace py = pybind11;
using py::arg;
using pixels = py::array_t<uint8_t, py::array::c_style>; /* other types are refused */
using symbols = py::array_t<std::complex<float>, py::array::c_style | py::array::forcecast>;
using floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

void bind_codec(py::module_ &m);
void bind_transmission(py::module_ &m);
void bind_training(py::module_ &m);
void bind_reference_code(py::module_ &m);
void bind_pictures(py::module_ &m);
void bind_modem(py::module_ &m);
void bind_ldpc(py::module_ &m);
void bind_layers(py::module_ &m);

template <typename T, void (*Free)(T *)>
struct deleter {
    void operator()(T *p) const { Free(p); }
};
template <typename T, void (*Free)(T *)>
using handle = std::unique_ptr<T, deleter<T, Free>>;

/* Calls a create function of the core: created<type, free>(create, arguments...). */
template <typename T, void (*Free)(T *), typename Create, typename... Arguments>
handle<T, Free> created(Create create, Arguments... arguments);

/* SREC_ERR_ARG becomes ValueError, any other failure RuntimeError. */
void require(srec_status status, const srec_error &error);
/* Every failure becomes ValueError. */
void require(srec_status status, const char *what);

srec_modulation modulation_from(const std::string &name);
/* \param name add, xor or none; auto: the cipher that costs soft decoding least */
srec_cipher cipher_from(const std::string &name, srec_feature_format format);
srec_feature_format format_of(srec_modulation m);
float noise_power(float snr_db); /* N0 for Es = 1 */
/* Soft values of the n symbols of a frame. \param gain (n, 2), or NULL: 1 \param[out] soft resized \return bytes */
size_t demap_frame(srec_modulation m, const float *iq, const float *gain, size_t n, float n0, std::vector<float> &soft);
std::string as_id(uint64_t id); /* 16 hex digits */

srec_image as_image(const pixels &a); /* of the array's memory */
pixels as_array(const std::vector<uint8_t> &data, size_t height, size_t width, unsigned channels);

inline const float *as_floats(const symbols &a) { return reinterpret_cast<const float *>(a.data()); }
inline float *as_floats(std::vector<std::complex<float>> &a) { return reinterpret_cast<float *>(a.data()); }

template <typename T, void (*Free)(T *), typename Create, typename... Arguments>
handle<T, Free> created(Create create, Arguments... arguments)
{
    T *raw = nullptr;
    srec_error error{};
    require(create(arguments..., &raw, &error), error);
    return handle<T, Free>(raw);
}

/* Objects of one kind, kept for the next call, because creating one takes as long as a small image. Several threads may
 * take one each. */
template <typename T, void (*Free)(T *)>
class kept
{
    std::mutex d_mutex;
    std::vector<handle<T, Free>> d_idle;

public:
    /* \param create creates one when none is idle */
    template <typename Create>
    handle<T, Free> take(Create create)
    {
        {
            std::lock_guard<std::mutex> lock(d_mutex);
            if (!d_idle.empty()) {
                handle<T, Free> one = std::move(d_idle.back());
                d_idle.pop_back();
                return one;
            }
        }
        return create();
    }
    void give_back(handle<T, Free> one)
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        d_idle.push_back(std::move(one));
    }
};

#endif /* SREC_BINDINGS_CORE_COMMON_H */
