/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/packet.h>

#include "buffer.h"
#include "bytes.h"
#include "crypto/key_internal.h"
#include "estimate/plausibility.h"
#include "fec/convolutional.h"
#include "packet_internal.h"
#include "ratemap.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TAG           crypto_aead_chacha20poly1305_ietf_ABYTES
#define FIXED_HEADER  26u /* plaintext bytes before the rate map */
#define HEADER_MAX    SREC_HEADER_MAX
#define AMPLITUDE_ONE 54u /* pam256: byte of a coded bit 1; a coded bit 0 is 255 - 54 */

_Static_assert(SREC_PAYLOAD_MAX >= SREC_FRAME_MAX, "every payload has an order");
_Static_assert(SREC_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "the header key is an AEAD key");

/* --- coded fields: signal field and header ----------------------------------------------------------------- */

static unsigned repeats(srec_modulation m)
{
    static const unsigned repeat[SREC_MODULATIONS] = {
        [SREC_BPSK] = 2, [SREC_QPSK] = 2, [SREC_16QAM] = 4, [SREC_64QAM] = 6, [SREC_256QAM] = 8, [SREC_PAM256] = 1
    };
    return (unsigned)m < SREC_MODULATIONS ? repeat[m] : 0;
}

/* Bits on the air of a coded field, and the frame bytes that they fill: whole bytes of bits, or one byte per bit
 * (pam256). The field is padded to a multiple of 3 bytes, so that the next field starts at a symbol of every
 * modulation. */
static size_t field_bits(srec_modulation m, size_t n_bytes) { return srec_conv_bits(n_bytes) * repeats(m); }

static size_t field_bytes(srec_modulation m, size_t n_bytes)
{
    size_t bits = field_bits(m, n_bytes);
    return m == SREC_PAM256 ? (bits + 1) / 2 * 2 : (bits + 23) / 24 * 3;
}

/* Copy r of the coded bits travels in its own block, which starts at a different position of the code. The copies of
 * a bit therefore meet different positions of the constellation, at different times. Within a block, a stride
 * separates neighbouring bits of the code. The stride is coprime to the length (a multiple of 24): 24 k + 1 near its
 * square root. */
static size_t stride_of(size_t coded)
{
    size_t stride = 25;
    while (stride * stride < coded)
        stride += 24;
    for (;; stride += 24) {
        size_t a = stride, b = coded;
        while (b) {
            size_t t = a % b;
            a = b;
            b = t;
        }
        if (a == 1)
            return stride % coded;
    }
}

/* Energy dispersal. Much of a signal field is zero, which would put most of its symbols on few points. The coded bits
 * are therefore inverted by the sequence of x^15 + x^14 + 1 started from 100101010000000 (ETSI EN 300 429). */
#define DISPERSAL_START 0x00a9u
static unsigned disperse(unsigned *state)
{
    unsigned bit = (*state >> 13 ^ *state >> 14) & 1;
    *state = (*state << 1 | bit) & 0x7fff;
    return bit;
}

static srec_status write_field(srec_modulation m, const uint8_t *in, size_t n, uint8_t *out)
{
    const size_t coded = srec_conv_bits(n), bits = field_bits(m, n);
    const unsigned repeat = repeats(m);
    uint8_t *code = malloc(coded);
    if (!code)
        return SREC_ERR_MEMORY;
    srec_conv_encode(in, n, code);
    for (unsigned i = 0, state = DISPERSAL_START; i < coded; i++)
        code[i] ^= (uint8_t)disperse(&state);
    memset(out, 0, field_bytes(m, n));
    size_t stride = stride_of(coded), at = 0;
    for (unsigned r = 0, j = 0; r < repeat; r++) {
        at = r * (coded / repeat + 1) % coded;
        for (size_t i = 0; i < coded; i++, j++) {
            if (m == SREC_PAM256)
                out[j] = code[at] ? AMPLITUDE_ONE : 255 - AMPLITUDE_ONE;
            else
                out[j >> 3] |= (uint8_t)(code[at] << (7 - (j & 7)));
            at = at + stride >= coded ? at + stride - coded : at + stride;
        }
    }
    if (m == SREC_PAM256 && bits % 2)
        out[bits] = 128;
    free(code);
    return SREC_OK;
}

