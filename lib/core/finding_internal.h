/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What a synchroniser knows when it is asked for findings (srec/finding.h). */
#ifndef SREC_FINDING_INTERNAL_H
#define SREC_FINDING_INTERNAL_H

#include "survey.h"

#include <srec/finding.h>
#include <srec/sync.h>

typedef struct srec_evidence {
    srec_waveform waveform; /* as set */
    srec_modulation modulation;
    srec_sync_counters counters;
    srec_survey_figures input; /* of its first samples, if there are bursts */
    double cfo;                /* carrier offset of the last burst, cycles per symbol */
    double clock_ppm;          /* mean of the long bursts */
    uint64_t clocked;          /* long bursts */
    double match;              /* of the last preamble whose signal field was not readable */
} srec_evidence;

/* \param ended no more will come: conclude from what there is  \param[out] out (SREC_FINDINGS) \return how many */
size_t srec_findings(const srec_evidence *e, bool ended, srec_finding *out);

#endif /* SREC_FINDING_INTERNAL_H */
