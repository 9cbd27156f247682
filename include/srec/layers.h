/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Coded layers: an image becomes pieces, each of which travels as one packet, and the pieces that arrive become an
 *  image.
 *
 *      image → layers, the first for the worst channel → data pieces and parity pieces of each layer → image
 *
 *  A layer refines the ones before it. Pieces may arrive in any order, and any of them may be missing: parity pieces
 *  restore as many data pieces of their layer as there are parity pieces, and what is still missing costs detail. The
 *  parts of the first layer on which all else depends travel twice.
 *
 *  Pieces have no integrity of their own. Offer the decoder only pieces that have been authenticated (layer_packet.h):
 *  it withstands any others, but makes a wrong image of them. */
#ifndef SREC_LAYERS_H
#define SREC_LAYERS_H

#include <srec/api.h>
#include <srec/image.h>
#include <srec/status.h>

SREC_BEGIN_DECLS

#define SREC_LAYERS_MAX               8u     /*!< maximum number of layers of an image */
#define SREC_LAYERS_PIECES_MAX        65535u /*!< maximum number of data and parity pieces of a layer */
#define SREC_LAYERS_PIECE_BYTES_MAX   65535u /*!< maximum bytes of a piece, without its description */
#define SREC_LAYERS_DESCRIPTION_BYTES 11u    /*!< bytes of the description of a piece */

/*! What both ends must agree on before any piece is read. */
typedef struct srec_layers_format {
    uint32_t width;    /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    uint32_t height;   /*!< pixels, 1 .. SREC_IMAGE_MAX_SIDE */
    unsigned channels; /*!< 1 (grey) or 3 (RGB) */
    unsigned n_layers; /*!< number of layers, 1 .. SREC_LAYERS_MAX */
} srec_layers_format;

/*! One piece. Data pieces have the indices 0 .. n_data - 1, parity pieces the next ones. */
typedef struct srec_layer_piece {
    unsigned layer;    /*!< layer, 0 .. n_layers - 1 */
    uint32_t index;    /*!< index within the layer, 0 .. n_data + n_parity - 1 */
    uint32_t n_data;   /*!< number of data pieces of the layer, at least 1 */
    uint32_t n_parity; /*!< number of parity pieces of the layer; with n_data at most SREC_LAYERS_PIECES_MAX */
    uint8_t description[SREC_LAYERS_DESCRIPTION_BYTES]; /*!< which parts of the image; belongs to the bytes */
    const uint8_t *bytes;                               /*!< (n_bytes) the content */
    size_t n_bytes;                                     /*!< number of bytes, 1 .. SREC_LAYERS_PIECE_BYTES_MAX */
} srec_layer_piece;

/* --- encoder ------------------------------------------------------------------------------------------------------ */

/*! How much one layer may take. */
typedef struct srec_layer_budget {
    size_t bytes;           /*!< bytes of all its pieces, parity pieces included */
    uint32_t n_data;        /*!< number of data pieces, at least 1; fewer are made if the layer has little to send */
    uint32_t n_parity;      /*!< number of parity pieces for n_data data pieces; fewer for fewer */
    size_t piece_bytes_max; /*!< maximum bytes of a piece, 64 .. SREC_LAYERS_PIECE_BYTES_MAX */
    double byte_cost;       /*!< cost of a byte of this layer, in a unit common to all layers, like symbols; 0: 1 */
} srec_layer_budget;

/*! An encoded image, in the encoder until its next call. */
typedef struct srec_layers {
    srec_layers_format format;           /*!< format of the image */
    const srec_layer_piece *pieces;      /*!< (n_pieces) layer after layer, data pieces before parity pieces */
    size_t n_pieces;                     /*!< number of pieces of all layers */
    size_t layer_bytes[SREC_LAYERS_MAX]; /*!< (format.n_layers) bytes of all pieces of each layer */
    float rms_error[SREC_LAYERS_MAX];    /*!< (format.n_layers) RMS error of the image decoded from the layers up to
                                          *   this one, 0 .. 255 */
} srec_layers;

/*! Divides images into pieces. One thread at a time may use an encoder; different encoders are independent. */
typedef struct srec_layer_encoder srec_layer_encoder;

/*! Create an encoder.
 *
 *  \param[in]  threads  number of threads that the source coder may use; 0: one per processor
 *  \param[out] out      the encoder
 *  \param[out] error    says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_encoder_create(unsigned threads, srec_layer_encoder **out,
                                               srec_error *error) SREC_WARN_UNUSED;

/*! Free an encoder, and the pieces that it holds.
 *
 *  \param[in] e  the encoder; may be NULL */
SREC_API void srec_layer_encoder_free(srec_layer_encoder *e);

