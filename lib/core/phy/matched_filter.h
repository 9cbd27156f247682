/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The receive filter: matched to the pulse, at any fraction of a sample, optionally combined with an equaliser. */
#ifndef SREC_MATCHED_FILTER_H
#define SREC_MATCHED_FILTER_H

#include <srec/burst.h>
#include <stdbool.h>

typedef struct srec_matched_filter {
    unsigned samples_per_symbol;
    unsigned taps;
    unsigned stride; /* floats between the rows of `bank` */
    unsigned equalised_taps;
    unsigned equalised_stride; /* complex numbers between the rows of `equalised` */
    /* (PHASES + 1, stride): one row for each fraction of a sample, unit gain for a symbol. */
    float *bank;
    float *equalised; /* (PHASES + 1, equalised_stride, 2): matched filter and equaliser combined */
    bool equalise;    /* selects the filter that srec_matched_filter_at() uses */
} srec_matched_filter;

/* Call srec_matched_filter_free() also after an error.
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_matched_filter_init(srec_matched_filter *f, const srec_waveform *waveform);
void srec_matched_filter_free(srec_matched_filter *f);

/* Maximum number of symbols that the filter reads on each side of a position. */
unsigned srec_matched_filter_reach(void);

/* Combine the filter with an equaliser, and use it from now on.
 * \param taps (SREC_EQUALISER_TAPS, 2), half a symbol apart */
void srec_matched_filter_equalise(srec_matched_filter *f, const float *taps);

/* Output at a position in samples; 0 where the filter would read beyond the samples.
 * \param samples (n, 2) */
void srec_matched_filter_at(const srec_matched_filter *f, const float *samples, size_t n, double at, float out[2]);

#endif /* SREC_MATCHED_FILTER_H */
