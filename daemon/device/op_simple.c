/* SPDX-License-Identifier: MIT
 *
 * Requests of one message and one answer, some of them behind a Nonce.
 *
 * What changes the device carries an op_id, so a retry after a lost link is
 * answered as the first was. When the device was reset in between its memory
 * of that is gone; then one looks whether the change can be seen (RECALL), and
 * says OUTCOME where it cannot.
 */
#include "daemon/device/op.h"

#include "daemon/device/info.h"
#include "daemon/text.h"

#include <string.h>

enum {
    NONCE,
    ASK,
    WAIT,
    SETTLE, /* done; what the volumes are now is being asked */
    RECALL,
    RECALL_WAIT,
    RECALL_TO,
    RECALL_TO_WAIT
};

struct simple {
    struct fpd_op_state op;
    uint8_t nonce[8];
    bool from_gone; /* RECALL of a rename: the old name is not there */
    uint32_t events;
};

/* More progress and findings than any volume has: the device never ends. */
#define EVENTS_MAX 65536

static struct simple *simple(struct fpd_op_state *op)
{
    return (struct simple *)op;
}

static bool wants_nonce(const struct fpd_request *req)
{
    return req->op == FPD_OP_FORMAT || req->op == FPD_OP_RESTORE_BEGIN;
}

static int simple_init(struct fpd_op_state *op)
{
    op->step = wants_nonce(op->req)         ? NONCE
               : op->req->op == FPD_OP_LOOK ? SETTLE
                                            : ASK;
    return FP_OK;
}

/* ---- asking ---- */

static pb_size_t tag_of(enum fpd_op op)
{
    switch (op) {
    case FPD_OP_STAT:
        return fp_Envelope_stat_tag;
    case FPD_OP_DIGEST:
        return fp_Envelope_digest_tag;
    case FPD_OP_MKDIR:
        return fp_Envelope_mkdir_tag;
    case FPD_OP_REMOVE:
        return fp_Envelope_remove_tag;
    case FPD_OP_RENAME:
        return fp_Envelope_rename_tag;
    case FPD_OP_TRUNCATE:
        return fp_Envelope_truncate_tag;
    case FPD_OP_ATTR_GET:
        return fp_Envelope_attr_get_tag;
    case FPD_OP_ATTR_SET:
        return fp_Envelope_attr_set_tag;
    case FPD_OP_MOUNT:
        return fp_Envelope_mount_tag;
    case FPD_OP_UNMOUNT:
        return fp_Envelope_unmount_tag;
    case FPD_OP_FORMAT:
        return fp_Envelope_format_tag;
    case FPD_OP_CHECK:
        return fp_Envelope_check_tag;
    case FPD_OP_REBOOT:
        return fp_Envelope_reboot_tag;
    case FPD_OP_FREEZE:
        return fp_Envelope_freeze_tag;
    case FPD_OP_THAW:
        return fp_Envelope_thaw_tag;
    case FPD_OP_RESTORE_BEGIN:
        return fp_Envelope_restore_begin_tag;
    case FPD_OP_RESTORE_END:
        return fp_Envelope_restore_end_tag;
    default:
        return fp_Envelope_ping_tag;
    }
}

