/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The safetensors reader against any file: what it accepts must be readable to the last byte. */
#include "../../lib/core/nn/nn.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "a", "b", "half", "brain", "bytes", "empty", "" };
    srec_safetensors *file;
    srec_error error = { 0 };
    if (srec_safetensors_parse(data, size, &file, &error) != SREC_OK) {
        if (file || !error.message[0] || strchr(error.message, '\n')) /* an error says something, in one line */
            abort();
        return 0;
    }
    size_t held = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const srec_tensor *t = srec_safetensors_find(file, names[i]);
        if (!t)
            continue;
        float *f = malloc(t->count * sizeof *f);
        if (!f || srec_tensor_to_f32(t, f) != SREC_OK)
            abort();
        held += t->count;
        free(f);
    }
    if (held > size)
        abort();
    const char *key;
    for (size_t i = 0; (key = srec_safetensors_metadata_key(file, i)); i++)
        if (!srec_safetensors_metadata(file, key))
            abort();
    srec_safetensors_parameters(file);
    srec_safetensors_free(file);
    return 0;
}
