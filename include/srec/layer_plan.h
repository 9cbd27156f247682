/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How to spend symbols on coded layers: from a budget of symbols and the SNRs of the receivers to the code rates, budgets and
 *  numbers of pieces that layers.h and layer_packet.h need. */
#ifndef SREC_LAYER_PLAN_H
#define SREC_LAYER_PLAN_H

#include <srec/layers.h>
#include <srec/modem.h>

#include <stdbool.h>

SREC_BEGIN_DECLS

#define SREC_LAYER_FRAME_SYMBOLS 16000u /*!< payload symbols of a packet, unless a sixteenth of its layer is more */
#define SREC_LAYER_PARITY_AUTO   (-1)

/*! Es/N0 in dB at which 1 of 1000 packets with blocks of 8448 bits is lost over AWGN. Between the measured code rates the
 *  values are interpolated; below 1/3 bits are repeated.
 *  \param code_rate above 0, at most 8/9
 *  \return NAN if there is no such code */
SREC_API float srec_layer_threshold_db(srec_modulation m, double code_rate);

/*! The highest code rate whose threshold is at most \p snr_db, 0.02 .. 8/9. */
SREC_API double srec_layer_code_rate(srec_modulation m, float snr_db);

/*! The least SNR that a layer may be meant for: below it headers are lost. NAN for pam256. */
SREC_API float srec_layer_least_snr_db(srec_modulation m);

typedef struct srec_layers_request {
    srec_layers_format format;     /*!< of the image that is encoded */
    uint64_t original_pixels;      /*!< of the picture that cbr refers to; 0: as many as the image has */
    srec_modulation modulation;    /*!< not pam256 */
    float snr_db[SREC_LAYERS_MAX]; /*!< (format.n_layers) at which each layer must arrive; ascending */
    float share[SREC_LAYERS_MAX];  /*!< (format.n_layers) of the symbols, in any unit; all 0: equal */
    float margin_db;               /*!< between threshold and SNR, -10 .. 30 */
    double rate_max;               /*!< highest code rate; 0: 8/9 */
    double cbr;                    /*!< complex symbols / (3 * original_pixels), headers counted */
    size_t frame_symbols;          /*!< payload symbols of a packet in the mean; 0: the default */
    int n_parity;                  /*!< parity pieces of each layer; SREC_LAYER_PARITY_AUTO: 1 for every 12 pieces */
    bool bursts;                   /*!< preambles and pilots count too */
} srec_layers_request;

typedef struct srec_layer_plan {
    double code_rate; /*!< of all packets of the layer */
    float
        threshold_db; /*!< of that rate, with the margin; far below the layer's SNR if the modulation is too robust for it */
    srec_layer_budget budget; /*!< for srec_layer_encoder_run() */
    size_t n_symbols;         /*!< that the layer's packets take at most */
} srec_layer_plan;

/*! Plan the layers of one picture.
 *  \param[out] plans (format.n_layers)
 *  \return SREC_ERR_ARG with the number at fault: pam256, SNRs that are not ascending or below the modulation's least, a share
 *          below 0, a cbr below the least (which is named), out of range */
SREC_API srec_status srec_layers_plan(const srec_layers_request *request, srec_layer_plan *plans, srec_error *error);

SREC_END_DECLS
#endif /* SREC_LAYER_PLAN_H */
