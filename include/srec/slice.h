/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A picture is cut into slices: sets of patches scattered over the whole picture, each decodable without the
 *  others.
 *  A lost slice leaves holes one patch wide whose neighbours are there, and any one slice shows the whole scene
 *  coarsely. */
#ifndef SREC_SLICE_H
#define SREC_SLICE_H

#include <srec/encoder.h>
#include <stdbool.h>

SREC_BEGIN_DECLS

/*! Everything a receiver must know of a slice, apart from its features. Travels authenticated (packet.h). */
typedef struct srec_slice {
    uint64_t model_id;
    uint32_t picture;       /*!< number of the picture within the session */
    uint32_t width, height; /*!< pixels, 1 .. 65535 */
    uint8_t channels;       /*!< 1 or 3 */
    srec_feature_format format;
    uint32_t slice, n_slices; /*!< 0 <= slice < n_slices <= number of patches */
    uint32_t n_patches;       /*!< patches of this slice: srec_slice_patches() */
    const uint8_t *rate_map;  /*!< n_patches ladder steps, in the slice's patch order */
    uint8_t scale;            /*!< 2: the picture was halved before it was encoded; 1 or 0: it was not */
} srec_slice;

/*! Smallest number of slices (to 2 %) with which none is empty and none has more than \p max_bytes feature bytes
 *  nor \p max_patches patches.
 *  \return 0 if not even one patch a slice suffices. */
SREC_API uint32_t srec_slice_count(const srec_model *model, const srec_features *features, size_t max_bytes,
                                   size_t max_patches);

/*! Raster indices of the patches of slice \p slice of \p n_slices, ascending. Integer arithmetic only, the same on
 *  both ends:
 *  patch (row, col) is in slice (col + row * shift(n_slices)) mod n_slices, shift near n_slices / golden ratio;
 *  with as many slices as patches, shift = patch_cols.
 *  \param[out] patches room for \p capacity indices; may be NULL to count.
 *  \return number of patches of the slice (whatever the capacity). */
SREC_API size_t srec_slice_patches(uint32_t patch_cols, uint32_t patch_rows, uint32_t n_slices, uint32_t slice,
                                   uint32_t *patches, size_t capacity);

/*! Take slice \p slice out of a coded picture.
 *  \param[out] rate_map (capacity_patches) ladder steps; out->rate_map points to it
 *  \param[out] bytes    (capacity_bytes) features
 *  \param[out] out      all fields filled; model_id and picture from the arguments, scale 1
 *  \return SREC_OK, SREC_ERR_ARG if a buffer is too small */
SREC_API srec_status srec_slice_extract(const srec_model *model, const srec_features *features, uint32_t picture,
                                        uint32_t n_slices, uint32_t slice, uint8_t *rate_map, size_t capacity_patches,
                                        uint8_t *bytes, size_t capacity_bytes, srec_slice *out, size_t *n_bytes);

/*! Feature bytes of a slice: sum of ladder(rate_map[i]); 0 if a step is beyond the model's ladder. */
SREC_API size_t srec_slice_bytes(const srec_model *model, const srec_slice *slice);

/*! Whether the picture that a slice describes is possible with this model: size, channels, format, number of
 *  slices; and the slice one of them.
 *  \return SREC_OK, SREC_ERR_MODEL if it was made with another model, SREC_ERR_ARG */
SREC_API srec_status srec_slice_check_picture(const srec_model *model, const srec_slice *slice, srec_error *error);

/*! The same, and whether the slice's rate map and \p n_features fit each other and the picture. The rate map is
 *  read. */
SREC_API srec_status srec_slice_check(const srec_model *model, const srec_slice *slice, size_t n_features,
                                      srec_error *error);

/*! Whether two slices describe the same picture: all but slice, patches and rate map is equal. The session is not
 *  known here. */
SREC_API bool srec_slice_same_picture(const srec_slice *a, const srec_slice *b);

/*! Which prior table each feature of the slice uses. \param[out] tables (srec_slice_bytes) */
SREC_API srec_status srec_slice_prior_tables(const srec_model *model, const srec_slice *slice, uint8_t *tables,
                                             size_t capacity);

SREC_END_DECLS
#endif /* SREC_SLICE_H */
