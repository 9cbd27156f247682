/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  LDPC decoder: quantisation, combining of transmissions, blocks; and the scalar reference of the decoding itself. */
#include "ldpc_decoder.h"

#include "buffer.h"
#include "vector_math.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LLR_SCALE      4.0f
#define FILLER_LLR     127
#define ITERATIONS_MAX 100u
#define CODEWORD_MAX   (SREC_LDPC_COLUMNS_MAX * SREC_LDPC_Z_MAX)

struct srec_ldpc_decoder {
    srec_ldpc_options options;
    bool fast;
    srec_ldpc_scratch *scratch;
    srec_buffer info; /* the payload, one bit per byte */
    int16_t sum[CODEWORD_MAX];
    int8_t channel[CODEWORD_MAX];
    uint8_t bits[CODEWORD_MAX];
};

srec_status srec_ldpc_decoder_create(const srec_ldpc_options *options, srec_ldpc_decoder **out, srec_error *error)
{
    if (out)
        *out = NULL;
    const srec_ldpc_options defaults = SREC_LDPC_OPTIONS_DEFAULT;
    if (!options)
        options = &defaults;
    if (!out || options->iterations < 1 || options->iterations > ITERATIONS_MAX)
        return srec_fail(error, SREC_ERR_ARG, "LDPC decoder: %u iterations; 1 to %u are possible", options->iterations,
                         ITERATIONS_MAX);
    if (options->attempts < 1 || options->attempts > SREC_LDPC_ATTEMPTS_MAX)
        return srec_fail(error, SREC_ERR_ARG, "LDPC decoder: %u attempts; 1 to %u are possible", options->attempts,
                         SREC_LDPC_ATTEMPTS_MAX);
    srec_ldpc_decoder *d = calloc(1, sizeof *d);
    if (d)
        d->scratch = volk_malloc(sizeof *d->scratch, 64);
    if (!d || !d->scratch) {
        free(d);
        return srec_fail(error, SREC_ERR_MEMORY, "LDPC decoder: out of memory");
    }
    memset(d->scratch, 0, sizeof *d->scratch);
    d->options = *options;
    d->fast = !options->reference && srec_ldpc_has_avx2();
    *out = d;
    return SREC_OK;
}

void srec_ldpc_decoder_free(srec_ldpc_decoder *d)
{
    if (!d)
        return;
    volk_free(d->scratch);
    srec_buffer_free(&d->info);
    free(d);
}

SREC_CLONES void srec_ldpc_quantise(const float *llr, size_t n, int8_t *out)
{
    const float limit = SREC_LDPC_LLR_LIMIT;
    for (size_t i = 0; i < n; i++) {
        float x = LLR_SCALE * llr[i];
        x = x == x ? x : 0.0f; /* NaN */
        x = x > limit ? limit : x < -limit ? -limit : x;
        out[i] = (int8_t)(int)(x + (x < 0.0f ? -0.5f : 0.5f));
    }
}

/* ---- reference ----------------------------------------------------------------------------------------------- */

static int saturate(int v) { return v > 127 ? 127 : v < -128 ? -128 : v; }

static int magnitude(int v)
{
    const int m = v < 0 ? -v : v;
    return m > 127 ? 127 : m;
}

/* Three quarters, rounded towards zero. */
static int normalise(int magnitude) { return magnitude - ((magnitude + 3) >> 2); }

/* The values of one check: its edges' LLRs (posterior) and messages. */
typedef struct {
    unsigned n;
    bool extension; /* the last edge is the row's own parity bit */
    int8_t *posterior[SREC_LDPC_ROW_EDGES_MAX];
    int8_t *message[SREC_LDPC_ROW_EDGES_MAX];
    int8_t *own; /* posterior LLR of the row's own parity bit */
} check;

static check check_at(const srec_ldpc_block *b, srec_ldpc_scratch *s, unsigned row, unsigned i)
{
    const srec_ldpc_graph *g = b->graph;
    check c = { .n = g->row[row + 1] - g->row[row], .extension = row >= SREC_LDPC_CORE_ROWS };
    for (unsigned k = 0; k < c.n; k++) {
        const srec_ldpc_edge *edge = &g->edges[g->row[row] + k];
        c.posterior[k] = s->posterior + edge->column * b->z + (i + edge->shift) % b->z;
        c.message[k] = s->message + (g->row[row] + k) * b->z + i;
    }
    c.own = s->extension + row * b->z + i;
    return c;
}

