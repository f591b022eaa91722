/* SPDX-License-Identifier: MIT
 *
 * The end of an upload: PutCommit, or the commit that came with its PutOpen.
 *
 * Preconditions of an append are looked at before its bytes get a name; a write
 * in place has given up the old file at its opening, so there it has none.
 */
#include "device-agent/private.h"

#include <string.h>

/* As many bytes of an old file are looked at in one step, before they are
 * replaced by the same. */
#define SAME_MAX 16384u

/* So often an old file is looked at that is written meanwhile. */
#define TRIES_MAX 3

enum phase {
    PHASE_APPEND_PRE, /* an append's preconditions, while it has no name yet */
    PHASE_SYNC,
    PHASE_VERIFY,
    PHASE_PRE,
    PHASE_OLD, /* hashing the old file */
    PHASE_LAND,
};

int fp_agent_commit_terms(struct fp_agent_task *task, uint8_t mode,
                          const fp_PutCommitRequest *request,
                          struct fp_agent_terms *terms)
{
    bool has_pre = request->has_if_gen || request->if_absent ||
                   request->if_sha256.size != 0;

    if (request->sha256.size != FP_SHA256_SIZE ||
        (request->if_sha256.size != 0 &&
         request->if_sha256.size != FP_SHA256_SIZE))
        return fp_agent_because(task, FP_ERR_INVAL, "a SHA-256 is 32 bytes");
    if (has_pre && mode == fp_PutMode_PUT_IN_PLACE)
        return fp_agent_because(
            task, FP_ERR_NOTSUP,
            "a write in place has given up the old file already");
    memcpy(terms->want, request->sha256.bytes, FP_SHA256_SIZE);
    terms->has_old = request->if_sha256.size != 0;
    memcpy(terms->old, request->if_sha256.bytes, request->if_sha256.size);
    terms->if_absent = request->if_absent;
    terms->has_gen = request->has_if_gen;
    terms->gen = request->if_gen;
    return FP_OK;
}

/* From now on the upload takes no more bytes. */
static void begin(struct fp_agent_commit *commit)
{
    struct fp_agent_upload *upload = commit->upload;

    commit->phase = fp_agent_mode(upload) == fp_PutMode_PUT_APPEND
                        ? PHASE_APPEND_PRE
                        : PHASE_SYNC;
    upload->committing = true;
}

int fp_agent_put_commit_start(struct fp_agent *agent,
                              struct fp_agent_task *task, const fp_Envelope *in)
{
    const fp_PutCommitRequest *request = &in->body.put_commit;
    struct fp_agent_upload *upload = fp_agent_upload_find(
        agent, request->upload_id.bytes, request->upload_id.size);
    int err;

    if (upload == NULL)
        return fp_agent_because(task, FP_ERR_STALE,
                                "no such upload here: send it again");
    if (upload->committing)
        return fp_agent_because(task, FP_ERR_BUSY, "it is being committed");
    task->volume = upload->volume;
    task->storage = upload->volume != NULL ? upload->volume->on : NULL;
    err = fp_agent_commit_terms(task, upload->mode, request,
                                &task->u.commit.terms);
    if (err)
        return err;
    if (!upload->err && upload->off != upload->size) {
        task->needed = upload->size - upload->off;
        return fp_agent_because(task, FP_ERR_INVAL,
                                "not all bytes of the upload have come");
    }
    task->u.commit.upload = upload;
    task->u.commit.replaced = upload->replaces;
    begin(&task->u.commit);
    return FP_OK;
}

/* However it ended, the upload is over: what was staged is gone or has its
 * name. Unless the link was lost: then the host comes back for it, or sends it
 * again if it was a whole one. */
void fp_agent_put_commit_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;

    if (commit->file.mnt != NULL)
        (void)fp_fs_close(&commit->file);
    if (commit->upload != NULL)
        commit->upload->committing = false;
    if (commit->upload != NULL && fp_agent_is_whole(commit->upload))
        fp_agent_upload_free(agent, commit->upload);
    commit->upload = NULL;
}

