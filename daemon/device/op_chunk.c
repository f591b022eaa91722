/* SPDX-License-Identifier: MIT
 *
 * What jobs ask about a storage's chunks: CHUNK_DIGESTS, CHUNK_READ and
 * CHUNK_WRITE go in slices, CHUNK_CHANGED in one question.
 *
 * Everything lands where the caller wants it, so slices may be answered in any
 * order. A digest or a generation of before a reset says nothing of after it:
 * then they fail with STALE, and the job begins again at digests. So they do
 * where the device tells another size of the storage or of its chunks than the
 * caller's buffers are for: offsets into those come of the caller's sizes only.
 */
#include "daemon/device/op.h"

#include <string.h>

#define SLICES       2
#define DIGEST_SLICE 32u /* as many as one answer holds */
#define READ_SLICE   64u

struct slice {
    bool used;
    bool go;        /* WRITE: the device wants the bytes */
    uint32_t first; /* relative to the request's */
    uint32_t count;
    uint32_t got;  /* digests, or bytes */
    uint32_t size; /* bytes */
};

struct chunk {
    struct fpd_op_state op;
    uint32_t block_size; /* of an erase */
    uint32_t next;       /* first chunk not asked for yet, relative */
    uint32_t answered;   /* chunks */
    uint8_t stream;      /* WRITE */
    bool any;            /* gen_first is set */
    struct slice slices[SLICES];
};

static struct chunk *chunk(struct fpd_op_state *op)
{
    return (struct chunk *)op;
}

static struct slice *free_slice(struct chunk *c, int max)
{
    for (int i = 0; i < max; i++)
        if (!c->slices[i].used)
            return &c->slices[i];
    return NULL;
}

static uint32_t chunk_size(const struct fpd_op_state *op)
{
    return op->req->u.chunk.chunk_size;
}

/* Of the storage. */
static uint64_t chunk_count(const struct fpd_op_state *op)
{
    return (op->req->u.chunk.storage_size + chunk_size(op) - 1) /
           chunk_size(op);
}

/* Looks the storage up, once a step: the device's word may have changed. */
static bool find_storage(struct fpd_session *s, struct fpd_op_state *op)
{
    const struct fpd_request *req = op->req;

    for (uint32_t i = 0; i < s->info.storage_count; i++) {
        const struct fpd_storage_info *st = &s->info.storages[i];

        if (strcmp(st->name, req->u.chunk.storage) != 0)
            continue;
        if (st->chunk_size != chunk_size(op) ||
            st->size != req->u.chunk.storage_size) {
            fpd_op_fail(op, FP_ERR_STALE, "the storage has another size now");
            return false;
        }
        chunk(op)->block_size = st->block_size;
        if (req->op != FPD_OP_CHUNK_CHANGED && req->u.chunk.level == 0 &&
            (uint64_t)req->u.chunk.first + req->u.chunk.count >
                chunk_count(op)) {
            fpd_op_fail(op, FP_ERR_INVAL, "the storage has fewer chunks");
            return false;
        }
        return true;
    }
    /* The list of storages is being asked for again. */
    op->blocked = s->storages_asked || s->storages_dirty;
    if (op->blocked)
        return false;
    fpd_op_fail(op, FP_ERR_NOENT, "the device has no such storage");
    return false;
}

/* Bytes of chunks [first, first + count), cut at the storage's end. */
static uint32_t bytes_of(const struct fpd_op_state *op, uint32_t first,
                         uint32_t count)
{
    uint64_t off = (uint64_t)(op->req->u.chunk.first + first) * chunk_size(op);
    uint64_t size = (uint64_t)count * chunk_size(op);

    if (size > op->req->u.chunk.storage_size - off)
        size = op->req->u.chunk.storage_size - off;
    return (uint32_t)size;
}

static void take_gen(struct fpd_op_state *op, uint32_t gen_first, uint32_t gen)
{
    if (!chunk(op)->any)
        op->req->u.chunk.gen_first = gen_first;
    chunk(op)->any = true;
    op->req->u.chunk.gen = gen;
}