/* LLR of bit j of a field on the air. pam256: antipodal amplitudes, LLR = 2 a y / variance. */
static float field_llr(srec_modulation m, const float *soft, size_t j)
{
    if (m != SREC_PAM256)
        return soft[j];
    const float variance = soft[2 * j + 1] > 1e-9f ? soft[2 * j + 1] : 1e-9f;
    return (255.0f - 2.0f * AMPLITUDE_ONE) * SREC_PAM256_STEP * soft[2 * j] / variance;
}

/* \param soft (field_bytes(m, n), soft per byte) */
static srec_status read_field(srec_modulation m, const float *soft, size_t n, uint8_t *out)
{
    const size_t coded = srec_conv_bits(n);
    const unsigned repeat = repeats(m);
    float *llr = calloc(coded, sizeof *llr);
    if (!llr)
        return SREC_ERR_MEMORY;
    size_t stride = stride_of(coded), j = 0;
    for (unsigned r = 0; r < repeat; r++) {
        size_t at = r * (coded / repeat + 1) % coded;
        for (size_t i = 0; i < coded; i++, j++) {
            llr[at] += field_llr(m, soft, j);
            at = at + stride >= coded ? at + stride - coded : at + stride;
        }
    }
    for (unsigned i = 0, state = DISPERSAL_START; i < coded; i++)
        if (disperse(&state))
            llr[i] = -llr[i];
    srec_status status = srec_conv_decode(llr, n, out);
    free(llr);
    return status;
}

/* Compare the received bits of a field with its known content.
 * \param soft see read_field()
 * \param content (n) */
static srec_status count_field_errors(srec_modulation m, const float *soft, const uint8_t *content, size_t n,
                                      srec_damage *damage)
{
    const size_t bits = field_bits(m, n);
    uint8_t *sent = malloc(field_bytes(m, n));
    float *llr = malloc(bits * sizeof *llr);
    srec_status status = sent && llr ? write_field(m, content, n, sent) : SREC_ERR_MEMORY;
    for (size_t j = 0; status == SREC_OK && j < bits; j++) {
        const bool one = m == SREC_PAM256 ? sent[j] == AMPLITUDE_ONE : sent[j >> 3] >> (7 - (j & 7)) & 1;
        llr[j] = one ? -field_llr(m, soft, j) : field_llr(m, soft, j);
    }
    if (status == SREC_OK)
        srec_count_header_errors(llr, bits, damage);
    free(sent);
    free(llr);
    return status;
}

/* --- signal field ------------------------------------------------------------------------------------------ */

static uint16_t crc16(const uint8_t *p, size_t n) /* CRC-16/CCITT-FALSE */
{
    unsigned crc = 0xffff;
    for (; n; n--) {
        crc ^= (unsigned)*p++ << 8;
        for (unsigned b = 0; b < 8; b++)
            crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
    }
    return (uint16_t)crc;
}

static size_t payload_bytes_on_air(srec_modulation m, size_t n)
{
    unsigned granule = srec_modem_byte_granule(m);
    return (n + granule - 1) / granule * granule;
}

static size_t frame_bytes(srec_modulation m, size_t header, size_t payload)
{
    return field_bytes(m, SREC_SIGNAL_BYTES) + field_bytes(m, header) + payload_bytes_on_air(m, payload);
}

static void write_signal(const srec_signal *s, uint8_t out[SREC_SIGNAL_BYTES])
{
    out[0] = (uint8_t)(SREC_PACKET_VERSION << 4 | (unsigned)s->type);
    out[1] = (uint8_t)((unsigned)s->modulation | (unsigned)s->cipher << 4);
    put_le(out + 2, s->header_bytes, 2);
    put_le(out + 4, s->payload_bytes, 2);
    put_le(out + 6, s->session, 8);
    put_le(out + 14, s->packet, 8);
    put_le(out + 22, crc16(out, 22), 2);
}

