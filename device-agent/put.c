/* SPDX-License-Identifier: MIT
 *
 * Uploads: PutOpen, the bytes, PutAbort; PutCommit is in commit.c.
 *
 *     PutOpen     room is reserved; the reply says where to go on from
 *     BULK        written to a staged file, which nobody else sees
 *     PutCommit   fsync, read back from flash, compare the SHA-256, look at the
 *                 preconditions, then let the file take its name: one step of
 *                 the filesystem
 *
 * A PutOpen that has a PutCommit within it is the whole of a small upload: the
 * bytes follow at once, the commit comes by itself with the last of them, and
 * one answer tells of both.
 *
 * An upload outlives the link: its file stays open, so that the host, back
 * again, names the same upload_id and goes on where it was. It is given up when
 * nobody did so for upload_keep_ms, or earlier when another upload needs the
 * place and no stream of this session leads to it.
 *
 * An error while bytes come in has no request to be told to. It is kept and
 * told at the commit; what still comes on the stream is dropped.
 */
#include "device-agent/private.h"

#include <string.h>

#define KEEP_MS     60000
#define DETACHED_MS 5000 /* after that another upload may have the place */

/* ---- slots ---- */

/* Closing a staged file makes it as if it had never been. An append would be
 * written by closing it, so what came is cut off first. True: the file is not
 * what it was; of one that was empty nobody knows whether it was there. */
static bool close_file(struct fp_agent_upload *upload)
{
    bool is_append = fp_agent_mode(upload) == fp_PutMode_PUT_APPEND;
    bool is_cut =
        !is_append || fp_fs_truncate(&upload->file, upload->base) == 0;
    bool is_closed = fp_fs_close(&upload->file) == FP_OK;

    if (is_append)
        return !is_cut || !is_closed || upload->base == 0;
    return fp_agent_mode(upload) == fp_PutMode_PUT_IN_PLACE;
}

void fp_agent_upload_free(const struct fp_agent *agent,
                          struct fp_agent_upload *upload)
{
    bool changed = upload->file.mnt != NULL && close_file(upload);

    upload->file.mnt = NULL;
    upload->stream = 0;
    upload->committing = false;
    if (changed)
        fp_agent_tell_changed(agent, upload->path);
}

struct fp_agent_upload *fp_agent_upload_find(struct fp_agent *agent,
                                             const pb_byte_t *id, size_t size)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            !fp_agent_is_whole(&agent->uploads[i]) &&
            size == sizeof agent->uploads[i].id &&
            memcmp(agent->uploads[i].id, id, size) == 0)
            return &agent->uploads[i];
    return NULL;
}

static uint32_t idle_ms(const struct fp_agent *agent,
                        const struct fp_agent_upload *upload)
{
    return agent->now_ms - upload->used_ms;
}

void fp_agent_uploads_expire(struct fp_agent *agent)
{
    uint32_t keep_ms = agent->cfg->upload_keep_ms;

    if (keep_ms == 0)
        keep_ms = KEEP_MS;
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++) {
        struct fp_agent_upload *upload = &agent->uploads[i];

        if (upload->file.mnt != NULL && !upload->committing &&
            idle_ms(agent, upload) >= keep_ms)
            fp_agent_upload_free(agent, upload);
    }
}

/* A free slot, or the one that has been left alone for longest. */
static struct fp_agent_upload *claim_slot(struct fp_agent *agent)
{
    struct fp_agent_upload *best = NULL;

    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++) {
        struct fp_agent_upload *upload = &agent->uploads[i];

        if (upload->file.mnt == NULL)
            return upload;
        if (upload->stream != 0 || upload->committing ||
            idle_ms(agent, upload) < DETACHED_MS)
            continue;
        if (best == NULL || idle_ms(agent, upload) > idle_ms(agent, best))
            best = upload;
    }
    if (best != NULL)
        fp_agent_upload_free(agent, best);
    return best;
}

/* ---- PutOpen ---- */

int fp_agent_no_space(struct fp_agent_task *task, struct fp_mount *mnt,
                      fp_addr needed, const char *detail)
{
    struct fp_statfs st;

    task->needed = needed;
    if (fp_fs_statfs(mnt, &st) == FP_OK)
        task->free = (fp_addr)st.free;
    return fp_agent_because(task, FP_ERR_NOSPC, detail);
}

