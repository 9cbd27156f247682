/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Super-resolution: the enhancer improves a received image at the same size (scale 1) or at twice the size (scale 2).
 *  It is a network of residual dense blocks with the attention map of a UNet (SREC eq. 8, 11 to 24). docs/enhancer.md
 *  describes it. */
#ifndef SREC_ENHANCER_H
#define SREC_ENHANCER_H

#include <srec/compute.h>
#include <srec/image.h>

SREC_BEGIN_DECLS

/*! A model file of kind `enhancer` (docs/model-format.md). It is read-only after loading, so enhancers in different
 *  threads may share it. It must outlive them. */
typedef struct srec_enhancer_model srec_enhancer_model;

/*! Load and check a model file. The function trusts nothing in the file.
 *
 *  \param[in]  path   path of the file
 *  \param[out] out    the model, or NULL on error
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_IO; SREC_ERR_MEMORY; SREC_ERR_FORMAT, SREC_ERR_TRUNCATED, SREC_ERR_CHECKSUM
 *          or SREC_ERR_SHAPE for a damaged file; SREC_ERR_VERSION; SREC_ERR_UNSUPPORTED for a codec */
SREC_API srec_status srec_enhancer_model_load(const char *path, srec_enhancer_model **out,
                                              srec_error *error) SREC_WARN_UNUSED;

/*! Load and check a model in memory.
 *
 *  \param[in]  data   (size) the bytes of a model file; they are copied
 *  \param[in]  size   number of bytes
 *  \param[out] out    the model, or NULL on error
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return as srec_enhancer_model_load(), but not SREC_ERR_IO */
SREC_API srec_status srec_enhancer_model_load_memory(const void *data, size_t size, srec_enhancer_model **out,
                                                     srec_error *error) SREC_WARN_UNUSED;

/*! Free a model.
 *
 *  \param[in] model  the model; may be NULL */
SREC_API void srec_enhancer_model_free(srec_enhancer_model *model);

/*! Scale of a model.
 *
 *  \param[in] model  the model
 *  \return 1 or 2 */
SREC_API unsigned srec_enhancer_model_scale(const srec_enhancer_model *model) SREC_NONNULL(1);

/*! What carried the images that an enhancer was trained on. Their errors differ, so each coding has enhancers of its
 *  own. */
typedef enum srec_coding {
    SREC_CODING_FEATURES, /*!< semantic features, from the semantic decoder */
    SREC_CODING_LAYERS    /*!< coded layers, from the layer decoder */
} srec_coding;

/*! Coding of a model.
 *
 *  \param[in] model  the model
 *  \return the coding of the images that the model enhances */
SREC_API srec_coding srec_enhancer_model_coding(const srec_enhancer_model *model) SREC_NONNULL(1);

/*! Least deviation that a model improves. srec_enhancer_run() passes better images unchanged (at scale 2 doubled).
 *
 *  \param[in] model  the model
 *  \return 0 .. 1; 0: the model improves all images */
SREC_API float srec_enhancer_model_least_deviation(const srec_enhancer_model *model) SREC_NONNULL(1);

/*! Identifier of a model, computed like srec_model_id().
 *
 *  \param[in] model  the model
 *  \return the first 8 bytes of the BLAKE2b-256 hash of the file, little endian */
SREC_API uint64_t srec_enhancer_model_id(const srec_enhancer_model *model) SREC_NONNULL(1);

/*! A metadata string of a model.
 *
 *  \param[in] model  the model
 *  \param[in] key    the key
 *  \return the string, which belongs to the model; NULL if the key is absent */
SREC_API const char *srec_enhancer_model_metadata(const srec_enhancer_model *model, const char *key) SREC_NONNULL(1, 2);

/*! A metadata key of a model, for listing.
 *
 *  \param[in] model  the model
 *  \param[in] i      index of the entry, from 0
 *  \return the key, which belongs to the model; NULL after the last entry */
SREC_API const char *srec_enhancer_model_metadata_key(const srec_enhancer_model *model, size_t i) SREC_NONNULL(1);

/*! Number of weights of a model.
 *
 *  \param[in] model  the model
 *  \return the number of weights */
SREC_API size_t srec_enhancer_model_parameters(const srec_enhancer_model *model) SREC_NONNULL(1);

/*! Cost of a model.
 *
 *  \param[in] model  the model
 *  \return multiply-accumulate operations per pixel of the result */
SREC_API double srec_enhancer_model_macs_per_pixel(const srec_enhancer_model *model) SREC_NONNULL(1);

/*! An enhancer. One thread at a time may use it; different enhancers are independent. */
typedef struct srec_enhancer srec_enhancer;

/*! Create an enhancer.
 *
 *  \param[in]  model    the model; it must outlive the enhancer
 *  \param[in]  compute  settings of the network; they are copied. NULL: the defaults. `tile` counts pixels of the
 *                       result; 0: 768, so that the networks of this release need about 300 MB (F32)
 *  \param[out] out      the enhancer, or NULL on error
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_enhancer_create(const srec_enhancer_model *model, const srec_compute *compute,
                                          srec_enhancer **out, srec_error *error) SREC_WARN_UNUSED;

/*! Free an enhancer.
 *
 *  \param[in] enhancer  the enhancer; may be NULL */
SREC_API void srec_enhancer_free(srec_enhancer *enhancer);

/*! Reliability of an image of coded layers, for srec_enhancer_run().
 *
 *  \param[in] rms_error  RMS error of the image in steps of 8-bit samples, as srec_layers_report has it; NaN: not known
 *  \return rms_error / 32, at most 1; -1 if it is not known */
SREC_API float srec_enhancer_layers_deviation(float rms_error);

/*! Enhance an image. The enhancer keeps its buffers, so it allocates no memory while the size of the images stays the
 *  same.
 *
 *  \param[in]  enhancer    the enhancer
 *  \param[in]  in          the image; it is only read. A grey image enters the network as three equal channels, and the
 *                          result is their mean
 *  \param[in]  deviation   (rows, cols) as srec_patch_grid(in->width, in->height) gives them: reliability of each
 *                          patch, as srec_decoder_deviation() returns it. 0 (certain) .. 1 (lost); negative or NaN: not
 *                          known (hard decisions). NULL: \p everywhere for all patches
 *  \param[in]  everywhere  reliability of the whole image if \p deviation is NULL; srec_enhancer_layers_deviation() for
 *                          coded layers
 *  \param[in]  out         the result: scale times the width and height of \p in (the last row and the last column may
 *                          be missing), the same channels. The function writes the pixels to `data`, which must not
 *                          overlap \p in
 *  \param[out] error       the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_MEMORY; SREC_ERR_CANCELLED; SREC_ERR_UNSUPPORTED if this CPU cannot run the
 *          precision; SREC_ERR_INTERNAL if the backend fails */
SREC_API srec_status srec_enhancer_run(srec_enhancer *enhancer, const srec_image *in, const float *deviation,
                                       float everywhere, const srec_image *out, srec_error *error) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_ENHANCER_H */
