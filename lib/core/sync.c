/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/packet.h>
#include <srec/sync.h>

#include "acquisition.h"
#include "buffer.h"
#include "tracker.h"
#include "waveform.h"

#include <stdlib.h>
#include <string.h>

#define SIGNAL_UNITS 8u  /* a shorter frame's pilots after its end do no harm */
#define LEAST_HEADER 43u /* bytes of the shortest header with its tag */
#define MATCH_MIN 0.11 /* of noise and 256 symbols: one in 10^12 at one delay and offset */

/* What the synchroniser waits for. */
typedef enum { SEARCH, PREAMBLE, SIGNAL_FIELD, FRAME } phase_of_work;

struct srec_sync {
    unsigned sps;
    srec_modulation modulation;
    srec_burst_handler handler;
    void *context;
    srec_acquisition *acquisition;
    srec_tracker *tracker;
    srec_sync_counters counters;
    phase_of_work phase;
    srec_candidate candidate;
    srec_preamble_fix fix;
    size_t n_data; /* frame symbols waited for */
    float *samples; /* of the stream, from number `base` on */
    size_t held, capacity;
    uint64_t base;
    srec_buffer soft;
};

srec_status srec_sync_create(const srec_waveform *waveform, srec_modulation modulation, srec_burst_handler handler, void *context, srec_sync **out)
{
    if (!out || !handler || !srec_waveform_valid(waveform) || (unsigned)modulation >= SREC_MODULATIONS)
        return SREC_ERR_ARG;
    *out = NULL;
    srec_sync *s = calloc(1, sizeof *s);
    if (!s)
        return SREC_ERR_MEMORY;
    s->sps = waveform->samples_per_symbol;
    s->modulation = modulation;
    s->handler = handler;
    s->context = context;
    srec_status status = srec_acquisition_create(waveform, &s->acquisition);
    if (status == SREC_OK)
        status = srec_tracker_create(waveform, modulation, &s->tracker);
    if (status != SREC_OK) {
        srec_sync_free(s);
        return status;
    }
    *out = s;
    return SREC_OK;
}

void srec_sync_free(srec_sync *s)
{
    if (!s)
        return;
    srec_acquisition_free(s->acquisition);
    srec_tracker_free(s->tracker);
    srec_buffer_free(&s->soft);
    free(s->samples);
    free(s);
}

void srec_sync_get_counters(const srec_sync *s, srec_sync_counters *out) { *out = s->counters; }

static uint64_t end_of(const srec_sync *s) { return s->base + s->held; }

/* True when the samples for n_data frame symbols after \p sample are there. */
static bool reached(const srec_sync *s, double sample, size_t n_data)
{
    size_t before, after;
    srec_tracker_reach(s->tracker, n_data, &before, &after);
    return end_of(s) >= (uint64_t)sample + after + 1;
}

static void search_from(srec_sync *s, double sample)
{
    srec_acquisition_reset(s->acquisition, (uint64_t)sample > s->base ? (uint64_t)sample : s->base);
    s->phase = SEARCH;
}

/* Frame symbols to look at for the signal field: whole pilot units. No frame ends with the signal field, and the tracker finds
 * a drifting carrier by several pilot blocks. */
static size_t signal_symbols(const srec_sync *s)
{
    const srec_signal least = { .header_bytes = LEAST_HEADER };
    const size_t field = srec_modem_symbols(s->modulation, srec_packet_signal_bytes(s->modulation));
    const size_t head = srec_modem_symbols(s->modulation, srec_packet_head_bytes(s->modulation, &least));
    const size_t units = head / SREC_BURST_DATA > SIGNAL_UNITS ? head / SREC_BURST_DATA : SIGNAL_UNITS;
    return (units > srec_units(field) ? units : srec_units(field)) * SREC_BURST_DATA;
}

static srec_status read_signal_field(srec_sync *s)
{
    const size_t bytes = srec_packet_signal_bytes(s->modulation), symbols = srec_modem_symbols(s->modulation, bytes);
    srec_burst burst;
    srec_signal signal;
    srec_status status = srec_tracker_run(s->tracker, s->samples, s->base, &s->fix, s->n_data, &burst);
    if (status != SREC_OK)
        return status;
    if (!srec_buffer_need(&s->soft, bytes * srec_modem_soft_per_byte(s->modulation) * sizeof(float)))
        return SREC_ERR_MEMORY;
    srec_modem_demap(s->modulation, burst.iq, burst.gain_iq, burst.n0, symbols, s->soft.data);
    if (srec_signal_read(s->modulation, s->soft.data, &signal) != SREC_OK) {
        s->counters.unreadable++;
        search_from(s, s->fix.sample + (double)(SREC_BURST_PREAMBLE * s->sps));
        return SREC_OK;
    }
    s->n_data = srec_modem_symbols(s->modulation, signal.frame_bytes);
    s->phase = FRAME;
    return SREC_OK;
}

