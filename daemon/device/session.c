/* SPDX-License-Identifier: MIT
 *
 * A session in two layers, top to bottom in this file: writing (begin, send,
 * bulk) and reading (dispatch by id or stream). What it asks for itself is in
 * chores.c.
 *
 * An answer belongs to the call whose id it repeats. When an op goes away with
 * answers still to come, its calls stay in the table without it: the id, and
 * the stream of it, stay taken until the device has said its last word, so
 * that nothing late can be mistaken for something new.
 */
#include "daemon/device/session.h"

#include "core/digest/crc32.h"
#include "daemon/device/op.h"
#include "daemon/device/worker.h"
#include "daemon/log.h"
#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CALL_MAX_MS 900000 /* an answer later than this: it is no agent */
#define GIVEN_UP_MS 45000  /* an op's patience, and some more */
#define TURN_MAX_MS 1000
#define SLICE_MAX   65536u
#define SLICE_MIN   2048u
#define RUN_MIN     32 /* equal bytes that are worth a frame of their own */

/* ---- the ends of it ---- */

static uint32_t now32(void)
{
    return (uint32_t)fpd_now_ms();
}

/* The session is over: what the link's state shall be, and why. */
void fpd_session_end(struct fpd_session *s, int err,
                     enum fpd_device_state verdict, const char *why)
{
    if (s->err)
        return;
    s->err = err;
    s->verdict = verdict;
    snprintf(s->reason, sizeof s->reason, "%s", why);
}

static size_t wire_send(void *ctx, const uint8_t *buf, size_t size)
{
    struct fpd_session *s = ctx;
    ssize_t n;

    if (s->err)
        return 0;
    n = fpd_link_send(s->link, buf, size);
    if (n < 0) {
        s->link_broke = true;
        fpd_session_end(s, FP_ERR_NODEV, FPD_LOST, s->link->reason);
        return 0;
    }
    return (size_t)n;
}

static void wire_console(void *ctx, const uint8_t *buf, size_t size)
{
    struct fpd_session *s = ctx;

    fpd_console_write(s->device ? &s->device->console : &s->worker->early, buf,
                      size);
}

/* A frame takes a fifth of a second at most: others wait behind it. */
static uint16_t frame_max(uint32_t baud)
{
    uint32_t size = baud / 10 / 5;

    if (baud == 0)
        return FPD_FRAME_MAX;
    if (size > FPD_FRAME_MAX_SLOW)
        return FPD_FRAME_MAX_SLOW;
    return size < FPD_FRAME_MIN ? FPD_FRAME_MIN : (uint16_t)size;
}

/* What may be under way to here: on a slow line about 100 ms, or drivers at the
 * far end fill up with it, and what is urgent comes behind. */
static size_t rx_size(uint32_t baud)
{
    size_t size = FPD_RX_SIZE;
    size_t least = 3 * (frame_max(baud) + (size_t)FP_FRAME_OVERHEAD);

    if (baud > 0 && baud / 100 < size)
        size = baud / 100;
    return size > least ? size : least;
}

/* What may wait in front of a small request: on a slow line, about 70 ms. */
static size_t tx_size(uint32_t baud)
{
    size_t size = FPD_TX_SIZE;
    size_t least = 2 * (frame_max(baud) + (size_t)FP_FRAME_OVERHEAD);

    if (baud > 0 && baud / 10 * 7 / 100 < size)
        size = baud / 10 * 7 / 100;
    return size > least ? size : least;
}

/* Of the line, once it is as fast as it was last time or, before that, as it
 * may be. */
static uint32_t expected_rate(const struct fpd_worker *worker)
{
    const struct fpd_link *link = &worker->link;

    return worker->rate_cap > link->rate ? worker->rate_cap : link->rate;
}

