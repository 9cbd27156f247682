/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_file.h"
#include "model_internal.h"

#include <srec/patch.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const net_names[SREC_NETS] = { "ga", "ha", "hs", "fe", "fd", "gs" };
static const char *const format_names[SREC_FEATURE_FORMATS] = { "bits", "amplitude" };

/* Memory that the model owns. */
static void *own(srec_model *m, size_t size)
{
    void **more = realloc(m->owned, (m->n_owned + 1) * sizeof *more);
    if (!more)
        return NULL;
    m->owned = more;
    void *p = calloc(1, size ? size : 1);
    if (p)
        m->owned[m->n_owned++] = p;
    return p;
}

/* Read a float tensor of exactly that shape as f32; all values must be finite. If the second dimension is 0, the tensor
 * has rank 1. */
static srec_status take_f32(srec_model *m, const char *name, size_t rows, size_t cols, const float **out,
                            srec_error *error)
{
    const srec_tensor *t = srec_safetensors_find(m->file, name);
    if (!t)
        return srec_fail(error, SREC_ERR_FORMAT, "tensor %s is missing", name);
    bool fits = cols ? t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols : t->rank == 1 && t->shape[0] == rows;
    if (!fits || t->dtype == SREC_U8)
        return srec_fail(error, SREC_ERR_SHAPE, "tensor %s has the wrong shape or dtype", name);
    float *f = own(m, t->count * sizeof *f);
    if (!f)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    srec_tensor_to_f32(t, f);
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(f[i]))
            return srec_fail(error, SREC_ERR_FORMAT, "tensor %s holds a value that is not finite", name);
    *out = f;
    return SREC_OK;
}

/* Read the covariances of the features of a patch: for all steps, or for none. */
static srec_status take_covariances(srec_model *m, srec_feature_format format, srec_priors *p, srec_error *error)
{
    char name[64];
    snprintf(name, sizeof name, "prior.%s.covariance.0", format_names[format]);
    p->ladder = m->ladder;
    if (!srec_safetensors_find(m->file, name))
        return SREC_OK;
    const float **all = own(m, m->steps * sizeof *all);
    if (!all)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    for (unsigned r = 0; r < m->steps; r++) {
        snprintf(name, sizeof name, "prior.%s.covariance.%u", format_names[format], r);
        srec_status status = take_f32(m, name, m->ladder[r], m->ladder[r], &all[r], error);
        if (status != SREC_OK)
            return status;
        for (unsigned i = 0; i < m->ladder[r]; i++)
            if (!(all[r][(size_t)i * (m->ladder[r] + 1)] > 0.0f))
                return srec_fail(error, SREC_ERR_FORMAT, "tensor %s: variances must be positive", name);
    }
    p->covariance = all;
    return SREC_OK;
}

static srec_status take_priors(srec_model *m, srec_feature_format format, const json_t *formats, srec_error *error)
{
    srec_priors *p = &m->priors[format];
    char name[64];
    double levels = json_number_value(json_object_get(json_object_get(formats, format_names[format]), "levels"));
    if (!(levels >= 1 && levels <= 128))
        return srec_fail(error, SREC_ERR_FORMAT, "codec: formats.%s.levels is not 1 .. 128", format_names[format]);
    p->levels = (float)levels;
    const json_t *bound = json_object_get(json_object_get(formats, format_names[format]), "bound");
    if (bound && !(json_number_value(bound) >= 0 && json_number_value(bound) <= 100))
        return srec_fail(error, SREC_ERR_FORMAT, "codec: formats.%s.bound is not 0 .. 100", format_names[format]);
    m->mapping[format].bound = (float)json_number_value(bound);
    p->n_steps = m->steps;
    p->n_positions = m->ladder[m->steps - 1];

    snprintf(name, sizeof name, "prior.%s.tables", format_names[format]);
    const srec_tensor *t = srec_safetensors_find(m->file, name);
    if (!t || t->rank != 2 || t->shape[0] > 64)
        return srec_fail(error, SREC_ERR_SHAPE, "tensor %s is missing or not (1 .. 64, 256)", name);
    p->n_tables = (unsigned)t->shape[0];
    srec_status status = take_f32(m, name, p->n_tables, 256, &p->tables, error);
    if (status != SREC_OK)
        return status;
    for (unsigned i = 0; i < p->n_tables; i++) {
        double sum = 0;
        for (unsigned v = 0; v < 256; v++) {
            if (p->tables[256 * i + v] < 0)
                return srec_fail(error, SREC_ERR_FORMAT, "tensor %s: negative probability", name);
            sum += p->tables[256 * i + v];
        }
        if (fabs(sum - 1) > 1e-3)
            return srec_fail(error, SREC_ERR_FORMAT, "tensor %s: row %u sums to %g, not 1", name, i, sum);
    }

    snprintf(name, sizeof name, "prior.%s.index", format_names[format]);
    const srec_tensor *index = srec_safetensors_find(m->file, name);
    if (!index || index->dtype != SREC_U8 || index->rank != 2 || index->shape[0] != p->n_steps ||
        index->shape[1] != p->n_positions)
        return srec_fail(error, SREC_ERR_SHAPE, "tensor %s is missing or not U8 (steps, features of the longest step)",
                         name);
    for (size_t i = 0; i < index->count; i++)
        if (index->data[i] >= p->n_tables)
            return srec_fail(error, SREC_ERR_FORMAT, "tensor %s names table %u of %u", name, index->data[i],
                             p->n_tables);
    p->index = index->data;
    return take_covariances(m, format, p, error);
}

