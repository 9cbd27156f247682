/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Which packets belong to the same image. */
#ifndef SREC_COLLECTOR_IDENTITY_H
#define SREC_COLLECTOR_IDENTITY_H

#include <srec/collector.h>

/* How well a packet fits an image. */
typedef enum srec_match {
    SREC_MATCH_NONE = 0, /* it belongs to another image */
    SREC_MATCH_OPEN = 1, /* it may belong: no packet of its part came yet */
    SREC_MATCH_SURE = 2
} srec_match;

/* The known packet numbers of one part of an image. */
typedef struct srec_part_identity {
    uint64_t lowest;
    uint64_t highest;
    uint32_t span; /* numbers that the whole part takes; 0: no packet came */
} srec_part_identity;

/* Identifies the packets of an image. */
typedef struct srec_picture_identity {
    uint64_t session;
    uint32_t picture;
    uint64_t highest; /* of all parts */
    srec_part_identity parts[SREC_COLLECTOR_PARTS_MAX];
} srec_picture_identity;

/* Identity of an image before its first packet. */
srec_picture_identity srec_picture_identity_of(const srec_collector_packet_id *packet);

/* Add a packet that belongs to the image. */
void srec_picture_identity_add(srec_picture_identity *id, const srec_collector_packet_id *packet);

srec_match srec_picture_identity_match(const srec_picture_identity *id, const srec_collector_packet_id *packet);

#endif