void fpd_session_start(struct fpd_session *s, struct fpd_worker *worker,
                       struct fpd_link *link)
{
    struct fp_link_config cfg = {
        .crc32 = fp_crc32,
        .send = wire_send,
        .console = wire_console,
        .ctx = s,
        .host = true,
        .frame_max = frame_max(expected_rate(worker)),
        .tx_buf = s->tx_buf,
        .tx_size = tx_size(expected_rate(worker)),
        .rx_buf = s->rx_buf,
        .rx_size = rx_size(expected_rate(worker)),
    };
    uint8_t nonce[8];

    memset(s, 0, offsetof(struct fpd_session, in));
    s->worker = worker;
    s->link = link;
    s->calls_max = 2;
    s->heard_ms = fpd_now_ms();
    s->rate = link->rate / 10;
    if (link->rate_now != link->rate) {
        fpd_link_set_rate(link, link->rate);
        fpd_worker_rate(worker, link->rate);
    }
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce ||
        getrandom(&s->next_id, sizeof s->next_id, 0) < 0)
        abort(); /* a Linux without random numbers serves nobody */
    fp_link_init(&s->proto, &cfg, now32());
    fp_link_start(&s->proto, nonce, now32());
}

/* ---- writing ---- */

static struct fpd_call *free_call(struct fpd_session *s, bool transfer)
{
    struct fpd_call *found = NULL;
    unsigned count = 0;

    for (uint32_t i = 0; i < s->calls_max; i++) {
        if (s->calls[i].id == 0) {
            found = &s->calls[i];
            count++;
        }
    }
    return count > (transfer ? 1 : 0) ? found : NULL;
}

static uint32_t fresh_id(struct fpd_session *s)
{
    bool taken;

    do {
        s->next_id++;
        taken = s->next_id == 0;
        for (uint32_t i = 0; i < s->calls_max; i++)
            taken |= s->calls[i].id == s->next_id;
    } while (taken);
    return s->next_id;
}

fp_Envelope *fpd_session_begin(struct fpd_session *s, struct fpd_op_state *op,
                               pb_size_t tag, bool transfer)
{
    struct fpd_call *call = free_call(s, transfer);

    if (!call || s->err)
        return NULL;
    s->out_frame = fp_link_alloc(&s->proto, fp_link_frame_max(&s->proto));
    if (!s->out_frame)
        return NULL;
    s->out_call = call;
    *call = (struct fpd_call){
        .id = fresh_id(s), .tag = tag, .op = op, .sent_ms = fpd_now_ms()
    };
    if (op)
        call->klass = (uint8_t)op->req->klass;
    memset(&s->out, 0, sizeof s->out);
    s->out.id = call->id;
    s->out.which_body = tag;
    return &s->out;
}

void fpd_session_drop(struct fpd_session *s)
{
    /* The frame was only lent: without a commit it is still the link's. */
    s->out_call->id = 0;
    s->out_call = NULL;
    s->out_frame = NULL;
}

struct fpd_call *fpd_session_send(struct fpd_session *s)
{
    struct fpd_call *call = s->out_call;
    int size =
        fp_message_encode(&s->out, s->out_frame, fp_link_frame_max(&s->proto));

    if (size < 0) {
        fpd_session_drop(s);
        return NULL;
    }
    fp_link_commit(&s->proto, FP_FRAME_MSG, (size_t)size);
    s->out_call = NULL;
    if (call->op) {
        call->op->calls++;
        call->op->progress_ms = call->sent_ms;
    }
    return call;
}

uint8_t fpd_session_stream(struct fpd_session *s)
{
    if (s->streams_used >= s->streams_max)
        return 0;
    for (unsigned i = 1; i < 256; i++) {
        if (!s->streams[i]) {
            s->streams[i] = true;
            s->streams_used++;
            return (uint8_t)i;
        }
    }
    return 0;
}

void fpd_session_free_stream(struct fpd_session *s, uint8_t stream)
{
    if (stream && s->streams[stream]) {
        s->streams[stream] = false;
        s->streams_used--;
    }
}

/* Bytes that a BULK frame carries. */
static uint32_t frame_room(const struct fpd_session *s)
{
    return (uint32_t)fp_link_payload(&s->proto) - FP_BULK_RAW_HEADER;
}

