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

/* The least memory to send from and to receive into: one frame with its record,
 * and what a frame takes on its way in. */
#define FP_LINK_TX_MIN(frame_max) ((frame_max) + 8u)
#define FP_LINK_RX_MIN(frame_max) (((frame_max) + 31u) / 16u * 16u + 64u)

struct fp_link_config {
    uint8_t *tx_buf; /* frames sent and not yet acknowledged */
    uint8_t *rx_buf; /* the frame being received, and those not yet taken */
    size_t tx_size;  /* at least FP_LINK_TX_MIN(frame_max); with less
                            than twice that, bulk goes in frames of half the
                            size, and a message of full size waits until what
                            was sent before is acknowledged */
    size_t rx_size;  /* at least FP_LINK_RX_MIN(frame_max), with the same
                            price; more is what the other end may have under
                            way */
    /* Gives bytes to the wire: takes the first n of them at once, n <= size,
     * and returns n; 0 when the wire is full. */
    size_t (*send)(void *ctx, const uint8_t *buf, size_t size);
    /* Text between frames, the device's printf, and CONSOLE frames. May be
     * NULL; must not call the link. */
    void (*console)(void *ctx, const uint8_t *buf, size_t size);
    void *ctx;
    /* CRC-32 as core/digest/crc32.h's fp_crc32(); a port with a CRC unit
     * passes its own. proto includes nobody, so it is handed in. */
    fp_frame_crc *crc32;
    uint32_t rto_ms;     /* first retransmission timeout; 0: 250 */
    uint32_t give_up_ms; /* silence after which the link is DOWN; 0: 5000 */
    uint16_t frame_max;  /* largest payload this end takes or sends, 64 to
                            4096; the smaller of both ends' rules */
    bool host;           /* this end starts the handshake */
    bool rx_stall;       /* receiving stops while flash works (XIP): grant no
                            credit between fp_link_hold() and
                            fp_link_resume() */
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

/* Encoded bytes that wait for the wire, given to send() in one piece where they
 * fill up. A small device may define it as 256, or as 64: the port's send() is called
 * the more often, and console text goes in smaller frames. */
#ifndef FP_LINK_STAGE
#define FP_LINK_STAGE 1024
#endif

/* 0: nothing is counted, 64 bytes less. */
#ifndef FP_LINK_STATS
#define FP_LINK_STATS 1
#endif

/* 0: this end is a device's, which never begins and has no use for text. */
#ifndef FP_LINK_HOST
#define FP_LINK_HOST 1
#endif

/* 0: rx_stall is not looked at. */
#ifndef FP_LINK_STALL
#define FP_LINK_STALL 1
#endif

/* 0: how long an answer takes and how much of the line is damaged are not
 * measured. The timer that sends again what nothing was heard of has rto_ms,
 * and frames of bulk are as large as memory for two at each end allows. */
#ifndef FP_LINK_ADAPTS
#define FP_LINK_ADAPTS 1
#endif

/* Complete, so that a caller can place one. What small chips reach in one
 * instruction comes first: bytes below 32, halfwords below 64, words below 128.
 */
struct fp_link {
    /* private */
    uint8_t state; /* enum fp_link_state */
    bool send_syn;
    bool send_notice; /* device: "I know of no session" */
    bool encoding;
    bool torn; /* the stage ends within a frame */
    bool held;
    uint8_t hold_no;    /* of our holds */
    uint16_t frame_max; /* negotiated */

    /* From here to `now_ms` it is the session's, and 0 when one begins. */
    uint8_t tx_una;     /* number not yet acknowledged */
    uint8_t tx_next;    /* number of the first that was not sent */
    uint8_t tx_last;    /* number that the next commit gets */
    bool tx_came;       /* some have arrived, and their memory is not free */
    uint8_t rx_next;    /* number awaited next: all before have come */
    uint8_t rx_deliver; /* number that peek gives next */
    uint8_t in_mode;    /* enum in_mode in link_rx.c */
    uint8_t told_next;  /* rx_next, as last told */
    bool ack_now, ack_armed;
    uint8_t say; /* flags of the next ACK */
    bool yielded;
    uint8_t yield_no; /* the hold of the other end that is answered */
    bool send_busy;
    uint8_t backoff;

    uint16_t tx_credit; /* granted, counted from tx_una */
    uint16_t tx_credit_max;
    uint16_t tx_order; /* counts transmissions of records */
    uint16_t tx_seen;  /* the latest one known to have arrived */
    uint16_t rx_units; /* received in order, since the session began */
    uint16_t rx_ahead_units;
    uint16_t rx_edge;               /* granted, likewise counted */
    uint16_t told_units, told_edge; /* as last told */
    uint16_t busy_ms;

