/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Rate control: how many units a layer carries, and how they are divided among its pieces. Parity pieces are as long
 *  as the longest data piece, so that the best division is the one whose longest piece is shortest. */
#include "layers_internal.h"

#include <stdlib.h>
#include <string.h>

#define ERROR_BYTE  1u
#define REST_LEAST  0.99 /* of a budget: what is left is not worth the time */
#define REST_TRIES  32u
#define PART_EXTRAS 4u /* bytes beside a part that is alone in a piece: RMS error and length */

/* A piece that is being filled. */
typedef struct {
    size_t units; /* bytes */
    size_t lengths;
    size_t copies;
    size_t copy_lengths;
    bool listed;
    const srec_layers_part *last;
    uint32_t last_bytes; /* of it and of the parts of its unit before it in this piece */
} load;

static size_t load_bytes(const load *l)
{
    return ERROR_BYTE + l->units + (l->listed ? l->lengths : 0) +
           (l->copies ? SREC_LAYERS_COPY_HEAD + l->copy_lengths + l->copies : 0);
}

bool srec_layers_continues(const srec_layers_part *p, const srec_layers_part *before)
{
    return p->offset && !p->copy && !before->copy && p->unit == before->unit &&
           p->offset == before->offset + before->size;
}

static load load_add(load l, const srec_layers_source *s, const srec_layers_part *p)
{
    if (p->copy) {
        l.copies += p->size;
        l.copy_lengths += srec_layers_length_bytes(p->size);
        return l;
    }
    if (l.last && srec_layers_continues(p, l.last)) {
        l.lengths -= srec_layers_length_bytes(l.last_bytes);
        l.last_bytes += p->size;
    } else {
        l.last_bytes = p->size;
    }
    l.last = p;
    l.lengths += srec_layers_length_bytes(l.last_bytes);
    l.units += p->size;
    l.listed = l.listed || p->unit >= s->per_quality_layer || p->offset || !p->last;
    return l;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* \param c units that it leaves out are empty; NULL: all units */
static uint32_t unit_bytes(const srec_layers_source *s, const srec_layers_cut *c, size_t unit)
{
    if (c && c->left_out[unit])
        return 0;
    return (uint32_t)(s->stream->offset[unit + 1] - s->stream->offset[unit]);
}

/* What is longer is cut: it does not fit a piece, or makes all parity pieces longer than a mean piece. */
static size_t part_bytes_max(const srec_layer_budget *b)
{
    const size_t longest = b->piece_bytes_max - PART_EXTRAS;
    const size_t mean = b->bytes / (b->n_data + b->n_parity) + 1;
    return b->n_parity && mean < longest ? mean : longest;
}

/* Parts into which a unit is cut: equal ones, as few as possible. */
static size_t parts_of(uint32_t unit_bytes, size_t part_bytes_max)
{
    const size_t n = (unit_bytes + part_bytes_max - 1) / part_bytes_max;
    return n ? n : 1;
}

static size_t count_parts(const srec_layers_source *s, size_t first, size_t end, size_t part_bytes_max)
{
    size_t n = s->per_quality_layer;
    for (size_t unit = first; unit < end; unit++)
        n += parts_of(unit_bytes(s, NULL, unit), part_bytes_max);
    return n;
}

static size_t add_unit(uint32_t unit, uint32_t bytes, size_t part_bytes_max, srec_layers_part *out)
{
    const size_t n = parts_of(bytes, part_bytes_max);
    for (size_t i = 0; i < n; i++) {
        const size_t from = (size_t)bytes * i / n;
        const size_t to = (size_t)bytes * (i + 1) / n;
        out[i] = (srec_layers_part){ unit, (uint32_t)from, (uint32_t)(to - from), i + 1 == n, false };
    }
    return n;
}

/* Units first .. end - 1 into c->parts, then the copies of the first ones as long as they fit a piece. */
static size_t list_parts(const srec_layers_source *s, uint32_t first, uint32_t end, size_t part_bytes_max,
                         srec_layers_cut *c)
{
    size_t n = 0;
    for (uint32_t unit = first; unit < end; unit++)
        n += add_unit(unit, unit_bytes(s, c, unit), part_bytes_max, c->parts + n);
    for (uint32_t unit = 0; !first && unit < s->per_quality_layer && unit < end; unit++) {
        const uint32_t bytes = unit_bytes(s, c, unit);
        if (bytes + SREC_LAYERS_COPY_HEAD > part_bytes_max)
            break;
        c->parts[n++] = (srec_layers_part){ unit, 0, bytes, true, true };
    }
    return n;
}

/* ---- division ---------------------------------------------------------------------------------------------------- */

/* Fill pieces one after the other. \param runs (most), may be NULL \return pieces; most + 1 if that does not suffice */
static uint32_t divide(const srec_layers_source *s, const srec_layers_cut *c, size_t piece_bytes, uint32_t most,
                       srec_layers_run *runs)
{
    uint32_t n = 0;
    size_t at = 0;
    do {
        load l = { 0 };
        const size_t first = at;
        for (; at < c->n_parts; at++) {
            const load more = load_add(l, s, &c->parts[at]);
            if (load_bytes(&more) > piece_bytes)
                break;
            l = more;
        }
        if (n == most || (at == first && c->n_parts))
            return most + 1;
        if (runs)
            runs[n] = (srec_layers_run){ first, at - first, l.listed, load_bytes(&l) };
        n++;
    } while (at < c->n_parts);
    return n;
}

/* The shortest piece length with which \p most pieces suffice; 0 if not even the longest one does. */
static size_t shortest_piece(const srec_layers_source *s, const srec_layers_cut *c, uint32_t most, size_t longest)
{
    size_t low = 0;
    size_t high = longest;
    if (divide(s, c, longest, most, NULL) > most)
        return 0;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (divide(s, c, middle, most, NULL) > most)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static void measure(const srec_layer_budget *b, srec_layers_cut *c)
{
    const uint64_t parity = (uint64_t)b->n_parity * c->n_runs;
    c->n_parity = (uint32_t)((parity + b->n_data - 1) / b->n_data);
    c->piece_bytes = 0;
    c->n_bytes = 0;
    for (uint32_t i = 0; i < c->n_runs; i++) {
        c->n_bytes += c->runs[i].n_bytes;
        if (c->runs[i].n_bytes > c->piece_bytes)
            c->piece_bytes = c->runs[i].n_bytes;
    }
    c->n_bytes += c->n_parity * c->piece_bytes;
}

/* Divide units first .. end - 1 among at most \p most pieces. \return false if the budget does not suffice */
static bool try_cut(const srec_layers_source *s, uint32_t first, uint32_t end, const srec_layer_budget *b,
                    uint32_t most, srec_layers_cut *c)
{
    c->end = end;
    c->n_parts = list_parts(s, first, end, part_bytes_max(b), c);
    if (most == 1) /* a copy would be in the same piece */
        while (c->n_parts && c->parts[c->n_parts - 1].copy)
            c->n_parts--;
    const size_t piece_bytes = shortest_piece(s, c, most, b->piece_bytes_max);
    if (!piece_bytes)
        return false;
    c->n_runs = divide(s, c, piece_bytes, most, c->runs);
    measure(b, c);
    return c->n_bytes <= b->bytes;
}

/* A layer that has less to send than it may needs fewer pieces. */
static uint32_t pieces_needed(const srec_layer_budget *b, const srec_layers_cut *c)
{
    const size_t data = c->n_bytes - c->n_parity * c->piece_bytes;
    const size_t each = b->bytes / (b->n_data + b->n_parity);
    const size_t n = each ? (data + each - 1) / each : 1;
    return n < 1 ? 1 : n < b->n_data ? (uint32_t)n : b->n_data;
}

void srec_layers_cut_free(srec_layers_cut *c)
{
    free(c->parts);
    free(c->runs);
    free(c->left_out);
    *c = (srec_layers_cut){ 0 };
}

/* Fill the rest of a budget with units behind the end. */
static void fill_rest(const srec_layers_source *s, uint32_t first, const srec_layer_budget *b, srec_layers_cut *c)
{
    const uint32_t all = (uint32_t)s->stream->n_packets;
    uint32_t end = c->end;
    size_t n_bytes = c->n_bytes;
    unsigned tries = REST_TRIES;
    if (end < all - s->per_quality_layer || (double)c->n_bytes >= REST_LEAST * (double)b->bytes)
        return;
    for (uint32_t unit = end; unit < all && tries; unit++) {
        const uint32_t bytes = unit_bytes(s, c, unit);
        const bool hopeless = n_bytes + bytes + (unit - end) >= b->bytes; /* units between take a byte each */
        if (!hopeless && tries-- && try_cut(s, first, unit + 1, b, b->n_data, c)) {
            end = unit + 1;
            n_bytes = c->n_bytes;
        } else {
            c->left_out[unit] = true;
        }
    }
    try_cut(s, first, end, b, b->n_data, c);
    for (uint32_t unit = first; unit < end; unit++)
        c->left_bytes += c->left_out[unit] ? unit_bytes(s, NULL, unit) : 0;
}

srec_status srec_layers_choose_cut(const srec_layers_source *s, uint32_t first, const srec_layer_budget *b,
                                   srec_layers_cut *out)
{
    const uint32_t all = (uint32_t)s->stream->n_packets;
    *out = (srec_layers_cut){ 0 };
    out->parts = calloc(count_parts(s, first, all, part_bytes_max(b)) + 1, sizeof *out->parts);
    out->runs = calloc(b->n_data, sizeof *out->runs);
    out->left_out = calloc(all, sizeof *out->left_out);
    if (!out->parts || !out->runs || !out->left_out) {
        srec_layers_cut_free(out);
        return SREC_ERR_MEMORY;
    }
    uint32_t fits = first; /* nothing always fits */
    uint32_t too_much = all + 1;
    while (too_much - fits > 1) {
        const uint32_t middle = fits + (too_much - fits) / 2;
        if (try_cut(s, first, middle, b, b->n_data, out))
            fits = middle;
        else
            too_much = middle;
    }
    try_cut(s, first, fits, b, b->n_data, out);
    const uint32_t needed = pieces_needed(b, out);
    if (fits == all && needed < b->n_data && !try_cut(s, first, fits, b, needed, out))
        try_cut(s, first, fits, b, b->n_data, out);
    if (fits < all && s->last)
        fill_rest(s, first, b, out);
    return SREC_OK;
}