/* As much of data[0..*size) as goes into a frame, packed if that is more. The
 * size of the payload. */
static size_t put_record(struct fpd_session *s, uint8_t stream,
                         const uint8_t *data, uint32_t *size, uint8_t *frame)
{
    uint8_t *to = frame + FP_BULK_RAW_HEADER;
    uint32_t room = frame_room(s), max = fp_lz4_encoder_max(&s->pack);
    uint32_t packed = 0, taken;

    if (s->packs) {
        *size = *size < max ? *size : max;
        memcpy(fp_lz4_encoder_room(&s->pack, *size), data, *size);
        packed = fp_lz4_pack(&s->pack, *size, 1, to, room, &taken);
    }
    if (packed > 0)
        *size = taken;
    else if (*size > room)
        *size = room;
    if (s->packs)
        fp_lz4_encoder_keep(&s->pack, *size);
    if (packed > 0)
        return fp_bulk_put_lz4(frame, stream, packed);
    memcpy(to, data, *size);
    return fp_bulk_put_raw(frame, stream, *size);
}

/* How many bytes from the start are the same. */
static size_t run_size(const uint8_t *data, size_t size)
{
    size_t n = 1;

    while (n < size && data[n] == data[0])
        n++;
    return n;
}

size_t fpd_session_bulk(struct fpd_session *s, uint8_t stream,
                        const uint8_t *data, size_t size)
{
    uint32_t n = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    uint32_t room = frame_room(s);
    size_t run;
    uint8_t *frame;

    if (s->err || size == 0)
        return 0;
    frame = fp_link_alloc(&s->proto, FP_BULK_RAW_HEADER + (size_t)room);
    if (!frame)
        return 0;
    /* LZ4 packs a short run together with what is around it. */
    run = run_size(data, size);
    if (run >= (s->packs ? room : RUN_MIN)) {
        fp_link_commit(&s->proto, FP_FRAME_BULK,
                       fp_bulk_put_fill(frame, stream, data[0], (uint32_t)run));
        return run;
    }
    fp_link_commit(&s->proto, FP_FRAME_BULK,
                   put_record(s, stream, data, &n, frame));
    return n;
}

void fpd_session_forget(struct fpd_session *s, struct fpd_op_state *op)
{
    for (uint32_t i = 0; i < s->calls_max; i++)
        if (s->calls[i].id && s->calls[i].op == op)
            s->calls[i].op = NULL;
    op->calls = 0;
}

void fpd_session_abort_upload(struct fpd_session *s,
                              const uint8_t upload_id[16], uint8_t stream)
{
    size_t max = sizeof s->aborts / sizeof s->aborts[0];

    /* When all places are taken the device keeps a dead upload until it needs
     * the room itself: it costs nothing that lasts. */
    for (size_t i = 0; i < max; i++) {
        if (!s->aborts[i].used) {
            s->aborts[i].used = true;
            s->aborts[i].stream = stream;
            memcpy(s->aborts[i].upload_id, upload_id, 16);
            return;
        }
    }
}

unsigned fpd_session_aborting(const struct fpd_session *s)
{
    size_t max = sizeof s->aborts / sizeof s->aborts[0];
    unsigned count = 0;

    for (size_t i = 0; i < max; i++)
        count += s->aborts[i].used;
    for (uint32_t i = 0; i < s->calls_max; i++)
        count += s->calls[i].id && s->calls[i].tag == fp_Envelope_put_abort_tag;
    return count;
}

/* Does anybody else move bulk over this link? */
static bool is_shared(const struct fpd_session *s)
{
    unsigned count = 0;

    for (struct fpd_op_state *op = s->device->ops; op; op = op->next)
        count += op->ops->transfer && !op->finished;
    return count > 1;
}

