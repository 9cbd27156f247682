/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Memory of a plan: the lifetime of each value, and one arena in which values share space over time. */
#define _DEFAULT_SOURCE /* for madvise(); NOLINT(bugprone-reserved-identifier): glibc defines the name */
#include "backend.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <volk/volk.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *srec_nn_alloc(size_t bytes)
{
    if (bytes < 2 * HUGE_PAGE)
        return volk_malloc(bytes, SREC_NN_ALIGN);
    void *memory = volk_malloc(bytes, HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (memory)
        (void)madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a request; it may fail */
#endif
    return memory;
}

void srec_graph_lifetimes(const srec_graph *g, int *first, int *last)
{
    for (unsigned v = 0; v < g->n_values; v++)
        first[v] = last[v] = g->values[v].producer;
    for (unsigned n = 0; n < g->n_nodes; n++) {
        for (unsigned i = 0; i < g->nodes[n].n_in; i++)
            last[g->nodes[n].in[i]] = (int)n;
        if (g->nodes[n].add >= 0)
            last[g->nodes[n].add] = (int)n;
    }
    for (unsigned i = 0; i < g->n_outputs; i++)
        last[g->outputs[i]] = (int)g->n_nodes;
}

static size_t aligned(size_t size) { return (size + SREC_NN_ALIGN - 1) / SREC_NN_ALIGN * SREC_NN_ALIGN; }

/* The largest buffer not placed yet; \p n if all are placed. */
static unsigned largest_left(unsigned n, const size_t *size, const bool *placed)
{
    unsigned next = n;
    for (unsigned i = 0; i < n; i++)
        if (!placed[i] && (next == n || size[i] > size[next]))
            next = i;
    return next;
}

/* State of srec_arena_place(). */
typedef struct {
    unsigned n;
    const size_t *size;
    const int *first, *last;
    size_t *offset;
    bool *placed;
} arena;

/* The lowest offset at which buffer \p next overlaps no placed buffer that is in use at the same time. */
static size_t lowest_gap(const arena *a, unsigned next)
{
    const size_t need = aligned(a->size[next]);
    size_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < a->n; i++) {
            const size_t end = a->offset[i] + aligned(a->size[i]);
            const bool together = a->first[i] <= a->last[next] && a->first[next] <= a->last[i];
            if (a->placed[i] && a->size[i] && together && a->offset[i] < at + need && at < end) {
                at = end;
                moved = true;
            }
        }
    }
    return at;
}

size_t srec_arena_place(unsigned n, const size_t *size, const int *first, const int *last, size_t *offset)
{
    size_t total = SREC_NN_ALIGN;
    bool *placed = calloc(n + 1, sizeof *placed);
    if (!placed)
        return 0;
    const arena a = { n, size, first, last, offset, placed };
    for (unsigned round = 0; round < n; round++) { /* largest first: leaves the fewest gaps */
        const unsigned next = largest_left(n, size, placed);
        offset[next] = lowest_gap(&a, next);
        placed[next] = true;
        if (size[next] && offset[next] + aligned(size[next]) > total)
            total = offset[next] + aligned(size[next]);
    }
    free(placed);
    return total;
}
