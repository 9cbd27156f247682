/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Image to pieces. */
#include "layers_internal.h"

#include "bytes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES_LEAST 64u
#define FILLED            0.98 /* of a budget */
#define TRIES_MAX         4u
#define EXHAUSTED         0.9 /* of what OpenJPEG is asked for: it has no more */
/* Where a layer was left empty for want of units: its next target grows by these. */
#define LEAST_CARRIED     16.0 /* bytes */
#define LEAST_FILLED      0.25

/* The quality layers that OpenJPEG is asked for, relative to what the layers can carry: units are left out of the part
 * between the two. The part is wide enough for OpenJPEG's deviations and those of the guess. */
#define QUALITY_TARGET 0.95
#define LAST_TARGET    1.05
#define BASE_SHARE     0.03
#define BASE_SHARE_MAX 0.1
#define BASE_DENSITY   0.001 /* bytes a pixel */
#define BASE_PER_UNIT  1.0
/* Means over photographs, for the guess: longest data piece to mean, bytes of a length. */
#define LONGEST_PIECE  1.2
#define LENGTH_BYTES   1.2

struct srec_layer_encoder {
    unsigned threads;
    srec_layers_format last;                  /* of the image before; 0x0: none */
    double carried_to_guess[SREC_LAYERS_MAX]; /* of that image */
    srec_layer_piece *pieces;
    uint8_t *rows[SREC_LAYERS_MAX]; /* of each layer: description and bytes of each piece, all of one length */
};

/* One image on its way. */
typedef struct {
    const srec_image *image;
    const srec_layer_budget *budgets;
    srec_layers_format format;
    srec_j2k_format j2k;
    size_t per_quality_layer;
    double guess[SREC_LAYERS_MAX];        /* JPEG 2000 bytes that the layers up to each can carry */
    double stream_bytes[SREC_LAYERS_MAX]; /* the same, as far as it is known after the last try */
    size_t asked;                         /* bytes, of OpenJPEG in the last try */
    srec_j2k_stream stream;
    srec_layers_cut cuts[SREC_LAYERS_MAX];
    uint8_t error_bytes[SREC_LAYERS_MAX];
} job;

/* What one try gave. */
typedef struct {
    srec_j2k_stream stream;
    srec_layers_cut cuts[SREC_LAYERS_MAX];
} result;

srec_status srec_layer_encoder_create(unsigned threads, srec_layer_encoder **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "no place for the encoder");
    *out = calloc(1, sizeof **out);
    if (!*out)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    (*out)->threads = threads;
    return SREC_OK;
}

static void forget_pieces(srec_layer_encoder *e)
{
    free(e->pieces);
    e->pieces = NULL;
    for (unsigned i = 0; i < SREC_LAYERS_MAX; i++) {
        free(e->rows[i]);
        e->rows[i] = NULL;
    }
}

