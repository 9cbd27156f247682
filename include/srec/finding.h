/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Findings: measured reasons why a synchroniser does not receive bursts. Each finding has one line of text with the
 *  measurement and the likely cause. srec_sync_findings() (sync.h) lists them. */
#ifndef SREC_FINDING_H
#define SREC_FINDING_H

#include <srec/api.h>

SREC_BEGIN_DECLS

/*! Kinds of finding. */
typedef enum srec_finding_kind {
    SREC_FINDING_FORMAT,      /*!< most samples are not finite or absurdly large: bytes of another sample format */
    SREC_FINDING_INVERTED,    /*!< the spectrum is inverted; the bursts are received nevertheless */
    SREC_FINDING_CARRIER,     /*!< the carrier offset exceeds the specified range, SREC_SYNC_CFO_MAX */
    SREC_FINDING_CLOCK,       /*!< the clock offset exceeds the specified range, 50 ppm */
    SREC_FINDING_MODULATION,  /*!< the bursts have another modulation */
    SREC_FINDING_RELEASE,     /*!< the bursts have a packet version that this release does not know */
    SREC_FINDING_KEY,         /*!< headers fail authentication */
    SREC_FINDING_TONE,        /*!< most of the input power is an unmodulated carrier or DC */
    SREC_FINDING_SYMBOL_RATE, /*!< the signal has another symbol rate, or another number of samples per symbol */
    SREC_FINDING_ROLLOFF,     /*!< the signal has another roll-off */
    SREC_FINDING_SYMBOLS,     /*!< the input holds symbols instead of samples */
    SREC_FINDING_UNREADABLE,  /*!< preambles without a readable signal field, for none of the reasons above */
    SREC_FINDING_NO_PREAMBLE, /*!< a signal without preambles, for none of the reasons above */
    SREC_FINDING_OVERLOAD     /*!< so many bursts or candidates overlap that some were not examined */
} srec_finding_kind;

#define SREC_FINDINGS 14 /*!< number of values of srec_finding_kind */

/*! A finding. */
typedef struct srec_finding {
    srec_finding_kind kind; /*!< kind of finding */
    char text[256];         /*!< measurement and likely cause, one NUL-terminated line */
} srec_finding;

/*! Name of a kind of finding. Any thread may call this function.
 *
 *  \param[in] kind  the kind
 *  \return "format", "inverted", "carrier", "clock", "modulation", "release", "key", "tone", "symbol_rate", "rolloff",
 *          "symbols", "unreadable", "no_preamble" or "overload" in static storage; NULL if \p kind is out of range */
SREC_API const char *srec_finding_name(srec_finding_kind kind);

SREC_END_DECLS
#endif /* SREC_FINDING_H */
