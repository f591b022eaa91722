/* SPDX-License-Identifier: MIT
 *
 * Sending. tx_buf is a ring of records, kept until they are acknowledged:
 *
 *      head             tx_new            tail
 *   ---| sent | sent | sent | queued | queued |---
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

/* States of a record, in its byte 4. */
enum {
    TX_SENT = 1,
    TX_ARRIVED = 2,
    TX_LOST = 4,
    TX_AGAIN = 8,  /* sent more than once: tells nothing about time */
    TX_TIMED = 16, /* and by the timer, after a silence */
    TX_GONE = 32,  /* its payload, of the units that the order was */
};

/* --- the ring -------------------------------------------------------------- */

static uint8_t *record(const struct fp_link *link, size_t at)
{
    return link->cfg.tx_buf + at;
}

static size_t record_size(const struct fp_link *link, size_t at)
{
    return FP_LINK_RECORD + (size_t)fp_link_get16(record(link, at));
}

static uint16_t units_of(const uint8_t *rec)
{
    return rec[4] & TX_GONE ? fp_link_get16(rec + 6)
                            : fp_link_units(fp_link_get16(rec));
}

static size_t record_next(const struct fp_link *link, size_t at)
{
    at += record_size(link, at);
    return link->tx.wrapped && at == link->tx.end ? 0 : at;
}

/* The last record gives its payload's memory back as soon as it has arrived,
 * so that with memory for two frames one can follow while the one before is
 * sent again. Until that has arrived too, it takes the other end's memory. */
static void reap_last(struct fp_link *link)
{
    struct fp_link_ring *tx = &link->tx;
    size_t last = tx->head;
    uint8_t *rec;

    for (unsigned i = 1; i < tx->count; i++)
        last = record_next(link, last);
    rec = record(link, last);
    if (!(rec[4] & TX_ARRIVED) || rec[4] & TX_GONE || last == link->enc_rec)
        return;
    fp_link_put16(rec + 6, units_of(rec));
    fp_link_put16(rec, 0);
    rec[4] |= TX_GONE;
    tx->tail = last + FP_LINK_RECORD;
    link->tx_new = tx->tail;
}

uint8_t *fp_link_alloc(struct fp_link *link, size_t size)
{
    struct fp_link_ring *tx = &link->tx;
    size_t need = FP_LINK_RECORD + size;

    link->tx_room = FP_LINK_NONE;
    if (link->state != FP_LINK_UP || size > link->frame_max ||
        tx->count >= 4 * FP_LINK_FLIGHT_MAX - 1)
        return NULL;
    if (tx->count > 0) {
        reap_last(link);
    } else {
        *tx = (struct fp_link_ring){ 0 };
        link->tx_new = 0;
    }
    if (tx->wrapped ? tx->head - tx->tail >= need
                    : link->cfg.tx_size - tx->tail >= need)
        link->tx_room = tx->tail;
    else if (!tx->wrapped && tx->head >= need)
        link->tx_room = 0;
    else
        return NULL;
    link->tx_room_size = size;
    return record(link, link->tx_room) + FP_LINK_RECORD;
}

