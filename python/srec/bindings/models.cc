/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Models and what this computer can run. */
#include "bindings.h"

py::str as_text(const std::string &name)
{
    return py::reinterpret_steal<py::str>(PyUnicode_DecodeFSDefaultAndSize(name.data(), name.size()));
}

static py::dict model_info(const file_name &path)
{
    auto model = model_from(path.text);
    py::dict info, metadata, macs;
    py::list ladder;
    for (size_t i = 0; const char *key = srec_model_metadata_key(model.get(), i); i++)
        metadata[key] = srec_model_metadata(model.get(), key);
    for (unsigned i = 0; i < srec_model_ladder_steps(model.get()); i++)
        ladder.append(srec_model_ladder(model.get(), i));
    for (const char *net : { "ga", "ha", "hs", "fe", "fd", "gs" })
        macs[net] = srec_model_macs_per_pixel(model.get(), net);
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)srec_model_id(model.get()));
    info["id"] = id;
    info["metadata"] = metadata;
    info["ladder"] = ladder;
    info["macs_per_pixel"] = macs;
    info["parameters"] = srec_model_parameters(model.get());
    return info;
}

static py::dict enhancer_info(const file_name &path)
{
    auto model = enhancer_from(path.text);
    py::dict info, metadata;
    for (size_t i = 0; const char *key = srec_enhancer_model_metadata_key(model.get(), i); i++)
        metadata[key] = srec_enhancer_model_metadata(model.get(), key);
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)srec_enhancer_model_id(model.get()));
    info["id"] = id;
    info["metadata"] = metadata;
    info["scale"] = srec_enhancer_model_scale(model.get());
    info["coding"] = name_of(srec_enhancer_model_coding(model.get()));
    info["macs_per_pixel"] = srec_enhancer_model_macs_per_pixel(model.get());
    info["parameters"] = srec_enhancer_model_parameters(model.get());
    return info;
}

void bind_models(py::module &m)
{
    using py::arg;

    m.def("model_info", &model_info, arg("path") = "",
          "Returns a dict that describes a codec: id, metadata, ladder, macs_per_pixel, parameters.");
    m.def(
        "default_model", [] { return as_text(default_model()); }, "Returns the path of the model that \"\" selects.");
    m.def(
        "installed_model", [](const file_name &name) { return as_text(installed_model(name.text)); }, arg("name"),
        "Returns the path of an installed model, by its file name; \"\" if there is none.");
    m.def("enhancer_info", &enhancer_info, arg("path"),
          "Returns a dict that describes an enhancer: id, metadata, scale, coding, macs_per_pixel, parameters.");
    m.def(
        "default_enhancer",
        [](int scale, const std::string &coding) {
            if (coding != "features" && coding != "layers")
                throw std::invalid_argument("coding must be features or layers");
            return as_text(default_enhancer(scale, coding == "layers" ? SREC_CODING_LAYERS : SREC_CODING_FEATURES));
        },
        arg("scale") = 1, arg("coding") = "features",
        "Returns the path of the enhancer that \"\" selects for this scale and coding; the file may be missing.");
    m.def(
        "supports_bf16", [] { return srec_compute_supports(SREC_BACKEND_ONEDNN, SREC_PRECISION_BF16); },
        "Returns whether this CPU can run networks in bfloat16.");
}