uint32_t fpd_session_slice(const struct fpd_session *s)
{
    /* Two slices are under way at once. Where others want the line too, 50 ms
     * of it a slice keep the turns short; alone, half a second of it keeps what
     * asking and answering cost small, and what is read for nobody when the
     * reader leaves. */
    uint32_t turn = is_shared(s) ? s->rate / 20 : s->rate / 2;
    uint32_t slice = s->rate ? turn / 1024 * 1024 : SLICE_MAX;

    if (slice < SLICE_MIN)
        return SLICE_MIN;
    return slice > SLICE_MAX ? SLICE_MAX : slice;
}

unsigned fpd_session_transfers(const struct fpd_session *s,
                               enum fpd_class klass)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < s->calls_max; i++)
        if (s->calls[i].id && s->calls[i].stream && s->calls[i].op &&
            s->calls[i].klass <= (uint8_t)klass)
            count++;
    return count;
}

/* ---- reading ---- */

/* Is this the last word on its request? */
static bool is_last(const fp_Envelope *env)
{
    switch (env->which_body) {
    case fp_Envelope_event_tag:
    case fp_Envelope_read_reply_tag:
        return false;
    case fp_Envelope_volume_reply_tag:
        return env->body.volume_reply.last;
    case fp_Envelope_storage_reply_tag:
        return env->body.storage_reply.last;
    case fp_Envelope_list_reply_tag:
        return env->body.list_reply.last;
    case fp_Envelope_chunk_digest_reply_tag:
        return env->body.chunk_digest_reply.last;
    case fp_Envelope_chunk_changed_reply_tag:
        return env->body.chunk_changed_reply.last;
    case fp_Envelope_chunk_write_reply_tag:
        return env->body.chunk_write_reply.done;
    default:
        return true;
    }
}

static void unasked(struct fpd_session *s, const fp_Event *event)
{
    switch (event->kind) {
    case fp_EventKind_EVENT_VOLUME_CHANGED:
        s->volumes_dirty = true;
        break;
    case fp_EventKind_EVENT_MEDIA_IN:
    case fp_EventKind_EVENT_MEDIA_OUT:
        s->volumes_dirty = true;
        s->storages_dirty = true;
        break;
    default:
        break;
    }
}

static struct fpd_call *find_call(struct fpd_session *s, uint32_t id)
{
    for (uint32_t i = 0; i < s->calls_max && id; i++)
        if (s->calls[i].id == id)
            return &s->calls[i];
    return NULL;
}

static void op_message(struct fpd_session *s, struct fpd_call *call,
                       const fp_Envelope *env)
{
    struct fpd_op_state *op = call->op;

    if (op->finished)
        return;
    op->progress_ms = fpd_now_ms();
    if (env->which_body != fp_Envelope_failure_tag)
        op->ops->reply(s, op, call, env);
    else if (op->ops->failed)
        op->ops->failed(s, op, call, &env->body.failure);
    else
        fpd_op_fail_with(op, &env->body.failure);
}

static void message(struct fpd_session *s, const uint8_t *payload, size_t size)
{
    struct fpd_call *call;

    int err = fp_message_decode(&s->in, payload, size);

    if (err == FP_ERR_NOTSUP && !find_call(s, s->in.id))
        return; /* news of a version to come */
    if (err) {
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED,
                        "it sent what is no message");
        return;
    }
    if (s->in.id == 0) {
        if (s->in.which_body == fp_Envelope_event_tag)
            unasked(s, &s->in.body.event);
        return;
    }
    call = find_call(s, s->in.id);
    if (!call) {
        fpd_log(FPD_LOG_DEBUG, "device", "an answer to nothing: device=%s",
                s->info.id);
        return;
    }
    if (call->op)
        op_message(s, call, &s->in);
    else
        fpd_chores_reply(s, call, &s->in);
    if (!is_last(&s->in))
        return;
    if (call->op)
        call->op->calls--;
    fpd_session_free_stream(s, call->stream);
    call->id = 0;
}

