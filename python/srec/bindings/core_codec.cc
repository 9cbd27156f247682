/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core_codec.h"

#include <stdexcept>

model::model(const std::string &path, unsigned threads)
    : m(created<srec_model, srec_model_free>(srec_model_load, path.c_str()))
{
    compute.threads = threads;
}

handle<srec_encoder, srec_encoder_free> model::encoder()
{
    return encoders.take([this] {
        const srec_compute *options = &compute;
        return created<srec_encoder, srec_encoder_free>(srec_encoder_create, m.get(), options);
    });
}

handle<srec_decoder, srec_decoder_free> model::decoder()
{
    return decoders.take([this] {
        const srec_compute *options = &compute;
        return created<srec_decoder, srec_decoder_free>(srec_decoder_create, m.get(), options);
    });
}

handle<srec_estimator, srec_estimator_free> model::estimator()
{
    return estimators.take(
        [this] { return created<srec_estimator, srec_estimator_free>(srec_estimator_create, m.get()); });
}

coded::coded(const srec_features &from)
    : f(from), rate_map(from.rate_map, from.rate_map + (size_t)from.patch_cols * from.patch_rows),
      bytes(from.bytes, from.bytes + from.n_bytes)
{
    f.rate_map = rate_map.data();
    f.bytes = bytes.data();
}

static std::shared_ptr<coded> encode(model &m, const pixels &picture, float eta, const std::string &modulation)
{
    const srec_image image = as_image(picture);
    const srec_feature_format format = format_of(modulation_from(modulation));
    py::gil_scoped_release release;
    auto encoder = m.encoder();
    srec_error error{};
    srec_features features;
    require(srec_encoder_run(encoder.get(), &image, eta, format, &features, &error), error);
    auto out = std::make_shared<coded>(features);
    m.encoders.give_back(std::move(encoder));
    return out;
}

static std::vector<std::shared_ptr<slice>> cut(const model &m, const coded &picture, size_t max_bytes)
{
    const size_t patches = picture.rate_map.size();
    const uint32_t count = srec_slice_count(m.m.get(), &picture.f, max_bytes, patches);
    if (!count)
        throw std::invalid_argument("slices are too short for a patch of this model");
    std::vector<std::shared_ptr<slice>> out;
    for (uint32_t i = 0; i < count; i++) {
        auto one = std::make_shared<slice>();
        size_t n = 0;
        one->rate_map.resize(patches);
        one->bytes.resize(max_bytes);
        const srec_slice_number number{ 0, count, i };
        const srec_slice_buffers buffers{ one->rate_map.data(), patches, one->bytes.data(), max_bytes };
        require(srec_slice_extract(m.m.get(), &picture.f, &number, &buffers, &one->s, &n), "slice");
        one->rate_map.resize(one->s.n_patches);
        one->bytes.resize(n);
        one->s.rate_map = one->rate_map.data();
        out.push_back(std::move(one));
    }
    return out;
}

/* What has been received of a slice: its estimates, (n_features) each. */
struct received_slice {
    const slice *of;
    floats mean, deviation; /* deviation empty: hard decisions */
};

static received_slice received_from(const py::tuple &parts)
{
    if (parts.size() != 3)
        throw std::invalid_argument("received is a list of (Slice, mean, deviation or None)");
    received_slice r{ parts[0].cast<const slice *>(), parts[1].cast<floats>(), {} };
    if (!parts[2].is_none())
        r.deviation = parts[2].cast<floats>();
    const auto n = (py::ssize_t)r.of->bytes.size();
    if (r.mean.size() != n || (!parts[2].is_none() && r.deviation.size() != n))
        throw std::invalid_argument("one mean and one deviation for each feature of the slice");
    return r;
}

static py::tuple decode(model &m, const std::vector<py::tuple> &received)
{
    std::vector<received_slice> slices;
    for (const py::tuple &one : received)
        slices.push_back(received_from(one));
    if (slices.empty())
        throw std::invalid_argument("an image needs at least one slice");
    const srec_slice &first = slices.front().of->s;
    const size_t stride = (size_t)first.width * first.channels;
    std::vector<uint8_t> data(stride * first.height);
    const srec_image image{ first.width, first.height, first.channels, stride, data.data() };
    uint32_t cols, rows;
    srec_patch_grid(first.width, first.height, &cols, &rows);
    std::vector<float> deviation;
    {
        py::gil_scoped_release release;
        auto decoder = m.decoder();
        srec_error error{};
        require(srec_decoder_begin(decoder.get(), &first, &error), error);
        for (const received_slice &r : slices)
            require(srec_decoder_add(decoder.get(), &r.of->s, r.mean.data(),
                                     r.deviation.size() ? r.deviation.data() : nullptr, r.of->bytes.size(), &error),
                    error);
        require(srec_decoder_run(decoder.get(), &image, nullptr, &error), error);
        const float *values = srec_decoder_deviation(decoder.get());
        deviation.assign(values, values + (size_t)cols * rows);
        m.decoders.give_back(std::move(decoder));
    }
    return py::make_tuple(as_array(data, first.height, first.width, first.channels),
                          floats({ (size_t)rows, (size_t)cols }, deviation.data()));
}

void bind_codec(py::module_ &m)
{
    py::class_<model, std::shared_ptr<model>>(
        m, "Model", "A model file, loaded and checked; RuntimeError says what is wrong with it.")
        .def(py::init<const std::string &, unsigned>(), arg("path"), arg("threads") = 1,
             "threads: of each network; 0: all cores. 1 suits a sweep, which has one process per core.")
        .def_property_readonly(
            "id", [](const model &c) { return as_id(srec_model_id(c.m.get())); },
            "16 hex digits: start of the file's BLAKE2b hash");
    py::class_<coded, std::shared_ptr<coded>>(m, "Coded", "A coded image: feature bytes and rate map.")
        .def_property_readonly("n_features", [](const coded &c) { return c.bytes.size(); })
        .def_property_readonly("entropy_bits", [](const coded &c) { return c.f.entropy_bits; });
    m.def("encode", &encode, arg("model"), arg("picture"), arg("eta"), arg("modulation"),
          "Image to features; pam256 has a format of its own.");
    py::class_<slice, std::shared_ptr<slice>>(m, "Slice", "The feature bytes of some patches of a coded image.")
        .def_property_readonly("n_features", [](const slice &s) { return s.bytes.size(); });
    m.def("cut", &cut, arg("model"), arg("coded"), arg("max_bytes"),
          "Coded image to the smallest number of slices with at most max_bytes features each. -> list of Slice");
    m.def("decode", &decode, arg("model"), arg("received"),
          "Estimates to image. received: list of (Slice, mean, deviation or None) of one image; missing slices are "
          "concealed. -> (image, deviation of each patch)");
}