static uint32_t open_flags(uint32_t mode)
{
    switch (mode) {
    case fp_PutMode_PUT_APPEND:
        return FP_O_READ | FP_O_WRITE | FP_O_CREATE;
    case fp_PutMode_PUT_IN_PLACE:
        return FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;
    default:
        return FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE;
    }
}

/* Does an old file stay, and take room, until the new one is whole? A staged
 * file has no name yet. */
static bool replaces(struct fp_agent *agent,
                     const struct fp_agent_upload *upload)
{
    struct fp_stat st;

    return fp_agent_mode(upload) == fp_PutMode_PUT_STAGED &&
           fp_vfs_stat(agent->cfg->vfs, upload->path, &st) == FP_OK;
}

/* In place, the old content must be gone before there is room. Whether that
 * will be enough is asked of a staged file, while it is still there. */
static int fits_in_place(struct fp_agent *agent, struct fp_agent_task *task,
                         struct fp_agent_upload *upload)
{
    struct fp_file *file = &upload->file;
    fp_addr size = upload->size;
    struct fp_stat st;
    int err = fp_vfs_open(agent->cfg->vfs, file, upload->path,
                          open_flags(fp_PutMode_PUT_STAGED));

    if (err)
        return err == FP_ERR_NOTSUP ? FP_OK : err;
    err = fp_fs_reserve(file, size);
    if (err == FP_ERR_NOSPC &&
        fp_vfs_stat(agent->cfg->vfs, upload->path, &st) == FP_OK)
        err = fp_fs_reserve(file, size > st.size ? size - st.size : 0);
    if (err == FP_ERR_NOTSUP)
        err = FP_OK;
    if (err == FP_ERR_NOSPC)
        (void)fp_agent_no_space(task, file->mnt, size,
                                FP_AGENT_SAY("no room, even in place of an "
                                             "old file"));
    (void)fp_fs_close(file);
    file->mnt = NULL;
    return err;
}

/* Opens the file and makes sure of the room, before the first byte. */
static int open_file(struct fp_agent *agent, struct fp_agent_task *task,
                     struct fp_agent_upload *upload)
{
    bool in_place = fp_agent_mode(upload) == fp_PutMode_PUT_IN_PLACE;
    struct fp_stat st;
    int err = in_place ? fits_in_place(agent, task, upload) : FP_OK;
    int64_t base = 0;

    if (!err)
        err = fp_vfs_open(agent->cfg->vfs, &upload->file, upload->path,
                          open_flags(fp_agent_mode(upload)));
    if (err == FP_ERR_NOTSUP)
        return fp_agent_unable(agent, task, upload->path, NULL);
    if (err)
        return err;
    upload->replaces = replaces(agent, upload);
    if (fp_agent_mode(upload) == fp_PutMode_PUT_APPEND)
        base = fp_fs_seek(&upload->file, 0, FP_SEEK_END);
    if (base < 0)
        return (int)base;
    upload->base = (fp_addr)base;
    if (in_place)
        err = fp_fs_fsync(&upload->file);
    if (!err)
        err =
            fp_fs_reserve(&upload->file, (uint64_t)upload->base + upload->size);
    if (err == FP_ERR_NOTSUP)
        err = FP_OK; /* a driver that cannot tell in advance */
    if (FP_AGENT_TEXTS && err == FP_ERR_FBIG &&
        fp_agent_is_fixed(agent, upload->path) &&
        fp_vfs_stat(agent->cfg->vfs, upload->path, &st) == FP_OK)
        task->limit = (fp_addr)st.size;
    if (err == FP_ERR_NOSPC)
        return fp_agent_no_space(
            task, upload->file.mnt, upload->size,
            upload->replaces
                ? FP_AGENT_SAY("no room for the new file beside the old one")
            : in_place
                ? FP_AGENT_SAY("the old file made too little room: it is gone")
                : NULL);
    return err;
}

