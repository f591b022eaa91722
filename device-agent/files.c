/* SPDX-License-Identifier: MIT
 *
 * Requests about one or two names: Stat, Mkdir, Remove, Rename, Truncate,
 * attributes. Each is one call of the filesystem, but for a Remove that wants
 * the old content's digest first.
 */
#include "device-agent/private.h"

#include <string.h>

/* ---- Stat ---- */

int fp_agent_stat_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    return fp_agent_path(agent, task, task->u.names.from, &in->body.stat.path);
}

void fp_agent_tell_stat(const struct fp_stat *st, fp_Entry *entry)
{
    entry->type = (fp_FileType)st->type;
    entry->size = st->size;
    entry->has_mtime = st->has_mtime;
    entry->mtime_ns = st->mtime_ns;
}

int fp_agent_stat_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_stat st;
    fp_StatReply *reply;
    int err = fp_vfs_stat(agent->cfg->vfs, task->u.names.from, &st);

    if (err)
        return err;
    reply = &fp_agent_out(agent, task->id, fp_Envelope_stat_reply_tag)
                 ->body.stat_reply;
    reply->has_entry = true;
    fp_agent_tell_stat(&st, &reply->entry);
    reply->fs_gen = fp_agent_gen(task->storage);
    return fp_agent_send(agent);
}

/* ---- Mkdir ---- */

int fp_agent_mkdir_start(struct fp_agent *agent, struct fp_agent_task *task,
                         const fp_Envelope *in)
{
    return fp_agent_path_new(agent, task, task->u.names.from,
                             &in->body.mkdir.path);
}

int fp_agent_mkdir_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    int err = fp_vfs_mkdir(agent->cfg->vfs, task->u.names.from);

    if (err == FP_ERR_NOTSUP)
        return fp_agent_because(
            task, err, "this filesystem has no directories of its own");
    return err ? err : fp_agent_done_at(agent, task, task->u.names.from);
}

/* ---- Remove ---- */

int fp_agent_remove_start(struct fp_agent *agent, struct fp_agent_task *task,
                          const fp_Envelope *in)
{
    const fp_RemoveRequest *request = &in->body.remove;
    struct fp_agent_remove *remove = &task->u.remove;
    int err = fp_agent_path_change(agent, task, remove->path, &request->path);

    if (err || request->if_sha256.size == 0)
        return err;
    if (request->if_sha256.size != FP_SHA256_SIZE)
        return fp_agent_because(task, FP_ERR_INVAL, "a SHA-256 is 32 bytes");
    memcpy(remove->want, request->if_sha256.bytes, FP_SHA256_SIZE);
    err = fp_vfs_open(agent->cfg->vfs, &remove->file, remove->path, FP_O_READ);
    if (err)
        return err;
    fp_sha256_init(&remove->sha);
    remove->hashing = true;
    return FP_OK;
}

void fp_agent_remove_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    (void)agent;
    if (task->u.remove.file.mnt != NULL)
        (void)fp_fs_close(&task->u.remove.file);
}

static int remove_hash(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_remove *remove = &task->u.remove;
    uint8_t digest[FP_SHA256_SIZE];
    int32_t n = fp_fs_read(&remove->file, agent->scratch, agent->scratch_size);

    if (n < 0)
        return (int)n;
    fp_agent_hash(agent, &remove->sha, agent->scratch, (uint32_t)n);
    if (n > 0)
        return FP_AGENT_MORE;
    fp_sha256_final(&remove->sha, digest);
    (void)fp_fs_close(&remove->file);
    remove->hashing = false;
    if (memcmp(digest, remove->want, sizeof digest) != 0)
        return fp_agent_because(task, FP_ERR_PRECOND,
                                "the file has other content");
    return FP_AGENT_MORE;
}

int fp_agent_remove_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    int err;

    if (task->u.remove.hashing)
        return remove_hash(agent, task);
    err = fp_vfs_remove(agent->cfg->vfs, task->u.remove.path);
    if (err == FP_ERR_NOTSUP)
        return fp_agent_unable(agent, task, task->u.remove.path, NULL);
    return err ? err : fp_agent_done_at(agent, task, task->u.remove.path);
}

/* ---- Rename ---- */

int fp_agent_rename_start(struct fp_agent *agent, struct fp_agent_task *task,
                          const fp_Envelope *in)
{
    const fp_RenameRequest *rename = &in->body.rename;
    struct fp_agent_names *names = &task->u.names;
    int err = fp_agent_path_new(agent, task, names->to, &rename->to);

    if (!err)
        err = fp_agent_may_change(agent, task, names->to, true);
    if (!err)
        err = fp_agent_path_change(agent, task, names->from, &rename->from);
    names->no_replace = rename->no_replace;
    return err;
}

