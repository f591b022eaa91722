/* SPDX-License-Identifier: MIT
 *
 * What the three parts of the link share: link.c (handshake, timers, the queue
 * received), link_tx.c (sending) and link_rx.c (receiving).
 */
#ifndef FP_PROTO_LINK_PRIVATE_H
#define FP_PROTO_LINK_PRIVATE_H

#include "proto/link.h"

/* A record in either buffer: size u16, kind, number, state, offset of the payload,
 * order u16, in the host's byte order through the functions below. */
#define FP_LINK_RECORD 8

/* Credit is counted in units of 16 bytes. A frame uses up its payload and 16
 * bytes more, which is what its record takes in the receiver's memory. */
#define FP_LINK_UNIT 16u

/* Frames under way at most: what one acknowledgement can tell about. */
#define FP_LINK_FLIGHT_MAX 32

/* Least retransmission timeout, where nothing was measured that asks for more,
 * and the bytes that a line is taken to have carried well before anything is
 * known of it. */
#define FP_LINK_RTO_MIN_MS 24
#define FP_LINK_LINE_PRIOR 0x20000u

/* Payload of an ACK frame. */
enum {
    FP_LINK_POKE = 1,  /* answer at once */
    FP_LINK_HOLD = 2,  /* credit is withdrawn: confirm this number */
    FP_LINK_YIELD = 4, /* confirmed: nothing beyond seq was sent */
    FP_LINK_AGAIN = 8, /* something came that had come before */
};

#if FP_LINK_STATS
#define FP_LINK_COUNT(link, what, n) ((void)((link)->stats.what += (n)))
#else
#define FP_LINK_COUNT(link, what, n) ((void)0)
#endif

static inline uint16_t fp_link_units(size_t payload)
{
    return (uint16_t)((payload + FP_LINK_UNIT + FP_LINK_UNIT - 1) /
                      FP_LINK_UNIT);
}

static inline uint16_t fp_link_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline void fp_link_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* now - then, where both are of a clock that wraps; negative: yet to come */
static inline int32_t fp_link_since(uint32_t now_ms, uint32_t then_ms)
{
    return (int32_t)(now_ms - then_ms);
}

static inline bool fp_link_is_host(const struct fp_link *link)
{
    return FP_LINK_HOST && link->cfg.host;
}

/* Is credit withdrawn? */
static inline bool fp_link_is_held(const struct fp_link *link)
{
    return FP_LINK_STALL && link->held;
}

static inline bool fp_link_holding(const struct fp_link *link)
{
    return fp_link_is_held(link) && (link->rx_edge != link->rx_units);
}

/* link.c */
void fp_link_up(struct fp_link *link, uint16_t peer_frame_max);
void fp_link_down(struct fp_link *link);
/* A SYN or SYNACK came. */
void fp_link_on_handshake(struct fp_link *link, const struct fp_frame *frame);

/* link_tx.c */
void fp_link_tx_run(struct fp_link *link);
/* The acknowledgement in a frame's header, and the bitmap of an ACK frame. */
void fp_link_tx_acked(struct fp_link *link, uint8_t ack, uint16_t credit,
                      uint32_t bitmap);
/* The other end had already what the timer sent again. */
void fp_link_tx_again(struct fp_link *link);
/* The retransmission timer starts anew, unless a BUSY put it off. */
static inline void fp_link_tx_forward(struct fp_link *link)
{
    if (fp_link_since(link->now_ms, link->rto_from_ms) > 0)
        link->rto_from_ms = link->now_ms;
}

/* Nothing got forward for long enough. */
uint32_t fp_link_tx_patience(const struct fp_link *link);
void fp_link_tx_timeout(struct fp_link *link);
/* Frames are under way, or queued and credit lacks for the first. */
bool fp_link_tx_waits(const struct fp_link *link);

/* link_rx.c */
/* Grants what is free, and decides when to tell. */
void fp_link_rx_grant(struct fp_link *link);

#endif
