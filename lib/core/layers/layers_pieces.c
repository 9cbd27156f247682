/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What a piece is: format, description, lengths, RMS error. */
#include "layers_internal.h"

#include "bytes.h"

#include <math.h>

#define FLAG_OPEN   1u
#define FLAG_LISTED 2u
#define FLAG_COPIES 4u
#define FLAGS       (FLAG_OPEN | FLAG_LISTED | FLAG_COPIES)

#define ERROR_LEAST      0.05
#define STEPS_PER_OCTAVE 20.0

#define LENGTH_BYTES_MAX 3u

srec_j2k_format srec_layers_j2k(const srec_layers_format *f)
{
    return (srec_j2k_format){
        .width = f->width, .height = f->height, .channels = f->channels, .n_layers = f->n_layers + 2
    };
}

bool srec_layers_format_valid(const srec_layers_format *f)
{
    if (!f || f->n_layers < 1 || f->n_layers > SREC_LAYERS_MAX)
        return false;
    const srec_j2k_format j2k = srec_layers_j2k(f);
    return srec_j2k_format_valid(&j2k);
}

uint8_t srec_layers_error_to_byte(double rms_error)
{
    if (!(rms_error >= ERROR_LEAST))
        return 0;
    const double step = 1 + round(STEPS_PER_OCTAVE * log2(rms_error / ERROR_LEAST));
    return (uint8_t)(step < 255 ? step : 255);
}

float srec_layers_error_of_byte(uint8_t byte)
{
    return byte ? (float)(ERROR_LEAST * exp2((byte - 1) / STEPS_PER_OCTAVE)) : 0.0f;
}

void srec_layers_put_content(const srec_layers_content *c, uint8_t out[SREC_LAYERS_DESCRIPTION_BYTES])
{
    put_le(out, c->first, 3);
    put_le(out + 3, c->count, 2);
    put_le(out + 5, c->offset, 3);
    out[8] = (uint8_t)((c->open ? FLAG_OPEN : 0) | (c->listed ? FLAG_LISTED : 0) | (c->copies ? FLAG_COPIES : 0));
    put_le(out + 9, c->n_bytes, 2);
}

bool srec_layers_get_content(const uint8_t in[SREC_LAYERS_DESCRIPTION_BYTES], srec_layers_content *out)
{
    *out = (srec_layers_content){
        .first = (uint32_t)get_le(in, 3),
        .count = (uint32_t)get_le(in + 3, 2),
        .offset = (uint32_t)get_le(in + 5, 3),
        .open = in[8] & FLAG_OPEN,
        .listed = in[8] & FLAG_LISTED,
        .copies = in[8] & FLAG_COPIES,
        .n_bytes = (uint32_t)get_le(in + 9, 2),
    };
    const bool cut = out->offset || out->open;
    return !(in[8] & ~FLAGS) && out->n_bytes >= 1 && (!cut || (out->listed && out->count));
}

unsigned srec_layers_length_bytes(uint32_t length)
{
    return length < 1u << 7 ? 1 : length < 1u << 14 ? 2 : LENGTH_BYTES_MAX;
}

uint8_t *srec_layers_put_length(uint8_t *at, uint32_t length)
{
    for (; length >= 1u << 7; length >>= 7)
        *at++ = (uint8_t)(length | 0x80);
    *at++ = (uint8_t)length;
    return at;
}

const uint8_t *srec_layers_get_length(const uint8_t *at, const uint8_t *end, uint32_t *length)
{
    *length = 0;
    for (unsigned i = 0; i < LENGTH_BYTES_MAX && at < end; i++) {
        *length |= (uint32_t)(*at & 0x7f) << 7 * i;
        if (!(*at++ & 0x80))
            return at;
    }
    return NULL;
}
