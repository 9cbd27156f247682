/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Base graphs, and where the coded bits of a block lie in its codeword: shared by LDPC encoder and decoders. */
#ifndef SREC_LDPC_GRAPH_H
#define SREC_LDPC_GRAPH_H

#include <srec/ldpc.h>

#define SREC_LDPC_Z_MAX         384u
#define SREC_LDPC_COLUMNS_MAX   68u
#define SREC_LDPC_EDGES_MAX     316u
#define SREC_LDPC_ROW_EDGES_MAX 19u
/* Rows whose parity bits depend on each other. Each further row has one of its own. */
#define SREC_LDPC_CORE_ROWS     4u

typedef struct srec_ldpc_edge {
    uint8_t column;
    uint16_t shift; /* modulo the lifting size */
} srec_ldpc_edge;

typedef struct srec_ldpc_graph {
    unsigned n_rows;
    unsigned n_columns;
    unsigned n_info; /* systematic columns; parity column n_info + r belongs to row r >= 4 */
    const srec_ldpc_edge *edges;
    const uint16_t *row; /* (n_rows + 1) first edge of each row */
} srec_ldpc_graph;

/* \param base_graph 1 or 2 */
const srec_ldpc_graph *srec_ldpc_graph_of(unsigned base_graph);

/* Coded bits of block \p block. */
size_t srec_ldpc_block_coded_bits(const srec_ldpc_code *code, unsigned block);

/* A run of consecutive codeword bits that is sent in one go. */
typedef struct srec_ldpc_run {
    size_t first; /* in the codeword */
    size_t count;
} srec_ldpc_run;

/* Walks the codeword bits of one transmission of a block in the order in which they are sent. */
typedef struct srec_ldpc_walk {
    size_t systematic; /* circular buffer: this many bits from 2 Z on, */
    size_t parity;     /* then this many from parity_first on */
    size_t parity_first;
    size_t punctured; /* 2 Z */
    size_t position;  /* in the buffer */
    size_t left;      /* bits to send */
} srec_ldpc_walk;

srec_ldpc_walk srec_ldpc_walk_start(const srec_ldpc_code *code, unsigned block, unsigned redundancy_version);
/* The next run; count 0 at the end. */
srec_ldpc_run srec_ldpc_walk_next(srec_ldpc_walk *walk);

#endif /* SREC_LDPC_GRAPH_H */
