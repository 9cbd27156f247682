/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  From the payload of a received packet to estimates of its features: secret order, cipher, priors, descrambler. */
#ifndef SREC_ESTIMATOR_H
#define SREC_ESTIMATOR_H

#include <srec/descrambler.h>
#include <srec/slice.h>

#include <stdbool.h>

SREC_BEGIN_DECLS

/*! The payload of one packet, as srec_packet_decode() delivers it. */
typedef struct srec_payload {
    srec_modulation modulation; /*!< modulation of the frame */
    srec_cipher cipher;         /*!< cipher of the payload */
    uint64_t packet;            /*!< number of the packet within its session */
    const srec_slice *slice;    /*!< slice of the packet, with its rate map */
    const float *soft;          /*!< (srec_slice_bytes(), srec_modem_soft_per_byte()) soft values in the secret order */
} srec_payload;

/*! The payload of one packet whose priors are known feature by feature, as training has it. */
typedef struct srec_feature_payload {
    srec_modulation modulation; /*!< modulation of the frame; it determines the feature format */
    srec_cipher cipher;         /*!< cipher of the payload */
    uint64_t packet;            /*!< number of the packet within its session */
    size_t n_features;          /*!< features, 1 .. SREC_PAYLOAD_MAX */
    const uint8_t *tables;      /*!< (n_features) index of the prior table of each feature */
    size_t n_patches;           /*!< patches */
    const uint8_t *rate_map;    /*!< (n_patches) ladder step of each patch; the features are ordered patch by patch */
    const float *soft;          /*!< (n_features, srec_modem_soft_per_byte()) soft values in the secret order */
} srec_feature_payload;

/*! Descramblers of a model and their buffers. One thread at a time per handle. */
typedef struct srec_estimator srec_estimator;

/*! Creates an estimator.
 *  \param[in]  model  the model; it must outlive the estimator
 *  \param[out] out    the estimator, or NULL on error
 *  \param[out] error  says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY */
SREC_API srec_status srec_estimator_create(const srec_model *model, srec_estimator **out,
                                           srec_error *error) SREC_WARN_UNUSED;

/*! Creates an estimator for priors without a model. Only srec_estimator_run_features() can use it.
 *  \param[in]  priors  the priors; they are copied. The index of the tables is not used
 *  \param[in]  format  feature format of the priors
 *  \param[out] out     the estimator, or NULL on error
 *  \param[out] error   says what is wrong, in one line; may be NULL
 *  \return SREC_OK, SREC_ERR_MEMORY; SREC_ERR_ARG if the priors or the format are invalid */
SREC_API srec_status srec_estimator_create_from_priors(const srec_priors *priors, srec_feature_format format,
                                                       srec_estimator **out, srec_error *error);

/*! Frees an estimator.
 *  \param[in] e  the estimator; may be NULL */
SREC_API void srec_estimator_free(srec_estimator *e);

/*! Estimates the features of a packet.
 *  \param[in]  e          the estimator
 *  \param[in]  scrambler  scrambler of the session of the packet, under the payload key
 *  \param[in]  payload    the payload; its slice must fit the model (srec_slice_check())
 *  \param[in]  soft       true: posterior means and deviations; false: hard decisions, as in the paper (deviation 0)
 *  \param[out] mean       (srec_slice_bytes()) means in units of the normalised feature
 *  \param[out] deviation  (srec_slice_bytes()) standard deviations in the same units
 *  \return SREC_OK; SREC_ERR_ARG if the slice has no features, more than SREC_PAYLOAD_MAX, or another format than the
 *          modulation */
SREC_API srec_status srec_estimator_run(srec_estimator *e, srec_scrambler *scrambler, const srec_payload *payload,
                                        bool soft, float *mean, float *deviation) SREC_WARN_UNUSED;

/*! Estimates the features of a packet from the prior table of each feature.
 *  \param[in]  e          the estimator
 *  \param[in]  scrambler  scrambler of the session of the packet, under the payload key
 *  \param[in]  payload    the payload
 *  \param[in]  soft       true: posterior means and deviations; false: hard decisions, as in the paper (deviation 0)
 *  \param[out] mean       (n_features) means in units of the normalised feature
 *  \param[out] deviation  (n_features) standard deviations in the same units
 *  \return SREC_OK; SREC_ERR_ARG if the number of features or a table is out of range, if the estimator has no priors
 *          for the modulation, or as srec_descrambler_soft() */
SREC_API srec_status srec_estimator_run_features(srec_estimator *e, srec_scrambler *scrambler,
                                                 const srec_feature_payload *payload, bool soft, float *mean,
                                                 float *deviation);

/*! Damage figures of the payload estimated last (srec_descrambler_damage()).
 *  \param[in]  e    the estimator
 *  \param[out] out  the figures; all 0 before the first payload */
SREC_API void srec_estimator_damage(const srec_estimator *e, srec_damage *out) SREC_NONNULL(1, 2);

SREC_END_DECLS
#endif /* SREC_ESTIMATOR_H */
