/* SPDX-License-Identifier: MIT
 *
 * Receiving. rx_buf is a queue of records, each an accepted frame, and at its
 * tail the bytes of the frame that is coming in:
 *
 *   0                                tail               rx_size
 *   | record | (taken) | record | ...  | coming in |  free  |
 *
 * A record lies in one piece and begins at 0 when nothing is before it: what is
 * kept moves down over what was taken when the room behind the tail becomes
 * less than was granted. So no byte is lost to a ring's end, two full frames
 * fit where there is memory for two, and since a granted byte stays granted a
 * frame within its credit always finds its place; one beyond it is dropped,
 * whatever the other end may think. A record that the user looks at stays
 * where it is.
 *
 * Frames that come after a gap are kept, told in the bitmap of an ACK, and
 * given out when the gap has closed.
 */
#include "proto/link_private.h"

#include <string.h>

#define ACK_DELAY_MS 10      /* so long an acknowledgement waits for company */
#define ACK_BULK_MS  1       /* of BULK: nothing answers that could carry it */
#define ACK_FRAMES   8       /* so many frames are acknowledged at once */
#define UNITS_MAX    0x4000u /* 256 KiB */

/* Never granted: what a frame takes on its way in beyond its record, and all of
 * a small one that needs no credit. */
#define SLACK 64u

_Static_assert(FP_LINK_RX_MIN(512) == 512 + FP_LINK_UNIT + SLACK &&
                   FP_LINK_TX_MIN(512) == 512 + FP_LINK_RECORD,
               "a frame finds its place");

/* So many frames may wait to be taken: their numbers must not repeat. */
#define KEPT_MAX 128

enum in_mode {
    IN_FRAME, /* 0, when a session begins: so far it can be a frame */
    IN_TEXT,  /* it can't; so far it is text */
    IN_SKIP,  /* damaged or too long: wait for the zero */
};

/* --- the queue ------------------------------------------------------------- */

static size_t record_size(const uint8_t *rec)
{
    return fp_link_units(fp_link_get16(rec)) * (size_t)FP_LINK_UNIT;
}

static bool is_taken(const uint8_t *rec)
{
    return rec[4] != 0;
}

/* The record of frame `seq`, which has come and was not taken. */
static uint8_t *record_find(const struct fp_link *link, uint8_t seq)
{
    uint8_t *rec = link->cfg.rx_buf;

    while (rec[3] != seq || is_taken(rec))
        rec += record_size(rec);
    return rec;
}

/* Moves what is kept, and what is coming in, down over what was taken. */
static void compact(struct fp_link *link)
{
    uint8_t *to = link->cfg.rx_buf, *rec = to;

    while (rec != link->rx_tail) {
        size_t size = record_size(rec);

        if (!is_taken(rec)) {
            memmove(to, rec, size);
            to += size;
        }
        rec += size;
    }
    memmove(to + FP_LINK_RECORD, rec + FP_LINK_RECORD, link->in_size);
    link->rx_tail = to;
}

/* Bytes up to the tail, and behind it. */
static size_t used(const struct fp_link *link)
{
    return (size_t)(link->rx_tail - link->cfg.rx_buf);
}

static size_t room(const struct fp_link *link)
{
    return link->cfg.rx_size - used(link);
}

/* Behind the tail there shall be room for all that was granted and has not
 * come. */
static void make_room(struct fp_link *link)
{
    uint16_t units = (uint16_t)(link->rx_edge - link->rx_units);
    size_t granted = (size_t)(units - link->rx_ahead_units) * FP_LINK_UNIT;

    if (link->rx_peeked == NULL && link->rx_kept < used(link) &&
        room(link) < granted + SLACK)
        compact(link);
}

/* An acknowledgement of its own leaves by then, if nothing takes it along. */
static void ack_within(struct fp_link *link, uint32_t ms)
{
    if (link->ack_armed && fp_link_since(link->now_ms + ms, link->ack_ms) >= 0)
        return;
    link->ack_armed = true;
    link->ack_ms = link->now_ms + ms;
}

void fp_link_rx_grant(struct fp_link *link)
{
    /* What lies behind the tail may be granted, and what can be moved there. */
    size_t most = link->cfg.rx_size - SLACK;
    size_t free = most - (link->rx_peeked ? used(link) : link->rx_kept);
    unsigned quarter = (unsigned)(most / (4 * FP_LINK_UNIT));
    unsigned frame = fp_link_units(link->frame_max), told, now;
    uint8_t kept = (uint8_t)(link->rx_next - link->rx_deliver);
    uint16_t edge;

    if (!fp_link_is_held(link) && kept < KEPT_MAX / 2) {
        free /= FP_LINK_UNIT;
        if (free > UNITS_MAX)
            free = UNITS_MAX;
        edge = (uint16_t)(link->rx_units + link->rx_ahead_units + free);
        if ((int16_t)(edge - link->rx_edge) > 0)
            link->rx_edge = edge;
    }
    if (link->told_next == link->rx_next && link->told_edge == link->rx_edge)
        return;

    /* Tell at once what the other end may be waiting for, the rest later. */
    told = (uint16_t)(link->told_edge - link->rx_units);
    now = (uint16_t)(link->rx_edge - link->rx_units);
    if ((uint16_t)(now - told) >= quarter ||
        (uint16_t)(link->rx_units - link->told_units) >= quarter ||
        (uint8_t)(link->rx_next - link->told_next) >= ACK_FRAMES ||
        (told < frame && now >= frame) || fp_link_is_held(link))
        link->ack_now = true;
    ack_within(link, ACK_DELAY_MS);
}