void srec_layer_encoder_free(srec_layer_encoder *e)
{
    if (!e)
        return;
    forget_pieces(e);
    free(e);
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

size_t srec_layers_least_bytes(const srec_layers_format *f, uint32_t n_data, uint32_t n_parity)
{
    if (!srec_layers_format_valid(f) || !n_data)
        return 0;
    const srec_j2k_format j2k = srec_layers_j2k(f);
    const size_t data = 64 + 5 * srec_j2k_packets(&j2k, SREC_J2K_RESOLUTIONS_MAX);
    return data + n_data + n_parity * (data / n_data + 64);
}

/* Bytes of the first quality layer, which is sent twice: enough for a coarse image. Without parity packets in the first
 * layer it is as small as possible. */
static double base_bytes(const job *j)
{
    const double share = j->budgets[0].n_parity ? BASE_SHARE : 0;
    const double pixels = (double)j->format.width * j->format.height;
    const double least = BASE_DENSITY * pixels + BASE_PER_UNIT * (double)j->per_quality_layer;
    const double budget = (double)j->budgets[0].bytes;
    return fmin(fmax(share * budget, least), BASE_SHARE_MAX * budget);
}

/* Guess how many JPEG 2000 bytes the layers can carry. */
static void guess_stream_bytes(job *j)
{
    double sum = 0;
    for (unsigned i = 0; i < j->format.n_layers; i++) {
        const srec_layer_budget *b = &j->budgets[i];
        const double pieces = (double)b->n_data + b->n_parity;
        const double all = ((double)b->bytes - pieces) * b->n_data / (b->n_data + LONGEST_PIECE * b->n_parity);
        const double beside = LENGTH_BYTES * (double)j->per_quality_layer + (i || b->n_data == 1 ? 0 : base_bytes(j));
        sum += all - beside > all / 2 ? all - beside : all / 2;
        j->stream_bytes[i] = j->guess[i] = sum;
    }
}

static bool same_format(const srec_layers_format *a, const srec_layers_format *b)
{
    return a->width == b->width && a->height == b->height && a->channels == b->channels && a->n_layers == b->n_layers;
}

/* Images of a video resemble each other: what the last one could carry corrects the guess for the next one. */
static void apply_experience(const srec_layer_encoder *e, job *j)
{
    for (unsigned i = 0; same_format(&e->last, &j->format) && i < j->format.n_layers; i++)
        j->stream_bytes[i] = e->carried_to_guess[i] * j->guess[i];
}

static void gain_experience(srec_layer_encoder *e, const job *j)
{
    e->last = j->format;
    for (unsigned i = 0; i < j->format.n_layers; i++)
        e->carried_to_guess[i] = j->stream_bytes[i] / j->guess[i];
}

static void list_targets(const job *j, size_t *layer_bytes)
{
    const unsigned n = j->format.n_layers;
    layer_bytes[0] = (size_t)fmax(base_bytes(j), 1);
    for (unsigned i = 1; i < n + 2; i++) {
        const double wanted =
            i <= n ? QUALITY_TARGET * j->stream_bytes[i - 1] : LAST_TARGET * j->stream_bytes[n - 1] + 8;
        const size_t least = layer_bytes[i - 1] + 1;
        layer_bytes[i] = wanted > (double)least ? (size_t)wanted : least;
    }
}

/* ---- cutting ----------------------------------------------------------------------------------------------------- */

static void forget_cuts(srec_layers_cut cuts[SREC_LAYERS_MAX])
{
    for (unsigned i = 0; i < SREC_LAYERS_MAX; i++)
        srec_layers_cut_free(&cuts[i]);
}

static double byte_cost(const job *j, unsigned layer)
{
    return j->budgets[layer].byte_cost > 0 ? j->budgets[layer].byte_cost : 1;
}

static srec_status cut_layers(job *j, srec_error *error)
{
    srec_layers_source source = { .stream = &j->stream, .per_quality_layer = j->per_quality_layer };
    uint32_t first = 0;
    double left = 0; /* cost that the layers before did not use */
    for (unsigned i = 0; i < j->format.n_layers; i++) {
        srec_layer_budget b = j->budgets[i];
        b.bytes += (size_t)(left / byte_cost(j, i));
        source.last = i + 1 == j->format.n_layers;
        const srec_status status = srec_layers_choose_cut(&source, first, &b, &j->cuts[i]);
        if (status != SREC_OK)
            return srec_fail(error, status, "out of memory");
        first = j->cuts[i].end;
        left += ((double)j->budgets[i].bytes - (double)j->cuts[i].n_bytes) * byte_cost(j, i);
    }
    return SREC_OK;
}

/* The part of all budgets that is used. */
static double fill_of(const job *j)
{
    double used = 0;
    double all = 0;
    for (unsigned i = 0; i < j->format.n_layers; i++) {
        used += (double)j->cuts[i].n_bytes * byte_cost(j, i);
        all += (double)j->budgets[i].bytes * byte_cost(j, i);
    }
    return used / all;
}

/* Were the targets right? The budgets must be filled, and the last layer end within the last quality layer. If not,
 * better targets are noted: what each layer carried, or what would have filled it. */
static bool improve_targets(job *j)
{
    const double fill = fill_of(j);
    double before = 0;
    double sum = 0;
    for (unsigned i = 0; i < j->format.n_layers; i++) {
        const srec_layers_cut *c = &j->cuts[i];
        const double carried = (double)(j->stream.offset[c->end] - c->left_bytes) - before;
        const double filled = (double)c->n_bytes / (double)j->budgets[i].bytes;
        before += carried;
        sum += c->end == j->stream.n_packets && !c->left_bytes && fill < FILLED
                   ? fmax(carried, LEAST_CARRIED) / fmax(filled, LEAST_FILLED)
                   : carried;
        j->stream_bytes[i] = sum;
    }
    const uint32_t end = j->cuts[j->format.n_layers - 1].end;
    if (end == j->stream.n_packets && (double)j->stream.offset[end] < EXHAUSTED * (double)j->asked)
        return true; /* nothing is left to send */
    return fill >= FILLED && end >= (j->format.n_layers + 1) * j->per_quality_layer;
}

static void swap_result(job *j, result *r)
{
    const result other = *r;
    r->stream = j->stream;
    memcpy(r->cuts, j->cuts, sizeof r->cuts);
    j->stream = other.stream;
    memcpy(j->cuts, other.cuts, sizeof j->cuts);
}

static srec_status try_targets(const srec_layer_encoder *e, job *j, srec_error *error)
{
    size_t layer_bytes[SREC_J2K_LAYERS_MAX];
    list_targets(j, layer_bytes);
    j->asked = layer_bytes[j->format.n_layers + 1];
    forget_cuts(j->cuts);
    srec_j2k_stream_free(&j->stream);
    const srec_status status = srec_j2k_encode(j->image, &j->j2k, layer_bytes, e->threads, &j->stream, error);
    return status == SREC_OK ? cut_layers(j, error) : status;
}

/* Try until the targets were right, and take the try that filled the budgets best. */
static srec_status encode_and_cut(srec_layer_encoder *e, job *j, srec_error *error)
{
    guess_stream_bytes(j);
    apply_experience(e, j);
    result best = { 0 };
    double best_fill = 0;
    bool right = false;
    srec_status status = SREC_OK;
    for (unsigned tries = 0; tries < TRIES_MAX && status == SREC_OK && !right; tries++) {
        status = try_targets(e, j, error);
        if (status != SREC_OK)
            break;
        const double fill = fill_of(j);
        double used[SREC_LAYERS_MAX];
        memcpy(used, j->stream_bytes, sizeof used);
        right = improve_targets(j);
        for (unsigned i = 0; tries && i < j->format.n_layers; i++) /* small images jump from too little to too much */
            j->stream_bytes[i] = (j->stream_bytes[i] + used[i]) / 2;
        if (right || fill > best_fill) {
            best_fill = fill;
            swap_result(j, &best);
        }
    }
    swap_result(j, &best);
    forget_cuts(best.cuts);
    srec_j2k_stream_free(&best.stream);
    if (status == SREC_OK)
        gain_experience(e, j);
    return status;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* Measure the errors of the images that receivers of the layers up to each one have. */
static srec_status measure_errors(job *j, srec_error *error)
{
    uint32_t ends[SREC_LAYERS_MAX];
    double rms[SREC_LAYERS_MAX];
    const unsigned n = j->format.n_layers;
    for (unsigned i = 0; i < n; i++)
        ends[i] = j->cuts[i].end;
    const srec_status status = srec_j2k_errors(j->image, &j->stream, j->cuts[n - 1].left_out, ends, n, rms);
    for (unsigned i = 0; i < n && status == SREC_OK; i++)
        j->error_bytes[i] = srec_layers_error_to_byte(rms[i]);
    if (status == SREC_OK)
        return status;
    return srec_fail(error, status, status == SREC_ERR_MEMORY ? "out of memory" : "OpenJPEG's packets are unreadable");
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static const uint8_t *part_bytes(const job *j, const srec_layers_part *p)
{
    return j->stream.bytes + j->stream.offset[p->unit] + p->offset;
}

/* Units that the parts belong to. */
static uint32_t count_units(const srec_layers_part *parts, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !i || !srec_layers_continues(&parts[i], &parts[i - 1]);
    return count;
}

/* Lengths of the parts if they are wanted, then their bytes. */
static uint8_t *put_parts(const job *j, const srec_layers_part *parts, size_t n, bool lengths, uint8_t *at)
{
    uint32_t length = 0;
    for (size_t i = 0; lengths && i < n; i++) {
        length += parts[i].size;
        if (i + 1 < n && srec_layers_continues(&parts[i + 1], &parts[i]))
            continue;
        at = srec_layers_put_length(at, length);
        length = 0;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(at, part_bytes(j, &parts[i]), parts[i].size);
        at += parts[i].size;
    }
    return at;
}

/* Description and bytes of a data piece. */
static void write_piece(const job *j, unsigned layer, const srec_layers_run *run, uint8_t *row)
{
    const srec_layers_part *parts = j->cuts[layer].parts + run->first;
    size_t n = run->count;
    while (n && parts[n - 1].copy)
        n--;
    const srec_layers_part *copies = parts + n;
    const size_t n_copies = run->count - n;
    const srec_layers_content content = {
        .first = n ? parts[0].unit : 0,
        .count = count_units(parts, n),
        .offset = n ? parts[0].offset : 0,
        .open = n && !parts[n - 1].last,
        .listed = run->listed,
        .copies = n_copies,
        .n_bytes = (uint32_t)run->n_bytes,
    };
    srec_layers_put_content(&content, row);
    uint8_t *at = row + SREC_LAYERS_DESCRIPTION_BYTES;
    *at++ = j->error_bytes[layer];
    if (n_copies) {
        put_le(at, n_copies, 2);
        put_le(at + 2, copies[0].unit, 3);
        at = put_parts(j, copies, n_copies, true, at + SREC_LAYERS_COPY_HEAD);
    }
    put_parts(j, parts, n, run->listed, at);
}

static srec_status write_layer(srec_layer_encoder *e, const job *j, unsigned layer, srec_layer_piece *pieces)
{
    const srec_layers_cut *c = &j->cuts[layer];
    const uint32_t n = c->n_runs + c->n_parity;
    const size_t row_bytes = SREC_LAYERS_DESCRIPTION_BYTES + c->piece_bytes;
    uint8_t **rows = malloc(n * sizeof *rows);
    e->rows[layer] = calloc(n, row_bytes);
    srec_status status = rows && e->rows[layer] ? SREC_OK : SREC_ERR_MEMORY;
    for (uint32_t i = 0; i < n && status == SREC_OK; i++)
        rows[i] = e->rows[layer] + i * row_bytes;
    for (uint32_t i = 0; i < c->n_runs && status == SREC_OK; i++) {
        assert(i < n);
        write_piece(j, layer, &c->runs[i], rows[i]);
    }
    if (status == SREC_OK && c->n_parity)
        status = srec_layers_parity_encode(rows, c->n_runs, c->n_parity, row_bytes);
    for (uint32_t i = 0; i < n && status == SREC_OK; i++) {
        pieces[i] = (srec_layer_piece){
            .layer = layer,
            .index = i,
            .n_data = c->n_runs,
            .n_parity = c->n_parity,
            .bytes = rows[i] + SREC_LAYERS_DESCRIPTION_BYTES,
            .n_bytes = i < c->n_runs ? c->runs[i].n_bytes : c->piece_bytes,
        };
        memcpy(pieces[i].description, rows[i], SREC_LAYERS_DESCRIPTION_BYTES);
    }
    free(rows);
    return status;
}

static srec_status write_pieces(srec_layer_encoder *e, const job *j, srec_layers *out, srec_error *error)
{
    size_t n = 0;
    for (unsigned i = 0; i < j->format.n_layers; i++)
        n += j->cuts[i].n_runs + j->cuts[i].n_parity;
    e->pieces = calloc(n, sizeof *e->pieces);
    *out = (srec_layers){ .format = j->format, .pieces = e->pieces };
    srec_status status = e->pieces ? SREC_OK : SREC_ERR_MEMORY;
    for (unsigned i = 0; i < j->format.n_layers && status == SREC_OK; i++) {
        status = write_layer(e, j, i, e->pieces + out->n_pieces);
        out->n_pieces += j->cuts[i].n_runs + j->cuts[i].n_parity;
        out->layer_bytes[i] = j->cuts[i].n_bytes;
        out->rms_error[i] = srec_layers_error_of_byte(j->error_bytes[i]);
    }
    return status == SREC_OK ? status : srec_fail(error, status, "out of memory");
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

static srec_status check(const job *j, srec_error *error)
{
    const srec_image *image = j->image;
    if (!srec_layers_format_valid(&j->format) || !image->data || image->stride < (size_t)image->width * image->channels)
        return srec_fail(error, SREC_ERR_ARG, "an image of %ux%u pixels and %u channels in %u layers: impossible",
                         image->width, image->height, image->channels, j->format.n_layers);
    for (unsigned i = 0; i < j->format.n_layers; i++) {
        const srec_layer_budget *b = &j->budgets[i];
        if (!b->n_data || (uint64_t)b->n_data + b->n_parity > SREC_LAYERS_PIECES_MAX ||
            b->piece_bytes_max < PIECE_BYTES_LEAST || b->piece_bytes_max > SREC_LAYERS_PIECE_BYTES_MAX)
            return srec_fail(error, SREC_ERR_ARG, "layer %u in %u and %u pieces of at most %zu bytes: impossible",
                             i + 1, b->n_data, b->n_parity, b->piece_bytes_max);
        const size_t least = srec_layers_least_bytes(&j->format, b->n_data, b->n_parity);
        if (b->bytes < least)
            return srec_fail(error, SREC_ERR_ARG, "%zu bytes for layer %u: %zu are the least for %ux%u pixels",
                             b->bytes, i + 1, least, image->width, image->height);
    }
    return SREC_OK;
}

srec_status srec_layer_encoder_run(srec_layer_encoder *e, const srec_image *image, const srec_layer_budget *budgets,
                                   unsigned n_layers, srec_layers *out, srec_error *error)
{
    if (!e || !image || !budgets || !out)
        return srec_fail(error, SREC_ERR_ARG, "no image or no budgets");
    job j = { .image = image,
              .budgets = budgets,
              .format = { image->width, image->height, image->channels, n_layers } };
    srec_status status = check(&j, error);
    if (status != SREC_OK)
        return status;
    j.j2k = srec_layers_j2k(&j.format);
    j.per_quality_layer = srec_j2k_packets(&j.j2k, SREC_J2K_RESOLUTIONS_MAX);
    forget_pieces(e);
    status = encode_and_cut(e, &j, error);
    if (status == SREC_OK)
        status = measure_errors(&j, error);
    if (status == SREC_OK)
        status = write_pieces(e, &j, out, error);
    forget_cuts(j.cuts);
    srec_j2k_stream_free(&j.stream);
    return status;
}
