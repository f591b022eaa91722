/* SPDX-License-Identifier: MIT
 *
 * PUT: a body out of a spool into a file, staged, seen by nobody until its
 * commit.
 *
 *   WHOLE    a small file: open, bytes and commit leave together, and the
 *            device looks itself whether it has that content already
 *   LOOK     what is there now? It may be what is to be put already
 *   COMPARE  same size: once the body is whole, the device tells its digest
 *   TOUCH    same content: at most the modification time needs setting
 *   OPEN     the device says from which offset it wants to go on
 *   SEND     frames, as the body comes in and the link takes them
 *   COMMIT   the device reads back, compares the digest, switches
 *   RECALL   the device was reset after a commit went out: is the new file
 *            there?
 *
 * A write in place gives up the old file with OPEN. So it begins when the body
 * is whole and what was promised of it has been checked, and what is required
 * of the old file is looked at by COMPARE instead of by the device; so is which
 * of several digests it has.
 *
 * Each state asks, and goes on when the answer comes. After a lost link the op
 * goes on from OPEN with the same upload_id: what is staged is still there, or
 * the device says 0.
 */
#include "daemon/device/op.h"

#include "core/bytes.h"
#include "daemon/device/info.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WINDOW_SIZE 32768u
#define SLICE_SIZE  16384u /* of a turn: so much a frame may stand for */
#define WHOLE_MAX   4096u  /* bytes that are sent before anything is answered */

enum {
    WHOLE,
    LOOK,
    COMPARE,
    TOUCH,
    OPEN,
    SEND,
    COMMIT,
    RECALL
};

struct put {
    struct fpd_op_state op;
    struct fpd_spool *spool;
    uint8_t upload_id[16];
    struct fpd_stat old; /* valid if `exists` */
    bool exists;
    bool opened;              /* the device may hold something staged */
    bool begun;               /* the device has opened the file */
    bool whole;               /* WHOLE: it is open and the bytes go out */
    bool committed;           /* a commit went out in this epoch */
    bool recommits;           /* it is sent again: did the first arrive? */
    const uint8_t *if_sha256; /* of the commit: 32 bytes or NULL */
    unsigned wait_below;      /* NFILE: open only when fewer others are */
    uint8_t stream;           /* of this session, 0: none */
    uint64_t off;             /* next byte to send */
    uint64_t window_off; /* of the spool's bytes in window[0..window_size) */
    uint32_t window_size;
    uint8_t window[WINDOW_SIZE];
};

static struct put *put(struct fpd_op_state *op)
{
    return (struct put *)op;
}

static void wake(void *ctx)
{
    fpd_device_wake(ctx);
}

static int put_init(struct fpd_op_state *op)
{
    struct put *p = put(op);

    if (getrandom(p->upload_id, sizeof p->upload_id, 0) !=
        (ssize_t)sizeof p->upload_id)
        abort();
    atomic_store(&op->req->u.put.sent, 0);
    op->req->u.put.created = op->req->u.put.unchanged = false;
    op->req->u.put.gave_up = false;
    p->if_sha256 = op->req->u.put.if_sha256;
    p->spool = fpd_spool_ref(op->req->u.put.spool);
    fpd_spool_on_data(p->spool, wake, op->device);
    if (op->req->u.put.in_place)
        fpd_spool_consumed(p->spool, UINT64_MAX); /* all of it first */
    op->stall_ms = FPD_STALL_MS;                  /* of LOOK: a Stat is quick */
    return FP_OK;
}

static void put_end(struct fpd_session *s, struct fpd_op_state *op)
{
    struct put *p = put(op);

    fpd_spool_on_data(p->spool, NULL, NULL);
    if (s && p->opened && op->req->err)
        fpd_session_abort_upload(s, p->upload_id, p->stream);
    else if (s)
        fpd_session_free_stream(s, p->stream);
    if (op->finished && op->req->err)
        fpd_spool_abandon(p->spool);
    fpd_spool_unref(p->spool);
}

/* ---- what the states ask ---- */

