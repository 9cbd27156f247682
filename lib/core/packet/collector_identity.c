/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "collector_identity.h"

#define GAP_MOST (1u << 20) /* packet numbers between two parts of an image */

srec_picture_identity srec_picture_identity_of(const srec_collector_packet_id *p)
{
    return (srec_picture_identity){ .session = p->session, .picture = p->picture };
}

void srec_picture_identity_add(srec_picture_identity *id, const srec_collector_packet_id *p)
{
    srec_part_identity *part = &id->parts[p->part];
    if (!part->span)
        *part = (srec_part_identity){ .lowest = p->packet, .highest = p->packet, .span = p->span };
    if (p->packet < part->lowest)
        part->lowest = p->packet;
    if (p->packet > part->highest)
        part->highest = p->packet;
    if (p->packet > id->highest)
        id->highest = p->packet;
}

/* Distance of a number to the far end of those known. */
static uint64_t distance(const srec_part_identity *part, uint64_t packet)
{
    return packet >= part->lowest ? packet - part->lowest : part->highest - packet;
}

/* Parts are sent one after the other. */
static bool in_order(const srec_picture_identity *id, const srec_collector_packet_id *p)
{
    for (unsigned i = 0; i < SREC_COLLECTOR_PARTS_MAX; i++) {
        const srec_part_identity *part = &id->parts[i];
        if (!part->span)
            continue;
        if (i < p->part ? p->packet <= part->highest : p->packet >= part->lowest)
            return false;
        if (distance(part, p->packet) > GAP_MOST)
            return false;
    }
    return true;
}

srec_match srec_picture_identity_match(const srec_picture_identity *id, const srec_collector_packet_id *p)
{
    if (id->session != p->session || id->picture != p->picture)
        return SREC_MATCH_NONE;
    const srec_part_identity *part = &id->parts[p->part];
    if (part->span)
        return distance(part, p->packet) < part->span ? SREC_MATCH_SURE : SREC_MATCH_NONE;
    return in_order(id, p) ? SREC_MATCH_OPEN : SREC_MATCH_NONE;
}
