/* SPDX-License-Identifier: MIT
 *
 * LIST: a page of a directory, gathered into one array. The device may answer
 * in as many messages as it likes and for fewer entries than were asked, but
 * never for more: the array ends at `max`.
 */
#include "daemon/device/op.h"

#include "daemon/device/info.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX 1000
#define MAX_MAX     4096

struct list {
    struct fpd_op_state op;
    uint32_t max;
    uint32_t room; /* entries allocated */
    bool asked;
};

static struct list *list(struct fpd_op_state *op)
{
    return (struct list *)op;
}

static int list_init(struct fpd_op_state *op)
{
    uint32_t max = op->req->u.list.max;

    list(op)->max = max == 0 ? DEFAULT_MAX : max > MAX_MAX ? MAX_MAX : max;
    op->req->u.list.entries = NULL;
    op->req->u.list.count = 0;
    op->req->u.list.next = 0;
    return FP_OK;
}

static bool list_step(struct fpd_session *s, struct fpd_op_state *op,
                      uint32_t *bytes)
{
    fp_Envelope *env;

    (void)bytes;
    if (list(op)->asked)
        return false;
    env = fpd_session_begin(s, op, fp_Envelope_list_tag, false);
    if (!env)
        return false;
    FPD_SET_STRING(env->body.list.path, op->req->u.list.path);
    env->body.list.cursor = op->req->u.list.cursor;
    env->body.list.limit = list(op)->max;
    if (!fpd_session_send(s)) {
        fpd_op_fail(op, FP_ERR_NAMETOOLONG,
                    "the path does not fit the device's frames");
        return false;
    }
    list(op)->asked = true;
    return true;
}

static bool grow(struct fpd_op_state *op)
{
    struct list *l = list(op);
    uint32_t room = l->room ? l->room * 2 : 32;
    struct fpd_entry *entries;

    if (room > l->max)
        room = l->max;
    entries = realloc(op->req->u.list.entries, room * sizeof *entries);
    if (!entries)
        return false;
    op->req->u.list.entries = entries;
    l->room = room;
    return true;
}

static int take_entry(struct fpd_op_state *op, const fp_Entry *entry,
                      const char **why)
{
    uint32_t *count = &op->req->u.list.count;
    int err;

    *why = "the device lists more than it was asked for";
    if (*count == list(op)->max)
        return FP_ERR_PROTO;
    if (*count == list(op)->room && !grow(op)) {
        *why = "no memory for the list";
        return FP_ERR_NOMEM;
    }
    err = fpd_info_entry(entry, &op->req->u.list.entries[*count], why);
    if (!err)
        (*count)++;
    return err;
}

static void list_reply(struct fpd_session *s, struct fpd_op_state *op,
                       struct fpd_call *call, const fp_Envelope *env)
{
    const fp_ListReply *reply = &env->body.list_reply;
    const char *why = "";
    int err = FP_OK;

    (void)s;
    (void)call;
    if (env->which_body != fp_Envelope_list_reply_tag) {
        fpd_op_broken(op, "the device answered something else than a list");
        return;
    }
    if (reply->entries_count == 0 && !reply->last)
        err = FP_ERR_PROTO, why = "a part of a list is empty";
    for (pb_size_t i = 0; i < reply->entries_count && !err; i++)
        err = take_entry(op, &reply->entries[i], &why);
    if (err) {
        fpd_op_fail(op, err, why);
        return;
    }
    op->req->u.list.fs_gen = reply->fs_gen;
    op->req->u.list.next = reply->next;
    if (!reply->last)
        return;
    if (reply->next != 0 && reply->next <= op->req->u.list.cursor)
        fpd_op_broken(op, "a list's cursor does not move on");
    else
        fpd_op_finish(op, FP_OK);
}

static void list_restart(struct fpd_op_state *op, bool same_epoch)
{
    (void)same_epoch;
    list(op)->asked = false;
    op->req->u.list.count = 0;
}

const struct fpd_op_ops fpd_op_list = {
    .state_size = sizeof(struct list),
    .stall_ms = FPD_STALL_MS,
    .init = list_init,
    .step = list_step,
    .reply = list_reply,
    .restart = list_restart,
};