static bool ask_path(struct fpd_session *s, struct fpd_op_state *op,
                     pb_size_t tag)
{
    fp_Envelope *env = fpd_session_begin(s, op, tag, false);

    if (!env)
        return false;
    if (tag == fp_Envelope_stat_tag)
        FPD_SET_STRING(env->body.stat.path, op->req->u.put.path);
    else
        FPD_SET_STRING(env->body.digest.path, op->req->u.put.path);
    if (fpd_session_send(s))
        return true;
    fpd_op_fail(op, FP_ERR_NAMETOOLONG,
                "the path does not fit the device's frames");
    return false;
}

static bool ask_touch(struct fpd_session *s, struct fpd_op_state *op)
{
    fp_Envelope *env =
        fpd_session_begin(s, op, fp_Envelope_attr_set_tag, false);

    if (!env)
        return false;
    /* Nanoseconds since 1970, little-endian, in attribute 1. Source:
     * formats/littlefs.md, modification times. */
    FPD_SET_STRING(env->body.attr_set.path, op->req->u.put.path);
    env->body.attr_set.type = 1;
    env->body.attr_set.value.size = 8;
    fp_put_le64(env->body.attr_set.value.bytes,
                (uint64_t)op->req->u.put.mtime_ns);
    FPD_SET_BYTES(env->body.attr_set.op_id, op->op_id, sizeof op->op_id);
    return fpd_session_send(s) != NULL;
}

/* Other uploads that take a place on the device: those under way, and those
 * given up until the device has heard of it. */
static unsigned others(const struct fpd_session *s,
                       const struct fpd_op_state *self)
{
    unsigned count = fpd_session_aborting(s);

    for (struct fpd_op_state *op = self->device->ops; op; op = op->next)
        if (op != self && op->ops == &fpd_op_put && put(op)->opened)
            count++;
    return count;
}

static void set_commit(fp_PutCommitRequest *commit,
                       const struct fpd_op_state *op,
                       const struct fpd_spool_state *body)
{
    const struct fpd_request *req = op->req;
    const uint8_t *if_sha256 = ((const struct put *)op)->if_sha256;

    FPD_SET_BYTES(commit->sha256, body->sha256, 32);
    FPD_SET_BYTES(commit->op_id, op->op_id, sizeof op->op_id);
    if (req->u.put.in_place)
        return;
    commit->has_if_gen = req->u.put.has_if_gen;
    commit->if_gen = req->u.put.if_gen;
    commit->if_absent = req->u.put.if_absent;
    if (if_sha256)
        FPD_SET_BYTES(commit->if_sha256, if_sha256, 32);
}

/* `whole`: with the commit. */
static bool ask_open(struct fpd_session *s, struct fpd_op_state *op,
                     const struct fpd_spool_state *body, bool whole)
{
    const struct fpd_request *req = op->req;
    struct put *p = put(op);
    fp_Envelope *env;

    if (p->wait_below && others(s, op) >= p->wait_below)
        return false;
    p->stream = fpd_session_stream(s);
    if (!p->stream)
        return false;
    env = fpd_session_begin(s, op, fp_Envelope_put_open_tag, true);
    if (!env) {
        /* Not kept: the session may end before the next try. */
        fpd_session_free_stream(s, p->stream);
        p->stream = 0;
        return false;
    }
    if (!whole)
        FPD_SET_BYTES(env->body.put_open.upload_id, p->upload_id, 16);
    env->body.put_open.has_commit = whole;
    if (whole)
        set_commit(&env->body.put_open.commit, op, body);
    FPD_SET_STRING(env->body.put_open.path, req->u.put.path);
    env->body.put_open.size = body->size;
    env->body.put_open.mode =
        req->u.put.in_place ? fp_PutMode_PUT_IN_PLACE : fp_PutMode_PUT_STAGED;
    env->body.put_open.stream = p->stream;
    env->body.put_open.has_mtime = req->u.put.has_mtime;
    env->body.put_open.mtime_ns = req->u.put.mtime_ns;
    if (fpd_session_send(s)) {
        p->opened = true;
        p->whole = p->committed = whole;
        op->req->u.put.gave_up = req->u.put.in_place;
        return true;
    }
    fpd_op_fail(op, FP_ERR_NAMETOOLONG,
                "the path does not fit the device's frames");
    return false;
}

