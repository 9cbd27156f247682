/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  All of libsrec, in the order a picture meets it. */
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
#include <srec/finding.h>
#include <srec/image.h>
#include <srec/impairments.h>
#include <srec/key.h>
#include <srec/level.h>
#include <srec/metrics.h>
#include <srec/model.h>
#include <srec/modem.h>
#include <srec/noise_probe.h>
#include <srec/packet.h>
#include <srec/resize.h>
#include <srec/scrambler.h>
#include <srec/slice.h>
#include <srec/status.h>
#include <srec/sync.h>

#endif /* SREC_SREC_H */
