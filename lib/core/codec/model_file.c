/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_file.h"

#include <string.h>

static srec_status check(const srec_safetensors *file, const char *kind, srec_error *error)
{
    const char *format = srec_safetensors_metadata(file, "format"),
               *version = srec_safetensors_metadata(file, "format_version");
    const char *is = srec_safetensors_metadata(file, "kind");
    if (!format || strcmp(format, "srec-model") != 0)
        return srec_fail(error, SREC_ERR_FORMAT, "a safetensors file, but not an srec model");
    if (!version || strcmp(version, "1") != 0)
        return srec_fail(error, SREC_ERR_VERSION, "model format version %.16s; this library reads version 1",
                         version ? version : "(none)");
    if (!is || strcmp(is, kind) != 0)
        return srec_fail(error, SREC_ERR_UNSUPPORTED, "model of kind %.32s; %s %s is needed", is ? is : "(none)",
                         *kind == 'e' ? "an" : "a", kind);
    if (!srec_safetensors_metadata(file, "checksum"))
        return srec_fail(error, SREC_ERR_FORMAT, "metadata checksum is missing");
    return SREC_OK;
}

srec_status srec_model_open(const char *path, srec_model_maker make, void **out, srec_error *error)
{
    srec_error detail = { 0 };
    srec_safetensors *file;
    *out = NULL;
    srec_status status = srec_safetensors_load(path, &file, &detail);
    if (status == SREC_OK)
        status = make(file, out, &detail);
    if (status != SREC_OK)
        srec_fail(error, status, "model %.80s: %.160s", path, detail.message);
    return status;
}

srec_status srec_model_open_memory(const void *data, size_t size, srec_model_maker make, void **out, srec_error *error)
{
    srec_safetensors *file;
    *out = NULL;
    const srec_status status = srec_safetensors_parse(data, size, &file, error);
    return status == SREC_OK ? make(file, out, error) : status;
}

static json_t *parse(const srec_safetensors *file, const char *key)
{
    const char *text = srec_safetensors_metadata(file, key);
    return text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

srec_status srec_model_read_json(const srec_safetensors *file, const char *kind, srec_model_json *out,
                                 srec_error *error)
{
    *out = (srec_model_json){ NULL, NULL };
    const srec_status status = check(file, kind, error);
    if (status != SREC_OK)
        return status;
    *out = (srec_model_json){ parse(file, "graph"), parse(file, kind) };
    if (!json_is_object(out->graphs) || !json_is_object(out->numbers))
        return srec_fail(error, SREC_ERR_FORMAT, "metadata graph or %s is missing or not JSON", kind);
    return SREC_OK;
}

void srec_model_free_json(srec_model_json *j)
{
    json_decref(j->graphs);
    json_decref(j->numbers);
}

bool srec_model_read_mean(const json_t *value, float mean[3])
{
    if (json_array_size(value) != 3)
        return false;
    for (unsigned i = 0; i < 3; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_number(item) || !(json_number_value(item) >= 0 && json_number_value(item) <= 1))
            return false;
        mean[i] = (float)json_number_value(item);
    }
    return true;
}
