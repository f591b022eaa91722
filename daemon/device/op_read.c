/* SPDX-License-Identifier: MIT
 *
 * READ: a file's bytes into a pipe, slice by slice.
 *
 * Up to two slices are under way, so that the device is never without work; it
 * may send them interleaved, so each is gathered in a buffer of its own,
 * checked against its CRC, and handed on in order. A slice is asked for only
 * when the pipe has room for it beside those under way: a slow reader parks
 * its own transfer.
 *
 *      file   |###########|#####A#####|#####B#####|          |
 *             off         given       slices under way      end
 *
 * The file may change while it is read, on the device's own account too. When
 * the volume's generation moved between the first slice and the last, or the
 * device was reset, the last slice is held back until the device has told the
 * digest of the whole range: equal to that of what was read, the reader got
 * the file as it is at one moment; else the read ends with STALE.
 */
#include "daemon/device/op.h"

#include "core/digest/crc32.h"
#include "core/error.h"
#include "daemon/hash.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

#define UNDER_WAY  2
#define SLICES     3 /* one may wait for another that began before it */
#define SLICE_SIZE 65536u
#define FIRST_SIZE 4096u /* of the first slice: it tells how long the file is */

enum {
    READING,
    VERIFY,
    VERIFYING
};

struct slice {
    bool used;
    bool replied; /* ReadReply came: `len` is what will come */
    bool ended;   /* and ReadEnd */
    uint64_t off;
    uint32_t len; /* asked for, then told */
    uint32_t got;
    uint8_t *buf;
};

struct read {
    struct fpd_op_state op;
    struct fpd_pipe *pipe;
    uint64_t next;  /* offset of the next slice */
    uint64_t given; /* offset up to which the reader has it */
    uint64_t end;   /* of the range, once `opened` */
    uint64_t size;  /* of the file */
    uint32_t fs_gen;
    bool opened;
    bool moved;           /* something changed: verify at the end */
    struct fpd_hash hash; /* of [off, given) and, at the end, all of it */
    struct slice slices[SLICES];
};

static struct read *rd(struct fpd_op_state *op)
{
    return (struct read *)op;
}

static void wake(void *ctx)
{
    fpd_device_wake(ctx);
}

static int read_init(struct fpd_op_state *op)
{
    struct read *r = rd(op);

    if (fpd_hash_begin(&r->hash) != FP_OK)
        return FP_ERR_NOMEM;
    r->next = r->given = op->req->u.read.off;
    r->pipe = fpd_pipe_ref(op->req->u.read.pipe);
    fpd_pipe_on_room(r->pipe, wake, op->device);
    return FP_OK;
}

/* Its reader sees a download that ends too early, and no reason. */
static void tell_why(const struct fpd_op_state *op, const struct read *r)
{
    const char *why = op->req->failure.detail;
    int err = op->req->err;

    if (err == FP_OK || err == FP_ERR_CANCELED || !r->opened)
        return;
    fpd_log(FPD_LOG_WARN, "device",
            "read broke off: id=%s at=%llu of=%llu reason=%s", op->device->id,
            (unsigned long long)r->given, (unsigned long long)r->end,
            why[0] ? why : fp_strerror(err));
}

static void read_end(struct fpd_session *s, struct fpd_op_state *op)
{
    struct read *r = rd(op);

    (void)s;
    fpd_pipe_on_room(r->pipe, NULL, NULL);
    /* An op that was never taken leaves the pipe as it was. */
    if (op->finished) {
        tell_why(op, r);
        fpd_pipe_finish(r->pipe, op->req->err);
    }
    fpd_pipe_unref(r->pipe);
    fpd_hash_drop(&r->hash);
    for (int i = 0; i < SLICES; i++)
        free(r->slices[i].buf);
}

/* ---- asking ---- */

/* Bytes asked for and not yet in the pipe. */
static uint64_t pending(const struct read *r)
{
    return r->next - r->given;
}

static uint32_t slice_len(struct fpd_session *s, const struct fpd_op_state *op,
                          const struct read *r)
{
    uint64_t len = r->opened ? r->end - r->next : op->req->u.read.len;
    uint32_t max = r->opened ? fpd_session_slice(s) : FIRST_SIZE;

    /* Two of one length, begun at once, would end at once too. */
    if (r->opened && pending(r) == 0)
        max /= 2;
    return len == 0 || len > max ? max : (uint32_t)len;
}

