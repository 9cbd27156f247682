/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Pieces back to units. */
#include "layers_internal.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

/* Part of a unit. */
typedef struct {
    uint32_t unit;
    uint32_t offset;
    const uint8_t *bytes;
    uint32_t n_bytes;
    bool last;
} fragment;

typedef struct {
    fragment *items;
    size_t n;
    size_t room;
} fragments;

srec_status srec_layers_units_create(const srec_layers_format *f, srec_layers_units *out)
{
    const srec_j2k_format j2k = srec_layers_j2k(f);
    *out = (srec_layers_units){ .per_quality_layer = srec_j2k_packets(&j2k, SREC_J2K_RESOLUTIONS_MAX) };
    out->n = j2k.n_layers * out->per_quality_layer;
    out->packets = calloc(out->n, sizeof *out->packets);
    return out->packets ? SREC_OK : SREC_ERR_MEMORY;
}

void srec_layers_units_free(srec_layers_units *u)
{
    for (size_t i = 0; i < u->n_joined; i++)
        free(u->joined[i]);
    free(u->joined);
    free(u->packets);
    *u = (srec_layers_units){ 0 };
}

static bool keep(fragments *f, const fragment *item)
{
    if (f->n == f->room) {
        const size_t room = f->room ? 2 * f->room : 16;
        fragment *larger = realloc(f->items, room * sizeof *larger);
        if (!larger)
            return false;
        f->items = larger;
        f->room = room;
    }
    f->items[f->n++] = *item;
    return true;
}

/* Behind the copies of a piece; NULL if they do not fit it. \param u to add the missing ones of them to, or NULL */
static const uint8_t *read_copies(srec_layers_units *u, const uint8_t *at, const uint8_t *end)
{
    if (end - at < (ptrdiff_t)SREC_LAYERS_COPY_HEAD)
        return NULL;
    const size_t count = (size_t)get_le(at, 2);
    const size_t first = (size_t)get_le(at + 2, 3);
    const uint8_t *lengths = at + SREC_LAYERS_COPY_HEAD;
    const uint8_t *bytes = lengths;
    uint32_t length;
    for (size_t i = 0; i < count; i++)
        if (!(bytes = srec_layers_get_length(bytes, end, &length)))
            return NULL;
    for (size_t i = 0; i < count; i++) {
        lengths = srec_layers_get_length(lengths, end, &length);
        if (length > end - bytes)
            return NULL;
        if (u && first + i < u->per_quality_layer && !u->packets[first + i].bytes && length)
            u->packets[first + i] = (srec_j2k_packet){ bytes, length };
        bytes += length;
    }
    return bytes;
}

/* Units of unknown length: they are used together. */
static void read_run(srec_layers_units *u, const srec_layers_content *c, const uint8_t *at, const uint8_t *end)
{
    if (!c->count || at == end || c->first + c->count > u->per_quality_layer)
        return;
    for (uint32_t i = 0; i < c->count; i++)
        u->packets[c->first + i] = (srec_j2k_packet){ at, i ? 0 : (size_t)(end - at) };
}

static srec_status read_listed(srec_layers_units *u, const srec_layers_content *c, const uint8_t *at,
                               const uint8_t *end, fragments *f)
{
    uint32_t length;
    const uint8_t *lengths = at;
    const uint8_t *bytes = at;
    for (uint32_t i = 0; i < c->count; i++)
        if (!(bytes = srec_layers_get_length(bytes, end, &length)))
            return SREC_OK;
    for (uint32_t i = 0; i < c->count && c->first + i < u->n; i++) {
        lengths = srec_layers_get_length(lengths, end, &length);
        if (length > end - bytes)
            return SREC_OK;
        const fragment part = { .unit = c->first + i,
                                .offset = i ? 0 : c->offset,
                                .bytes = bytes,
                                .n_bytes = length,
                                .last = i + 1 < c->count || !c->open };
        if (!part.offset && part.last && length)
            u->packets[part.unit] = (srec_j2k_packet){ bytes, length };
        else if (length && !keep(f, &part))
            return SREC_ERR_MEMORY;
        bytes += length;
    }
    return SREC_OK;
}

static srec_status read_piece(srec_layers_units *u, const srec_layer_piece *piece, fragments *f)
{
    srec_layers_content c;
    if (!piece->bytes || !srec_layers_get_content(piece->description, &c) || c.n_bytes > piece->n_bytes)
        return SREC_OK;
    const uint8_t *at = piece->bytes + 1;
    const uint8_t *end = piece->bytes + c.n_bytes;
    if (c.copies)
        at = read_copies(NULL, at, end);
    if (!at)
        return SREC_OK;
    if (c.listed)
        return read_listed(u, &c, at, end, f);
    read_run(u, &c, at, end);
    return SREC_OK;
}

/* Fragments first .. end - 1 make up a unit. */
static srec_status join(srec_layers_units *u, const fragment *first, const fragment *end)
{
    size_t total = 0;
    for (const fragment *f = first; f < end; f++)
        total += f->n_bytes;
    uint8_t **joined = realloc(u->joined, (u->n_joined + 1) * sizeof *joined);
    if (!joined)
        return SREC_ERR_MEMORY;
    u->joined = joined;
    uint8_t *bytes = malloc(total ? total : 1);
    if (!bytes)
        return SREC_ERR_MEMORY;
    u->joined[u->n_joined++] = bytes;
    u->packets[first->unit] = (srec_j2k_packet){ bytes, total };
    for (const fragment *f = first; f < end; f++) {
        memcpy(bytes, f->bytes, f->n_bytes);
        bytes += f->n_bytes;
    }
    return SREC_OK;
}

/* Units with all fragments, one behind the other. */
static srec_status join_all(srec_layers_units *u, const fragments *f)
{
    srec_status status = SREC_OK;
    for (size_t i = 0; i < f->n && status == SREC_OK; i++) {
        if (f->items[i].offset)
            continue;
        size_t end = i;
        uint64_t bytes = 0;
        while (end < f->n && f->items[end].unit == f->items[i].unit && f->items[end].offset == bytes) {
            bytes += f->items[end].n_bytes;
            if (f->items[end++].last) {
                status = join(u, f->items + i, f->items + end);
                break;
            }
        }
    }
    return status;
}

srec_status srec_layers_assemble(srec_layers_units *u, const srec_layer_piece *pieces, size_t n_pieces)
{
    fragments f = { 0 };
    srec_status status = SREC_OK;
    for (size_t i = 0; i < n_pieces && status == SREC_OK; i++)
        status = read_piece(u, &pieces[i], &f);
    if (status == SREC_OK)
        status = join_all(u, &f);
    free(f.items);
    srec_layers_content c;
    for (size_t i = 0; i < n_pieces; i++)
        if (pieces[i].bytes && srec_layers_get_content(pieces[i].description, &c) && c.copies &&
            c.n_bytes <= pieces[i].n_bytes)
            read_copies(u, pieces[i].bytes + 1, pieces[i].bytes + c.n_bytes);
    return status;
}
