/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images in srec_core: super-resolution, half and double size, quality. */
#include "core_common.h"

#include <cmath>
#include <optional>
#include <stdexcept>

struct enhancer_model {
    handle<srec_enhancer_model, srec_enhancer_model_free> m;
    srec_compute compute{};
    kept<srec_enhancer, srec_enhancer_free> enhancers;

    enhancer_model(const std::string &path, unsigned threads, const std::string &precision)
        : m(created<srec_enhancer_model, srec_enhancer_model_free>(srec_enhancer_model_load, path.c_str()))
    {
        compute.threads = threads;
        srec_error error{};
        require(srec_precision_parse(precision.c_str(), &compute.precision, &error), error);
    }
    handle<srec_enhancer, srec_enhancer_free> enhancer()
    {
        return enhancers.take([this] {
            const srec_compute *options = &compute;
            return created<srec_enhancer, srec_enhancer_free>(srec_enhancer_create, m.get(), options);
        });
    }
};

/* \throws std::invalid_argument unless the image is possible */
static void check_size(size_t height, size_t width)
{
    if (height < 1 || width < 1 || height > SREC_IMAGE_MAX_SIDE || width > SREC_IMAGE_MAX_SIDE)
        throw std::invalid_argument("height and width must be 1 to " + std::to_string(SREC_IMAGE_MAX_SIDE));
}

/* \param deviation   of each patch; NULL: everywhere
 * \return image of height x width */
static pixels run_enhancer(enhancer_model &m, const pixels &picture, const float *deviation, float everywhere,
                           size_t height, size_t width)
{
    check_size(height, width);
    const srec_image in = as_image(picture);
    std::vector<uint8_t> data(height * width * in.channels);
    const srec_image out{ (uint32_t)width, (uint32_t)height, in.channels, width * in.channels, data.data() };
    {
        py::gil_scoped_release release;
        auto enhancer = m.enhancer();
        srec_error error{};
        require(srec_enhancer_run(enhancer.get(), &in, deviation, everywhere, &out, &error), error);
        m.enhancers.give_back(std::move(enhancer));
    }
    return as_array(data, height, width, in.channels);
}

/* \param deviation (rows, cols) from receive() */
static pixels enhance(enhancer_model &m, const pixels &picture, const floats &deviation, size_t height, size_t width)
{
    const srec_image in = as_image(picture);
    uint32_t cols, rows;
    srec_patch_grid(in.width, in.height, &cols, &rows);
    if (deviation.ndim() != 2 || deviation.shape(0) != rows || deviation.shape(1) != cols)
        throw std::invalid_argument("one deviation for each patch of the image");
    return run_enhancer(m, picture, deviation.data(), 0.0f, height, width);
}

static float layers_deviation(std::optional<float> rms_error)
{
    return srec_enhancer_layers_deviation(rms_error.value_or(NAN));
}

static pixels enhance_layers(enhancer_model &m, const pixels &picture, std::optional<float> rms_error, size_t height,
                             size_t width)
{
    return run_enhancer(m, picture, nullptr, layers_deviation(rms_error), height, width);
}

template <srec_status (*Resize)(const srec_image *, const srec_image *)>
static pixels resized(const pixels &picture, size_t height, size_t width)
{
    check_size(height, width);
    const srec_image in = as_image(picture);
    std::vector<uint8_t> data(height * width * in.channels);
    const srec_image out{ (uint32_t)width, (uint32_t)height, in.channels, width * in.channels, data.data() };
    require(Resize(&in, &out), "resize");
    return as_array(data, height, width, in.channels);
}

static pixels halve(const pixels &picture)
{
    const srec_image in = as_image(picture);
    return resized<srec_image_halve>(picture, (in.height + 1) / 2, (in.width + 1) / 2);
}

template <srec_status (*Metric)(const srec_image *, const srec_image *, double *)>
static double compare(const pixels &a, const pixels &b)
{
    const srec_image x = as_image(a), y = as_image(b);
    double value;
    py::gil_scoped_release release;
    if (Metric(&x, &y, &value) != SREC_OK)
        throw std::invalid_argument("the images differ in size or are too small to compare");
    return value;
}

void bind_pictures(py::module_ &m)
{
    py::class_<enhancer_model, std::shared_ptr<enhancer_model>>(m, "EnhancerModel",
                                                                "An enhancer's model file, loaded and checked.")
        .def(
            py::init<const std::string &, unsigned, const std::string &>(), arg("path"), arg("threads") = 1,
            arg("precision") = "f32",
            "threads: 1, since a sweep has one process per core; 0: all cores. precision: f32, equal on all processors,"
            " bf16, or auto: bf16 where the processor has it.")
        .def_property_readonly(
            "id", [](const enhancer_model &e) { return as_id(srec_enhancer_model_id(e.m.get())); }, "16 hex digits")
        .def_property_readonly("scale", [](const enhancer_model &e) { return srec_enhancer_model_scale(e.m.get()); })
        .def_property_readonly(
            "coding",
            [](const enhancer_model &e) {
                return srec_enhancer_model_coding(e.m.get()) == SREC_CODING_LAYERS ? "layers" : "features";
            },
            "features or layers: what carried the images that the model enhances");
    m.def("enhance_layers", &enhance_layers, arg("model"), arg("picture"), arg("rms_error"), arg("height"),
          arg("width"), "Super-resolution of a received image of coded layers. rms_error: None if it is not known.");
    m.def("enhance", &enhance, arg("model"), arg("picture"), arg("deviation"), arg("height"), arg("width"),
          "Super-resolution of a received image.");
    m.def("layers_deviation", &layers_deviation, arg("rms_error"),
          "Reliability of an image of coded layers, as enhancers take it. -1: not known.");
    m.def("halve", &halve, arg("picture"), "Half the size, low-pass filtered: what is sent with scale 2.");
    m.def("double", &resized<srec_image_double>, arg("picture"), arg("height"), arg("width"),
          "Twice the size, without super-resolution.");
    m.def("psnr", &compare<srec_psnr>, arg("a"), arg("b"),
          "Peak signal-to-noise ratio in dB of two uint8 images; 100 if equal.");
    m.def("ms_ssim", &compare<srec_ms_ssim>, arg("a"), arg("b"),
          "Multi-scale structural similarity of two uint8 images, 0 .. 1.");
}
