/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plausibility.h"

#include "vector_math.h"

#include <math.h>

#define INTACT 25.0 /* bytes assumed to follow their priors: an uncertain share counts as none */
/* Share of a feature's usual variance that is added to that of each patch: calm patches are mostly rounding errors. */
#define CALM   0.05f
#define BLOCK  64

/* Middle of a bin. */
static double ratio_of(int bin) { return ldexp(1.0 + (bin % 8 + 0.5) / 8, bin / 8 - SREC_RATIO_OCTAVES); }

double srec_ratios_random_share(const srec_ratios *r)
{
    double low = 0, high = 1;
    for (int step = 0; step < 12; step++) { /* bisection: the slope of the log likelihood decreases */
        const double share = 0.5 * (low + high);
        double slope = -INTACT / (1 - share);
        for (int bin = 0; bin < SREC_RATIO_BINS; bin++)
            if (r->count[bin]) {
                const double more = ratio_of(bin) - 1;
                slope += r->count[bin] * more / (1 + share * more);
            }
        if (slope > 0)
            low = share;
        else
            high = share;
    }
    return low;
}

void srec_find_partners(const float *covariance, size_t k, uint16_t *partner, float *correlation)
{
    for (size_t i = 0; i < k; i++) {
        partner[i] = (uint16_t)i;
        correlation[i] = 0.0f;
        for (size_t j = 0; j < k; j++) {
            const float c = covariance[i * k + j] / sqrtf(covariance[i * (k + 1)] * covariance[j * (k + 1)]);
            if (j != i && fabsf(c) > fabsf(correlation[i])) {
                partner[i] = (uint16_t)j;
                correlation[i] = c;
            }
        }
    }
}

void srec_relate(const srec_related_patch *p, srec_damage *damage)
{
    const float *mean = p->mean, *deviation = p->deviation, *correlation = p->correlation;
    const uint16_t *partner = p->partner;
    const size_t k = p->n;
    float power = 0.0f, doubt = 0.0f, power_before = 0.0f;
    float within = 0.0f, within_square = 0.0f, within_expected = 0.0f, between = 0.0f, between_square = 0.0f;
    const float *other = p->before ? p->before : mean;
    for (size_t i = 0; i < k; i++) { /* a single loop: the additions of its sums overlap */
        const float a = mean[i], b = mean[partner[i]], c = correlation[i], e = other[i];
        const float product = c * a * b, again = a * e;
        power += a * a;
        doubt += deviation[i] * deviation[i];
        power_before += e * e;
        within += product;
        within_square += product * product;
        within_expected += c * c * (a * a + b * b);
        between += again;
        between_square += again * again;
    }
    const float calm = CALM * p->variance, per_power = 1.0f / (power / (float)k + calm);
    /* the uncertainty of the channel reduces the product of two estimates by this factor */
    const float known = power / (power + doubt + 1e-20f);
    damage->within.sum += within * per_power;
    damage->within.variance += within_square * per_power * per_power;
    damage->within.expected += 0.5f * within_expected * per_power * known;
    if (p->before) {
        const float scale_square = per_power / (power_before / (float)k + calm);
        damage->between.sum += between * sqrtf(scale_square);
        damage->between.variance += between_square * scale_square;
    }
}

/* \param[out] wrong, promised, tolerated (BLOCK) for each bit */
SREC_CLONES static void error_chances(const float *llr, size_t n, float *restrict wrong, float *restrict promised,
                                      float *restrict tolerated)
{
    for (size_t i = 0; i < n; i++) {
        const float size = llr[i] < 0.0f ? -llr[i] : llr[i];
        const float root = srec_vexp(-0.25f * (size < 320.0f ? size : 320.0f));
        const float three = root * root * root; /* exp(-0.75 |L|): noise 1.25 dB stronger */
        wrong[i] = llr[i] < 0.0f ? 1.0f : 0.0f;
        promised[i] = three * root / (1.0f + three * root);
        tolerated[i] = three / (1.0f + three);
    }
}

void srec_count_header_errors(const float *llr, size_t n, srec_damage *damage)
{
    float wrong[BLOCK], promised[BLOCK], tolerated[BLOCK];
    damage->header_bits += (double)n;
    for (size_t done = 0; done < n; done += BLOCK) {
        const size_t m = n - done < BLOCK ? n - done : BLOCK;
        float sums[3] = { 0 };
        error_chances(llr + done, m, wrong, promised, tolerated);
        for (size_t i = 0; i < m; i++) {
            sums[0] += wrong[i];
            sums[1] += promised[i];
            sums[2] += tolerated[i];
        }
        damage->header_errors += sums[0];
        damage->header_errors_expected += sums[1];
        damage->header_errors_tolerated += sums[2];
    }
}
