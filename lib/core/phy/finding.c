/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "finding_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define ENOUGH           262144 /* samples without a burst before the input is judged */
#define LEAST            16384  /* the same at the end of the input */
#define ABSURD_LEAST     4096   /* minimum number of samples for the share of absurd ones */
#define CLOCK_MAX_PPM    60.0   /* the specification is 50, and the estimate has an error */
#define TONE_SHARE       0.5    /* of the power of the input */
#define RATE_RATIO       1.15   /* tolerance; the measured width is accurate to a few per cent */
#define WIDTH_ERROR      0.05
#define ROLLOFF_ERROR    0.2
#define ROLLOFF_BEARABLE 0.35 /* tolerance while bursts are received: the equaliser compensates for most of it */
#define CONTRAST_DB      10.0 /* minimum for bursts; noise has 6 */
#define KURTOSIS         0.1  /* distance from noise, which has 2; accurate to 0.04 from 16 blocks on */
#define FEW              3    /* bursts; fewer may have been damaged by noise */
#define MANY             256  /* candidates */

const char *srec_finding_name(srec_finding_kind kind)
{
    static const char *const names[SREC_FINDINGS] = {
        [SREC_FINDING_FORMAT] = "format",
        [SREC_FINDING_INVERTED] = "inverted",
        [SREC_FINDING_CARRIER] = "carrier",
        [SREC_FINDING_CLOCK] = "clock",
        [SREC_FINDING_MODULATION] = "modulation",
        [SREC_FINDING_RELEASE] = "release",
        [SREC_FINDING_KEY] = "key",
        [SREC_FINDING_TONE] = "tone",
        [SREC_FINDING_SYMBOL_RATE] = "symbol_rate",
        [SREC_FINDING_ROLLOFF] = "rolloff",
        [SREC_FINDING_SYMBOLS] = "symbols",
        [SREC_FINDING_UNREADABLE] = "unreadable",
        [SREC_FINDING_NO_PREAMBLE] = "no_preamble",
        [SREC_FINDING_OVERLOAD] = "overload",
    };
    return (unsigned)kind < SREC_FINDINGS ? names[kind] : NULL;
}

/* A list under construction. */
typedef struct {
    srec_finding *out;
    size_t n;
} list;

__attribute__((format(printf, 3, 4))) static void found(list *l, srec_finding_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    l->out[l->n].kind = kind;
    vsnprintf(l->out[l->n].text, sizeof l->out[l->n].text, format, arguments);
    va_end(arguments);
    l->n++;
}

static unsigned long long count(uint64_t n) { return (unsigned long long)n; }

/* Findings about bursts, received or not. */
static void judge_bursts(const srec_evidence *e, bool ended, list *l)
{
    const srec_sync_counters *c = &e->counters;
    if (c->inverted)
        found(l, SREC_FINDING_INVERTED,
              "inverted spectrum (I and Q exchanged, or a mixer above the carrier): the bursts are set right");
    if (c->bursts && fabs(e->cfo) > (double)SREC_SYNC_CFO_MAX + 0.002)
        found(l, SREC_FINDING_CARRIER,
              "carrier offset %+.3f of the symbol rate: only offsets within 0.1 are found reliably; tune the receiver "
              "by that much",
              e->cfo);
    if (e->clocked && fabs(e->clock_ppm) > CLOCK_MAX_PPM)
        found(l, SREC_FINDING_CLOCK,
              "clock offset %+.0f ppm%s: at most 50 ppm are followed; are the sample rates of both sides what they "
              "should be?",
              e->clock_ppm, fabs(e->clock_ppm) > 95 ? " or more" : "");
    for (unsigned m = 0; m < SREC_MODULATIONS; m++)
        if (c->other_modulation[m] > c->bursts) {
            found(l, SREC_FINDING_MODULATION, "bursts with modulation %s: the receiver is set to %s",
                  srec_modulation_name((srec_modulation)m), srec_modulation_name(e->modulation));
            break;
        }
    if (c->unsupported > c->bursts)
        found(l, SREC_FINDING_RELEASE, "bursts with a packet version that this release does not know");
    if (!c->bursts && c->foreign >= (ended ? 1 : FEW))
        found(l, SREC_FINDING_KEY, "%llu bursts failed authentication: is it the right key?", count(c->foreign));
    else if (c->bursts && c->foreign > c->bursts) /* noise damages some headers */
        found(l, SREC_FINDING_KEY, "%llu bursts failed authentication, %llu did not: another sender, or forged bursts",
              count(c->foreign), count(c->bursts));
    if (c->skipped >= MANY)
        found(l, SREC_FINDING_OVERLOAD,
              "%llu bursts or candidates were not examined: strong interference with chirps, or forged bursts",
              count(c->skipped));
}

