/* SPDX-License-Identifier: MIT
 *
 * Sending. tx_buf is a queue of records, kept until they are acknowledged:
 *
 *      head                             tail
 *   ---| sent | sent | queued | queued |---
 *
 * When there is no room behind the tail, what is kept moves down to the begin
 * of the buffer. Of a record that has arrived while one before it has not only
 * the head is kept, so that with memory for two frames one can follow while the
 * one before is sent again. Until that has arrived too, it takes the other
 * end's memory.
 *
 * A frame is encoded a piece at a time into the stage, from where the wire
 * takes as much as it likes, so no second buffer for a whole frame is needed.
 *
 * What is lost is found by order, not by time: each transmission of a record
 * has a number, and bytes never overtake each other. When a transmission is
 * known to have arrived, every record whose last transmission was earlier and
 * has not arrived is lost, and is sent again at once, it alone. Only when
 * nothing comes back at all does the timer send the oldest record again, whose
 * acknowledgement then tells about the others.
 */
#include "proto/link_private.h"

#include <string.h>

#define RTO_MIN_MS     FP_LINK_RTO_MIN_MS
#define RTO_PATIENT_MS 160 /* what silences may raise it to */
#define RTO_MAX_MS     2000
#define RTO_BACKED_MS  640 /* no use in waiting longer: nothing is congested */
#define BACKOFF_MAX    4
#define CONSOLE_MAX    (FP_LINK_STAGE < 256 ? FP_LINK_STAGE - 16u : 240u)
#define NOTICE_MS      100

/* How damaged the line is: bytes over which it is judged, and what a frame
 * costs besides its payload. */
#define LINE_BYTES  0x80000u
#define LINE_FRAME  18u
#define PAYLOAD_MIN 128u

_Static_assert(FP_FRAME_ENCODED_MAX(CONSOLE_MAX) + 2 <= FP_LINK_STAGE,
               "a CONSOLE frame is encoded in one go");

/* States of a record, in its byte 4; 0: it was not sent yet. */
enum {
    TX_SENT = 1,
    TX_ARRIVED = 2,
    TX_LATE = 4,   /* for the timer it is lost */
    TX_AGAIN = 8,  /* sent more than once: tells nothing about time */
    TX_TIMED = 16, /* and by the timer, after a silence */
    TX_GONE = 32,  /* its payload, of the units that the order was */
};

/* --- the queue ------------------------------------------------------------- */

static uint8_t *record_next(uint8_t *rec)
{
    return rec + FP_LINK_RECORD + fp_link_get16(rec);
}

static uint16_t units_of(const uint8_t *rec)
{
    return rec[4] & TX_GONE ? fp_link_get16(rec + 6)
                            : fp_link_units(fp_link_get16(rec));
}

/* It is acknowledged, and stays only because it is being encoded. */
static bool is_done(const struct fp_link *link, const uint8_t *rec)
{
    return (uint8_t)(link->tx_una - rec[3] - 1) < 128;
}

/* All that was transmitted before something that has arrived has, or is lost. */
static bool is_lost(const struct fp_link *link, const uint8_t *rec)
{
    return !(rec[4] & TX_ARRIVED) &&
           (rec[4] & TX_LATE ||
            (int16_t)(link->tx_seen - fp_link_get16(rec + 6)) > 0);
}

static void reap(struct fp_link *link)
{
    while (link->tx_head != link->tx_tail && is_done(link, link->tx_head) &&
           link->tx_head != link->enc_rec)
        link->tx_head = record_next(link->tx_head);
}

static void compact(struct fp_link *link)
{
    uint8_t *rec = link->tx_head, *to = link->cfg.tx_buf;

    link->tx_came = false;
    link->tx_head = to;
    while (rec != link->tx_tail) {
        uint8_t *next = record_next(rec);

        if (rec == link->enc_rec) {
            link->enc_rec = to;
            link->enc.part[1].data -= rec - to;
        } else if (rec[4] & TX_ARRIVED) {
            fp_link_put16(rec + 6, units_of(rec));
            fp_link_put16(rec, 0);
            rec[4] |= TX_GONE;
        }
        memmove(to, rec, (size_t)(record_next(rec) - rec));
        to = record_next(to);
        rec = next;
    }
    link->tx_tail = to;
}

static size_t room(const struct fp_link *link)
{
    return link->cfg.tx_size - (size_t)(link->tx_tail - link->cfg.tx_buf);
}

