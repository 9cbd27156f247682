/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What every function of the core returns. The core never prints, never exits and keeps no globals. */
#ifndef SREC_STATUS_H
#define SREC_STATUS_H

#include <srec/api.h>

SREC_BEGIN_DECLS

typedef enum srec_status {
    SREC_OK = 0,
    SREC_ERR_ARG = -1,         /*!< caller's mistake: NULL pointer, eta of -1, 0x0 picture */
    SREC_ERR_MEMORY = -2,      /*!< allocation failed, or would pass the stated bound */
    SREC_ERR_IO = -3,          /*!< file missing, not readable, not writable, already there */
    SREC_ERR_FORMAT = -4,      /*!< not the format it claims: bad JSON, overlapping tensors */
    SREC_ERR_TRUNCATED = -5,   /*!< ends before its own lengths say: half a model file, short frame */
    SREC_ERR_VERSION = -6,     /*!< format version this library does not know */
    SREC_ERR_CHECKSUM = -7,    /*!< lengths are right, content is not: damaged model or header */
    SREC_ERR_SHAPE = -8,       /*!< tensor or graph of the wrong shape: weight (64,3,3,3) fed with 12 channels */
    SREC_ERR_UNSUPPORTED = -9, /*!< valid but not here: bf16 on a CPU without it */
    SREC_ERR_AUTH = -10,       /*!< header not made with this key: forged, damaged or foreign */
    SREC_ERR_REPLAY = -11,     /*!< header authentic but seen before */
    SREC_ERR_MODEL = -12,      /*!< made with another model than the one loaded */
    SREC_ERR_CANCELLED = -13,  /*!< the progress callback asked to stop */
    SREC_ERR_INTERNAL = -14,   /*!< a library below failed where it should not */
    SREC_ERR_LATE = -15        /*!< packet of a picture that was already delivered */
} srec_status;

/*! Short name of a status: "authentication failed". Never NULL; static storage; any thread. */
SREC_API const char *srec_strerror(srec_status status);

/*! A status with one line that says what was wrong and, where it can, what to do.
 *  Functions that take an srec_error accept NULL. */
typedef struct srec_error {
    srec_status status;
    char message[256]; /*!< NUL-terminated UTF-8 on one line that a terminal may be given: other bytes appear as
                        *   \xNN;
                            a longer message lacks its middle */
} srec_error;

/*! Fill \p error (may be NULL) from a printf format and return \p status: `return srec_fail(err, ...)`. */
SREC_API srec_status srec_fail(srec_error *error, srec_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*! Version of the library: "0.1.0". */
SREC_API const char *srec_version(void);

SREC_END_DECLS
#endif /* SREC_STATUS_H */
