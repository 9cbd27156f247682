/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Latents of lost patches from those of their neighbours. */
#ifndef SREC_CONCEAL_H
#define SREC_CONCEAL_H

#include <srec/compute.h>
#include <stdint.h>

typedef struct srec_latent_grid {
    float *latent;     /* (rows, cols, channels) */
    uint8_t *received; /* (rows, cols) 1: received, 0: lost */
    size_t rows;
    size_t cols;
    unsigned channels;
} srec_latent_grid;

/* Fill in the latents of lost patches, ring by ring from the rims of the holes inward. Each becomes the weighted
 * mean of those
 * of its eight neighbours that were received or filled in an earlier ring: a neighbour across a side weighs 2, one
 * across a corner 1.
 * Patches more than SREC_CONCEAL_RINGS away from a received one keep their latent. `received` is left as it was.
 * \param compute whether to stop is asked once a row of each ring
 * \return false: cancelled, and the latents are incomplete */
#define SREC_CONCEAL_RINGS 253u
bool srec_conceal(const srec_latent_grid *grid, const srec_compute *compute);

#endif /* SREC_CONCEAL_H */
