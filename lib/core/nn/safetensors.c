/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bytes.h"
#include "nn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_MAX     ((size_t)4 << 20)
#define FILE_MAX_BYTES ((uint64_t)1 << 32)
#define TENSORS_MAX    4096u
#define NAME_MAX_BYTES 200u

struct srec_safetensors {
    uint8_t *file;
    size_t size;
    uint64_t id;
    json_t *header;
    json_t *metadata; /* borrowed from header; NULL if absent */
    unsigned n_tensors;
    srec_tensor *tensors; /* sorted by name */
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [SREC_F32] = { "F32", 4 }, [SREC_F16] = { "F16", 2 }, [SREC_BF16] = { "BF16", 2 }, [SREC_U8] = { "U8", 1 }
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const srec_tensor *)a)->name, ((const srec_tensor *)b)->name);
}
static int by_place(const void *a, const void *b)
{
    const srec_tensor *x = *(srec_tensor *const *)a, *y = *(srec_tensor *const *)b;
    return (x->data > y->data) - (x->data < y->data);
}

static bool as_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

/* Parse one entry of the header.
 * \param data_size bytes after the header */
static srec_status parse_tensor(const char *name, const json_t *entry, const uint8_t *data, size_t data_size,
                                srec_tensor *t, srec_error *error)
{
    if (strlen(name) > NAME_MAX_BYTES)
        return srec_fail(error, SREC_ERR_FORMAT, "a tensor name is longer than %u bytes", NAME_MAX_BYTES);
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape"),
                 *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return srec_fail(error, SREC_ERR_FORMAT, "tensor %s: dtype, shape or data_offsets missing or of the wrong kind",
                         name);
    size_t kind = 0, n_kinds = sizeof dtypes / sizeof *dtypes;
    while (kind < n_kinds && strcmp(dtypes[kind].name, json_string_value(dtype)) != 0)
        kind++;
    if (kind == n_kinds)
        return srec_fail(error, SREC_ERR_UNSUPPORTED, "tensor %s: dtype %.16s is not one of F32 F16 BF16 U8", name,
                         json_string_value(dtype));
    t->name = name;
    t->dtype = (srec_dtype)kind;
    size_t begin, end;
    if (!as_size(json_array_get(offsets, 0), &begin) || !as_size(json_array_get(offsets, 1), &end) || begin > end)
        return srec_fail(error, SREC_ERR_FORMAT, "tensor %s: bad data_offsets", name);
    if (end > data_size)
        return srec_fail(error, SREC_ERR_TRUNCATED,
                         "tensor %s ends %zu bytes beyond the end of the file: the file is cut short", name,
                         end - data_size);
    if (json_array_size(shape) > 8)
        return srec_fail(error, SREC_ERR_SHAPE, "tensor %s: more than 8 dimensions", name);
    t->rank = (unsigned)json_array_size(shape);
    t->count = 1;
    for (unsigned i = 0; i < t->rank; i++) {
        if (!as_size(json_array_get(shape, i), &t->shape[i]) || t->shape[i] == 0)
            return srec_fail(error, SREC_ERR_SHAPE, "tensor %s: dimension %u is not a positive integer", name, i);
        if (t->shape[i] > data_size / t->count)
            return srec_fail(error, SREC_ERR_SHAPE, "tensor %s: larger than the file", name);
        t->count *= t->shape[i];
    }
    if (end - begin != t->count * dtypes[kind].size)
        return srec_fail(error, SREC_ERR_SHAPE, "tensor %s: %zu bytes, its shape needs %zu", name, end - begin,
                         t->count * dtypes[kind].size);
    t->data = data + begin;
    return SREC_OK;
}

/* Check that the tensors fill the data section without overlap or gap. */
static srec_status check_places(srec_safetensors *s, const uint8_t *data, size_t data_size, srec_error *error)
{
    srec_tensor **order = malloc((s->n_tensors + 1) * sizeof *order);
    if (!order)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    for (unsigned i = 0; i < s->n_tensors; i++)
        order[i] = &s->tensors[i];
    qsort(order, s->n_tensors, sizeof *order, by_place);
    const uint8_t *at = data;
    srec_status status = SREC_OK;
    for (unsigned i = 0; i < s->n_tensors && status == SREC_OK; i++) {
        if (order[i]->data != at)
            status = srec_fail(error, SREC_ERR_FORMAT, "tensor %s: %s the one before it", order[i]->name,
                               order[i]->data < at ? "overlaps" : "leaves a hole after");
        at = order[i]->data + order[i]->count * dtypes[order[i]->dtype].size;
    }
    if (status == SREC_OK && at != data + data_size)
        status = srec_fail(error, SREC_ERR_FORMAT, "%zu bytes after the last tensor", (size_t)(data + data_size - at));
    free(order);
    return status;
}

