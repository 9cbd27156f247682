/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/collector.h>

#include "collector_identity.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OPEN_MOST       1024u
#define MAX_REMEMBERED_MOST (1u << 20)

typedef struct slot {
    srec_open_picture open; /* the caller's view; first, so that its address is the slot's */
    bool used;
    bool suffices;      /* it can do without the missing packets */
    srec_reason reason; /* why the image is due */
    srec_picture_identity id;
    double last_s;           /* when its last packet arrived */
    uint64_t last_arrival;   /* the same, counted in packets of all images */
    uint64_t opening;        /* ordinal number of the image among those opened */
    size_t bytes;            /* size of the body */
    unsigned later_packets;  /* packets of later images of the session since its own last packet */
    unsigned later_pictures; /* later images of the session opened since this one */
} slot;

struct srec_collector {
    srec_collector_limits limits;
    void (*release)(void *body);
    slot *slots;                       /* (max_open + 1): one extra for a new image until another one makes room */
    srec_picture_identity *remembered; /* (max_remembered) ring of delivered images */
    size_t n_remembered;
    size_t next_remembered; /* index of the next entry */
    uint64_t arrivals;      /* packets of open images */
    bool ended;             /* ended, but images are still open */
    srec_collector_counters counters;
};

const char *srec_reason_name(srec_reason reason)
{
    static const char *const names[SREC_REASONS] = { NULL, "complete", "later", "timeout", "room", "end" };
    return (unsigned)reason < SREC_REASONS ? names[reason] : NULL;
}

static srec_status check_limits(srec_collector_limits *l, srec_error *error)
{
    if (!(l->timeout_s >= 0))
        return srec_fail(error, SREC_ERR_ARG, "timeout must be above 0 seconds");
    if (l->max_open > MAX_OPEN_MOST || l->max_remembered > MAX_REMEMBERED_MOST)
        return srec_fail(error, SREC_ERR_ARG, "at most %u images can be open and %u remembered", MAX_OPEN_MOST,
                         MAX_REMEMBERED_MOST);
    if (l->timeout_s == 0)
        l->timeout_s = 2;
    if (!l->max_open)
        l->max_open = 8;
    if (!l->max_bytes)
        l->max_bytes = (size_t)512 << 20;
    if (!l->later_packets)
        l->later_packets = 16;
    if (!l->later_pictures)
        l->later_pictures = 2;
    if (!l->max_remembered)
        l->max_remembered = 1024;
    return SREC_OK;
}

srec_status srec_collector_create(const srec_collector_limits *limits, void (*release)(void *body),
                                  srec_collector **out, srec_error *error)
{
    if (!out)
        return srec_fail(error, SREC_ERR_ARG, "no place for the collector");
    *out = NULL;
    srec_collector_limits checked = limits ? *limits : (srec_collector_limits){ 0 };
    srec_status status = check_limits(&checked, error);
    if (status != SREC_OK)
        return status;
    srec_collector *c = calloc(1, sizeof *c);
    if (!c)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    c->limits = checked;
    c->release = release;
    c->slots = calloc((size_t)checked.max_open + 1, sizeof *c->slots);
    c->remembered = calloc(checked.max_remembered, sizeof *c->remembered);
    if (!c->slots || !c->remembered) {
        srec_collector_free(c);
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    }
    *out = c;
    return SREC_OK;
}

static slot *end_of(const srec_collector *c) { return c->slots + c->limits.max_open + 1; }

static void empty(srec_collector *c, slot *s)
{
    if (c->release && s->open.body)
        c->release(s->open.body);
    *s = (slot){ 0 };
}

void srec_collector_free(srec_collector *c)
{
    if (!c)
        return;
    for (slot *s = c->slots; s && s < end_of(c); s++)
        if (s->used)
            empty(c, s);
    free(c->slots);
    free(c->remembered);
    free(c);
}