static srec_status parse_codec(srec_model *m, const json_t *codec, srec_error *error)
{
    const json_t *ladder = json_object_get(codec, "ladder"), *mean = json_object_get(codec, "mean");
    if (json_integer_value(json_object_get(codec, "patch")) != SREC_PATCH_SIDE ||
        json_integer_value(json_object_get(codec, "multiple")) != SREC_IMAGE_MULTIPLE)
        return srec_fail(error, SREC_ERR_UNSUPPORTED, "codec: patch must be %u and multiple %u", SREC_PATCH_SIDE,
                         SREC_IMAGE_MULTIPLE);
    m->patch = SREC_PATCH_SIDE;
    m->multiple = SREC_IMAGE_MULTIPLE;
    json_int_t channels = json_integer_value(json_object_get(codec, "latent_channels"));
    if (channels < 1 || channels > 4096)
        return srec_fail(error, SREC_ERR_FORMAT, "codec: latent_channels is not 1 .. 4096");
    m->channels = (unsigned)channels;
    m->steps = json_array_size(ladder) <= SREC_LADDER_MAX_STEPS ? (unsigned)json_array_size(ladder) : 0;
    for (unsigned i = 0; i < m->steps; i++) {
        json_int_t k = json_integer_value(json_array_get(ladder, i));
        if (k < 1 || k > 4096 || (i && k <= m->ladder[i - 1]))
            return srec_fail(error, SREC_ERR_FORMAT, "codec: the ladder must ascend within 1 .. 4096");
        m->ladder[i] = (unsigned)k;
    }
    if (!m->steps || json_array_size(mean) != 3)
        return srec_fail(error, SREC_ERR_FORMAT, "codec: ladder of 1 .. %d steps or mean of 3 values missing",
                         SREC_LADDER_MAX_STEPS);
    if (!srec_model_read_mean(mean, m->mean))
        return srec_fail(error, SREC_ERR_FORMAT, "codec: mean is not within 0 .. 1");
    const double entropy_floor = json_number_value(json_object_get(json_object_get(codec, "entropy"), "floor"));
    const double bits_max = json_number_value(json_object_get(codec, "bits_max")),
                 bits_scale = json_number_value(json_object_get(codec, "bits_scale"));
    if (!(entropy_floor >= 1e-6 && entropy_floor < 100 && bits_max >= 1e-6 && bits_max < 1000 && bits_scale >= 1e-6 &&
          bits_scale < 1000))
        return srec_fail(error, SREC_ERR_FORMAT,
                         "codec: entropy.floor, bits_max or bits_scale missing or out of range");
    m->entropy_floor = (float)entropy_floor;
    m->bits_max = (float)bits_max;
    m->bits_scale = (float)bits_scale;
    for (unsigned f = 0; f < SREC_FEATURE_FORMATS; f++) {
        srec_status status = take_priors(m, (srec_feature_format)f, json_object_get(codec, "formats"), error);
        if (status != SREC_OK)
            return status;
    }
    return SREC_OK;
}

