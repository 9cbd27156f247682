/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls of the C API whose parameters are structs, for tests: C++17 has no compound literals. */
#ifndef SREC_TEST_CALLS_H
#define SREC_TEST_CALLS_H

#include <srec/descrambler.h>
#include <srec/packet.h>

static inline srec_status encode_packet(srec_packet_encoder *e, const srec_packet_content &content, uint8_t *frame,
                                        size_t capacity, size_t *n_frame, srec_error *error)
{
    return srec_packet_encode(e, &content, frame, capacity, n_frame, error);
}

static inline srec_status extract_slice(const srec_model *model, const srec_features *features,
                                        const srec_slice_number &number, const srec_slice_buffers &buffers,
                                        srec_slice *out, size_t *n_bytes)
{
    return srec_slice_extract(model, features, &number, &buffers, out, n_bytes);
}

static inline srec_status estimate_bytes(srec_descrambler *d, const srec_descrambler_input &in, float *mean,
                                         float *deviation)
{
    return srec_descrambler_bytes(d, &in, mean, deviation);
}

static inline srec_status estimate_soft(srec_descrambler *d, const srec_descrambler_input &in, float *mean,
                                        float *deviation)
{
    return srec_descrambler_soft(d, &in, mean, deviation);
}

static inline srec_status estimate_hard(srec_descrambler *d, const srec_descrambler_input &in, float *mean,
                                        float *deviation)
{
    return srec_descrambler_hard(d, &in, mean, deviation);
}

#endif /* SREC_TEST_CALLS_H */