int fp_agent_put_open_start(struct fp_agent *agent, struct fp_agent_task *task,
                            const fp_Envelope *in)
{
    const fp_PutOpenRequest *request = &in->body.put_open;
    struct fp_agent_put *put = &task->u.put;
    struct fp_agent_upload *upload;
    int err = FP_OK;

    if (request->upload_id.size !=
        (FP_AGENT_WHOLE_PUT && request->has_commit ? 0 : sizeof put->id))
        return fp_agent_because(
            task, FP_ERR_INVAL,
            "an upload_id is 16 bytes, and none with a commit");
    if ((uint32_t)request->mode > fp_PutMode_PUT_IN_PLACE)
        return fp_agent_because(task, FP_ERR_INVAL, "no such way to write");
    if (!FP_AGENT_PUT_MODES && request->mode != fp_PutMode_PUT_STAGED)
        return FP_ERR_NOTSUP;
    put->size = (fp_addr)request->size;
    if (request->size > INT64_MAX || put->size != request->size)
        return FP_ERR_FBIG;
    put->mode = (uint8_t)request->mode;
    put->is_whole = FP_AGENT_WHOLE_PUT && request->has_commit;
    if (fp_agent_is_whole(put))
        err = fp_agent_commit_terms(task, put->mode, &request->commit,
                                    &put->terms);
    if (err)
        return err;
    upload = fp_agent_upload_find(agent, request->upload_id.bytes,
                                  request->upload_id.size);
    if (upload != NULL && upload->committing)
        return fp_agent_because(task, FP_ERR_BUSY, "it is being committed");
    if (upload != NULL)
        upload->stream = 0; /* perhaps the same number again */
    err = fp_agent_stream(agent, task, request->stream);
    if (!err)
        err = fp_agent_path_new(agent, task, put->path, &request->path);
    memcpy(put->id, request->upload_id.bytes, request->upload_id.size);
    put->has_mtime = request->has_mtime;
    put->mtime_ns = request->mtime_ns;
    return err;
}

/* The same upload once more, after a lost link: the same file and size? */
static int put_resume(struct fp_agent_task *task,
                      const struct fp_agent_upload *upload)
{
    const struct fp_agent_put *put = &task->u.put;

    if (strcmp(upload->path, put->path) != 0 || upload->size != put->size ||
        upload->mode != put->mode)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "that upload_id is of another file or size");
    return FP_OK;
}

static int put_begin(struct fp_agent *agent, struct fp_agent_task *task,
                     struct fp_agent_upload *upload)
{
    const struct fp_agent_put *put = &task->u.put;
    uint32_t gen = fp_agent_gen(task->storage);
    int err;

    memset(upload, 0, sizeof *upload);
    memcpy(upload->path, put->path, sizeof upload->path);
    memcpy(upload->id, put->id, sizeof upload->id);
    upload->size = put->size;
    upload->mode = put->mode;
    upload->is_whole = put->is_whole;
    upload->has_mtime = put->has_mtime;
    upload->mtime_ns = put->mtime_ns;
    upload->volume = task->volume;
    err = open_file(agent, task, upload);
    if (err)
        fp_agent_upload_free(agent, upload);
    upload->gen_own = fp_agent_gen(task->storage) - gen;
    return err;
}

/* Is a place held by one that ends without any frame behind this one? Once the
 * bytes of this one are in front, none comes that could still be wanted. */
static bool place_comes_free(const struct fp_agent *agent,
                             const struct fp_agent_task *task)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].committing ||
            (fp_agent_is_whole(&agent->uploads[i]) &&
             (!task->u.put.bytes_wait ||
              agent->uploads[i].off == agent->uploads[i].size)))
            return true;
    return false;
}

/* A slot with the file open, or FP_AGENT_WAIT, or an error. */
static int claim(struct fp_agent *agent, struct fp_agent_task *task,
                 struct fp_agent_upload **out)
{
    struct fp_agent_upload *upload =
        fp_agent_upload_find(agent, task->u.put.id, sizeof task->u.put.id);

    *out = upload;
    if (upload != NULL && !fp_agent_is_whole(&task->u.put))
        return put_resume(task, upload);
    *out = upload = claim_slot(agent);
    if (upload == NULL && fp_agent_is_whole(&task->u.put) &&
        place_comes_free(agent, task))
        return FP_AGENT_WAIT;
    if (upload == NULL) {
        task->limit = FP_AGENT_UPLOADS;
        return fp_agent_because(task, FP_ERR_NFILE, "too many uploads at once");
    }
    return put_begin(agent, task, upload);
}

