/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "replay.h"

#include "bytes.h"
#include "crypto/key_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define VERSION        1u
#define KEY_ID_BYTES   8u
#define KEY_ID_AT      10u
#define COUNT_AT       18u
#define HEAD_BYTES     22u
#define MARK_BYTES     16u
#define FILE_TAG_BYTES 16u

static const uint8_t magic[8] = { 'S', 'R', 'E', 'C', 'M', 'A', 'R', 'K' };

/* Which of a session's newest packets have been received. */
typedef struct {
    uint64_t session;
    uint64_t used;                          /* clock at its last packet; 0: the entry is free */
    uint64_t newest;                        /* packet */
    uint64_t first;                         /* lower packets count as received */
    uint64_t seen[SREC_REPLAY_WINDOW / 64]; /* bit number: packet mod SREC_REPLAY_WINDOW */
} window;

/* The record of a session that has lost its window. */
typedef struct {
    uint64_t session;
    uint64_t newest; /* packet */
    uint64_t left;   /* clock when it lost its window; 0: the slot is free */
} mark;

struct srec_replay {
    uint64_t clock; /* counts events, to order sessions by age */
    window windows[SREC_REPLAY_SESSIONS];
    mark *slots;    /* (n_slots) hash table with linear probing */
    size_t n_slots; /* 0 or a power of two, at least twice n_marks */
    size_t n_marks;
};

srec_status srec_replay_create(srec_replay **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? SREC_OK : SREC_ERR_MEMORY;
}

void srec_replay_free(srec_replay *r)
{
    if (!r)
        return;
    free(r->slots);
    free(r);
}

/* --- marks --------------------------------------------------------------------------------------------------- */

static size_t first_slot(const srec_replay *r, uint64_t session)
{
    return (size_t)(session * 0x9e3779b97f4a7c15u >> 32) & (r->n_slots - 1);
}

/* The session's slot, or the free slot where it belongs.
 * \return NULL: no table yet */
static mark *slot_of(const srec_replay *r, uint64_t session)
{
    if (!r->n_slots)
        return NULL;
    size_t i = first_slot(r, session);
    while (r->slots[i].left && r->slots[i].session != session)
        i = (i + 1) & (r->n_slots - 1);
    return &r->slots[i];
}

static const mark *find_mark(const srec_replay *r, uint64_t session)
{
    const mark *slot = slot_of(r, session);
    return slot && slot->left ? slot : NULL;
}

/* Make slots for n marks. */
static bool make_room(srec_replay *r, size_t n)
{
    size_t n_slots = r->n_slots ? r->n_slots : 128;
    while (n_slots < 2 * n)
        n_slots *= 2;
    if (n_slots == r->n_slots)
        return true;
    mark *slots = calloc(n_slots, sizeof *slots);
    if (!slots)
        return false;
    const srec_replay before = { .slots = r->slots, .n_slots = r->n_slots };
    r->slots = slots;
    r->n_slots = n_slots;
    for (size_t i = 0; i < before.n_slots; i++)
        if (before.slots[i].left)
            *slot_of(r, before.slots[i].session) = before.slots[i];
    free(before.slots);
    return true;
}

/* Free a slot, and move up the later entries that probing would no longer reach. */
static void clear_slot(srec_replay *r, size_t hole)
{
    const size_t mask = r->n_slots - 1;
    for (size_t i = (hole + 1) & mask; r->slots[i].left; i = (i + 1) & mask) {
        const size_t reach =
            (i - first_slot(r, r->slots[i].session)) & mask; /* distance from the start of the probing */
        if (reach >= ((i - hole) & mask)) {
            r->slots[hole] = r->slots[i];
            hole = i;
        }
    }
    r->slots[hole].left = 0;
    r->n_marks--;
}

static void forget_first_left(srec_replay *r)
{
    size_t first = r->n_slots;
    for (size_t i = 0; i < r->n_slots; i++)
        if (r->slots[i].left && (first == r->n_slots || r->slots[i].left < r->slots[first].left))
            first = i;
    if (first < r->n_slots)
        clear_slot(r, first);
}

/* Store a session's newest packet. A known mark only increases. */
static bool keep_mark(srec_replay *r, uint64_t session, uint64_t newest)
{
    const mark *known = find_mark(r, session);
    if (!known && r->n_marks == SREC_REPLAY_MARKS)
        forget_first_left(r);
    if (!known && !make_room(r, r->n_marks + 1))
        return false;
    mark *slot = slot_of(r, session);
    if (!known) {
        *slot = (mark){ .session = session };
        r->n_marks++;
    }
    if (newest > slot->newest)
        slot->newest = newest;
    slot->left = ++r->clock;
    return true;
}

