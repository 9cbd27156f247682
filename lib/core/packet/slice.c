/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/slice.h>

#include "integers.h"

#include <stdlib.h>
#include <string.h>

/* Step from row to row. It is near n / golden ratio, so that neighbouring rows put a slice's patches far apart, and
 * coprime to n, so that each column meets all slices. With as many slices as patches it is the row length: each slice
 * is one patch. */
static uint32_t shift_of(uint32_t n, uint32_t patch_cols, uint32_t patch_rows)
{
    if (n < 3)
        return 1;
    if (n == (uint64_t)patch_cols * patch_rows)
        return patch_cols;
    uint32_t golden = (uint32_t)(((uint64_t)n * 2654435769u + 0x80000000u) >> 32); /* n * 0.618034, rounded */
    for (uint32_t d = 0; d < n; d++) {
        if (golden + d < n && greatest_common_divisor(golden + d, n) == 1)
            return golden + d;
        if (golden > d && greatest_common_divisor(golden - d, n) == 1)
            return golden - d;
    }
    return 1;
}

size_t srec_slice_patches(uint32_t patch_cols, uint32_t patch_rows, uint32_t n_slices, uint32_t slice,
                          uint32_t *patches, size_t capacity)
{
    if (!n_slices || slice >= n_slices)
        return 0;
    const uint64_t shift = shift_of(n_slices, patch_cols, patch_rows);
    size_t n = 0;
    for (uint64_t row = 0; row < patch_rows; row++) {
        /* col + row * shift = slice mod n_slices */
        uint64_t col = (slice + (uint64_t)n_slices - row * shift % n_slices) % n_slices;
        for (; col < patch_cols; col += n_slices, n++)
            if (patches && n < capacity)
                patches[n] = (uint32_t)(row * patch_cols + col);
    }
    return n;
}

/* Bounds of a slice. */
typedef struct {
    size_t bytes;
    size_t patches;
} slice_limits;

/* Whether each of n slices holds a patch and stays within its limits.
 * \param load scratch, 2 n entries of 0: bytes and patches of each slice */
static bool slices_fit(const srec_model *model, const srec_features *f, size_t n, slice_limits max, uint32_t *load)
{
    const uint64_t shift = shift_of((uint32_t)n, f->patch_cols, f->patch_rows);
    size_t p = 0;
    for (uint64_t row = 0; row < f->patch_rows; row++)
        for (uint64_t col = 0, s = row * shift % n; col < f->patch_cols; col++, p++) {
            load[2 * s] += srec_model_ladder(model, f->rate_map[p]);
            load[2 * s + 1]++;
            if (load[2 * s] > max.bytes || load[2 * s + 1] > max.patches)
                return false;
            s = s + 1 == n ? 0 : s + 1;
        }
    for (size_t s = 0; s < n; s++)
        if (!load[2 * s + 1])
            return false;
    return true;
}

uint32_t srec_slice_count(const srec_model *model, const srec_features *f, size_t max_bytes, size_t max_patches)
{
    if (!model || !f || !max_bytes || !max_patches)
        return 0;
    const slice_limits max = { max_bytes, max_patches };
    const size_t patches = (size_t)f->patch_cols * f->patch_rows;
    size_t n = (f->n_bytes + max_bytes - 1) / max_bytes;
    if (n < (patches + max_patches - 1) / max_patches)
        n = (patches + max_patches - 1) / max_patches;
    if (n < 1)
        n = 1;
    if (!patches)
        return 0;
    for (;; n += 1 + n / 64) {
        if (n > patches) /* one patch per slice is the last resort */
            n = patches;
        uint32_t *load = calloc(2 * n, sizeof *load);
        if (!load)
            return 0;
        const bool fit = slices_fit(model, f, n, max, load);
        free(load);
        if (fit)
            return (uint32_t)n;
        if (n == patches)
            return 0;
    }
}

