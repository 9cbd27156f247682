/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Packet headers of JPEG 2000 (ISO/IEC 15444-1, B.10), for precincts of 128x128 and code blocks of 64x64: a precinct
 *  has one code block of each band, or up to 2x2 of the lowest band. */
#include "jpeg2000_blocks.h"

#include <math.h>
#include <stdlib.h>

#define UNKNOWN        255u
#define PLANES_MAX     30u
#define PASSES_MAX     (3 * PLANES_MAX - 2)
#define LENGTH_BITS    3u
#define BLOCKS_PER_ROW 2u /* of the lowest band in a precinct */

/* ---- geometry ---------------------------------------------------------------------------------------------------- */

static uint32_t reduced(uint32_t side, unsigned levels)
{
    return (uint32_t)(((uint64_t)side + (1u << levels) - 1) >> levels);
}

/* A band in the transformed plane of a channel. */
typedef struct {
    uint32_t x, y;
    uint32_t width, height;
    uint32_t part_side; /* samples that a precinct covers */
    uint8_t channel;
    uint16_t step; /* exponent and mantissa, equation E-3 */
} band;

/* Bands 0 .. 2 of a resolution are HL, LH, HH; resolution 0 has the lowest band only. */
static band band_of(const srec_j2k_format *f, unsigned resolution, unsigned number)
{
    const unsigned levels = srec_j2k_resolutions(f->width, f->height) - 1 - resolution;
    const uint32_t width = reduced(f->width, levels);
    const uint32_t height = reduced(f->height, levels);
    band b = { .width = width, .height = height, .part_side = SREC_J2K_BLOCK_SIDE * BLOCKS_PER_ROW };
    b.step = srec_j2k_step(f, resolution, number);
    if (!resolution)
        return b;
    const uint32_t low_width = (width + 1) / 2;
    const uint32_t low_height = (height + 1) / 2;
    b.part_side = SREC_J2K_BLOCK_SIDE;
    b.x = number == 1 ? 0 : low_width;
    b.y = number == 0 ? 0 : low_height;
    b.width = number == 1 ? low_width : width - low_width;
    b.height = number == 0 ? low_height : height - low_height;
    return b;
}

/* Add the part of a band that precinct (column, row) holds. */
static void add_part(srec_j2k_blocks *out, const band *b, size_t column, size_t row)
{
    srec_j2k_part *p = &out->parts[out->n_parts++];
    const size_t x_end = (column + 1) * b->part_side < b->width ? (column + 1) * b->part_side : b->width;
    const size_t y_end = (row + 1) * b->part_side < b->height ? (row + 1) * b->part_side : b->height;
    *p = (srec_j2k_part){
        .first = (uint32_t)out->n_blocks,
        .channel = b->channel,
        .planes = (uint8_t)((b->step >> 11) + 1), /* two guard bits */
        .step = ldexpf(1 + (float)(b->step & 0x7ff) / 2048, 8 - (b->step >> 11)),
        .inclusion = { UNKNOWN, 0 },
        .zero_planes = { UNKNOWN, 0 },
    };
    for (size_t y = row * b->part_side; y < y_end; y += SREC_J2K_BLOCK_SIDE)
        for (size_t x = column * b->part_side; x < x_end; x += SREC_J2K_BLOCK_SIDE, p->count++)
            out->blocks[out->n_blocks++] = (srec_j2k_block){
                .x = (uint32_t)(b->x + x),
                .y = (uint32_t)(b->y + y),
                .width = (uint8_t)(x_end - x < SREC_J2K_BLOCK_SIDE ? x_end - x : SREC_J2K_BLOCK_SIDE),
                .height = (uint8_t)(y_end - y < SREC_J2K_BLOCK_SIDE ? y_end - y : SREC_J2K_BLOCK_SIDE),
                .length_bits = LENGTH_BITS,
                .inclusion = { UNKNOWN, 0 },
                .zero_planes = { UNKNOWN, 0 },
            };
}

/* Add all parts of a resolution of one channel. */
static void add_resolution(srec_j2k_blocks *out, const srec_j2k_format *f, unsigned resolution, uint8_t channel)
{
    const unsigned levels = srec_j2k_resolutions(f->width, f->height) - 1 - resolution;
    const uint32_t side = SREC_J2K_BLOCK_SIDE * BLOCKS_PER_ROW;
    const size_t columns = (reduced(f->width, levels) + side - 1) / side;
    const size_t rows = (reduced(f->height, levels) + side - 1) / side;
    for (size_t i = 0; i < columns * rows; i++) {
        for (unsigned number = 0; number < (resolution ? 3u : 1u); number++) {
            band b = band_of(f, resolution, number);
            b.channel = channel;
            add_part(out, &b, i % columns, i / columns);
        }
        out->end[out->n_packets++] = (uint32_t)out->n_parts;
    }
}