/* The section of the file that holds the weights. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
} section;

/* Load the JSON header, and find the section after it. */
static srec_status load_header(srec_safetensors *s, section *data, srec_error *error)
{
    if (s->size == 0)
        return srec_fail(error, SREC_ERR_TRUNCATED, "the file is empty");
    if (s->size < 8)
        return srec_fail(error, SREC_ERR_TRUNCATED, "only %zu bytes: not a safetensors file", s->size);
    assert(s->file);
    const uint64_t length = get_le(s->file, 8);
    if (length > HEADER_MAX)
        return srec_fail(error, SREC_ERR_FORMAT, "not a safetensors file (its header would be %" PRIu64 " bytes long)",
                         length);
    if (length > s->size - 8)
        return srec_fail(error, SREC_ERR_TRUNCATED,
                         "the header ends beyond the end of the file: the file is cut short");
    json_error_t json_error;
    s->header = json_loadb((const char *)s->file + 8, (size_t)length, JSON_REJECT_DUPLICATES, &json_error);
    if (!json_is_object(s->header))
        return srec_fail(error, SREC_ERR_FORMAT, "header is not a JSON object: %.100s",
                         s->header ? "another kind of value" : json_error.text);
    data->bytes = s->file + 8 + length;
    data->size = s->size - 8 - (size_t)length;
    return SREC_OK;
}

static srec_status parse_metadata(srec_safetensors *s, json_t *entry, srec_error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(entry))
        return srec_fail(error, SREC_ERR_FORMAT, "__metadata__ is not an object");
    json_object_foreach(entry, key, value)
    {
        if (!json_is_string(value))
            return srec_fail(error, SREC_ERR_FORMAT, "metadata %.64s is not a string", key);
    }
    s->metadata = entry;
    return SREC_OK;
}

static srec_status parse_tensors(srec_safetensors *s, const section *data, srec_error *error)
{
    if (json_object_size(s->header) > TENSORS_MAX)
        return srec_fail(error, SREC_ERR_FORMAT, "more than %u tensors", TENSORS_MAX);
    s->tensors = calloc(json_object_size(s->header) + 1, sizeof *s->tensors);
    if (!s->tensors)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    const char *name;
    json_t *entry;
    json_object_foreach(s->header, name, entry)
    {
        const bool metadata = strcmp(name, "__metadata__") == 0;
        srec_tensor *next = &s->tensors[s->n_tensors];
        const srec_status status = metadata ? parse_metadata(s, entry, error)
                                            : parse_tensor(name, entry, data->bytes, data->size, next, error);
        if (status != SREC_OK)
            return status;
        s->n_tensors += !metadata;
    }
    return SREC_OK;
}

/* The identity of the file, and its optional checksum, which covers the section. */
static srec_status identify(srec_safetensors *s, const section *data, srec_error *error)
{
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof hash, s->file, s->size, NULL, 0);
    s->id = get_le(hash, 8);
    const char *checksum = srec_safetensors_metadata(s, "checksum");
    if (!checksum)
        return SREC_OK;
    char hex[2 * sizeof hash + 1];
    crypto_generichash(hash, sizeof hash, data->bytes, data->size, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    if (strcmp(hex, checksum) != 0)
        return srec_fail(error, SREC_ERR_CHECKSUM, "the weights do not match their checksum: the file is damaged");
    return SREC_OK;
}

static srec_status parse(srec_safetensors *s, srec_error *error)
{
    section data;
    srec_status status = load_header(s, &data, error);
    if (status == SREC_OK)
        status = parse_tensors(s, &data, error);
    if (status == SREC_OK)
        status = check_places(s, data.bytes, data.size, error);
    if (status != SREC_OK)
        return status;
    qsort(s->tensors, s->n_tensors, sizeof *s->tensors, by_name);
    return identify(s, &data, error);
}

static srec_status finish(srec_safetensors *s, srec_safetensors **out, srec_error *error)
{
    srec_status status =
        sodium_init() < 0 ? srec_fail(error, SREC_ERR_INTERNAL, "libsodium does not start") : parse(s, error);
    if (status != SREC_OK)
        srec_safetensors_free(s);
    else
        *out = s;
    return status;
}

