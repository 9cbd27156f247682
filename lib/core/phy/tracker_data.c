/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The tracker on the data symbols: agreement with the pilots, and one noise power for all units. */
#include "tracker_internal.h"

#include <math.h>
#include <volk/volk.h>

srec_status srec_track_check_data(srec_tracker *t, const srec_track *b, bool *repair)
{
    const srec_consistency_symbols symbols = {
        .iq = t->symbols.data,
        .gain_iq = t->gains.data,
        .n_data = b->n_data,
        .n0 = b->n0 + b->gain_error,
    };
    int *turns = t->turns.data;
    bool suspect;
    if (!srec_consistency_noise(t->consistency, &symbols, t->noise.data, &suspect))
        return SREC_ERR_MEMORY;
    *repair = *repair && suspect && srec_consistency_turns(t->consistency, &symbols, turns);
    if (*repair)
        srec_carrier_add_turns(t->measurements.data, b->units, turns);
    return SREC_OK;
}

double srec_track_scale_units(srec_tracker *t, srec_track *b)
{
    float *symbols = t->symbols.data, *gains = t->gains.data;
    const double *noise = t->noise.data;
    double least = INFINITY, sum = 0, power = 0;
    for (size_t u = 0; u < b->units; u++) {
        least = fmin(least, noise[u]);
        sum += noise[u] * (double)srec_unit_data(u, b->n_data);
    }
    b->mean_noise = sum / (double)b->n_data;
    for (size_t u = 0; u < b->units; u++) {
        const size_t first = u * SREC_BURST_DATA, end = first + srec_unit_data(u, b->n_data);
        const float scale = (float)sqrt(least / noise[u]);
        for (size_t n = first; n < end; n++) {
            symbols[2 * n] *= scale;
            symbols[2 * n + 1] *= scale;
            gains[2 * n] *= scale;
            power += (double)(gains[2 * n] * gains[2 * n]);
        }
    }
    power = fmax(power / (double)b->n_data, 1e-30);
    const float scale = (float)(1 / sqrt(power));
    volk_32f_s32f_multiply_32f(symbols, symbols, scale, (unsigned)(2 * b->n_data));
    volk_32f_s32f_multiply_32f(gains, gains, scale, (unsigned)(2 * b->n_data));
    return fmax(least / power, 1e-9);
}
