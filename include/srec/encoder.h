/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The encoder: from an image to feature bytes. It runs the analysis ga, the entropy model ha and hs, selects the rate
 *  map, and runs the feature encoder fe (SREC eq. 1, 2). */
#ifndef SREC_ENCODER_H
#define SREC_ENCODER_H

#include <srec/compute.h>
#include <srec/image.h>
#include <srec/model.h>
#include <srec/patch.h>

SREC_BEGIN_DECLS

/*! An encoded image. Its patches are in raster order. They cover the image padded to multiples of
 *  SREC_IMAGE_MULTIPLE pixels (patch.h). Patch i has srec_model_ladder(model, rate_map[i]) feature bytes. */
typedef struct srec_features {
    uint32_t width;             /*!< width of the image, pixels */
    uint32_t height;            /*!< height of the image, pixels */
    uint8_t channels;           /*!< 1 (grey) or 3 (RGB) */
    srec_feature_format format; /*!< format of the bytes */
    uint32_t patch_cols;        /*!< patches across */
    uint32_t patch_rows;        /*!< patches down */
    const uint8_t *rate_map;    /*!< (patch_rows, patch_cols) ladder step of each patch */
    const uint8_t *bytes;       /*!< (n_bytes) features, patch by patch */
    size_t n_bytes;             /*!< number of features */
    float entropy_bits;         /*!< estimate of the entropy model for all latent vectors, bits */
} srec_features;

/*! An encoder. One thread at a time may use it; different encoders are independent. */
typedef struct srec_encoder srec_encoder;

/*! Create an encoder.
 *
 *  \param[in]  model    the model; it must outlive the encoder
 *  \param[in]  compute  settings of the networks; they are copied. NULL: the defaults
 *  \param[out] out      the encoder, or NULL on error
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_encoder_create(const srec_model *model, const srec_compute *compute, srec_encoder **out,
                                         srec_error *error) SREC_WARN_UNUSED;

/*! Free an encoder.
 *
 *  \param[in] encoder  the encoder; may be NULL */
SREC_API void srec_encoder_free(srec_encoder *encoder);

/*! Encode an image. The encoder keeps its buffers, so it rarely allocates memory while the size of the images stays
 *  the same.
 *
 *  \param[in]  encoder  the encoder
 *  \param[in]  image    the image; it is only read
 *  \param[in]  eta      rate parameter, 0.001 .. 10; the paper uses 0.04 .. 0.2. A patch gets the smallest ladder step
 *                       of at least eta * bits features, where bits is the estimate of the entropy model for its latent
 *                       vector
 *  \param[in]  format   SREC_FEATURES_AMPLITUDE for pam256, SREC_FEATURES_BITS for all other modulations
 *  \param[out] out      the encoded image. It points into the encoder and is valid until the next call
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_MEMORY; SREC_ERR_CANCELLED; SREC_ERR_UNSUPPORTED if this CPU cannot run the
 *          precision; SREC_ERR_INTERNAL if the backend fails */
SREC_API srec_status srec_encoder_run(srec_encoder *encoder, const srec_image *image, float eta,
                                      srec_feature_format format, srec_features *out,
                                      srec_error *error) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_ENCODER_H */
