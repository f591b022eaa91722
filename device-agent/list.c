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

static int list_start(struct fp_agent *agent, struct fp_agent_task *task,
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

static void list_end(struct fp_agent *agent, struct fp_agent_task *task)
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

/* Passes over what the cursor says, some at a time. */
static int skip(struct fp_agent_list *list)
{
    for (unsigned i = 0; i < 16 && list->at < list->skip; i++) {
        int got = next_entry(list);

        if (got < 0)
            return got;
        if (got == 0) {
            list->skip = list->at;
            break;
        }
        list->has_entry = false;
        list->at++;
    }
    return FP_AGENT_MORE;
}

static void tell_entry(const struct fp_dirent *from, fp_Entry *to)
{
    to->name.size = (pb_size_t)(from->name_len <= sizeof to->name.bytes
                                    ? from->name_len
                                    : sizeof to->name.bytes);
    memcpy(to->name.bytes, from->name, to->name.size);
    to->type = (fp_FileType)from->st.type;
    to->size = from->st.size;
    to->has_mtime = from->st.has_mtime;
    to->mtime_ns = from->st.mtime_ns;
}

static int list_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_list *list = &task->u.list;
    size_t room = fp_link_frame_max(&agent->link), used = REPLY_OVERHEAD;
    fp_Envelope *out;
    fp_ListReply *reply;
    bool full = false;
    int got = 1;

    if (list->at < list->skip)
        return skip(list);
    out = fp_agent_out(agent, task->id, fp_Envelope_list_reply_tag);
    reply = &out->body.list_reply;
    while (!full && reply->entries_count <
                        sizeof reply->entries / sizeof reply->entries[0]) {
        got = next_entry(list);
        if (got <= 0)
            break;
        used += list->entry.name_len + (size_t)ENTRY_OVERHEAD;
        full = list->limit != 0 && list->at - list->skip >= list->limit;
        if (full || (used > room && reply->entries_count > 0))
            break;
        tell_entry(&list->entry, &reply->entries[reply->entries_count++]);
        list->has_entry = false;
        list->at++;
    }
    if (got < 0)
        return got;
    reply->last = got == 0 || full;
    reply->next = full ? list->at : 0;
    reply->fs_gen = fp_agent_gen(task->storage);
    return fp_agent_send_part(agent, reply->last);
}

const struct fp_agent_job fp_agent_job_list = {
    .start = list_start,
    .step = list_step,
    .end = list_end,
};