static bool was_delivered(const srec_collector *c, const srec_collector_packet_id *p, srec_match match)
{
    for (size_t i = 0; i < c->n_remembered; i++)
        if (srec_picture_identity_match(&c->remembered[i], p) == match)
            return true;
    return false;
}

static bool is_waiting(const slot *s) { return s->used && s->reason == SREC_REASON_NONE; }

/* True if \p other belongs to the same session and the sender had finished it when it sent \p s. */
static bool is_before(const slot *other, const slot *s)
{
    return other != s && is_waiting(other) && other->id.session == s->id.session && other->id.highest < s->id.highest;
}

/* The image that has waited longest for a packet, except \p but. */
static slot *least_recent(const srec_collector *c, const slot *but)
{
    slot *least = NULL;
    for (slot *s = c->slots; s < end_of(c); s++)
        if (s != but && is_waiting(s) && (!least || s->last_arrival < least->last_arrival))
            least = s;
    return least;
}

static size_t count_waiting(const srec_collector *c)
{
    size_t n = 0;
    for (const slot *s = c->slots; s < end_of(c); s++)
        n += is_waiting(s);
    return n;
}

static size_t bytes_waiting(const srec_collector *c)
{
    size_t n = 0;
    for (const slot *s = c->slots; s < end_of(c); s++)
        n += is_waiting(s) ? s->bytes : 0;
    return n;
}

static slot *find_open(const srec_collector *c, const srec_collector_packet_id *p, srec_match match)
{
    for (slot *s = c->slots; s < end_of(c); s++)
        if (s->used && srec_picture_identity_match(&s->id, p) == match)
            return s;
    return NULL;
}

/* The open image of a packet, or NULL. Images that surely have the packet go before those that may have it.
 * \param delivered set if the image was delivered already */
static slot *find(const srec_collector *c, const srec_collector_packet_id *p, bool *delivered)
{
    *delivered = false;
    for (int match = SREC_MATCH_SURE; match > SREC_MATCH_NONE; match--) {
        slot *s = find_open(c, p, (srec_match)match);
        *delivered = !s && was_delivered(c, p, (srec_match)match);
        if (s || *delivered)
            return s;
    }
    return NULL;
}

/* A slot for a new image. If too many are open, the least recent one becomes due.
 * \return NULL if all slots are taken */
static slot *open_slot(srec_collector *c, const srec_collector_packet_id *p)
{
    slot *s = c->slots;
    while (s < end_of(c) && s->used)
        s++;
    if (s == end_of(c))
        return NULL;
    *s = (slot){
        .open = { .session = p->session, .picture = p->picture },
        .used = true,
        .id = srec_picture_identity_of(p),
        .opening = ++c->counters.opened,
    };
    if (count_waiting(c) > c->limits.max_open)
        least_recent(c, s)->reason = SREC_REASON_ROOM;
    return s;
}

/* Tell the incomplete images sent earlier that a packet of \p s has arrived. */
static void note_later(srec_collector *c, const slot *s, bool opened)
{
    for (slot *other = c->slots; other < end_of(c); other++) {
        if (!is_before(other, s))
            continue;
        other->later_packets++;
        other->later_pictures += opened;
        if (other->suffices)
            other->reason = SREC_REASON_COMPLETE;
        else if (other->later_packets >= c->limits.later_packets || other->later_pictures >= c->limits.later_pictures)
            other->reason = SREC_REASON_LATER;
    }
}

srec_status srec_collector_packet(srec_collector *c, const srec_collector_packet_id *p, double now_s,
                                  srec_open_picture **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!c || !p || !out || !p->span || p->part >= SREC_COLLECTOR_PARTS_MAX)
        return srec_fail(error, SREC_ERR_ARG, "no packet, or one of an image without packets");
    bool delivered;
    slot *s = find(c, p, &delivered);
    const bool opened = !s;
    if (delivered) {
        c->counters.late++;
        return srec_fail(error, SREC_ERR_LATE, "image %u was already delivered", p->picture);
    }
    if (!s && !(s = open_slot(c, p)))
        return srec_fail(error, SREC_ERR_ARG, "deliver the images that are due first");
    srec_picture_identity_add(&s->id, p);
    s->last_s = now_s;
    s->last_arrival = ++c->arrivals;
    s->later_packets = 0;
    note_later(c, s, opened);
    *out = &s->open;
    return SREC_OK;
}