    /* Frames committed and not yet acknowledged. */
    uint8_t *tx_head, *tx_tail; /* oldest record; where the next one goes */
    uint8_t *enc_rec;           /* record being encoded; NULL: none */
    size_t tx_room;             /* bytes given by alloc, + 1; 0: none */
    /* Records received, taken ones among them; at the tail the bytes of the
     * frame that is coming in. */
    uint8_t *rx_tail;
    uint8_t *rx_peeked; /* NULL: none */
    size_t rx_kept;     /* bytes of those not taken */
    size_t in_size;
    uint32_t rx_ahead;    /* bit i: rx_next + 1 + i has come */
    uint32_t rto_from_ms; /* since when nothing got forward */
    uint32_t quiet_ms;    /* last sign of life, or end of announced silence */
    uint32_t ack_ms;
    uint8_t nonce[8];

    uint32_t now_ms; /* as told by the last call that told it */
    size_t stage_size, stage_sent;
    struct fp_link_config cfg;
    uint32_t session;
    uint32_t hold_ms;
    uint32_t syn_ms; /* the next SYN, or the last notice */
    uint32_t syn_wait_ms;
    uint8_t small[16]; /* payload of a control frame */
    struct fp_frame_encoder enc;
    uint8_t stage[FP_LINK_STAGE];

    /* How long answers take, in this session. */
    struct fp_link_times {
        uint32_t rto_ms;
        uint32_t rto_min8;   /* eighths; grows where the other end is silent */
        uint32_t silence_ms; /* how long the last such silence was; 0: none */
        uint32_t silent_ms;  /* when the silence began that the timer broke */
        uint32_t srtt8, rttvar4; /* eighths, quarters of ms; 0: none */
        uint32_t timed_ms;
        uint16_t timed_flight; /* what was under way with it */
        uint16_t rto_flight;   /* and with those that rto_ms is made of */
        uint8_t timed_seq;
        bool timing;
    } times;
    uint32_t line_bytes; /* sent of late; older ones count less */
    uint32_t line_lost8; /* eighths of frames that were lost of them */
#if FP_LINK_STATS
    struct fp_link_stats stats;
#endif
};

void fp_link_init(struct fp_link *link, const struct fp_link_config *cfg,
                  uint32_t now_ms);

/* Host: start (again) with a nonce that no earlier handshake of this pair
 * used, not all zero; all that was queued either way is dropped. */
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
/* What a frame of bulk should carry now, frame_max at most: less where the line
 * damages frames, so that less is sent again, and where memory at either end
 * would not hold two, so that the line is never idle. Valid while UP. */
uint16_t fp_link_payload(const struct fp_link *link);

/* Room for the payload of the next frame, `size` <= frame_max bytes; NULL when
 * the tx buffer is full: poll and try again. */
uint8_t *fp_link_alloc(struct fp_link *link, size_t size);
/* Queues what was written there, `size` at most as allocated. */
void fp_link_commit(struct fp_link *link, enum fp_frame_kind kind, size_t size);
/* Frames queued that have not begun to leave. What is queued behind bulk waits
 * for it: on a slow line bulk is queued only when there are none. */
unsigned fp_link_backlog(const struct fp_link *link);
/* Everything queued has been acknowledged. */
bool fp_link_idle(const struct fp_link *link);

/* The oldest received frame, in order; false when there is none. Its payload
 * goes stale too when fp_link_session() changes. */
bool fp_link_peek(struct fp_link *link, struct fp_link_frame *frame);
/* Frees it. */
void fp_link_take(struct fp_link *link);

/* Unreliable, at once, if the wire takes them. busy: this end will be silent
 * for about `expected_ms`. console: text for the other end's ring; returns how
 * many bytes of it went. */
void fp_link_send_busy(struct fp_link *link, uint32_t expected_ms);
size_t fp_link_send_console(struct fp_link *link, const uint8_t *buf,
                            size_t size);

/* rx_stall ends: hold() withdraws the credit and asks the other end to confirm,
 * resume() grants again. may_stall(): true once it is certain that no MSG or
 * BULK is on its way and that the other end has heard of all that came, so that
 * flash may be touched and no byte is lost: hold(), poll until may_stall(),
 * send_busy(), poll until may_stall() again, work, resume(). The other end may
 * still acknowledge what it was sent: wait for fp_link_idle() as well where
 * frames are queued. Always true on other ends and while not UP. */
bool fp_link_may_stall(const struct fp_link *link);
void fp_link_hold(struct fp_link *link);
void fp_link_resume(struct fp_link *link);

#if FP_LINK_STATS
void fp_link_get_stats(const struct fp_link *link, struct fp_link_stats *st);
#endif

#endif
