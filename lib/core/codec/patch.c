/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/patch.h>

static uint32_t patches_along(uint32_t side)
{
    return (side + SREC_IMAGE_MULTIPLE - 1) / SREC_IMAGE_MULTIPLE * (SREC_IMAGE_MULTIPLE / SREC_PATCH_SIDE);
}

void srec_patch_grid(uint32_t width, uint32_t height, uint32_t *cols, uint32_t *rows)
{
    *cols = patches_along(width);
    *rows = patches_along(height);
}