/* A slice is answered in full. */
static void answered(struct fpd_op_state *op, struct slice *slice)
{
    struct chunk *c = chunk(op);

    slice->used = false;
    c->answered += slice->count;
    if (c->answered == op->req->u.chunk.count)
        fpd_op_finish(op, FP_OK);
}

static void other_answer(struct fpd_op_state *op)
{
    fpd_op_broken(op, "the device answered something else than was asked");
}

static void chunk_restart(struct fpd_op_state *op, bool same_epoch)
{
    struct chunk *c = chunk(op);

    if (!same_epoch) {
        fpd_op_fail(op, FP_ERR_STALE, "the device was reset meanwhile");
        return;
    }
    /* From the first chunk that is not answered: slices are answered nearly
     * in order, so going back to the start of the oldest loses little. */
    for (int i = 0; i < SLICES; i++) {
        if (c->slices[i].used && c->slices[i].first < c->next)
            c->next = c->slices[i].first;
        c->slices[i].used = false;
    }
    c->answered = c->next;
}

/* ---- CHUNK_DIGESTS ---- */

static bool digests_step(struct fpd_session *s, struct fpd_op_state *op,
                         uint32_t *bytes)
{
    struct fpd_request *req = op->req;
    struct chunk *c = chunk(op);
    struct slice *slice = free_slice(c, SLICES);
    fp_Envelope *env;
    struct fpd_call *call;

    if (!slice || c->next == req->u.chunk.count || !find_storage(s, op))
        return false;
    env = fpd_session_begin(s, op, fp_Envelope_chunk_digest_tag, true);
    if (!env)
        return false;
    *slice = (struct slice){ .used = true, .first = c->next };
    slice->count = req->u.chunk.count - c->next;
    if (slice->count > DIGEST_SLICE)
        slice->count = DIGEST_SLICE;
    FPD_SET_STRING(env->body.chunk_digest.storage, req->u.chunk.storage);
    env->body.chunk_digest.first = req->u.chunk.first + slice->first;
    env->body.chunk_digest.count = slice->count;
    env->body.chunk_digest.level = req->u.chunk.level;
    call = fpd_session_send(s);
    if (!call) {
        fpd_op_finish(op, FP_ERR_PROTO);
        return false;
    }
    call->slot = (uint32_t)(slice - c->slices);
    c->next += slice->count;
    *bytes = slice->count * FPD_DIGEST_SIZE;
    return true;
}

static void digests_reply(struct fpd_session *s, struct fpd_op_state *op,
                          struct fpd_call *call, const fp_Envelope *env)
{
    const fp_ChunkDigestReply *reply = &env->body.chunk_digest_reply;
    struct slice *slice = &chunk(op)->slices[call->slot];
    const struct fpd_request *req = op->req;
    uint32_t at = slice->first + slice->got;
    uint32_t n = reply->status.size;

    (void)s;
    if (env->which_body != fp_Envelope_chunk_digest_reply_tag) {
        other_answer(op);
        return;
    }
    if (n > slice->count - slice->got ||
        reply->digests.size != n * FPD_DIGEST_SIZE ||
        (n == 0 && !reply->last) || reply->first != req->u.chunk.first + at) {
        fpd_op_broken(op, "the device told other digests than were asked");
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (reply->status.bytes[i] > FPD_CHUNK_UNREADABLE) {
            fpd_op_broken(op, "a chunk has a status that is none");
            return;
        }
    }
    memcpy(req->u.chunk.digests + (size_t)at * FPD_DIGEST_SIZE,
           reply->digests.bytes, n * FPD_DIGEST_SIZE);
    memcpy(req->u.chunk.status + at, reply->status.bytes, n);
    slice->got += n;
    take_gen(op, reply->gen, reply->gen);
    if (reply->last && slice->got == slice->count)
        answered(op, slice);
    else if (reply->last)
        fpd_op_broken(op, "the device told fewer digests than were asked");
    else if (slice->got == slice->count)
        fpd_op_broken(op, "the device told all digests and says more come");
}