static void measure(struct fpd_session *s, size_t size, int64_t now)
{
    int64_t span = now - s->rate_from_ms;

    /* Only spans in which something was under way throughout say anything;
     * after a pause a new one begins. */
    if (span > 1000 || s->rate_from_ms == 0) {
        s->rate_from_ms = now;
        s->rate_bytes = 0;
        return;
    }
    s->rate_bytes += size;
    if (span >= 200) {
        uint64_t rate = s->rate_bytes * 1000 / (uint64_t)span;

        if (rate > UINT32_MAX)
            rate = UINT32_MAX;
        /* Up fast, down slowly: two transfers halve what each sees. */
        s->rate = rate > s->rate ? s->rate / 2 + (uint32_t)rate / 2
                                 : s->rate - s->rate / 8 + (uint32_t)rate / 8;
        s->rate_from_ms = now;
        s->rate_bytes = 0;
    }
}

/* The call that a stream's bytes are for; NULL: nobody's any more. */
static struct fpd_call *taker(struct fpd_session *s, uint8_t stream)
{
    for (uint32_t i = 0; i < s->calls_max; i++) {
        struct fpd_call *call = &s->calls[i];

        if (call->id && call->stream == stream && call->op &&
            call->op->ops->bulk && !call->op->finished)
            return call;
    }
    return NULL;
}

static void give(struct fpd_session *s, struct fpd_call *call,
                 const uint8_t *data, uint32_t size)
{
    if (call && !call->op->finished)
        call->op->ops->bulk(s, call->op, call, data, size);
}

/* One byte many times, in pieces; the op stops it when it is too much. */
static void bulk_fill(struct fpd_session *s, struct fpd_call *call,
                      const struct fp_bulk *rec)
{
    uint8_t buf[4096];

    memset(buf, rec->fill, sizeof buf);
    for (uint32_t left = rec->size; call && left > 0 && !call->op->finished;) {
        uint32_t n = left < sizeof buf ? left : (uint32_t)sizeof buf;

        give(s, call, buf, n);
        left -= n;
    }
}

/* Decoded to its end, wherever it leads: later blocks look back at it. A frame
 * stands for 1 MiB at most. */
static void bulk_lz4(struct fpd_session *s, struct fpd_call *call,
                     const struct fp_bulk *rec)
{
    const uint8_t *data;
    uint32_t n;

    do {
        n = fp_lz4_decode(&s->unpack, rec->data, rec->size, UINT32_MAX, &data);
        if (n == 0) {
            fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED,
                            "it sent what is no LZ4 block");
            return;
        }
        measure(s, n, fpd_now_ms());
        give(s, call, data, n);
    } while (!fp_lz4_decoder_take(&s->unpack, n));
}

static void bulk(struct fpd_session *s, const uint8_t *payload, size_t size)
{
    struct fpd_call *call;
    struct fp_bulk rec;

    if (fp_bulk_parse(&rec, payload, size) ||
        (rec.type == FP_BULK_LZ4 && !s->unpacks)) {
        fpd_session_end(s, FP_ERR_PROTO, FPD_REFUSED,
                        "it sent what is no bulk record");
        return;
    }
    call = taker(s, rec.stream);
    if (call)
        call->op->progress_ms = fpd_now_ms();
    if (rec.type == FP_BULK_LZ4) {
        bulk_lz4(s, call, &rec);
        return;
    }
    measure(s, size, fpd_now_ms());
    if (rec.type == FP_BULK_RAW && s->unpacks)
        fp_lz4_decoder_feed(&s->unpack, rec.data, rec.size);
    if (rec.type == FP_BULK_FILL)
        bulk_fill(s, call, &rec);
    else
        give(s, call, rec.data, rec.size);
}

static void take_frames(struct fpd_session *s)
{
    struct fp_link_frame frame;

    while (!s->err && fp_link_peek(&s->proto, &frame)) {
        if (frame.kind == FP_FRAME_MSG)
            message(s, frame.payload, frame.size);
        else if (frame.kind == FP_FRAME_BULK)
            bulk(s, frame.payload, frame.size);
        fp_link_take(&s->proto);
    }
}

