/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Super-resolution: a received picture to a better one of the same size (scale 1) or of twice the size (scale 2).
 *  Residual dense blocks with a UNet's attention map.                                       (SREC eq. 8, 11 to 24)
 *  */
#ifndef SREC_ENHANCER_H
#define SREC_ENHANCER_H

#include <srec/compute.h>
#include <srec/image.h>

SREC_BEGIN_DECLS

/*! A model file of kind `enhancer`, docs/model-format.md. Read-only after loading: enhancers of any thread share
 *  one;
 * it must outlive them. */
typedef struct srec_enhancer_model srec_enhancer_model;

/*! Load and check; nothing in the file is trusted. On error *out is NULL and \p error says what is wrong. A codec
 *  is
 * SREC_ERR_UNSUPPORTED. */
SREC_API srec_status srec_enhancer_model_load(const char *path, srec_enhancer_model **out, srec_error *error);
/*! The same from memory; \p data (\p size bytes) may be freed afterwards. */
SREC_API srec_status srec_enhancer_model_load_memory(const void *data, size_t size, srec_enhancer_model **out,
                                                     srec_error *error);
SREC_API void srec_enhancer_model_free(srec_enhancer_model *model);

SREC_API unsigned srec_enhancer_model_scale(const srec_enhancer_model *model); /*!< 1 or 2 */
SREC_API uint64_t srec_enhancer_model_id(const srec_enhancer_model *model);    /*!< as srec_model_id() */
/*! NULL if absent. */
SREC_API const char *srec_enhancer_model_metadata(const srec_enhancer_model *model, const char *key);
/*! NULL past the end. */
SREC_API const char *srec_enhancer_model_metadata_key(const srec_enhancer_model *model, size_t i);
SREC_API size_t srec_enhancer_model_parameters(const srec_enhancer_model *model);
/*! Multiply-accumulates per pixel of the result. */
SREC_API double srec_enhancer_model_macs_per_pixel(const srec_enhancer_model *model);

/*! One thread at a time per enhancer; enhancers are independent. */
typedef struct srec_enhancer srec_enhancer;

/*! \param compute copied; NULL for the default. tile counts pixels of the result; 0: 768, which bounds the memory
 *  of
 * the networks of this release to about 300 MB (f32). */
SREC_API srec_status srec_enhancer_create(const srec_enhancer_model *model, const srec_compute *compute,
                                          srec_enhancer **out, srec_error *error);
SREC_API void srec_enhancer_free(srec_enhancer *enhancer);

/*! Enhance one picture.
 *
 *  \param in         only read; grey is taken as three equal channels, and their mean given back
 *  \param deviation  (rows, cols) of srec_patch_grid(in->width, in->height): how far each 16x16 patch is to be
 *  trusted,
 *                    mean posterior standard deviation of its features, 0 (certain) .. 1 (lost); below 0 or NaN:
 *                    not
 *                    known (hard decisions). NULL: \p everywhere for all
 *  \param everywhere the same for the whole picture
 *  \param out        scale times as wide and high as \p in (the last row or column may be missing), as many
 *  channels;
 *                    data is written. May not overlap \p in
 *
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY, SREC_ERR_CANCELLED. Buffers are kept: no allocation while sizes
 *          repeat. */
SREC_API srec_status srec_enhancer_run(srec_enhancer *enhancer, const srec_image *in, const float *deviation,
                                       float everywhere, const srec_image *out, srec_error *error);

SREC_END_DECLS
#endif /* SREC_ENHANCER_H */