static bool ask_commit(struct fpd_session *s, struct fpd_op_state *op,
                       const struct fpd_spool_state *body)
{
    fp_Envelope *env =
        fpd_session_begin(s, op, fp_Envelope_put_commit_tag, false);

    if (!env)
        return false;
    FPD_SET_BYTES(env->body.put_commit.upload_id, put(op)->upload_id, 16);
    set_commit(&env->body.put_commit, op, body);
    if (!fpd_session_send(s))
        return false;
    put(op)->committed = true;
    return true;
}

/* ---- sending ---- */

/* The bytes from p->off on that lie in the window, read anew when those of a
 * turn do not, which would leave a packed frame half empty. */
static uint32_t window(struct fpd_op_state *op, const uint8_t **data)
{
    struct put *p = put(op);
    uint64_t end = p->window_off + p->window_size;
    int32_t n;

    if (p->off < p->window_off || p->off >= end ||
        (end - p->off < SLICE_SIZE && p->window_size == WINDOW_SIZE)) {
        n = fpd_spool_read(p->spool, p->off, p->window, WINDOW_SIZE);
        if (n < 0) {
            fpd_op_fail(op, n, "the spooled upload cannot be read back");
            return 0;
        }
        p->window_off = p->off;
        p->window_size = (uint32_t)n;
        end = p->off + (uint32_t)n;
    }
    *data = p->window + (p->off - p->window_off);
    return (uint32_t)(end - p->off);
}

static bool send_data(struct fpd_session *s, struct fpd_op_state *op,
                      uint32_t *bytes)
{
    struct put *p = put(op);
    const uint8_t *data = NULL;
    uint32_t n = window(op, &data);
    size_t sent;

    if (n == 0)
        return false;
    sent =
        fpd_session_bulk(s, p->stream, data, n < SLICE_SIZE ? n : SLICE_SIZE);
    op->blocked = sent == 0;
    if (sent == 0)
        return false;
    p->off += sent;
    *bytes = (uint32_t)sent;
    atomic_store(&op->req->u.put.sent, p->off);
    fpd_spool_consumed(p->spool, p->off);
    return true;
}

/* ---- the states ---- */

/* The body broke off, or is larger than its volume. */
static bool body_failed(struct fpd_op_state *op,
                        const struct fpd_spool_state *body)
{
    if (body->err)
        fpd_op_fail(op, body->err,
                    body->err == FP_ERR_NOSPC
                        ? "the daemon's disk is too full to take the upload"
                        : "the upload broke off");
    return op->finished;
}

/* Has the old file to be looked at, before it is given up or to know which of
 * several digests it has? */
static bool is_guarded(const struct fpd_request *req)
{
    return req->u.put.if_count > 1 ||
           (req->u.put.in_place &&
            (req->u.put.if_sha256 || req->u.put.has_if_gen));
}

/* May it go as a whole? What has to hold before is looked at by LOOK. */
static bool is_small(const struct fpd_session *s, const struct fpd_op_state *op,
                     const struct fpd_spool_state *body)
{
    const struct fpd_request *req = op->req;

    return body->size <= WHOLE_MAX && !req->u.put.in_place &&
           !req->u.put.if_absent && !req->u.put.has_if_gen &&
           !req->u.put.if_sha256 &&
           (s->info.features & fp_Feature_FEATURE_WHOLE_PUT) != 0;
}

static bool send_whole(struct fpd_session *s, struct fpd_op_state *op,
                       const struct fpd_spool_state *body, uint32_t *bytes)
{
    struct put *p = put(op);

    if (!p->whole)
        return body->ended && op->calls == 0 && ask_open(s, op, body, true);
    return p->off < body->size && send_data(s, op, bytes);
}

