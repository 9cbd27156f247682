/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  How networks run: backend, precision, threads, memory bound, progress, cancellation. */
#ifndef SREC_COMPUTE_H
#define SREC_COMPUTE_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdbool.h>
#include <stddef.h>

SREC_BEGIN_DECLS

/*! Implementations of the networks' operations. */
typedef enum srec_backend {
    SREC_BACKEND_ONEDNN = 0,   /*!< oneDNN: fast, all precisions that the CPU supports */
    SREC_BACKEND_REFERENCE = 1 /*!< plain loops over VOLK dot products: the specification; F32, one thread */
} srec_backend;

/*! Precision of the networks. */
typedef enum srec_precision {
    SREC_PRECISION_F32 = 0, /*!< 32-bit floating point */
    SREC_PRECISION_BF16 = 1 /*!< bfloat16 activations and weights, 32-bit sums; needs AVX-512 BF16 or AMX */
} srec_precision;

/*! Progress of a run. The thread that runs the network calls this function before each tile, with the
 *  `progress_context` of srec_compute, the number of finished tiles and the number of all tiles. Each network of an
 *  encoder or decoder counts its own tiles. The function returns false to stop the run, which then returns
 *  SREC_ERR_CANCELLED. */
typedef bool (*srec_progress_fn)(void *context, size_t done, size_t total);

/*! Cancellation of a run. The thread that runs the network calls this function before each layer of each tile, and in
 *  the decoder before each row of patches that it prepares or conceals, with the `cancelled_context` of srec_compute.
 *  It returns true to stop the run, which then returns SREC_ERR_CANCELLED. */
typedef bool (*srec_cancelled_fn)(void *context);

/*! Settings of a run. All fields 0 select oneDNN, F32, all cores, tiles of 1024 pixels, and no callbacks.
 *  python/srec_train/pairs.py declares the same fields. */
typedef struct srec_compute {
    srec_backend backend;      /*!< implementation */
    srec_precision precision;  /*!< precision; srec_compute_supports() tells which ones run here */
    unsigned threads;          /*!< threads of oneDNN; 0 or more than the number of processors: all processors */
    unsigned tile;             /*!< longest side of a tile in image pixels, including the overlap of tiles; 0: 1024 (768
                               *   for an enhancer). It bounds memory. Values below the minimum of a network are
                               *   raised to it. An image that fits one tile runs whole */
    srec_progress_fn progress; /*!< progress callback; may be NULL */
    void *progress_context;    /*!< first argument of `progress` */
    srec_cancelled_fn cancelled; /*!< cancellation callback; may be NULL */
    void *cancelled_context;     /*!< argument of `cancelled` */
} srec_compute;

/*! Whether this CPU can run a precision. Any thread may call this function.
 *
 *  \param[in] backend    the backend
 *  \param[in] precision  the precision
 *  \return true if the backend runs the precision on this CPU */
SREC_API bool srec_compute_supports(srec_backend backend, srec_precision precision);

/*! The precision of a name, for oneDNN on this CPU. Any thread may call this function.
 *
 *  \param[in]  name   f32, bf16, or auto: bf16 where the CPU has it, else f32
 *  \param[out] out    the precision; unchanged after an error
 *  \param[out] error  the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG for another name; SREC_ERR_UNSUPPORTED for bf16 if this CPU cannot run it */
SREC_API srec_status srec_precision_parse(const char *name, srec_precision *out, srec_error *error) SREC_WARN_UNUSED;

SREC_END_DECLS
#endif /* SREC_COMPUTE_H */
