/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/packet.h>
#include <srec/sync.h>

#include "acquisition.h"
#include "buffer.h"
#include "finding_internal.h"
#include "survey.h"
#include "tracker.h"
#include "waveform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST         1e-15f /* smaller samples count as 0 */
#define MATCH_MIN        0.11   /* noise exceeds it over 256 symbols once in 10^12, at one delay and offset */
/* Work is bounded for any input: each input symbol permits a fixed amount. */
#define FIXES_PER_SYMBOL (1.0 / 64) /* candidates whose preamble is measured; noise has one in 10^5 cells */
#define FIXES_AT_ONCE    32.0
#define WORK_PER_SYMBOL  8.0 /* symbols demodulated; bursts that do not overlap need less than 2 */
#define WORK_AT_ONCE     1e6 /* four of the longest frames */
/* Unreadable signal fields are tried with the other modulations: the first ones always, later ones at times. */
#define IDENTIFY_FIRST   8u
#define IDENTIFY_EVERY   16u
#define SIGNAL_UNITS     8u  /* the pilots after the end of a shorter frame do no harm */
#define LEAST_HEADER     43u /* bytes of the shortest header with its tag */
/* Minimum symbols of a burst whose clock offset counts: in short bursts the estimate depends on the expected value. */
#define CLOCKED          4000u

/* What the synchroniser waits for. */
typedef enum { SEARCH, PREAMBLE, SIGNAL_FIELD, OTHER_FIELDS, HEADER, FRAME } phase_of_work;

struct srec_sync {
    unsigned sps;
    srec_modulation modulation;
    srec_burst_handler handler;
    void *context;
    srec_burst_check check; /* NULL: every burst is passed on */
    void *check_context;
    srec_acquisition *acquisition;
    srec_tracker *tracker;
    srec_survey *survey;
    srec_evidence evidence; /* includes the counters */
    phase_of_work phase;
    srec_candidate candidate;
    srec_preamble_fix fix;
    srec_signal signal;
    size_t n_data;      /* frame symbols to wait for */
    double fixes, work; /* permitted amounts */
    float *samples;     /* of the stream, from number `base` on */
    size_t held, capacity;
    uint64_t base;
    srec_buffer soft;
};