static bool put_owes(const struct fpd_op_state *op)
{
    const struct put *p = (const struct put *)op;

    return op->step == WHOLE && p->whole;
}

static bool put_step(struct fpd_session *s, struct fpd_op_state *op,
                     uint32_t *bytes)
{
    struct put *p = put(op);
    struct fpd_spool_state body;

    fpd_spool_state(p->spool, &body);
    if (body_failed(op, &body))
        return false;
    if (op->step == WHOLE && is_small(s, op, &body))
        return send_whole(s, op, &body, bytes);
    if (op->step == WHOLE)
        op->step = LOOK;
    if (op->calls > 0 || (op->req->u.put.in_place && !body.ended))
        return false;
    if (op->step == COMPARE && body.ended && body.size != p->old.size &&
        !is_guarded(op->req))
        op->step = OPEN; /* the length came last, and tells enough */
    switch (op->step) {
    case LOOK:
        return ask_path(s, op, fp_Envelope_stat_tag);
    case COMPARE:
        return body.ended && ask_path(s, op, fp_Envelope_digest_tag);
    case TOUCH:
        return ask_touch(s, op);
    case OPEN:
        return body.size != FPD_SPOOL_UNKNOWN && ask_open(s, op, &body, false);
    case SEND:
        if (p->off < body.size)
            return send_data(s, op, bytes);
        op->step = COMMIT;
        /* fall through */
    case COMMIT:
        return body.ended && ask_commit(s, op, &body);
    case RECALL:
        return ask_path(s, op, fp_Envelope_digest_tag);
    default:
        return false;
    }
}

/* ---- answers ---- */

/* LOOK is over: does the body have to be whole before anything is sent? */
static void looked(struct fpd_op_state *op)
{
    const struct fpd_request *req = op->req;
    struct put *p = put(op);
    struct fpd_spool_state body;
    bool alike; /* it may have that content already */

    fpd_spool_state(p->spool, &body);
    op->stall_ms = FPD_STALL_LONG_MS;
    if (p->exists && p->old.type == FPD_TYPE_DIR) {
        fpd_op_fail(op, FP_ERR_ISDIR, "there is a directory of this name");
        return;
    }
    if (p->exists ? req->u.put.if_absent : req->u.put.if_sha256 != NULL) {
        fpd_op_fail(op, FP_ERR_PRECOND,
                    p->exists ? "the file exists" : "the file does not exist");
        return;
    }
    alike = p->exists &&
            (body.size == FPD_SPOOL_UNKNOWN || body.size == p->old.size);
    if (alike || body.size == FPD_SPOOL_UNKNOWN || is_guarded(req))
        fpd_spool_consumed(p->spool, UINT64_MAX); /* all of it, please */
    op->step = alike || (p->exists && is_guarded(req)) ? COMPARE : OPEN;
}

static void take_stat(struct fpd_op_state *op, const fp_StatReply *reply)
{
    const char *why = "";

    if (fpd_info_stat(&reply->entry, &put(op)->old, &why)) {
        fpd_op_broken(op, why);
        return;
    }
    put(op)->exists = true;
    looked(op);
}

/* The file is as it shall be. */
static void unchanged(struct fpd_op_state *op, uint32_t fs_gen)
{
    struct fpd_request *req = op->req;
    const struct put *p = put(op);
    bool touch = req->u.put.has_mtime &&
                 (!p->old.has_mtime || p->old.mtime_ns != req->u.put.mtime_ns);

    req->u.put.fs_gen = fs_gen;
    req->u.put.unchanged = true;
    if (touch)
        op->step = TOUCH;
    else
        fpd_op_finish(op, FP_OK);
}

/* Only where the daemon knows how a filesystem keeps the time. */
static bool can_touch(struct fpd_session *s, const struct fpd_op_state *op)
{
    const char *path = op->req->u.put.path;

    if (!op->req->u.put.has_mtime)
        return true;
    for (uint32_t i = 0; i < s->info.volume_count; i++) {
        const struct fpd_volume_info *volume = &s->info.volumes[i];
        size_t n = strlen(volume->path);

        if (strncmp(path, volume->path, n) == 0 && path[n] == '/')
            return strcmp(volume->fs, "littlefs") == 0;
    }
    return false;
}

