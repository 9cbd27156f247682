/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  All of libsrec. docs/architecture.md shows how the parts work together, and examples/c contains complete programs.
 *
 *  Conventions of all headers:
 *  - Functions return SREC_OK or an error. SREC_ERR_ARG means that a pointer is NULL or a value is out of range.
 *    Pointers must not be NULL unless the documentation allows it.
 *  - Shapes are in parentheses, and the last index varies fastest: (n, 2) are n pairs. Samples and symbols are pairs of
 *    I and Q.
 *  - A handle (an opaque struct with functions to create and free it) may be used by one thread at a time. Different
 *    handles are independent. Models and keys are read-only, so threads may share them.
 *  - Equation numbers (SREC eq.) refer to "SREC: Encrypted Semantic Super-Resolution Enhanced Communication" (2025). */
#ifndef SREC_SREC_H
#define SREC_SREC_H

#include <srec/burst.h>
#include <srec/channel.h>
#include <srec/collector.h>
#include <srec/compute.h>
#include <srec/damage.h>
#include <srec/decoder.h>
#include <srec/descrambler.h>
#include <srec/encoder.h>
#include <srec/enhancer.h>
#include <srec/estimator.h>
#include <srec/finding.h>
#include <srec/image.h>
#include <srec/impairments.h>
#include <srec/key.h>
#include <srec/layer_packet.h>
#include <srec/layer_plan.h>
#include <srec/layers.h>
#include <srec/ldpc.h>
#include <srec/level.h>
#include <srec/metrics.h>
#include <srec/model.h>
#include <srec/modem.h>
#include <srec/noise_probe.h>
#include <srec/packet.h>
#include <srec/patch.h>
#include <srec/resize.h>
#include <srec/scrambler.h>
#include <srec/slice.h>
#include <srec/status.h>
#include <srec/sync.h>

#endif /* SREC_SREC_H */