static int commit_sync(struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    struct fp_agent_upload *upload = commit->upload;
    uint32_t gen = fp_agent_gen(task->storage);
    int err = upload->err;

    if (err == FP_ERR_NOSPC) {
        (void)fp_agent_no_space(task, upload->file.mnt, upload->size, NULL);
        return fp_agent_because(task, err, "the volume became full meanwhile");
    }
    if (err)
        return fp_agent_because(
            task, err,
            err == FP_ERR_PROTO ? "what came is not what was announced" : NULL);
    err = fp_fs_fsync(&upload->file);
    upload->gen_own += fp_agent_gen(task->storage) - gen;
    if (err)
        return err;
    if (fp_fs_seek(&upload->file, (int64_t)upload->base, FP_SEEK_SET) < 0)
        return FP_ERR_IO;
    fp_sha256_init(&commit->sha);
    commit->left = upload->size;
    commit->phase = PHASE_VERIFY;
    return FP_AGENT_MORE;
}

/* Reads back what is on flash; fsync has dropped what was cached. */
static int commit_verify(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    int32_t got;

    if (commit->left > 0) {
        got = fp_agent_hash_file(agent, &commit->upload->file, &commit->sha,
                                 commit->left);
        if (got <= 0)
            return fp_agent_because(task, got < 0 ? (int)got : FP_ERR_IO,
                                    "the upload can't be read back from flash");
        commit->left -= (uint32_t)got;
        return FP_AGENT_MORE;
    }
    if (!fp_agent_is_digest(&commit->sha, commit->terms.want))
        return fp_agent_because(task, FP_ERR_DIGEST,
                                "what is on flash has another SHA-256");
    commit->phase = fp_agent_mode(commit->upload) == fp_PutMode_PUT_STAGED
                        ? PHASE_PRE
                        : PHASE_LAND;
    return FP_AGENT_MORE;
}

static void after_pre(struct fp_agent_commit *commit)
{
    commit->phase = fp_agent_mode(commit->upload) == fp_PutMode_PUT_APPEND
                        ? PHASE_SYNC
                        : PHASE_LAND;
}

static int commit_pre(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    const struct fp_agent_upload *upload = commit->upload;
    uint32_t gen = fp_agent_gen(task->storage);
    struct fp_stat st;
    int err;

    if (commit->terms.has_gen && gen - upload->gen_own != commit->terms.gen)
        return fp_agent_because(task, FP_ERR_PRECOND,
                                "the volume changed meanwhile");
    if (commit->terms.if_absent) {
        err = fp_vfs_stat(agent->cfg->vfs, upload->path, &st);
        if (err != FP_ERR_NOENT)
            return fp_agent_because(task, err ? err : FP_ERR_PRECOND,
                                    err ? NULL : "the file exists");
    }
    after_pre(commit);
    if (!commit->terms.has_old)
        return FP_AGENT_MORE;
    err = fp_vfs_open(agent->cfg->vfs, &commit->file, upload->path, FP_O_READ);
    if (err == FP_ERR_NOENT)
        return fp_agent_because(task, FP_ERR_PRECOND, "there is no old file");
    if (err)
        return err;
    fp_sha256_init(&commit->sha);
    commit->gen_before = gen;
    commit->phase = PHASE_OLD;
    return FP_AGENT_MORE;
}