const struct fpd_op_ops fpd_op_chunk_digests = {
    .state_size = sizeof(struct chunk),
    .transfer = true,
    .stall_ms = FPD_STALL_LONG_MS,
    .step = digests_step,
    .reply = digests_reply,
    .restart = chunk_restart,
};

/* ---- CHUNK_READ ---- */

static uint32_t slice_chunks(struct fpd_session *s,
                             const struct fpd_op_state *op, uint32_t max)
{
    uint32_t n = fpd_session_slice(s) / chunk_size(op);

    return n < 1 ? 1 : n > max ? max : n;
}

static bool send_read(struct fpd_session *s, struct fpd_op_state *op,
                      struct slice *slice)
{
    const struct fpd_request *req = op->req;
    uint8_t stream = fpd_session_stream(s);
    fp_Envelope *env =
        stream ? fpd_session_begin(s, op, fp_Envelope_chunk_read_tag, true)
               : NULL;
    struct fpd_call *call;

    if (!env) {
        fpd_session_free_stream(s, stream);
        return false;
    }
    FPD_SET_STRING(env->body.chunk_read.storage, req->u.chunk.storage);
    env->body.chunk_read.first = req->u.chunk.first + slice->first;
    env->body.chunk_read.count = slice->count;
    env->body.chunk_read.stream = stream;
    call = fpd_session_send(s);
    if (!call) {
        fpd_session_free_stream(s, stream);
        fpd_op_finish(op, FP_ERR_PROTO);
        return false;
    }
    call->stream = stream;
    call->slot = (uint32_t)(slice - chunk(op)->slices);
    return true;
}

static bool read_step(struct fpd_session *s, struct fpd_op_state *op,
                      uint32_t *bytes)
{
    struct chunk *c = chunk(op);
    struct slice *slice = free_slice(c, SLICES);
    uint32_t left = op->req->u.chunk.count - c->next;

    if (!slice || left == 0 ||
        fpd_session_transfers(s, op->req->klass) >= SLICES ||
        !find_storage(s, op))
        return false;
    *slice = (struct slice){ .first = c->next };
    slice->count = slice_chunks(s, op, READ_SLICE);
    if (slice->count > left)
        slice->count = left;
    slice->size = bytes_of(op, slice->first, slice->count);
    if (!send_read(s, op, slice))
        return false;
    slice->used = true;
    c->next += slice->count;
    *bytes = slice->size;
    return true;
}

static void read_bulk(struct fpd_session *s, struct fpd_op_state *op,
                      struct fpd_call *call, const uint8_t *data, size_t size)
{
    struct slice *slice = &chunk(op)->slices[call->slot];
    uint8_t *to = op->req->u.chunk.data + (size_t)slice->first * chunk_size(op);

    (void)s;
    if (size > slice->size - slice->got) {
        fpd_op_broken(op, "the device sent more than was asked");
        return;
    }
    memcpy(to + slice->got, data, size);
    slice->got += (uint32_t)size;
}

static void read_reply(struct fpd_session *s, struct fpd_op_state *op,
                       struct fpd_call *call, const fp_Envelope *env)
{
    const fp_ChunkReadReply *reply = &env->body.chunk_read_reply;
    struct slice *slice = &chunk(op)->slices[call->slot];

    (void)s;
    if (env->which_body != fp_Envelope_chunk_read_reply_tag) {
        other_answer(op);
        return;
    }
    if (slice->got != slice->size || reply->status.size != slice->count) {
        fpd_op_broken(op, "the device sent fewer chunks than were asked");
        return;
    }
    for (uint32_t i = 0; i < slice->count; i++) {
        if (reply->status.bytes[i] > FPD_CHUNK_UNREADABLE) {
            fpd_op_broken(op, "a chunk has a status that is none");
            return;
        }
    }
    memcpy(op->req->u.chunk.status + slice->first, reply->status.bytes,
           slice->count);
    take_gen(op, reply->gen_first, reply->gen);
    answered(op, slice);
}