/* --- windows ------------------------------------------------------------------------------------------------- */

static window *find_window(srec_replay *r, uint64_t session)
{
    for (unsigned i = 0; i < SREC_REPLAY_SESSIONS; i++)
        if (r->windows[i].used && r->windows[i].session == session)
            return &r->windows[i];
    return NULL;
}

/* Newest packet of a window's session. An imported mark may be ahead of it. */
static uint64_t newest_of(const window *w) { return w->first > w->newest ? w->first - 1 : w->newest; }

/* Open a window for a session that has none. It replaces the least recently used window, whose session becomes a mark.
 * \return NULL: out of memory */
static window *open_window(srec_replay *r, uint64_t session, uint64_t packet, uint64_t first)
{
    window *w = r->windows;
    for (unsigned i = 1; i < SREC_REPLAY_SESSIONS; i++)
        if (r->windows[i].used < w->used)
            w = &r->windows[i];
    if (w->used && !keep_mark(r, w->session, newest_of(w)))
        return NULL;
    *w = (window){ .session = session, .newest = packet, .first = first };
    return w;
}

/* Make \p packet the newest, and clear the bits of the skipped packets. */
static void advance(window *w, uint64_t packet)
{
    const uint64_t ahead = packet - w->newest;
    for (uint64_t i = 1; i <= ahead && i <= SREC_REPLAY_WINDOW; i++) {
        const uint64_t bit = (w->newest + i) % SREC_REPLAY_WINDOW;
        w->seen[bit / 64] &= ~((uint64_t)1 << bit % 64);
    }
    w->newest = packet;
}

/* The first packet after a received one. */
static uint64_t above(uint64_t packet) { return packet < UINT64_MAX ? packet + 1 : UINT64_MAX; }

srec_status srec_replay_accept(srec_replay *r, uint64_t session, uint64_t packet)
{
    if (packet == UINT64_MAX)
        return SREC_ERR_REPLAY; /* no transmitter sends it, and no number is higher */
    window *w = find_window(r, session);
    if (!w) {
        const mark *known = find_mark(r, session);
        if (known && packet <= known->newest)
            return SREC_ERR_REPLAY; /* a replay must not displace the window of an active session */
        w = open_window(r, session, packet, known ? above(known->newest) : 0);
        if (!w)
            return SREC_ERR_MEMORY;
    }
    if (packet < w->first)
        return SREC_ERR_REPLAY;
    if (packet > w->newest)
        advance(w, packet);
    else if (w->newest - packet >= SREC_REPLAY_WINDOW)
        return SREC_ERR_REPLAY;
    const uint64_t bit = (uint64_t)1 << packet % 64;
    uint64_t *word = &w->seen[packet % SREC_REPLAY_WINDOW / 64];
    if (*word & bit)
        return SREC_ERR_REPLAY;
    *word |= bit;
    w->used = ++r->clock;
    return SREC_OK;
}

bool srec_replay_received(srec_replay *r, uint64_t session, uint64_t packet)
{
    const window *w = find_window(r, session);
    if (packet == UINT64_MAX)
        return true;
    if (!w) {
        const mark *known = find_mark(r, session);
        return known && packet <= known->newest;
    }
    if (packet < w->first || (packet < w->newest && w->newest - packet >= SREC_REPLAY_WINDOW))
        return true;
    return packet <= w->newest && w->seen[packet % SREC_REPLAY_WINDOW / 64] >> packet % 64 & 1;
}

/* --- export and import ------------------------------------------------------------------------------------------ */

typedef struct {
    uint8_t key[SREC_KEY_BYTES];
    uint8_t id[KEY_ID_BYTES];
} tag_key;

static srec_status derive_tag_key(const srec_key *key, tag_key *out)
{
    const srec_status status = srec_key_derive_marks(key, out->key);
    if (status == SREC_OK) {
        uint8_t hash[FILE_TAG_BYTES];
        crypto_generichash(hash, sizeof hash, NULL, 0, out->key, sizeof out->key);
        memcpy(out->id, hash, sizeof out->id);
    }
    return status;
}

static void write_mark(uint8_t *at, uint64_t session, uint64_t newest)
{
    put_le(at, session, 8);
    put_le(at + 8, newest, 8);
}

static unsigned windows_used(const srec_replay *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SREC_REPLAY_SESSIONS; i++)
        n += r->windows[i].used != 0;
    return n;
}

