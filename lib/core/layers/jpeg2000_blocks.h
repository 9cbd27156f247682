/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The code blocks of an image, and how many coding passes of each the packets of a codestream hold. */
#ifndef SREC_JPEG2000_BLOCKS_H
#define SREC_JPEG2000_BLOCKS_H

#include "jpeg2000.h"

#define SREC_J2K_BLOCK_SIDE 64u

/* Node of a tag tree (ISO/IEC 15444-1, B.10.2). */
typedef struct srec_j2k_node {
    uint8_t value; /* 255: not known yet */
    uint8_t low;   /* the value is this or more */
} srec_j2k_node;

typedef struct srec_j2k_block {
    uint32_t x; /* in the transformed plane of the channel */
    uint32_t y;
    uint8_t width; /* 1 .. SREC_J2K_BLOCK_SIDE */
    uint8_t height;
    uint8_t planes;      /* bit planes of the block, known once it has passes */
    uint8_t passes;      /* coding passes in the packets so far */
    uint8_t length_bits; /* state of the lengths in packet headers */
    srec_j2k_node inclusion;
    srec_j2k_node zero_planes;
} srec_j2k_block;

/* The code blocks of one band in one precinct: one, or up to 2x2 of the lowest band. */
typedef struct srec_j2k_part {
    uint32_t first; /* block */
    uint8_t count;  /* blocks, 0 .. 4 */
    uint8_t channel;
    uint8_t planes;          /* most bit planes of a block: Mb, equation E-2 */
    float step;              /* of the quantiser */
    srec_j2k_node inclusion; /* roots of the tag trees of several blocks */
    srec_j2k_node zero_planes;
} srec_j2k_part;

typedef struct srec_j2k_blocks {
    srec_j2k_block *blocks;
    srec_j2k_part *parts; /* in the order of the packets of a quality layer */
    uint32_t *end;        /* (n_packets) part behind the last one of each packet */
    size_t n_blocks;
    size_t n_parts;
    size_t n_packets; /* of a quality layer */
} srec_j2k_blocks;

/* \param[out] out to be freed, also after an error \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_j2k_blocks_create(const srec_j2k_format *f, srec_j2k_blocks *out);
void srec_j2k_blocks_free(srec_j2k_blocks *b);

/* Read the header of a packet. All packets must be read, in the order of the codestream.
 * \param packet  number within the codestream
 * \return SREC_OK, SREC_ERR_FORMAT */
srec_status srec_j2k_blocks_read(srec_j2k_blocks *b, size_t packet, const uint8_t *bytes, size_t n_bytes);

#endif /* SREC_JPEG2000_BLOCKS_H */