static void update_check(const check *c)
{
    int x[SREC_LDPC_ROW_EDGES_MAX];
    int least = 127;
    int second = 127;
    int sign = 0;
    for (unsigned k = 0; k < c->n; k++) {
        x[k] = saturate(*c->posterior[k] - *c->message[k]);
        const int m = magnitude(x[k]);
        sign ^= x[k] < 0;
        if (m < least) {
            second = least;
            least = m;
        } else if (m < second)
            second = m;
    }
    for (unsigned k = 0; k < c->n; k++) {
        const int m = normalise(magnitude(x[k]) == least ? second : least);
        const int message = (sign ^ (x[k] < 0)) ? -m : m;
        const int posterior = saturate(x[k] + message);
        if (c->extension && k == c->n - 1)
            *c->own = (int8_t)posterior;
        else {
            *c->message[k] = (int8_t)message;
            *c->posterior[k] = (int8_t)posterior;
        }
    }
}

static bool check_is_met(const check *c)
{
    int parity = 0;
    for (unsigned k = 0; k < c->n; k++)
        parity ^= (c->extension && k == c->n - 1 ? *c->own : *c->posterior[k]) < 0;
    return !parity;
}

static bool all_checks_met(const srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    for (unsigned row = 0; row < b->n_rows; row++)
        for (unsigned i = 0; i < b->z; i++) {
            const check c = check_at(b, s, row, i);
            if (!check_is_met(&c))
                return false;
        }
    return true;
}

void srec_ldpc_decode_reference(srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    const srec_ldpc_graph *g = b->graph;
    memcpy(s->posterior, b->channel, (size_t)(g->n_info + b->n_rows) * b->z);
    memset(s->message, 0, (size_t)g->row[b->n_rows] * b->z);
    b->checks_met = false;
    for (b->iterations = 0; b->iterations < b->iterations_max && !b->checks_met; b->iterations++) {
        for (unsigned row = 0; row < b->n_rows; row++)
            for (unsigned i = 0; i < b->z; i++) {
                const check c = check_at(b, s, row, i);
                update_check(&c);
            }
        b->checks_met = all_checks_met(b, s);
    }
    for (size_t i = 0; i < (size_t)g->n_info * b->z; i++)
        b->bits[i] = s->posterior[i] < 0;
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

/* Far beyond the limit of a sum, and no overflow however often a bit is repeated. */
#define SUM_LIMIT 16000

SREC_CLONES static void add_run(int16_t *restrict sum, const int8_t *restrict llr, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const int16_t v = (int16_t)(sum[i] + llr[i]);
        const int16_t low = v > -SUM_LIMIT ? v : -SUM_LIMIT;
        sum[i] = low < SUM_LIMIT ? low : SUM_LIMIT;
    }
}

/* One block's share of a decoder call. */
typedef struct {
    const srec_ldpc_code *code;
    const srec_ldpc_transmission *transmissions;
    unsigned n_transmissions;
    unsigned block;
    size_t offset; /* of the block's bits in a transmission */
} block_input;

/* One past the last codeword bit that was received. */
static size_t received_end(const block_input *in)
{
    size_t end = 0;
    for (unsigned t = 0; t < in->n_transmissions; t++) {
        srec_ldpc_walk walk = srec_ldpc_walk_start(in->code, in->block, in->transmissions[t].redundancy_version);
        for (srec_ldpc_run run = srec_ldpc_walk_next(&walk); run.count; run = srec_ldpc_walk_next(&walk))
            end = run.first + run.count > end ? run.first + run.count : end;
    }
    return end;
}

/* Add the transmissions of a block. \param[out] sum (n) codeword bits */
static void combine(const block_input *in, int16_t *sum, size_t n)
{
    memset(sum, 0, n * sizeof *sum);
    for (unsigned t = 0; t < in->n_transmissions; t++) {
        const int8_t *llr = in->transmissions[t].llr + in->offset;
        srec_ldpc_walk walk = srec_ldpc_walk_start(in->code, in->block, in->transmissions[t].redundancy_version);
        for (srec_ldpc_run run = srec_ldpc_walk_next(&walk); run.count; run = srec_ldpc_walk_next(&walk)) {
            add_run(sum + run.first, llr, run.count);
            llr += run.count;
        }
    }
}

