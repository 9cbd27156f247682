/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Images as uint8 arrays: comparison, scaling, PMT vectors. */
#include "bindings.h"
#include <pybind11/numpy.h>

using pixels = py::array_t<uint8_t, py::array::c_style>;

static srec_image as_image(const pixels &a)
{
    if (a.ndim() < 2 || a.ndim() > 3 || (a.ndim() == 3 && a.shape(2) != 1 && a.shape(2) != 3))
        throw std::invalid_argument("an image is (height, width) or (height, width, 3), uint8");
    uint8_t channels = a.ndim() == 3 ? (uint8_t)a.shape(2) : 1;
    return { (uint32_t)a.shape(1), (uint32_t)a.shape(0), channels, (size_t)a.shape(1) * channels,
             const_cast<uint8_t *>(a.data()) };
}

/* Throws unless status is SREC_OK. wrong_argument: the text for SREC_ERR_ARG. */
static void check(srec_status status, const char *wrong_argument)
{
    srec_error error{};
    if (status == SREC_ERR_ARG)
        srec_fail(&error, status, "%s", wrong_argument);
    require(status, error);
}

template <srec_status (*Metric)(const srec_image *, const srec_image *, double *)>
static double compare(const pixels &a, const pixels &b)
{
    srec_image x = as_image(a), y = as_image(b);
    double value;
    check(Metric(&x, &y, &value), "the images differ in size or are too small to compare");
    return value;
}

/* An image of the given size, with as many dimensions as \p a. */
static pixels like(const pixels &a, py::ssize_t height, py::ssize_t width)
{
    return a.ndim() == 3 ? pixels(std::vector<py::ssize_t>{ height, width, a.shape(2) })
                         : pixels(std::vector<py::ssize_t>{ height, width });
}

static pixels image_double(const pixels &a)
{
    const srec_image in = as_image(a);
    pixels result = like(a, 2 * a.shape(0), 2 * a.shape(1));
    const srec_image out = as_image(result);
    check(srec_image_double(&in, &out), "an image of this size cannot be doubled");
    return result;
}

static pixels image_halve(const pixels &a)
{
    const srec_image in = as_image(a);
    pixels result = like(a, (a.shape(0) + 1) / 2, (a.shape(1) + 1) / 2);
    const srec_image out = as_image(result);
    check(srec_image_halve(&in, &out), "an image of this size cannot be halved");
    return result;
}

void bind_images(py::module &m)
{
    using py::arg;

    m.def("psnr", &compare<srec_psnr>, arg("a"), arg("b"),
          "Returns the peak signal-to-noise ratio of two uint8 images, in dB; 100 if they are equal. Raises ValueError "
          "if the sizes differ.");
    m.def("ms_ssim", &compare<srec_ms_ssim>, arg("a"), arg("b"),
          "Returns the multi-scale structural similarity of two uint8 images, 0 .. 1. Raises ValueError if the sizes "
          "differ, or if a side is under 11 pixels.");
    m.def("image_double", &image_double, arg("picture"),
          "Returns a uint8 image of twice the size, by cubic interpolation.");
    m.def("image_halve", &image_halve, arg("picture"),
          "Returns a uint8 image of half the size, as a sender transmits it at scale 2.");
    m.def(
        "u8vector", [](const pixels &a) { return pmt::init_u8vector(a.size(), a.data()); }, arg("array"),
        "Returns a PMT u8vector with the bytes of a uint8 array.");
    m.def(
        "u8array",
        [](const pmt::pmt_t &v) {
            size_t n;
            const uint8_t *p = pmt::u8vector_elements(v, n);
            return pixels(n, p);
        },
        arg("vector"), "Returns a uint8 array with the bytes of a PMT u8vector.");
}
