/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "slice_header.h"

#include "bytes.h"
#include "packet_internal.h"
#include "ratemap.h"

size_t srec_slice_header_put(const srec_slice *s, uint8_t *plain)
{
    put_le(plain, s->model_id, 8);
    put_le(plain + 8, s->picture, 4);
    put_le(plain + 12, s->width, 2);
    put_le(plain + 14, s->height, 2);
    plain[16] = (uint8_t)(s->channels | (s->scale == 2 ? 1u << 2 : 0u) | (unsigned)s->format << 4);
    put_le(plain + 17, s->slice, 3);
    put_le(plain + 20, s->n_slices, 3);
    put_le(plain + 23, s->n_patches, 3);
    const size_t map = srec_ratemap_encode(s->rate_map, s->n_patches, SREC_LADDER_MAX_STEPS, plain + SREC_SLICE_HEADER,
                                           SREC_HEADER_MAX - SREC_SLICE_HEADER);
    return map ? SREC_SLICE_HEADER + map : 0;
}

srec_status srec_slice_header_get(const srec_model *model, const srec_signal *signal, const uint8_t *plain, size_t n,
                                  srec_buffer *rate_map, srec_slice *s)
{
    *s = (srec_slice){ .model_id = get_le(plain, 8),
                       .picture = (uint32_t)get_le(plain + 8, 4),
                       .width = (uint32_t)get_le(plain + 12, 2),
                       .height = (uint32_t)get_le(plain + 14, 2),
                       .channels = plain[16] & 3,
                       .scale = (uint8_t)((plain[16] >> 2 & 3) + 1),
                       .format = (srec_feature_format)(plain[16] >> 4 & 3),
                       .slice = (uint32_t)get_le(plain + 17, 3),
                       .n_slices = (uint32_t)get_le(plain + 20, 3),
                       .n_patches = (uint32_t)get_le(plain + 23, 3) };
    if (!model || s->model_id != srec_model_id(model))
        return SREC_ERR_MODEL;
    if (s->scale > 2 || plain[16] >> 6)
        return SREC_ERR_VERSION;
    if (!s->width || !s->height || (s->channels != 1 && s->channels != 3) ||
        s->format != (signal->modulation == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS) ||
        s->slice >= s->n_slices || s->n_patches > SREC_HEADER_MAX)
        return SREC_ERR_FORMAT;
    uint32_t cols, rows;
    srec_patch_grid(s->width, s->height, &cols, &rows);
    if (s->n_slices > (uint64_t)cols * rows ||
        s->n_patches != srec_slice_patches(cols, rows, s->n_slices, s->slice, NULL, 0))
        return SREC_ERR_FORMAT;
    if (!srec_buffer_need(rate_map, s->n_patches))
        return SREC_ERR_MEMORY;
    s->rate_map = rate_map->data;
    srec_status status = srec_ratemap_decode(plain + SREC_SLICE_HEADER, n - SREC_SLICE_HEADER, SREC_LADDER_MAX_STEPS,
                                             rate_map->data, s->n_patches);
    if (status == SREC_OK && srec_slice_bytes(model, s) != signal->payload_bytes)
        status = SREC_ERR_FORMAT;
    return status;
}
