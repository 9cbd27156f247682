/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Level and clipping of a stream of samples, for setting the gain of a radio. */
#ifndef SREC_LEVEL_H
#define SREC_LEVEL_H

#include <srec/api.h>
#include <srec/status.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! Sums over samples. Begin with all fields 0, and add samples with srec_level_add(). */
typedef struct srec_level {
    uint64_t n;       /*!< samples */
    double energy;    /*!< sum of |x|^2; the mean power is energy / n */
    float peak;       /*!< maximum of |I| and |Q| */
    uint64_t clipped; /*!< samples with |I| or |Q| at the limit or above */
} srec_level;

/*! Add samples. Samples that are not finite count as clipped, and add neither energy nor peak.
 *
 *  \param[in,out] level    the sums
 *  \param[in]     samples  (n, 2) samples, I and Q
 *  \param[in]     n        number of samples
 *  \param[in]     limit    magnitude of I or Q from which a sample counts as clipped, above 0
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_level_add(srec_level *level, const float *samples, size_t n, float limit);

/*! What the sums say. */
typedef struct srec_level_figures {
    double level_db; /*!< mean power in dB relative to full scale; minus infinity for silence */
    double peak_db;  /*!< maximum of |I| and |Q| in dB relative to full scale; minus infinity for silence */
    double clipped;  /*!< share of clipped samples, 0 to 1 */
} srec_level_figures;

/*! Compute the figures of a level. Without samples they are those of silence.
 *
 *  \param[in]  level       the sums
 *  \param[in]  full_scale  magnitude of I or Q that corresponds to 0 dB, above 0
 *  \param[out] figures     the figures
 *  \return SREC_OK, SREC_ERR_ARG */
SREC_API srec_status srec_level_get_figures(const srec_level *level, float full_scale, srec_level_figures *figures);

SREC_END_DECLS
#endif /* SREC_LEVEL_H */
