/* SPDX-License-Identifier: MIT
 *
 * List: a directory, as many messages as it takes. The directory stays open
 * between them, so its order holds while it is told.
 */
#include "device-agent/private.h"

#include <string.h>

/* What an entry may take in a message besides its name. */
#define ENTRY_OVERHEAD 40
#define REPLY_OVERHEAD 32

int fp_agent_list_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    struct fp_agent_list *list = &task->u.list;
    char *path = (char *)&agent->message.body.list.path; /* it is in's */
    const fp_ListRequest *request = &in->body.list;
    int err;

    err = fp_agent_path(agent, task, path, path);
    if (!err)
        err = fp_vfs_opendir(agent->cfg->vfs, &list->dir, path);
    if (err)
        return err;
    list->is_open = true;
    list->skip = request->cursor;
    list->limit = request->limit;
    return FP_OK;
}

void fp_agent_list_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    (void)agent;
    if (task->u.list.is_open)
        (void)fp_vfs_closedir(&task->u.list.dir);
    task->u.list.is_open = false;
}

/* 1: list->entry is the next one to tell; 0: the end. */
static int next_entry(struct fp_agent_list *list)
{
    int got = 1;

    if (list->has_entry)
        return 1;
    got = fp_vfs_readdir(&list->dir, &list->entry);
    list->has_entry = got == 1;
    return got;
}

static void take_entry(struct fp_agent_list *list)
{
    list->has_entry = false;
    list->at++;
}

/* Passes over what the cursor says, some at a time. */
static int skip(struct fp_agent_list *list)
{
    for (unsigned i = 0; i < 16 && list->at < list->skip; i++) {
        int got = next_entry(list);

        if (got < 0)
            return got;
        if (got == 0)
            list->skip = list->at;
        else
            take_entry(list);
    }
    return FP_AGENT_MORE;
}

/* Tells what a frame has room for. 1: there is more; 0: that was the last. */
static int tell_entries(struct fp_agent_list *list, size_t room,
                        fp_ListReply *reply)
{
    const pb_size_t max = sizeof reply->entries / sizeof reply->entries[0];
    size_t used = REPLY_OVERHEAD;

    for (;;) {
        const struct fp_dirent *from = &list->entry;
        fp_Entry *to = &reply->entries[reply->entries_count];
        int got = next_entry(list);

        if (got <= 0)
            return got;
        if (list->limit != 0 && list->at - list->skip >= list->limit) {
            reply->next = list->at;
            return 0;
        }
        used += from->name_len + (size_t)ENTRY_OVERHEAD;
        if (reply->entries_count == max ||
            (used > room && reply->entries_count > 0))
            return 1;
        to->name.size = from->name_len;
        memcpy(to->name.bytes, from->name, from->name_len);
        fp_agent_tell_stat(&from->st, to);
        reply->entries_count++;
        take_entry(list);
    }
}

int fp_agent_list_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_list *list = &task->u.list;
    fp_ListReply *reply;
    int got;

    if (list->at < list->skip)
        return skip(list);
    reply = &fp_agent_out(agent, task->id, fp_Envelope_list_reply_tag)
                 ->body.list_reply;
    got = tell_entries(list, fp_link_frame_max(&agent->link), reply);
    if (got < 0)
        return got;
    reply->last = got == 0;
    reply->fs_gen = fp_agent_gen(task->storage);
    return fp_agent_send_part(agent, reply->last);
}
