/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Status and error messages. The library never prints, never exits and keeps no global state. */
#ifndef SREC_STATUS_H
#define SREC_STATUS_H

#include <srec/api.h>

SREC_BEGIN_DECLS

/*! Result of a function. */
typedef enum srec_status {
    SREC_OK = 0,               /*!< success */
    SREC_ERR_ARG = -1,         /*!< a mistake of the caller: a NULL pointer, eta of -1, an image of 0x0 pixels */
    SREC_ERR_MEMORY = -2,      /*!< an allocation failed, or would exceed a bound */
    SREC_ERR_IO = -3,          /*!< a file is missing, not readable or not writable, or it exists already */
    SREC_ERR_FORMAT = -4,      /*!< the data do not have the expected format: bad JSON, overlapping tensors */
    SREC_ERR_TRUNCATED = -5,   /*!< the data are shorter than they claim: half a model file, a short frame */
    SREC_ERR_VERSION = -6,     /*!< a format version that this library does not know */
    SREC_ERR_CHECKSUM = -7,    /*!< the lengths are right but the content is not: a damaged model or signal field */
    SREC_ERR_SHAPE = -8,       /*!< a tensor or graph of the wrong shape: weight (64,3,3,3) with 12 input channels */
    SREC_ERR_UNSUPPORTED = -9, /*!< valid but not supported here: bfloat16 on a CPU without it */
    SREC_ERR_AUTH = -10,       /*!< the header was not made with this key: forged, damaged or from another link */
    SREC_ERR_REPLAY = -11,     /*!< the header is authentic, but the packet arrived before */
    SREC_ERR_MODEL = -12,      /*!< made with another model than the loaded one */
    SREC_ERR_CANCELLED = -13,  /*!< a callback or a signal stopped the function */
    SREC_ERR_INTERNAL = -14,   /*!< a library failed unexpectedly */
    SREC_ERR_LATE = -15        /*!< a packet of an image that was already delivered */
} srec_status;

/*! Short text for a status. Any thread may call this function.
 *
 *  \param[in] status  the status
 *  \return a text like "authentication failed" in static storage, never NULL */
SREC_API const char *srec_strerror(srec_status status);

/*! A status and a message that says what is wrong and, if possible, what to do. Functions with an srec_error parameter
 *  accept NULL, and write to it only on error. */
typedef struct srec_error {
    srec_status status; /*!< the status that the function returned */
    char message[256];  /*!< NUL-terminated UTF-8, one line that is safe to print on a terminal: all other bytes appear
                         *   as \\xNN. Long messages lose their middle */
} srec_error;

/*! Set an error from a printf format, and return its status: `return srec_fail(error, ...)`.
 *
 *  \param[out] error   the error; may be NULL
 *  \param[in]  status  the status
 *  \param[in]  format  printf format of the message, followed by its arguments
 *  \return \p status */
SREC_API srec_status srec_fail(srec_error *error, srec_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*! Version of the library. Any thread may call this function.
 *
 *  \return a text like "0.1.0" in static storage */
SREC_API const char *srec_version(void);

SREC_END_DECLS
#endif /* SREC_STATUS_H */