static srec_status read_signal(srec_modulation m, const uint8_t in[SREC_SIGNAL_BYTES], srec_signal *s)
{
    if (get_le(in + 22, 2) != crc16(in, 22))
        return SREC_ERR_CHECKSUM;
    if (in[0] >> 4 != SREC_PACKET_VERSION || (in[0] & 15) >= SREC_PAYLOAD_TYPES || in[1] & 0xc0 ||
        in[1] >> 4 >= SREC_CIPHERS)
        return SREC_ERR_VERSION;
    *s = (srec_signal){ .type = (srec_payload_type)(in[0] & 15),
                        .modulation = (srec_modulation)(in[1] & 15),
                        .cipher = (srec_cipher)(in[1] >> 4),
                        .header_bytes = (uint16_t)get_le(in + 2, 2),
                        .payload_bytes = (uint16_t)get_le(in + 4, 2),
                        .session = get_le(in + 6, 8),
                        .packet = get_le(in + 14, 8) };
    if (s->modulation != m || s->header_bytes <= FIXED_HEADER + TAG || s->header_bytes > HEADER_MAX + TAG ||
        s->payload_bytes == 0)
        return SREC_ERR_CHECKSUM;
    if (s->type == SREC_PAYLOAD_LAYERS &&
        (s->header_bytes != SREC_LAYER_HEADER + TAG || m == SREC_PAM256 || s->cipher == SREC_CIPHER_XOR))
        return SREC_ERR_VERSION;
    s->frame_bytes = frame_bytes(m, s->header_bytes, s->payload_bytes);
    return s->frame_bytes <= SREC_FRAME_MAX ? SREC_OK : SREC_ERR_CHECKSUM;
}

size_t srec_packet_signal_bytes(srec_modulation m) { return field_bytes(m, SREC_SIGNAL_BYTES); }

size_t srec_packet_payload_room(srec_modulation m, size_t n_patches, size_t max_frame_bytes)
{
    if ((unsigned)m >= SREC_MODULATIONS || n_patches > HEADER_MAX)
        return 0;
    if (max_frame_bytes > SREC_FRAME_MAX)
        max_frame_bytes = SREC_FRAME_MAX;
    size_t taken = frame_bytes(m, FIXED_HEADER + srec_ratemap_bound(n_patches) + TAG, srec_modem_byte_granule(m));
    return taken < max_frame_bytes ? max_frame_bytes - taken : 0;
}

uint32_t srec_packet_slices(const srec_model *model, const srec_features *features, srec_modulation m,
                            size_t max_frame_bytes, size_t *max_patches, size_t *max_bytes)
{
    uint32_t slices = 0;
    if (!model || !features || !max_patches || !max_bytes)
        return 0;
    for (size_t patches = SREC_SLICE_LEAST_PATCHES; patches <= 4096; patches *= 2) {
        const size_t payload = srec_packet_payload_room(m, patches, max_frame_bytes);
        const uint32_t n = payload ? srec_slice_count(model, features, payload, patches) : 0;
        if (n && (!slices || n < slices)) {
            slices = n;
            *max_patches = patches;
            *max_bytes = payload;
        }
    }
    return slices;
}

/* --- encoder ----------------------------------------------------------------------------------------------- */

srec_status srec_packet_encoder_create(const srec_key *key, uint64_t session, srec_packet_encoder **out,
                                       srec_error *error)
{
    if (!key || !out)
        return srec_fail(error, SREC_ERR_ARG, "packet encoder: NULL argument");
    *out = NULL;
    srec_packet_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return srec_fail(error, SREC_ERR_MEMORY, "packet encoder: out of memory");
    e->session = session;
    const srec_status status = srec_key_derive_header(key, session, e->key);
    if (status != SREC_OK) {
        srec_packet_encoder_free(e);
        return srec_fail(error, status, "packet encoder: %s", srec_strerror(status));
    }
    *out = e;
    return SREC_OK;
}

