/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Pictures being received: which picture a packet belongs to, and when a picture is delivered.
 *
 *  Several pictures are open at once, each under its session and number, so that stations which take turns on the
 *  air, or a packet
 *  that comes late, do not break pictures into fragments. What packets carry does not matter here: each open
 *  picture has a body that
 *  belongs to the caller, who also says how many bytes it holds and when it is complete.
 *
 *      while packets come:   srec_collector_packet()   -> the open picture; the caller stores the packet in its
 *      body
 *                            srec_collector_stored()
 *      when no packet waits: srec_collector_expire()
 *      after each of these:  srec_collector_due()      -> the next picture to deliver, until there is none
 *                            srec_collector_close()
 *
 *  A sender sends the pictures of a session one after the other, and its packet numbers rise. A picture is
 *  delivered for the first of these reasons:
 *
 *      complete   all of it came
 *      later      the sender is past it: a later picture of its session is complete, or `later_packets` packets of
 *      later pictures of its
 *                 session came since its own last packet, or `later_pictures` of them were opened
 *      timeout    none of its packets came for `timeout_s`
 *      room       it is the one without a packet for longest, and a new picture or packet needs its place
 *      end        the stream ended
 *
 *  A complete picture never waits; the incomplete earlier ones of its session go out just before it, so a session's
 *  pictures come in order.
 *  Packets of a picture delivered are late: refused and counted. The memory for that, like the number of open
 *  pictures, is bounded.
 *
 *  There is no clock here: time is an argument, in seconds of any clock that never runs backward. */
#ifndef SREC_COLLECTOR_H
#define SREC_COLLECTOR_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

/*! One thread at a time per collector; collectors are independent. */
typedef struct srec_collector srec_collector;

/*! 0 in a field stands for its default. */
typedef struct srec_collector_limits {
    double timeout_s;        /*!< default 2; INFINITY: never */
    unsigned max_open;       /*!< pictures open at once, default 8, at most 1024 */
    size_t max_bytes;        /*!< what open pictures hold together, default 512 MiB */
    unsigned later_packets;  /*!< default 16; 1: the first packet of a later picture delivers the ones before it */
    unsigned later_pictures; /*!< default 2 */
    unsigned max_remembered; /*!< pictures delivered whose packets are recognised as late, default 1024, at most
                              *   2^20 */
} srec_collector_limits;

typedef enum srec_reason {
    SREC_REASON_NONE = 0, /*!< not to be delivered yet */
    SREC_REASON_COMPLETE = 1,
    SREC_REASON_LATER = 2,
    SREC_REASON_TIMEOUT = 3,
    SREC_REASON_ROOM = 4,
    SREC_REASON_END = 5
} srec_reason;
#define SREC_REASONS 6

/*! "complete", "later", "timeout", "room" or "end"; NULL for others. Static storage; any thread. */
SREC_API const char *srec_reason_name(srec_reason reason);

typedef struct srec_open_picture {
    uint64_t session;
    uint32_t picture; /*!< number within the session */
    void *body;       /*!< the caller's; NULL in a picture that was just opened */
} srec_open_picture;

/*! What the collector must know of a packet. */
typedef struct srec_collector_packet_id {
    uint64_t session;
    uint64_t packet; /*!< number of the packet within its session, in the order of sending; of a repeat, that of
                       *   the first transmission */
    uint32_t picture;
    uint32_t span; /*!< packet numbers that the whole picture takes, at least 1. A packet of the same picture
                       *   number that is too far away
                           for that belongs to another picture: a sender restarted its numbers within the session */
} srec_collector_packet_id;

typedef struct srec_collector_counters {
    uint64_t late;                    /*!< packets of pictures already delivered */
    uint64_t opened;                  /*!< pictures */
    uint64_t delivered[SREC_REASONS]; /*!< pictures, by srec_reason */
} srec_collector_counters;

/*! \param limits NULL for the defaults
 *  \param release called with the body of each picture that is closed, and of those still open in
 *  srec_collector_free(); may be NULL
 *  \return SREC_OK, SREC_ERR_ARG (a limit out of range), SREC_ERR_MEMORY. All memory of the collector itself is
 *  allocated here. */
SREC_API srec_status srec_collector_create(const srec_collector_limits *limits, void (*release)(void *body),
                                           srec_collector **out, srec_error *error);
SREC_API void srec_collector_free(srec_collector *collector);

/*! A packet came: find the picture it belongs to, or open it.
 *  \param now_s when it came
 *  \param[out] out valid until it is closed; NULL on error
 *  \return SREC_OK, SREC_ERR_LATE (its picture was delivered; counted), SREC_ERR_ARG (also if pictures that are due
 *  were not closed) */
SREC_API srec_status srec_collector_packet(srec_collector *collector, const srec_collector_packet_id *packet,
                                           double now_s, srec_open_picture **out, srec_error *error);

/*! The packet is in the body of \p picture, which holds \p bytes in all now; \p complete: nothing is missing any
 *  more. */
SREC_API void srec_collector_stored(srec_collector *collector, srec_open_picture *picture, size_t bytes, bool complete);

/*! Pictures without a packet for the timeout become due. Call it only when no packet waits: one that waits is not
 *  missing. */
SREC_API void srec_collector_expire(srec_collector *collector, double now_s);

/*! The stream ended: all open pictures become due. Once they are closed, the pictures delivered are forgotten too:
 *  what follows is another
 *  stream. */
SREC_API void srec_collector_end(srec_collector *collector);

/*! The next picture to deliver: the one opened first, and of a session the one sent first. NULL if none is due.
 *  \param[out] reason may be NULL */
SREC_API srec_open_picture *srec_collector_due(const srec_collector *collector, srec_reason *reason);

/*! The picture was delivered: its body is released, its later packets are late. \p picture must be due. */
SREC_API void srec_collector_close(srec_collector *collector, srec_open_picture *picture);

/*! The open picture whose packet came last; NULL if none is open. */
SREC_API srec_open_picture *srec_collector_latest(const srec_collector *collector);

SREC_API void srec_collector_get_counters(const srec_collector *collector, srec_collector_counters *out);

SREC_END_DECLS
#endif /* SREC_COLLECTOR_H */
