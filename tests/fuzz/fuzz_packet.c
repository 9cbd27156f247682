/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The packet decoder against whatever the air, or a sender with the key and another release, can offer. Input:
 *
 *     0    modulation (mod 6), way of attack (/ 6 mod 3), model id kept right (bit 7 clear)
 *     1..  NOISE:  soft values, a byte each (-128 NaN, -127 and 127 infinite)
 *          MUTATE: a valid frame, then triples: position u16, soft value i8
 *          FORGE:  signal bytes 0 and 1, payload bytes u16 (0: what the header asks for), then a header's
 *          plaintext, authentic
 */
#include "bytes.h"
#include "codec/model_internal.h"
#include "crypto/key_internal.h"
#include "packet/coded_field.h"
#include "packet/packet_internal.h"
#include "packet/signal_field.h"
#include "packet/slice_header.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOISE, MUTATE, FORGE };
#define MODEL_ID 99u
#define PACKET   3u

static const unsigned ladder[] = { 1, 4, 9 };

static void require(bool claim)
{
    if (!claim)
        abort();
}

static float soft_value(uint8_t byte)
{
    int v = (int8_t)byte;
    return v == -128 ? NAN : v == -127 ? -INFINITY : v == 127 ? INFINITY : 0.25f * (float)v;
}

/* Noiseless soft values of a frame, in a block of exactly that size, so that reading beyond is seen. */
static float *receive(srec_modulation m, const uint8_t *frame, size_t n)
{
    size_t n_symbols = srec_modem_symbols(m, n);
    float *iq = malloc(2 * n_symbols * sizeof *iq), *soft = malloc(n * srec_modem_soft_per_byte(m) * sizeof *soft);
    require(iq && soft && srec_modem_map(m, frame, n, iq) == SREC_OK &&
            srec_modem_demap(m, iq, NULL, 0.01f, n_symbols, soft) == SREC_OK);
    free(iq);
    return soft;
}

/* A frame for half the patches of a 64 x 48 image, which is coded as 64 x 64. */
static size_t valid_frame(const srec_key *key, srec_modulation m, const srec_model *model, uint8_t *frame)
{
    static const uint8_t rate_map[8] = { 0, 2, 1, 1, 2, 0, 1, 2 };
    uint8_t payload[64] = { 1, 2, 3 };
    srec_slice s = { MODEL_ID, 1, 64, 48,       3, m == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS,
                     1,        2, 8,  rate_map, 2 };
    srec_packet_encoder *e;
    size_t n;
    require(srec_packet_encoder_create(key, 7, &e, NULL) == SREC_OK);
    require(srec_packet_encode(e,
                               &(srec_packet_content){ .modulation = m,
                                                       .cipher = SREC_CIPHER_ADD,
                                                       .packet = PACKET,
                                                       .slice = &s,
                                                       .payload = payload,
                                                       .n_payload = srec_slice_bytes(model, &s) },
                               frame, SREC_FRAME_MAX, &n, NULL) == SREC_OK);
    srec_packet_encoder_free(e);
    return n;
}

/* What a sender who has the key but does not keep to the format could make; 0 if it does not fit a frame. */
static size_t forged_frame(const srec_key *key, srec_modulation m, bool right_model, srec_packet_decoder *d,
                           const uint8_t *in, size_t size, uint8_t *frame)
{
    uint8_t plain[SREC_HEADER_MAX], sealed[SREC_HEADER_MAX + SREC_HEADER_TAG_BYTES], field[SREC_SIGNAL_BYTES],
        nonce[SREC_NONCE_BYTES], header_key[SREC_KEY_BYTES];
    if (size < 4 + 1 || size - 4 > 160)
        return 0;
    size_t n = size - 4;
    memset(plain, 0, SREC_SLICE_HEADER);
    memcpy(plain, in + 4, n);
    if (right_model)
        put_le(plain, MODEL_ID, 8);
    srec_signal s = { .modulation = m,
                      .header_bytes = (uint16_t)(n + SREC_HEADER_TAG_BYTES),
                      .payload_bytes = (uint16_t)get_le(in + 2, 2),
                      .session = 7,
                      .packet = PACKET };
    srec_slice slice;
    if (!s.payload_bytes && n > SREC_SLICE_HEADER &&
        srec_slice_header_get(d->model, &s, plain, n, &d->rate_map, &slice) == SREC_ERR_FORMAT && slice.rate_map) {
        size_t bytes = srec_slice_bytes(d->model, &slice);
        s.payload_bytes = bytes <= SREC_FRAME_MAX ? (uint16_t)bytes : 0;
    }
    size_t total = srec_frame_bytes(m, s.header_bytes, s.payload_bytes);
    if (total > SREC_FRAME_MAX)
        return 0;
    srec_signal_put(&s, field);
    field[0] = (uint8_t)(field[0] ^ in[0]);
    field[1] = (uint8_t)(field[1] ^ in[1]);
    put_le(field + 22, srec_crc16(field, 22), 2);
    srec_packet_nonce(PACKET, nonce);
    require(srec_key_derive_header(key, 7, header_key) == SREC_OK);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, plain, n, field, sizeof field, NULL, nonce, header_key);
    memset(frame, 0, total);
    require(srec_field_write(m, field, sizeof field, frame) == SREC_OK);
    require(srec_field_write(m, sealed, n + SREC_HEADER_TAG_BYTES, frame + srec_field_bytes(m, sizeof field)) ==
            SREC_OK);
    return total;
}

