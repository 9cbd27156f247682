/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Range coder with carry propagation (Martin 1979; byte-wise, 32-bit range). Frequencies start with a peak at the
 * previous step and adapt by INCREMENT. A context is halved when its sum reaches LIMIT. */
#include "ratemap.h"

#include <stdbool.h>

#define STEPS     16u
#define INCREMENT 24u
#define LIMIT     8192u
#define TOP       ((uint32_t)1 << 24)

typedef struct {
    uint16_t frequency[STEPS];
    uint32_t sum;
} context;

static void start(context *c, unsigned n_steps)
{
    for (unsigned before = 0; before < STEPS; before++) {
        c[before].sum = 0;
        for (unsigned s = 0; s < n_steps; s++) {
            unsigned distance = s > before ? s - before : before - s;
            c[before].frequency[s] = (uint16_t)(distance < 6 ? 48 >> distance : 1);
            c[before].sum += c[before].frequency[s];
        }
    }
}

static void adapt(context *c, unsigned n_steps, unsigned step)
{
    c->frequency[step] = (uint16_t)(c->frequency[step] + INCREMENT);
    c->sum += INCREMENT;
    if (c->sum < LIMIT)
        return;
    c->sum = 0;
    for (unsigned s = 0; s < n_steps; s++) {
        c->frequency[s] = (uint16_t)((c->frequency[s] + 1) / 2);
        c->sum += c->frequency[s];
    }
}

typedef struct {
    uint64_t low; /* 33 bits: the top one is a carry */
    uint32_t range;
    uint8_t held;   /* byte that a carry may still change */
    size_t pending; /* number of 0xff bytes after it */
    bool first;
    uint8_t *out;
    size_t n, capacity;
    bool full;
} encoder;

static void put(encoder *e, uint8_t byte)
{
    if (e->n < e->capacity)
        e->out[e->n++] = byte;
    else
        e->full = true;
}

static void shift(encoder *e)
{
    if (e->low < 0xff000000u || e->low >> 32) {
        uint8_t carry = (uint8_t)(e->low >> 32);
        if (!e->first)
            put(e, (uint8_t)(e->held + carry));
        for (; e->pending; e->pending--)
            put(e, (uint8_t)(0xff + carry));
        e->held = (uint8_t)(e->low >> 24);
        e->first = false;
    } else
        e->pending++;
    e->low = (e->low & 0xffffff) << 8;
}

size_t srec_ratemap_encode(const uint8_t *steps, size_t n, unsigned n_steps, uint8_t *out, size_t capacity)
{
    context contexts[STEPS];
    encoder e = { .range = 0xffffffffu, .first = true, .out = out, .capacity = capacity };
    unsigned before = n_steps / 2;
    start(contexts, n_steps);
    for (size_t i = 0; i < n; i++) {
        context *c = &contexts[before];
        uint32_t below = 0, unit = e.range / c->sum;
        for (unsigned s = 0; s < steps[i]; s++)
            below += c->frequency[s];
        e.low += (uint64_t)unit * below;
        e.range = unit * c->frequency[steps[i]];
        while (e.range < TOP) {
            e.range <<= 8;
            shift(&e);
        }
        adapt(c, n_steps, steps[i]);
        before = steps[i];
    }
    for (unsigned i = 0; i < 5; i++)
        shift(&e);
    while (e.n && !e.full && e.out[e.n - 1] == 0) /* the decoder reads zeros beyond the end */
        e.n--;
    return e.full ? 0 : e.n ? e.n : (put(&e, 0), (size_t)1);
}

srec_status srec_ratemap_decode(const uint8_t *in, size_t size, unsigned n_steps, uint8_t *steps, size_t n)
{
    context contexts[STEPS];
    uint32_t range = 0xffffffffu, code = 0;
    size_t at = 0;
    unsigned before = n_steps / 2;
    start(contexts, n_steps);
    /* The decoder reads zeros beyond the end, because the encoder drops all trailing zeros: the whole code for a flat
     * map of the lowest step. The packet's checksum and key prove that the code is complete. */
    for (unsigned i = 0; i < 4; i++, at++)
        code = code << 8 | (at < size ? in[at] : 0);
    for (size_t i = 0; i < n; i++) {
        context *c = &contexts[before];
        uint32_t unit = range / c->sum, target = code / unit, below = 0;
        if (target >= c->sum)
            return SREC_ERR_FORMAT;
        unsigned s = 0;
        while (below + c->frequency[s] <= target)
            below += c->frequency[s++];
        code -= unit * below;
        range = unit * c->frequency[s];
        while (range < TOP) {
            range <<= 8;
            code = code << 8 | (at < size ? in[at] : 0);
            at++;
        }
        adapt(c, n_steps, s);
        steps[i] = (uint8_t)s;
        before = s;
    }
    return SREC_OK;
}
