/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How the networks are run: backend, precision, threads, memory bound, progress. */
#ifndef SREC_COMPUTE_H
#define SREC_COMPUTE_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdbool.h>
#include <stddef.h>

SREC_BEGIN_DECLS

typedef enum srec_backend {
    SREC_BACKEND_ONEDNN = 0,   /*!< oneDNN: the fast one */
    SREC_BACKEND_REFERENCE = 1 /*!< plain loops over VOLK dot products: the specification; f32, one thread */
} srec_backend;

typedef enum srec_precision {
    SREC_PRECISION_F32 = 0,
    SREC_PRECISION_BF16 = 1 /*!< activations and weights bfloat16, sums f32; needs AVX-512 BF16 or AMX */
} srec_precision;

/*! Called between tiles from the thread that runs the network. \return false to stop: the run ends with
 *  SREC_ERR_CANCELLED. */
typedef bool (*srec_progress_fn)(void *context, size_t done, size_t total);

/*! Asked by the same thread far more often: before each layer of each tile, and in the decoder before each row of
 *  patches being
 *  made ready or concealed.
 *  \return true to stop: the run ends with SREC_ERR_CANCELLED. */
typedef bool (*srec_cancelled_fn)(void *context);

/*! All zero is a good default: oneDNN, f32, all cores, 1024-pixel tiles, no progress, never cancelled.
 *  python/srec_train/pairs.py has the same fields. */
typedef struct srec_compute {
    srec_backend backend;
    srec_precision precision;
    unsigned threads;          /*!< 0: as many as the machine has; more than it has are not used */
    unsigned tile;             /*!< longest side of what a network sees at once, in pixels of the picture, the
                                *   overlap of
                                    tiles included; 0: 1024. Bounds memory: a picture within one tile is run whole.
                                    */
    srec_progress_fn progress; /*!< may be NULL */
    void *progress_context;
    srec_cancelled_fn cancelled; /*!< may be NULL */
    void *cancelled_context;
} srec_compute;

/*! True if this CPU and backend can run \p precision. Any thread. */
SREC_API bool srec_compute_supports(srec_backend backend, srec_precision precision);

SREC_END_DECLS
#endif /* SREC_COMPUTE_H */
