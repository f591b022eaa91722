/* SPDX-License-Identifier: MIT
 *
 * The link's life: the handshake, and the timers.
 *
 *   host    DOWN --start--> SYNCING --SYNACK with our nonce--> UP
 *                SYN is sent again, ever more seldom
 *   device  SYNCING --SYN--> UP, answered by SYNACK; a SYN with another nonce
 *                starts afresh, with the same one is only answered again
 *
 * Bytes arrive in the order they were sent. So at the host whatever comes
 * before the SYNACK is of an earlier session, and at the device whatever comes
 * before the SYN: nothing of it enters the new one. A device that has no
 * session and hears a frame says so with a SYNACK whose nonce is zero, so that
 * the host need not wait for its timeout after the device was reset.
 */
#include "proto/link_private.h"

#include <string.h>

#define NOTICE_MS  100  /* at most so often */
#define SYN_MAX_MS 1000 /* at least so often */

static bool is_zero(const uint8_t nonce[8])
{
    uint8_t sum = 0;

    for (int i = 0; i < 8; i++)
        sum |= nonce[i];
    return sum == 0;
}

/* A session ends, or begins. */
static void reset(struct fp_link *link)
{
    /* A record that is half sent is cut off: the zero before the next frame
     * ends it, and its CRC fails. */
    link->torn |= link->encoding;
    link->encoding = false;
    link->send_syn = false;
    link->send_notice = false;
    memset((uint8_t *)link + offsetof(struct fp_link, tx_una), 0,
           offsetof(struct fp_link, now_ms) - offsetof(struct fp_link, tx_una));
    link->rx_tail = link->cfg.rx_buf;
    if (FP_LINK_ADAPTS || FP_LINK_STALL) {
        link->times =
            (struct fp_link_times){ .rto_ms = link->cfg.rto_ms,
                                    .rto_min8 = FP_LINK_RTO_MIN_MS * 8 };
    }
    link->rto_from_ms = link->now_ms;
    link->quiet_ms = link->now_ms;
    fp_link_rx_grant(link);
}

void fp_link_init(struct fp_link *link, const struct fp_link_config *cfg,
                  uint32_t now_ms)
{
    memset(link, 0, sizeof *link);
    link->cfg = *cfg;
    link->line_bytes = FP_LINK_LINE_PRIOR;
    if (link->cfg.rto_ms == 0)
        link->cfg.rto_ms = 250;
    if (link->cfg.give_up_ms == 0)
        link->cfg.give_up_ms = 5000;
    link->now_ms = now_ms;
    link->syn_ms = now_ms - NOTICE_MS;
    link->frame_max = cfg->frame_max;
    link->state = fp_link_is_host(link) ? FP_LINK_DOWN : FP_LINK_SYNCING;
    reset(link);
}

void fp_link_start(struct fp_link *link, const uint8_t nonce[8],
                   uint32_t now_ms)
{
    link->now_ms = now_ms;
    link->state = FP_LINK_SYNCING;
    reset(link);
    memcpy(link->nonce, nonce, sizeof link->nonce);
    link->send_syn = true;
    link->syn_wait_ms = link->cfg.rto_ms;
    link->syn_ms = now_ms;
}

void fp_link_up(struct fp_link *link, uint16_t peer_frame_max)
{
    link->frame_max = peer_frame_max < link->cfg.frame_max
                          ? peer_frame_max
                          : link->cfg.frame_max;
    link->state = FP_LINK_UP;
    link->session++;
}

void fp_link_down(struct fp_link *link)
{
    link->state = fp_link_is_host(link) ? FP_LINK_DOWN : FP_LINK_SYNCING;
    reset(link);
}

/* The device's side of a SYN; the host's of a SYNACK is in on_synack(). */
static void on_syn(struct fp_link *link, const struct fp_frame *frame,
                   uint16_t frame_max, const uint8_t nonce[8])
{
    if (is_zero(nonce))
        return;
    if (memcmp(nonce, link->nonce, sizeof link->nonce) != 0) {
        reset(link);
        memcpy(link->nonce, nonce, sizeof link->nonce);
        fp_link_up(link, frame_max);
        link->tx_credit = link->tx_credit_max = frame->credit;
    }
    link->send_syn = true;
}

static void on_synack(struct fp_link *link, const struct fp_frame *frame,
                      uint16_t frame_max, const uint8_t nonce[8])
{
    if (link->state == FP_LINK_UP && is_zero(nonce)) {
        fp_link_down(link);
    } else if (link->state == FP_LINK_SYNCING && frame->ack == 0 &&
               memcmp(nonce, link->nonce, sizeof link->nonce) == 0) {
        link->send_syn = false;
        link->tx_credit = link->tx_credit_max = frame->credit;
        link->rto_from_ms = link->now_ms;
        fp_link_up(link, frame_max);
        link->ack_now = true; /* the SYN's credit was told; say it again */
    }
}

