/* SPDX-License-Identifier: MIT
 *
 * Uploads: PutOpen, the bytes, PutCommit or PutAbort.
 *
 *     PutOpen     room is reserved; the reply says where to go on from
 *     BULK        written to a staged file, which nobody else sees
 *     PutCommit   fsync, read back from flash, compare the SHA-256, look at the
 *                 preconditions, then let the file take its name: one step of
 *                 the filesystem
 *
 * An upload outlives the link: its file stays open, so that the host, back
 * again, names the same upload_id and goes on where it was. It is given up when
 * nobody did so for upload_keep_ms, or earlier when another upload needs the
 * place and no stream of this session leads to it.
 *
 * An error while bytes come in has no request to be told to. It is kept and
 * told at the commit; what still comes on the stream is dropped.
 *
 * Preconditions of an append are looked at before its bytes get a name; a write
 * in place has given up the old file at its opening, so there it has none.
 */
#include "device-agent/private.h"

#include <string.h>

#define KEEP_MS     60000
#define DETACHED_MS 5000 /* after that another upload may have the place */

/* ---- slots ---- */

/* Closing a staged file makes it as if it had never been. An append would be
 * written by closing it, so what came is cut off first. */
void fp_agent_upload_free(struct fp_agent_upload *upload)
{
    if (upload->file.mnt != NULL && upload->mode == fp_PutMode_PUT_APPEND)
        (void)fp_fs_truncate(&upload->file, upload->base);
    if (upload->file.mnt != NULL)
        (void)fp_fs_close(&upload->file);
    upload->file.mnt = NULL;
    upload->stream = 0;
    upload->committing = false;
}

static struct fp_agent_upload *find_upload(struct fp_agent *agent,
                                           const pb_byte_t *id, size_t size)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
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
            fp_agent_upload_free(upload);
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
        fp_agent_upload_free(best);
    return best;
}

/* ---- PutOpen ---- */

static int no_space(struct fp_agent_task *task, struct fp_mount *mnt,
                    uint64_t needed, const char *detail)
{
    struct fp_statfs st;

    task->needed = needed;
    if (fp_fs_statfs(mnt, &st) == FP_OK)
        task->free = st.free;
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

    return upload->mode == fp_PutMode_PUT_STAGED &&
           fp_vfs_stat(agent->cfg->vfs, upload->path, &st) == FP_OK;
}

/* Opens the file and makes sure of the room, before the first byte. */
static int open_file(struct fp_agent *agent, struct fp_agent_task *task,
                     struct fp_agent_upload *upload)
{
    int err = fp_vfs_open(agent->cfg->vfs, &upload->file, upload->path,
                          open_flags(upload->mode));
    int64_t base = 0;

    if (err)
        return err;
    if (upload->mode == fp_PutMode_PUT_APPEND)
        base = fp_fs_seek(&upload->file, 0, FP_SEEK_END);
    if (base < 0)
        return (int)base;
    upload->base = (uint64_t)base;
    /* In place, the old content must be gone before there is room. */
    if (upload->mode == fp_PutMode_PUT_IN_PLACE)
        err = fp_fs_fsync(&upload->file);
    if (!err)
        err = fp_fs_reserve(&upload->file, upload->base + upload->size);
    if (err == FP_ERR_NOTSUP)
        err = FP_OK; /* a driver that cannot tell in advance */
    if (err == FP_ERR_NOSPC)
        return no_space(task, upload->file.mnt, upload->size,
                        replaces(agent, upload)
                            ? "no room for the new file beside the old one"
                            : NULL);
    return err;
}

static int put_open_start(struct fp_agent *agent, struct fp_agent_task *task,
                          const fp_Envelope *in)
{
    const fp_PutOpenRequest *request = &in->body.put_open;
    struct fp_agent_upload *upload;
    int err;

    if (request->upload_id.size != sizeof upload->id)
        return fp_agent_because(task, FP_ERR_INVAL, "an upload_id is 16 bytes");
    if ((uint32_t)request->mode > fp_PutMode_PUT_IN_PLACE)
        return fp_agent_because(task, FP_ERR_INVAL, "no such way to write");
    if (request->size > INT64_MAX)
        return FP_ERR_FBIG;
    upload =
        find_upload(agent, request->upload_id.bytes, request->upload_id.size);
    if (upload != NULL && upload->committing)
        return fp_agent_because(task, FP_ERR_BUSY, "it is being committed");
    if (upload != NULL)
        upload->stream = 0; /* perhaps the same number again */
    err = fp_agent_stream(agent, task, request->stream);
    if (!err)
        err = FP_AGENT_PATH(task, task->u.names.from, request->path);
    if (!err)
        err = fp_agent_locate_new(agent, task, task->u.names.from);
    if (err)
        return err;
    /* What does not fit a name's place is kept behind it until the step. */
    task->u.names.size = request->size;
    memcpy(task->u.names.to, request->upload_id.bytes, sizeof upload->id);
    task->u.names.to[16] = (char)request->mode;
    task->u.names.to[17] = (char)request->has_mtime;
    memcpy(task->u.names.to + 18, &request->mtime_ns, sizeof request->mtime_ns);
    return FP_OK;
}