/* One step of work, if the samples for it are there. \param[out] worked false: more samples are needed */
static srec_status step(srec_sync *s, bool *worked)
{
    *worked = true;
    switch (s->phase) {
    case SEARCH:
        if (srec_acquisition_next(s->acquisition, &s->candidate)) {
            s->counters.candidates++;
            s->phase = PREAMBLE;
        } else {
            const uint64_t at = srec_acquisition_position(s->acquisition);
            if (at + srec_acquisition_block(s->acquisition) > end_of(s))
                *worked = false;
            else
                srec_acquisition_feed(s->acquisition, s->samples + 2 * (at - s->base));
        }
        return SREC_OK;
    case PREAMBLE: {
        size_t before, after;
        srec_tracker_reach(s->tracker, 0, &before, &after);
        if (!reached(s, (double)s->candidate.sample, 0)) {
            *worked = false;
            return SREC_OK;
        }
        s->phase = SEARCH;
        if (s->candidate.sample < s->base + before)
            return SREC_OK;
        srec_tracker_fix(s->tracker, s->samples, s->base, &s->candidate, &s->fix);
        /* the fix may lie before the candidate: at the start of a stream the samples that the filters reach for are not there */
        if (s->fix.match >= MATCH_MIN && s->fix.sample >= (double)(s->base + before)) {
            s->counters.preambles++;
            s->n_data = signal_symbols(s);
            s->phase = SIGNAL_FIELD;
        }
        return SREC_OK;
    }
    case SIGNAL_FIELD:
        if (reached(s, s->fix.sample + s->sps, s->n_data))
            return read_signal_field(s);
        *worked = false;
        return SREC_OK;
    case FRAME:
        if (!reached(s, s->fix.sample + s->sps, s->n_data)) {
            *worked = false;
            return SREC_OK;
        }
        srec_burst burst;
        srec_status status = srec_tracker_run(s->tracker, s->samples, s->base, &s->fix, s->n_data, &burst);
        if (status != SREC_OK)
            return status;
        s->counters.bursts++;
        s->handler(s->context, &burst);
        search_from(s, s->fix.sample + (double)((srec_burst_symbols(s->n_data)) * s->sps));
        return SREC_OK;
    }
    return SREC_ERR_INTERNAL;
}

/* Forget samples that nothing to come looks at. */
static void forget(srec_sync *s)
{
    size_t before, after;
    srec_tracker_reach(s->tracker, 0, &before, &after);
    const uint64_t position = srec_acquisition_position(s->acquisition), horizon = srec_acquisition_horizon(s->acquisition);
    uint64_t keep = s->phase == SEARCH ? (horizon < position ? horizon : position) : s->phase == PREAMBLE ? s->candidate.sample : (uint64_t)s->fix.sample;
    keep = keep > before + 4 * s->sps ? keep - before - 4 * s->sps : 0;
    if (keep <= s->base || keep - s->base < s->held / 2) /* seldom: what is kept is moved */
        return;
    const size_t drop = keep - s->base < s->held ? (size_t)(keep - s->base) : s->held;
    memmove(s->samples, s->samples + 2 * drop, 2 * (s->held - drop) * sizeof(float));
    s->held -= drop;
    s->base += drop;
}

static bool room_for(srec_sync *s, size_t n)
{
    if (s->held + n <= s->capacity)
        return true;
    size_t capacity = s->capacity ? s->capacity : 65536;
    while (capacity < s->held + n)
        capacity *= 2;
    float *grown = realloc(s->samples, 2 * capacity * sizeof(float));
    if (!grown)
        return false;
    s->samples = grown;
    s->capacity = capacity;
    return true;
}

/* \param samples NULL: zeros */
static srec_status push(srec_sync *s, const float *samples, size_t n)
{
    const size_t part_max = 32768;
    while (n) {
        const size_t part = n < part_max ? n : part_max;
        if (!room_for(s, part))
            return SREC_ERR_MEMORY;
        float *to = s->samples + 2 * s->held;
        for (size_t i = 0; i < 2 * part; i++) {
            const float v = samples ? samples[i] : 0.0f;
            to[i] = v - v == 0.0f ? v : 0.0f;
        }
        s->held += part;
        samples = samples ? samples + 2 * part : NULL;
        n -= part;
        for (bool worked = true; worked;) {
            srec_status status = step(s, &worked);
            if (status != SREC_OK)
                return status;
        }
        forget(s);
    }
    return SREC_OK;
}

srec_status srec_sync_push(srec_sync *s, const float *samples, size_t n)
{
    if (!s || (n && !samples))
        return SREC_ERR_ARG;
    return push(s, samples, n);
}

srec_status srec_sync_flush(srec_sync *s)
{
    if (!s)
        return SREC_ERR_ARG;
    /* zeros enough for the search to look at all that is there, but for no burst of which much is missing */
    size_t before, after;
    srec_tracker_reach(s->tracker, 0, &before, &after);
    srec_status status = push(s, NULL, 4 * after + srec_acquisition_block(s->acquisition));
    if (s->phase == SIGNAL_FIELD || s->phase == FRAME)
        s->counters.truncated++;
    const uint64_t end = end_of(s);
    s->base = end;
    s->held = 0;
    search_from(s, (double)end);
    return status;
}