/* The old file has this digest: the commit requires it, if it is one of those
 * that it may be. */
static bool take_match(struct put *p, const struct fpd_request *req,
                       const uint8_t *sha256)
{
    uint32_t count = req->u.put.if_count ? req->u.put.if_count : 1;

    for (uint32_t i = 0; i < count; i++) {
        p->if_sha256 = req->u.put.if_sha256 + 32 * i;
        if (memcmp(p->if_sha256, sha256, 32) == 0)
            return true;
    }
    return false;
}

static void take_compare(struct fpd_session *s, struct fpd_op_state *op,
                         const fp_DigestReply *reply)
{
    const struct fpd_request *req = op->req;
    struct fpd_spool_state body;
    bool same;

    fpd_spool_state(put(op)->spool, &body);
    if (reply->sha256.size != 32) {
        fpd_op_broken(op, "a SHA-256 has 32 bytes");
        return;
    }
    if ((req->u.put.if_sha256 &&
         !take_match(put(op), req, reply->sha256.bytes)) ||
        (req->u.put.has_if_gen && reply->fs_gen != req->u.put.if_gen)) {
        fpd_op_fail(op, FP_ERR_PRECOND, "the file has changed");
        return;
    }
    same = reply->size == body.size &&
           memcmp(reply->sha256.bytes, body.sha256, 32) == 0;
    if (same && can_touch(s, op))
        unchanged(op, reply->fs_gen);
    else
        op->step = OPEN;
}

static void take_open(struct fpd_op_state *op, const fp_PutOpenReply *reply)
{
    struct fpd_spool_state body;
    struct put *p = put(op);

    fpd_spool_state(p->spool, &body);
    if (reply->off > body.size || reply->off > body.have) {
        fpd_op_broken(op, "the device has more of the upload than was sent");
        return;
    }
    p->begun = true;
    p->off = reply->off;
    atomic_store(&op->req->u.put.sent, p->off);
    fpd_spool_consumed(p->spool, p->off);
    op->step = SEND;
}

/* The answer to a whole upload: the device has looked what was there. */
static void take_whole(struct fpd_session *s, struct fpd_op_state *op,
                       const fp_PutCommitReply *reply)
{
    struct fpd_request *req = op->req;

    req->u.put.fs_gen = reply->fs_gen;
    req->u.put.created = !reply->replaced;
    req->u.put.unchanged = reply->unchanged;
    s->volumes_dirty = true;
    fpd_op_finish(op, FP_OK);
}

static void done(struct fpd_session *s, struct fpd_op_state *op,
                 uint32_t fs_gen)
{
    op->req->u.put.fs_gen = fs_gen;
    op->req->u.put.created = !put(op)->exists;
    s->volumes_dirty = true;
    fpd_op_finish(op, FP_OK);
}

static void take_recall(struct fpd_session *s, struct fpd_op_state *op,
                        const fp_DigestReply *reply)
{
    struct fpd_spool_state body;

    fpd_spool_state(put(op)->spool, &body);
    if (reply->sha256.size == 32 && reply->size == body.size &&
        memcmp(reply->sha256.bytes, body.sha256, 32) == 0)
        done(s, op, reply->fs_gen);
    else
        op->step = OPEN; /* the commit was not made: send it again */
}

static void put_reply(struct fpd_session *s, struct fpd_op_state *op,
                      struct fpd_call *call, const fp_Envelope *env)
{
    pb_size_t what = env->which_body;