size_t srec_replay_export_size(const srec_replay *r)
{
    return HEAD_BYTES + (r->n_marks + windows_used(r)) * MARK_BYTES + FILE_TAG_BYTES;
}

/* By age. */
static int by_left(const void *a, const void *b)
{
    const uint64_t x = ((const mark *)a)->left, y = ((const mark *)b)->left;
    return (x > y) - (x < y);
}

srec_status srec_replay_export(const srec_replay *r, const srec_key *key, uint8_t *out)
{
    tag_key tag;
    srec_status status = derive_tag_key(key, &tag);
    if (status != SREC_OK)
        return status;
    const size_t n = r->n_marks + windows_used(r);
    mark *sorted = malloc((n ? n : 1) * sizeof *sorted);
    if (!sorted)
        return SREC_ERR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < r->n_slots; i++)
        if (r->slots[i].left)
            sorted[count++] = r->slots[i];
    for (unsigned i = 0; i < SREC_REPLAY_SESSIONS; i++)
        if (r->windows[i].used)
            sorted[count++] = (mark){ r->windows[i].session, newest_of(&r->windows[i]), r->windows[i].used };
    qsort(sorted, n, sizeof *sorted, by_left);

    memcpy(out, magic, sizeof magic);
    put_le(out + sizeof magic, VERSION, 2);
    memcpy(out + KEY_ID_AT, tag.id, KEY_ID_BYTES);
    put_le(out + COUNT_AT, n, 4);
    for (size_t i = 0; i < n; i++)
        write_mark(out + HEAD_BYTES + i * MARK_BYTES, sorted[i].session, sorted[i].newest);
    const size_t tagged = HEAD_BYTES + n * MARK_BYTES;
    crypto_generichash(out + tagged, FILE_TAG_BYTES, out, tagged, tag.key, sizeof tag.key);
    sodium_memzero(&tag, sizeof tag);
    free(sorted);
    return SREC_OK;
}

/* Check that the export is complete, authentic and of this key.
 * \param[out] count number of its marks */
static srec_status check_export(const srec_key *key, const uint8_t *in, size_t n, size_t *count, srec_error *error)
{
    if (n < HEAD_BYTES + FILE_TAG_BYTES || memcmp(in, magic, sizeof magic) != 0)
        return srec_fail(error, SREC_ERR_FORMAT, "not a receiver's state");
    if (get_le(in + sizeof magic, 2) != VERSION)
        return srec_fail(error, SREC_ERR_VERSION, "a receiver's state of version %u; this release knows version %u",
                         (unsigned)get_le(in + sizeof magic, 2), VERSION);
    *count = (size_t)get_le(in + COUNT_AT, 4);
    if (*count > SREC_REPLAY_MARKS + SREC_REPLAY_SESSIONS || n != HEAD_BYTES + *count * MARK_BYTES + FILE_TAG_BYTES)
        return srec_fail(error, SREC_ERR_TRUNCATED, "damaged: its length does not fit its content");
    tag_key tag;
    uint8_t expected[FILE_TAG_BYTES];
    const srec_status status = derive_tag_key(key, &tag);
    if (status != SREC_OK)
        return srec_fail(error, status, "%s", srec_strerror(status));
    crypto_generichash(expected, sizeof expected, in, n - FILE_TAG_BYTES, tag.key, sizeof tag.key);
    const bool of_key = memcmp(in + KEY_ID_AT, tag.id, KEY_ID_BYTES) == 0;
    const bool whole = sodium_memcmp(expected, in + n - FILE_TAG_BYTES, FILE_TAG_BYTES) == 0;
    sodium_memzero(&tag, sizeof tag);
    if (!of_key)
        return srec_fail(error, SREC_ERR_AUTH, "it belongs to another key");
    return whole ? SREC_OK : srec_fail(error, SREC_ERR_CHECKSUM, "damaged: its checksum is wrong");
}

srec_status srec_replay_import(srec_replay *r, const srec_key *key, const uint8_t *in, size_t n, srec_error *error)
{
    size_t count = 0;
    const srec_status status = check_export(key, in, n, &count, error);
    if (status != SREC_OK)
        return status;
    const size_t most = r->n_marks + count < SREC_REPLAY_MARKS ? r->n_marks + count : SREC_REPLAY_MARKS;
    if (!make_room(r, most))
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = in + HEAD_BYTES + i * MARK_BYTES;
        const uint64_t session = get_le(at, 8), newest = get_le(at + 8, 8);
        window *w = find_window(r, session);
        if (!w)
            keep_mark(r, session, newest);
        else if (newest >= w->first)
            w->first = above(newest);
    }
    return SREC_OK;
}