/* The same upload once more, after a lost link: the same file and size? */
static int put_resume(struct fp_agent_task *task,
                      const struct fp_agent_upload *upload)
{
    const struct fp_agent_names *names = &task->u.names;

    if (strcmp(upload->path, names->from) != 0 || upload->size != names->size ||
        upload->mode != (uint8_t)names->to[16])
        return fp_agent_because(task, FP_ERR_INVAL,
                                "that upload_id is of another file or size");
    return FP_OK;
}

static int put_begin(struct fp_agent *agent, struct fp_agent_task *task,
                     struct fp_agent_upload *upload)
{
    const struct fp_agent_names *names = &task->u.names;
    uint32_t gen = fp_agent_gen(task->storage);
    int err;

    memset(upload, 0, sizeof *upload);
    memcpy(upload->path, names->from, sizeof upload->path);
    memcpy(upload->id, names->to, sizeof upload->id);
    upload->size = names->size;
    upload->mode = (uint8_t)names->to[16];
    upload->has_mtime = names->to[17] != 0;
    memcpy(&upload->mtime_ns, names->to + 18, sizeof upload->mtime_ns);
    upload->volume = task->volume;
    err = open_file(agent, task, upload);
    if (err)
        fp_agent_upload_free(upload);
    upload->gen_own = fp_agent_gen(task->storage) - gen;
    return err;
}

static int put_open_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_upload *upload =
        find_upload(agent, (const pb_byte_t *)task->u.names.to, 16);
    fp_Envelope *out;
    int err;

    if (upload != NULL) {
        err = put_resume(task, upload);
    } else {
        upload = claim_slot(agent);
        if (upload == NULL) {
            task->limit = FP_AGENT_UPLOADS;
            return fp_agent_because(task, FP_ERR_NFILE,
                                    "too many uploads at once");
        }
        err = put_begin(agent, task, upload);
    }
    if (err)
        return err;
    upload->stream = task->stream;
    upload->used_ms = agent->now_ms;
    out = fp_agent_out(agent, task->id, fp_Envelope_put_open_reply_tag);
    out->body.put_open_reply.off = upload->off;
    return fp_agent_send(agent);
}

const struct fp_agent_job fp_agent_job_put_open = {
    .start = put_open_start,
    .step = put_open_step,
    .writes = true,
};

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

/* ---- PutCommit ---- */

enum phase {
    PHASE_APPEND_PRE, /* an append's preconditions, while it has no name yet */
    PHASE_SYNC,
    PHASE_VERIFY,
    PHASE_PRE,
    PHASE_OLD, /* hashing the old file */
    PHASE_LAND,
};

static int commit_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    const fp_PutCommitRequest *request = &in->body.put_commit;
    struct fp_agent_commit *commit = &task->u.commit;
    struct fp_agent_upload *upload =
        find_upload(agent, request->upload_id.bytes, request->upload_id.size);
    bool has_pre = request->has_if_gen || request->if_absent ||
                   request->if_sha256.size != 0;

    if (upload == NULL)
        return fp_agent_because(task, FP_ERR_STALE,
                                "no such upload here: send it again");
    if (upload->committing)
        return fp_agent_because(task, FP_ERR_BUSY, "it is being committed");
    task->volume = upload->volume;
    task->storage = upload->volume != NULL ? upload->volume->on : NULL;
    if (request->sha256.size != FP_SHA256_SIZE ||
        (request->if_sha256.size != 0 &&
         request->if_sha256.size != FP_SHA256_SIZE))
        return fp_agent_because(task, FP_ERR_INVAL, "a SHA-256 is 32 bytes");
    if (has_pre && upload->mode == fp_PutMode_PUT_IN_PLACE)
        return fp_agent_because(
            task, FP_ERR_NOTSUP,
            "a write in place has given up the old file already");
    if (!upload->err && upload->off != upload->size) {
        task->needed = upload->size - upload->off;
        return fp_agent_because(task, FP_ERR_INVAL,
                                "not all bytes of the upload have come");
    }
    commit->upload = upload;
    memcpy(commit->want, request->sha256.bytes, FP_SHA256_SIZE);
    commit->has_old = request->if_sha256.size != 0;
    memcpy(commit->old, request->if_sha256.bytes, request->if_sha256.size);
    commit->if_absent = request->if_absent;
    commit->has_gen = request->has_if_gen;
    commit->gen = request->if_gen;
    commit->phase =
        upload->mode == fp_PutMode_PUT_APPEND ? PHASE_APPEND_PRE : PHASE_SYNC;
    upload->committing = true;
    return FP_OK;
}

