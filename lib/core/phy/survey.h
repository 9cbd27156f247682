/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Figures of samples, with or without bursts: power over time, envelope, spectrum. Findings (finding.h) are derived
 *  from them. Spectrum and envelope are those of the strongest parts of the input. */
#ifndef SREC_SURVEY_H
#define SREC_SURVEY_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct srec_survey srec_survey;

typedef struct srec_survey_figures {
    uint64_t samples;   /* examined */
    double contrast_db; /* strongest part relative to the weakest; noise has at most 6 dB */
    double power;       /* mean of |x|^2 over the strongest parts */
    /* Mean of |x|^4 over the square of the mean of |x|^2: 2 for noise, less for modulated carriers. */
    double kurtosis;
    double tone_share;     /* share of the power in the strongest spectral line */
    double tone_frequency; /* cycles per sample, -0.5 .. 0.5 */
    bool shaped;           /* one band stands out of the spectrum; only then are the following valid */
    double width;          /* of the band between its half-power points, cycles per sample: the symbol rate */
    double centre;         /* cycles per sample */
    double rolloff;        /* of a root raised cosine with the same edges */
} srec_survey_figures;

srec_status srec_survey_create(srec_survey **out);
void srec_survey_free(srec_survey *s);

/* \param samples (n, 2), finite, magnitudes up to SREC_SAMPLE_MAX */
void srec_survey_add(srec_survey *s, const float *samples, size_t n);

/* True if the figures have reached their best precision. */
bool srec_survey_complete(const srec_survey *s);

void srec_survey_read(const srec_survey *s, srec_survey_figures *out);

#endif /* SREC_SURVEY_H */
