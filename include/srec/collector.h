/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The collector assigns packets to images, and decides when an image is delivered.
 *
 *  It keeps several images open at once, each under its session and number. So stations that take turns on the air, or
 *  packets that arrive late, do not break images into fragments. The collector does not read payloads. Each open image
 *  has a body, which belongs to the caller. The caller also reports how many bytes the body holds, and when the image
 *  is complete.
 *
 *      for each packet:       srec_collector_packet()    the open image; the caller stores the packet in its body
 *                             srec_collector_stored()
 *      if no packet waits:    srec_collector_expire()
 *      after each of these:   srec_collector_due()       the next image to deliver, until it returns NULL
 *                             srec_collector_close()
 *
 *  A sender sends the images of a session one after the other, with ascending packet numbers. An image is delivered for
 *  the first of these reasons:
 *
 *      complete   all packets of the image arrived
 *                 (or enough of them, and a later one: srec_collector_suffices())
 *      later      the sender has moved on: a later image of the session is complete, or `later_packets` packets of
 *                 later images arrived since the last packet of this image, or `later_pictures` later images began
 *      timeout    no packet of the image arrived for `timeout_s` seconds
 *      room       another image needs the place, and this one has been without a packet for longest
 *      end        the stream ended
 *
 *  A complete image never waits. The incomplete earlier images of its session are delivered just before it, so the
 *  images of a session are delivered in order. Packets of delivered images are late: they are refused and counted. The
 *  memory for delivered images is bounded, like the number of open images.
 *
 *  The collector reads no clock. Time is an argument, in seconds of any clock that never runs backward. */
#ifndef SREC_COLLECTOR_H
#define SREC_COLLECTOR_H

#include <srec/api.h>
#include <srec/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

SREC_BEGIN_DECLS

#define SREC_COLLECTOR_PARTS_MAX 8u /*!< maximum number of parts of an image */

/*! A collector. One thread at a time may use it; different collectors are independent. */
typedef struct srec_collector srec_collector;

/*! Limits of a collector. In each field 0 selects the default. */
typedef struct srec_collector_limits {
    double timeout_s;        /*!< seconds without a packet until an image is delivered; default 2, INFINITY: never */
    unsigned max_open;       /*!< images open at once; default 8, at most 1024 */
    size_t max_bytes;        /*!< bytes in the bodies of all open images; default 512 MiB */
    unsigned later_packets;  /*!< packets of later images until an image is delivered; default 16; 1: the first one */
    unsigned later_pictures; /*!< later images opened until an image is delivered; default 2 */
    unsigned max_remembered; /*!< delivered images whose packets are recognised as late; default 1024, at most 2^20 */
} srec_collector_limits;

/*! Reasons for delivery. */
typedef enum srec_reason {
    SREC_REASON_NONE = 0,     /*!< the image is not due */
    SREC_REASON_COMPLETE = 1, /*!< all packets arrived */
    SREC_REASON_LATER = 2,    /*!< the sender has moved on */
    SREC_REASON_TIMEOUT = 3,  /*!< no packet arrived for `timeout_s` */
    SREC_REASON_ROOM = 4,     /*!< another image needs the place */
    SREC_REASON_END = 5       /*!< the stream ended */
} srec_reason;

#define SREC_REASONS 6 /*!< number of values of srec_reason */

/*! Name of a reason. Any thread may call this function.
 *
 *  \param[in] reason  the reason
 *  \return "complete", "later", "timeout", "room" or "end" in static storage; NULL for other values */
SREC_API const char *srec_reason_name(srec_reason reason);

/*! An open image. */
typedef struct srec_open_picture {
    uint64_t session; /*!< session of the sender */
    uint32_t picture; /*!< number of the image in the session */
    void *body;       /*!< belongs to the caller, who sets it; NULL in an image that was just opened */
} srec_open_picture;

/*! The properties of a packet that the collector needs. */
typedef struct srec_collector_packet_id {
    uint64_t session; /*!< session of the sender */
    uint64_t packet;  /*!< number of the packet in the session, in the order of sending; a repeated packet has the
                       *   number of its first transmission */
    uint32_t picture; /*!< number of the image in the session */
    uint32_t span;    /*!< packet numbers that the part takes, at least 1. A packet of the same image number and part
                       *   but a more distant packet number belongs to another image: the sender restarted its image
                       *   numbers */
    unsigned part;    /*!< part of the image, 0 .. SREC_COLLECTOR_PARTS_MAX - 1: layers are parts, which are sent one
                       *   after the other, and whose spans are not known before a packet of them arrives. 0: the
                       *   image has one part */
} srec_collector_packet_id;

