/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What the files of codecs and enhancers have in common (docs/model-format.md). */
#ifndef SREC_MODEL_FILE_H
#define SREC_MODEL_FILE_H

#include "nn/nn.h"

#include <jansson.h>

/* Makes a model of a file, which it owns from then on, also on error. \param[out] out the model */
typedef srec_status (*srec_model_maker)(srec_safetensors *file, void **out, srec_error *error);

/* Load a model from a file. Messages name the path. \param[out] out NULL on error */
srec_status srec_model_open(const char *path, srec_model_maker make, void **out, srec_error *error);
/* The same from memory. */
srec_status srec_model_open_memory(const void *data, size_t size, srec_model_maker make, void **out, srec_error *error);

/* The JSON objects in the metadata of a model. */
typedef struct srec_model_json {
    json_t *graphs;
    json_t *numbers;
} srec_model_json;

/* Check that the file is a model of that kind ("codec", "enhancer") in a version that this library reads, and parse its
 * metadata. \param[out] out to be freed, also after an error */
srec_status srec_model_read_json(const srec_safetensors *file, const char *kind, srec_model_json *out,
                                 srec_error *error);
void srec_model_free_json(srec_model_json *j);

/* \return whether the value is an array of three numbers 0 .. 1 */
bool srec_model_read_mean(const json_t *value, float mean[3]);

#endif /* SREC_MODEL_FILE_H */