void srec_packet_encoder_free(srec_packet_encoder *e)
{
    if (!e)
        return;
    sodium_memzero(e, sizeof *e);
    free(e);
}

srec_status srec_packet_write_head(srec_packet_encoder *e, srec_signal *s, const uint8_t *plain, size_t n_plain,
                                   uint8_t *frame, size_t capacity)
{
    const srec_modulation m = s->modulation;
    uint8_t sealed[HEADER_MAX + TAG], signal_field[SREC_SIGNAL_BYTES], nonce[12];
    s->session = e->session;
    s->header_bytes = (uint16_t)(n_plain + TAG);
    s->frame_bytes = frame_bytes(m, s->header_bytes, s->payload_bytes);
    if (s->packet < e->next || s->packet == UINT64_MAX || s->frame_bytes > SREC_FRAME_MAX || s->frame_bytes > capacity)
        return SREC_ERR_ARG;
    e->next = s->packet + 1; /* whatever fails below: this nonce is used */
    write_signal(s, signal_field);
    srec_packet_nonce(s->packet, nonce);
    unsigned long long sealed_length;
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &sealed_length, plain, n_plain, signal_field, sizeof signal_field,
                                              NULL, nonce, e->key);
    const srec_status status = write_field(m, signal_field, SREC_SIGNAL_BYTES, frame);
    if (status != SREC_OK)
        return status;
    return write_field(m, sealed, s->header_bytes, frame + field_bytes(m, SREC_SIGNAL_BYTES));
}

size_t srec_packet_frame_bytes(srec_modulation m, size_t n_plain, size_t payload)
{
    return frame_bytes(m, n_plain + TAG, payload);
}

srec_status srec_packet_encode(srec_packet_encoder *e, srec_modulation m, uint64_t packet, srec_cipher cipher,
                               const srec_slice *slice, const uint8_t *payload, size_t n, uint8_t *frame,
                               size_t capacity, size_t *n_frame, srec_error *error)
{
    if (!e || !slice || !slice->rate_map || !payload || !frame || !n_frame || (unsigned)m >= SREC_MODULATIONS)
        return srec_fail(error, SREC_ERR_ARG, "no slice, payload or place for the frame");
    if ((unsigned)cipher >= SREC_CIPHERS || (cipher == SREC_CIPHER_XOR && m == SREC_PAM256))
        return srec_fail(error, SREC_ERR_ARG,
                         "cipher %s does not go with pam256: bits can be flipped, amplitudes only added to",
                         (unsigned)cipher < SREC_CIPHERS ? srec_cipher_name(cipher) : "unknown");
    if (packet < e->next || packet == UINT64_MAX)
        return srec_fail(error, SREC_ERR_ARG, "packet number %llu was used already in this session",
                         (unsigned long long)packet);
    if (slice->slice >= slice->n_slices || (slice->channels != 1 && slice->channels != 3) ||
        (unsigned)slice->format >= SREC_FEATURE_FORMATS || slice->scale > 2)
        return srec_fail(error, SREC_ERR_ARG, "a slice %u of %u, of %u channels, at scale %u: impossible", slice->slice,
                         slice->n_slices, slice->channels, slice->scale);
    if (!n || n > SREC_FRAME_MAX || slice->n_patches > HEADER_MAX - FIXED_HEADER || slice->n_slices > 0xffffff ||
        !slice->width || !slice->height || slice->width > 0xffff || slice->height > 0xffff)
        return srec_fail(error, SREC_ERR_ARG, "a slice of %u patches and %zu bytes does not fit a packet",
                         slice->n_patches, n);

    for (uint32_t i = 0; i < slice->n_patches; i++)
        if (slice->rate_map[i] >= SREC_LADDER_MAX_STEPS)
            return srec_fail(error, SREC_ERR_ARG, "step %u in a rate map; %d is the last one possible",
                             slice->rate_map[i], SREC_LADDER_MAX_STEPS - 1);

    uint8_t plain[HEADER_MAX];
    put_le(plain, slice->model_id, 8);
    put_le(plain + 8, slice->picture, 4);
    put_le(plain + 12, slice->width, 2);
    put_le(plain + 14, slice->height, 2);
    plain[16] = (uint8_t)(slice->channels | (slice->scale == 2 ? 1u << 2 : 0u) | (unsigned)slice->format << 4);
    put_le(plain + 17, slice->slice, 3);
    put_le(plain + 20, slice->n_slices, 3);
    put_le(plain + 23, slice->n_patches, 3);
    size_t map = srec_ratemap_encode(slice->rate_map, slice->n_patches, SREC_LADDER_MAX_STEPS, plain + FIXED_HEADER,
                                     sizeof plain - FIXED_HEADER);
    if (!map)
        return srec_fail(error, SREC_ERR_ARG, "the rate map of %u patches does not fit a header", slice->n_patches);

    srec_signal s = { .modulation = m, .cipher = cipher, .payload_bytes = (uint16_t)n, .packet = packet };
    const srec_status status = srec_packet_write_head(e, &s, plain, FIXED_HEADER + map, frame, capacity);
    if (status == SREC_ERR_MEMORY)
        return srec_fail(error, status, "out of memory");
    if (status != SREC_OK)
        return srec_fail(error, status, "a frame of %zu bytes; %u are possible: use more slices", s.frame_bytes,
                         SREC_FRAME_MAX);
    uint8_t *at = frame + srec_packet_head_bytes(m, &s);
    /* The payload is padded to whole groups before its bits are reordered. */
    uint8_t tail[4] = { 0 };
    size_t granule = srec_modem_byte_granule(m), whole = n / granule * granule;
    srec_modem_order_bytes(m, payload, at, whole);
    if (whole < n) {
        memcpy(tail, payload + whole, n - whole);
        srec_modem_order_bytes(m, tail, at + whole, granule);
    }
    *n_frame = s.frame_bytes;
    return SREC_OK;
}