uint8_t *fp_link_alloc(struct fp_link *link, size_t size)
{
    link->tx_room = 0;
    if (link->state != FP_LINK_UP || size > link->frame_max ||
        (uint8_t)(link->tx_last - link->tx_una) >= 4 * FP_LINK_FLIGHT_MAX - 1)
        return NULL;
    if (link->tx_head == link->tx_tail ||
        (link->tx_came && room(link) < FP_LINK_RECORD + size))
        compact(link);
    if (room(link) < FP_LINK_RECORD + size)
        return NULL;
    link->tx_room = size + 1;
    return link->tx_tail + FP_LINK_RECORD;
}

void fp_link_commit(struct fp_link *link, enum fp_frame_kind kind, size_t size)
{
    uint8_t *rec = link->tx_tail;

    /* A session that ended meanwhile took the room with it. */
    if (size >= link->tx_room)
        return;
    link->tx_room = 0;
    memset(rec, 0, FP_LINK_RECORD);
    fp_link_put16(rec, (uint16_t)size);
    rec[2] = (uint8_t)kind;
    rec[3] = link->tx_last++;
    link->tx_tail = record_next(rec);
}

unsigned fp_link_backlog(const struct fp_link *link)
{
    return (uint8_t)(link->tx_last - link->tx_next);
}

bool fp_link_idle(const struct fp_link *link)
{
    return link->tx_una == link->tx_last && !link->encoding &&
           link->stage_sent == link->stage_size;
}

/* --- how large frames should be -------------------------------------------- */

static void count_line(struct fp_link *link, size_t bytes)
{
    if (!FP_LINK_ADAPTS)
        return;
    link->line_bytes += (uint32_t)bytes;
    if (link->line_bytes < LINE_BYTES)
        return;
    link->line_bytes /= 2;
    link->line_lost8 /= 2;
}

static uint32_t square_root(uint32_t n)
{
    uint32_t root = 0;

    for (uint32_t bit = 1u << 15; bit > 0; bit /= 2)
        if ((root + bit) * (root + bit) <= n)
            root += bit;
    return root;
}

/* With a damaged byte in b, and h bytes a frame besides its payload, sqrt(h * b)
 * carries most: larger ones are sent again too often. */