/* However it ended, the upload is over: what was staged is gone or has its
 * name. Unless the link was lost: then the host comes back for it. */
static void commit_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;

    (void)agent;
    if (commit->file.mnt != NULL)
        (void)fp_fs_close(&commit->file);
    if (commit->upload != NULL)
        commit->upload->committing = false;
    commit->upload = NULL;
}

/* The upload failed for good. */
static int give_up(struct fp_agent_task *task, int err, const char *detail)
{
    fp_agent_upload_free(task->u.commit.upload);
    task->u.commit.upload = NULL;
    return fp_agent_because(task, err, detail);
}

static int commit_sync(struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    struct fp_agent_upload *upload = commit->upload;
    uint32_t gen = fp_agent_gen(task->storage);
    int err = upload->err;

    if (err == FP_ERR_NOSPC) {
        (void)no_space(task, upload->file.mnt, upload->size, NULL);
        return give_up(task, err, "the volume became full meanwhile");
    }
    if (err)
        return give_up(
            task, err,
            err == FP_ERR_PROTO ? "what came is not what was announced" : NULL);
    err = fp_fs_fsync(&upload->file);
    upload->gen_own += fp_agent_gen(task->storage) - gen;
    if (err)
        return give_up(task, err, NULL);
    if (fp_fs_seek(&upload->file, (int64_t)upload->base, FP_SEEK_SET) < 0)
        return give_up(task, FP_ERR_IO, NULL);
    fp_sha256_init(&commit->sha);
    commit->left = upload->size;
    commit->phase = PHASE_VERIFY;
    return FP_AGENT_MORE;
}

/* Reads back what is on flash; fsync has dropped what was cached. */
static int commit_verify(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    uint32_t n = (uint32_t)agent->cfg->scratch_size;
    uint8_t digest[FP_SHA256_SIZE];
    int32_t got;

    if (commit->left > 0) {
        if (n > commit->left)
            n = (uint32_t)commit->left;
        got = fp_fs_read(&commit->upload->file, agent->cfg->scratch, n);
        if (got <= 0)
            return give_up(task, got < 0 ? (int)got : FP_ERR_IO,
                           "the upload can't be read back from flash");
        fp_agent_hash(agent, &commit->sha, agent->cfg->scratch, (uint32_t)got);
        commit->left -= (uint32_t)got;
        return FP_AGENT_MORE;
    }
    fp_sha256_final(&commit->sha, digest);
    if (memcmp(digest, commit->want, sizeof digest) != 0)
        return give_up(task, FP_ERR_DIGEST,
                       "what is on flash has another SHA-256");
    commit->phase =
        commit->upload->mode == fp_PutMode_PUT_STAGED ? PHASE_PRE : PHASE_LAND;
    return FP_AGENT_MORE;
}

static void after_pre(struct fp_agent_commit *commit)
{
    commit->phase =
        commit->upload->mode == fp_PutMode_PUT_APPEND ? PHASE_SYNC : PHASE_LAND;
}

static int commit_pre(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    const struct fp_agent_upload *upload = commit->upload;
    uint32_t gen = fp_agent_gen(task->storage);
    struct fp_stat st;
    int err;

    if (commit->has_gen && gen - upload->gen_own != commit->gen)
        return give_up(task, FP_ERR_PRECOND, "the volume changed meanwhile");
    if (commit->if_absent) {
        err = fp_vfs_stat(agent->cfg->vfs, upload->path, &st);
        if (err != FP_ERR_NOENT)
            return give_up(task, err ? err : FP_ERR_PRECOND,
                           err ? NULL : "the file exists");
    }
    after_pre(commit);
    if (!commit->has_old)
        return FP_AGENT_MORE;
    err = fp_vfs_open(agent->cfg->vfs, &commit->file, upload->path, FP_O_READ);
    if (err == FP_ERR_NOENT)
        return give_up(task, FP_ERR_PRECOND, "there is no old file");
    if (err)
        return give_up(task, err, NULL);
    fp_sha256_init(&commit->sha);
    commit->gen_before = gen;
    commit->phase = PHASE_OLD;
    return FP_AGENT_MORE;
}