void fp_link_on_handshake(struct fp_link *link, const struct fp_frame *frame)
{
    const uint8_t *nonce = frame->payload + 3; /* stays where it is */
    uint16_t frame_max;

    /* A later version may append fields. */
    if (frame->size < 11 || !frame->has_ack || frame->payload[0] == 0)
        return;
    frame_max = fp_link_get16(frame->payload + 1);
    if (frame_max < FP_FRAME_MAX_MIN)
        return;
    if (frame->kind == FP_FRAME_SYN && !fp_link_is_host(link))
        on_syn(link, frame, frame_max, nonce);
    else if (frame->kind == FP_FRAME_SYNACK && fp_link_is_host(link))
        on_synack(link, frame, frame_max, nonce);
}

/* Each deadline that lies ahead shortens the time until the next poll. */
static bool due(const struct fp_link *link, uint32_t from_ms, uint32_t wait_ms,
                uint32_t *next_ms)
{
    int32_t left = (int32_t)wait_ms - fp_link_since(link->now_ms, from_ms);

    if (left <= 0)
        return true;
    if ((uint32_t)left < *next_ms)
        *next_ms = (uint32_t)left;
    return false;
}

static void syn_timer(struct fp_link *link, uint32_t *next_ms)
{
    if (!fp_link_is_host(link) || link->state != FP_LINK_SYNCING ||
        link->send_syn)
        return;
    if (due(link, link->syn_ms, link->syn_wait_ms, next_ms)) {
        link->send_syn = true;
        link->syn_ms = link->now_ms;
        link->syn_wait_ms *= 2;
        if (link->syn_wait_ms > SYN_MAX_MS)
            link->syn_wait_ms = SYN_MAX_MS;
    }
}

static void up_timers(struct fp_link *link, uint32_t *next_ms)
{
    if (!fp_link_tx_waits(link))
        fp_link_tx_forward(link);
    else if (due(link, link->rto_from_ms, fp_link_tx_patience(link), next_ms))
        fp_link_tx_timeout(link);
    if (link->ack_armed && !link->yielded &&
        due(link, link->ack_ms, 0, next_ms))
        link->ack_now = true;
    if (fp_link_holding(link) &&
        due(link, link->hold_ms, link->times.rto_ms, next_ms)) {
        link->hold_ms = link->now_ms;
        link->ack_now = true;
    }
}

uint32_t fp_link_poll(struct fp_link *link, uint32_t now_ms)
{
    uint32_t next_ms = UINT32_MAX;
    bool waiting;

    link->now_ms = now_ms;
    waiting = link->state == FP_LINK_UP
                  ? fp_link_tx_waits(link)
                  : fp_link_is_host(link) && link->state == FP_LINK_SYNCING;
    if (!waiting) {
        if (fp_link_since(now_ms, link->quiet_ms) > 0)
            link->quiet_ms = now_ms;
    } else if (due(link, link->quiet_ms, link->cfg.give_up_ms, &next_ms)) {
        fp_link_down(link);
    }

    /* Sending first moves the timers that it restarts. */
    if (link->state == FP_LINK_UP)
        fp_link_rx_grant(link);
    fp_link_tx_run(link);
    syn_timer(link, &next_ms);
    if (link->state == FP_LINK_UP)
        up_timers(link, &next_ms);
    fp_link_tx_run(link);

    /* A full wire is tried again soon; nothing tells when it has room. */
    if (link->stage_sent < link->stage_size || link->encoding)
        next_ms = 1;
    return next_ms == 0 ? 1 : next_ms;
}

enum fp_link_state fp_link_state(const struct fp_link *link)
{
    return link->state;
}

uint32_t fp_link_session(const struct fp_link *link)
{
    return link->session;
}

uint16_t fp_link_frame_max(const struct fp_link *link)
{
    return link->frame_max;
}

bool fp_link_may_stall(const struct fp_link *link)
{
    if (!FP_LINK_STALL || !link->cfg.rx_stall || link->state != FP_LINK_UP)
        return true;
    /* Had the other end not heard of what came, it would send it again. */
    return link->rx_edge == link->rx_units &&
           link->told_next == link->rx_next && !link->send_busy &&
           !link->encoding && link->stage_sent == link->stage_size;
}

void fp_link_hold(struct fp_link *link)
{
    if (!FP_LINK_STALL || !link->cfg.rx_stall || link->held)
        return;
    link->held = true;
    link->hold_no++;
    link->hold_ms = link->now_ms;
    if (fp_link_holding(link) || link->told_next != link->rx_next)
        link->ack_now = true;
}

void fp_link_resume(struct fp_link *link)
{
    if (!fp_link_is_held(link))
        return;
    link->held = false;
    link->ack_now = true;
    fp_link_rx_grant(link);
}

#if FP_LINK_STATS
void fp_link_get_stats(const struct fp_link *link, struct fp_link_stats *st)
{
    *st = link->stats;
}
#endif