static void judge_rolloff(const srec_evidence *e, double error_max, list *l)
{
    const double set = (double)e->waveform.rolloff;
    if (fabs(e->input.rolloff - set) > error_max)
        found(l, SREC_FINDING_ROLLOFF, "the signal has a roll-off of about %.2f; the receiver is set to %.2f",
              e->input.rolloff, set);
}

/* Findings about the input when no burst is received.
 * \return true if they explain that */
static bool judge_input(const srec_evidence *e, list *l)
{
    const srec_survey_figures *f = &e->input;
    const double sps = e->waveform.samples_per_symbol;
    const size_t before = l->n;
    if (f->tone_share > TONE_SHARE) {
        const double at = f->tone_frequency * sps;
        found(l, SREC_FINDING_TONE,
              "an unmodulated carrier %+.3f of the symbol rate from the centre is %.0f %% of the input's power: %s", at,
              100 * f->tone_share,
              fabs(at) < 0.01 ? "DC or the receiver's own oscillator; tune it aside"
                              : "interference, or a sender without data");
        return true;
    }
    const bool signal = f->contrast_db > CONTRAST_DB || fabs(f->kurtosis - 2) > KURTOSIS;
    if (!signal)
        return false;
    if (!f->shaped) {
        if (f->kurtosis < 2 - KURTOSIS && f->power > 0.1 && f->power < 10)
            found(l, SREC_FINDING_SYMBOLS,
                  "the input has a power of %.1f and fills the whole band: symbols instead of samples (both sides need "
                  "the same samples per symbol), or another format than that of the samples?",
                  f->power);
        return l->n > before;
    }
    const double ratio = 1 / (f->width * sps);
    if (ratio > RATE_RATIO || ratio < 1 / RATE_RATIO)
        found(l, SREC_FINDING_SYMBOL_RATE,
              "the signal is as wide as %.1f samples per symbol make it; the receiver is set to %.0f: are rate and "
              "samples per symbol those of the sender?",
              1 / f->width, sps);
    else
        judge_rolloff(e, ROLLOFF_ERROR, l);
    if (fabs(f->centre * sps) > (double)SREC_SYNC_CFO_MAX + 0.02)
        found(l, SREC_FINDING_CARRIER,
              "the signal's centre is %+.2f of the symbol rate off: only offsets within 0.1 are found reliably; tune "
              "the receiver by that much",
              f->centre * sps);
    return l->n > before;
}

size_t srec_findings(const srec_evidence *e, bool ended, srec_finding *out)
{
    const srec_sync_counters *c = &e->counters;
    list l = { .out = out };
    if (c->absurd > c->samples / 2 && c->samples >= ABSURD_LEAST)
        found(&l, SREC_FINDING_FORMAT,
              "%.0f %% of the samples are not finite or absurdly large: this looks like cu8 or ci16; see --format",
              100 * (double)c->absurd / (double)c->samples);
    judge_bursts(e, ended, &l);
    const bool explained = l.n > (c->inverted > 0);
    const srec_survey_figures *f = &e->input;
    if (c->bursts && f->shaped && fabs(f->width * e->waveform.samples_per_symbol - 1) < WIDTH_ERROR)
        judge_rolloff(e, ROLLOFF_BEARABLE, &l);
    if (c->bursts || e->receiving || explained || f->samples < (ended ? LEAST : ENOUGH) || judge_input(e, &l))
        return l.n;
    if (c->unreadable >= (ended ? 1 : FEW))
        found(&l, SREC_FINDING_UNREADABLE,
              "%llu preambles, but no signal field can be read, at %.1f dB SNR: is the modulation right, and the SNR "
              "high enough?",
              count(c->unreadable), 10 * log10(fmax(e->match, 1e-3) / fmax(1 - e->match, 1e-3)));
    else if (!c->preambles && f->contrast_db > CONTRAST_DB)
        found(&l, SREC_FINDING_NO_PREAMBLE, "the input's power changes by %.0f dB, but no preamble is in it: %s",
              f->contrast_db,
              f->shaped ? "another kind of signal, or echoes longer than 6 symbols?"
                        : "is the carrier in the band, and are rate and samples per symbol those of the sender?");
    return l.n;
}
