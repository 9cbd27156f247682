/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/level.h>

#include <math.h>
#include <stdbool.h>

srec_status srec_level_add(srec_level *level, const float *samples, size_t n, float limit)
{
    if (!level || (n && !samples) || !(limit > 0))
        return SREC_ERR_ARG;
    double energy = 0;
    float peak = level->peak;
    uint64_t clipped = 0;
    for (size_t i = 0; i < n; i++) {
        const float re = fabsf(samples[2 * i]), im = fabsf(samples[2 * i + 1]), larger = re > im ? re : im;
        const bool finite = re - re == 0.0f && im - im == 0.0f;
        clipped += !(larger < limit) || !finite;
        if (!finite)
            continue;
        energy += (double)(re * re + im * im);
        peak = larger > peak ? larger : peak;
    }
    level->n += n;
    level->energy += energy;
    level->peak = peak;
    level->clipped += clipped;
    return SREC_OK;
}

srec_status srec_level_get_figures(const srec_level *level, float full_scale, srec_level_figures *figures)
{
    if (!level || !figures || !(full_scale > 0))
        return SREC_ERR_ARG;
    const double n = level->n ? (double)level->n : 1, full = full_scale;
    *figures = (srec_level_figures){
        .level_db = 10 * log10(level->energy / n / (full * full)),
        .peak_db = 20 * log10((double)level->peak / full),
        .clipped = (double)level->clipped / n,
    };
    return SREC_OK;
}
