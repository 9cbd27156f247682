/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_repeats.h"

#include <srec/layer_packet.h>

#include <stdlib.h>
#include <string.h>

/* Transmissions of one origin, the oldest first. */
typedef struct {
    uint64_t session;
    uint64_t origin;
    uint64_t used; /* clock when a transmission was added last; 0: the entry is free */
    size_t info_bytes;
    size_t coded_bits;
    unsigned n;
    srec_ldpc_transmission kept[SREC_LAYER_REPEATS_KEPT]; /* own their LLRs */
} entry;

struct srec_layer_repeats {
    entry entries[SREC_LAYER_ORIGINS_MAX];
    unsigned n_entries; /* entries from here on were never used */
    uint64_t clock;
    size_t bytes;
    size_t bytes_max;
};

srec_status srec_layer_repeats_create(size_t bytes_max, srec_layer_repeats **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return SREC_ERR_MEMORY;
    (*out)->bytes_max = bytes_max;
    return SREC_OK;
}

static void drop_oldest(srec_layer_repeats *r, entry *e)
{
    free((void *)e->kept[0].llr);
    r->bytes -= e->coded_bits;
    e->n--;
    memmove(e->kept, e->kept + 1, e->n * sizeof *e->kept);
}

static void clear(srec_layer_repeats *r, entry *e)
{
    while (e->n)
        drop_oldest(r, e);
    e->used = 0;
}

void srec_layer_repeats_free(srec_layer_repeats *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < r->n_entries; i++)
        clear(r, &r->entries[i]);
    free(r);
}

static entry *entry_of(const srec_layer_repeats *r, const srec_layer_payload *p)
{
    for (unsigned i = 0; i < r->n_entries; i++) {
        const entry *e = &r->entries[i];
        if (e->used && e->session == p->session && e->origin == p->origin)
            return (entry *)e;
    }
    return NULL;
}

/* Transmissions of another length cannot be added. Only a sender that breaks the rules makes them. */
static bool is_same_code(const entry *e, const srec_ldpc_code *code)
{
    return e->info_bytes == code->info_bytes && e->coded_bits == code->coded_bits;
}

unsigned srec_layer_repeats_find(const srec_layer_repeats *r, const srec_layer_payload *p, srec_ldpc_transmission *out)
{
    const entry *e = entry_of(r, p);
    if (!e || !is_same_code(e, p->code))
        return 0;
    memcpy(out, e->kept, e->n * sizeof *out);
    return e->n;
}

/* Origins so far behind a packet of their session that no packet may name them any more. */
static void drop_aged(srec_layer_repeats *r, uint64_t session, uint64_t packet)
{
    for (unsigned i = 0; i < r->n_entries; i++) {
        entry *e = &r->entries[i];
        if (e->used && e->session == session && e->origin < packet && packet - e->origin > SREC_LAYER_ORIGIN_AGE_MAX)
            clear(r, e);
    }
}

/* The entry that was not used for longest; NULL: all are free. */
static entry *least_recent(srec_layer_repeats *r)
{
    entry *found = NULL;
    for (unsigned i = 0; i < r->n_entries; i++) {
        entry *e = &r->entries[i];
        if (e->used && (!found || e->used < found->used))
            found = e;
    }
    return found;
}

static entry *free_entry(srec_layer_repeats *r)
{
    for (unsigned i = 0; i < r->n_entries; i++)
        if (!r->entries[i].used)
            return &r->entries[i];
    if (r->n_entries < SREC_LAYER_ORIGINS_MAX)
        return &r->entries[r->n_entries++];
    entry *e = least_recent(r);
    clear(r, e);
    return e;
}

void srec_layer_repeats_add(srec_layer_repeats *r, const srec_layer_payload *p, uint64_t packet,
                            const srec_ldpc_transmission *t)
{
    const size_t n = p->code->coded_bits;
    int8_t *llr = n <= r->bytes_max ? malloc(n) : NULL;
    if (!llr)
        return;
    memcpy(llr, t->llr, n);
    drop_aged(r, p->session, packet);
    entry *e = entry_of(r, p);
    if (e && !is_same_code(e, p->code))
        clear(r, e);
    if (!e || !e->used) {
        e = free_entry(r);
        *e = (entry){ .session = p->session, .origin = p->origin, .info_bytes = p->code->info_bytes, .coded_bits = n };
    }
    if (e->n == SREC_LAYER_REPEATS_KEPT)
        drop_oldest(r, e);
    e->used = ++r->clock;
    while (r->bytes + n > r->bytes_max) {
        entry *victim = least_recent(r); /* possibly e itself, the only one */
        drop_oldest(r, victim);
        if (!victim->n && victim != e)
            victim->used = 0;
    }
    e->kept[e->n++] = (srec_ldpc_transmission){ llr, t->redundancy_version };
    r->bytes += n;
}

void srec_layer_repeats_forget(srec_layer_repeats *r, const srec_layer_payload *p)
{
    entry *e = entry_of(r, p);
    if (e)
        clear(r, e);
}

size_t srec_layer_repeats_bytes(const srec_layer_repeats *r) { return r->bytes; }
