/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Parity pieces: Reed-Solomon codewords across the pieces of a layer, by libfec. */
#include "layers_internal.h"

#include <fec.h>
#include <stdlib.h>

#define SYMBOLS       255u /* of a full codeword */
#define SYMBOL_BITS   8
#define FIELD         0x11d
#define FIRST_ROOT    0
#define ROOT_DISTANCE 1

/* The pieces whose index leaves the same remainder. */
typedef struct {
    uint32_t first;
    uint32_t step;
    uint32_t n_data;
    uint32_t n_parity;
} group;

static uint32_t groups(uint32_t n_data, uint32_t n_parity) { return (n_data + n_parity + SYMBOLS - 1) / SYMBOLS; }

/* Indices below n that are g modulo G. */
static uint32_t share(uint32_t n, uint32_t g, uint32_t G) { return n > g ? (n - g - 1) / G + 1 : 0; }

static group group_of(uint32_t g, uint32_t n_data, uint32_t n_parity)
{
    const uint32_t G = groups(n_data, n_parity);
    return (group){ g, G, share(n_data, g, G), share(n_parity, g, G) };
}

/* Row of symbol \p i of a codeword. */
static uint32_t row_of(const group *g, uint32_t i, uint32_t n_data)
{
    return i < g->n_data ? g->first + i * g->step : n_data + g->first + (i - g->n_data) * g->step;
}

static void *open_code(const group *g)
{
    return init_rs_char(SYMBOL_BITS, FIELD, FIRST_ROOT, ROOT_DISTANCE, (int)g->n_parity,
                        (int)(SYMBOLS - g->n_data - g->n_parity));
}

srec_status srec_layers_parity_encode(uint8_t *const *rows, uint32_t n_data, uint32_t n_parity, size_t row_bytes)
{
    uint8_t word[SYMBOLS];
    for (uint32_t i = 0; i < groups(n_data, n_parity); i++) {
        const group g = group_of(i, n_data, n_parity);
        if (!g.n_parity || !g.n_data)
            continue;
        void *code = open_code(&g);
        if (!code)
            return SREC_ERR_MEMORY;
        for (size_t column = 0; column < row_bytes; column++) {
            for (uint32_t k = 0; k < g.n_data; k++)
                word[k] = rows[row_of(&g, k, n_data)][column];
            encode_rs_char(code, word, word + g.n_data);
            for (uint32_t k = g.n_data; k < g.n_data + g.n_parity; k++)
                rows[row_of(&g, k, n_data)][column] = word[k];
        }
        free_rs_char(code);
    }
    return SREC_OK;
}

static uint32_t missing_data(const group *g, const bool *there, uint32_t n_data)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->n_data; k++)
        n += !there[row_of(g, k, n_data)];
    return n;
}

static uint32_t missing_all(const group *g, const bool *there, uint32_t n_data)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->n_data + g->n_parity; k++)
        n += !there[row_of(g, k, n_data)];
    return n;
}

static bool can_restore(const group *g, const bool *there, uint32_t n_data)
{
    return missing_data(g, there, n_data) && missing_all(g, there, n_data) <= g->n_parity;
}

uint32_t srec_layers_parity_restores(const bool *there, uint32_t n_data, uint32_t n_parity)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < groups(n_data, n_parity); i++) {
        const group g = group_of(i, n_data, n_parity);
        n += can_restore(&g, there, n_data) ? missing_data(&g, there, n_data) : 0;
    }
    return n;
}

static void restore_group(void *code, const group *g, uint8_t *const *rows, const bool *there, uint32_t n_data,
                          size_t row_bytes)
{
    uint8_t word[SYMBOLS];
    const uint32_t n = g->n_data + g->n_parity;
    for (size_t column = 0; column < row_bytes; column++) {
        int erased[SYMBOLS]; /* positions; overwritten by the decoder */
        int n_erased = 0;
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t row = row_of(g, k, n_data);
            word[k] = there[row] ? rows[row][column] : 0;
            if (!there[row])
                erased[n_erased++] = (int)k;
        }
        decode_rs_char(code, word, erased, n_erased);
        for (uint32_t k = 0; k < g->n_data; k++)
            if (!there[row_of(g, k, n_data)])
                rows[row_of(g, k, n_data)][column] = word[k];
    }
}

srec_status srec_layers_parity_restore(uint8_t *const *rows, bool *there, uint32_t n_data, uint32_t n_parity,
                                       size_t row_bytes)
{
    for (uint32_t i = 0; i < groups(n_data, n_parity); i++) {
        const group g = group_of(i, n_data, n_parity);
        if (!can_restore(&g, there, n_data))
            continue;
        void *code = open_code(&g);
        if (!code)
            return SREC_ERR_MEMORY;
        restore_group(code, &g, rows, there, n_data, row_bytes);
        free_rs_char(code);
        for (uint32_t k = 0; k < g.n_data; k++)
            there[row_of(&g, k, n_data)] = true;
    }
    return SREC_OK;
}
