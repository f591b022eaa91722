/* SPDX-License-Identifier: MIT
 *
 * Read and Digest: a file, or a range of one, sent or hashed in slices. Each
 * keeps its own handle, so that reads go side by side.
 */
#include "device-agent/private.h"

#include <string.h>

/* What Read and Digest share: the file open at `off`, st and left set. `len` 0
 * is to the end; a range that reaches over the end is cut. The path is needed
 * only here: it becomes text where its field lies in the message. */
static int open_range(struct fp_agent *agent, struct fp_agent_task *task,
                      char *path, uint64_t off, uint64_t len)
{
    struct fp_agent_read *read = &task->u.read;
    int err = fp_agent_path(agent, task, path, path);

    if (!err)
        err = fp_vfs_stat(agent->cfg->vfs, path, &read->st);
    if (!err && read->st.type == FP_TYPE_DIR)
        err = FP_ERR_ISDIR;
    if (!err && off > read->st.size)
        err = fp_agent_because(task, FP_ERR_INVAL,
                               "the offset is behind the end of the file");
    if (!err)
        err = fp_vfs_open(agent->cfg->vfs, &read->file, path, FP_O_READ);
    if (err)
        return err;
    if (len == 0 || len > read->st.size - off)
        len = read->st.size - off;
    read->len = read->range.left = (fp_addr)len;
    read->range.at = (fp_addr)off;
    if (read->len != len || read->range.at != off)
        return FP_ERR_FBIG;
    if (off != 0 && fp_fs_seek(&read->file, (int64_t)off, FP_SEEK_SET) < 0)
        return FP_ERR_IO;
    return FP_OK;
}

void fp_agent_read_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    (void)agent;
    if (task->u.read.file.mnt != NULL)
        (void)fp_fs_close(&task->u.read.file);
}

/* ---- Read ---- */

int fp_agent_read_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    const fp_ReadRequest *request = &in->body.read;
    int err = fp_agent_stream(agent, task, request->stream);

    if (!err)
        err = open_range(agent, task, (char *)&agent->message.body.read.path,
                         request->off, request->len);
    if (err)
        return err;
    if (request->has_if_gen && request->if_gen != fp_agent_gen(task->storage))
        return fp_agent_because(task, FP_ERR_STALE,
                                "the volume changed meanwhile");
    task->u.read.crc = 0xffffffff;
    return FP_OK;
}

/* Reads go on where the last one ended; only a run that was followed too far
 * costs a seek. */
static int file_read(struct fp_agent_task *task, fp_addr off, uint8_t *buf,
                     uint32_t size)
{
    struct fp_file *file = &task->u.read.file;
    int64_t at = fp_fs_seek(file, 0, FP_SEEK_CUR);
    int32_t n;

    if (at >= 0 && at != (int64_t)off)
        at = fp_fs_seek(file, (int64_t)off, FP_SEEK_SET);
    if (at < 0)
        return (int)at;
    n = fp_fs_read(file, buf, size);
    if (n < 0)
        return (int)n;
    /* Shorter than its size when it was opened: it was cut since. */
    return (uint32_t)n == size ? FP_OK : FP_ERR_STALE;
}

static int tell_read(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_read *read = &task->u.read;
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_read_reply_tag);
    fp_ReadReply *reply = &out->body.read_reply;
    int err;

    reply->size = read->st.size;
    reply->len = read->len;
    reply->fs_gen = fp_agent_gen(task->storage);
    reply->has_mtime = read->st.has_mtime;
    reply->mtime_ns = read->st.mtime_ns;
    err = fp_agent_send(agent);
    read->told = err == FP_OK;
    task->bulk = read->len > 0;
    return err ? err : FP_AGENT_MORE;
}

int fp_agent_read_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    static const struct fp_agent_source source = { file_read, true };
    struct fp_agent_read *read = &task->u.read;
    fp_Envelope *out;

    if (!read->told)
        return tell_read(agent, task);
    if (read->range.left > 0)
        return fp_agent_bulk_send(agent, task, &source);
    out = fp_agent_out(agent, task->id, fp_Envelope_read_end_tag);
    out->body.read_end.len = read->len;
    out->body.read_end.crc32 = ~read->crc;
    return fp_agent_send(agent);
}

/* ---- Digest ---- */

int32_t fp_agent_hash_file(struct fp_agent *agent, struct fp_file *file,
                           struct fp_sha256 *sha, fp_addr max)
{
    uint32_t size = agent->scratch_size;
    int32_t got =
        fp_fs_read(file, agent->scratch, max < size ? (uint32_t)max : size);

    if (got > 0)
        fp_agent_hash(agent, sha, agent->scratch, (uint32_t)got);
    return got;
}

bool fp_agent_is_digest(struct fp_sha256 *sha,
                        const uint8_t want[FP_SHA256_SIZE])
{
    uint8_t digest[FP_SHA256_SIZE];

    fp_sha256_final(sha, digest);
    return memcmp(digest, want, sizeof digest) == 0;
}

int fp_agent_digest_start(struct fp_agent *agent, struct fp_agent_task *task,
                          const fp_Envelope *in)
{
    const fp_DigestRequest *request = &in->body.digest;
    int err = open_range(agent, task, (char *)&agent->message.body.digest.path,
                         request->off, request->len);

    fp_sha256_init(&task->u.read.sha);
    task->computing = err == FP_OK;
    return err;
}

int fp_agent_digest_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_read *read = &task->u.read;
    fp_Envelope *out;

    if (read->range.left > 0) {
        int32_t got = fp_agent_hash_file(agent, &read->file, &read->sha,
                                         read->range.left);

        if (got <= 0) /* 0: it was cut since it was opened */
            return got < 0 ? (int)got : FP_ERR_STALE;
        read->range.left -= (uint32_t)got;
        return FP_AGENT_MORE;
    }
    if (task->computing) {
        task->computing = false; /* from here on there must be room */
        return FP_AGENT_MORE;
    }
    out = fp_agent_out(agent, task->id, fp_Envelope_digest_reply_tag);
    out->body.digest_reply.sha256.size = FP_SHA256_SIZE;
    fp_sha256_final(&read->sha, out->body.digest_reply.sha256.bytes);
    out->body.digest_reply.size = read->st.size;
    out->body.digest_reply.fs_gen = fp_agent_gen(task->storage);
    return fp_agent_send(agent);
}
