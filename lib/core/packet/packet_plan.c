/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How an image is divided among packets. */
#include "packet_internal.h"
#include "ratemap.h"
#include "signal_field.h"
#include "slice_header.h"

_Static_assert(SREC_PAYLOAD_MAX >= SREC_FRAME_MAX, "every payload has an order");

size_t srec_packet_payload_room(srec_modulation m, size_t n_patches, size_t max_frame_bytes)
{
    if ((unsigned)m >= SREC_MODULATIONS || n_patches > SREC_HEADER_MAX)
        return 0;
    if (max_frame_bytes > SREC_FRAME_MAX)
        max_frame_bytes = SREC_FRAME_MAX;
    size_t taken = srec_frame_bytes(m, SREC_SLICE_HEADER + srec_ratemap_bound(n_patches) + SREC_HEADER_TAG_BYTES,
                                    srec_modem_byte_granule(m));
    return taken < max_frame_bytes ? max_frame_bytes - taken : 0;
}

uint32_t srec_packet_slices(const srec_model *model, const srec_features *features, srec_modulation m,
                            size_t max_frame_bytes, size_t *max_patches, size_t *max_bytes)
{
    uint32_t slices = 0;
    if (!model || !features || !max_patches || !max_bytes)
        return 0;
    for (size_t patches = SREC_SLICE_LEAST_PATCHES; patches <= 4096; patches *= 2) {
        const size_t payload = srec_packet_payload_room(m, patches, max_frame_bytes);
        const uint32_t n = payload ? srec_slice_count(model, features, payload, patches) : 0;
        if (n && (!slices || n < slices)) {
            slices = n;
            *max_patches = patches;
            *max_bytes = payload;
        }
    }
    return slices;
}
