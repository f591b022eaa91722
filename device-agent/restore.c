/* SPDX-License-Identifier: MIT
 *
 * Restore: exclusive use of a storage, and writing its blocks.
 *
 * A block is collected in block_buf, compared with what is on flash, and only
 * if it differs erased and programmed, skipping what is erased in the target
 * too. There is one such buffer, so ChunkWrites take turns: each says "send the
 * BULK now" when the buffer is its own, and the host sends nothing before.
 *
 * Where only bits have to be cleared nothing needs an erase; but that a medium
 * may be programmed over is FP_BDEV_REPROG's to say.
 */
#include "device-agent/private.h"

#include <string.h>

#if FP_AGENT_RESTORE

/* As much is programmed at once at most, but for a larger unit. */
#define PROG_MAX 4096

/* ---- RestoreBegin, RestoreEnd ---- */

int fp_agent_restore_begin_start(struct fp_agent *agent,
                                 struct fp_agent_task *task,
                                 const fp_Envelope *in)
{
    const fp_RestoreBeginRequest *request = &in->body.restore_begin;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);

    if (err)
        return err;
    if (!fp_agent_nonce_is(agent, request->nonce.bytes, request->nonce.size))
        return fp_agent_because(task, FP_ERR_PRECOND,
                                "restoring needs a nonce of this session");
    if (agent->cfg->block_buf == NULL ||
        agent->cfg->block_buf_size < task->storage->dev->block_size)
        return fp_agent_because(task, FP_ERR_NOTSUP,
                                "this device has no buffer for such a block");
    if (task->storage->dev->flags & FP_BDEV_RDONLY)
        return fp_agent_because(task, FP_ERR_ROFS,
                                "the storage is write-protected");
    if (fp_agent_storage_is_protected(agent, task->storage))
        return fp_agent_because(task, FP_ERR_ACCES,
                                "the firmware protects a path on it");
    return FP_OK;
}

/* Gives the storage back to whoever had it, without mounting. */
void fp_agent_restore_release(struct fp_agent *agent,
                              struct fp_agent_storage *storage)
{
    storage->restoring = false;
    if (agent->cfg->exclusive != NULL)
        (void)agent->cfg->exclusive(agent->cfg->ctx, storage->name, false);
}

/* The volumes of a storage, all or none. */
static int unmount_all(struct fp_agent *agent,
                       const struct fp_agent_storage *storage)
{
    int err = FP_OK;

    for (uint32_t i = 0; i < agent->cfg->volume_count && !err; i++) {
        struct fp_agent_volume *volume = &agent->cfg->volumes[i];

        if (volume->on != storage || !volume->mounted)
            continue;
        err = fp_agent_volume_unmount(agent, volume);
        if (!volume->mounted)
            err = FP_OK; /* what it could not write is overwritten anyway */
    }
    return err;
}

int fp_agent_restore_begin_step(struct fp_agent *agent,
                                struct fp_agent_task *task)
{
    struct fp_agent_storage *storage = task->storage;
    int err;

    if (storage->restoring)
        return fp_agent_done(agent, task);
    if (agent->cfg->exclusive != NULL &&
        !agent->cfg->exclusive(agent->cfg->ctx, storage->name, true))
        return fp_agent_because(task, FP_ERR_BUSY,
                                "the firmware needs the storage now");
    err = unmount_all(agent, storage);
    if (err) {
        fp_agent_media_mount(agent, storage);
        fp_agent_restore_release(agent, storage);
        return fp_agent_because(task, err,
                                "the application has files open there");
    }
    storage->restoring = true;
    return fp_agent_done(agent, task);
}

int fp_agent_restore_end_start(struct fp_agent *agent,
                               struct fp_agent_task *task,
                               const fp_Envelope *in)
{
    const fp_RestoreEndRequest *request = &in->body.restore_end;

    return fp_agent_find_storage(agent, task, request->storage.bytes,
                                 request->storage.size);
}

/* At work, or waiting for its turn. */
static bool has_chunk_write(const struct fp_agent *agent,
                            const struct fp_agent_storage *storage)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 && agent->tasks[i].storage == storage &&
            fp_agent_takes_blocks(&agent->tasks[i]))
            return true;
    return false;
}

int fp_agent_restore_end_step(struct fp_agent *agent,
                              struct fp_agent_task *task)
{
    if (has_chunk_write(agent, task->storage))
        return fp_agent_because(task, FP_ERR_BUSY, "a ChunkWrite is at work");
    if (!task->storage->restoring)
        return fp_agent_done(agent, task);
    fp_agent_restore_release(agent, task->storage);
    fp_agent_media_mount(agent, task->storage);
    return fp_agent_done(agent, task);
}

/* ---- ChunkWrite ---- */

