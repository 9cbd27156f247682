/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Feature estimates to picture: feature decoder fd, synthesis gs, concealment of lost slices.    (SREC eq. 6, 7)
 *  */
#ifndef SREC_DECODER_H
#define SREC_DECODER_H

#include <srec/slice.h>

SREC_BEGIN_DECLS

/*! One thread at a time per decoder; decoders are independent. */
typedef struct srec_decoder srec_decoder;

typedef struct srec_decoder_report {
    uint32_t patches, patches_lost;
    uint32_t slices, slices_lost;
    float mean_deviation; /*!< mean posterior standard deviation over the received features, 0 (certain) .. 1
                           *   (prior) */
} srec_decoder_report;

SREC_API srec_status srec_decoder_create(const srec_model *model, const srec_compute *compute, srec_decoder **out,
                                         srec_error *error);
SREC_API void srec_decoder_free(srec_decoder *decoder);

/*! Start a picture of the size that \p slice names, all patches lost. What was collected before is forgotten.
 *  \return SREC_OK,
 *  SREC_ERR_CANCELLED (then no picture is begun), or why the slice is refused */
SREC_API srec_status srec_decoder_begin(srec_decoder *decoder, const srec_slice *slice, srec_error *error);

/*! Add a slice's feature estimates. \param mean, deviation (n) posterior mean and standard deviation in units of
 *  the
 *  normalised feature; deviation may be NULL (not known: hard decisions; the networks take it as 0). A slice that
 *  does not fit the picture begun is SREC_ERR_ARG;
 *  the same slice twice is accepted, the later one counts. */
SREC_API srec_status srec_decoder_add(srec_decoder *decoder, const srec_slice *slice, const float *mean,
                                      const float *deviation, size_t n, srec_error *error);

/*! Decode what is there; lost patches are concealed from their neighbours. May be called again after more slices.
 *  \param image width, height and channels as in the slices; data is written. \param[out] report may be NULL */
SREC_API srec_status srec_decoder_run(srec_decoder *decoder, const srec_image *image, srec_decoder_report *report,
                                      srec_error *error);

/*! How far each patch is to be trusted, for the enhancer: (rows, cols) of srec_patch_grid(), mean posterior
 *  deviation of the patch's features,
 *  0 (certain) .. 1 (lost), -1 where it is not known. NULL before a picture is begun; valid until the next is. */
SREC_API const float *srec_decoder_deviation(const srec_decoder *decoder);

SREC_END_DECLS
#endif /* SREC_DECODER_H */
