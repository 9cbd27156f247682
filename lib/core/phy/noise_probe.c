/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/noise_probe.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define N0_START 0.1f

struct srec_noise_probe {
    srec_modulation modulation;
    float n0;
    size_t wanted;    /* symbols that complete the probe of this frame */
    size_t n;         /* symbols in the probe */
    size_t estimated; /* symbols behind the current estimate */
    bool with_gains;
    float iq[2 * SREC_NOISE_PROBE_MOST];
    float gain_iq[2 * SREC_NOISE_PROBE_MOST];
    float equalised[2 * SREC_NOISE_PROBE_MOST];
};

srec_status srec_noise_probe_create(srec_modulation modulation, srec_noise_probe **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "noise probe: NULL argument");
    *out = NULL;
    if (!srec_modem_bits_per_symbol(modulation))
        return srec_fail(error, SREC_ERR_ARG, "noise probe: unknown modulation %d", (int)modulation);
    srec_noise_probe *p = calloc(1, sizeof *p);
    if (!p)
        return srec_fail(error, SREC_ERR_MEMORY, "noise probe: out of memory");
    p->modulation = modulation;
    p->n0 = N0_START;
    *out = p;
    return SREC_OK;
}

void srec_noise_probe_free(srec_noise_probe *p) { free(p); }

void srec_noise_probe_begin(srec_noise_probe *p, size_t n_symbols)
{
    const bool usable = n_symbols >= SREC_NOISE_PROBE_LEAST && n_symbols < SREC_NOISE_PROBE_MOST;
    p->wanted = usable ? n_symbols : SREC_NOISE_PROBE_MOST;
    p->n = 0;
    p->estimated = 0;
}

void srec_noise_probe_begin_known(srec_noise_probe *p, float n0)
{
    srec_noise_probe_begin(p, 0);
    if (!(n0 > 0) || !isfinite(n0))
        return;
    p->n0 = n0;
    p->wanted = 0;
}

static float power(const float *z)
{
    const float square = z[0] * z[0] + z[1] * z[1];
    return isfinite(square) ? square : 0;
}

static float strongest_gain(const srec_noise_probe *p)
{
    float strongest = 0;
    for (size_t i = 0; i < p->n; i++)
        strongest = fmaxf(strongest, power(p->gain_iq + 2 * i));
    return strongest;
}

/* Estimate from the symbols of nearly equal gain. */
static void estimate_equalised(srec_noise_probe *p)
{
    const float strongest = strongest_gain(p);
    size_t n = 0;
    double excess = 0; /* sum of 1 / |g|^2: by how much division by the gain raises the noise */
    for (size_t i = 0; i < p->n; i++) {
        const float *y = p->iq + 2 * i;
        const float *g = p->gain_iq + 2 * i;
        const float square = power(g);
        if (!(square > 0) || square < 0.5f * strongest)
            continue;
        p->equalised[2 * n] = (y[0] * g[0] + y[1] * g[1]) / square;
        p->equalised[2 * n + 1] = (y[1] * g[0] - y[0] * g[1]) / square;
        excess += 1.0 / (double)square;
        n++;
    }
    float n0;
    if (n >= SREC_NOISE_PROBE_LEAST && srec_modem_estimate_n0(p->modulation, p->equalised, n, &n0) == SREC_OK)
        p->n0 = (float)((double)n0 * (double)n / excess);
}

void srec_noise_probe_push(srec_noise_probe *p, const float *iq, const float *gain_iq, size_t n)
{
    const size_t room = p->wanted - p->n;
    const size_t part = n < room ? n : room;
    if (!part)
        return;
    p->with_gains = gain_iq && (p->with_gains || !p->n);
    memcpy(p->iq + 2 * p->n, iq, part * 2 * sizeof *iq);
    if (gain_iq)
        memcpy(p->gain_iq + 2 * p->n, gain_iq, part * 2 * sizeof *gain_iq);
    p->n += part;
    if (p->n < SREC_NOISE_PROBE_LEAST || (p->n < 2 * p->estimated && p->n < p->wanted))
        return;
    p->estimated = p->n;
    if (p->with_gains)
        estimate_equalised(p);
    else
        srec_modem_estimate_n0(p->modulation, p->iq, p->n, &p->n0);
}

float srec_noise_probe_n0(const srec_noise_probe *p) { return p->n0; }