int fp_agent_chunk_write_start(struct fp_agent *agent,
                               struct fp_agent_task *task,
                               const fp_Envelope *in)
{
    const fp_ChunkWriteRequest *request = &in->body.chunk_write;
    const struct fp_agent_range *range = &task->u.range;
    uint32_t block_size;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);

    if (err)
        return err;
    if (!task->storage->restoring ||
        !fp_agent_nonce_is(agent, request->nonce.bytes, request->nonce.size))
        return fp_agent_because(task, FP_ERR_PRECOND,
                                "ChunkWrite needs RestoreBegin and its nonce");
    block_size = task->storage->dev->block_size;
    err = fp_agent_chunk_range(task, request->first, request->count);
    if (err || range->at % block_size != 0 || range->left % block_size != 0) {
        task->limit = block_size;
        return fp_agent_because(task, FP_ERR_INVAL,
                                "chunks to write make whole erase blocks");
    }
    if (fp_agent_is_guarded(task->storage, range->at, range->left,
                            FP_AGENT_REGION_RDONLY | FP_AGENT_REGION_HIDDEN))
        return fp_agent_because(task, FP_ERR_ACCES,
                                "the firmware protects a region there");
    return fp_agent_stream(agent, task, request->stream);
}

/* The block in block_buf from what is on flash at `off`? Through scratch. */
static bool differs(struct fp_agent *agent, struct fp_bdev *dev, fp_addr off)
{
    const uint8_t *buf = agent->cfg->block_buf;
    uint32_t n = agent->scratch_size;

    for (uint32_t at = 0; at < dev->block_size; at += n) {
        if (n > dev->block_size - at)
            n = dev->block_size - at;
        /* What can't be read is what a restore is for. */
        if (fp_bdev_read(dev, off + at, agent->scratch, n) ||
            memcmp(agent->scratch, buf + at, n) != 0)
            return true;
    }
    return false;
}

/* Unit by unit; what lies between two that are skipped goes in one. */
static int program(struct fp_bdev *dev, fp_addr off, const uint8_t *buf)
{
    bool skips =
        dev->flags & FP_BDEV_ERASED_FF && !(dev->flags & FP_BDEV_OVERWRITE);
    uint32_t unit = dev->prog_size, from = 0;
    int err = FP_OK;

    for (uint32_t at = 0; at < dev->block_size && !err; at += unit) {
        bool skip = skips && fp_agent_is_uniform(buf + at, unit, 0xff);
        uint32_t end = skip ? at : at + unit;

        if (!skip && end < dev->block_size && end - from < PROG_MAX)
            continue;
        err = fp_bdev_prog(dev, off + from, buf + from, end - from);
        from = at + unit;
    }
    return err;
}

/* The block in block_buf to its place; then it is read back. */
static int write_block(struct fp_agent *agent, struct fp_bdev *dev, fp_addr off)
{
    int err;

    if (!differs(agent, dev, off))
        return FP_OK;
    err = fp_bdev_erase(dev, (uint32_t)(off / dev->block_size), 1);
    if (!err)
        err = program(dev, off, agent->cfg->block_buf);
    if (!err)
        err = fp_bdev_sync(dev);
    if (!err && differs(agent, dev, off))
        err = FP_ERR_IO;
    return err;
}

static int may_take(struct fp_agent_task *task, uint32_t size)
{
    const struct fp_agent_blocks *blocks = &task->u.blocks;

    if (!blocks->told)
        return fp_agent_because(task, FP_ERR_PROTO,
                                "bytes came before they were due");
    if (size > blocks->range.left)
        return fp_agent_because(task, FP_ERR_PROTO,
                                "more bytes came than announced");
    if (!task->storage->restoring)
        return fp_agent_because(task, FP_ERR_STALE, "the restore has ended");
    return FP_OK;
}

int fp_agent_blocks_write(struct fp_agent *agent, struct fp_agent_task *task,
                          const uint8_t *buf, uint32_t *size)
{
    struct fp_agent_blocks *blocks = &task->u.blocks;
    struct fp_bdev *dev = task->storage->dev;
    uint32_t n = dev->block_size - blocks->filled;

    if (*size > n)
        *size = n;
    n = *size;
    if (!blocks->err)
        blocks->err = may_take(task, n);
    if (blocks->err)
        return FP_AGENT_MORE; /* what still comes is swallowed */
    if (!fp_agent_may_write(agent, task->storage))
        return FP_AGENT_WAIT;
    memcpy(agent->cfg->block_buf + blocks->filled, buf, n);
    blocks->filled += n;
    blocks->range.left -= n;
    if (blocks->filled < dev->block_size)
        return FP_AGENT_MORE;
    blocks->err = write_block(agent, dev, blocks->range.at);
    blocks->range.at += dev->block_size;
    blocks->filled = 0;
    return FP_AGENT_MORE;
}

int fp_agent_chunk_write_step(struct fp_agent *agent,
                              struct fp_agent_task *task)
{
    struct fp_agent_blocks *blocks = &task->u.blocks;
    fp_ChunkWriteReply *reply;
    int err;

    if (blocks->err)
        return blocks->err;
    if (!blocks->told && agent->block_owner != NULL)
        return FP_AGENT_WAIT;
    if (blocks->told && blocks->range.left > 0)
        return FP_AGENT_WAIT;
    agent->block_owner = task;
    reply = &fp_agent_out(agent, task->id, fp_Envelope_chunk_write_reply_tag)
                 ->body.chunk_write_reply;
    reply->done = blocks->told;
    reply->gen = fp_agent_gen(task->storage);
    err = fp_agent_send(agent);
    if (err || blocks->told)
        return err;
    blocks->told = true;
    return FP_AGENT_MORE;
}

void fp_agent_chunk_write_end(struct fp_agent *agent,
                              struct fp_agent_task *task)
{
    if (agent->block_owner == task)
        agent->block_owner = NULL;
}

#endif
