/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Remembers which packets of which sessions have been received, so that each is accepted once.
 *
 *      windows  of the SREC_REPLAY_SESSIONS most recent sessions: a bit for each of the newest SREC_REPLAY_WINDOW
 *               packets
 *      marks    of up to SREC_REPLAY_MARKS earlier sessions: the number of the newest packet. Only higher packet
 *               numbers are new. When the table is full, the session that lost its window first is forgotten
 *
 *  Marks can be exported and imported, so that they outlive the program. Little endian:
 *
 *      offset size field
 *       0     8    "SRECMARK"
 *       8     2    version, 1
 *      10     8    key id: keyed BLAKE2b of nothing, under KDF(master, 0, "srecmark")
 *      18     4    number of marks n
 *      22    16 n  session, newest packet, 8 bytes each; the most recent session comes last
 *       ..   16    tag: keyed BLAKE2b of all bytes before it, same key */
#ifndef SREC_REPLAY_H
#define SREC_REPLAY_H

#include <srec/key.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SREC_REPLAY_SESSIONS 64u
#define SREC_REPLAY_WINDOW   4096u
#define SREC_REPLAY_MARKS    65536u

/* One thread at a time per handle. */
typedef struct srec_replay srec_replay;

srec_status srec_replay_create(srec_replay **out);
void srec_replay_free(srec_replay *r);

/* Remember an authentic packet.
 * \return SREC_OK if it is new; SREC_ERR_REPLAY if it was received before, or is too old to be certain;
 * SREC_ERR_MEMORY */
srec_status srec_replay_accept(srec_replay *r, uint64_t session, uint64_t packet);

/* Would srec_replay_accept() refuse this packet? Nothing is remembered. */
bool srec_replay_received(srec_replay *r, uint64_t session, uint64_t packet);

/* Size of an export in bytes. */
size_t srec_replay_export_size(const srec_replay *r);

/* \param[out] out (srec_replay_export_size()) */
srec_status srec_replay_export(const srec_replay *r, const srec_key *key, uint8_t *out);

/* Add marks to the known ones. If a session is in both, the newer mark counts. After an error nothing has changed.
 * \return SREC_ERR_FORMAT, SREC_ERR_VERSION, SREC_ERR_TRUNCATED, SREC_ERR_CHECKSUM (damaged), SREC_ERR_AUTH (another
 * key), SREC_ERR_MEMORY */
srec_status srec_replay_import(srec_replay *r, const srec_key *key, const uint8_t *in, size_t n, srec_error *error);

#endif /* SREC_REPLAY_H */
