/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/damage.h>

#include <math.h>

#define HEADER_SIGMA    5.0  /* header errors above the tolerated number, in standard deviations */
#define HEADER_MORE     3.0  /* and in bits */
#define RELATION_LEAST  0.25 /* share of the expected relation that even unusual images have */
#define RELATION_POWER  5.0  /* standard deviations that RELATION_LEAST must amount to before an absence counts */
#define RELATION_ABSENT 2.5  /* in standard deviations: a weaker relation counts as absent */
#define RELATION_FAINT  0.15 /* share of the expected relation: less counts as absent too */
#define RELATION_SURE   3.0  /* if it is certain by this many standard deviations */

static void add_relation(srec_relation *sum, const srec_relation *part)
{
    sum->sum += part->sum;
    sum->expected += part->expected;
    sum->variance += part->variance;
}

void srec_damage_add(srec_damage *sum, const srec_damage *part)
{
    sum->header_bits += part->header_bits;
    sum->header_errors += part->header_errors;
    sum->header_errors_expected += part->header_errors_expected;
    sum->header_errors_tolerated += part->header_errors_tolerated;
    sum->features += part->features;
    sum->features_random += part->features_random;
    add_relation(&sum->within, &part->within);
    add_relation(&sum->between, &part->between);
}

static bool is_absent(const srec_relation *r)
{
    const double deviation = sqrt(r->variance);
    return r->sum <= RELATION_ABSENT * deviation || r->sum + RELATION_SURE * deviation < RELATION_FAINT * r->expected;
}

bool srec_damage_is_suspect(const srec_damage *d)
{
    const double tolerated = d->header_errors_tolerated;
    if (d->header_errors > tolerated + HEADER_SIGMA * sqrt(tolerated) + HEADER_MORE)
        return true;
    return is_absent(&d->within) && is_absent(&d->between) &&
           RELATION_LEAST * d->within.expected > RELATION_POWER * sqrt(d->within.variance);
}
