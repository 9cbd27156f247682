/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core_codec.h"

model::model(const std::string &path) : m(created<srec_model, srec_model_free>(srec_model_load, path.c_str()))
{
    compute.threads = 1; /* a sweep has one process per core */
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

void bind_codec(py::module_ &m)
{
    py::class_<model, std::shared_ptr<model>>(
        m, "Model", "A model file, loaded and checked; RuntimeError says what is wrong with it.")
        .def(py::init<const std::string &>(), arg("path"))
        .def_property_readonly(
            "id", [](const model &c) { return as_id(srec_model_id(c.m.get())); },
            "16 hex digits: start of the file's BLAKE2b hash");
    py::class_<coded, std::shared_ptr<coded>>(m, "Coded", "A coded picture: feature bytes and rate map.")
        .def_property_readonly("n_features", [](const coded &c) { return c.bytes.size(); })
        .def_property_readonly("entropy_bits", [](const coded &c) { return c.f.entropy_bits; });
    m.def("encode", &encode, arg("model"), arg("picture"), arg("eta"), arg("modulation"),
          "Picture to features; pam256 has a format of its own.");
}
