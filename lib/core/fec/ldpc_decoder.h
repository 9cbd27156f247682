/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Inside the LDPC decoder: one block, two implementations.
 *
 *  Layered normalised min-sum: for each row of the base graph, and for all Z checks of the row at once,
 *
 *      x(e)     = sat8(l(e) - m(e))                   of every edge e: a posteriori LLR less the row's last message
 *      m(e)     = (3/4 of the least |x| of the other edges, rounded towards zero) with the sign of their product
 *      l(e)     = sat8(x(e) + m(e))
 *
 *  where sat8 saturates at -128 and 127 and |x| counts as 127 at most. A value of 0 counts as positive. The extension
 *  rows (from 4 on) do not change the LLR of their own parity column: no other row reads it. */
#ifndef SREC_LDPC_DECODER_H
#define SREC_LDPC_DECODER_H

#include "ldpc_graph.h"

#include <stdbool.h>

/* One block to decode. */
typedef struct srec_ldpc_block {
    const srec_ldpc_graph *graph;
    unsigned z;
    unsigned n_rows; /* rows that received bits take part in */
    unsigned iterations_max;
    const int8_t *channel; /* ((n_info + n_rows) * z) LLRs of the codeword; fillers +127 */
    uint8_t *bits;         /* out: (n_info * z) systematic bits, 0 or 1 */
    bool checks_met;       /* out */
    unsigned iterations;   /* out */
} srec_ldpc_block;

/* Memory of either implementation, sized for the largest code. */
typedef struct srec_ldpc_scratch srec_ldpc_scratch;

/* The specification: plain C, one check at a time. */
void srec_ldpc_decode_reference(srec_ldpc_block *b, srec_ldpc_scratch *s);

/* The same results with AVX2. Call it only where srec_ldpc_has_avx2(). */
void srec_ldpc_decode_avx2(srec_ldpc_block *b, srec_ldpc_scratch *s);
bool srec_ldpc_has_avx2(void);

#define SREC_LDPC_LANES         32u
/* A column of Z values stored twice in a row, and room for a vector that begins at its last value. */
#define SREC_LDPC_COLUMN_STRIDE (2u * SREC_LDPC_Z_MAX + SREC_LDPC_LANES)

struct srec_ldpc_scratch {
    _Alignas(64) int8_t message[SREC_LDPC_EDGES_MAX * SREC_LDPC_Z_MAX];             /* m, edge after edge */
    _Alignas(64) int8_t difference[SREC_LDPC_ROW_EDGES_MAX * SREC_LDPC_Z_MAX];      /* x of the row in hand */
    _Alignas(64) int8_t posterior[SREC_LDPC_COLUMNS_MAX * SREC_LDPC_COLUMN_STRIDE]; /* l */
    _Alignas(64) int8_t extension[SREC_LDPC_COLUMNS_MAX * SREC_LDPC_Z_MAX]; /* l of each row's own parity column */
    /* AVX2 only */
    const srec_ldpc_graph *graph; /* for which shift[] holds the shifts modulo z */
    unsigned z;
    uint16_t shift[SREC_LDPC_EDGES_MAX];
    uint16_t rotation[SREC_LDPC_COLUMNS_MAX]; /* of each column: the shift of the row that wrote it last */
};

#endif /* SREC_LDPC_DECODER_H */