int fp_agent_rename_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_names *names = &task->u.names;
    int err = fp_vfs_rename(agent->cfg->vfs, names->from, names->to,
                            names->no_replace ? FP_RENAME_NOREPLACE : 0);

    if (err == FP_ERR_NOTSUP)
        return fp_agent_unable(agent, task, names->from,
                               "not across volumes: copy, then delete");
    if (err)
        return err;
    fp_agent_tell_changed(agent, names->from);
    return fp_agent_done_at(agent, task, names->to);
}

/* ---- Truncate ---- */

int fp_agent_truncate_start(struct fp_agent *agent, struct fp_agent_task *task,
                            const fp_Envelope *in)
{
    struct fp_agent_names *names = &task->u.names;

    names->size = in->body.truncate.size;
    return fp_agent_path_change(agent, task, names->from,
                                &in->body.truncate.path);
}

int fp_agent_truncate_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_file file = { 0 };
    int err = fp_vfs_open(agent->cfg->vfs, &file, task->u.names.from,
                          FP_O_READ | FP_O_WRITE);
    int close_err;

    if (err)
        return err;
    err = fp_fs_truncate(&file, task->u.names.size);
    close_err = fp_fs_close(&file);
    if (!err)
        err = close_err;
    return err ? err : fp_agent_done_at(agent, task, task->u.names.from);
}

/* ---- attributes ---- */

#if FP_AGENT_ATTRS

static int attr_path(struct fp_agent *agent, struct fp_agent_task *task,
                     struct fp_vfs_mount **vm, const char **rest)
{
    int err = fp_vfs_resolve(agent->cfg->vfs, task->u.attr.path, vm, rest);

    return err == FP_ERR_ISDIR ? FP_ERR_NOTSUP : err;
}

static int attr_of(struct fp_agent *agent, struct fp_agent_task *task,
                   const void *path, uint32_t type)
{
    if (type > 255)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "the type of an attribute is 0 to 255");
    task->u.attr.type = (uint8_t)type;
    return fp_agent_path(agent, task, task->u.attr.path, path);
}

int fp_agent_attr_get_start(struct fp_agent *agent, struct fp_agent_task *task,
                            const fp_Envelope *in)
{
    return attr_of(agent, task, &in->body.attr_get.path,
                   in->body.attr_get.type);
}

int fp_agent_attr_get_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_attr *attr = &task->u.attr;
    struct fp_vfs_mount *vm;
    const char *rest;
    fp_Envelope *out;
    int32_t n = attr_path(agent, task, &vm, &rest);

    if (n == 0)
        n = fp_fs_getattr(&vm->mnt, rest, attr->type, attr->value,
                          sizeof attr->value);
    if (n < 0)
        return (int)n;
    if ((size_t)n > sizeof attr->value) {
        task->limit = sizeof attr->value;
        return fp_agent_because(task, FP_ERR_FBIG,
                                "the attribute is larger than a message");
    }
    out = fp_agent_out(agent, task->id, fp_Envelope_attr_get_reply_tag);
    out->body.attr_get_reply.value.size = (pb_size_t)n;
    memcpy(out->body.attr_get_reply.value.bytes, attr->value, (size_t)n);
    return fp_agent_send(agent);
}

int fp_agent_attr_set_start(struct fp_agent *agent, struct fp_agent_task *task,
                            const fp_Envelope *in)
{
    const fp_AttrSetRequest *request = &in->body.attr_set;
    struct fp_agent_attr *attr = &task->u.attr;
    int err = attr_of(agent, task, &request->path, request->type);

    attr->remove = request->remove;
    attr->size = request->value.size;
    memcpy(attr->value, request->value.bytes, request->value.size);
    return err ? err : fp_agent_may_change(agent, task, attr->path, false);
}

int fp_agent_attr_set_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_attr *attr = &task->u.attr;
    struct fp_vfs_mount *vm;
    const char *rest;
    int err = attr_path(agent, task, &vm, &rest);

    if (!err)
        err = fp_fs_setattr(&vm->mnt, rest, attr->type,
                            attr->remove ? NULL : attr->value,
                            attr->remove ? 0 : attr->size);
    return err ? err : fp_agent_done_at(agent, task, attr->path);
}

#endif
