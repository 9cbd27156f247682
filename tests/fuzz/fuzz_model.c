/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The model loaders against any file. The checksum is made right first, as an attacker would, so that everything
 * behind it is reached. */
#include "../../lib/core/codec/model_internal.h"

#include <srec/enhancer.h>
#include <srec/slice.h>

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
    if (!claim)
        abort();
}

static void mend_checksum(uint8_t *file, size_t size)
{
    static const char mark[] = "\"checksum\":\"";
    uint64_t length = 0;
    for (unsigned i = 0; i < 8 && size >= 8; i++)
        length |= (uint64_t)file[i] << (8 * i);
    if (size < 8 || length > size - 8)
        return;
    uint8_t hash[32];
    char hex[65];
    crypto_generichash(hash, sizeof hash, file + 8 + length, size - 8 - length, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    for (size_t at = 8; at + sizeof mark - 1 + 64 <= 8 + length; at++)
        if (memcmp(file + at, mark, sizeof mark - 1) == 0) {
            memcpy(file + at + sizeof mark - 1, hex, 64);
            return;
        }
}

/* What encoders, decoders and descramblers count on. */
static void use(const srec_model *m)
{
    const unsigned steps = srec_model_ladder_steps(m);
    require(steps >= 1 && steps <= SREC_LADDER_MAX_STEPS);
    for (int f = 0; f < SREC_FEATURE_FORMATS; f++) {
        const srec_priors *p = srec_model_priors(m, (srec_feature_format)f);
        require(p->n_tables >= 1 && p->n_steps == steps && p->n_positions == srec_model_ladder(m, steps - 1) &&
                isfinite(p->levels));
        for (size_t i = 0; i < (size_t)p->n_tables * 256; i++)
            require(p->tables[i] >= 0 && isfinite(p->tables[i]));
        for (size_t i = 0; i < (size_t)p->n_steps * p->n_positions; i++)
            require(p->index[i] < p->n_tables);
    }
    for (int i = 0; i < 3; i++)
        require(isfinite(m->mean[i]));
    for (const char *key; (key = srec_model_metadata_key(m, 0)) && !srec_model_metadata(m, key);)
        abort();
    double macs =
        srec_model_macs_per_pixel(m, "ga") + srec_model_macs_per_pixel(m, "gs") + srec_model_macs_per_pixel(m, "hs");
    require(isfinite(macs) && macs >= 0 && srec_model_parameters(m) > 0);

    uint8_t rate_map[SREC_LADDER_MAX_STEPS + 1];
    for (unsigned i = 0; i <= SREC_LADDER_MAX_STEPS; i++)
        rate_map[i] = (uint8_t)(i % steps);
    srec_slice s = {
        .model_id = srec_model_id(m),
        .width = 16 * (SREC_LADDER_MAX_STEPS + 1),
        .height = 16,
        .channels = 3,
        .format = SREC_FEATURES_BITS,
        .n_slices = 1,
        .n_patches = SREC_LADDER_MAX_STEPS + 1,
        .rate_map = rate_map,
        .scale = 1,
    };
    size_t n = srec_slice_bytes(m, &s);
    uint8_t *tables = malloc(n);
    require(n > 0 && tables && srec_slice_prior_tables(m, &s, tables, n) == SREC_OK);
    free(tables);
}

/* It is not run: concatenations can make planes of any size of a small file. */
static void use_enhancer(const srec_enhancer_model *m)
{
    const unsigned scale = srec_enhancer_model_scale(m);
    const double macs = srec_enhancer_model_macs_per_pixel(m);
    require((scale == 1 || scale == 2) && isfinite(macs) && macs >= 0);
    for (size_t i = 0; srec_enhancer_model_metadata_key(m, i); i++)
        require(srec_enhancer_model_metadata(m, srec_enhancer_model_metadata_key(m, i)) != NULL);
    srec_enhancer *e;
    srec_error error = { 0 };
    require(srec_enhancer_create(m, NULL, &e, &error) == SREC_OK);
    srec_enhancer_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *file = malloc(size + 1);
    require(file && sodium_init() >= 0);
    if (size)
        memcpy(file, data, size);
    mend_checksum(file, size);
    srec_model *model;
    srec_error error = { 0 };
    if (srec_model_load_memory(file, size, &model, &error) == SREC_OK) {
        use(model);
        srec_model_free(model);
    } else
        require(!model && error.message[0] && !strchr(error.message, '\n'));
    srec_enhancer_model *enhancer;
    error.message[0] = 0;
    if (srec_enhancer_model_load_memory(file, size, &enhancer, &error) == SREC_OK) {
        use_enhancer(enhancer);
        srec_enhancer_model_free(enhancer);
    } else
        require(!enhancer && error.message[0] && !strchr(error.message, '\n'));
    free(file);
    return 0;
}