/*! The least bytes that the budget of a layer may have. Any thread may call this function.
 *
 *  \param[in] f         format of the image
 *  \param[in] n_data    number of data pieces of the layer
 *  \param[in] n_parity  number of parity pieces of the layer
 *  \return the number of bytes, of all pieces together; 0 if the format is impossible */
SREC_API size_t srec_layers_least_bytes(const srec_layers_format *f, uint32_t n_data, uint32_t n_parity);

/*! Encode an image. The first layer keeps within its budget; what a layer leaves, at its cost, is added to the budget
 *  of the next one, so that all together never exceed the budgets.
 *
 *  The budgets are filled, unless nothing is left to send or the pieces are too many or too short: to 98 % for images
 *  of 512x384 pixels or more (97.5 % at 0.2 bits per pixel), to 86 % for small images. Layers end between JPEG 2000
 *  packets, of which small images have few; OpenJPEG decides how long they are.
 *
 *  \param[in]  e         the encoder
 *  \param[in]  image     the image; only read
 *  \param[in]  budgets   (n_layers) what each layer may take
 *  \param[in]  n_layers  number of layers, 1 .. SREC_LAYERS_MAX
 *  \param[out] out       the encoded image
 *  \param[out] error     says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG for an impossible image, or a budget below the least, which is named;
 *          SREC_ERR_MEMORY; SREC_ERR_INTERNAL if the source coder fails */
SREC_API srec_status srec_layer_encoder_run(srec_layer_encoder *e, const srec_image *image,
                                            const srec_layer_budget *budgets, unsigned n_layers, srec_layers *out,
                                            srec_error *error) SREC_WARN_UNUSED;

/* --- decoder ------------------------------------------------------------------------------------------------------ */

/*! What arrived, and how good the image is. */
typedef struct srec_layers_report {
    unsigned layers_complete;  /*!< number of layers of which, and of all before, all data pieces are there */
    uint32_t pieces_received;  /*!< data and parity pieces, without repetitions */
    uint32_t pieces_recovered; /*!< data pieces restored from parity */
    uint32_t pieces_missing;   /*!< missing data pieces of layers of which any piece came */
    float rms_error;           /*!< RMS error, 0 .. 255, measured by the encoder for the layers that are complete; if
                                *   none is, for the first one (then a lower bound); NAN if that is unknown */
} srec_layers_report;

/*! Holds the pieces of one image. One thread at a time may use a decoder; different decoders are independent. */
typedef struct srec_layer_decoder srec_layer_decoder;

/*! Create a decoder.
 *
 *  \param[in]  f        format of the image
 *  \param[in]  threads  number of threads that the source coder may use; 0: one per processor
 *  \param[out] out      the decoder
 *  \param[out] error    says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG, also for an impossible format; SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_decoder_create(const srec_layers_format *f, unsigned threads, srec_layer_decoder **out,
                                               srec_error *error) SREC_WARN_UNUSED;

/*! Free a decoder, and the pieces that it holds.
 *
 *  \param[in] d  the decoder; may be NULL */
SREC_API void srec_layer_decoder_free(srec_layer_decoder *d);

/*! Add a piece. A piece that is there already is ignored. On error the pieces that are there stay as they are.
 *
 *  \param[in]  d      the decoder
 *  \param[in]  piece  the piece; it is copied
 *  \param[out] error  says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_FORMAT if the piece is impossible or contradicts an earlier one of its layer;
 *          SREC_ERR_ARG; SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_decoder_add(srec_layer_decoder *d, const srec_layer_piece *piece, srec_error *error);

/*! Bytes of the pieces that a decoder holds.
 *
 *  \param[in] d  the decoder; may be NULL
 *  \return the number of bytes, without descriptions; 0 for NULL */
SREC_API size_t srec_layer_decoder_bytes(const srec_layer_decoder *d);

/*! Whether all layers are complete. Data pieces that parity pieces can restore count as present.
 *
 *  \param[in] d  the decoder
 *  \return 1 if no data piece of any layer is missing, 0 otherwise */
SREC_API int srec_layer_decoder_complete(const srec_layer_decoder *d) SREC_NONNULL(1);

/*! Decode the best image that the pieces give so far: grey where nothing came. More pieces may be added afterwards.
 *
 *  \param[in]  d       the decoder
 *  \param[out] image   the image; the caller sets width, height and channels as in the format, and stride and data.
 *                      The samples, data (height, stride), are written
 *  \param[out] report  what arrived; may be NULL
 *  \param[out] error   says what is wrong, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_FORMAT if the pieces contradict each other; SREC_ERR_MEMORY */
SREC_API srec_status srec_layer_decoder_run(srec_layer_decoder *d, srec_image *image, srec_layers_report *report,
                                            srec_error *error) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_LAYERS_H */