void fp_link_commit(struct fp_link *link, enum fp_frame_kind kind, size_t size)
{
    struct fp_link_ring *tx = &link->tx;
    size_t at = link->tx_room;
    uint8_t *rec;

    /* A session that ended meanwhile took the room with it. */
    if (at == FP_LINK_NONE || size > link->tx_room_size)
        return;
    link->tx_room = FP_LINK_NONE;
    if (tx->count == 0) { /* all before it has arrived meanwhile */
        tx->head = tx->tail = at;
        tx->wrapped = false;
        link->tx_new = at;
    }
    if (at != tx->tail) {
        tx->end = tx->tail;
        tx->wrapped = true;
        if (link->tx_next == link->tx_last)
            link->tx_new = at;
    }
    rec = record(link, at);
    memset(rec, 0, FP_LINK_RECORD);
    fp_link_put16(rec, (uint16_t)size);
    rec[2] = (uint8_t)kind;
    rec[3] = link->tx_last++;
    tx->tail = at + FP_LINK_RECORD + size;
    tx->count++;
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

/* Frees what has arrived, but not a record that is being encoded. */
static void reap(struct fp_link *link)
{
    struct fp_link_ring *tx = &link->tx;

    while (tx->count > 0 && record(link, tx->head)[4] & TX_ARRIVED &&
           tx->head != link->enc_rec &&
           (uint8_t)(link->tx_una - record(link, tx->head)[3] - 1) < 128) {
        size_t next = tx->head + record_size(link, tx->head);

        if (tx->wrapped && next == tx->end) {
            next = 0;
            tx->wrapped = false;
        }
        tx->head = next;
        tx->count--;
    }
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
    uint32_t least = link->silence_ms + RTO_MIN_MS / 2;

    if (link->silence_ms == 0)
        return;
    link->silence_ms = 0;
    if (least > RTO_PATIENT_MS)
        least = RTO_PATIENT_MS;
    if (link->rto_min8 < least * 8)
        link->rto_min8 = least * 8;
    if (link->rto_ms < least)
        link->rto_ms = least;
}

static void arrived(struct fp_link *link, uint8_t *rec)
{
    uint16_t order = fp_link_get16(rec + 6);

    if (FP_LINK_ADAPTS && rec[4] & TX_TIMED)
        link->silence_ms = link->now_ms - link->silent_ms;
    if (rec[4] & TX_LOST)
        link->tx_lost--;
    else
        link->tx_aloft = (uint16_t)(link->tx_aloft - units_of(rec));
    rec[4] = (uint8_t)((rec[4] & ~TX_LOST) | TX_ARRIVED);
    if ((int16_t)(order - link->tx_seen) > 0)
        link->tx_seen = order;
    link->backoff = 0;
    fp_link_tx_forward(link);
}

/* RFC 6298, with a floor that covers the other end's delay of ACKs, and rises
 * for a while where it proved too low. */
static void measure(struct fp_link *link)
{
    int32_t rtt = fp_link_since(link->now_ms, link->timed_ms);

    link->timing = false;
    if (rtt < 0)
        return;
    if (link->rto_flight < link->timed_flight)
        link->rto_flight = link->timed_flight;
    else
        link->rto_flight =
            (uint16_t)(link->rto_flight -
                       (link->rto_flight - link->timed_flight) / 8);
    if (link->srtt8 == 0) {
        link->srtt8 = (uint32_t)rtt * 8 + 1;
        link->rttvar4 = (uint32_t)rtt * 2;
    } else {
        int32_t err = rtt - (int32_t)(link->srtt8 / 8);
        uint32_t size = (uint32_t)(err < 0 ? -err : err);

        link->srtt8 = (uint32_t)((int32_t)link->srtt8 + err);
        link->rttvar4 = link->rttvar4 - link->rttvar4 / 4 + size;
    }
    link->rto_ms = link->srtt8 / 8 + link->rttvar4 + RTO_MIN_MS / 2;
    if (link->rto_min8 > RTO_MIN_MS * 8)
        link->rto_min8--;
    if (link->rto_ms < link->rto_min8 / 8)
        link->rto_ms = link->rto_min8 / 8;
    if (link->rto_ms > RTO_MAX_MS)
        link->rto_ms = RTO_MAX_MS;
}

/* On a slow line a large frame alone takes longer than a small one and its
 * answer, and what was measured with much under way is too long for the last of
 * it: so the timeout is as long as what is on the line now. */
uint32_t fp_link_tx_patience(const struct fp_link *link)
{
    uint32_t rto_ms = link->rto_ms, least = link->rto_min8 / 8;
    uint32_t most = rto_ms > link->cfg.rto_ms ? rto_ms : link->cfg.rto_ms;

    if (!FP_LINK_ADAPTS)
        return link->cfg.rto_ms << link->backoff;
    if (link->tx_aloft > 0 && link->rto_flight > 0)
        rto_ms = rto_ms * link->tx_aloft / link->rto_flight;
    if (rto_ms < link->rto_ms) {
        rto_ms += RTO_MIN_MS; /* not all of it is the bytes' */
        most = link->rto_ms;
    }
    if (rto_ms > most)
        rto_ms = most;
    return (rto_ms > least ? rto_ms : least) << link->backoff;
}

/* It is to be sent again. */
static void lose(struct fp_link *link, uint8_t *rec)
{
    rec[4] |= TX_LOST;
    link->tx_lost++;
    link->tx_aloft = (uint16_t)(link->tx_aloft - units_of(rec));
}

/* All that was transmitted before something that has arrived has, or is lost. */
static void find_lost(struct fp_link *link)
{
    uint8_t sent = (uint8_t)(link->tx_next - link->tx_una);
    size_t at = link->tx.head;

    for (unsigned i = 0; i < link->tx.count; i++) {
        uint8_t *rec = record(link, at);

        if ((uint8_t)(rec[3] - link->tx_una) < sent &&
            !(rec[4] & (TX_ARRIVED | TX_LOST)) && at != link->enc_rec &&
            (int16_t)(link->tx_seen - fp_link_get16(rec + 6)) > 0) {
            lose(link, rec);
            if (FP_LINK_ADAPTS)
                link->line_lost8 += 8;
        }
        at = record_next(link, at);
    }
}

void fp_link_tx_acked(struct fp_link *link, uint8_t ack, uint16_t credit,
                      uint32_t bitmap)
{
    uint8_t sent = (uint8_t)(link->tx_next - link->tx_una);
    uint8_t step = (uint8_t)(ack - link->tx_una);
    size_t at = link->tx.head;

    if (step > sent)
        return; /* of what was never sent */
    for (unsigned i = 0; i < link->tx.count; i++) {
        uint8_t *rec = record(link, at);
        uint8_t n = (uint8_t)(rec[3] - link->tx_una);

        if (n >= sent || !(rec[4] & TX_SENT)) {
            /* not sent yet, or waits to be freed */
        } else if (n < step) {
            if (!(rec[4] & TX_ARRIVED))
                arrived(link, rec);
            link->tx_flight = (uint16_t)(link->tx_flight - units_of(rec));
        } else if (n > step && n - step <= 32 && bitmap >> (n - step - 1) & 1 &&
                   !(rec[4] & TX_ARRIVED)) {
            arrived(link, rec);
        }
        at = record_next(link, at);
    }
    if (FP_LINK_ADAPTS && link->timing &&
        (uint8_t)(link->timed_seq - link->tx_una) < step)
        measure(link);
    link->tx_una = ack;
    link->tx_credit = credit;
    if (credit > link->tx_credit_max)
        link->tx_credit_max = credit;
    if (credit > 0)
        link->yielded = false;
    find_lost(link);
    reap(link);
}

void fp_link_tx_timeout(struct fp_link *link)
{
    size_t at = link->tx.head;

    if (FP_LINK_ADAPTS && link->backoff == 0)
        link->silent_ms = link->rto_from_ms;
    link->rto_from_ms = link->now_ms;
    if (link->backoff < BACKOFF_MAX &&
        fp_link_tx_patience(link) < RTO_BACKED_MS)
        link->backoff++;
    link->timing = false;
    if (link->tx_una == link->tx_next) {
        link->poke = true;
        return;
    }
    for (unsigned i = 0; i < link->tx.count; i++) {
        uint8_t *rec = record(link, at);

        if (rec[3] == link->tx_una && !(rec[4] & (TX_ARRIVED | TX_LOST)) &&
            at != link->enc_rec) {
            rec[4] |= TX_TIMED;
            lose(link, rec);
            return;
        }
        at = record_next(link, at);
    }
}

/* --- what goes next -------------------------------------------------------- */

static bool queued(const struct fp_link *link)
{
    return link->tx_next != link->tx_last;
}

static bool credit_lacks(const struct fp_link *link)
{
    const uint8_t *rec = record(link, link->tx_new);

    return link->tx_flight + fp_link_units(fp_link_get16(rec)) >
           link->tx_credit;
}

bool fp_link_tx_starved(const struct fp_link *link)
{
    return queued(link) && link->tx_una == link->tx_next && credit_lacks(link);
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

static void begin_syn(struct fp_link *link, bool notice)
{
    uint8_t *p = link->small;

    p[0] = FP_LINK_VERSION;
    fp_link_put16(p + 1, link->cfg.frame_max);
    if (notice)
        memset(p + 3, 0, 8);
    else
        memcpy(p + 3, link->nonce, 8);
    begin(link, fp_link_is_host(link) ? FP_FRAME_SYN : FP_FRAME_SYNACK, 0, p,
          11);
}

static void begin_ack(struct fp_link *link)
{
    uint8_t *p = link->small;
    size_t size = link->rx_ahead != 0 ? 4 : 0;

    fp_link_put16(p, (uint16_t)link->rx_ahead);
    fp_link_put16(p + 2, (uint16_t)(link->rx_ahead >> 16));
    p[4] = link->poke ? FP_LINK_POKE : 0;
    p[5] = 0;
    if (fp_link_holding(link)) {
        p[4] |= FP_LINK_HOLD;
        p[5] = link->hold_no;
    }
    if (link->yield) {
        p[4] = (uint8_t)((p[4] & ~FP_LINK_HOLD) | FP_LINK_YIELD);
        p[5] = link->yield_no;
        link->yielded = true;
    }
    link->poke = false;
    link->yield = false;
    if (link->rx_again)
        p[4] |= FP_LINK_AGAIN;
    link->rx_again = false;
    if (p[4] != 0)
        size = 6;
    begin(link, FP_FRAME_ACK, link->tx_next, p, size);
}

static void begin_record(struct fp_link *link, size_t at)
{
    uint8_t *rec = record(link, at);

    link->enc_rec = at;
    link->tx_aloft = (uint16_t)(link->tx_aloft + units_of(rec));
    fp_link_put16(rec + 6, ++link->tx_order);
    count_line(link, fp_link_get16(rec) + (size_t)LINE_FRAME);
    begin(link, rec[2], rec[3], rec + FP_LINK_RECORD, fp_link_get16(rec));
}

static void begin_lost(struct fp_link *link)
{
    size_t at = link->tx.head;
    uint8_t *rec;

    while (!(record(link, at)[4] & TX_LOST))
        at = record_next(link, at);
    rec = record(link, at);
    rec[4] = (uint8_t)(TX_SENT | TX_AGAIN | (rec[4] & TX_TIMED));
    link->tx_lost--;
    FP_LINK_COUNT(link, retransmitted, 1);
    if (FP_LINK_ADAPTS && link->timing && rec[3] == link->timed_seq)
        link->timing = false;
    begin_record(link, at);
}

static void begin_new(struct fp_link *link)
{
    size_t at = link->tx_new;

    record(link, at)[4] = TX_SENT;
    if (link->tx_una == link->tx_next)
        fp_link_tx_forward(link);
    link->tx_next++;
    link->tx_flight = (uint16_t)(link->tx_flight + units_of(record(link, at)));
    link->tx_new = record_next(link, at);
    begin_record(link, at);
}

/* Chooses the next frame and begins it; false when there is none. */
static bool begin_next(struct fp_link *link)
{
    bool fresh;

    if (link->send_syn) {
        link->send_syn = false;
        begin_syn(link, false);
        return true;
    }
    if (link->state != FP_LINK_UP) {
        if (!link->send_notice ||
            fp_link_since(link->now_ms, link->syn_ms) < NOTICE_MS)
            return false;
        link->send_notice = false;
        link->syn_ms = link->now_ms;
        begin_syn(link, true);
        return true;
    }
    if (link->send_busy) {
        link->send_busy = false;
        fp_link_put16(link->small, link->busy_ms);
        begin(link, FP_FRAME_BUSY, link->tx_next, link->small, 2);
        return true;
    }
    fresh = queued(link) && !credit_lacks(link) &&
            (uint8_t)(link->tx_next - link->tx_una) < FP_LINK_FLIGHT_MAX;
    if (link->yield || link->poke ||
        (link->ack_now && !link->yielded &&
         (link->rx_ahead != 0 || fp_link_holding(link) ||
          (link->tx_lost == 0 && !fresh))))
        begin_ack(link);
    else if (link->tx_lost > 0)
        begin_lost(link);
    else if (fresh)
        begin_new(link);
    else
        return false;
    return true;
}

static void encoded(struct fp_link *link)
{
    link->encoding = false;
    FP_LINK_COUNT(link, tx_frames, 1);
    if (link->enc_rec != FP_LINK_NONE) {
        const uint8_t *rec = record(link, link->enc_rec);

        if (FP_LINK_ADAPTS && !link->timing && !(rec[4] & TX_AGAIN)) {
            link->timing = true;
            link->timed_seq = rec[3];
            link->timed_ms = link->now_ms;
            link->timed_flight = link->tx_aloft;
        }
        link->enc_rec = FP_LINK_NONE;
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
