/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Estimates the latent vectors of lost patches from their neighbours. */
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

/* Fill in the latent vectors of lost patches, ring by ring from the edges of the holes inward. Each becomes the
 * weighted mean of those of its eight neighbours that were received or filled in an earlier ring. A neighbour across a
 * side has weight 2, one across a corner weight 1. Patches more than SREC_CONCEAL_RINGS away from a received one keep
 * their latent vector. `received` is unchanged afterwards.
 * \param compute polled for cancellation once per row of each ring
 * \return false: cancelled, and the latent vectors are incomplete */
#define SREC_CONCEAL_RINGS 253u
bool srec_conceal(const srec_latent_grid *grid, const srec_compute *compute);

#endif /* SREC_CONCEAL_H */
