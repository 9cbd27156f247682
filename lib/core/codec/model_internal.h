/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A loaded model inside libsrec: parameters of the codec, networks, linear maps. */
#ifndef SREC_MODEL_INTERNAL_H
#define SREC_MODEL_INTERNAL_H

#include "nn/nn.h"

/* The linear maps of one ladder step of k features, as docs/model-format.md names them. */
typedef struct srec_linear {
    unsigned k;
    const float *encode_weight, *encode_bias;                    /* (k, C), (k) */
    const float *decode_weight, *decode_deviation, *decode_bias; /* (C, k), (C, k), (C) */
} srec_linear;

/* The maps between latent vectors and the features of one format. */
typedef struct srec_mapping {
    float bound;        /* of a feature's tanh, in units of the feature; 0: none */
    const float *token; /* (steps, C) */
    srec_linear linear[SREC_LADDER_MAX_STEPS];
} srec_mapping;

enum { SREC_NET_GA, SREC_NET_HA, SREC_NET_HS, SREC_NET_FE, SREC_NET_FD, SREC_NET_GS, SREC_NETS };

struct srec_model {
    srec_safetensors *file; /* NULL for a bare model */
    uint64_t id;
    unsigned patch, multiple, channels; /* pixels, pixels, C */
    unsigned steps, ladder[SREC_LADDER_MAX_STEPS];
    float mean[3];
    float entropy_floor, bits_max, bits_scale;
    srec_priors priors[SREC_FEATURE_FORMATS];
    srec_graph *nets[SREC_NETS];
    const float *entropy_scale; /* (C) */
    srec_mapping mapping[SREC_FEATURE_FORMATS];
    void **owned; /* memory behind the pointers above */
    size_t n_owned;
};

/* A model with ladder and priors only, for tests and fuzzing. Packets and slices work; networks do not. Everything is
 * copied. A NULL prior becomes one uniform table. */
srec_status srec_model_create_bare(const unsigned *ladder, unsigned steps, const srec_priors *bits,
                                   const srec_priors *amplitude, uint64_t id, srec_model **out);

#endif /* SREC_MODEL_INTERNAL_H */
