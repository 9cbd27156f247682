/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "conceal.h"

#include "nn/nn.h"

#include <string.h>

/* During concealment `received` holds 0 for a lost patch, 1 for a received one, and FIRST_RING + i for one filled in
 * ring i. */
#define LOST       0u
#define RECEIVED   1u
#define FIRST_RING 2u

#define SIDE_WEIGHT   2.0f
#define CORNER_WEIGHT 1.0f

/* Weighted sum of the latent vectors of the neighbours known before this ring.
 * \return sum of the weights; 0: none is known, and \p sum is unchanged */
static float sum_neighbours(const srec_latent_grid *g, size_t y, size_t x, uint8_t ring, float *sum)
{
    float weights = 0.0f;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            const size_t ny = y + (size_t)dy, nx = x + (size_t)dx; /* wraps around beyond the border */
            if (ny >= g->rows || nx >= g->cols)
                continue;
            const size_t neighbour = ny * g->cols + nx;
            const uint8_t state = g->received[neighbour];
            if (state == LOST || state == ring)
                continue;
            const float weight = dy && dx ? CORNER_WEIGHT : SIDE_WEIGHT;
            if (weights == 0.0f)
                memset(sum, 0, g->channels * sizeof *sum);
            weights += weight;
            const float *latent = g->latent + neighbour * g->channels;
            for (unsigned c = 0; c < g->channels; c++)
                sum[c] += weight * latent[c];
        }
    return weights;
}

/* \return true if a neighbour is known and the patch has been filled */
static bool fill_patch(const srec_latent_grid *g, size_t y, size_t x, uint8_t ring)
{
    const size_t patch = y * g->cols + x;
    float *latent = g->latent + patch * g->channels;
    const float weights = sum_neighbours(g, y, x, ring, latent);
    if (weights == 0.0f)
        return false;
    for (unsigned c = 0; c < g->channels; c++)
        latent[c] /= weights;
    g->received[patch] = ring;
    return true;
}

/* \param[out] filled true if any patch was filled
 * \return false: cancelled */
static bool fill_ring(const srec_latent_grid *g, uint8_t ring, const srec_compute *compute, bool *filled)
{
    *filled = false;
    for (size_t y = 0; y < g->rows; y++) {
        if (srec_is_cancelled(compute))
            return false;
        for (size_t x = 0; x < g->cols; x++)
            if (g->received[y * g->cols + x] == LOST && fill_patch(g, y, x, ring))
                *filled = true;
    }
    return true;
}

static void restore_received(const srec_latent_grid *g)
{
    for (size_t p = 0; p < g->rows * g->cols; p++)
        if (g->received[p] != RECEIVED)
            g->received[p] = LOST;
}

bool srec_conceal(const srec_latent_grid *g, const srec_compute *compute)
{
    bool going_on = true;
    bool filled = true;
    for (unsigned i = 0; i < SREC_CONCEAL_RINGS && filled && going_on; i++)
        going_on = fill_ring(g, (uint8_t)(FIRST_RING + i), compute, &filled);
    restore_received(g);
    return going_on;
}