static srec_status parse_nets(srec_model *m, json_t *graphs, srec_error *error)
{
    for (unsigned i = 0; i < SREC_NETS; i++) {
        json_t *net = json_object_get(graphs, net_names[i]);
        if (!net)
            return srec_fail(error, SREC_ERR_FORMAT, "network %s is missing", net_names[i]);
        char *text = json_dumps(net, JSON_COMPACT);
        if (!text)
            return srec_fail(error, SREC_ERR_FORMAT, "network %s is not an object", net_names[i]);
        srec_status status = srec_graph_parse(net_names[i], text, strlen(text), m->file, &m->nets[i], error);
        free(text);
        if (status != SREC_OK)
            return status;
    }
    /* The shapes that the encoder and the decoder require. */
    const unsigned c = m->channels, z = srec_graph_output_channels(m->nets[SREC_NET_HA], 0);
    const struct {
        unsigned in[3], n_in, out, num, den;
    } expect[SREC_NETS] = {
        [SREC_NET_GA] = { { 3 }, 1, c, 1, SREC_PATCH_SIDE },
        [SREC_NET_HA] = { { c }, 1, z, 1, SREC_IMAGE_MULTIPLE / SREC_PATCH_SIDE },
        [SREC_NET_HS] = { { z }, 1, 2 * c, SREC_IMAGE_MULTIPLE / SREC_PATCH_SIDE, 1 },
        [SREC_NET_FE] = { { c, c, c }, 3, c, 1, 1 },
        [SREC_NET_FD] = { { c }, 1, c, 1, 1 },
        [SREC_NET_GS] = { { c }, 1, 3, SREC_PATCH_SIDE, 1 },
    };
    for (unsigned i = 0; i < SREC_NETS; i++) {
        unsigned num, den;
        srec_graph_output_scale(m->nets[i], 0, &num, &den);
        bool fits = srec_graph_inputs(m->nets[i]) == expect[i].n_in && srec_graph_outputs(m->nets[i]) == 1 &&
                    srec_graph_output_channels(m->nets[i], 0) == expect[i].out && num == expect[i].num &&
                    den == expect[i].den;
        for (unsigned k = 0; fits && k < expect[i].n_in; k++)
            fits = srec_graph_input_channels(m->nets[i], k) == expect[i].in[k];
        /* A plane of whole 64-pixel units must divide evenly at every stage. */
        unsigned unit = i == SREC_NET_GA   ? SREC_IMAGE_MULTIPLE
                        : i == SREC_NET_HS ? 1
                                           : SREC_IMAGE_MULTIPLE / SREC_PATCH_SIDE;
        if (!fits || unit % srec_graph_granule(m->nets[i]))
            return srec_fail(error, SREC_ERR_SHAPE, "network %s has other inputs, outputs or scale than a codec needs",
                             net_names[i]);
    }
    return SREC_OK;
}

/* Read tokens and linear maps.
 * \param prefix before their names; "" for those of bits */
static srec_status take_mapping(srec_model *m, const char *prefix, srec_mapping *to, srec_error *error)
{
    char name[64];
    snprintf(name, sizeof name, "%sfe.token", prefix);
    srec_status status = take_f32(m, name, m->steps, m->channels, &to->token, error);
    for (unsigned r = 0; r < m->steps && status == SREC_OK; r++) {
        srec_linear *l = &to->linear[r];
        l->k = m->ladder[r];
        const struct {
            const char *name;
            size_t rows, cols;
            const float **to;
        } parts[] = { { "%sfe.linear.%u.weight", l->k, m->channels, &l->encode_weight },
                      { "%sfe.linear.%u.bias", l->k, 0, &l->encode_bias },
                      { "%sfd.linear.%u.weight", m->channels, l->k, &l->decode_weight },
                      { "%sfd.linear.%u.deviation", m->channels, l->k, &l->decode_deviation },
                      { "%sfd.linear.%u.bias", m->channels, 0, &l->decode_bias } };
        for (size_t i = 0; i < sizeof parts / sizeof *parts && status == SREC_OK; i++) {
            snprintf(name, sizeof name, parts[i].name, prefix, r);
            status = take_f32(m, name, parts[i].rows, parts[i].cols, parts[i].to, error);
        }
    }
    return status;
}

/* Amplitudes have their own tokens and maps, or share those of bits. */
static srec_status take_mappings(srec_model *m, srec_error *error)
{
    srec_mapping *bits = &m->mapping[SREC_FEATURES_BITS], *amplitude = &m->mapping[SREC_FEATURES_AMPLITUDE];
    srec_status status = take_mapping(m, "", bits, error);
    if (status != SREC_OK)
        return status;
    if (srec_safetensors_find(m->file, "amplitude.fe.token"))
        return take_mapping(m, "amplitude.", amplitude, error);
    amplitude->token = bits->token;
    memcpy(amplitude->linear, bits->linear, sizeof bits->linear);
    return SREC_OK;
}

static srec_status parse(srec_model *m, srec_error *error)
{
    srec_model_json json;
    srec_status status = srec_model_read_json(m->file, "codec", &json, error);
    if (status == SREC_OK)
        status = parse_codec(m, json.numbers, error);
    if (status == SREC_OK)
        status = parse_nets(m, json.graphs, error);
    if (status == SREC_OK)
        status = take_f32(m, "entropy.scale", m->channels, 0, &m->entropy_scale, error);
    if (status == SREC_OK)
        status = take_mappings(m, error);
    srec_model_free_json(&json);
    return status;
}

static srec_status finish(srec_safetensors *file, void **out, srec_error *error)
{
    srec_model *m = calloc(1, sizeof *m);
    if (!m) {
        srec_safetensors_free(file);
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    }
    m->file = file;
    m->id = srec_safetensors_id(file);
    srec_status status = parse(m, error);
    if (status != SREC_OK)
        srec_model_free(m);
    else
        *out = m;
    return status;
}

