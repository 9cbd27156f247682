/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  LDPC codes: base graphs, division into blocks, circular buffers. */
#include "ldpc_graph.h"

#include "ldpc_tables.h"

#define BG1_BLOCK_BITS_MAX 8448u /* 22 * 384 */
#define BG2_BLOCK_BITS_MAX 3840u /* 10 * 384 */

static const srec_ldpc_graph graphs[] = {
    { .n_rows = 46, .n_columns = 68, .n_info = 22, .edges = bg1_edges, .row = bg1_rows },
    { .n_rows = 42, .n_columns = 52, .n_info = 10, .edges = bg2_edges, .row = bg2_rows },
};

const srec_ldpc_graph *srec_ldpc_graph_of(unsigned base_graph) { return &graphs[base_graph == 2]; }

static unsigned smallest_lifting_size(unsigned n_info, size_t block_bits)
{
    unsigned z = 24;
    while ((size_t)n_info * z < block_bits)
        z *= 2;
    return z;
}

srec_status srec_ldpc_code_for(size_t info_bytes, size_t coded_bytes, srec_ldpc_code *out)
{
    if (!out || info_bytes < SREC_LDPC_BYTES_MIN || info_bytes > SREC_LDPC_BYTES_MAX ||
        coded_bytes > SREC_LDPC_BYTES_MAX || 9 * info_bytes > 8 * coded_bytes)
        return SREC_ERR_ARG;
    const size_t bits = 8 * info_bytes;
    const unsigned base_graph = bits <= BG2_BLOCK_BITS_MAX && 3 * info_bytes <= 2 * coded_bytes ? 2 : 1;
    const size_t blocks = base_graph == 2 ? 1 : (bits + BG1_BLOCK_BITS_MAX - 1) / BG1_BLOCK_BITS_MAX;
    const size_t block_bits = (bits + blocks - 1) / blocks;
    *out = (srec_ldpc_code){
        .base_graph = base_graph,
        .lifting_size = smallest_lifting_size(srec_ldpc_graph_of(base_graph)->n_info, block_bits),
        .n_blocks = (unsigned)blocks,
        .info_bytes = info_bytes,
        .coded_bits = 8 * coded_bytes,
        .block_bits = (unsigned)block_bits,
    };
    return SREC_OK;
}

size_t srec_ldpc_block_coded_bits(const srec_ldpc_code *code, unsigned block)
{
    return code->coded_bits / code->n_blocks + (block < code->coded_bits % code->n_blocks);
}

srec_ldpc_walk srec_ldpc_walk_start(const srec_ldpc_code *code, unsigned block, unsigned redundancy_version)
{
    const srec_ldpc_graph *g = srec_ldpc_graph_of(code->base_graph);
    const size_t z = code->lifting_size;
    const size_t bits = srec_ldpc_block_coded_bits(code, block);
    srec_ldpc_walk walk = {
        .systematic = code->block_bits > 2 * z ? code->block_bits - 2 * z : 0,
        .parity = (g->n_columns - g->n_info) * z,
        .parity_first = g->n_info * z,
        .punctured = 2 * z,
        .left = bits,
    };
    walk.position = (size_t)redundancy_version * bits % (walk.systematic + walk.parity);
    return walk;
}

srec_ldpc_run srec_ldpc_walk_next(srec_ldpc_walk *walk)
{
    const size_t size = walk->systematic + walk->parity;
    srec_ldpc_run run;
    if (walk->position < walk->systematic)
        run = (srec_ldpc_run){ walk->punctured + walk->position, walk->systematic - walk->position };
    else
        run = (srec_ldpc_run){ walk->parity_first + walk->position - walk->systematic, size - walk->position };
    if (run.count > walk->left)
        run.count = walk->left;
    walk->left -= run.count;
    walk->position = (walk->position + run.count) % size;
    return run;
}
