/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A trained model: one safetensors file with networks, rate ladder and priors. See docs/model-format.md. */
#ifndef SREC_MODEL_H
#define SREC_MODEL_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Read-only after loading: encoders, decoders and descramblers of any thread share one. It must outlive them. */
typedef struct srec_model srec_model;

/*! How a normalised feature s becomes a byte: clamp(round(128 + levels * s), 0, 255), or of a bounded feature (s
 *  pressed
 *  through bound * tanh(s / bound) first; estimates are of the pressed value). The channel decides which
 *  format serves it: few levels where the byte travels as bits, many where it travels as an amplitude. */
typedef enum srec_feature_format {
    SREC_FEATURES_BITS = 0,     /*!< BPSK .. 256QAM */
    SREC_FEATURES_AMPLITUDE = 1 /*!< pam256 */
} srec_feature_format;
#define SREC_FEATURE_FORMATS 2

/*! What a receiver knows of a feature before it hears it (DESIGN: priors are data). */
typedef struct srec_priors {
    float levels;                   /*!< byte levels per unit of the feature */
    unsigned n_tables;              /*!< 1 .. 64 */
    const float *tables;            /*!< (n_tables, 256): probability of each byte value; rows sum to 1 */
    unsigned n_steps;               /*!< steps of the rate ladder, 1 .. 16 */
    unsigned n_positions;           /*!< features of the longest step */
    const uint8_t *index;           /*!< (n_steps, n_positions): which table a feature uses */
    const unsigned *ladder;         /*!< (n_steps): features of a patch at each step, <= n_positions; NULL goes
                                      *   with no covariance */
    const float *const *covariance; /*!< (n_steps) of (k, k), k = ladder[step]: of the features of a patch; NULL:
                                      *   not known */
} srec_priors;

#define SREC_LADDER_MAX_STEPS 16

/*! Load and check a model file: lengths, offsets, overlaps, shapes, dtypes, checksum, version; nothing in it is
 *  trusted. \param[out] error says what is wrong with which tensor. On error *out is NULL. */
SREC_API srec_status srec_model_load(const char *path, srec_model **out, srec_error *error);

/*! The same from memory: \p data (\p size bytes) is copied as needed and may be freed afterwards. */
SREC_API srec_status srec_model_load_memory(const void *data, size_t size, srec_model **out, srec_error *error);

/*! \p model may be NULL. */
SREC_API void srec_model_free(srec_model *model);

/*! First 8 bytes of the BLAKE2b-256 hash of the whole file, little endian: packets name the model they need by it.
 *  */
SREC_API uint64_t srec_model_id(const srec_model *model);

/*! Metadata string of the file ("name", "training", "data", "licence", "date", ...), or NULL if absent. Owned by
 *  the model. */
SREC_API const char *srec_model_metadata(const srec_model *model, const char *key);

/*! Key of the i-th metadata entry, NULL past the end: for listing. */
SREC_API const char *srec_model_metadata_key(const srec_model *model, size_t i);

SREC_API unsigned srec_model_patch(const srec_model *model);                 /*!< pixels of a patch's side: 16 */
SREC_API unsigned srec_model_ladder_steps(const srec_model *model);          /*!< 1 .. SREC_LADDER_MAX_STEPS */
SREC_API unsigned srec_model_ladder(const srec_model *model, unsigned step); /*!< features of a patch at that step;
                                                                              *   0 if out of range */
SREC_API size_t srec_model_parameters(const srec_model *model);              /*!< number of weights */
SREC_API double srec_model_macs_per_pixel(const srec_model *model, const char *network); /*!< "ga", "gs", ...; 0 if
                                                                                          *   absent */

SREC_API const srec_priors *srec_model_priors(const srec_model *model, srec_feature_format format);

SREC_END_DECLS
#endif /* SREC_MODEL_H */