const struct fpd_op_ops fpd_op_chunk_read = {
    .state_size = sizeof(struct chunk),
    .transfer = true,
    .stall_ms = FPD_STALL_LONG_MS,
    .step = read_step,
    .reply = read_reply,
    .bulk = read_bulk,
    .restart = chunk_restart,
};

/* ---- CHUNK_WRITE: one slice at a time, for flash is the limit ---- */

static bool send_write(struct fpd_session *s, struct fpd_op_state *op,
                       struct slice *slice)
{
    const struct fpd_request *req = op->req;
    uint8_t stream = fpd_session_stream(s);
    fp_Envelope *env =
        stream ? fpd_session_begin(s, op, fp_Envelope_chunk_write_tag, true)
               : NULL;
    struct fpd_call *call;

    if (!env) {
        fpd_session_free_stream(s, stream);
        return false;
    }
    FPD_SET_STRING(env->body.chunk_write.storage, req->u.chunk.storage);
    FPD_SET_BYTES(env->body.chunk_write.nonce, req->u.chunk.nonce, 8);
    env->body.chunk_write.first = req->u.chunk.first + slice->first;
    env->body.chunk_write.count = slice->count;
    env->body.chunk_write.stream = stream;
    call = fpd_session_send(s);
    if (!call) {
        fpd_session_free_stream(s, stream);
        fpd_op_finish(op, FP_ERR_PROTO);
        return false;
    }
    call->stream = stream;
    chunk(op)->stream = stream;
    op->sent = true;
    return true;
}

/* A device takes only whole erase blocks: chunks until both end together. */
static uint32_t write_unit(struct fpd_op_state *op, uint32_t max)
{
    uint32_t n = 1;

    while ((uint64_t)n * chunk_size(op) % chunk(op)->block_size != 0 && n < max)
        n++;
    return n;
}

static bool write_begin(struct fpd_session *s, struct fpd_op_state *op)
{
    struct chunk *c = chunk(op);
    struct slice *slice = &c->slices[0];
    uint32_t left = op->req->u.chunk.count - c->next, unit;

    if (left == 0 || atomic_load(&op->req->cancel) || !find_storage(s, op))
        return false;
    *slice = (struct slice){ .first = c->next };
    unit = write_unit(op, left);
    slice->count = slice_chunks(s, op, left);
    slice->count -= slice->count % unit;
    if (slice->count == 0)
        slice->count = unit;
    slice->size = bytes_of(op, slice->first, slice->count);
    if (!send_write(s, op, slice))
        return false;
    slice->used = true;
    c->next += slice->count;
    return true;
}

static bool write_step(struct fpd_session *s, struct fpd_op_state *op,
                       uint32_t *bytes)
{
    struct chunk *c = chunk(op);
    struct slice *slice = &c->slices[0];
    const uint8_t *data;
    size_t sent;

    if (!slice->used)
        return write_begin(s, op);
    if (!slice->go || slice->got == slice->size)
        return false;
    data = op->req->u.chunk.data + (size_t)slice->first * chunk_size(op);
    sent = fpd_session_bulk(s, c->stream, data + slice->got,
                            slice->size - slice->got);
    op->blocked = sent == 0;
    slice->got += (uint32_t)sent;
    *bytes = (uint32_t)sent;
    return sent > 0;
}

static void write_reply(struct fpd_session *s, struct fpd_op_state *op,
                        struct fpd_call *call, const fp_Envelope *env)
{
    const fp_ChunkWriteReply *reply = &env->body.chunk_write_reply;
    struct slice *slice = &chunk(op)->slices[0];

    (void)s;
    (void)call;
    if (env->which_body == fp_Envelope_event_tag)
        return;
    if (env->which_body != fp_Envelope_chunk_write_reply_tag ||
        reply->done != slice->go ||
        (reply->done && slice->got != slice->size)) {
        other_answer(op);
        return;
    }
    slice->go = true;
    if (!reply->done)
        return;
    take_gen(op, reply->gen, reply->gen);
    answered(op, slice);
}

/* The device has its one buffer set aside for the bytes of a slice, and takes
 * no other ChunkWrite before they have all come. */