srec_status srec_j2k_blocks_create(const srec_j2k_format *f, srec_j2k_blocks *out)
{
    const size_t n_packets = srec_j2k_packets(f, SREC_J2K_RESOLUTIONS_MAX);
    *out = (srec_j2k_blocks){ 0 };
    out->parts = malloc(3 * n_packets * sizeof *out->parts);
    out->blocks = malloc(4 * n_packets * sizeof *out->blocks);
    out->end = malloc(n_packets * sizeof *out->end);
    if (!out->parts || !out->blocks || !out->end)
        return SREC_ERR_MEMORY;
    for (unsigned r = 0; r < srec_j2k_resolutions(f->width, f->height); r++)
        for (unsigned c = 0; c < f->channels; c++)
            add_resolution(out, f, r, (uint8_t)c);
    return SREC_OK;
}

void srec_j2k_blocks_free(srec_j2k_blocks *b)
{
    free(b->blocks);
    free(b->parts);
    free(b->end);
    *b = (srec_j2k_blocks){ 0 };
}

/* ---- packet headers ---------------------------------------------------------------------------------------------- */

/* Bits of a packet header, highest first; a byte after 0xff has 7. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    unsigned byte;
    unsigned left; /* bits of it */
    bool ended;
} reader;

static unsigned read_bit(reader *r)
{
    if (!r->left) {
        r->left = r->byte == 0xff ? 7 : 8;
        r->ended = r->ended || r->at == r->end;
        r->byte = r->ended ? 0 : *r->at++;
    }
    return r->byte >> --r->left & 1;
}

static unsigned read_bits(reader *r, unsigned n)
{
    unsigned value = 0;
    for (; n; n--)
        value = value << 1 | read_bit(r);
    return value;
}

/* Is the value of a leaf below \p limit? \param root NULL if the leaf is the whole tree */
static bool read_tree(reader *r, srec_j2k_node *root, srec_j2k_node *leaf, unsigned limit)
{
    srec_j2k_node *const path[] = { root, leaf };
    uint8_t low = 0;
    for (unsigned i = root ? 0 : 1; i < 2; i++) {
        srec_j2k_node *n = path[i];
        n->low = low > n->low ? low : n->low;
        while (n->low < limit && n->low < n->value && !r->ended)
            if (read_bit(r))
                n->value = n->low;
            else
                n->low++;
        low = n->low;
    }
    return leaf->value < limit;
}

/* Number of coding passes, Table B.4. */
static unsigned read_passes(reader *r)
{
    if (!read_bit(r))
        return 1;
    if (!read_bit(r))
        return 2;
    unsigned n = read_bits(r, 2);
    if (n < 3)
        return 3 + n;
    n = read_bits(r, 5);
    return n < 31 ? 6 + n : 37 + read_bits(r, 7);
}

static void read_length(reader *r, srec_j2k_block *b, unsigned passes)
{
    while (!r->ended && b->length_bits < 32 && read_bit(r))
        b->length_bits++;
    unsigned n = b->length_bits;
    for (; passes > 1; passes /= 2)
        n++;
    while (n--)
        read_bit(r);
}

/* What the packet of a quality layer holds of one block. \return false if no encoder writes it */
static bool read_block(reader *r, srec_j2k_part *p, srec_j2k_block *b, unsigned quality_layer)
{
    const bool tree = p->count > 1;
    if (b->passes ? !read_bit(r) : !read_tree(r, tree ? &p->inclusion : NULL, &b->inclusion, quality_layer + 1))
        return true;
    if (!b->passes) {
        unsigned limit = 1;
        while (limit <= PLANES_MAX && !read_tree(r, tree ? &p->zero_planes : NULL, &b->zero_planes, limit))
            limit++;
        if (limit > p->planes)
            return false;
        b->planes = (uint8_t)(p->planes - b->zero_planes.value);
    }
    const unsigned passes = read_passes(r);
    if (b->passes + passes > PASSES_MAX || b->passes + passes > 3u * b->planes - 2)
        return false;
    b->passes = (uint8_t)(b->passes + passes);
    read_length(r, b, passes);
    return true;
}

srec_status srec_j2k_blocks_read(srec_j2k_blocks *b, size_t packet, const uint8_t *bytes, size_t n_bytes)
{
    const size_t i = packet % b->n_packets;
    reader r = { .at = bytes, .end = bytes + n_bytes };
    if (!read_bit(&r))
        return r.ended ? SREC_ERR_FORMAT : SREC_OK;
    for (size_t k = i ? b->end[i - 1] : 0; k < b->end[i]; k++) {
        srec_j2k_part *p = &b->parts[k];
        for (unsigned n = 0; n < p->count; n++)
            if (!read_block(&r, p, &b->blocks[p->first + n], (unsigned)(packet / b->n_packets)))
                return SREC_ERR_FORMAT;
    }
    return r.ended ? SREC_ERR_FORMAT : SREC_OK;
}
