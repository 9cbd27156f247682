/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/status.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Maximum bytes of a message before it is shortened: one path of PATH_MAX, almost two, and some words. */
#define LONGEST 8192

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
    case SREC_ERR_LATE: return "late";
    }
    return "unknown status";
}

/* --- printable text ------------------------------------------------------------------------------------------ */

/* Characters that control a terminal or are invisible: control characters, changes of direction, zero-width
 * characters. */
static bool is_hidden(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        { 0, 0x1f },        { 0x7f, 0x9f },       { 0xad, 0xad },          { 0x61c, 0x61c },   { 0x180e, 0x180e },
        { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },      { 0xd800, 0xdfff }, { 0xfeff, 0xfeff },
        { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f }, { 0x110000, UINT32_MAX }
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

/* Length of the UTF-8 character at \p s if it is printable; 0 if its first byte is not. */
static unsigned shown_bytes(const unsigned char *s)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 }; /* smaller values have shorter forms */
    const unsigned n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0)
        return 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) /* also at the end of the text */
            return 0;
        c = c << 6 | (s[i] & 63);
    }
    return c < least[n] || is_hidden(c) ? 0 : n;
}

/* Bytes that the character at \p s takes in a message: its own, or 4 for \xNN if it is not printable. */
static size_t width_of(const unsigned char *s)
{
    const unsigned n = shown_bytes(s);
    return n ? n : 4;
}

/* Write the characters from \p s that fit into \p room bytes, in printable form.
 * \return bytes written */
static size_t show(const unsigned char *s, char *out, size_t room)
{
    size_t at = 0;
    while (*s && at + width_of(s) <= room) {
        const unsigned n = shown_bytes(s);
        if (n) {
            memcpy(out + at, s, n);
        } else {
            static const char digits[] = "0123456789abcdef";
            const char escape[4] = { '\\', 'x', digits[*s >> 4], digits[*s & 15] };
            memcpy(out + at, escape, sizeof escape);
        }
        at += width_of(s);
        s += n ? n : 1;
    }
    return at;
}

/* Write \p text as valid UTF-8 on one line, with unprintable bytes as \xNN. A message begins with the name of the file
 * and ends with the reason, so a message that does not fit loses its middle. */
static void make_printable(const char *text, char *out, size_t size)
{
    static const char gap[] = " ... ";
    const unsigned char *s = (const unsigned char *)text;
    size_t left = 0; /* bytes that the rest from s on takes */
    for (const unsigned char *c = s; *c; c += shown_bytes(c) ? shown_bytes(c) : 1)
        left += width_of(c);
    size_t at = 0;
    if (left >= size) {
        at = show(s, out, size / 3);
        memcpy(out + at, gap, sizeof gap - 1);
        at += sizeof gap - 1;
        for (; left > size - 1 - at; s += shown_bytes(s) ? shown_bytes(s) : 1)
            left -= width_of(s);
    }
    at += show(s, out + at, size - 1 - at);
    out[at] = 0;
}

srec_status srec_fail(srec_error *error, srec_status status, const char *format, ...)
{
    if (error) {
        char text[LONGEST];
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        make_printable(text, error->message, sizeof error->message); /* names in files may contain anything */
    }
    return status;
}

const char *srec_version(void) { return SREC_VERSION; }