static void fill_files(struct fpd_op_state *op, fp_Envelope *env)
{
    const struct fpd_request *req = op->req;

    switch (req->op) {
    case FPD_OP_STAT:
        FPD_SET_STRING(env->body.stat.path, req->u.stat.path);
        break;
    case FPD_OP_DIGEST:
        FPD_SET_STRING(env->body.digest.path, req->u.digest.path);
        env->body.digest.off = req->u.digest.off;
        env->body.digest.len = req->u.digest.len;
        break;
    case FPD_OP_MKDIR:
        FPD_SET_STRING(env->body.mkdir.path, req->u.change.path);
        FPD_SET_BYTES(env->body.mkdir.op_id, op->op_id, sizeof op->op_id);
        break;
    case FPD_OP_REMOVE:
        FPD_SET_STRING(env->body.remove.path, req->u.change.path);
        FPD_SET_BYTES(env->body.remove.op_id, op->op_id, sizeof op->op_id);
        if (req->u.change.if_sha256)
            FPD_SET_BYTES(env->body.remove.if_sha256, req->u.change.if_sha256,
                          32);
        break;
    case FPD_OP_RENAME:
        FPD_SET_STRING(env->body.rename.from, req->u.rename.from);
        FPD_SET_STRING(env->body.rename.to, req->u.rename.to);
        FPD_SET_BYTES(env->body.rename.op_id, op->op_id, sizeof op->op_id);
        env->body.rename.no_replace = req->u.rename.no_replace;
        break;
    case FPD_OP_TRUNCATE:
        FPD_SET_STRING(env->body.truncate.path, req->u.change.path);
        FPD_SET_BYTES(env->body.truncate.op_id, op->op_id, sizeof op->op_id);
        env->body.truncate.size = req->u.change.size;
        break;
    case FPD_OP_ATTR_GET:
        FPD_SET_STRING(env->body.attr_get.path, req->u.attr.path);
        env->body.attr_get.type = req->u.attr.type;
        break;
    case FPD_OP_ATTR_SET:
        FPD_SET_STRING(env->body.attr_set.path, req->u.attr.path);
        FPD_SET_BYTES(env->body.attr_set.value, req->u.attr.value,
                      req->u.attr.size);
        FPD_SET_BYTES(env->body.attr_set.op_id, op->op_id, sizeof op->op_id);
        env->body.attr_set.type = req->u.attr.type;
        env->body.attr_set.remove = req->u.attr.remove;
        break;
    default:
        break;
    }
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void fill_storage(struct fpd_op_state *op, fp_Envelope *env)
{
    const struct fpd_request *req = op->req;
    const char *volume = req->u.volume.volume;

    switch (req->op) {
    case FPD_OP_MOUNT:
        FPD_SET_STRING(env->body.mount.volume, volume);
        FPD_SET_STRING(env->body.mount.fs, or_empty(req->u.volume.fs));
        FPD_SET_STRING(env->body.mount.options,
                       or_empty(req->u.volume.options));
        FPD_SET_BYTES(env->body.mount.op_id, op->op_id, sizeof op->op_id);
        break;
    case FPD_OP_UNMOUNT:
        FPD_SET_STRING(env->body.unmount.volume, volume);
        FPD_SET_BYTES(env->body.unmount.op_id, op->op_id, sizeof op->op_id);
        break;
    case FPD_OP_FORMAT:
        FPD_SET_STRING(env->body.format.volume, volume);
        FPD_SET_STRING(env->body.format.fs, req->u.volume.fs);
        FPD_SET_STRING(env->body.format.options,
                       or_empty(req->u.volume.options));
        FPD_SET_BYTES(env->body.format.nonce, simple(op)->nonce, 8);
        FPD_SET_BYTES(env->body.format.op_id, op->op_id, sizeof op->op_id);
        break;
    case FPD_OP_CHECK:
        FPD_SET_STRING(env->body.check.volume, volume);
        env->body.check.repair = req->u.volume.repair;
        break;
    case FPD_OP_FREEZE:
        FPD_SET_STRING(env->body.freeze.storage, req->u.chunk.storage);
        env->body.freeze.ms = req->u.chunk.freeze_ms;
        break;
    case FPD_OP_THAW:
        FPD_SET_STRING(env->body.thaw.storage, req->u.chunk.storage);
        break;
    case FPD_OP_RESTORE_BEGIN:
        FPD_SET_STRING(env->body.restore_begin.storage, req->u.chunk.storage);
        FPD_SET_BYTES(env->body.restore_begin.nonce, simple(op)->nonce, 8);
        break;
    case FPD_OP_RESTORE_END:
        FPD_SET_STRING(env->body.restore_end.storage, req->u.chunk.storage);
        break;
    default:
        break;
    }
}

static bool ask(struct fpd_session *s, struct fpd_op_state *op)
{
    fp_Envelope *env = fpd_session_begin(s, op, tag_of(op->req->op), false);

    if (!env)
        return false;
    fill_files(op, env);
    fill_storage(op, env);
    if (!fpd_session_send(s)) {
        fpd_op_fail(op, FP_ERR_NAMETOOLONG,
                    "the path does not fit the device's frames");
        return false;
    }
    op->sent = true;
    op->step = WAIT;
    return true;
}

/* The path whose state tells whether the change was made. */
static const char *recalled_path(const struct fpd_op_state *op)
{
    if (op->req->op != FPD_OP_RENAME)
        return op->req->u.change.path;
    return op->step == RECALL ? op->req->u.rename.from : op->req->u.rename.to;
}

static bool recall(struct fpd_session *s, struct fpd_op_state *op)
{
    fp_Envelope *env = fpd_session_begin(s, op, fp_Envelope_stat_tag, false);

    if (!env)
        return false;
    FPD_SET_STRING(env->body.stat.path, recalled_path(op));
    if (!fpd_session_send(s)) {
        fpd_op_finish(op, FP_ERR_OUTCOME);
        return false;
    }
    op->step++;
    return true;
}

static bool simple_step(struct fpd_session *s, struct fpd_op_state *op,
                        uint32_t *bytes)
{
    (void)bytes;
    if (op->calls > 0)
        return false;
    switch (op->step) {
    case NONCE:
        return fpd_session_begin(s, op, fp_Envelope_nonce_tag, false) &&
               fpd_session_send(s);
    case ASK:
        return ask(s, op);
    case SETTLE:
        if (!s->volumes_dirty && !s->volumes_asked)
            fpd_op_finish(op, FP_OK);
        else
            fpd_session_look_soon(s);
        return false;
    case RECALL:
    case RECALL_TO:
        return recall(s, op);
    default:
        return false;
    }
}

/* ---- answers ---- */

static void take_stat(struct fpd_op_state *op, const fp_StatReply *reply)
{
    const char *why = "";

    op->req->u.stat.fs_gen = reply->fs_gen;
    if (fpd_info_stat(&reply->entry, &op->req->u.stat.st, &why))
        fpd_op_broken(op, why);
    else
        fpd_op_finish(op, FP_OK);
}

static void take_digest(struct fpd_op_state *op, const fp_DigestReply *reply)
{
    if (reply->sha256.size != 32) {
        fpd_op_broken(op, "a SHA-256 has 32 bytes");
        return;
    }
    memcpy(op->req->u.digest.sha256, reply->sha256.bytes, 32);
    op->req->u.digest.size = reply->size;
    op->req->u.digest.fs_gen = reply->fs_gen;
    fpd_op_finish(op, FP_OK);
}

/* Whoever mounts a volume writes to it next: that request must not be judged
 * by what was known of the volume before. */
static bool moves_volumes(enum fpd_op op)
{
    return op == FPD_OP_MOUNT || op == FPD_OP_UNMOUNT || op == FPD_OP_FORMAT ||
           op == FPD_OP_RESTORE_BEGIN || op == FPD_OP_RESTORE_END;
}

static void take_done(struct fpd_session *s, struct fpd_op_state *op,
                      const fp_Done *done)
{
    struct fpd_request *req = op->req;

    switch (req->op) {
    case FPD_OP_MKDIR:
    case FPD_OP_REMOVE:
    case FPD_OP_TRUNCATE:
        req->u.change.fs_gen = done->fs_gen;
        break;
    case FPD_OP_RENAME:
        req->u.rename.fs_gen = done->fs_gen;
        break;
    case FPD_OP_ATTR_SET:
        req->u.attr.fs_gen = done->fs_gen;
        break;
    case FPD_OP_RESTORE_BEGIN:
        memcpy(req->u.chunk.nonce, simple(op)->nonce, 8);
        break;
    case FPD_OP_STAT:
    case FPD_OP_DIGEST:
    case FPD_OP_ATTR_GET:
    case FPD_OP_CHECK:
        fpd_op_broken(op, "Done is no answer to what asks for more");
        return;
    default:
        break;
    }
    if (req->op != FPD_OP_PING)
        s->volumes_dirty = true;
    if (!moves_volumes(req->op)) {
        fpd_op_finish(op, FP_OK);
        return;
    }
    /* Its volumes may go on changing for ever. */
    op->step = SETTLE;
    op->blocked = true;
    op->stall_ms = FPD_STALL_MS;
}

static void take_event(struct fpd_op_state *op, const fp_Event *event)
{
    struct fpd_request *req = op->req;
    char text[129];

    if (req->op != FPD_OP_CHECK && req->op != FPD_OP_FORMAT)
        return;
    if (++simple(op)->events > EVENTS_MAX) {
        fpd_op_broken(op, "the device tells of findings without end");
        return;
    }
    if (event->kind == fp_EventKind_EVENT_PROGRESS && req->u.volume.progress)
        req->u.volume.progress(req, event->done, event->total);
    if (event->kind == fp_EventKind_EVENT_FINDING && req->u.volume.finding) {
        fpd_text_clean(event->text.bytes, event->text.size, text, sizeof text);
        req->u.volume.finding(req, event->level, event->block, text);
    }
}

static void take_check(struct fpd_session *s, struct fpd_op_state *op,
                       const fp_CheckReply *reply)
{
    op->req->u.volume.errors = reply->errors;
    op->req->u.volume.warnings = reply->warnings;
    op->req->u.volume.pending = reply->pending;
    s->volumes_dirty |= op->req->u.volume.repair;
    fpd_op_finish(op, FP_OK);
}

/* What a Stat tells about a change that may or may not have been made. */
static void recalled(struct fpd_op_state *op, bool there, const fp_Entry *entry)
{
    const struct fpd_request *req = op->req;
    bool made = false;

    switch (req->op) {
    case FPD_OP_MKDIR:
        made = there && entry->type == fp_FileType_FILE_TYPE_DIR;
        break;
    case FPD_OP_REMOVE:
        made = !there;
        break;
    case FPD_OP_TRUNCATE:
        made = there && entry->size == req->u.change.size;
        break;
    default:
        break;
    }
    if (made)
        fpd_op_finish(op, FP_OK);
    else
        op->step = ASK; /* it was not: once more */
}

static void recalled_rename(struct fpd_op_state *op, bool there)
{
    if (op->step == RECALL_WAIT && there) {
        op->step = ASK;
    } else if (op->step == RECALL_WAIT) {
        op->step = RECALL_TO;
    } else if (there) {
        fpd_op_finish(op, FP_OK);
    } else {
        fpd_op_fail(op, FP_ERR_OUTCOME,
                    "neither the old nor the new name is there");
    }
}

static void take_recall(struct fpd_op_state *op, bool there,
                        const fp_Entry *entry)
{
    if (op->req->op == FPD_OP_RENAME)
        recalled_rename(op, there);
    else
        recalled(op, there, entry);
}

static void take_attr(struct fpd_op_state *op, const fp_AttrGetReply *reply)
{
    op->req->u.attr.size = reply->value.size;
    memcpy(op->req->u.attr.value, reply->value.bytes, reply->value.size);
    fpd_op_finish(op, FP_OK);
}

static void simple_reply(struct fpd_session *s, struct fpd_op_state *op,
                         struct fpd_call *call, const fp_Envelope *env)
{
    enum fpd_op what = op->req->op;

    if (env->which_body == fp_Envelope_event_tag) {
        take_event(op, &env->body.event);
    } else if (call->tag == fp_Envelope_nonce_tag &&
               env->which_body == fp_Envelope_nonce_reply_tag &&
               env->body.nonce_reply.nonce.size == 8) {
        memcpy(simple(op)->nonce, env->body.nonce_reply.nonce.bytes, 8);
        op->step = ASK;
    } else if (env->which_body == fp_Envelope_stat_reply_tag &&
               call->tag == fp_Envelope_stat_tag) {
        if (what == FPD_OP_STAT)
            take_stat(op, &env->body.stat_reply);
        else
            take_recall(op, true, &env->body.stat_reply.entry);
    } else if (env->which_body == fp_Envelope_digest_reply_tag &&
               what == FPD_OP_DIGEST) {
        take_digest(op, &env->body.digest_reply);
    } else if (env->which_body == fp_Envelope_attr_get_reply_tag &&
               what == FPD_OP_ATTR_GET) {
        take_attr(op, &env->body.attr_get_reply);
    } else if (env->which_body == fp_Envelope_check_reply_tag &&
               what == FPD_OP_CHECK) {
        take_check(s, op, &env->body.check_reply);
    } else if (env->which_body == fp_Envelope_done_tag &&
               call->tag == tag_of(what)) {
        take_done(s, op, &env->body.done);
    } else {
        fpd_op_broken(op, "the device answered something else than was asked");
    }
}

static void simple_failed(struct fpd_session *s, struct fpd_op_state *op,
                          struct fpd_call *call, const fp_Failure *failure)
{
    s->volumes_dirty |= moves_volumes(op->req->op); /* why it is not there */
    if (call->tag == fp_Envelope_stat_tag && op->req->op != FPD_OP_STAT &&
        fpd_info_error(failure->error) == FP_ERR_NOENT)
        take_recall(op, false, NULL);
    else
        fpd_op_fail_with(op, failure);
}

/* The device was reset after the request went out: what now? */
static void after_reset(struct fpd_op_state *op)
{
    switch (op->req->op) {
    case FPD_OP_MKDIR:
    case FPD_OP_REMOVE:
    case FPD_OP_TRUNCATE:
    case FPD_OP_RENAME:
        op->step = RECALL;
        break;
    case FPD_OP_REBOOT:
        fpd_op_finish(op, FP_OK);
        break;
    case FPD_OP_FORMAT:
        fpd_op_fail(op, FP_ERR_OUTCOME,
                    "the device was reset while it formatted");
        break;
    default: /* what may be done twice */
        op->step = ASK;
        break;
    }
}

static void simple_restart(struct fpd_op_state *op, bool same_epoch)
{
    if (op->step == SETTLE) {
        fpd_op_finish(op, FP_OK);
        return;
    }
    switch (op->req->op) {
    case FPD_OP_FREEZE:
    case FPD_OP_THAW:
    case FPD_OP_RESTORE_BEGIN:
    case FPD_OP_RESTORE_END:
        /* A lost link ends a freeze and exclusive use. */
        fpd_op_fail(op, FP_ERR_STALE, "the link was lost meanwhile");
        return;
    default:
        break;
    }
    if (op->step >= RECALL)
        op->step = RECALL;
    else if (op->step == WAIT && !same_epoch)
        after_reset(op);
    else /* a nonce is of one session */
        op->step = wants_nonce(op->req) ? NONCE : ASK;
}

const struct fpd_op_ops fpd_op_simple = {
    .state_size = sizeof(struct simple),
    .stall_ms = FPD_STALL_MS,
    .init = simple_init,
    .step = simple_step,
    .reply = simple_reply,
    .failed = simple_failed,
    .restart = simple_restart,
};

const struct fpd_op_ops fpd_op_slow = {
    .state_size = sizeof(struct simple),
    .stall_ms = FPD_STALL_LONG_MS,
    .init = simple_init,
    .step = simple_step,
    .reply = simple_reply,
    .failed = simple_failed,
    .restart = simple_restart,
};
