/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/status.h>

#include <stdarg.h>
#include <stdio.h>

const char *srec_strerror(srec_status status)
{
    switch (status) {
    case SREC_OK: return "ok";
    case SREC_ERR_ARG: return "argument out of range";
    case SREC_ERR_MEMORY: return "out of memory";
    case SREC_ERR_IO: return "cannot read or write the file";
    case SREC_ERR_FORMAT: return "malformed";
    case SREC_ERR_TRUNCATED: return "truncated";
    case SREC_ERR_VERSION: return "unknown version";
    case SREC_ERR_CHECKSUM: return "damaged (checksum differs)";
    case SREC_ERR_SHAPE: return "shapes do not fit";
    case SREC_ERR_UNSUPPORTED: return "not supported here";
    case SREC_ERR_AUTH: return "authentication failed";
    case SREC_ERR_REPLAY: return "replayed";
    case SREC_ERR_MODEL: return "made with another model";
    case SREC_ERR_CANCELLED: return "cancelled";
    case SREC_ERR_INTERNAL: return "internal error";
    }
    return "unknown status";
}

srec_status srec_fail(srec_error *error, srec_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
        for (char *c = error->message; *c; c++) /* names out of files may hold anything: one line it stays */
            if ((unsigned char)*c < ' ' || *c == 127)
                *c = '?';
    }
    return status;
}

const char *srec_version(void) { return SREC_VERSION; }