static int commit_old(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    uint8_t digest[FP_SHA256_SIZE];
    int32_t got = fp_fs_read(&commit->file, agent->cfg->scratch,
                             (uint32_t)agent->cfg->scratch_size);

    if (got < 0)
        return give_up(task, (int)got, "the old file can't be read");
    if (got > 0) {
        fp_agent_hash(agent, &commit->sha, agent->cfg->scratch, (uint32_t)got);
        return FP_AGENT_MORE;
    }
    (void)fp_fs_close(&commit->file);
    fp_sha256_final(&commit->sha, digest);
    if (memcmp(digest, commit->old, sizeof digest) != 0)
        return give_up(task, FP_ERR_PRECOND, "the old file has other content");
    if (commit->gen_before != fp_agent_gen(task->storage)) {
        /* Somebody wrote while it was hashed: look again, thrice at most. */
        if (++commit->tries > 3)
            return FP_ERR_STALE;
        commit->phase = PHASE_PRE;
        return FP_AGENT_MORE;
    }
    after_pre(commit);
    return FP_AGENT_MORE;
}

/* Landing and its answer are one step: a link lost between them would leave no
 * outcome for the retry to find. */
static int commit_land(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    struct fp_agent_upload *upload = commit->upload;
    const struct fp_commit_meta meta = { .has_mtime = upload->has_mtime,
                                         .mtime_ns = upload->mtime_ns };
    fp_Envelope *out;
    int err = FP_OK;

    if (upload->mode == fp_PutMode_PUT_STAGED)
        err = fp_fs_commit(&upload->file, &meta);
    if (err)
        return give_up(task, err, NULL);
    err = fp_fs_close(&upload->file);
    upload->stream = 0;
    if (upload->mode != fp_PutMode_PUT_STAGED && upload->has_mtime && !err) {
        struct fp_vfs_mount *vm = &upload->volume->vm;

        /* The path is this volume's own: behind its mount point. */
        (void)fp_fs_settime(&vm->mnt, upload->path + strlen(vm->path),
                            upload->mtime_ns);
    }
    fp_agent_upload_free(upload);
    commit->upload = NULL;
    if (err)
        return err;
    out = fp_agent_out(agent, task->id, fp_Envelope_put_commit_reply_tag);
    out->body.put_commit_reply.fs_gen = fp_agent_gen(task->storage);
    return fp_agent_send(agent);
}

static int commit_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    switch ((enum phase)task->u.commit.phase) {
    case PHASE_SYNC:
        return commit_sync(task);
    case PHASE_VERIFY:
        return commit_verify(agent, task);
    case PHASE_APPEND_PRE:
    case PHASE_PRE:
        return commit_pre(agent, task);
    case PHASE_OLD:
        return commit_old(agent, task);
    case PHASE_LAND:
        break;
    }
    return commit_land(agent, task);
}

const struct fp_agent_job fp_agent_job_put_commit = {
    .start = commit_start,
    .step = commit_step,
    .end = commit_end,
    .writes = true,
};

/* ---- PutAbort ---- */

static int abort_start(struct fp_agent *agent, struct fp_agent_task *task,
                       const fp_Envelope *in)
{
    const fp_PutAbortRequest *request = &in->body.put_abort;
    struct fp_agent_upload *upload =
        find_upload(agent, request->upload_id.bytes, request->upload_id.size);

    if (upload == NULL)
        return FP_OK; /* as wanted */
    if (upload->committing)
        return fp_agent_because(task, FP_ERR_BUSY, "it is being committed");
    memcpy(task->u.names.from, upload->id, sizeof upload->id);
    task->index = 1;
    if (upload->volume != NULL)
        task->storage = upload->volume->on;
    return FP_OK;
}

static int abort_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_upload *upload =
        task->index == 0
            ? NULL
            : find_upload(agent, (const pb_byte_t *)task->u.names.from, 16);

    if (upload != NULL)
        fp_agent_upload_free(upload);
    return fp_agent_done(agent, task);
}

const struct fp_agent_job fp_agent_job_put_abort = {
    .start = abort_start,
    .step = abort_step,
    .writes = true,
};
