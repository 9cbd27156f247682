/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/descrambler.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk/volk.h>

#define VALUES 256u
#define LLR_LIMIT 40.0f  /* beyond it a bit is certain in f32 anyway */
#define TABLE_STRIDE (3 * 2 * VALUES)

struct srec_descrambler {
    float levels;
    unsigned n_tables;
    float *tables; /* (n_tables, 3, 512): p, p v, p v^2 over the byte value, written twice in a row; v = (byte - 128) / levels */
};

srec_status srec_descrambler_create(const srec_priors *priors, srec_descrambler **out)
{
    if (!priors || !out || !priors->tables || priors->n_tables < 1 || priors->n_tables > 64 || !(priors->levels > 0.0f))
        return SREC_ERR_ARG;
    *out = NULL;
    srec_descrambler *d = calloc(1, sizeof *d);
    if (!d)
        return SREC_ERR_MEMORY;
    d->levels = priors->levels;
    d->n_tables = priors->n_tables;
    d->tables = volk_malloc(sizeof(float) * TABLE_STRIDE * priors->n_tables, volk_get_alignment());
    if (!d->tables) {
        srec_descrambler_free(d);
        return SREC_ERR_MEMORY;
    }
    for (unsigned t = 0; t < priors->n_tables; t++) {
        float *p = d->tables + (size_t)t * TABLE_STRIDE, *pv = p + 2 * VALUES, *pvv = pv + 2 * VALUES;
        for (unsigned i = 0; i < 2 * VALUES; i++) {
            float v = ((float)(i % VALUES) - 128.0f) / d->levels;
            p[i] = priors->tables[t * VALUES + i % VALUES];
            pv[i] = p[i] * v;
            pvv[i] = pv[i] * v;
        }
    }
    *out = d;
    return SREC_OK;
}

void srec_descrambler_free(srec_descrambler *d)
{
    if (!d)
        return;
    volk_free(d->tables);
    free(d);
}

/* Likelihood of the 256 ciphertext values from 8 LLRs: product over bits, as the outer product of two nibbles' tables. */
static void likelihood_llr(const float *llr, float *likelihood)
{
    float zero[8], one[8], nibble[2][16];
    for (unsigned b = 0; b < 8; b++) {
        float l = llr[b];
        l = l > LLR_LIMIT ? LLR_LIMIT : l < -LLR_LIMIT ? -LLR_LIMIT : l == l ? l : 0.0f;
        one[b] = 1.0f / (1.0f + expf(l));
        zero[b] = 1.0f - one[b];
        if (l > 0.0f) { /* 1 - one loses the small side's digits otherwise */
            float e = expf(-l);
            zero[b] = 1.0f / (1.0f + e);
            one[b] = e * zero[b];
        }
    }
    for (unsigned half = 0; half < 2; half++) {
        const float *z = zero + 4 * half, *o = one + 4 * half;
        float high[4] = { z[0] * z[1], z[0] * o[1], o[0] * z[1], o[0] * o[1] };
        float low[4] = { z[2] * z[3], z[2] * o[3], o[2] * z[3], o[2] * o[3] };
        for (unsigned i = 0; i < 16; i++)
            nibble[half][i] = high[i >> 2] * low[i & 3];
    }
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 16; j++)
            likelihood[16 * i + j] = nibble[0][i] * nibble[1][j];
}

/* From an amplitude: Gaussian around it, relative to the nearest level. With q_k = exp(-(c_k - c)^2 s) and equal steps, the
 * ratio of neighbours is geometric: no exponential inside the loops. */