static struct slice *free_slice(struct read *r)
{
    for (int i = 0; i < SLICES; i++) {
        if (!r->slices[i].used) {
            if (!r->slices[i].buf)
                r->slices[i].buf = malloc(SLICE_SIZE);
            return r->slices[i].buf ? &r->slices[i] : NULL;
        }
    }
    return NULL;
}

static bool send_read(struct fpd_session *s, struct fpd_op_state *op,
                      struct slice *slice)
{
    struct read *r = rd(op);
    uint8_t stream = fpd_session_stream(s);
    fp_Envelope *env =
        stream ? fpd_session_begin(s, op, fp_Envelope_read_tag, r->opened)
               : NULL;
    struct fpd_call *call;

    if (!env) {
        fpd_session_free_stream(s, stream);
        return false;
    }
    FPD_SET_STRING(env->body.read.path, op->req->u.read.path);
    env->body.read.off = slice->off;
    env->body.read.len = slice->len;
    env->body.read.stream = stream;
    call = fpd_session_send(s);
    if (!call) {
        fpd_session_free_stream(s, stream);
        fpd_op_fail(op, FP_ERR_NAMETOOLONG,
                    "the path does not fit the device's frames");
        return false;
    }
    call->stream = stream;
    call->slot = (uint32_t)(slice - r->slices);
    slice->used = true;
    slice->replied = slice->ended = false;
    slice->got = 0;
    r->next += slice->len;
    return true;
}

static bool send_verify(struct fpd_session *s, struct fpd_op_state *op)
{
    struct read *r = rd(op);
    fp_Envelope *env;

    if (op->calls > 0)
        return false;
    env = fpd_session_begin(s, op, fp_Envelope_digest_tag, false);
    if (!env)
        return false;
    FPD_SET_STRING(env->body.digest.path, op->req->u.read.path);
    env->body.digest.off = op->req->u.read.off;
    env->body.digest.len = r->end - op->req->u.read.off;
    if (!fpd_session_send(s))
        return false;
    op->stall_ms = FPD_STALL_LONG_MS; /* it hashes all of the range */
    op->step = VERIFYING;
    return true;
}

static bool read_step(struct fpd_session *s, struct fpd_op_state *op,
                      uint32_t *bytes)
{
    struct read *r = rd(op);
    struct slice *slice;

    if (fpd_pipe_abandoned(r->pipe)) {
        fpd_op_finish(op, FP_ERR_CANCELED);
        return false;
    }
    if (op->step != READING)
        return op->step == VERIFY && send_verify(s, op);
    /* Until the first answer nobody knows how much there is. */
    if (r->opened ? r->next >= r->end : op->calls > 0)
        return false;
    if (r->opened && fpd_session_transfers(s, op->req->klass) >= UNDER_WAY)
        return false;
    slice = free_slice(r);
    if (!slice)
        return false;
    slice->off = r->next;
    slice->len = slice_len(s, op, r);
    if (fpd_pipe_room(r->pipe) < pending(r) + slice->len)
        return false;
    if (!send_read(s, op, slice))
        return false;
    *bytes = slice->len;
    return true;
}

/* ---- answers ---- */

/* The first answer of all: what the reader is told. */
static void open_read(struct fpd_op_state *op, const fp_ReadReply *reply)
{
    struct fpd_request *req = op->req;
    struct read *r = rd(op);
    uint64_t off = req->u.read.off;
    uint64_t left = off < reply->size ? reply->size - off : 0;

    if (req->u.read.len > 0 && req->u.read.len < left)
        left = req->u.read.len;
    r->opened = true;
    r->size = reply->size;
    r->end = off + left;
    r->fs_gen = reply->fs_gen;
    req->u.read.size = reply->size;
    req->u.read.send = left;
    req->u.read.has_mtime = reply->has_mtime;
    req->u.read.mtime_ns = reply->mtime_ns;
    req->u.read.fs_gen = reply->fs_gen;
    if (req->u.read.opened)
        req->u.read.opened(req);
}

static void take_reply(struct fpd_op_state *op, struct slice *slice,
                       const fp_ReadReply *reply)
{
    struct read *r = rd(op);
    uint64_t expect;

    if (slice->replied) {
        fpd_op_broken(op, "the device answered one read twice");
        return;
    }
    if (!r->opened)
        open_read(op, reply);
    if (reply->size != r->size) {
        fpd_op_fail(op, FP_ERR_STALE, "the file changed while it was read");
        return;
    }
    if (reply->fs_gen != r->fs_gen)
        r->moved = true;
    expect = slice->off < r->size ? r->size - slice->off : 0;
    if (expect > slice->len)
        expect = slice->len;
    if (reply->len != expect) {
        fpd_op_broken(op, "the device announced another length than was asked");
        return;
    }
    slice->len = (uint32_t)expect;
    slice->replied = true;
    if (r->next > r->end)
        r->next = r->end; /* the first slice asked for more than there is */
}

