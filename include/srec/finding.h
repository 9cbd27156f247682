/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Findings: what keeps a synchroniser from receiving, as far as its input shows it, each in one line with what was
 *  measured and the likely cause. srec_sync_findings() (sync.h) lists them. */
#ifndef SREC_FINDING_H
#define SREC_FINDING_H

#include <srec/api.h>

SREC_BEGIN_DECLS

typedef enum srec_finding_kind {
    SREC_FINDING_FORMAT,      /*!< most samples are absurd: bytes of another sample format */
    SREC_FINDING_INVERTED,    /*!< bursts with an inverted spectrum: they were received all the same */
    SREC_FINDING_CARRIER,     /*!< carrier offset beyond the range that is promised */
    SREC_FINDING_CLOCK,       /*!< clock offset beyond the range that is promised */
    SREC_FINDING_MODULATION,  /*!< the bursts have another modulation */
    SREC_FINDING_RELEASE,     /*!< the bursts come from another release */
    SREC_FINDING_KEY,         /*!< headers fail authentication */
    SREC_FINDING_TONE,        /*!< an unmodulated carrier, or DC, is most of the input */
    SREC_FINDING_SYMBOL_RATE, /*!< the signal has another symbol rate: another number of samples per symbol */
    SREC_FINDING_ROLLOFF,     /*!< the signal has another roll-off */
    SREC_FINDING_SYMBOLS,     /*!< the input holds symbols, not samples */
    SREC_FINDING_UNREADABLE,  /*!< preambles, but no signal field can be read, and none of the above */
    SREC_FINDING_NO_PREAMBLE, /*!< a signal without preambles, and none of the above */
    SREC_FINDING_OVERLOAD     /*!< so much overlaps that part of it was not examined */
} srec_finding_kind;
#define SREC_FINDINGS 14

typedef struct srec_finding {
    srec_finding_kind kind;
    char text[256]; /*!< NUL-terminated, one line */
} srec_finding;

/*! "format" "inverted" "carrier" ... in the order above; NULL if out of range. */
SREC_API const char *srec_finding_name(srec_finding_kind kind);

SREC_END_DECLS
#endif /* SREC_FINDING_H */