/* --- frames ---------------------------------------------------------------- */

/* The gap may have closed: counts all that is in order now. */
static void advance(struct fp_link *link, uint16_t units)
{
    bool more = true;

    while (more) {
        link->rx_units = (uint16_t)(link->rx_units + units);
        link->rx_next++;
        more = (link->rx_ahead & 1) != 0;
        link->rx_ahead >>= 1;
        if (!more)
            break;
        units = fp_link_units(fp_link_get16(record_find(link, link->rx_next)));
        link->rx_ahead_units = (uint16_t)(link->rx_ahead_units - units);
    }
}

/* A MSG or BULK; `frame` lies in the place of its record. */
static void on_data(struct fp_link *link, const struct fp_frame *frame)
{
    uint8_t *rec = link->rx_tail;
    uint8_t ahead = (uint8_t)(frame->seq - link->rx_next);
    uint32_t bit = ahead > 0 && ahead <= 32 ? (uint32_t)1 << (ahead - 1) : 0;
    uint16_t units = fp_link_units(frame->size);
    uint16_t granted = (uint16_t)(link->rx_edge - link->rx_units);

    if (ahead > 0)
        link->ack_now = true;
    if (ahead >= 128 || link->rx_ahead & bit) {
        FP_LINK_COUNT(link, duplicates, 1);
        link->say |= FP_LINK_AGAIN; /* ours was lost, or late */
        return;
    }
    /* A peer that counts as we do never gets here. */
    if (ahead > 32 || frame->size > link->frame_max ||
        link->rx_ahead_units + units > granted) {
        FP_LINK_COUNT(link, rx_damaged, 1);
        link->ack_now = true;
        return;
    }

    /* Very many very small frames that nobody takes: let them come again. */
    if ((uint8_t)(frame->seq - link->rx_deliver) >= KEPT_MAX)
        return;

    rec[5] = (uint8_t)(frame->payload - rec);
    fp_link_put16(rec, (uint16_t)frame->size);
    rec[2] = frame->kind;
    rec[3] = frame->seq;
    rec[4] = 0;
    link->rx_tail += units * (size_t)FP_LINK_UNIT;
    link->rx_kept += units * (size_t)FP_LINK_UNIT;
    if (frame->kind == FP_FRAME_BULK)
        ack_within(link, ACK_BULK_MS);
    if (ahead == 0) {
        advance(link, units);
        if (fp_link_holding(link))
            link->ack_now = true;
    } else {
        link->rx_ahead |= bit;
        link->rx_ahead_units = (uint16_t)(link->rx_ahead_units + units);
    }
}

/* What a frame tells in its header and, if it is an ACK, in its payload. */
static void on_ack(struct fp_link *link, const struct fp_frame *frame)
{
    const uint8_t *p = frame->payload;
    size_t size = frame->kind == FP_FRAME_ACK ? frame->size : 0;
    uint32_t bitmap = 0;
    uint8_t flags = 0;

    if (size >= 4)
        bitmap = (uint32_t)fp_link_get16(p) | (uint32_t)fp_link_get16(p + 2)
                                                  << 16;
    if (size >= 6)
        flags = p[4];
    fp_link_tx_acked(link, frame->ack, frame->credit, bitmap);
    if (flags & FP_LINK_POKE)
        link->ack_now = true;
    if (FP_LINK_ADAPTS && flags & FP_LINK_AGAIN)
        fp_link_tx_again(link);
    if (flags & FP_LINK_HOLD) {
        link->say |= FP_LINK_YIELD;
        link->yield_no = p[5];
    }
    if (flags & FP_LINK_YIELD && fp_link_is_held(link) &&
        p[5] == link->hold_no && frame->seq == link->rx_next) {
        link->rx_edge = link->rx_units;
        link->told_edge = link->rx_edge;
    }
}

static void console(struct fp_link *link, const uint8_t *buf, size_t size)
{
    FP_LINK_COUNT(link, console_bytes, size);
    if (FP_LINK_HOST && link->cfg.console != NULL && size > 0)
        link->cfg.console(link->cfg.ctx, buf, size);
}

