/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The evidence of a synchroniser, from which it derives findings (srec/finding.h). */
#ifndef SREC_FINDING_INTERNAL_H
#define SREC_FINDING_INTERNAL_H

#include "survey.h"

#include <srec/finding.h>
#include <srec/sync.h>

typedef struct srec_evidence {
    srec_waveform waveform; /* as configured */
    srec_modulation modulation;
    srec_sync_counters counters;
    srec_survey_figures input; /* of the first samples of the input, if there are bursts */
    double cfo;                /* carrier offset of the last burst, cycles per symbol */
    double clock_ppm;          /* mean over the long bursts */
    uint64_t clocked;          /* number of long bursts */
    double match;              /* of the last preamble with an unreadable signal field */
    bool receiving;            /* the frame of a burst is arriving */
} srec_evidence;

/* Derive the findings.
 * \param ended true: the input has ended, so conclude from what is known
 * \param[out] out (SREC_FINDINGS)
 * \return how many */
size_t srec_findings(const srec_evidence *e, bool ended, srec_finding *out);

#endif /* SREC_FINDING_INTERNAL_H */