/* The whole is there, the last slice in `slice`: is it still what the device
 * has? */
static bool must_verify(const struct read *r, const struct slice *slice)
{
    return r->moved && slice->len > 0 && slice->off + slice->len == r->end;
}

/* Hands on what is whole, in order. */
static void deliver(struct fpd_op_state *op)
{
    struct read *r = rd(op);
    bool again = true;

    while (again && op->step == READING) {
        again = false;
        for (int i = 0; i < SLICES; i++) {
            struct slice *slice = &r->slices[i];

            if (!slice->used || !slice->ended || slice->off != r->given)
                continue;
            fpd_hash_add(&r->hash, slice->buf, slice->len);
            if (must_verify(r, slice)) {
                op->step = VERIFY;
                return;
            }
            fpd_pipe_write(r->pipe, slice->buf, slice->len);
            r->given += slice->len;
            slice->used = false;
            again = true;
            break;
        }
    }
    if (op->step == READING && r->given == r->end)
        fpd_op_finish(op, FP_OK);
}

static void take_end(struct fpd_op_state *op, struct slice *slice,
                     const fp_ReadEnd *end)
{
    if (!slice->replied || end->len != slice->len || slice->got != slice->len) {
        fpd_op_broken(op, "the device sent another length than it announced");
        return;
    }
    if (end->crc32 != (uint32_t)~fp_crc32(0xffffffff, slice->buf, slice->got)) {
        fpd_op_broken(op, "what came is not what the device sent");
        return;
    }
    slice->ended = true;
    deliver(op);
}

/* The digest of the range, now: `hash` has what was read of it. */
static void take_digest(struct fpd_op_state *op, const fp_DigestReply *reply)
{
    struct read *r = rd(op);
    uint8_t sha256[32];

    fpd_hash_end(&r->hash, sha256);
    if (reply->size != r->size || reply->sha256.size != 32 ||
        memcmp(reply->sha256.bytes, sha256, 32) != 0) {
        fpd_op_fail(op, FP_ERR_STALE, "the file changed while it was read");
        return;
    }
    for (int i = 0; i < SLICES; i++) {
        struct slice *slice = &r->slices[i];

        if (slice->used && slice->ended && slice->off == r->given)
            fpd_pipe_write(r->pipe, slice->buf, slice->len);
    }
    fpd_op_finish(op, FP_OK);
}

static void read_reply(struct fpd_session *s, struct fpd_op_state *op,
                       struct fpd_call *call, const fp_Envelope *env)
{
    struct slice *slice = &rd(op)->slices[call->slot];

    (void)s;
    if (call->tag == fp_Envelope_digest_tag &&
        env->which_body == fp_Envelope_digest_reply_tag)
        take_digest(op, &env->body.digest_reply);
    else if (call->tag == fp_Envelope_read_tag &&
             env->which_body == fp_Envelope_read_reply_tag)
        take_reply(op, slice, &env->body.read_reply);
    else if (call->tag == fp_Envelope_read_tag &&
             env->which_body == fp_Envelope_read_end_tag)
        take_end(op, slice, &env->body.read_end);
    else
        fpd_op_broken(op, "the device answered something else than was asked");
}

static void read_bulk(struct fpd_session *s, struct fpd_op_state *op,
                      struct fpd_call *call, const uint8_t *data, size_t size)
{
    struct slice *slice = &rd(op)->slices[call->slot];

    (void)s;
    if (!slice->replied || size > slice->len - slice->got) {
        fpd_op_broken(op, "the device sent more than it announced");
        return;
    }
    memcpy(slice->buf + slice->got, data, size);
    slice->got += (uint32_t)size;
}

static void read_restart(struct fpd_op_state *op, bool same_epoch)
{
    struct read *r = rd(op);

    if (!same_epoch && r->opened)
        r->moved = true; /* generations of another start say nothing */
    if (op->step != READING) {
        op->step = VERIFY;
        return;
    }
    for (int i = 0; i < SLICES; i++)
        r->slices[i].used = false;
    r->next = r->given;
}

const struct fpd_op_ops fpd_op_read = {
    .state_size = sizeof(struct read),
    .transfer = true,
    .stall_ms = FPD_STALL_MS,
    .init = read_init,
    .step = read_step,
    .reply = read_reply,
    .bulk = read_bulk,
    .restart = read_restart,
    .end = read_end,
};
