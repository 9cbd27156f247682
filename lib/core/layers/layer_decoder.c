/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Pieces to image. */
#include "layers_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The pieces of one layer. */
typedef struct {
    uint32_t n_data; /* 0: none came yet */
    uint32_t n_parity;
    srec_layer_piece *pieces; /* (n_data + n_parity) missing ones have no bytes */
} layer;

struct srec_layer_decoder {
    srec_layers_format format;
    unsigned threads;
    size_t n_bytes;
    layer layers[SREC_LAYERS_MAX];
};

/* A layer's data pieces, restored ones included, while an image is decoded. */
typedef struct {
    srec_layer_piece *pieces; /* (n_data + n_parity) */
    uint8_t *restored;        /* rows of description and bytes */
} gathered;

srec_status srec_layer_decoder_create(const srec_layers_format *f, unsigned threads, srec_layer_decoder **out,
                                      srec_error *error)
{
    if (out)
        *out = NULL;
    if (!out || !srec_layers_format_valid(f))
        return srec_fail(error, SREC_ERR_ARG, "an image of %ux%u pixels and %u channels in %u layers: impossible",
                         f ? f->width : 0, f ? f->height : 0, f ? f->channels : 0, f ? f->n_layers : 0);
    *out = calloc(1, sizeof **out);
    if (!*out)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    (*out)->format = *f;
    (*out)->threads = threads;
    return SREC_OK;
}

void srec_layer_decoder_free(srec_layer_decoder *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < SREC_LAYERS_MAX; i++) {
        for (uint32_t k = 0; d->layers[i].pieces && k < d->layers[i].n_data + d->layers[i].n_parity; k++)
            free((void *)(uintptr_t)d->layers[i].pieces[k].bytes);
        free(d->layers[i].pieces);
    }
    free(d);
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static bool piece_possible(const srec_layer_decoder *d, const srec_layer_piece *p)
{
    const uint64_t all = (uint64_t)p->n_data + p->n_parity;
    return p->layer < d->format.n_layers && p->n_data >= 1 && all <= SREC_LAYERS_PIECES_MAX && p->index < all &&
           p->n_bytes >= 1 && p->n_bytes <= SREC_LAYERS_PIECE_BYTES_MAX;
}

/* The number of bytes in the description of a data piece is its own; parity pieces are all of one length. */
static bool piece_fits(const layer *l, const srec_layer_piece *p)
{
    srec_layers_content c;
    if (l->n_data && (l->n_data != p->n_data || l->n_parity != p->n_parity))
        return false;
    if (p->index < p->n_data)
        return srec_layers_get_content(p->description, &c) && c.n_bytes == p->n_bytes;
    for (uint32_t i = l->n_data; i < l->n_data + l->n_parity; i++)
        if (l->pieces[i].bytes && l->pieces[i].n_bytes != p->n_bytes)
            return false;
    return true;
}

srec_status srec_layer_decoder_add(srec_layer_decoder *d, const srec_layer_piece *piece, srec_error *error)
{
    if (!d || !piece || !piece->bytes)
        return srec_fail(error, SREC_ERR_ARG, "no decoder or no piece");
    if (!piece_possible(d, piece) || !piece_fits(&d->layers[piece->layer], piece))
        return srec_fail(error, SREC_ERR_FORMAT, "piece %u of %u and %u in layer %u: contradicts the others",
                         piece->index, piece->n_data, piece->n_parity, piece->layer + 1);
    layer *l = &d->layers[piece->layer];
    if (!l->n_data) {
        l->pieces = calloc((size_t)piece->n_data + piece->n_parity, sizeof *l->pieces);
        if (!l->pieces)
            return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
        l->n_data = piece->n_data;
        l->n_parity = piece->n_parity;
    }
    if (l->pieces[piece->index].bytes)
        return SREC_OK;
    uint8_t *bytes = malloc(piece->n_bytes);
    if (!bytes)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    memcpy(bytes, piece->bytes, piece->n_bytes);
    l->pieces[piece->index] = *piece;
    l->pieces[piece->index].bytes = bytes;
    d->n_bytes += piece->n_bytes;
    return SREC_OK;
}

size_t srec_layer_decoder_bytes(const srec_layer_decoder *d) { return d ? d->n_bytes : 0; }

/* ---- what is there ----------------------------------------------------------------------------------------------- */

/* Data pieces that are there; \p restorable more can be restored. */
static uint32_t count_data(const layer *l, uint32_t *restorable)
{
    uint32_t n = 0;
    *restorable = 0;
    for (uint32_t i = 0; i < l->n_data; i++)
        n += l->pieces[i].bytes != NULL;
    if (n == l->n_data || !l->n_parity)
        return n;
    bool *there = malloc((l->n_data + l->n_parity) * sizeof *there);
    if (!there)
        return n;
    for (uint32_t i = 0; i < l->n_data + l->n_parity; i++)
        there[i] = l->pieces[i].bytes != NULL;
    *restorable = srec_layers_parity_restores(there, l->n_data, l->n_parity);
    free(there);
    return n;
}

int srec_layer_decoder_complete(const srec_layer_decoder *d)
{
    for (unsigned i = 0; i < d->format.n_layers; i++) {
        uint32_t restorable;
        if (!d->layers[i].n_data || count_data(&d->layers[i], &restorable) + restorable < d->layers[i].n_data)
            return 0;
    }
    return 1;
}

/* ---- parity ------------------------------------------------------------------------------------------------------ */

/* Bytes of a parity piece; 0 if there is none, or a data piece is longer. */
static size_t parity_bytes(const layer *l)
{
    size_t n = 0;
    for (uint32_t i = l->n_data; i < l->n_data + l->n_parity && !n; i++)
        n = l->pieces[i].bytes ? l->pieces[i].n_bytes : 0;
    for (uint32_t i = 0; i < l->n_data; i++)
        if (l->pieces[i].bytes && l->pieces[i].n_bytes > n)
            return 0;
    return n;
}