void srec_collector_stored(srec_collector *c, srec_open_picture *picture, size_t bytes, bool complete)
{
    if (!c || !picture)
        return;
    slot *s = (slot *)picture;
    s->bytes = bytes;
    if (complete) {
        for (slot *other = c->slots; other < end_of(c); other++)
            if (is_before(other, s))
                other->reason = other->suffices ? SREC_REASON_COMPLETE : SREC_REASON_LATER;
        s->reason = SREC_REASON_COMPLETE;
    }
    while (bytes_waiting(c) > c->limits.max_bytes) {
        slot *least = least_recent(c, s);
        (least ? least : s)->reason = SREC_REASON_ROOM;
    }
}

void srec_collector_suffices(srec_collector *c, srec_open_picture *picture)
{
    if (c && picture)
        ((slot *)picture)->suffices = true;
}

void srec_collector_expire(srec_collector *c, double now_s)
{
    if (!c)
        return;
    for (slot *s = c->slots; s < end_of(c); s++)
        if (is_waiting(s) && now_s - s->last_s >= c->limits.timeout_s)
            s->reason = SREC_REASON_TIMEOUT;
}

static void forget_all(srec_collector *c)
{
    c->n_remembered = 0;
    c->next_remembered = 0;
    c->ended = false;
}

void srec_collector_end(srec_collector *c)
{
    if (!c)
        return;
    c->ended = true;
    for (slot *s = c->slots; s < end_of(c); s++)
        if (is_waiting(s))
            s->reason = SREC_REASON_END;
    if (!srec_collector_due(c, NULL))
        forget_all(c);
}

srec_open_picture *srec_collector_due(const srec_collector *c, srec_reason *reason)
{
    if (reason)
        *reason = SREC_REASON_NONE;
    if (!c)
        return NULL;
    slot *opened_first = NULL;
    for (slot *s = c->slots; s < end_of(c); s++)
        if (s->reason && (!opened_first || s->opening < opened_first->opening))
            opened_first = s;
    if (!opened_first)
        return NULL;
    slot *sent_first = opened_first;
    for (slot *s = c->slots; s < end_of(c); s++)
        if (s->reason && s->id.session == sent_first->id.session && s->id.highest < sent_first->id.highest)
            sent_first = s;
    if (reason)
        *reason = sent_first->reason;
    return &sent_first->open;
}

static void remember(srec_collector *c, const srec_picture_identity *id)
{
    c->remembered[c->next_remembered] = *id;
    c->next_remembered = (c->next_remembered + 1) % c->limits.max_remembered;
    if (c->n_remembered < c->limits.max_remembered)
        c->n_remembered++;
}

void srec_collector_close(srec_collector *c, srec_open_picture *picture)
{
    slot *s = (slot *)picture;
    if (!c || !s || !s->reason)
        return;
    c->counters.delivered[s->reason]++;
    remember(c, &s->id);
    empty(c, s);
    if (c->ended && !srec_collector_due(c, NULL))
        forget_all(c);
}

srec_open_picture *srec_collector_latest(const srec_collector *c)
{
    slot *latest = NULL;
    for (slot *s = c ? c->slots : NULL; s && s < end_of(c); s++)
        if (s->used && (!latest || s->last_arrival > latest->last_arrival))
            latest = s;
    return latest ? &latest->open : NULL;
}

void srec_collector_get_counters(const srec_collector *c, srec_collector_counters *out)
{
    if (out)
        *out = c ? c->counters : (srec_collector_counters){ 0 };
}
