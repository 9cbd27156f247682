/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Is a payload as good as its soft values say? Features have no integrity, so this is a suspicion, not a proof.
 *
 *  Header: its bits are known once it is authenticated. Those received wrong are counted and compared with what
 *  their LLRs
 *  promised, sum of 1 / (1 + exp |L|). More means that the noise is stronger than measured.
 *
 *  Features: two things hold for features of a picture and not for random or shuffled bytes.
 *      values     they follow the model's priors. A mixture of priors and random bytes is fitted to a packet; the
 *      share of
 *                 random bytes is its result
 *      relations  they are related to each other: each to the feature of its patch that the model's covariance
 *      names, and
 *                 to the same feature of the patch before. A relation is a sum of products of estimates; without
 *                 a relation it is 0 with a known variance */
#ifndef SREC_DAMAGE_H
#define SREC_DAMAGE_H

#include <srec/api.h>
#include <stdbool.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Sum of products of pairs of estimates. */
typedef struct srec_relation {
    double sum;
    double expected; /*!< the sum if the features are related as the model says; 0: the model does not say */
    double variance; /*!< of the sum if they are unrelated */
} srec_relation;

/*! Of one packet or, added up, of a picture. All zero: nothing was measured. */
typedef struct srec_damage {
    double header_bits;             /*!< coded bits of signal fields and headers */
    double header_errors;           /*!< of them received wrong */
    double header_errors_expected;  /*!< by their LLRs */
    double header_errors_tolerated; /*!< by their LLRs, were the noise 1.25 dB stronger */
    double features;                /*!< feature bytes examined */
    double features_random;         /*!< of them look like random bytes */
    srec_relation within;           /*!< patches */
    srec_relation between;          /*!< neighbouring patches of a packet */
} srec_damage;

SREC_API void srec_damage_add(srec_damage *sum, const srec_damage *part);

/*! Payload tampered with, or channel worse than measured: many more header errors than tolerated, or features
 *  without the
 *  relations that they should have. With few features, LLRs that say little, or a model without covariance the
 *  features raise
 *  no suspicion. The share of random bytes does not count: unusual pictures look random too. Pictures that are no
 *  photographs
 *  (charts, test patterns) may be suspected wrongly. */
SREC_API bool srec_damage_is_suspect(const srec_damage *d);

SREC_END_DECLS
#endif /* SREC_DAMAGE_H */
