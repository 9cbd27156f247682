/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The decoder: from feature estimates to an image. It runs the feature decoder fd, conceals lost patches, and runs the
 *  synthesis gs (SREC eq. 6, 7). */
#ifndef SREC_DECODER_H
#define SREC_DECODER_H

#include <srec/slice.h>

SREC_BEGIN_DECLS

/*! A decoder. One thread at a time may use it; different decoders are independent. */
typedef struct srec_decoder srec_decoder;

/*! What a decoded image consists of. */
typedef struct srec_decoder_report {
    uint32_t patches;      /*!< patches of the image */
    uint32_t patches_lost; /*!< patches that were concealed */
    uint32_t slices;       /*!< slices of the image */
    uint32_t slices_lost;  /*!< slices that were not added */
    float mean_deviation;  /*!< mean standard deviation of the received features, 0 (certain) .. 1 (prior); -1 if it is
                            *   not known: hard decisions */
} srec_decoder_report;

/*! Create a decoder.
 *
 *  \param[in]  model    the model; it must outlive the decoder
 *  \param[in]  compute  settings of the networks; they are copied. NULL: the defaults
 *  \param[out] out      the decoder, or NULL on error
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_decoder_create(const srec_model *model, const srec_compute *compute, srec_decoder **out,
                                         srec_error *error) SREC_WARN_UNUSED;

/*! Free a decoder.
 *
 *  \param[in] decoder  the decoder; may be NULL */
SREC_API void srec_decoder_free(srec_decoder *decoder);

/*! Begin an image. All its patches are lost until slices are added. The decoder forgets the previous image.
 *
 *  \param[in]  decoder  the decoder
 *  \param[in]  slice    any slice of the image. The decoder reads all fields except the patches and the rate map
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_MODEL if the slice was made with another model; SREC_ERR_ARG if it describes an impossible
 *          image; SREC_ERR_MEMORY; SREC_ERR_CANCELLED. After an error no image is open */
SREC_API srec_status srec_decoder_begin(srec_decoder *decoder, const srec_slice *slice,
                                        srec_error *error) SREC_WARN_UNUSED;

/*! Add the feature estimates of a slice. If the same slice is added again, the later estimates replace the earlier
 *  ones.
 *
 *  \param[in]  decoder    the decoder
 *  \param[in]  slice      the slice; it must belong to the image that srec_decoder_begin() began
 *  \param[in]  mean       (n) posterior mean, in units of the normalised feature
 *  \param[in]  deviation  (n) posterior standard deviation, in the same units. NULL after hard decisions, when it is
 *                         not known; the networks then read 0
 *  \param[in]  n          features of the slice: srec_slice_bytes()
 *  \param[out] error      the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if no image was begun, or if the slice does not fit the image; SREC_ERR_MODEL;
 *          SREC_ERR_MEMORY */
SREC_API srec_status srec_decoder_add(srec_decoder *decoder, const srec_slice *slice, const float *mean,
                                      const float *deviation, size_t n, srec_error *error) SREC_WARN_UNUSED;

/*! Decode the image from the slices added so far. Lost patches are concealed from their neighbours. More slices may
 *  follow, and the image may be decoded again.
 *
 *  \param[in]  decoder  the decoder
 *  \param[in]  image    width, height and channels as in the slices; the function writes the pixels to `data`
 *  \param[out] report   what the image consists of; may be NULL
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if no image was begun, or if the sizes differ; SREC_ERR_MEMORY; SREC_ERR_CANCELLED;
 *          SREC_ERR_UNSUPPORTED if this CPU cannot run the precision; SREC_ERR_INTERNAL if the backend fails */
SREC_API srec_status srec_decoder_run(srec_decoder *decoder, const srec_image *image, srec_decoder_report *report,
                                      srec_error *error) SREC_WARN_UNUSED;

/*! The reliability of each patch, for the enhancer.
 *
 *  \param[in] decoder  the decoder; may be NULL
 *  \return (rows, cols) as srec_patch_grid() gives them: mean posterior standard deviation of the features of the
 *          patch, 0 (certain) .. 1 (lost), -1 if it is not known. Valid until the next srec_decoder_begin(). NULL if no
 *          image was begun */
SREC_API const float *srec_decoder_deviation(const srec_decoder *decoder);

SREC_END_DECLS
#endif /* SREC_DECODER_H */
