/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A trained codec: one safetensors file with the networks, the rate ladder and the priors. docs/model-format.md
 *  describes the file. */
#ifndef SREC_MODEL_H
#define SREC_MODEL_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! A model. It is read-only after loading, so encoders, decoders and descramblers in different threads may share it. It
 *  must outlive them. */
typedef struct srec_model srec_model;

/*! Formats of feature bytes. A normalised feature s becomes the byte clamp(round(128 + levels * s), 0, 255). If the
 *  format has a bound, s is first compressed to bound * tanh(s / bound), and receivers estimate the compressed value.
 *  Bytes that travel as bits use few levels, and bytes that travel as amplitudes use many. */
typedef enum srec_feature_format {
    SREC_FEATURES_BITS = 0,     /*!< for BPSK, QPSK and QAM */
    SREC_FEATURES_AMPLITUDE = 1 /*!< for pam256 */
} srec_feature_format;

#define SREC_FEATURE_FORMATS 2 /*!< number of values of srec_feature_format */

/*! The prior: the probability distribution of each feature before anything is received. */
typedef struct srec_priors {
    float levels;                   /*!< byte levels per unit of the normalised feature */
    unsigned n_tables;              /*!< number of tables, 1 .. 64 */
    const float *tables;            /*!< (n_tables, 256) probability of each byte value; each row sums to 1 */
    unsigned n_steps;               /*!< steps of the rate ladder, 1 .. SREC_LADDER_MAX_STEPS */
    unsigned n_positions;           /*!< features of the longest step */
    const uint8_t *index;           /*!< (n_steps, n_positions) table of each feature */
    const unsigned *ladder;         /*!< (n_steps) features of a patch at each step, 1 .. n_positions; NULL is allowed
                                     *   without covariance */
    const float *const *covariance; /*!< (n_steps) matrices (k, k), k = ladder[step]: covariance of the features of a
                                     *   patch; NULL: not known */
} srec_priors;

#define SREC_LADDER_MAX_STEPS 16 /*!< maximum number of steps of a rate ladder */

/*! Load and check a model file: lengths, offsets, overlaps, shapes, data types, checksum and version. The function
 *  trusts nothing in the file.
 *
 *  \param[in]  path   path of the file
 *  \param[out] out    the model, or NULL on error
 *  \param[out] error  what is wrong, and with which tensor; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG; SREC_ERR_IO; SREC_ERR_MEMORY; SREC_ERR_FORMAT, SREC_ERR_TRUNCATED, SREC_ERR_CHECKSUM
 *          or SREC_ERR_SHAPE for a damaged file; SREC_ERR_VERSION; SREC_ERR_UNSUPPORTED for an enhancer or an unknown
 *          data type */
SREC_API srec_status srec_model_load(const char *path, srec_model **out, srec_error *error) SREC_WARN_UNUSED;

/*! Load and check a model in memory.
 *
 *  \param[in]  data   (size) the bytes of a model file; they are copied
 *  \param[in]  size   number of bytes
 *  \param[out] out    the model, or NULL on error
 *  \param[out] error  what is wrong, and with which tensor; may be NULL
 *  \return as srec_model_load(), but not SREC_ERR_IO */
SREC_API srec_status srec_model_load_memory(const void *data, size_t size, srec_model **out,
                                            srec_error *error) SREC_WARN_UNUSED;

/*! Free a model.
 *
 *  \param[in] model  the model; may be NULL */
SREC_API void srec_model_free(srec_model *model);

/*! Identifier of a model. Each packet names the model that it needs by this identifier.
 *
 *  \param[in] model  the model
 *  \return the first 8 bytes of the BLAKE2b-256 hash of the file, little endian */
SREC_API uint64_t srec_model_id(const srec_model *model) SREC_NONNULL(1);

/*! A metadata string of a model: "name", "training", "data", "licence", "date" and others.
 *
 *  \param[in] model  the model
 *  \param[in] key    the key
 *  \return the string, which belongs to the model; NULL if the key is absent */
SREC_API const char *srec_model_metadata(const srec_model *model, const char *key) SREC_NONNULL(1, 2);

/*! A metadata key of a model, for listing.
 *
 *  \param[in] model  the model
 *  \param[in] i      index of the entry, from 0
 *  \return the key, which belongs to the model; NULL after the last entry */
SREC_API const char *srec_model_metadata_key(const srec_model *model, size_t i) SREC_NONNULL(1);

/*! Side of a patch.
 *
 *  \param[in] model  the model
 *  \return pixels of the side of a patch: 16 */
SREC_API unsigned srec_model_patch(const srec_model *model) SREC_NONNULL(1);

/*! Number of steps of the rate ladder.
 *
 *  \param[in] model  the model
 *  \return 1 .. SREC_LADDER_MAX_STEPS */
SREC_API unsigned srec_model_ladder_steps(const srec_model *model) SREC_NONNULL(1);

/*! A step of the rate ladder.
 *
 *  \param[in] model  the model
 *  \param[in] step   the step, from 0
 *  \return features of a patch at this step; 0 if \p step is out of range */
SREC_API unsigned srec_model_ladder(const srec_model *model, unsigned step) SREC_NONNULL(1);

/*! Number of weights of a model.
 *
 *  \param[in] model  the model
 *  \return the number of weights */
SREC_API size_t srec_model_parameters(const srec_model *model) SREC_NONNULL(1);

/*! Cost of a network.
 *
 *  \param[in] model    the model
 *  \param[in] network  "ga", "ha", "hs", "fe", "fd" or "gs"
 *  \return multiply-accumulate operations per image pixel; 0 for other names */
SREC_API double srec_model_macs_per_pixel(const srec_model *model, const char *network) SREC_NONNULL(1);

/*! The prior of a feature format.
 *
 *  \param[in] model   the model
 *  \param[in] format  the format
 *  \return the prior, which belongs to the model; NULL if \p format is out of range */
SREC_API const srec_priors *srec_model_priors(const srec_model *model, srec_feature_format format) SREC_NONNULL(1);

SREC_END_DECLS
#endif /* SREC_MODEL_H */
