/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Patches: the blocks of pixels into which an image is divided. Models, slices and packets share this grid. */
#ifndef SREC_PATCH_H
#define SREC_PATCH_H

#include <srec/api.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_PATCH_SIDE     16u /*!< side of a patch, pixels; one latent vector each */
#define SREC_IMAGE_MULTIPLE 64u /*!< an image is padded to multiples of this many pixels */

/*! Patches of an image: ceil(side / SREC_IMAGE_MULTIPLE) * SREC_IMAGE_MULTIPLE / SREC_PATCH_SIDE in each direction. Any
 *  thread may call this function.
 *
 *  \param[in]  width   width of the image, pixels
 *  \param[in]  height  height of the image, pixels
 *  \param[out] cols    patches across
 *  \param[out] rows    patches down */
SREC_API void srec_patch_grid(uint32_t width, uint32_t height, uint32_t *cols, uint32_t *rows) SREC_NONNULL(3, 4);

SREC_END_DECLS
#endif /* SREC_PATCH_H */
