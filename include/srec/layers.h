/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Coded layers: an image becomes pieces, each of which travels as one packet, and the pieces that arrive become an image.
 *
 *      image → layers, the first for the worst channel → data pieces and parity pieces of each layer → image
 *
 *  A layer refines the ones before it. Pieces may arrive in any order, and any of them may be missing: parity pieces
 *  restore as many data pieces of their layer as there are parity pieces, and what is still missing costs detail. The
 *  parts of the first layer on which all else depends travel twice.
 *
 *  Pieces have no integrity of their own. Offer the decoder only pieces that have been authenticated (layer_packet.h): it
 *  withstands any others, but makes a wrong image of them. */
#ifndef SREC_LAYERS_H
#define SREC_LAYERS_H

#include <srec/api.h>
#include <srec/image.h>
#include <srec/status.h>

SREC_BEGIN_DECLS

#define SREC_LAYERS_MAX               8u
#define SREC_LAYERS_PIECES_MAX        65535u /*!< data and parity pieces of a layer */
#define SREC_LAYERS_PIECE_BYTES_MAX   65535u
#define SREC_LAYERS_DESCRIPTION_BYTES 11u

/*! What both ends must agree on before any piece is read. */
typedef struct srec_layers_format {
    uint32_t width;    /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint32_t height;   /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    unsigned channels; /*!< 1 or 3 */
    unsigned n_layers; /*!< 1 .. SREC_LAYERS_MAX */
} srec_layers_format;

/*! One piece. Data pieces have the indices 0 .. n_data - 1, parity pieces the next ones. */
typedef struct srec_layer_piece {
    unsigned layer; /*!< from 0 */
    uint32_t index; /*!< within the layer, 0 .. n_data + n_parity - 1 */
    uint32_t n_data;
    uint32_t n_parity;
    uint8_t description[SREC_LAYERS_DESCRIPTION_BYTES]; /*!< which parts of the image; belongs to the bytes */
    const uint8_t *bytes;                               /*!< (n_bytes) */
    size_t n_bytes;                                     /*!< 1 .. SREC_LAYERS_PIECE_BYTES_MAX */
} srec_layer_piece;

/* --- encoder ------------------------------------------------------------------------------------------------------ */

/*! How much one layer may take. */
typedef struct srec_layer_budget {
    size_t bytes;           /*!< of all its pieces, parity pieces included */
    uint32_t n_data;        /*!< data pieces; fewer are made if the layer has little to send */
    uint32_t n_parity;      /*!< parity pieces for n_data data pieces; fewer for fewer */
    size_t piece_bytes_max; /*!< 64 .. SREC_LAYERS_PIECE_BYTES_MAX */
    double byte_cost;       /*!< of a byte of this layer, in any unit common to all layers, such as symbols; 0: 1 */
} srec_layer_budget;

/*! An encoded image, in the encoder until its next call. */
typedef struct srec_layers {
    srec_layers_format format;
    const srec_layer_piece *pieces; /*!< (n_pieces) layer after layer, data pieces before parity pieces */
    size_t n_pieces;
    size_t layer_bytes[SREC_LAYERS_MAX]; /*!< of all pieces of each layer */
    float rms_error[SREC_LAYERS_MAX];    /*!< of the image decoded from the layers up to this one, 0 .. 255 */
} srec_layers;

/*! One thread at a time per encoder; encoders are independent. */
typedef struct srec_layer_encoder srec_layer_encoder;

/*! \param threads that the source coder may use; 0: one per processor
 *  \return SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_encoder_create(unsigned threads, srec_layer_encoder **out, srec_error *error);
SREC_API void srec_layer_encoder_free(srec_layer_encoder *e);

/*! The least bytes that a layer of an image may have in \p n_data data pieces and \p n_parity parity pieces; 0 if the
 *  format is impossible. */
SREC_API size_t srec_layers_least_bytes(const srec_layers_format *f, uint32_t n_data, uint32_t n_parity);

/*! Encode an image (only read). The first layer keeps within its budget; what a layer leaves, at its cost, is added to the
 *  budget of the next one, so that all together never exceed the budgets.
 *  They are filled, unless nothing is left to send or the pieces are too many or too short: to 98 % of images of 512x384
 *  pixels or more at 1 bit per pixel or more. For less the source coder's steps are coarser: 95 % at 0.2 bits per pixel, 75 %
 *  of small images.
 *  \param budgets  (n_layers)
 *  \param n_layers 1 .. SREC_LAYERS_MAX
 *  \return SREC_ERR_ARG (an impossible image, or a budget below the least, which is named), SREC_ERR_MEMORY,
 *          SREC_ERR_INTERNAL (the source coder failed) */
SREC_API srec_status srec_layer_encoder_run(srec_layer_encoder *e, const srec_image *image,
                                            const srec_layer_budget *budgets, unsigned n_layers, srec_layers *out,
                                            srec_error *error);

/* --- decoder ------------------------------------------------------------------------------------------------------ */

/*! What arrived, and how good the image is. */
typedef struct srec_layers_report {
    unsigned layers_complete;  /*!< of which, and of all before, all data pieces are there */
    uint32_t pieces_received;  /*!< data and parity, without repetitions */
    uint32_t pieces_recovered; /*!< data pieces restored from parity */
    uint32_t pieces_missing;   /*!< data pieces, of layers of which any piece came */
    float rms_error; /*!< 0 .. 255, measured by the encoder for the layers that are complete; if none is, for the
                                    first one (then a lower bound); NAN if that is unknown */
} srec_layers_report;

/*! Holds the pieces of one image. One thread at a time per decoder; decoders are independent. */
typedef struct srec_layer_decoder srec_layer_decoder;

/*! \param threads that the source coder may use; 0: one per processor
 *  \return SREC_ERR_ARG (an impossible format), SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_decoder_create(const srec_layers_format *f, unsigned threads, srec_layer_decoder **out,
                                               srec_error *error);
SREC_API void srec_layer_decoder_free(srec_layer_decoder *d);

/*! Add a piece; it is copied. A piece that is there already is ignored.
 *  \return SREC_OK, SREC_ERR_FORMAT if the piece is impossible or contradicts an earlier one of its layer, SREC_ERR_ARG,
 *          SREC_ERR_MEMORY; the decoder is unchanged then */
SREC_API srec_status srec_layer_decoder_add(srec_layer_decoder *d, const srec_layer_piece *piece, srec_error *error);

/*! Bytes of the pieces that the decoder holds. */
SREC_API size_t srec_layer_decoder_bytes(const srec_layer_decoder *d);

/*! Not 0 if no data piece of any layer is missing. Parity is considered. */
SREC_API int srec_layer_decoder_complete(const srec_layer_decoder *d);

/*! The best image that the pieces give so far: grey where nothing came. More pieces may be added afterwards.
 *  \param[out] image  width, height and channels as in the format; data (height, stride) is written
 *  \param[out] report may be NULL
 *  \return SREC_ERR_ARG, SREC_ERR_FORMAT (the pieces contradict each other), SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_decoder_run(srec_layer_decoder *d, srec_image *image, srec_layers_report *report,
                                            srec_error *error);

SREC_END_DECLS
#endif /* SREC_LAYERS_H */