srec_status srec_slice_extract(const srec_model *model, const srec_features *f, const srec_slice_number *number,
                               const srec_slice_buffers *to, srec_slice *out, size_t *n_bytes)
{
    if (!model || !f || !number || !to || !to->rate_map || !to->bytes || !out || !n_bytes ||
        number->slice >= number->n_slices)
        return SREC_ERR_ARG;
    const uint32_t n_slices = number->n_slices;
    const uint64_t shift = shift_of(n_slices, f->patch_cols, f->patch_rows);
    const uint8_t *from = f->bytes;
    size_t n = 0, count = 0, p = 0;
    for (uint64_t row = 0; row < f->patch_rows; row++)
        for (uint64_t col = 0, s = row * shift % n_slices; col < f->patch_cols; col++, p++) {
            const unsigned k = srec_model_ladder(model, f->rate_map[p]);
            if (s == number->slice) {
                if (count == to->capacity_patches || k > to->capacity_bytes - n)
                    return SREC_ERR_ARG;
                to->rate_map[count++] = f->rate_map[p];
                memcpy(to->bytes + n, from, k);
                n += k;
            }
            from += k;
            s = s + 1 == n_slices ? 0 : s + 1;
        }
    *out = (srec_slice){
        .model_id = srec_model_id(model),
        .picture = number->picture,
        .width = f->width,
        .height = f->height,
        .channels = f->channels,
        .format = f->format,
        .slice = number->slice,
        .n_slices = n_slices,
        .n_patches = (uint32_t)count,
        .rate_map = to->rate_map,
        .scale = 1,
    };
    *n_bytes = n;
    return SREC_OK;
}

size_t srec_slice_bytes(const srec_model *model, const srec_slice *slice)
{
    size_t n = 0;
    for (uint32_t i = 0; i < slice->n_patches; i++) {
        unsigned k = srec_model_ladder(model, slice->rate_map[i]);
        if (!k)
            return 0;
        n += k;
    }
    return n;
}

srec_status srec_slice_check_picture(const srec_model *model, const srec_slice *s, srec_error *error)
{
    if (!model || !s)
        return srec_fail(error, SREC_ERR_ARG, "no model or no slice");
    if (s->model_id != srec_model_id(model))
        return srec_fail(error, SREC_ERR_MODEL, "the slice was made with another model");
    if (s->width < 1 || s->height < 1 || s->width > SREC_IMAGE_MAX_SIDE || s->height > SREC_IMAGE_MAX_SIDE ||
        (s->channels != 1 && s->channels != 3) || (unsigned)s->format >= SREC_FEATURE_FORMATS || s->scale > 2)
        return srec_fail(error, SREC_ERR_ARG, "the slice describes an impossible image");
    uint32_t cols, rows;
    srec_patch_grid(s->width, s->height, &cols, &rows);
    if (s->n_slices < 1 || s->n_slices > (uint64_t)cols * rows)
        return srec_fail(error, SREC_ERR_ARG, "%u slices for %zu patches", s->n_slices, (size_t)cols * rows);
    if (s->slice >= s->n_slices)
        return srec_fail(error, SREC_ERR_ARG, "slice number %u of %u slices", s->slice, s->n_slices);
    return SREC_OK;
}

srec_status srec_slice_check(const srec_model *model, const srec_slice *s, size_t n_features, srec_error *error)
{
    srec_status status = srec_slice_check_picture(model, s, error);
    if (status != SREC_OK)
        return status;
    uint32_t cols, rows;
    srec_patch_grid(s->width, s->height, &cols, &rows);
    const size_t patches = srec_slice_patches(cols, rows, s->n_slices, s->slice, NULL, 0);
    if (!s->rate_map || s->n_patches != patches || !n_features || n_features != srec_slice_bytes(model, s))
        return srec_fail(error, SREC_ERR_ARG,
                         "the slice has %u patches and %zu features where %zu patches are expected", s->n_patches,
                         n_features, patches);
    return SREC_OK;
}

bool srec_slice_same_picture(const srec_slice *a, const srec_slice *b)
{
    return a->model_id == b->model_id && a->picture == b->picture && a->width == b->width && a->height == b->height &&
           a->channels == b->channels && a->format == b->format && (a->scale == 2) == (b->scale == 2) &&
           a->n_slices == b->n_slices;
}

srec_status srec_slice_prior_tables(const srec_model *model, const srec_slice *slice, uint8_t *tables, size_t capacity)
{
    const srec_priors *p = srec_model_priors(model, slice->format);
    size_t n = srec_slice_bytes(model, slice);
    if (!p || !tables || !n || n > capacity)
        return SREC_ERR_ARG;
    for (uint32_t i = 0; i < slice->n_patches; i++) {
        unsigned step = slice->rate_map[i], k = srec_model_ladder(model, step);
        memcpy(tables, p->index + (size_t)step * p->n_positions, k);
        tables += k;
    }
    return SREC_OK;
}