srec_status srec_model_load(const char *path, srec_model **out, srec_error *error)
{
    void *model = NULL;
    if (out)
        *out = NULL;
    if (!path || !out)
        return srec_fail(error, SREC_ERR_ARG, "no path");
    const srec_status status = srec_model_open(path, finish, &model, error);
    *out = model;
    return status;
}

srec_status srec_model_load_memory(const void *data, size_t size, srec_model **out, srec_error *error)
{
    void *model = NULL;
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "no place for the model");
    const srec_status status = srec_model_open_memory(data, size, finish, &model, error);
    *out = model;
    return status;
}

static srec_status copy_priors(srec_model *m, srec_priors *to, const srec_priors *from)
{
    const unsigned n_positions = m->ladder[m->steps - 1];
    unsigned n_tables = from ? from->n_tables : 1;
    float *tables = own(m, n_tables * 256 * sizeof *tables);
    uint8_t *index = own(m, (size_t)m->steps * n_positions);
    if (!tables || !index)
        return SREC_ERR_MEMORY;
    if (from) {
        memcpy(tables, from->tables, n_tables * 256 * sizeof *tables);
        memcpy(index, from->index, (size_t)m->steps * n_positions);
    } else
        for (unsigned v = 0; v < 256; v++)
            tables[v] = 1.0f / 256;
    *to = (srec_priors){ from ? from->levels : 16.0f, n_tables, tables, m->steps, n_positions, index, m->ladder, NULL };
    return SREC_OK;
}

srec_status srec_model_create_bare(const unsigned *ladder, unsigned steps, const srec_priors *bits,
                                   const srec_priors *amplitude, uint64_t id, srec_model **out)
{
    *out = NULL;
    if (!ladder || steps < 1 || steps > SREC_LADDER_MAX_STEPS)
        return SREC_ERR_ARG;
    srec_model *m = calloc(1, sizeof *m);
    if (!m)
        return SREC_ERR_MEMORY;
    m->id = id;
    m->patch = SREC_PATCH_SIDE;
    m->multiple = SREC_IMAGE_MULTIPLE;
    m->steps = steps;
    memcpy(m->ladder, ladder, steps * sizeof *ladder);
    if (copy_priors(m, &m->priors[SREC_FEATURES_BITS], bits) != SREC_OK ||
        copy_priors(m, &m->priors[SREC_FEATURES_AMPLITUDE], amplitude) != SREC_OK) {
        srec_model_free(m);
        return SREC_ERR_MEMORY;
    }
    *out = m;
    return SREC_OK;
}

void srec_model_free(srec_model *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < SREC_NETS; i++)
        srec_graph_free(m->nets[i]);
    for (size_t i = 0; i < m->n_owned; i++)
        free(m->owned[i]);
    free(m->owned);
    srec_safetensors_free(m->file);
    free(m);
}

uint64_t srec_model_id(const srec_model *m) { return m->id; }
const char *srec_model_metadata(const srec_model *m, const char *key)
{
    return m->file ? srec_safetensors_metadata(m->file, key) : NULL;
}
const char *srec_model_metadata_key(const srec_model *m, size_t i)
{
    return m->file ? srec_safetensors_metadata_key(m->file, i) : NULL;
}
unsigned srec_model_patch(const srec_model *m) { return m->patch; }
unsigned srec_model_ladder_steps(const srec_model *m) { return m->steps; }
unsigned srec_model_ladder(const srec_model *m, unsigned step) { return step < m->steps ? m->ladder[step] : 0; }
size_t srec_model_parameters(const srec_model *m) { return m->file ? srec_safetensors_parameters(m->file) : 0; }
const srec_priors *srec_model_priors(const srec_model *m, srec_feature_format f)
{
    return (unsigned)f < SREC_FEATURE_FORMATS ? &m->priors[f] : NULL;
}
const srec_tensor *srec_model_tensor(const srec_model *m, const char *name)
{
    return m->file ? srec_safetensors_find(m->file, name) : NULL;
}

const srec_graph *srec_model_graph(const srec_model *m, const char *name)
{
    for (unsigned i = 0; i < SREC_NETS; i++)
        if (strcmp(name, net_names[i]) == 0)
            return m->nets[i];
    return NULL;
}

double srec_model_macs_per_pixel(const srec_model *m, const char *network)
{
    const srec_graph *g = srec_model_graph(m, network);
    if (!g)
        return 0;
    double pixels_per_input = g == m->nets[SREC_NET_GA]   ? 1
                              : g == m->nets[SREC_NET_HS] ? SREC_IMAGE_MULTIPLE * SREC_IMAGE_MULTIPLE
                                                          : SREC_PATCH_SIDE * SREC_PATCH_SIDE;
    return srec_graph_macs_per_input(g) / pixels_per_input;
}