static void likelihood_amplitude(float y, float variance, float *likelihood)
{
    float c = y / SREC_PAM256_STEP + 127.5f; /* received byte value, not rounded */
    c = c > 0.0f ? (c < 255.0f ? c : 255.0f) : 0.0f;
    if (y != y)
        c = 127.5f;
    float s = SREC_PAM256_STEP * SREC_PAM256_STEP / (2.0f * (variance > 1e-12f ? variance : 1e-12f));
    int k0 = (int)lrintf(c);
    float d = (float)k0 - c; /* -0.5 .. 0.5 */
    /* exp(-s ((d + j)^2 - d^2)) = exp(-2 s d j) exp(-s j^2) */
    float curve = expf(-2.0f * s), up = expf(-s * (2.0f * d + 1.0f)), down = expf(-s * (1.0f - 2.0f * d));
    float l = 1.0f;
    for (int k = k0; k < (int)VALUES; k++) {
        likelihood[k] = l;
        l *= up;
        up *= curve;
    }
    l = 1.0f;
    for (int k = k0; k >= 0; k--) {
        likelihood[k] = l;
        l *= down;
        down *= curve;
    }
}

/* Posterior moments: ciphertext c and key k mean plaintext c - k, so the table is read from 256 - k on. */
static void posterior(const srec_descrambler *d, const float *likelihood, unsigned table, unsigned key, float *mean, float *deviation)
{
    const float *p = d->tables + (size_t)table * TABLE_STRIDE + (VALUES - key) % VALUES;
    float s0, s1, s2;
    volk_32f_x2_dot_prod_32f(&s0, likelihood, p, VALUES);
    volk_32f_x2_dot_prod_32f(&s1, likelihood, p + 2 * VALUES, VALUES);
    volk_32f_x2_dot_prod_32f(&s2, likelihood, p + 4 * VALUES, VALUES);
    if (!(s0 > 1e-30f)) { /* prior and channel exclude each other: nothing is known */
        *mean = 0.0f;
        *deviation = 1.0f;
        return;
    }
    float m = s1 / s0, variance = s2 / s0 - m * m;
    *mean = m;
    *deviation = variance > 0.0f ? sqrtf(variance) : 0.0f;
}

static srec_status check(const srec_descrambler *d, const float *soft, const uint8_t *tables, size_t n, const float *mean, const float *deviation)
{
    if (!d || (n && (!soft || !tables || !mean || !deviation)))
        return SREC_ERR_ARG;
    for (size_t i = 0; i < n; i++)
        if (tables[i] >= d->n_tables)
            return SREC_ERR_ARG;
    return SREC_OK;
}

srec_status srec_descrambler_llr(srec_descrambler *d, const uint8_t *keystream, const float *soft, const uint8_t *tables, size_t n, float *mean, float *deviation)
{
    srec_status status = check(d, soft, tables, n, mean, deviation);
    _Alignas(64) float likelihood[VALUES];
    for (size_t i = 0; status == SREC_OK && i < n; i++) {
        likelihood_llr(soft + 8 * i, likelihood);
        posterior(d, likelihood, tables[i], keystream ? keystream[i] : 0, mean + i, deviation + i);
    }
    return status;
}

srec_status srec_descrambler_amplitude(srec_descrambler *d, const uint8_t *keystream, const float *soft, const uint8_t *tables, size_t n, float *mean, float *deviation)
{
    srec_status status = check(d, soft, tables, n, mean, deviation);
    _Alignas(64) float likelihood[VALUES];
    for (size_t i = 0; status == SREC_OK && i < n; i++) {
        likelihood_amplitude(soft[2 * i], soft[2 * i + 1], likelihood);
        posterior(d, likelihood, tables[i], keystream ? keystream[i] : 0, mean + i, deviation + i);
    }
    return status;
}

srec_status srec_descrambler_hard(srec_descrambler *d, srec_modulation modulation, const uint8_t *keystream, const float *soft, size_t n, float *mean, float *deviation)
{
    unsigned soft_per_byte = srec_modem_soft_per_byte(modulation);
    if (!d || !soft_per_byte || (n && (!soft || !mean || !deviation)))
        return SREC_ERR_ARG;
    for (size_t i = 0; i < n; i++) {
        uint8_t c;
        srec_status status = srec_modem_decide(modulation, soft + i * soft_per_byte, 1, &c);
        if (status != SREC_OK)
            return status;
        mean[i] = ((float)(uint8_t)(c - (keystream ? keystream[i] : 0)) - 128.0f) / d->levels;
        deviation[i] = 0.0f;
    }
    return SREC_OK;
}
