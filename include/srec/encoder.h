/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Picture to feature bytes: analysis ga, entropy model ha/hs, rate map, feature encoder fe.    (SREC eq. 1, 2) */
#ifndef SREC_ENCODER_H
#define SREC_ENCODER_H

#include <srec/compute.h>
#include <srec/image.h>
#include <srec/model.h>

SREC_BEGIN_DECLS

/*! A coded picture. Patches are 16x16 pixels in raster order over the padded picture (multiple of 64 pixels);
 *  patch i has ladder(rate_map[i]) feature bytes. */
typedef struct srec_features {
    uint32_t width, height; /*!< of the picture, pixels */
    uint8_t channels;       /*!< 1 or 3 */
    srec_feature_format format;
    uint32_t patch_cols, patch_rows;
    const uint8_t *rate_map; /*!< (patch_rows, patch_cols): ladder step of each patch */
    const uint8_t *bytes;    /*!< n_bytes, the patches' features one patch after the other */
    size_t n_bytes;
    float entropy_bits; /*!< what the entropy model thinks the latents weigh, bits in all */
} srec_features;

/*! Patches across and down for a picture of this size: ceil(side / 64) * 64 / 16. */
SREC_API void srec_patch_grid(uint32_t width, uint32_t height, uint32_t *cols, uint32_t *rows);

/*! One thread at a time per encoder; encoders are independent. */
typedef struct srec_encoder srec_encoder;

/*! \param compute copied; NULL for the default. \p model must outlive the encoder. */
SREC_API srec_status srec_encoder_create(const srec_model *model, const srec_compute *compute, srec_encoder **out,
                                         srec_error *error);
SREC_API void srec_encoder_free(srec_encoder *encoder);

/*! Encode one picture (only read). \p eta scales bits to features, k = ladder step at or above eta * bits: 0.001 ..
 *  10,
 *  the paper's 0.04 .. 0.2.  \param[out] out points into the encoder: valid until its next call.
 *  Buffers and primitives are made for a picture size on first use and kept: no allocation while sizes repeat. */
SREC_API srec_status srec_encoder_run(srec_encoder *encoder, const srec_image *image, float eta,
                                      srec_feature_format format, srec_features *out, srec_error *error);

SREC_END_DECLS
#endif /* SREC_ENCODER_H */