static void on_frame(struct fp_link *link, const struct fp_frame *frame)
{
    FP_LINK_COUNT(link, rx_frames, 1);
    if (frame->kind == FP_FRAME_SYN || frame->kind == FP_FRAME_SYNACK) {
        fp_link_on_handshake(link, frame);
        return;
    }
    if (frame->kind == FP_FRAME_CONSOLE) {
        console(link, frame->payload, frame->size);
        return;
    }
    if (link->state != FP_LINK_UP) {
        link->send_notice = !fp_link_is_host(link);
        return;
    }
    link->quiet_ms = link->now_ms;
    if (frame->kind == FP_FRAME_BUSY && frame->size >= 2) {
        link->quiet_ms += fp_link_get16(frame->payload);
        link->rto_from_ms = link->quiet_ms; /* in the future */
    }
    if (frame->kind >= FP_FRAME_BUSY)
        return;
    if (frame->has_ack)
        on_ack(link, frame);
    if (frame->kind != FP_FRAME_ACK)
        on_data(link, frame);
}

/* --- bytes ----------------------------------------------------------------- */

static bool is_text(const uint8_t *buf, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((buf[i] < ' ' && (buf[i] < '\b' || buf[i] > '\r') &&
             buf[i] != 0x1b) ||
            buf[i] == 0x7f)
            return false;
    return true;
}

static void text(struct fp_link *link, const uint8_t *buf, size_t size)
{
    if (FP_LINK_HOST && is_text(buf, size)) {
        console(link, buf, size);
    } else {
        FP_LINK_COUNT(link, rx_damaged, 1);
        link->in_mode = IN_SKIP;
    }
}

/* Bytes that the frame that comes in may have more. */
static size_t in_room(struct fp_link *link, size_t wanted)
{
    size_t most = FP_FRAME_ENCODED_MAX((size_t)link->cfg.frame_max);
    size_t left;

    if (room(link) < link->in_size + wanted + SLACK)
        make_room(link);
    left = room(link) - FP_LINK_RECORD;
    return (left < most ? left : most) - link->in_size;
}

/* The bytes of a segment, without a zero, as they come. */
static void segment(struct fp_link *link, const uint8_t *buf, size_t size)
{
    if (link->in_mode == IN_FRAME) {
        size_t left = in_room(link, size);
        size_t n = size < left ? size : left;
        uint8_t *in = link->rx_tail + FP_LINK_RECORD;

        memcpy(in + link->in_size, buf, n);
        link->in_size += n;
        buf += n;
        size -= n;
        if (link->in_size >= 2 && !fp_frame_starts(in[0], in[1])) {
            link->in_mode = IN_TEXT;
            text(link, in, link->in_size);
        } else if (size > 0) {
            FP_LINK_COUNT(link, rx_damaged, 1);
            link->in_mode = IN_SKIP;
        }
    }
    if (FP_LINK_HOST && link->in_mode == IN_TEXT && size > 0)
        text(link, buf, size);
}

/* The zero that ends a segment. */
static void segment_end(struct fp_link *link)
{
    uint8_t *in = link->rx_tail + FP_LINK_RECORD;
    size_t size = link->in_size;
    uint8_t mode = link->in_mode;
    struct fp_frame frame;

    link->in_size = 0;
    link->in_mode = IN_FRAME;
    if (mode != IN_FRAME || size == 0)
        return;
    if (FP_LINK_HOST && size == 1) {
        text(link, in, 1);
        link->in_mode = IN_FRAME;
    } else if (fp_frame_decode(&frame, link->cfg.crc32, in, size)) {
        on_frame(link, &frame);
    } else {
        FP_LINK_COUNT(link, rx_damaged, 1);
    }
}

void fp_link_input(struct fp_link *link, const uint8_t *buf, size_t size,
                   uint32_t now_ms)
{
    link->now_ms = now_ms;
    FP_LINK_COUNT(link, rx_bytes, size);
    while (size > 0) {
        const uint8_t *zero = memchr(buf, 0, size);
        size_t n = zero != NULL ? (size_t)(zero - buf) : size;

        if (n > 0)
            segment(link, buf, n);
        if (zero != NULL) {
            segment_end(link);
            n++;
        }
        buf += n;
        size -= n;
    }
    if (link->state == FP_LINK_UP)
        fp_link_rx_grant(link);
}

/* --- what the caller takes ------------------------------------------------- */

bool fp_link_peek(struct fp_link *link, struct fp_link_frame *frame)
{
    uint8_t *rec;

    if (link->rx_deliver == link->rx_next)
        return false;
    make_room(link);
    rec = record_find(link, link->rx_deliver);
    link->rx_peeked = rec;
    frame->kind = (enum fp_frame_kind)rec[2];
    frame->payload = rec + rec[5];
    frame->size = fp_link_get16(rec);
    return true;
}

void fp_link_take(struct fp_link *link)
{
    if (link->rx_peeked == NULL)
        return;
    link->rx_peeked[4] = 1;
    link->rx_kept -= record_size(link->rx_peeked);
    link->rx_peeked = NULL;
    link->rx_deliver++;
    if (link->rx_kept == 0)
        compact(link);
    fp_link_rx_grant(link);
}