/* \param[in] quarters  what the limited sums are multiplied by, in quarters */
SREC_CLONES static void limit_sums(const int16_t *restrict sum, size_t n, int16_t quarters, int8_t *restrict out)
{
    const int16_t limit = SREC_LDPC_LLR_LIMIT;
    for (size_t i = 0; i < n; i++) {
        const int16_t v = sum[i] < limit ? sum[i] : limit;
        out[i] = (int8_t)((v > -limit ? v : -limit) * quarters / 4);
    }
}

/* The payload from one bit per byte. */
SREC_CLONES static void pack(const uint8_t *bits, size_t n_bytes, uint8_t *out)
{
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned v = 0;
        for (unsigned b = 0; b < 8; b++)
            v = v << 1 | bits[8 * i + b];
        out[i] = (uint8_t)v;
    }
}

/* Rows of the base graph that the first \p n codeword bits take part in. */
static unsigned rows_for(const srec_ldpc_graph *g, size_t z, size_t n)
{
    const size_t columns = (n + z - 1) / z;
    const size_t least = g->n_info + SREC_LDPC_CORE_ROWS;
    return (unsigned)((columns > least ? columns : least) - g->n_info);
}

/* What the LLRs of a block are multiplied by, in quarters, in one attempt after another. LLRs that are wrong and as
 * large as the right ones, from interference and rarely from noise, saturate the 8-bit sums before the others can
 * outvote them. Smaller LLRs leave room. */
static const int16_t attempts[SREC_LDPC_ATTEMPTS_MAX] = { 4, 3, 2 };

/* Systematic bits to d->bits. */
static srec_ldpc_block decode_block(srec_ldpc_decoder *d, const block_input *in)
{
    const srec_ldpc_code *code = in->code;
    const srec_ldpc_graph *g = srec_ldpc_graph_of(code->base_graph);
    const size_t z = code->lifting_size;
    srec_ldpc_block b = {
        .graph = g,
        .z = code->lifting_size,
        .n_rows = rows_for(g, z, received_end(in)),
        .iterations_max = d->options.iterations,
        .channel = d->channel,
        .bits = d->bits,
    };
    const size_t n = (g->n_info + b.n_rows) * z;
    combine(in, d->sum, n);
    unsigned iterations = 0;
    for (unsigned i = 0; i < d->options.attempts && !b.checks_met; i++) {
        assert(i < SREC_LDPC_ATTEMPTS_MAX);
        limit_sums(d->sum, n, attempts[i], d->channel);
        memset(d->channel + code->block_bits, FILLER_LLR, g->n_info * z - code->block_bits);
        if (d->fast)
            srec_ldpc_decode_avx2(&b, d->scratch);
        else
            srec_ldpc_decode_reference(&b, d->scratch);
        iterations += b.iterations;
    }
    b.iterations = iterations;
    return b;
}

static bool all_there(const srec_ldpc_transmission *transmissions, unsigned n)
{
    for (unsigned t = 0; t < n; t++)
        if (!transmissions[t].llr)
            return false;
    return n >= 1 && n <= SREC_LDPC_TRANSMISSIONS_MAX;
}

srec_status srec_ldpc_decode(srec_ldpc_decoder *d, const srec_ldpc_code *code,
                             const srec_ldpc_transmission *transmissions, unsigned n_transmissions, uint8_t *info,
                             srec_ldpc_result *result)
{
    if (!d || !code || !transmissions || !info || !all_there(transmissions, n_transmissions))
        return SREC_ERR_ARG;
    if (!srec_buffer_need(&d->info, (size_t)code->n_blocks * code->block_bits))
        return SREC_ERR_MEMORY;
    srec_ldpc_result sum = { 0, 0 };
    block_input in = { .code = code, .transmissions = transmissions, .n_transmissions = n_transmissions };
    for (in.block = 0; in.block < code->n_blocks; in.block++) {
        const srec_ldpc_block b = decode_block(d, &in);
        memcpy((uint8_t *)d->info.data + (size_t)in.block * code->block_bits, d->bits, code->block_bits);
        sum.blocks_failed += !b.checks_met;
        sum.iterations += b.iterations;
        in.offset += srec_ldpc_block_coded_bits(code, in.block);
    }
    pack(d->info.data, code->info_bytes, info);
    if (result)
        *result = sum;
    return sum.blocks_failed ? SREC_ERR_CHECKSUM : SREC_OK;
}
