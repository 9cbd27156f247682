/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "key_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

_Static_assert(SREC_KEY_BYTES == crypto_kdf_KEYBYTES, "the master key is a KDF key");

srec_status srec_key_generate(srec_key *key)
{
    if (!key)
        return SREC_ERR_ARG;
    if (sodium_init() < 0)
        return SREC_ERR_INTERNAL;
    crypto_kdf_keygen(key->bytes);
    return SREC_OK;
}

srec_status srec_session_generate(uint64_t *session)
{
    if (!session)
        return SREC_ERR_ARG;
    if (sodium_init() < 0)
        return SREC_ERR_INTERNAL;
    do
        randombytes_buf(session, sizeof *session);
    while (*session == 0);
    return SREC_OK;
}

srec_status srec_key_write(const srec_key *key, const char *path, srec_error *error)
{
    if (!key || !path)
        return srec_fail(error, SREC_ERR_ARG, "no key or no path");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return srec_fail(error, SREC_ERR_IO, "cannot create key file %s: %s%s", path, strerror(errno),
                         errno == EEXIST ? "; remove it first if you really want another key" : "");
    size_t done = 0;
    while (done < sizeof key->bytes) {
        ssize_t n = write(fd, key->bytes + done, sizeof key->bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    int why = done < sizeof key->bytes ? errno : 0;
    if (close(fd) != 0 && why == 0)
        why = errno;
    if (done < sizeof key->bytes || why) {
        unlink(path); /* half a key is of no use */
        return srec_fail(error, SREC_ERR_IO, "cannot write key file %s: %s", path, strerror(why));
    }
    return SREC_OK;
}

srec_status srec_key_read(srec_key *key, const char *path, srec_error *error)
{
    if (key)
        memset(key, 0, sizeof *key);
    if (!key || !path)
        return srec_fail(error, SREC_ERR_ARG, "no key or no path");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return srec_fail(error, SREC_ERR_IO, "cannot open key file %s: %s; make one with: srec keygen %s", path,
                         strerror(errno), path);
    uint8_t buffer[SREC_KEY_BYTES + 1]; /* one more: notices longer files */
    size_t have = 0;
    int why = 0;
    while (have < sizeof buffer) {
        ssize_t n = read(fd, buffer + have, sizeof buffer - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            why = errno;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    close(fd);
    if (!why && have == SREC_KEY_BYTES)
        memcpy(key->bytes, buffer, SREC_KEY_BYTES);
    sodium_memzero(buffer, sizeof buffer);
    if (why)
        return srec_fail(error, SREC_ERR_IO, "cannot read key file %s: %s", path, strerror(why));
    if (have != SREC_KEY_BYTES)
        return srec_fail(error, SREC_ERR_FORMAT,
                         "key file %s is not exactly %d bytes; make one with: srec keygen NEWFILE", path,
                         SREC_KEY_BYTES);
    return SREC_OK;
}

void srec_key_from_seed(srec_key *key, uint64_t seed)
{
    uint8_t wide[crypto_generichash_KEYBYTES] = {0};
    for (unsigned i = 0; i < 8; i++)
        wide[i] = (uint8_t)(seed >> (8 * i));
    crypto_generichash(key->bytes, sizeof key->bytes, wide, sizeof wide, NULL, 0);
}

void srec_key_wipe(srec_key *key)
{
    if (key)
        sodium_memzero(key, sizeof *key);
}

static srec_status derive(const srec_key *key, uint64_t session, const char context[crypto_kdf_CONTEXTBYTES],
                          uint8_t *out)
{
    if (!key || !out)
        return SREC_ERR_ARG;
    memset(out, 0, SREC_KEY_BYTES);
    if (sodium_init() < 0 || crypto_kdf_derive_from_key(out, SREC_KEY_BYTES, session, context, key->bytes) != 0)
        return SREC_ERR_INTERNAL;
    return SREC_OK;
}

srec_status srec_key_derive_payload(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES])
{
    return derive(key, session, "srecpayl", out);
}

srec_status srec_key_derive_header(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES])
{
    return derive(key, session, "srechead", out);
}

void srec_packet_nonce(uint64_t packet, uint8_t nonce[12])
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(packet >> (8 * i));
}
