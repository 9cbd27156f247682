/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Signs of damage in a payload. Features have no integrity, so the result is a suspicion, not a proof. docs/blocks.md
 *  (Damage) explains the figures.
 *
 *  Header: after authentication its bits are known. The decoder counts the coded bits that it received wrong, and
 *  compares their number with the number that the LLRs predict, the sum of 1 / (1 + exp |L|). A larger number means
 *  that the noise is stronger than measured.
 *
 *  Features: features of an image have two properties that random or shuffled bytes do not have.
 *  - Values: they follow the priors of the model. A mixture of the priors and of random bytes is fitted to each packet.
 *    The result is the share of random bytes.
 *  - Correlation: each feature is correlated with the feature of its patch that the covariance of the model selects,
 *    and with the same feature of the preceding patch. The figure is a sum of products of estimates. Without
 *    correlation it has mean 0 and a known variance. */
#ifndef SREC_DAMAGE_H
#define SREC_DAMAGE_H

#include <srec/api.h>
#include <stdbool.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Correlation between pairs of features: a sum of products of their estimates. */
typedef struct srec_relation {
    double sum;      /*!< sum of the products */
    double expected; /*!< the sum if the features are correlated as in the model; 0: the model does not specify it */
    double variance; /*!< variance of the sum if the features are not correlated */
} srec_relation;

/*! Figures of one packet, or sums over the packets of an image. All fields 0: nothing was measured. */
typedef struct srec_damage {
    double header_bits;             /*!< coded bits of signal fields and headers */
    double header_errors;           /*!< coded bits received wrong */
    double header_errors_expected;  /*!< wrong bits that the LLRs predict */
    double header_errors_tolerated; /*!< wrong bits that the LLRs would predict with 1.25 dB more noise */
    double features;                /*!< features examined */
    double features_random;         /*!< features that look like random bytes */
    srec_relation within;           /*!< correlation within patches */
    srec_relation between;          /*!< correlation between consecutive patches of a packet */
} srec_damage;

/*! Add the figures of a packet to a sum.
 *
 *  \param[in,out] sum   the sum
 *  \param[in]     part  the figures to add */
SREC_API void srec_damage_add(srec_damage *sum, const srec_damage *part) SREC_NONNULL(1, 2);

/*! Whether the figures suggest damage: the payload was tampered with, or the channel is worse than measured.
 *
 *  There are two signs: far more header errors than tolerated, or features without the correlation that they should
 *  have. Features give no sign if they are few, if their LLRs are weak, or if the model has no covariance. The share of
 *  random bytes does not count, because unusual images look random too. Charts and test patterns may be suspect without
 *  damage, because the limits are made for photographs.
 *
 *  \param[in] d  figures of a packet, or sums over the packets of an image
 *  \return true if damage is suspected */
SREC_API bool srec_damage_is_suspect(const srec_damage *d) SREC_NONNULL(1);

SREC_END_DECLS
#endif /* SREC_DAMAGE_H */