srec_status srec_sync_create(const srec_waveform *waveform, srec_modulation modulation, srec_burst_handler handler,
                             void *context, srec_sync **out, srec_error *error)
{
    if (out)
        *out = NULL;
    if (!out || !handler)
        return srec_fail(error, SREC_ERR_ARG, "synchroniser: NULL argument");
    if ((unsigned)modulation >= SREC_MODULATIONS)
        return srec_fail(error, SREC_ERR_ARG, "synchroniser: unknown modulation %d", (int)modulation);
    srec_status status = srec_waveform_check(waveform, error);
    if (status != SREC_OK)
        return status;
    srec_sync *s = calloc(1, sizeof *s);
    if (!s)
        return srec_fail(error, SREC_ERR_MEMORY, "synchroniser: out of memory");
    s->sps = waveform->samples_per_symbol;
    s->modulation = modulation;
    s->evidence.waveform = *waveform;
    s->evidence.modulation = modulation;
    s->handler = handler;
    s->context = context;
    s->fixes = FIXES_AT_ONCE;
    s->work = WORK_AT_ONCE;
    status = srec_acquisition_create(waveform, &s->acquisition);
    if (status == SREC_OK)
        status = srec_tracker_create(waveform, modulation, &s->tracker);
    if (status == SREC_OK)
        status = srec_survey_create(&s->survey);
    if (status != SREC_OK) {
        srec_sync_free(s);
        return srec_fail(error, status, "synchroniser: %s", srec_strerror(status));
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
    srec_survey_free(s->survey);
    srec_buffer_free(&s->soft);
    free(s->samples);
    free(s);
}

void srec_sync_set_check(srec_sync *s, srec_burst_check check, void *context)
{
    s->check = check;
    s->check_context = context;
}

void srec_sync_get_counters(const srec_sync *s, srec_sync_counters *out) { *out = s->evidence.counters; }

static uint64_t end_of(const srec_sync *s) { return s->base + s->held; }

/* True if the samples for n_data frame symbols after \p sample have arrived. */
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

/* Continues the search inside the current burst, so that no burst in it is lost. */
static void search_behind_preamble(srec_sync *s)
{
    search_from(s, s->fix.sample + (double)(SREC_BURST_PREAMBLE * s->sps));
}

static void wait_for(srec_sync *s, phase_of_work phase, size_t n_data)
{
    s->phase = phase;
    s->n_data = n_data;
}

/* \return false if the input so far does not permit this much work; the burst is skipped */
static bool allowed(srec_sync *s, size_t symbols)
{
    if (s->work >= (double)symbols) {
        s->work -= (double)symbols;
        return true;
    }
    s->evidence.counters.skipped++;
    search_behind_preamble(s);
    return false;
}

/* Frame symbols to demodulate for the signal field: whole pilot units. No frame ends with the signal field, and the
 * tracker needs several pilot blocks to find a drifting carrier. */
static size_t signal_symbols(srec_modulation m)
{
    const srec_signal least = { .header_bytes = LEAST_HEADER };
    const size_t field = srec_units(srec_modem_symbols(m, srec_packet_signal_bytes(m)));
    const size_t head = srec_modem_symbols(m, srec_packet_head_bytes(m, &least)) / SREC_BURST_DATA;
    const size_t units = head > SIGNAL_UNITS ? head : SIGNAL_UNITS;
    return (units > field ? units : field) * SREC_BURST_DATA;
}

/* Soft values of the first n_bytes frame bytes of a burst, in s->soft. */
static srec_status demap(srec_sync *s, srec_modulation m, const srec_burst *burst, size_t n_bytes)
{
    if (!srec_buffer_need(&s->soft, n_bytes * srec_modem_soft_per_byte(m) * sizeof(float)))
        return SREC_ERR_MEMORY;
    return srec_modem_demap(m, burst->iq, burst->gain_iq, burst->n0, srec_modem_symbols(m, n_bytes), s->soft.data);
}

static srec_status measure_preamble(srec_sync *s)
{
    size_t before, after;
    srec_tracker_reach(s->tracker, 0, &before, &after);
    s->phase = SEARCH;
    if (s->candidate.sample < s->base + before)
        return SREC_OK;
    srec_tracker_fix(s->tracker, s->samples, s->base, &s->candidate, &s->fix);
    /* The fix may lie before the candidate. At the start of a stream the samples that the filters need are then
     * missing. */
    if (s->fix.match >= MATCH_MIN && s->fix.sample >= (double)(s->base + before)) {
        s->evidence.counters.preambles++;
        wait_for(s, SIGNAL_FIELD, signal_symbols(s->modulation));
    }
    return SREC_OK;
}

static void unreadable(srec_sync *s)
{
    s->evidence.match = s->fix.match;
    if (s->evidence.counters.unreadable++ < IDENTIFY_FIRST || s->evidence.counters.unreadable % IDENTIFY_EVERY == 0)
        wait_for(s, OTHER_FIELDS, signal_symbols(SREC_BPSK)); /* the longest signal field */
    else
        search_behind_preamble(s);
}

static srec_status read_signal_field(srec_sync *s, const srec_burst *burst)
{
    const srec_modulation m = s->modulation;
    srec_status status = demap(s, m, burst, srec_packet_signal_bytes(m));
    if (status != SREC_OK)
        return status;
    status = srec_signal_read(m, s->soft.data, &s->signal);
    if (status == SREC_ERR_VERSION) {
        s->evidence.counters.unsupported++;
        search_behind_preamble(s);
    } else if (status != SREC_OK)
        unreadable(s);
    else {
        const size_t frame = srec_modem_symbols(m, s->signal.frame_bytes);
        size_t head = srec_units(srec_modem_symbols(m, srec_packet_head_bytes(m, &s->signal))) * SREC_BURST_DATA;
        head = head > signal_symbols(m) ? head : signal_symbols(m);
        if (s->check)
            wait_for(s, HEADER, head < frame ? head : frame);
        else
            wait_for(s, FRAME, frame);
    }
    return SREC_OK;
}

/* Try the signal field with the other modulations. */
static srec_status read_other_fields(srec_sync *s, const srec_burst *burst)
{
    for (unsigned m = 0; m < SREC_MODULATIONS; m++) {
        srec_signal signal;
        if (m == (unsigned)s->modulation)
            continue;
        srec_status status = demap(s, (srec_modulation)m, burst, srec_packet_signal_bytes((srec_modulation)m));
        if (status != SREC_OK)
            return status;
        if (srec_signal_read((srec_modulation)m, s->soft.data, &signal) == SREC_OK) {
            s->evidence.counters.other_modulation[m]++;
            break;
        }
    }
    search_behind_preamble(s);
    return SREC_OK;
}

static srec_status check_header(srec_sync *s, const srec_burst *burst)
{
    const size_t head_bytes = srec_packet_head_bytes(s->modulation, &s->signal);
    srec_status status = demap(s, s->modulation, burst, head_bytes);
    if (status != SREC_OK)
        return status;
    if (s->check(s->check_context, s->soft.data, head_bytes))
        wait_for(s, FRAME, srec_modem_symbols(s->modulation, s->signal.frame_bytes));
    else {
        s->evidence.counters.foreign++;
        search_behind_preamble(s);
    }
    return SREC_OK;
}

static void hand_on(srec_sync *s, const srec_burst *burst)
{
    srec_evidence *e = &s->evidence;
    e->cfo = (double)burst->cfo;
    if (burst->n_symbols >= CLOCKED) {
        e->clocked++;
        e->clock_ppm += ((double)burst->clock_ppm - e->clock_ppm) / (double)e->clocked;
    }
    s->evidence.counters.bursts++;
    s->evidence.counters.inverted += burst->inverted;
    s->handler(s->context, burst);
    /* The sender may have stopped in the middle, or the header may be a recording. Where headers are checked, the
     * search therefore continues inside the burst. */
    if (s->check)
        search_behind_preamble(s);
    else
        search_from(s, s->fix.sample + (double)(srec_burst_symbols(s->n_data) * s->sps));
}

/* Process a burst once the symbols of the phase have arrived. */
static srec_status work_on_burst(srec_sync *s)
{
    srec_burst burst;
    if ((s->phase == HEADER || s->phase == FRAME) && !allowed(s, s->n_data))
        return SREC_OK;
    srec_status status = srec_tracker_run(s->tracker, s->samples, s->base, &s->fix, s->n_data, &burst);
    if (status != SREC_OK)
        return status;
    switch (s->phase) {
    case SIGNAL_FIELD: return read_signal_field(s, &burst);
    case OTHER_FIELDS: return read_other_fields(s, &burst);
    case HEADER: return check_header(s, &burst);
    default: hand_on(s, &burst); return SREC_OK;
    }
}

static bool search(srec_sync *s)
{
    if (srec_acquisition_next(s->acquisition)) {
        s->evidence.counters.candidates++;
        if (s->fixes < 1) {
            s->evidence.counters.skipped++;
            return true;
        }
        if (srec_acquisition_candidate(s->acquisition, &s->candidate)) {
            s->fixes--;
            s->phase = PREAMBLE;
        }
        return true;
    }
    const uint64_t at = srec_acquisition_position(s->acquisition);
    if (at + srec_acquisition_block(s->acquisition) > end_of(s))
        return false;
    srec_acquisition_feed(s->acquisition, s->samples + 2 * (at - s->base));
    return true;
}

/* One step of work.
 * \param[out] worked false: more samples are needed */
static srec_status step(srec_sync *s, bool *worked)
{
    if (s->phase == SEARCH) {
        *worked = search(s);
        return SREC_OK;
    }
    *worked = s->phase == PREAMBLE ? reached(s, (double)s->candidate.sample, 0)
                                   : reached(s, s->fix.sample + s->sps, s->n_data);
    if (!*worked)
        return SREC_OK;
    return s->phase == PREAMBLE ? measure_preamble(s) : work_on_burst(s);
}

/* Drop the samples that nothing needs any more. */
static void forget(srec_sync *s)
{
    size_t before, after;
    srec_tracker_reach(s->tracker, 0, &before, &after);
    const uint64_t position = srec_acquisition_position(s->acquisition),
                   horizon = srec_acquisition_horizon(s->acquisition);
    uint64_t keep = s->phase == SEARCH     ? (horizon < position ? horizon : position)
                    : s->phase == PREAMBLE ? s->candidate.sample
                                           : (uint64_t)s->fix.sample;
    keep = keep > before + 4 * s->sps ? keep - before - 4 * s->sps : 0;
    if (keep <= s->base || keep - s->base < s->held / 2) /* rarely, because the remaining samples are moved */
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

/* Limit samples for the search. Samples that are not finite or exceed SREC_SAMPLE_MAX become 0, as do those whose
 * square would underflow.
 * \return number of samples with an I or Q that was not finite or too large */
static size_t bound(const float *in, size_t n, float *out)
{
    size_t absurd = 0;
    for (size_t i = 0; i < n; i++) {
        const float re = fabsf(in[2 * i]), im = fabsf(in[2 * i + 1]);
        out[2 * i] = re <= SREC_SAMPLE_MAX && re >= SMALLEST ? in[2 * i] : 0.0f; /* NaN fails both */
        out[2 * i + 1] = im <= SREC_SAMPLE_MAX && im >= SMALLEST ? in[2 * i + 1] : 0.0f;
        absurd += !(re <= SREC_SAMPLE_MAX) || !(im <= SREC_SAMPLE_MAX);
    }
    return absurd;
}

/* Append samples; the buffer has room. */
static void take(srec_sync *s, const float *samples, size_t n)
{
    float *to = s->samples + 2 * s->held;
    s->evidence.counters.samples += n;
    s->evidence.counters.absurd += bound(samples, n, to);
    if (!s->evidence.counters.bursts || !srec_survey_complete(s->survey)) /* afterwards the figures are not needed */
        srec_survey_add(s->survey, to, n);
}

/* \param samples NULL: zeros */
static srec_status push(srec_sync *s, const float *samples, size_t n)
{
    const size_t part_max = 32768;
    while (n) {
        const size_t part = n < part_max ? n : part_max;
        if (!room_for(s, part))
            return SREC_ERR_MEMORY;
        if (samples)
            take(s, samples, part);
        else
            memset(s->samples + 2 * s->held, 0, 2 * part * sizeof(float));
        s->held += part;
        const double symbols = (double)part / s->sps;
        s->fixes = fmin(FIXES_AT_ONCE, s->fixes + FIXES_PER_SYMBOL * symbols);
        s->work = fmin(WORK_AT_ONCE, s->work + WORK_PER_SYMBOL * symbols);
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

/* True if the preamble is in no counter of outcomes yet. In OTHER_FIELDS it already counts as unreadable. */
static bool is_undecided(const srec_sync *s)
{
    return s->phase == SIGNAL_FIELD || s->phase == HEADER || s->phase == FRAME;
}

srec_status srec_sync_flush(srec_sync *s)
{
    if (!s)
        return SREC_ERR_ARG;
    const uint64_t end = end_of(s);
    /* Enough zeros for the search to examine all samples, but too few for a burst of which a large part is missing. */
    size_t before, after;
    srec_tracker_reach(s->tracker, 0, &before, &after);
    srec_status status = push(s, NULL, 4 * after + srec_acquisition_block(s->acquisition));
    /* The rest of the burst will not come. Search the samples that it would have covered. */
    while (status == SREC_OK && s->phase != SEARCH) {
        s->evidence.counters.truncated += is_undecided(s);
        if (s->phase == PREAMBLE)
            s->phase = SEARCH;
        else
            search_behind_preamble(s);
        for (bool worked = true; worked && status == SREC_OK;)
            status = step(s, &worked);
    }
    s->base = end;
    s->held = 0;
    search_from(s, (double)end);
    return status;
}

size_t srec_sync_findings(const srec_sync *s, bool ended, srec_finding *out)
{
    srec_evidence e = s->evidence;
    srec_survey_read(s->survey, &e.input);
    e.receiving = s->phase == FRAME;
    return srec_findings(&e, ended, out);
}