/* The bytes follow at once, and the commit is made when all are there. */
static int await_bytes(struct fp_agent_task *task,
                       struct fp_agent_upload *upload)
{
    const struct fp_agent_terms terms = task->u.put.terms;

    memset(&task->u.commit, 0, sizeof task->u.commit);
    task->u.commit.upload = upload;
    task->u.commit.terms = terms;
    task->u.commit.replaced = upload->replaces;
    task->job = &fp_agent_job_put_bytes;
    return FP_AGENT_MORE;
}

int fp_agent_put_open_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_upload *upload;
    fp_Envelope *out;
    int err;

    if (fp_agent_is_whole(&task->u.put) && fp_agent_put_is_there(agent, task))
        return fp_agent_send_committed(agent, task, true, true);
    err = claim(agent, task, &upload);
    if (err)
        return err;
    upload->stream = task->stream;
    upload->used_ms = agent->now_ms;
    if (fp_agent_is_whole(upload))
        return await_bytes(task, upload);
    out = fp_agent_out(agent, task->id, fp_Envelope_put_open_reply_tag);
    out->body.put_open_reply.off = upload->off;
    return fp_agent_send(agent);
}

/* ---- the bytes ---- */

int fp_agent_put_write(struct fp_agent *agent, struct fp_agent_upload *upload,
                       const uint8_t *buf, uint32_t size)
{
    const struct fp_agent_storage *storage =
        upload->volume != NULL ? upload->volume->on : NULL;
    uint32_t gen = fp_agent_gen(storage);
    int32_t n;

    upload->used_ms = agent->now_ms;
    if (upload->err || upload->committing)
        return FP_AGENT_MORE; /* swallowed: the commit tells why */
    if (size > upload->size - upload->off) {
        upload->err = FP_ERR_PROTO;
        return FP_AGENT_MORE;
    }
    if (!fp_agent_may_write(agent, storage))
        return FP_AGENT_WAIT;
    n = fp_fs_write(&upload->file, buf, size);
    upload->gen_own += fp_agent_gen(storage) - gen;
    if (n < 0)
        upload->err = (int)n;
    else if ((uint32_t)n != size)
        upload->err = FP_ERR_IO;
    else
        upload->off += size;
    return FP_AGENT_MORE;
}

/* ---- PutAbort ---- */

/* A PutOpen that is to be aborted may not have had its turn yet. */
static const struct fp_agent_task *find_opening(const struct fp_agent *agent,
                                                const uint8_t id[16])
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 &&
            fp_agent_is_job(&agent->tasks[i], fp_Envelope_put_open_tag) &&
            !fp_agent_is_whole(&agent->tasks[i].u.put) &&
            memcmp(agent->tasks[i].u.put.id, id, 16) == 0)
            return &agent->tasks[i];
    return NULL;
}

int fp_agent_put_abort_start(struct fp_agent *agent, struct fp_agent_task *task,
                             const fp_Envelope *in)
{
    const fp_PutAbortRequest *request = &in->body.put_abort;
    const struct fp_agent_upload *upload;
    const struct fp_agent_task *opening;

    if (request->upload_id.size != sizeof task->u.put.id)
        return fp_agent_because(task, FP_ERR_INVAL, "an upload_id is 16 bytes");
    memcpy(task->u.put.id, request->upload_id.bytes, sizeof task->u.put.id);
    upload = fp_agent_upload_find(agent, task->u.put.id, sizeof task->u.put.id);
    opening = find_opening(agent, task->u.put.id);
    if (upload != NULL && upload->committing)
        return fp_agent_because(task, FP_ERR_BUSY, "it is being committed");
    if (upload != NULL && upload->volume != NULL)
        task->storage = upload->volume->on;
    else if (opening != NULL)
        task->storage = opening->storage;
    return FP_OK;
}

int fp_agent_put_abort_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_upload *upload;

    if (find_opening(agent, task->u.put.id) != NULL)
        return FP_AGENT_WAIT;
    upload = fp_agent_upload_find(agent, task->u.put.id, sizeof task->u.put.id);
    if (upload != NULL && !upload->committing)
        fp_agent_upload_free(agent, upload);
    return fp_agent_done(agent, task);
}
