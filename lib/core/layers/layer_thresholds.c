/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What the LDPC codes need over AWGN: measured by tests/bench/ldpc_curve.c with the product's own mapper and LLRs. */
#include <srec/layer_plan.h>

#include <math.h>

#define RATES      6u
#define RATE_LEAST 0.02
/* From blocks at 1e-2 to packets of 28 blocks at 1e-3. */
#define PACKET_DB  0.2

static const double rates[RATES] = { 1.0 / 3, 1.0 / 2, 2.0 / 3, 3.0 / 4, 5.0 / 6, 8.0 / 9 };

/* Es/N0 in dB at which 1 of 100 blocks of 8448 bits is lost, 20 iterations. */
static const double block_db[SREC_PAM256][RATES] = {
    [SREC_BPSK] = { -4.1, -1.87, 0.15, 1.15, 2.28, 3.23 },     [SREC_QPSK] = { -1.1, 1.15, 3.16, 4.15, 5.28, 6.24 },
    [SREC_16QAM] = { 3.8, 6.5, 9.05, 10.25, 11.6, 12.75 },     [SREC_64QAM] = { 7.55, 11.0, 14.05, 15.5, 17.1, 18.4 },
    [SREC_256QAM] = { 10.65, 15.05, 18.8, 20.6, 22.45, 23.9 },
};

/* Es/N0 in dB at which 1 of 1000 signal fields and headers is lost: docs/packet-format.md. */
static const float head_db[SREC_PAM256] = {
    [SREC_BPSK] = -4.0f, [SREC_QPSK] = -1.0f, [SREC_16QAM] = 0.5f, [SREC_64QAM] = 2.0f, [SREC_256QAM] = 7.0f,
};

float srec_layer_threshold_db(srec_modulation m, double code_rate)
{
    if ((unsigned)m >= SREC_PAM256 || !(code_rate > 0 && code_rate <= rates[RATES - 1] + 1e-9))
        return NAN;
    const double *db = block_db[m];
    if (code_rate <= rates[0])
        return (float)(db[0] + PACKET_DB + 10 * log10(code_rate / rates[0]));
    unsigned i = 1;
    while (i + 1 < RATES && code_rate > rates[i])
        i++;
    const double part = (code_rate - rates[i - 1]) / (rates[i] - rates[i - 1]);
    return (float)(PACKET_DB + db[i - 1] + part * (db[i] - db[i - 1]));
}

double srec_layer_code_rate(srec_modulation m, float snr_db)
{
    double low = RATE_LEAST;
    double high = rates[RATES - 1];
    if (srec_layer_threshold_db(m, high) <= snr_db)
        return high;
    while (high - low > 1e-6) {
        const double middle = (low + high) / 2;
        if (srec_layer_threshold_db(m, middle) <= snr_db)
            low = middle;
        else
            high = middle;
    }
    return low;
}

float srec_layer_least_snr_db(srec_modulation m) { return (unsigned)m < SREC_PAM256 ? head_db[m] : NAN; }
