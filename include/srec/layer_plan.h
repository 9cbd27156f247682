/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How to spend symbols on coded layers: from a budget of symbols and the SNRs of the receivers to the code rates,
 *  budgets and numbers of pieces that layers.h and layer_packet.h need. Any thread may call these functions. */
#ifndef SREC_LAYER_PLAN_H
#define SREC_LAYER_PLAN_H

#include <srec/layers.h>
#include <srec/modem.h>

#include <stdbool.h>

SREC_BEGIN_DECLS

#define SREC_LAYER_FRAME_SYMBOLS 16000u /*!< payload symbols of a packet, unless a sixteenth of its layer is more */
#define SREC_LAYER_PARITY_AUTO   (-1)   /*!< number of parity pieces: 1 for every 12 pieces */

/*! Es/N0 at which 1 of 1000 packets with blocks of 8448 bits is lost over AWGN. Between the measured code rates the
 *  values are interpolated; below 1/3 bits are repeated.
 *
 *  \param[in] m          the modulation
 *  \param[in] code_rate  the code rate, above 0, at most 8/9
 *  \return Es/N0 in dB; NAN if there is no such code, and for pam256 */
SREC_API float srec_layer_threshold_db(srec_modulation m, double code_rate);

/*! The highest code rate whose threshold is at most a given SNR.
 *
 *  \param[in] m       the modulation; not pam256
 *  \param[in] snr_db  Es/N0, dB
 *  \return the code rate, 0.02 .. 8/9; 0.02 also where that needs a higher SNR */
SREC_API double srec_layer_code_rate(srec_modulation m, float snr_db);

/*! The least SNR that a layer may be meant for. Below it headers are lost.
 *
 *  \param[in] m  the modulation
 *  \return Es/N0 in dB; NAN for pam256 */
SREC_API float srec_layer_least_snr_db(srec_modulation m);

/*! What the layers of an image are planned for. */
typedef struct srec_layers_request {
    srec_layers_format format;  /*!< format of the image that is encoded */
    uint64_t original_pixels;   /*!< pixels of the original image, to which cbr refers; 0: as many as in the format */
    srec_modulation modulation; /*!< modulation of all packets; not pam256 */
    float snr_db
        [SREC_LAYERS_MAX]; /*!< (format.n_layers) Es/N0 at which each layer must arrive, dB, ascending, at most 100 */
    float share[SREC_LAYERS_MAX]; /*!< (format.n_layers) share of the symbols, in any unit, 0 .. 1e6; all 0: equal */
    float margin_db;              /*!< margin between threshold and SNR, dB, -10 .. 30 */
    double rate_max;              /*!< highest code rate, 0.02 or more; 0: 8/9 */
    double cbr;                   /*!< complex symbols / (3 * original_pixels), above 0, headers counted */
    size_t frame_symbols;         /*!< payload symbols of a packet in the mean; 0: SREC_LAYER_FRAME_SYMBOLS */
    int n_parity;                 /*!< number of parity pieces of each layer, or SREC_LAYER_PARITY_AUTO */
    bool bursts;                  /*!< whether preambles and pilots count too */
} srec_layers_request;

/*! The plan of one layer. */
typedef struct srec_layer_plan {
    double code_rate;         /*!< code rate of all packets of the layer, 0.02 .. 8/9 */
    float threshold_db;       /*!< threshold of that rate, with the margin, dB; far below the layer's SNR if the
                               *   modulation is too robust for it */
    srec_layer_budget budget; /*!< budget for srec_layer_encoder_run() */
    size_t n_symbols;         /*!< maximum symbols that the layer's packets take */
} srec_layer_plan;

/*! Plan the layers of one image.
 *
 *  \param[in]  request  what the layers are planned for
 *  \param[out] plans    (request->format.n_layers) the plan of each layer
 *  \param[out] error    says which number is at fault, in one line; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG for pam256, SNRs that are not ascending or below the modulation's least, a cbr below
 *          the least, which is named, or any other number that is out of range */
SREC_API srec_status srec_layers_plan(const srec_layers_request *request, srec_layer_plan *plans,
                                      srec_error *error) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_LAYER_PLAN_H */