    if (what == fp_Envelope_event_tag)
        return; /* progress of a long commit */
    if (call->tag == fp_Envelope_stat_tag && what == fp_Envelope_stat_reply_tag)
        take_stat(op, &env->body.stat_reply);
    else if (call->tag == fp_Envelope_digest_tag && op->step == COMPARE &&
             what == fp_Envelope_digest_reply_tag)
        take_compare(s, op, &env->body.digest_reply);
    else if (call->tag == fp_Envelope_digest_tag && op->step == RECALL &&
             what == fp_Envelope_digest_reply_tag)
        take_recall(s, op, &env->body.digest_reply);
    else if (call->tag == fp_Envelope_attr_set_tag &&
             what == fp_Envelope_done_tag)
        done(s, op, env->body.done.fs_gen);
    else if (call->tag == fp_Envelope_put_open_tag && op->step == OPEN &&
             what == fp_Envelope_put_open_reply_tag)
        take_open(op, &env->body.put_open_reply);
    else if (call->tag == fp_Envelope_put_open_tag && op->step == WHOLE &&
             what == fp_Envelope_put_commit_reply_tag)
        take_whole(s, op, &env->body.put_commit_reply);
    else if (call->tag == fp_Envelope_put_commit_tag &&
             what == fp_Envelope_put_commit_reply_tag)
        done(s, op, env->body.put_commit_reply.fs_gen);
    else
        fpd_op_broken(op, "the device answered something else than was asked");
}

/* The link was lost before all bytes had come, and the commit with them: the
 * device has refused this one for good, so the next has another name. */
static void resume(struct fpd_op_state *op)
{
    if (getrandom(op->op_id, sizeof op->op_id, 0) != (ssize_t)sizeof op->op_id)
        abort();
    put(op)->committed = put(op)->recommits = false;
    op->step = OPEN;
}

static void put_failed(struct fpd_session *s, struct fpd_op_state *op,
                       struct fpd_call *call, const fp_Failure *failure)
{
    int err = fpd_info_error(failure->error);

    if (op->step == OPEN)
        op->req->u.put.gave_up &= put(op)->begun;
    if ((op->step == OPEN || op->step == WHOLE) && err == FP_ERR_NFILE &&
        others(s, op) > 0) {
        /* Its places are taken by uploads of ours: after them. */
        put(op)->opened = put(op)->whole = put(op)->committed = false;
        put(op)->off = 0;
        put(op)->wait_below = others(s, op);
        fpd_session_free_stream(s, put(op)->stream);
        put(op)->stream = 0;
    } else if (op->step == COMMIT && put(op)->recommits &&
               err == FP_ERR_INVAL && failure->needed > 0) {
        resume(op);
    } else if (op->step == LOOK && err == FP_ERR_NOENT) {
        looked(op);
    } else if (op->step == COMPARE && is_guarded(op->req) &&
               err == FP_ERR_NOENT) {
        fpd_op_fail(op, FP_ERR_PRECOND, "the file does not exist");
    } else if (op->step == COMPARE && call->tag == fp_Envelope_digest_tag &&
               !is_guarded(op->req)) {
        op->step = OPEN; /* it may be gone, or unreadable: then replace it */
    } else if (op->step == RECALL && err == FP_ERR_NOENT) {
        op->step = OPEN;
    } else {
        fpd_op_fail_with(op, failure);
    }
}

static void put_restart(struct fpd_op_state *op, bool same_epoch)
{
    struct put *p = put(op);

    p->stream = 0;
    p->whole = false;
    p->off = 0;
    if (op->step == WHOLE && (same_epoch || !p->committed))
        return; /* all of it again: a second time does what the first did */
    if (op->step != WHOLE && op->step <= TOUCH)
        return; /* asks again */
    p->recommits = same_epoch && p->committed;
    if (p->recommits)
        op->step = COMMIT; /* answered as the first was, by its op_id */
    else if (p->committed)
        op->step = RECALL;
    else
        op->step = OPEN;
    p->committed = same_epoch && p->committed;
}

const struct fpd_op_ops fpd_op_put = {
    .state_size = sizeof(struct put),
    .transfer = true,
    .stall_ms = FPD_STALL_LONG_MS,
    .init = put_init,
    .step = put_step,
    .reply = put_reply,
    .failed = put_failed,
    .owes = put_owes,
    .restart = put_restart,
    .end = put_end,
};
