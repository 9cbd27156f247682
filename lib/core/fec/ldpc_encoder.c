/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  LDPC encoder. One bit per byte; each column of Z bits is stored twice in a row, so that a circulant is a plain
 *  offset. */
#include "ldpc_graph.h"

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

struct srec_ldpc_encoder {
    srec_buffer info;                                          /* the payload's bits, then zeros */
    uint8_t bits[SREC_LDPC_COLUMNS_MAX * 2 * SREC_LDPC_Z_MAX]; /* column c at c * 2 Z */
    uint8_t check[SREC_LDPC_Z_MAX];
    uint8_t sum[SREC_LDPC_Z_MAX];
};

srec_status srec_ldpc_encoder_create(srec_ldpc_encoder **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "LDPC encoder: NULL argument");
    *out = calloc(1, sizeof **out);
    return *out ? SREC_OK : srec_fail(error, SREC_ERR_MEMORY, "LDPC encoder: out of memory");
}

void srec_ldpc_encoder_free(srec_ldpc_encoder *e)
{
    if (!e)
        return;
    srec_buffer_free(&e->info);
    free(e);
}

static void add(uint8_t *restrict sum, const uint8_t *restrict bits, size_t z)
{
    for (size_t i = 0; i < z; i++)
        sum[i] ^= bits[i];
}

/* Store a column, twice. */
static void put_column(srec_ldpc_encoder *e, unsigned column, const uint8_t *bits, size_t z)
{
    uint8_t *at = e->bits + column * 2 * z;
    memcpy(at, bits, z);
    memcpy(at + z, bits, z);
}

/* The payload, one bit per byte, with zeros up to the end of the last block. */
static srec_status unpack(srec_ldpc_encoder *e, const srec_ldpc_code *code, const uint8_t *info)
{
    const size_t n = 8 * code->info_bytes;
    const size_t padded = (size_t)code->n_blocks * code->block_bits;
    if (!srec_buffer_need(&e->info, padded))
        return SREC_ERR_MEMORY;
    uint8_t *bits = e->info.data;
    for (size_t i = 0; i < code->info_bytes; i++)
        for (unsigned b = 0; b < 8; b++)
            bits[8 * i + b] = info[i] >> (7 - b) & 1;
    memset(bits + n, 0, padded - n);
    return SREC_OK;
}

/* The information bits of a block to its systematic columns; fillers are 0. */
static void put_information(srec_ldpc_encoder *e, const srec_ldpc_code *code, const uint8_t *bits)
{
    const size_t z = code->lifting_size;
    const unsigned n_info = srec_ldpc_graph_of(code->base_graph)->n_info;
    size_t left = code->block_bits;
    for (unsigned column = 0; column < n_info; column++) {
        uint8_t *at = e->bits + column * 2 * z;
        const size_t n = left < z ? left : z;
        memcpy(at, bits, n);
        memset(at + n, 0, z - n);
        memcpy(at + z, at, z);
        bits += n;
        left -= n;
    }
}

/* Sum of the columns of row \p row that lie before column \p end, rotated by their shifts. */
static void sum_row(const srec_ldpc_encoder *e, const srec_ldpc_graph *g, unsigned row, unsigned end, size_t z,
                    uint8_t *sum)
{
    memset(sum, 0, z);
    for (unsigned k = g->row[row]; k < g->row[row + 1] && g->edges[k].column < end; k++)
        add(sum, e->bits + g->edges[k].column * 2 * z + g->edges[k].shift % z, z);
}

/* The shift with which the first parity column enters the sum of the core rows: two of its three shifts are equal and
 * cancel. */
static size_t first_parity_shift(const srec_ldpc_graph *g, size_t z)
{
    size_t shift = 0;
    for (unsigned row = 0; row < SREC_LDPC_CORE_ROWS; row++)
        for (unsigned k = g->row[row]; k < g->row[row + 1]; k++)
            if (g->edges[k].column == g->n_info)
                shift ^= g->edges[k].shift % z; /* a ^ b ^ a = b */
    return shift;
}