static bool write_owes(const struct fpd_op_state *op)
{
    return op->calls > 0;
}

/* A lost link ends the exclusive use that writing needs. */
static void write_restart(struct fpd_op_state *op, bool same_epoch)
{
    (void)same_epoch;
    fpd_op_fail(op, FP_ERR_STALE, "the link was lost during the restore");
}

const struct fpd_op_ops fpd_op_chunk_write = {
    .state_size = sizeof(struct chunk),
    .transfer = true,
    .stall_ms = FPD_STALL_LONG_MS,
    .step = write_step,
    .reply = write_reply,
    .owes = write_owes,
    .restart = write_restart,
};

/* ---- CHUNK_CHANGED ---- */

static bool changed_step(struct fpd_session *s, struct fpd_op_state *op,
                         uint32_t *bytes)
{
    fp_Envelope *env;

    (void)bytes;
    if (chunk(op)->slices[0].used || !find_storage(s, op))
        return false;
    env = fpd_session_begin(s, op, fp_Envelope_chunk_changed_tag, false);
    if (!env)
        return false;
    FPD_SET_STRING(env->body.chunk_changed.storage, op->req->u.chunk.storage);
    env->body.chunk_changed.since = op->req->u.chunk.since;
    op->req->u.chunk.runs_count = 0;
    op->req->u.chunk.too_old = false;
    if (!fpd_session_send(s))
        return false;
    chunk(op)->slices[0].used = true;
    return true;
}

/* Runs ascend, do not touch, and lie in the storage. */
static bool run_fits(const struct fpd_op_state *op, const fp_ChunkRun *run)
{
    const struct fpd_request *req = op->req;
    const struct fpd_chunk_run *last =
        req->u.chunk.runs_count > 0
            ? &req->u.chunk.runs[req->u.chunk.runs_count - 1]
            : NULL;

    return run->count > 0 &&
           (uint64_t)run->first + run->count <= chunk_count(op) &&
           (!last || run->first >= last->first + last->count);
}

static void changed_reply(struct fpd_session *s, struct fpd_op_state *op,
                          struct fpd_call *call, const fp_Envelope *env)
{
    const fp_ChunkChangedReply *reply = &env->body.chunk_changed_reply;
    struct fpd_request *req = op->req;

    (void)s;
    (void)call;
    if (env->which_body != fp_Envelope_chunk_changed_reply_tag) {
        other_answer(op);
        return;
    }
    if (reply->runs_count == 0 && !reply->last) {
        fpd_op_broken(op, "a part of the list of changes is empty");
        return;
    }
    for (pb_size_t i = 0; i < reply->runs_count; i++) {
        if (!run_fits(op, &reply->runs[i])) {
            fpd_op_broken(op, "the device told changes that cannot be");
            return;
        }
        if (req->u.chunk.runs_count == req->u.chunk.runs_max) {
            /* More than the caller has room for: all of it, then. What is
             * still to come is dropped. */
            req->u.chunk.too_old = true;
            req->u.chunk.gen = reply->gen;
            fpd_op_finish(op, FP_OK);
            return;
        }
        req->u.chunk.runs[req->u.chunk.runs_count++] =
            (struct fpd_chunk_run){ .first = reply->runs[i].first,
                                    .count = reply->runs[i].count };
    }
    req->u.chunk.gen_first = req->u.chunk.gen = reply->gen;
    req->u.chunk.too_old |= reply->too_old;
    if (reply->last)
        fpd_op_finish(op, FP_OK);
}

static void changed_restart(struct fpd_op_state *op, bool same_epoch)
{
    if (!same_epoch)
        fpd_op_fail(op, FP_ERR_STALE, "the device was reset meanwhile");
    chunk(op)->slices[0].used = false;
}

const struct fpd_op_ops fpd_op_chunk_changed = {
    .state_size = sizeof(struct chunk),
    .stall_ms = FPD_STALL_LONG_MS,
    .step = changed_step,
    .reply = changed_reply,
    .restart = changed_restart,
};
