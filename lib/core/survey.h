/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What samples look like, whether or not a burst is found in them: power over time, envelope, spectrum. Findings
 *  (finding.h) are made of it. The spectrum and the envelope are those of the strongest parts of the input. */
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
    double contrast_db; /* of the strongest part over the weakest; noise has 6 dB at most */
    double power;       /* of the strongest parts, mean of |x|^2 */
    double kurtosis;    /* mean of |x|^4 over the square of the mean of |x|^2: 2 for noise, less for modulated carriers
                      * */
    double tone_share;  /* part of the power that is in the strongest spectral line */
    double tone_frequency; /* cycles per sample, -0.5 .. 0.5 */
    bool shaped;           /* one band stands out of the spectrum; the rest holds then */
    double width;          /* of the band between its half-power points, cycles per sample: a symbol rate */
    double centre;         /* cycles per sample */
    double rolloff;        /* of a root raised cosine with such edges */
} srec_survey_figures;

srec_status srec_survey_create(srec_survey **out);
void srec_survey_free(srec_survey *s);

/* \param samples (n, 2), finite, magnitudes up to SREC_SAMPLE_MAX */
void srec_survey_add(srec_survey *s, const float *samples, size_t n);

/* There is enough for figures of the best precision. */
bool srec_survey_complete(const srec_survey *s);

void srec_survey_read(const srec_survey *s, srec_survey_figures *out);

#endif /* SREC_SURVEY_H */