/* Core rows 0 .. 3. The other three parity columns form a double diagonal: they cancel in the sum of all four rows,
 * which leaves the first one; rows 0, 1 and 2 then give one column each. */
static void encode_core(srec_ldpc_encoder *e, const srec_ldpc_graph *g, size_t z)
{
    memset(e->sum, 0, z);
    for (unsigned row = 0; row < SREC_LDPC_CORE_ROWS; row++) {
        sum_row(e, g, row, g->n_info, z, e->check);
        add(e->sum, e->check, z);
    }
    const size_t shift = first_parity_shift(g, z);
    for (size_t i = 0; i < z; i++)
        e->check[(i + shift) % z] = e->sum[i];
    put_column(e, g->n_info, e->check, z);
    for (unsigned row = 0; row + 1 < SREC_LDPC_CORE_ROWS; row++) {
        sum_row(e, g, row, g->n_info + 1 + row, z, e->check);
        put_column(e, g->n_info + 1 + row, e->check, z);
    }
}

/* Rows from 4 on: the parity column is the sum of all other columns of the row. */
static void encode_extension(srec_ldpc_encoder *e, const srec_ldpc_graph *g, unsigned n_rows, size_t z)
{
    for (unsigned row = SREC_LDPC_CORE_ROWS; row < n_rows; row++) {
        sum_row(e, g, row, g->n_info + row, z, e->check);
        memcpy(e->bits + (g->n_info + row) * 2 * z, e->check, z);
    }
}

/* Copy codeword bits first .. first + count - 1. */
static void copy_run(const srec_ldpc_encoder *e, srec_ldpc_run run, size_t z, uint8_t *out)
{
    while (run.count) {
        const size_t column = run.first / z;
        const size_t offset = run.first % z;
        const size_t n = run.count < z - offset ? run.count : z - offset;
        memcpy(out, e->bits + column * 2 * z + offset, n);
        out += n;
        run.first += n;
        run.count -= n;
    }
}

/* Rows whose parity bits are sent. */
static unsigned rows_sent(const srec_ldpc_code *code, unsigned block, unsigned redundancy_version)
{
    const srec_ldpc_graph *g = srec_ldpc_graph_of(code->base_graph);
    srec_ldpc_walk walk = srec_ldpc_walk_start(code, block, redundancy_version);
    size_t end = 0;
    for (srec_ldpc_run run = srec_ldpc_walk_next(&walk); run.count; run = srec_ldpc_walk_next(&walk))
        end = run.first + run.count > end ? run.first + run.count : end;
    const size_t columns = (end + code->lifting_size - 1) / code->lifting_size;
    return columns > g->n_info + SREC_LDPC_CORE_ROWS ? (unsigned)(columns - g->n_info) : SREC_LDPC_CORE_ROWS;
}

srec_status srec_ldpc_encode(srec_ldpc_encoder *e, const srec_ldpc_code *code, unsigned redundancy_version,
                             const uint8_t *info, uint8_t *bits)
{
    if (!e || !code || !info || !bits)
        return SREC_ERR_ARG;
    const srec_ldpc_graph *g = srec_ldpc_graph_of(code->base_graph);
    const size_t z = code->lifting_size;
    const srec_status status = unpack(e, code, info);
    if (status != SREC_OK)
        return status;
    for (unsigned block = 0; block < code->n_blocks; block++) {
        put_information(e, code, (const uint8_t *)e->info.data + (size_t)block * code->block_bits);
        encode_core(e, g, z);
        encode_extension(e, g, rows_sent(code, block, redundancy_version), z);
        srec_ldpc_walk walk = srec_ldpc_walk_start(code, block, redundancy_version);
        for (srec_ldpc_run run = srec_ldpc_walk_next(&walk); run.count; run = srec_ldpc_walk_next(&walk)) {
            copy_run(e, run, z, bits);
            bits += run.count;
        }
    }
    return SREC_OK;
}
