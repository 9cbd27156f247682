/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SREC_KEY_INTERNAL_H
#define SREC_KEY_INTERNAL_H

#include <srec/key.h>

#define SREC_NONCE_BYTES 12u /* of ChaCha20 and ChaCha20-Poly1305 (RFC 8439) */

/* Subkeys of a session, see key.h. The caller wipes them with sodium_memzero() after use. */
srec_status srec_key_derive_payload(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES]);
srec_status srec_key_derive_header(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES]);
srec_status srec_key_derive_layers(const srec_key *key, uint64_t session, uint8_t out[SREC_KEY_BYTES]);

/* srec_key_read() with other time limits, for tests.
 * \param writer_ms, bytes_ms longest wait for the writer of a named pipe and for its bytes */
srec_status srec_key_read_within(srec_key *key, const char *path, int writer_ms, int bytes_ms, srec_error *error);

/* Subkey of the tag that binds a receiver's marks (replay.h) to a master key. */
srec_status srec_key_derive_marks(const srec_key *key, uint8_t out[SREC_KEY_BYTES]);

/* Nonce of a packet under a session's subkey: u32 0, u64 packet, little endian. */
void srec_packet_nonce(uint64_t packet, uint8_t nonce[SREC_NONCE_BYTES]);

#endif /* SREC_KEY_INTERNAL_H */