srec_status srec_safetensors_parse(const void *data, size_t size, srec_safetensors **out, srec_error *error)
{
    if (!out || (size && !data))
        return srec_fail(error, SREC_ERR_ARG, "no data");
    *out = NULL;
    srec_safetensors *s = calloc(1, sizeof *s);
    if (!s || !(s->file = malloc(size ? size : 1))) {
        free(s);
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    }
    if (size)
        memcpy(s->file, data, size);
    s->size = size;
    return finish(s, out, error);
}

srec_status srec_safetensors_load(const char *path, srec_safetensors **out, srec_error *error)
{
    if (!out || !path)
        return srec_fail(error, SREC_ERR_ARG, "no path");
    *out = NULL;
    srec_safetensors *s = calloc(1, sizeof *s);
    if (!s)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    FILE *f = fopen(path, "rb");
    struct stat about;
    const bool open = f && fstat(fileno(f), &about) == 0;
    const size_t size = open && about.st_size > 0 ? (size_t)about.st_size : 0;
    srec_status status = SREC_OK;
    if (!open)
        status = srec_fail(error, SREC_ERR_IO, "cannot open: %s", strerror(errno));
    else if (!S_ISREG(about.st_mode))
        status = srec_fail(error, SREC_ERR_IO, "not a file (a folder or device)");
    else if (size > FILE_MAX_BYTES || !(s->file = malloc(size ? size : 1)))
        status = srec_fail(error, SREC_ERR_MEMORY, "no memory for a file of %zu bytes", size);
    else if (fread(s->file, 1, size, f) != size)
        status = srec_fail(error, SREC_ERR_IO, "cannot read");
    if (f)
        fclose(f);
    if (status != SREC_OK) {
        srec_safetensors_free(s);
        return status;
    }
    s->size = size;
    return finish(s, out, error);
}

void srec_safetensors_free(srec_safetensors *s)
{
    if (!s)
        return;
    json_decref(s->header);
    free(s->tensors);
    free(s->file);
    free(s);
}

const srec_tensor *srec_safetensors_find(const srec_safetensors *s, const char *name)
{
    srec_tensor key = { .name = name };
    return s->n_tensors ? bsearch(&key, s->tensors, s->n_tensors, sizeof key, by_name) : NULL;
}

const char *srec_safetensors_metadata(const srec_safetensors *s, const char *key)
{
    return json_string_value(json_object_get(s->metadata, key));
}

const char *srec_safetensors_metadata_key(const srec_safetensors *s, size_t i)
{
    void *it = json_object_iter(s->metadata);
    while (it && i--)
        it = json_object_iter_next(s->metadata, it);
    return it ? json_object_iter_key(it) : NULL;
}

size_t srec_safetensors_parameters(const srec_safetensors *s)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->n_tensors; i++)
        if (s->tensors[i].dtype != SREC_U8)
            n += s->tensors[i].count;
    return n;
}

uint64_t srec_safetensors_id(const srec_safetensors *s) { return s->id; }

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float f = (float)fraction * 0x1p-24f; /* subnormal: exact in f32 */
    return sign ? -f : f;
}

bool srec_tensor_finite(const srec_tensor *t)
{
    /* All ones in these bits: infinity or NaN. The upper half suffices for F32 too. */
    const unsigned mask = t->dtype == SREC_F16 ? 0x7c00 : 0x7f80;
    const size_t size = dtypes[t->dtype].size;
    for (size_t i = 0; t->dtype != SREC_U8 && i < t->count; i++) {
        const uint8_t *top = t->data + (i + 1) * size - 2;
        if (((top[0] | (unsigned)top[1] << 8) & mask) == mask)
            return false;
    }
    return true;
}

srec_status srec_tensor_to_f32(const srec_tensor *t, float *out)
{
    if (!t || !out)
        return SREC_ERR_ARG;
    for (size_t i = 0; i < t->count; i++) {
        const uint8_t *p = t->data + i * dtypes[t->dtype].size;
        switch (t->dtype) {
        case SREC_F32:
            out[i] = from_bits(p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
            break;
        case SREC_F16: out[i] = from_half((uint16_t)(p[0] | p[1] << 8)); break;
        case SREC_BF16: out[i] = from_bits((uint32_t)p[0] << 16 | (uint32_t)p[1] << 24); break;
        case SREC_U8: out[i] = p[0]; break;
        }
    }
    return SREC_OK;
}
