/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How strong a stream of samples is, and whether it clips: what one looks at when setting a radio's gain. */
#ifndef SREC_LEVEL_H
#define SREC_LEVEL_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Add up with srec_level_add(); all zero to begin with. */
typedef struct srec_level {
    uint64_t n;       /*!< samples */
    double energy;    /*!< sum of |x|^2: mean power is energy / n */
    float peak;       /*!< greatest |I| or |Q| */
    uint64_t clipped; /*!< samples of which I or Q reached the limit */
} srec_level;

/*! \param samples (n, 2), finite; what is not counts as clipped  \param limit above 0: magnitude of I or Q from
 *  which a
 * sample counts as clipped \return SREC_OK or SREC_ERR_ARG */
SREC_API srec_status srec_level_add(srec_level *level, const float *samples, size_t n, float limit);

SREC_END_DECLS
#endif /* SREC_LEVEL_H */