static int commit_old(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    int32_t got =
        fp_agent_hash_file(agent, &commit->file, &commit->sha, UINT32_MAX);

    if (got < 0)
        return fp_agent_because(task, (int)got, "the old file can't be read");
    if (got > 0)
        return FP_AGENT_MORE;
    (void)fp_fs_close(&commit->file);
    if (!fp_agent_is_digest(&commit->sha, commit->terms.old))
        return fp_agent_because(task, FP_ERR_PRECOND,
                                "the old file has other content");
    if (commit->gen_before != fp_agent_gen(task->storage)) {
        /* Somebody wrote while it was hashed: look again, thrice at most. */
        if (++commit->tries > TRIES_MAX)
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
    int err = FP_OK;

    if (fp_agent_mode(upload) == fp_PutMode_PUT_STAGED)
        err = fp_fs_commit(&upload->file, &meta);
    if (err)
        return err;
    err = fp_fs_close(&upload->file);
    upload->stream = 0;
    if (fp_agent_mode(upload) != fp_PutMode_PUT_STAGED && upload->has_mtime &&
        !err) {
        struct fp_vfs_mount *vm = &upload->volume->vm;

        /* The path is this volume's own: behind its mount point. */
        (void)fp_fs_settime(&vm->mnt, upload->path + strlen(vm->path),
                            upload->mtime_ns);
    }
    fp_agent_tell_changed(agent, upload->path); /* also if that failed */
    fp_agent_upload_free(agent, upload);
    commit->upload = NULL;
    if (err)
        return err;
    return fp_agent_send_committed(agent, task, commit->replaced, false);
}

static int run_phase(struct fp_agent *agent, struct fp_agent_task *task)
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

int fp_agent_put_commit_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_commit *commit = &task->u.commit;
    int result = run_phase(agent, task);

    /* It failed for good, but where another commit may have better luck. */
    if (result < 0 && commit->upload != NULL && commit->tries <= TRIES_MAX) {
        fp_agent_upload_free(agent, commit->upload);
        commit->upload = NULL;
    }
    return result;
}

int fp_agent_send_committed(struct fp_agent *agent, struct fp_agent_task *task,
                            bool replaced, bool unchanged)
{
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_put_commit_reply_tag);
    fp_PutCommitReply *reply = &out->body.put_commit_reply;

    reply->fs_gen = fp_agent_gen(task->storage);
    reply->replaced = replaced;
    reply->unchanged = unchanged;
    return fp_agent_send(agent);
}

/* ---- a whole upload ---- */

/* Waits for the bytes, which need no other task to come. */
static int bytes_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_upload *upload = task->u.commit.upload;

    (void)agent;
    if (!upload->err && upload->off != upload->size)
        return FP_AGENT_WAIT;
    begin(&task->u.commit);
    task->job = fp_agent_job_of(fp_Envelope_put_commit_tag);
    return FP_AGENT_MORE;
}

const struct fp_agent_job fp_agent_job_put_bytes = {
    .step = bytes_step,
    .end = fp_agent_put_commit_end,
};

/* Has the file this content? */
static bool is_same(struct fp_agent *agent, struct fp_file *file,
                    const uint8_t want[FP_SHA256_SIZE])
{
    struct fp_sha256 sha;
    int32_t got;

    fp_sha256_init(&sha);
    do
        got = fp_agent_hash_file(agent, file, &sha, UINT32_MAX);
    while (got > 0);
    return got == 0 && fp_agent_is_digest(&sha, want);
}

bool fp_agent_put_is_there(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_put *put = &task->u.put;
    const struct fp_agent_terms *terms = &put->terms;
    struct fp_vfs_mount *vm = &task->volume->vm;
    struct fp_file file;
    struct fp_stat st;
    bool same;

    if (put->mode != fp_PutMode_PUT_STAGED || put->size > SAME_MAX ||
        terms->has_old || terms->if_absent || terms->has_gen ||
        fp_vfs_stat(agent->cfg->vfs, put->path, &st) != FP_OK ||
        st.type != FP_TYPE_FILE || st.size != put->size ||
        fp_vfs_open(agent->cfg->vfs, &file, put->path, FP_O_READ) != FP_OK)
        return false;
    same = is_same(agent, &file, terms->want);
    (void)fp_fs_close(&file);
    if (!same || !put->has_mtime || !st.has_mtime ||
        st.mtime_ns == put->mtime_ns)
        return same;
    return fp_fs_settime(&vm->mnt, put->path + strlen(vm->path),
                         put->mtime_ns) == FP_OK;
}
