/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys from files, pipes and text. */
#include "key_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Interval between two checks whether a named pipe has a writer. poll() alone does not report it. */
#define SLICE_MS   50
#define HEX_DIGITS (2 * SREC_KEY_BYTES)

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

srec_status srec_key_write(const srec_key *key, const char *path, srec_error *error)
{
    if (!key || !path)
        return srec_fail(error, SREC_ERR_ARG, "no key or no path");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* O_EXCL follows no symbolic link */
    if (fd < 0)
        return srec_fail(error, SREC_ERR_IO, "cannot create key file %s: %s%s", path, strerror(errno),
                         errno == EEXIST ? "; remove it first if you really want another key" : "");
    size_t done = 0;
    int why = 0;
    while (done < sizeof key->bytes && !why) {
        ssize_t n = write(fd, key->bytes + done, sizeof key->bytes - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            why = n == 0 ? EIO : errno;
    }
    if (!why && fsync(fd) != 0 && errno != EINVAL) /* EINVAL: the file system does not support fsync() */
        why = errno;
    if (close(fd) != 0 && !why)
        why = errno;
    if (why) {
        unlink(path); /* half a key is useless */
        return srec_fail(error, SREC_ERR_IO, "cannot write key file %s: %s", path, strerror(why));
    }
    return SREC_OK;
}

/* --- reading ----------------------------------------------------------------------------------------------- */

/* A key file or pipe that is being read. */
typedef struct {
    const char *path;
    int fd;
    /* false: no program has opened the named pipe for writing yet, so it reads as ended. */
    bool has_writer;
    int64_t waiting_ms; /* start of the wait, by now_ms() */
    int writer_ms;      /* longest wait for a writer */
    int bytes_ms;       /* longest wait for bytes */
} source;

/* Wait for bytes or the end. */
static srec_status wait_for_bytes(source *s, bool *ended, srec_error *error)
{
    const int limit_ms = s->has_writer ? s->bytes_ms : s->writer_ms;
    const int64_t left_ms = s->waiting_ms + limit_ms - now_ms();
    if (left_ms <= 0 && s->has_writer)
        return srec_fail(error, SREC_ERR_IO,
                         "no key came through the pipe %s for %g s: is the program that writes it stuck?", s->path,
                         limit_ms / 1e3);
    if (left_ms <= 0)
        return srec_fail(error, SREC_ERR_IO,
                         "no program has opened the pipe %s for writing within %g s: start the one that writes the key",
                         s->path, limit_ms / 1e3);
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    const int n = poll(&p, 1, s->has_writer ? (int)left_ms : SLICE_MS);
    if (n < 0 && errno == EINTR)
        return srec_fail(error, SREC_ERR_CANCELLED, "interrupted while waiting for the key from %s", s->path);
    if (n < 0)
        return srec_fail(error, SREC_ERR_IO, "cannot read key file %s: %s", s->path, strerror(errno));
    *ended =
        !(p.revents & POLLIN) && p.revents & (POLLHUP | POLLERR | POLLNVAL); /* true if a writer has closed the pipe */
    return SREC_OK;
}

/* Read at most \p size bytes; fewer at the end. */
static srec_status read_bytes(source *s, uint8_t *out, size_t size, size_t *have, srec_error *error)
{
    bool ended = false;
    while (*have < size && !ended) {
        const ssize_t n = read(s->fd, out + *have, size - *have);
        if (n > 0) {
            *have += (size_t)n;
            s->has_writer = true;
            s->waiting_ms = now_ms();
            continue;
        }
        if (n == 0 && s->has_writer)
            return SREC_OK;
        if (n < 0 && errno == EAGAIN && !s->has_writer) {
            s->has_writer = true;
            s->waiting_ms = now_ms();
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return srec_fail(error, SREC_ERR_IO, "cannot read key file %s: %s", s->path, strerror(errno));
        const srec_status status = wait_for_bytes(s, &ended, error);
        if (status != SREC_OK)
            return status;
    }
    return SREC_OK;
}

static srec_status open_source(source *s, struct stat *info, srec_error *error)
{
    /* O_NONBLOCK: without it, open() would block on a named pipe without a writer */
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0 || fstat(s->fd, info) != 0)
        return srec_fail(error, SREC_ERR_IO, "cannot open key file %s: %s; make one with: srec keygen %s", s->path,
                         strerror(errno), s->path);
    if (isatty(s->fd))
        return srec_fail(
            error, SREC_ERR_FORMAT,
            "%s is a terminal, and a key is 32 random bytes: make a key file with srec keygen, and name it", s->path);
    const bool named = strncmp(s->path, "/dev/", 5) != 0 &&
                       strncmp(s->path, "/proc/", 6) != 0; /* <(...) has its writer from the start */
    s->has_writer = !S_ISFIFO(info->st_mode) || !named;
    s->waiting_ms = now_ms();
    return SREC_OK;
}

/* \param[out] info of the file, if it could be opened */
static srec_status read_source(srec_key *key, source *s, struct stat *info, srec_error *error)
{
    uint8_t buffer[SREC_KEY_BYTES + 1]; /* one extra byte detects longer files */
    size_t have = 0;
    srec_status status = open_source(s, info, error);
    if (status == SREC_OK)
        status = read_bytes(s, buffer, sizeof buffer, &have, error);
    if (s->fd >= 0)
        close(s->fd);
    if (status == SREC_OK && have != SREC_KEY_BYTES)
        status =
            srec_fail(error, SREC_ERR_FORMAT, "key file %s is not exactly %d bytes; make one with: srec keygen NEWFILE",
                      s->path, SREC_KEY_BYTES);
    if (status == SREC_OK)
        memcpy(key->bytes, buffer, SREC_KEY_BYTES);
    sodium_memzero(buffer, sizeof buffer);
    return status;
}

static source source_of(const char *path)
{
    return (
        source){ .path = path, .fd = -1, .writer_ms = 1000 * SREC_KEY_WRITER_S, .bytes_ms = 1000 * SREC_KEY_BYTES_S };
}

srec_status srec_key_read_within(srec_key *key, const char *path, int writer_ms, int bytes_ms, srec_error *error)
{
    struct stat info;
    if (key)
        sodium_memzero(key, sizeof *key);
    if (!key || !path)
        return srec_fail(error, SREC_ERR_ARG, "no key or no path");
    source s = source_of(path);
    s.writer_ms = writer_ms;
    s.bytes_ms = bytes_ms;
    return read_source(key, &s, &info, error);
}

srec_status srec_key_read(srec_key *key, const char *path, srec_error *error)
{
    return srec_key_read_within(key, path, 1000 * SREC_KEY_WRITER_S, 1000 * SREC_KEY_BYTES_S, error);
}

/* --- text -------------------------------------------------------------------------------------------------- */

static srec_status parse_seed(srec_key *key, const char *digits, srec_error *error)
{
    char *end;
    errno = 0;
    const unsigned long long seed = strtoull(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end ||
        errno == ERANGE) /* strtoull() alone accepts signs and blanks, and saturates */
        return srec_fail(error, SREC_ERR_FORMAT, "key 'seed:%s': seed: must be followed by a number, 0 .. 2^64 - 1",
                         digits);
    srec_key_from_seed(key, seed);
    return SREC_OK;
}

/* Number of hex digits of a text that consists of hex digits; else 0. */
static size_t hex_digits(const char *text)
{
    size_t n = 0;
    while (isxdigit((unsigned char)text[n]))
        n++;
    return text[n] ? 0 : n;
}

srec_status srec_key_parse(srec_key *key, const char *text, srec_error *warning, srec_error *error)
{
    struct stat info = { 0 };
    if (warning)
        *warning = (srec_error){ 0 };
    if (key)
        sodium_memzero(key, sizeof *key);
    if (!key || !text)
        return srec_fail(error, SREC_ERR_ARG, "no key or no text");
    if (strncmp(text, "seed:", 5) == 0) {
        srec_fail(warning, SREC_OK, "the key %s is for tests: anyone can guess it; make a key file with srec keygen",
                  text);
        return parse_seed(key, text + 5, error);
    }
    const size_t digits = hex_digits(text);
    if (digits == HEX_DIGITS && sodium_hex2bin(key->bytes, sizeof key->bytes, text, digits, NULL, NULL, NULL) == 0) {
        srec_fail(
            warning, SREC_OK,
            "a key in hex is for tests: process lists, the shell's history and flowgraph files show it; make a key "
            "file with srec keygen");
        return SREC_OK;
    }
    if (digits >= SREC_KEY_BYTES &&
        access(text, F_OK) != 0) /* probably a key with a missing digit and not a file name: do not print it */
        return srec_fail(error, SREC_ERR_FORMAT, "a key in hex has %d digits, and this has %zu", HEX_DIGITS, digits);
    source s = source_of(text);
    const srec_status status = read_source(key, &s, &info, error);
    if (status == SREC_OK && S_ISREG(info.st_mode) && info.st_mode & (S_IRGRP | S_IROTH | S_IWGRP | S_IWOTH))
        srec_fail(warning, SREC_OK, "other users may read or change the key file %s (mode %04o): chmod 600 %s", text,
                  (unsigned)(info.st_mode & 07777), text);
    return status;
}
