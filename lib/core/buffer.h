/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A block of memory that grows on demand and never shrinks: no allocation while sizes repeat. */
#ifndef SREC_BUFFER_H
#define SREC_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <volk/volk.h>

typedef struct srec_buffer {
    void *data; /* 64-byte aligned */
    size_t size;
} srec_buffer;

/* The content is lost when the buffer grows.
 * \return false if out of memory; the buffer is then empty */
static inline bool srec_buffer_need(srec_buffer *b, size_t size)
{
    if (size <= b->size && b->data)
        return true;
    volk_free(b->data);
    b->data = volk_malloc(size ? size : 1, 64);
    b->size = b->data ? size : 0;
    return b->data != NULL;
}

static inline void srec_buffer_free(srec_buffer *b)
{
    volk_free(b->data);
    b->data = NULL;
    b->size = 0;
}

#endif /* SREC_BUFFER_H */