/*! Counters of a collector. */
typedef struct srec_collector_counters {
    uint64_t late;                    /*!< packets of images that were already delivered */
    uint64_t opened;                  /*!< images opened */
    uint64_t delivered[SREC_REASONS]; /*!< images delivered, by srec_reason */
} srec_collector_counters;

/*! Create a collector. It allocates all memory of the collector, except the bodies.
 *
 *  \param[in]  limits   the limits; they are copied. NULL: the defaults
 *  \param[in]  release  frees a body. srec_collector_close() and srec_collector_free() call it for each body that is
 *                       not NULL. May be NULL
 *  \param[out] out      the collector, or NULL on error
 *  \param[out] error    the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_ARG if a limit is out of range; SREC_ERR_MEMORY */
SREC_API srec_status srec_collector_create(const srec_collector_limits *limits, void (*release)(void *body),
                                           srec_collector **out, srec_error *error) SREC_WARN_UNUSED;

/*! Free a collector. It releases the bodies of all open images.
 *
 *  \param[in] collector  the collector; may be NULL */
SREC_API void srec_collector_free(srec_collector *collector);

/*! Report that a packet arrived: find its image, or open it. Call srec_collector_stored() when the packet is in the
 *  body.
 *
 *  \param[in]  collector  the collector
 *  \param[in]  packet     the packet
 *  \param[in]  now_s      time of arrival in seconds
 *  \param[out] out        the image, valid until it is closed; NULL on error
 *  \param[out] error      the reason of a failure; may be NULL
 *  \return SREC_OK; SREC_ERR_LATE if the image was already delivered (counted); SREC_ERR_ARG if an argument is invalid,
 *          or if no place is free because images that are due were not closed */
SREC_API srec_status srec_collector_packet(srec_collector *collector, const srec_collector_packet_id *packet,
                                           double now_s, srec_open_picture **out, srec_error *error);

/*! Report that a packet was stored in the body of an image.
 *
 *  \param[in] collector  the collector; may be NULL
 *  \param[in] picture    the image that srec_collector_packet() returned; may be NULL
 *  \param[in] bytes      bytes that the body now holds
 *  \param[in] complete   true if no packet of the image is missing */
SREC_API void srec_collector_stored(srec_collector *collector, srec_open_picture *picture, size_t bytes, bool complete);

/*! Report that an image can do without its missing packets. It becomes due, as complete, with the next packet of a
 *  later image of its session; until then its own packets are still welcome.
 *
 *  \param[in] collector  the collector; may be NULL
 *  \param[in] picture    the image that srec_collector_packet() returned; may be NULL */
SREC_API void srec_collector_suffices(srec_collector *collector, srec_open_picture *picture);

/*! Make the images due that have been without a packet for `timeout_s`. Call it only while no packet waits, because a
 *  waiting packet is not missing.
 *
 *  \param[in] collector  the collector; may be NULL
 *  \param[in] now_s      the time in seconds */
SREC_API void srec_collector_expire(srec_collector *collector, double now_s);

/*! Report the end of the stream: all open images become due. When they are closed, the collector forgets the delivered
 *  images, and the next packet begins another stream.
 *
 *  \param[in] collector  the collector; may be NULL */
SREC_API void srec_collector_end(srec_collector *collector);

/*! The next image to deliver. The collector takes the session of the image that was opened first, and from this session
 *  the image that was sent first.
 *
 *  \param[in]  collector  the collector; may be NULL
 *  \param[out] reason     the reason for delivery; may be NULL
 *  \return the image, valid until it is closed; NULL if no image is due */
SREC_API srec_open_picture *srec_collector_due(const srec_collector *collector, srec_reason *reason);

/*! Report that an image was delivered. The collector releases its body, and refuses its later packets as late.
 *
 *  \param[in] collector  the collector; may be NULL
 *  \param[in] picture    the image; the function does nothing unless it is due */
SREC_API void srec_collector_close(srec_collector *collector, srec_open_picture *picture);

/*! The open image of the most recent packet.
 *
 *  \param[in] collector  the collector; may be NULL
 *  \return the image, valid until it is closed; NULL if no image is open */
SREC_API srec_open_picture *srec_collector_latest(const srec_collector *collector);

/*! Read the counters.
 *
 *  \param[in]  collector  the collector; NULL: all counters are 0
 *  \param[out] out        the counters */
SREC_API void srec_collector_get_counters(const srec_collector *collector, srec_collector_counters *out);

SREC_END_DECLS
#endif /* SREC_COLLECTOR_H */