/* Take a restored row for a data piece if it can be one. */
static void take_row(const uint8_t *row, size_t bytes, srec_layer_piece *piece)
{
    srec_layers_content c;
    if (!srec_layers_get_content(row, &c) || c.n_bytes > bytes)
        return;
    memcpy(piece->description, row, SREC_LAYERS_DESCRIPTION_BYTES);
    piece->bytes = row + SREC_LAYERS_DESCRIPTION_BYTES;
    piece->n_bytes = c.n_bytes;
}

static srec_status restore(const layer *l, gathered *g)
{
    const uint32_t n = l->n_data + l->n_parity;
    const size_t bytes = parity_bytes(l);
    const size_t row_bytes = SREC_LAYERS_DESCRIPTION_BYTES + bytes;
    if (!bytes)
        return SREC_OK;
    bool *there = malloc(n * sizeof *there);
    uint8_t **rows = malloc(n * sizeof *rows);
    g->restored = calloc(n, row_bytes);
    srec_status status = there && rows && g->restored ? SREC_OK : SREC_ERR_MEMORY;
    for (uint32_t i = 0; i < n && status == SREC_OK; i++) {
        there[i] = l->pieces[i].bytes != NULL;
        rows[i] = g->restored + i * row_bytes;
        if (there[i]) {
            memcpy(rows[i], l->pieces[i].description, SREC_LAYERS_DESCRIPTION_BYTES);
            memcpy(rows[i] + SREC_LAYERS_DESCRIPTION_BYTES, l->pieces[i].bytes, l->pieces[i].n_bytes);
        }
    }
    if (status == SREC_OK)
        status = srec_layers_parity_restore(rows, there, l->n_data, l->n_parity, row_bytes);
    for (uint32_t i = 0; i < l->n_data && status == SREC_OK; i++)
        if (there[i] && !l->pieces[i].bytes)
            take_row(rows[i], bytes, &g->pieces[i]);
    free(there);
    free(rows);
    return status;
}

static srec_status gather(const layer *l, gathered *g)
{
    uint32_t restorable = 0;
    if (!l->n_data)
        return SREC_OK;
    g->pieces = malloc((l->n_data + l->n_parity) * sizeof *g->pieces);
    if (!g->pieces)
        return SREC_ERR_MEMORY;
    memcpy(g->pieces, l->pieces, (l->n_data + l->n_parity) * sizeof *g->pieces);
    count_data(l, &restorable);
    return restorable ? restore(l, g) : SREC_OK;
}

/* ---- image ------------------------------------------------------------------------------------------------------- */

/* One layer's contribution to the report. \return whether it is complete */
static bool report_layer(const layer *l, const gathered *g, srec_layers_report *r)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < l->n_data + l->n_parity; i++) {
        assert(g->pieces);
        r->pieces_received += l->pieces[i].bytes != NULL;
        r->pieces_recovered += g->pieces[i].bytes && !l->pieces[i].bytes;
        missing += i < l->n_data && !g->pieces[i].bytes;
    }
    r->pieces_missing += missing;
    return l->n_data && !missing;
}

/* The RMS error that the encoder measured, from any data piece. */
static float layer_error(const layer *l, const gathered *g)
{
    for (uint32_t i = 0; i < l->n_data; i++) {
        assert(g->pieces);
        if (g->pieces[i].bytes)
            return srec_layers_error_of_byte(g->pieces[i].bytes[0]);
    }
    return NAN;
}

static void write_report(const srec_layer_decoder *d, const gathered *g, srec_layers_report *r)
{
    bool complete = true;
    *r = (srec_layers_report){ .rms_error = layer_error(&d->layers[0], &g[0]) };
    for (unsigned i = 0; i < d->format.n_layers; i++) {
        complete = report_layer(&d->layers[i], &g[i], r) && complete;
        if (complete) {
            r->layers_complete = i + 1;
            r->rms_error = layer_error(&d->layers[i], &g[i]);
        }
    }
}

static srec_status decode(const srec_layer_decoder *d, gathered *g, srec_image *image, srec_error *error)
{
    const srec_j2k_format j2k = srec_layers_j2k(&d->format);
    srec_layers_units units;
    srec_status status = srec_layers_units_create(&d->format, &units);
    for (unsigned i = 0; i < d->format.n_layers && status == SREC_OK; i++)
        status = gather(&d->layers[i], &g[i]);
    for (unsigned i = 0; i < d->format.n_layers && status == SREC_OK; i++)
        status = srec_layers_assemble(&units, g[i].pieces, d->layers[i].n_data);
    if (status != SREC_OK)
        srec_fail(error, status, "out of memory");
    else
        status = srec_j2k_decode(&j2k, units.packets, d->threads, image, error);
    srec_layers_units_free(&units);
    return status;
}

srec_status srec_layer_decoder_run(srec_layer_decoder *d, srec_image *image, srec_layers_report *report,
                                   srec_error *error)
{
    if (!d || !image || !image->data || image->width != d->format.width || image->height != d->format.height ||
        image->channels != d->format.channels || image->stride < (size_t)image->width * image->channels)
        return srec_fail(error, SREC_ERR_ARG, "no image of the format");
    gathered g[SREC_LAYERS_MAX] = { 0 };
    const srec_status status = decode(d, g, image, error);
    if (status == SREC_OK && report)
        write_report(d, g, report);
    for (unsigned i = 0; i < d->format.n_layers; i++) {
        free(g[i].pieces);
        free(g[i].restored);
    }
    return status;
}
