/* SPDX-License-Identifier: MIT
 *
 * The reliable link: frames over a byte path that may lose, damage, double or
 * delay bytes, delivered once and in order. Written once, used by both ends.
 *
 * Below   proto/frame.h: COBS, CRC-32. The bytes themselves: proto/PROTOCOL.md
 * Above   MSG payloads are protobuf (proto/message.h), BULK payloads a stream
 *         number and a record; the link looks at neither
 * Flow    credit in bytes: an end sends no more than the other has granted,
 *         which is what fits its rx_buf. Frames that fp_link_take() has not
 *         freed hold back credit
 * Memory  the caller's two buffers and struct fp_link; nothing is allocated
 * Time    the caller passes a millisecond clock that may wrap; the link never
 *         looks at one
 * Thread  one caller at a time; nothing blocks
 */
#ifndef FP_PROTO_LINK_H
#define FP_PROTO_LINK_H

#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FP_LINK_VERSION 1

enum fp_link_state {
    FP_LINK_DOWN,    /* never started, or given up */
    FP_LINK_SYNCING, /* the handshake runs (host), or is awaited (device) */
    FP_LINK_UP,
};

struct fp_link_config {
    /* CRC-32 as core/digest/crc32.h's fp_crc32(); a port with a CRC unit
     * passes its own. proto includes nobody, so it is handed in. */
    uint32_t (*crc32)(uint32_t crc, const void *buf, size_t size);
    /* Gives bytes to the wire: takes the first n of them at once, n <= size,
     * and returns n; 0 when the wire is full. */
    size_t (*send)(void *ctx, const uint8_t *buf, size_t size);
    /* Bytes between frames that are no damaged frame: the device's printf.
     * May be NULL. */
    void (*console)(void *ctx, const uint8_t *buf, size_t size);
    void *ctx;
    bool host;           /* this end starts the handshake */
    bool rx_stall;       /* receiving stops while flash works (XIP): grant
                            credit only between fp_link_resume() and
                            fp_link_hold() */
    uint16_t frame_max;  /* largest payload this end takes or sends; the
                            smaller of both ends' rules */
    uint8_t *tx_buf;     /* frames sent and not yet acknowledged */
    size_t tx_size;      /* at least 2 * (frame_max + FP_FRAME_OVERHEAD) */
    uint8_t *rx_buf;     /* the frame being received, and those not yet taken */
    size_t rx_size;      /* at least 2 * (frame_max + FP_FRAME_OVERHEAD) */
    uint32_t rto_ms;     /* first retransmission timeout; 0: 250 */
    uint32_t give_up_ms; /* silence after which the link is DOWN; 0: 5000 */
};

/* A received frame; `payload` lies in rx_buf and is valid until taken. */
struct fp_link_frame {
    enum fp_frame_kind kind; /* MSG or BULK */
    const uint8_t *payload;
    size_t size;
};

/* What happened on the line, for Stats and the UI. */
struct fp_link_stats {
    uint64_t tx_bytes, rx_bytes;   /* on the wire, encoded */
    uint64_t tx_frames, rx_frames; /* good ones */
    uint64_t rx_damaged;           /* look like frames, fail the check */
    uint64_t retransmitted;        /* frames sent again */
    uint64_t duplicates;           /* frames received again */
    uint64_t console_bytes;
};

struct fp_link; /* complete below, so that a caller can place one */

void fp_link_init(struct fp_link *link, const struct fp_link_config *cfg,
                  uint32_t now_ms);

/* Host: start (again) with a nonce that no earlier handshake of this pair
 * used; all that was queued either way is dropped. */
void fp_link_start(struct fp_link *link, const uint8_t nonce[8],
                   uint32_t now_ms);

/* Bytes that came in. */
void fp_link_input(struct fp_link *link, const uint8_t *buf, size_t size,
                   uint32_t now_ms);

/* Sends what can be sent and looks at the timers. Returns the milliseconds
 * until it wants to be called again if nothing comes in before;
 * UINT32_MAX: no need. */
uint32_t fp_link_poll(struct fp_link *link, uint32_t now_ms);

enum fp_link_state fp_link_state(const struct fp_link *link);
/* Grows by one with each completed handshake: a change means both ends
 * started afresh. */
uint32_t fp_link_session(const struct fp_link *link);
/* Negotiated payload limit; valid while UP. */
uint16_t fp_link_frame_max(const struct fp_link *link);

/* Room for the payload of the next frame, `size` <= frame_max bytes; NULL when
 * the tx buffer is full: poll and try again. */
uint8_t *fp_link_alloc(struct fp_link *link, size_t size);
/* Queues what was written there, `size` at most as allocated. */
void fp_link_commit(struct fp_link *link, enum fp_frame_kind kind,
                    size_t size);
/* Everything queued has been acknowledged. */
bool fp_link_idle(const struct fp_link *link);

/* The oldest received frame, in order; false when there is none. */
bool fp_link_peek(struct fp_link *link, struct fp_link_frame *frame);
/* Frees it. */
void fp_link_take(struct fp_link *link);

/* Unreliable, at once, if the wire takes them. busy: this end will be silent
 * for about `expected_ms`. console: text for the other end's ring. */
void fp_link_send_busy(struct fp_link *link, uint32_t expected_ms);
void fp_link_send_console(struct fp_link *link, const uint8_t *buf,
                          size_t size);

/* rx_stall ends: true when no granted credit is outstanding, so that flash may
 * be touched and no byte is on its way. hold() stops granting, resume() grants
 * again. Always true on other ends. */
bool fp_link_may_stall(const struct fp_link *link);
void fp_link_hold(struct fp_link *link);
void fp_link_resume(struct fp_link *link);

void fp_link_get_stats(const struct fp_link *link, struct fp_link_stats *st);

#endif