/* Whatever was accepted must be safe to use. */
static void use(const srec_model *model, const srec_packet *p, srec_modulation m)
{
    const srec_slice *s = &p->slice;
    uint32_t cols, rows;
    srec_patch_grid(s->width, s->height, &cols, &rows);
    require(s->width && s->height && s->slice < s->n_slices && (s->channels == 1 || s->channels == 3) &&
            (s->scale == 1 || s->scale == 2));
    uint32_t *patches = malloc((s->n_patches + 1) * sizeof *patches);
    require(patches && srec_slice_patches(cols, rows, s->n_slices, s->slice, patches, s->n_patches) == s->n_patches);
    for (uint32_t i = 0; i < s->n_patches; i++)
        require(patches[i] < (uint64_t)cols * rows && s->rate_map[i] < sizeof ladder / sizeof *ladder);
    free(patches);
    size_t n = srec_slice_bytes(model, s);
    require(n == p->signal.payload_bytes);
    uint8_t *bytes = malloc(n);
    require(bytes && srec_slice_prior_tables(model, s, bytes, n) == SREC_OK &&
            srec_modem_decide(m, p->soft, n / srec_modem_byte_granule(m) * srec_modem_byte_granule(m), bytes) ==
                SREC_OK);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const srec_modulation m = (srec_modulation)((data[0] & 127) % SREC_MODULATIONS);
    const unsigned attack = (data[0] & 127) / SREC_MODULATIONS % 3, per_byte = srec_modem_soft_per_byte(m);
    static uint8_t frame[SREC_FRAME_MAX];
    srec_key key;
    srec_model *model;
    srec_packet_decoder *d;
    srec_key_from_seed(&key, 1);
    require(srec_model_create_bare(ladder, sizeof ladder / sizeof *ladder, NULL, NULL, MODEL_ID, &model) == SREC_OK);
    require(srec_packet_decoder_create(&key, model, &d, NULL) == SREC_OK);
    float *soft = NULL;
    size_t n = 0;
    data++, size--;
    const bool mutated = size >= 3;
    if (attack == NOISE) {
        n = size / per_byte;
        soft = malloc(n * per_byte * sizeof *soft + 1);
        for (size_t i = 0; soft && i < n * per_byte; i++)
            soft[i] = soft_value(data[i]);
    } else if (attack == MUTATE) {
        n = valid_frame(&key, m, model, frame);
        soft = receive(m, frame, n);
        for (; size >= 3; data += 3, size -= 3)
            soft[get_le(data, 2) % (n * per_byte)] = soft_value(data[2]);
    } else if ((n = forged_frame(&key, m, !(data[-1] & 128), d, data, size, frame)))
        soft = receive(m, frame, n);

    srec_signal signal;
    srec_packet packet;
    if (soft && n >= srec_packet_signal_bytes(m) && srec_packet_read_signal(d, m, soft, &signal) == SREC_OK)
        require(signal.frame_bytes <= SREC_FRAME_MAX);
    if (soft && srec_packet_decode(d, m, soft, n, &packet) == SREC_OK) {
        use(model, &packet, m);
        require(srec_packet_decode(d, m, soft, n, &packet) == SREC_ERR_REPLAY);
    } else
        require(attack != MUTATE || mutated); /* untouched frames get through, or the rest is no test */
    free(soft);
    srec_packet_decoder_free(d);
    srec_model_free(model);
    return 0;
}