/* --- decoder ----------------------------------------------------------------------------------------------- */

srec_status srec_packet_decoder_create(const srec_key *key, const srec_model *model, srec_packet_decoder **out,
                                       srec_error *error)
{
    if (!key || !out)
        return srec_fail(error, SREC_ERR_ARG, "packet decoder: NULL argument");
    *out = NULL;
    if (sodium_init() < 0)
        return srec_fail(error, SREC_ERR_INTERNAL, "packet decoder: libsodium does not start");
    srec_packet_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return srec_fail(error, SREC_ERR_MEMORY, "packet decoder: out of memory");
    d->key = key;
    d->model = model;
    if (srec_replay_create(&d->received) != SREC_OK) {
        srec_packet_decoder_free(d);
        return srec_fail(error, SREC_ERR_MEMORY, "packet decoder: out of memory");
    }
    *out = d;
    return SREC_OK;
}

void srec_packet_decoder_free(srec_packet_decoder *d)
{
    if (!d)
        return;
    srec_replay_free(d->received);
    srec_buffer_free(&d->rate_map);
    srec_buffer_free(&d->soft);
    sodium_memzero(d, sizeof *d);
    free(d);
}

void srec_packet_decoder_get_counters(const srec_packet_decoder *d, srec_packet_counters *out) { *out = d->counters; }

static srec_status count(srec_packet_decoder *d, srec_status status)
{
    switch (status) {
    case SREC_OK: d->counters.accepted++; break;
    case SREC_ERR_AUTH: d->counters.forged++; break;
    case SREC_ERR_REPLAY: d->counters.replayed++; break;
    case SREC_ERR_MODEL: d->counters.foreign_model++; break;
    case SREC_ERR_VERSION: d->counters.unsupported++; break;
    default: d->counters.damaged++; break;
    }
    return status;
}

size_t srec_packet_decoder_marks_size(const srec_packet_decoder *d) { return srec_replay_export_size(d->received); }

