/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Slices: an image is divided into sets of patches that are scattered over the whole image. Each slice decodes without
 *  the others. A lost slice leaves holes of one patch with received neighbours, and any single slice shows the whole
 *  scene coarsely. Any thread may call these functions. */
#ifndef SREC_SLICE_H
#define SREC_SLICE_H

#include <srec/encoder.h>
#include <stdbool.h>

SREC_BEGIN_DECLS

/*! Description of a slice: all that a receiver needs, except the features. It travels in the authenticated header
 *  (packet.h). */
typedef struct srec_slice {
    uint64_t model_id;          /*!< model that made the slice: srec_model_id() */
    uint32_t picture;           /*!< number of the image in the session */
    uint32_t width;             /*!< width of the encoded image, pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint32_t height;            /*!< height of the encoded image, pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint8_t channels;           /*!< 1 (grey) or 3 (RGB) */
    srec_feature_format format; /*!< format of the feature bytes */
    uint32_t slice;             /*!< number of the slice, 0 .. n_slices - 1 */
    uint32_t n_slices;          /*!< slices of the image, 1 .. number of patches */
    uint32_t n_patches;         /*!< patches of this slice: srec_slice_patches() */
    const uint8_t *rate_map;    /*!< (n_patches) ladder steps, in the patch order of the slice */
    uint8_t scale;              /*!< 2: the image was halved before encoding; 1 or 0: it was not */
} srec_slice;

/*! Number of slices for given bounds. The result is the smallest number, to within 2 %, with which no slice is empty or
 *  exceeds a bound.
 *
 *  \param[in] model        the model
 *  \param[in] features     the encoded image
 *  \param[in] max_bytes    maximum feature bytes of a slice
 *  \param[in] max_patches  maximum patches of a slice
 *  \return the number of slices; 0 if even slices of one patch exceed a bound, or if there is no memory */
SREC_API uint32_t srec_slice_count(const srec_model *model, const srec_features *features, size_t max_bytes,
                                   size_t max_patches);

/*! Patches of a slice. Patch (row, col) belongs to slice (col + row * shift) mod n_slices, with shift near n_slices /
 *  golden ratio, or shift = patch_cols if there are as many slices as patches. The function uses only integers, so both
 *  ends obtain the same result.
 *
 *  \param[in]  patch_cols  patches across
 *  \param[in]  patch_rows  patches down
 *  \param[in]  n_slices    slices of the image
 *  \param[in]  slice       number of the slice, 0 .. n_slices - 1
 *  \param[out] patches     (capacity) raster indices in ascending order; NULL to count only
 *  \param[in]  capacity    room in \p patches
 *  \return the number of patches of the slice, even if it exceeds \p capacity; 0 if \p slice is out of range */
SREC_API size_t srec_slice_patches(uint32_t patch_cols, uint32_t patch_rows, uint32_t n_slices, uint32_t slice,
                                   uint32_t *patches, size_t capacity);

/*! Which slice to extract. */
typedef struct srec_slice_number {
    uint32_t picture;  /*!< number of the image in the session */
    uint32_t n_slices; /*!< slices of the image: srec_packet_slices() or srec_slice_count() */
    uint32_t slice;    /*!< number of the slice, 0 .. n_slices - 1 */
} srec_slice_number;

/*! Buffers for a slice. */
typedef struct srec_slice_buffers {
    uint8_t *rate_map;       /*!< (capacity_patches) receives the ladder steps */
    size_t capacity_patches; /*!< room in rate_map */
    uint8_t *bytes;          /*!< (capacity_bytes) receives the feature bytes */
    size_t capacity_bytes;   /*!< room in bytes */
} srec_slice_buffers;

/*! Extract a slice from an encoded image.
 *
 *  \param[in]  model     the model
 *  \param[in]  features  the encoded image
 *  \param[in]  number    which slice
 *  \param[in]  buffers   where the ladder steps and feature bytes go; out->rate_map points to buffers->rate_map
 *  \param[out] out       the slice, with scale 1
 *  \param[out] n_bytes   number of feature bytes
 *  \return SREC_OK; SREC_ERR_ARG, also if a buffer is too small */
SREC_API srec_status srec_slice_extract(const srec_model *model, const srec_features *features,
                                        const srec_slice_number *number, const srec_slice_buffers *buffers,
                                        srec_slice *out, size_t *n_bytes) SREC_WARN_UNUSED;

/*! Feature bytes of a slice: the sum of its ladder steps.
 *
 *  \param[in] model  the model
 *  \param[in] slice  the slice
 *  \return the number of bytes; 0 if a step is not on the ladder of the model */
SREC_API size_t srec_slice_bytes(const srec_model *model, const srec_slice *slice) SREC_NONNULL(1, 2);

/*! Whether the image that a slice describes is possible with this model. The function checks the size, the channels,
 *  the format, the scale, the number of slices and the number of the slice.
 *
 *  \param[in]  model  the model
 *  \param[in]  slice  the slice; its patches and rate map are not read
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_MODEL if the slice was made with another model; SREC_ERR_ARG */
SREC_API srec_status srec_slice_check_picture(const srec_model *model, const srec_slice *slice,
                                              srec_error *error) SREC_WARN_UNUSED;

/*! Whether a slice is possible with this model. The function checks what srec_slice_check_picture() checks, and that
 *  the patches, the rate map and the number of features agree.
 *
 *  \param[in]  model       the model
 *  \param[in]  slice       the slice
 *  \param[in]  n_features  number of features, at least 1
 *  \param[out] error       the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_MODEL if the slice was made with another model; SREC_ERR_ARG */
SREC_API srec_status srec_slice_check(const srec_model *model, const srec_slice *slice, size_t n_features,
                                      srec_error *error) SREC_WARN_UNUSED;

/*! Whether two slices describe the same image: all fields are equal except the slice, its patches and its rate map. A
 *  slice does not contain the session, so the caller compares it.
 *
 *  \param[in] a  a slice
 *  \param[in] b  a slice
 *  \return true if they describe the same image */
SREC_API bool srec_slice_same_picture(const srec_slice *a, const srec_slice *b) SREC_NONNULL(1, 2);

/*! The prior table of each feature of a slice.
 *
 *  \param[in]  model     the model
 *  \param[in]  slice     the slice
 *  \param[out] tables    (srec_slice_bytes(model, slice)) index of the table
 *  \param[in]  capacity  room in \p tables
 *  \return SREC_OK; SREC_ERR_ARG, also if \p tables is too small */
SREC_API srec_status srec_slice_prior_tables(const srec_model *model, const srec_slice *slice, uint8_t *tables,
                                             size_t capacity) SREC_NONNULL(1, 2) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_SLICE_H */