static uint32_t payload_for_line(const struct fp_link *link)
{
    uint32_t bytes = link->line_bytes;

    if (!FP_LINK_ADAPTS || link->line_lost8 == 0)
        return FP_FRAME_MAX_MAX;
    return square_root(LINE_FRAME * (bytes / link->line_lost8 * 8));
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

uint16_t fp_link_payload(const struct fp_link *link)
{
    size_t n = payload_for_line(link), each;
    size_t theirs = (size_t)link->tx_credit_max * FP_LINK_UNIT;
    size_t most = lesser(theirs, link->cfg.tx_size);
    unsigned frames = 2;

    /* Memory at either end holds two; where the line damages them, four, or
     * there is nothing to send while one is sent again. */
    if (FP_LINK_ADAPTS && n < lesser(link->frame_max, most / 2))
        frames = 4;
    each = lesser((size_t)(link->tx_credit_max / frames) * FP_LINK_UNIT,
                  link->cfg.tx_size / frames);
    n = lesser(n, each > FP_LINK_UNIT ? each - FP_LINK_UNIT : 0);
    if (n < PAYLOAD_MIN)
        n = PAYLOAD_MIN;
    return (uint16_t)lesser(n, link->frame_max);
}

/* --- what comes back ------------------------------------------------------- */

/* The timer was wrong: the other end was only busy, with its flash say, for
 * longer than it ever took to answer. Such a silence would never be measured,
 * and all be sent twice; so the next one of that length is waited out. */
void fp_link_tx_again(struct fp_link *link)
{
    uint32_t least = link->times.silence_ms + RTO_MIN_MS / 2;

    if (link->times.silence_ms == 0)
        return;
    link->times.silence_ms = 0;
    if (least > RTO_PATIENT_MS)
        least = RTO_PATIENT_MS;
    if (link->times.rto_min8 < least * 8)
        link->times.rto_min8 = least * 8;
    if (link->times.rto_ms < least)
        link->times.rto_ms = least;
}

static void arrived(struct fp_link *link, uint8_t *rec)
{
    uint16_t order = fp_link_get16(rec + 6);

    if (FP_LINK_ADAPTS && rec[4] & TX_TIMED)
        link->times.silence_ms = link->now_ms - link->times.silent_ms;
    rec[4] |= TX_ARRIVED;
    link->tx_came = true;
    if ((int16_t)(order - link->tx_seen) > 0)
        link->tx_seen = order;
    link->backoff = 0;
    fp_link_tx_forward(link);
}

/* RFC 6298, with a floor that covers the other end's delay of ACKs, and rises
 * for a while where it proved too low. */
static void measure(struct fp_link *link)
{
    int32_t rtt = fp_link_since(link->now_ms, link->times.timed_ms);

    link->times.timing = false;
    if (rtt < 0)
        return;
    if (link->times.rto_flight < link->times.timed_flight)
        link->times.rto_flight = link->times.timed_flight;
    else
        link->times.rto_flight =
            (uint16_t)(link->times.rto_flight -
                       (link->times.rto_flight - link->times.timed_flight) / 8);
    if (link->times.srtt8 == 0) {
        link->times.srtt8 = (uint32_t)rtt * 8 + 1;
        link->times.rttvar4 = (uint32_t)rtt * 2;
    } else {
        int32_t err = rtt - (int32_t)(link->times.srtt8 / 8);
        uint32_t size = (uint32_t)(err < 0 ? -err : err);

        link->times.srtt8 = (uint32_t)((int32_t)link->times.srtt8 + err);
        link->times.rttvar4 =
            link->times.rttvar4 - link->times.rttvar4 / 4 + size;
    }
    link->times.rto_ms =
        link->times.srtt8 / 8 + link->times.rttvar4 + RTO_MIN_MS / 2;
    if (link->times.rto_min8 > RTO_MIN_MS * 8)
        link->times.rto_min8--;
    if (link->times.rto_ms < link->times.rto_min8 / 8)
        link->times.rto_ms = link->times.rto_min8 / 8;
    if (link->times.rto_ms > RTO_MAX_MS)
        link->times.rto_ms = RTO_MAX_MS;
}

/* Units of what may be on the line: not known to have arrived or to be lost. */
static uint16_t aloft(const struct fp_link *link)
{
    unsigned units = 0;

    for (uint8_t *rec = link->tx_head; rec != link->tx_tail && rec[4] != 0;
         rec = record_next(rec))
        if (!(rec[4] & TX_ARRIVED) && !is_lost(link, rec))
            units += units_of(rec);
    return (uint16_t)units;
}

/* On a slow line a large frame alone takes longer than a small one and its
 * answer, and what was measured with much under way is too long for the last of
 * it: so the timeout is as long as what is on the line now. */
uint32_t fp_link_tx_patience(const struct fp_link *link)
{
    uint32_t rto_ms = link->times.rto_ms, least = link->times.rto_min8 / 8;
    uint32_t most = rto_ms > link->cfg.rto_ms ? rto_ms : link->cfg.rto_ms;

    uint32_t flight;

    if (!FP_LINK_ADAPTS)
        return link->cfg.rto_ms << link->backoff;
    flight = aloft(link);
    if (flight > 0 && link->times.rto_flight > 0)
        rto_ms = rto_ms * flight / link->times.rto_flight;
    if (rto_ms < link->times.rto_ms) {
        rto_ms += RTO_MIN_MS; /* not all of it is the bytes' */
        most = link->times.rto_ms;
    }
    if (rto_ms > most)
        rto_ms = most;
    return (rto_ms > least ? rto_ms : least) << link->backoff;
}

void fp_link_tx_acked(struct fp_link *link, uint8_t ack, uint16_t credit,
                      uint32_t bitmap)
{
    uint8_t sent = (uint8_t)(link->tx_next - link->tx_una);
    uint8_t step = (uint8_t)(ack - link->tx_una);

    if (step > sent)
        return; /* of what was never sent */
    for (uint8_t *rec = link->tx_head; rec != link->tx_tail;
         rec = record_next(rec)) {
        uint8_t n = (uint8_t)(rec[3] - link->tx_una);
        bool came = n < step;

        if (n >= sent)
            continue; /* not sent yet, or waits to be freed */
        if (n > step) {
            came = bitmap & 1;
            bitmap >>= 1;
        }
        if (came && !(rec[4] & TX_ARRIVED))
            arrived(link, rec);
    }
    if (FP_LINK_ADAPTS && link->times.timing &&
        (uint8_t)(link->times.timed_seq - link->tx_una) < step)
        measure(link);
    link->tx_una = ack;
    link->tx_credit = credit;
    if (credit > link->tx_credit_max)
        link->tx_credit_max = credit;
    if (credit > 0)
        link->yielded = false;
    reap(link);
}

void fp_link_tx_timeout(struct fp_link *link)
{
    uint8_t *rec = link->tx_head;

    if (FP_LINK_ADAPTS && link->backoff == 0)
        link->times.silent_ms = link->rto_from_ms;
    link->rto_from_ms = link->now_ms;
    if (link->backoff < BACKOFF_MAX &&
        fp_link_tx_patience(link) < RTO_BACKED_MS)
        link->backoff++;
    link->times.timing = false;
    if (link->tx_una == link->tx_next) {
        link->say |= FP_LINK_POKE;
        return;
    }
    if (is_done(link, rec))
        rec = record_next(rec);
    if (rec != link->enc_rec)
        rec[4] |= TX_LATE | TX_TIMED;
}

/* --- what goes next -------------------------------------------------------- */

/* The first record that is lost; else the next one, if it may be sent. */
static uint8_t *record_to_send(const struct fp_link *link)
{
    unsigned units = 0;

    for (uint8_t *rec = link->tx_head; rec != link->tx_tail;
         rec = record_next(rec)) {
        if (is_done(link, rec))
            continue;
        units += units_of(rec);
        if (rec[4] == 0)
            return units <= link->tx_credit &&
                           (uint8_t)(rec[3] - link->tx_una) < FP_LINK_FLIGHT_MAX
                       ? rec
                       : NULL;
        if (is_lost(link, rec))
            return rec;
    }
    return NULL;
}

bool fp_link_tx_waits(const struct fp_link *link)
{
    return link->tx_una != link->tx_last &&
           (link->tx_una != link->tx_next || record_to_send(link) == NULL);
}

static void begin(struct fp_link *link, uint8_t kind, uint8_t seq,
                  const uint8_t *payload, size_t size)
{
    struct fp_frame frame = {
        .kind = kind,
        .seq = seq,
        .has_ack = true,
        .ack = link->rx_next,
        .credit = (uint16_t)(link->rx_edge - link->rx_units),
        .payload = payload,
        .size = size,
    };

    if (fp_link_is_held(link))
        frame.credit = 0;
    fp_frame_encode_begin(&link->enc, link->cfg.crc32, &frame);
    link->encoding = true;
    link->told_next = link->rx_next;
    link->told_units = link->rx_units;
    link->told_edge = link->rx_edge;
    if (kind == FP_FRAME_ACK || link->rx_ahead == 0)
        link->ack_now = false;
    link->ack_armed = false;
}

static void begin_syn(struct fp_link *link)
{
    uint8_t *p = link->small;

    p[0] = FP_LINK_VERSION;
    fp_link_put16(p + 1, link->cfg.frame_max);
    memcpy(p + 3, link->nonce, 8);
    begin(link, fp_link_is_host(link) ? FP_FRAME_SYN : FP_FRAME_SYNACK, 0, p,
          11);
}

static void begin_ack(struct fp_link *link)
{
    uint8_t *p = link->small;
    unsigned flags = link->say, number = 0;

    link->say = 0;
    if (flags & FP_LINK_YIELD) {
        number = link->yield_no;
        link->yielded = true;
    } else if (fp_link_holding(link)) {
        flags |= FP_LINK_HOLD;
        number = link->hold_no;
    }
    fp_frame_put32(p, link->rx_ahead);
    p[4] = (uint8_t)flags;
    p[5] = (uint8_t)number;
    begin(link, FP_FRAME_ACK, link->tx_next, p,
          flags != 0            ? 6
          : link->rx_ahead != 0 ? 4
                                : 0);
}

static void begin_record(struct fp_link *link, uint8_t *rec)
{
    if (rec[4] & TX_SENT) {
        FP_LINK_COUNT(link, retransmitted, 1);
        if (FP_LINK_ADAPTS && !(rec[4] & TX_LATE))
            link->line_lost8 += 8;
        if (FP_LINK_ADAPTS && rec[3] == link->times.timed_seq)
            link->times.timing = false;
        rec[4] = (uint8_t)(TX_SENT | TX_AGAIN | (rec[4] & TX_TIMED));
    } else {
        rec[4] = TX_SENT;
        if (link->tx_una == link->tx_next)
            fp_link_tx_forward(link);
        link->tx_next++;
    }
    link->enc_rec = rec;
    fp_link_put16(rec + 6, ++link->tx_order);
    count_line(link, fp_link_get16(rec) + (size_t)LINE_FRAME);
    begin(link, rec[2], rec[3], rec + FP_LINK_RECORD, fp_link_get16(rec));
}

/* Chooses the next frame and begins it; false when there is none. */
static bool begin_next(struct fp_link *link)
{
    uint8_t *rec;

    /* Without a session the nonce is zero. */
    if (link->state != FP_LINK_UP && link->send_notice &&
        fp_link_since(link->now_ms, link->syn_ms) >= NOTICE_MS) {
        link->send_notice = false;
        link->syn_ms = link->now_ms;
        link->send_syn = true;
    }
    if (link->send_syn) {
        link->send_syn = false;
        begin_syn(link);
        return true;
    }
    if (link->state != FP_LINK_UP)
        return false;
    if (link->send_busy) {
        link->send_busy = false;
        fp_link_put16(link->small, link->busy_ms);
        begin(link, FP_FRAME_BUSY, link->tx_next, link->small, 2);
        return true;
    }
    rec = record_to_send(link);
    if (link->say & (FP_LINK_POKE | FP_LINK_YIELD) ||
        (link->ack_now && !link->yielded &&
         (link->rx_ahead != 0 || fp_link_holding(link) || rec == NULL)))
        begin_ack(link);
    else if (rec != NULL)
        begin_record(link, rec);
    else
        return false;
    return true;
}

static void encoded(struct fp_link *link)
{
    link->encoding = false;
    FP_LINK_COUNT(link, tx_frames, 1);
    if (link->enc_rec != NULL) {
        const uint8_t *rec = link->enc_rec;

        if (FP_LINK_ADAPTS && !link->times.timing && !(rec[4] & TX_AGAIN)) {
            link->times.timing = true;
            link->times.timed_seq = rec[3];
            link->times.timed_ms = link->now_ms;
            link->times.timed_flight = aloft(link);
        }
        link->enc_rec = NULL;
        fp_link_tx_forward(link);
        reap(link);
    }
}

/* Gives the stage to the wire; false when the wire is full. */
static bool flush(struct fp_link *link)
{
    while (link->stage_sent < link->stage_size) {
        size_t left = link->stage_size - link->stage_sent;
        size_t n =
            link->cfg.send(link->cfg.ctx, link->stage + link->stage_sent, left);

        if (n == 0 || n > left)
            return false;
        link->stage_sent += n;
        FP_LINK_COUNT(link, tx_bytes, n);
    }
    link->stage_sent = link->stage_size = 0;
    return true;
}

void fp_link_tx_run(struct fp_link *link)
{
    do {
        /* As many frames as fit go to the wire together. */
        while (link->stage_size < FP_LINK_STAGE) {
            if (!link->encoding) {
                if (FP_LINK_STAGE - link->stage_size < 2 || !begin_next(link))
                    break;
                /* Ends whatever text or torn frame is on the line. */
                if (link->stage_size == 0 || link->torn)
                    link->stage[link->stage_size++] = 0;
                link->torn = false;
            }
            link->stage_size +=
                fp_frame_encode(&link->enc, link->stage + link->stage_size,
                                FP_LINK_STAGE - link->stage_size);
            if (link->enc.done)
                encoded(link);
        }
    } while (link->stage_size > 0 && flush(link));
}

/* --- what is not repeated -------------------------------------------------- */

void fp_link_send_busy(struct fp_link *link, uint32_t expected_ms)
{
    if (link->state != FP_LINK_UP)
        return;
    link->send_busy = true;
    link->busy_ms =
        expected_ms < UINT16_MAX ? (uint16_t)expected_ms : UINT16_MAX;
    fp_link_tx_run(link);
}

size_t fp_link_send_console(struct fp_link *link, const uint8_t *buf,
                            size_t size)
{
    size_t left = size;

    while (left > 0 && link->state == FP_LINK_UP) {
        size_t n = left < CONSOLE_MAX ? left : CONSOLE_MAX;

        if (n > link->frame_max)
            n = link->frame_max;
        fp_link_tx_run(link);
        if (link->encoding || link->stage_size > 0)
            break; /* the wire is full, and text is not kept */
        link->stage[link->stage_size++] = 0;
        begin(link, FP_FRAME_CONSOLE, link->tx_next, buf, n);
        link->stage_size +=
            fp_frame_encode(&link->enc, link->stage + link->stage_size,
                            FP_LINK_STAGE - link->stage_size);
        encoded(link);
        flush(link);
        buf += n;
        left -= n;
    }
    return size - left;
}