srec_status srec_packet_decoder_export_marks(const srec_packet_decoder *d, uint8_t *out, size_t capacity, size_t *n)
{
    if (!d || !out || !n || capacity < srec_replay_export_size(d->received))
        return SREC_ERR_ARG;
    *n = srec_replay_export_size(d->received);
    return srec_replay_export(d->received, d->key, out);
}

srec_status srec_packet_decoder_import_marks(srec_packet_decoder *d, const uint8_t *in, size_t n, srec_error *error)
{
    if (!d || !in)
        return srec_fail(error, SREC_ERR_ARG, "no decoder or no marks");
    return srec_replay_import(d->received, d->key, in, n, error);
}

srec_status srec_signal_read(srec_modulation m, const float *soft, srec_signal *out)
{
    uint8_t field[SREC_SIGNAL_BYTES];
    if (!soft || !out || (unsigned)m >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    srec_status status = read_field(m, soft, sizeof field, field);
    return status == SREC_OK ? read_signal(m, field, out) : status;
}

srec_status srec_packet_read_signal(srec_packet_decoder *d, srec_modulation m, const float *soft, srec_signal *out)
{
    if (!d)
        return SREC_ERR_ARG;
    srec_status status = srec_signal_read(m, soft, out);
    return status == SREC_OK || status == SREC_ERR_ARG ? status : count(d, status);
}

/* Parse the decrypted header of a slice. Everything in it is checked although it is authentic, because the sender may
 * run another release. */
static srec_status parse_header(srec_packet_decoder *d, const uint8_t *plain, size_t n, const srec_signal *signal,
                                srec_slice *s)
{
    *s = (srec_slice){ .model_id = get_le(plain, 8),
                       .picture = (uint32_t)get_le(plain + 8, 4),
                       .width = (uint32_t)get_le(plain + 12, 2),
                       .height = (uint32_t)get_le(plain + 14, 2),
                       .channels = plain[16] & 3,
                       .scale = (uint8_t)((plain[16] >> 2 & 3) + 1),
                       .format = (srec_feature_format)(plain[16] >> 4 & 3),
                       .slice = (uint32_t)get_le(plain + 17, 3),
                       .n_slices = (uint32_t)get_le(plain + 20, 3),
                       .n_patches = (uint32_t)get_le(plain + 23, 3) };
    if (!d->model || s->model_id != srec_model_id(d->model))
        return SREC_ERR_MODEL;
    if (!s->width || !s->height || (s->channels != 1 && s->channels != 3) || s->scale > 2 || plain[16] >> 6 ||
        s->format != (signal->modulation == SREC_PAM256 ? SREC_FEATURES_AMPLITUDE : SREC_FEATURES_BITS) ||
        s->slice >= s->n_slices || s->n_patches > HEADER_MAX)
        return SREC_ERR_FORMAT;
    uint32_t cols, rows;
    srec_patch_grid(s->width, s->height, &cols, &rows);
    if (s->n_slices > (uint64_t)cols * rows ||
        s->n_patches != srec_slice_patches(cols, rows, s->n_slices, s->slice, NULL, 0))
        return SREC_ERR_FORMAT;
    if (!srec_buffer_need(&d->rate_map, s->n_patches))
        return SREC_ERR_MEMORY;
    s->rate_map = d->rate_map.data;
    srec_status status = srec_ratemap_decode(plain + FIXED_HEADER, n - FIXED_HEADER, SREC_LADDER_MAX_STEPS,
                                             d->rate_map.data, s->n_patches);
    if (status == SREC_OK && srec_slice_bytes(d->model, s) != signal->payload_bytes)
        status = SREC_ERR_FORMAT;
    return status;
}

size_t srec_packet_head_bytes(srec_modulation m, const srec_signal *signal)
{
    return field_bytes(m, SREC_SIGNAL_BYTES) + field_bytes(m, signal->header_bytes);
}

srec_status srec_packet_open_head(const srec_key *master, srec_modulation m, const float *soft, size_t n_bytes,
                                  srec_packet_head *h)
{
    uint8_t key[SREC_KEY_BYTES], nonce[12];
    if (n_bytes < field_bytes(m, sizeof h->field))
        return SREC_ERR_TRUNCATED;
    srec_status status = read_field(m, soft, sizeof h->field, h->field);
    if (status == SREC_OK)
        status = read_signal(m, h->field, &h->signal);
    if (status != SREC_OK)
        return status;
    if (n_bytes < srec_packet_head_bytes(m, &h->signal))
        return SREC_ERR_TRUNCATED;
    status = read_field(m, soft + field_bytes(m, sizeof h->field) * srec_modem_soft_per_byte(m), h->signal.header_bytes,
                        h->sealed);
    if (status == SREC_OK)
        status = srec_key_derive_header(master, h->signal.session, key);
    if (status != SREC_OK)
        return status;
    srec_packet_nonce(h->signal.packet, nonce);
    unsigned long long length;
    const bool authentic =
        crypto_aead_chacha20poly1305_ietf_decrypt(h->plain, &length, NULL, h->sealed, h->signal.header_bytes, h->field,
                                                  sizeof h->field, nonce, key) == 0;
    sodium_memzero(key, sizeof key);
    h->n_plain = authentic ? (size_t)length : 0;
    return authentic ? SREC_OK : SREC_ERR_AUTH;
}

/* Count the bit errors of an authentic head. */
static srec_status count_head_errors(srec_modulation m, const float *soft, const srec_packet_head *h,
                                     srec_damage *damage)
{
    const float *header = soft + field_bytes(m, sizeof h->field) * srec_modem_soft_per_byte(m);
    *damage = (srec_damage){ 0 };
    const srec_status status = count_field_errors(m, soft, h->field, sizeof h->field, damage);
    return status == SREC_OK ? count_field_errors(m, header, h->sealed, h->signal.header_bytes, damage) : status;
}

srec_status srec_packet_authenticate(const srec_key *key, srec_modulation m, const float *soft, size_t n_bytes,
                                     srec_signal *out)
{
    srec_packet_head h;
    if (!key || !soft || !out || (unsigned)m >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    h.signal = (srec_signal){ 0 };
    const srec_status status = srec_packet_open_head(key, m, soft, n_bytes, &h);
    if (h.signal.frame_bytes)
        *out = h.signal;
    return status;
}

static srec_status decode(srec_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                          srec_packet *out)
{
    srec_packet_head h;
    srec_status status = srec_packet_open_head(d->key, m, soft, n_bytes, &h);
    if (status != SREC_OK)
        return status;
    const srec_signal s = h.signal;
    if (s.type != SREC_PAYLOAD_FEATURES)
        return SREC_ERR_VERSION;
    if (n_bytes < s.frame_bytes)
        return SREC_ERR_TRUNCATED;
    status = srec_replay_accept(d->received, s.session, s.packet);
    if (status != SREC_OK)
        return status;
    out->signal = s;
    status = parse_header(d, h.plain, h.n_plain, &s, &out->slice);
    if (status == SREC_OK)
        status = count_head_errors(m, soft, &h, &out->damage);
    if (status != SREC_OK)
        return status;
    const unsigned per_byte = srec_modem_soft_per_byte(m);
    soft += srec_packet_head_bytes(m, &s) * per_byte;
    size_t on_air = payload_bytes_on_air(m, s.payload_bytes);
    if (!srec_buffer_need(&d->soft, on_air * per_byte * sizeof(float)))
        return SREC_ERR_MEMORY;
    out->soft = d->soft.data;
    return srec_modem_restore_soft(m, soft, d->soft.data, on_air);
}

srec_status srec_packet_decode(srec_packet_decoder *d, srec_modulation m, const float *soft, size_t n_bytes,
                               srec_packet *out)
{
    if (!d || !soft || !out || (unsigned)m >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    return count(d, decode(d, m, soft, n_bytes, out));
}
