/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "matched_filter.h"

#include "equaliser.h"
#include "waveform.h"

#include <math.h>
#include <string.h>
#include <volk/volk.h>

#define PHASES 128u /* rows of the bank: timing resolution 1/256 sample */

srec_status srec_matched_filter_init(srec_matched_filter *f, const srec_waveform *waveform)
{
    const unsigned sps = waveform->samples_per_symbol;
    *f = (srec_matched_filter){ .samples_per_symbol = sps };
    f->taps = 2 * SREC_BURST_SPAN * sps + 2;
    f->stride = SREC_TAP_STRIDE(f->taps);
    f->bank = volk_malloc(sizeof(float) * (PHASES + 1) * f->stride, 64);
    f->equalised_taps = f->taps + 2 * SREC_EQUALISER_REACH * sps + 1;
    f->equalised_stride = SREC_TAP_STRIDE(f->equalised_taps);
    f->equalised = volk_malloc(2 * sizeof(float) * (PHASES + 1) * f->equalised_stride, 64);
    if (!f->bank || !f->equalised)
        return SREC_ERR_MEMORY;
    for (unsigned p = 0; p <= PHASES; p++)
        for (unsigned j = 0; j < f->taps; j++) {
            const double x = ((double)j - (double)p / PHASES) / sps - SREC_BURST_SPAN;
            const double pulse = fabs(x) <= SREC_BURST_SPAN ? srec_rrc(x, (double)waveform->rolloff) : 0.0;
            f->bank[p * f->stride + j] = (float)(pulse / sps);
        }
    return SREC_OK;
}

void srec_matched_filter_free(srec_matched_filter *f)
{
    volk_free(f->bank);
    volk_free(f->equalised);
    *f = (srec_matched_filter){ 0 };
}

unsigned srec_matched_filter_reach(void) { return SREC_BURST_SPAN + SREC_EQUALISER_REACH; }

/* Row p of the bank weighs samples for a time p / PHASES samples after one of them. A shift by half a symbol is
 * therefore a whole number of samples plus a change of the row. */
void srec_matched_filter_equalise(srec_matched_filter *f, const float *taps)
{
    memset(f->equalised, 0, 2 * sizeof(float) * (PHASES + 1) * f->equalised_stride);
    for (unsigned p = 0; p <= PHASES; p++)
        for (unsigned i = 0; i < SREC_EQUALISER_TAPS; i++) {
            const unsigned shift = p + i * f->samples_per_symbol * PHASES / 2; /* in rows, from the earliest tap on */
            const float *row = f->bank + shift % PHASES * f->stride;
            float *to = f->equalised + 2 * (p * f->equalised_stride + shift / PHASES);
            for (unsigned j = 0; j < f->taps; j++) {
                to[2 * j] += taps[2 * i] * row[j];
                to[2 * j + 1] += taps[2 * i + 1] * row[j];
            }
        }
    f->equalise = true;
}

void srec_matched_filter_at(const srec_matched_filter *f, const float *samples, size_t n, double at, float out[2])
{
    const size_t left = (SREC_BURST_SPAN + (f->equalise ? SREC_EQUALISER_REACH : 0)) * f->samples_per_symbol;
    const unsigned taps = f->equalise ? f->equalised_taps : f->taps;
    const double whole = floor(at), first = whole - (double)left;
    if (!(first >= 0 && first + taps <= (double)n)) { /* true for NaN too */
        out[0] = out[1] = 0;
        return;
    }
    const unsigned row = (unsigned)((at - whole) * PHASES + 0.5);
    const lv_32fc_t *from = (const lv_32fc_t *)(const void *)(samples + 2 * (size_t)first);
    if (f->equalise)
        volk_32fc_x2_dot_prod_32fc((lv_32fc_t *)(void *)out, from,
                                   (const lv_32fc_t *)(const void *)(f->equalised + 2 * row * f->equalised_stride),
                                   taps);
    else
        volk_32fc_32f_dot_prod_32fc((lv_32fc_t *)(void *)out, from, f->bank + row * f->stride, taps);
}