static void check_link(struct fpd_session *s)
{
    switch (fp_link_state(&s->proto)) {
    case FP_LINK_UP:
        if (s->state == FPD_SESSION_SYNCING) {
            s->proto_session = fp_link_session(&s->proto);
            fpd_chores_hello(s);
        } else if (fp_link_session(&s->proto) != s->proto_session) {
            fpd_session_end(s, FP_ERR_NODEV, FPD_LOST,
                            "the device started afresh");
        }
        break;
    case FP_LINK_DOWN:
        fpd_session_end(s, FP_ERR_NODEV,
                        s->state < FPD_SESSION_ASKING ? FPD_SYNCING : FPD_LOST,
                        s->state < FPD_SESSION_ASKING
                            ? "no agent answers here"
                            : "the device fell silent");
        break;
    case FP_LINK_SYNCING:
        if (s->state != FPD_SESSION_SYNCING)
            fpd_session_end(s, FP_ERR_NODEV, FPD_LOST,
                            "the device started afresh");
        break;
    }
}

/* Calls that nobody waits for any more leave no room for others, or no stream:
 * the requests that wait behind them have not begun, and would never be timed
 * out. */
static bool is_clogged(const struct fpd_session *s, int64_t now)
{
    uint32_t used = 0, given_up = 0, streams = 0;

    for (uint32_t i = 0; i < s->calls_max; i++) {
        const struct fpd_call *call = &s->calls[i];

        used += call->id != 0;
        if (!call->id || call->op || now - call->sent_ms <= GIVEN_UP_MS)
            continue;
        given_up++;
        streams += call->stream != 0;
    }
    return (given_up > 0 && used + 1 >= s->calls_max) ||
           (streams > 0 && streams >= s->streams_max);
}

static void check_calls(struct fpd_session *s, int64_t now)
{
    int64_t max = s->state < FPD_SESSION_READY ? 10000 : CALL_MAX_MS;

    if (is_clogged(s, now))
        fpd_session_end(s, FP_ERR_TIMEDOUT, FPD_LOST,
                        "it answers too little of what it took");

    for (uint32_t i = 0; i < s->calls_max; i++)
        if (s->calls[i].id && now - s->calls[i].sent_ms > max)
            fpd_session_end(s, FP_ERR_TIMEDOUT,
                            s->state < FPD_SESSION_READY ? FPD_REFUSED
                                                         : FPD_LOST,
                            "it does not answer what it took");
}

void fpd_session_turn(struct fpd_session *s, int timeout_ms)
{
    uint8_t buf[16384];
    uint32_t wait = fp_link_poll(&s->proto, now32());
    ssize_t n;

    if (s->err)
        return;
    if (timeout_ms < 0 || timeout_ms > TURN_MAX_MS)
        timeout_ms = TURN_MAX_MS; /* calls are looked at */
    if (wait < (uint32_t)timeout_ms)
        timeout_ms = (int)wait;
    timeout_ms = fpd_raise_wait(s, timeout_ms);
    n = fpd_link_recv(s->link, buf, sizeof buf, timeout_ms);
    if (n < 0) {
        s->link_broke = true;
        fpd_session_end(s, (int)n,
                        s->state < FPD_SESSION_ASKING ? FPD_ABSENT : FPD_LOST,
                        s->link->reason);
        return;
    }
    if (s->device)
        pthread_mutex_lock(&s->device->work);
    struct fpd_device *locked = s->device;

    if (n > 0) {
        s->heard_ms = fpd_now_ms();
        s->pinged = false;
        fp_link_input(&s->proto, buf, (size_t)n, now32());
    }
    take_frames(s);
    if (!s->err)
        check_link(s);
    if (!s->err)
        check_calls(s, fpd_now_ms());
    if (!s->err)
        fpd_chores_do(s, fpd_now_ms());
    if (locked)
        pthread_mutex_unlock(&locked->work);
}
