/* SPDX-License-Identifier: MIT
 *
 * A storage as an image: digests of its chunks, which of them changed, their
 * bytes; and holding it still for a moment.
 *
 * Digests are made a slice of scratch at a time. At level 0 each chunk has
 *     CHUNK_OK          the first 16 bytes of the SHA-256 of its bytes
 *     CHUNK_FILL        the one byte it consists of, then 15 zeros
 *     CHUNK_UNREADABLE  zeros
 * At level 1 each entry is the first 16 bytes of the SHA-256 over the up to 256
 * entries of level 0 below it, 16 bytes each as above; CHUNK_UNREADABLE when one
 * of those is, so that whoever compares goes down and looks.
 */
#include "device-agent/private.h"

#include <string.h>

#define FANOUT         256
#define FREEZE_MAX_MS  500
#define DIGEST_SIZE    16
#define REPLY_OVERHEAD 48

/* The task's range goes on from where it is by so many chunks; the storage's
 * last may be shorter. */
static void set_range(struct fp_agent_task *task, uint32_t count)
{
    struct fp_agent_range *range = &task->u.range;
    uint32_t chunk_size = fp_agent_chunk_size(task->storage);

    range->left = fp_agent_storage_size(task->storage) - range->at;
    if (count <= range->left / chunk_size)
        range->left = (fp_addr)count * chunk_size;
}

static int check_range(struct fp_agent_task *task, uint32_t first,
                       uint32_t count, uint32_t limit)
{
    if (count != 0 && first < limit && count <= limit - first)
        return FP_OK;
    task->limit = limit;
    return fp_agent_because(task, FP_ERR_INVAL,
                            "the chunks asked for are not all on the storage");
}

/* ---- ChunkDigest ---- */

/* Bytes that an entry is of, but the last. */
static fp_addr entry_size(const struct fp_agent_task *task)
{
    fp_addr size = fp_agent_chunk_size(task->storage);

    return FP_AGENT_LEVELS && task->u.chunks.level == 1 ? size * FANOUT : size;
}

static void begin_chunk(struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;

    set_range(task, 1);
    c->is_begun = false;
    c->uniform = true;
    c->unreadable = false;
    fp_sha256_init(&c->sha);
}

int fp_agent_chunk_digest_start(struct fp_agent *agent,
                                struct fp_agent_task *task,
                                const fp_Envelope *in)
{
    const fp_ChunkDigestRequest *request = &in->body.chunk_digest;
    struct fp_agent_chunks *c = &task->u.chunks;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);
    uint32_t limit;

    if (err)
        return err;
    if (request->level > (FP_AGENT_LEVELS ? 1 : 0))
        return fp_agent_because(task, FP_ERR_NOTSUP, "levels are 0 and 1");
    limit = fp_agent_chunk_count(task->storage);
    c->level = (uint8_t)request->level;
    if (FP_AGENT_LEVELS && c->level == 1)
        limit = limit / FANOUT + (limit % FANOUT != 0);
    err = check_range(task, request->first, request->count, limit);
    if (err)
        return err;
    c->first = request->first;
    c->count = request->count;
    c->range.at = (fp_addr)c->first * entry_size(task);
    begin_chunk(task);
    task->computing = true;
    return FP_OK;
}

/* Entries in one reply: the frame's size bounds them too. */
static uint32_t reply_max(const struct fp_agent *agent)
{
    uint32_t room = fp_link_frame_max(&agent->link);

    room =
        room > REPLY_OVERHEAD ? (room - REPLY_OVERHEAD) / (DIGEST_SIZE + 1) : 0;
    if (room == 0)
        return 1;
    return room < FP_AGENT_DIGESTS ? room : FP_AGENT_DIGESTS;
}

static void keep_entry(struct fp_agent_chunks *c, const uint8_t *digest,
                       uint8_t status)
{
    memcpy(c->digests + (size_t)DIGEST_SIZE * c->collected, digest,
           DIGEST_SIZE);
    c->status[c->collected++] = status;
}

#if FP_AGENT_LEVELS

/* Digests of digests are made for one task after the other. */
static bool may_hash(struct fp_agent *agent, struct fp_agent_task *task)
{
    if (task->u.chunks.level == 0 || agent->upper_owner == task)
        return true;
    if (agent->upper_owner != NULL)
        return false;
    agent->upper_owner = task;
    fp_sha256_init(&agent->upper);
    return true;
}

void fp_agent_chunks_drop(struct fp_agent *agent,
                          const struct fp_agent_task *task)
{
    if (agent->upper_owner == task)
        agent->upper_owner = NULL;
}

static void add_entry(struct fp_agent *agent, struct fp_agent_task *task,
                      uint8_t *digest)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    fp_addr at = c->range.at;

    fp_sha256_update(&agent->upper, digest, DIGEST_SIZE);
    if (at % entry_size(task) != 0 &&
        at != fp_agent_storage_size(task->storage))
        return;
    fp_sha256_final(&agent->upper, digest);
    fp_sha256_init(&agent->upper);
    keep_entry(c, digest,
               c->upper_unreadable ? fp_ChunkStatus_CHUNK_UNREADABLE
                                   : fp_ChunkStatus_CHUNK_OK);
    c->upper_unreadable = false;
}

#else
#define may_hash(agent, task)          true
#define add_entry(agent, task, digest) ((void)(agent), (void)(digest))
#endif

/* The chunk is read to its end: its entry, at level 0 into the reply, at level
 * 1 into the hash above. */
static void end_chunk(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    uint8_t digest[FP_SHA256_SIZE] = { 0 };
    uint8_t status = fp_ChunkStatus_CHUNK_OK;

    if (c->unreadable) {
        status = fp_ChunkStatus_CHUNK_UNREADABLE;
        c->upper_unreadable = true;
    } else if (c->uniform) {
        status = fp_ChunkStatus_CHUNK_FILL;
        digest[0] = c->fill;
    } else {
        fp_sha256_final(&c->sha, digest);
    }
    if (!FP_AGENT_LEVELS || c->level == 0)
        keep_entry(c, digest, status);
    else
        add_entry(agent, task, digest);
    begin_chunk(task);
}

/* By rot, or by what the firmware hides. */
static bool is_unreadable(int err)
{
    return err == FP_ERR_CORRUPT || err == FP_ERR_IO || err == FP_ERR_ACCES;
}

/* Reads of the storage: 1 if it can't be read there, or another error. */
static int read_some(struct fp_agent_task *task, fp_addr off, uint8_t *buf,
                     uint32_t size)
{
    int err = fp_bdev_read(fp_agent_dev(task->storage), off, buf, size);

    return is_unreadable(err) ? 1 : err;
}

/* One slice of the current chunk. */
static int hash_slice(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    uint8_t *buf = agent->scratch;
    uint32_t left = (uint32_t)c->range.left, n = agent->scratch_size;
    int err;

    n = n < left ? n : left;
    err = read_some(task, c->range.at, buf, n);
    if (err < 0)
        return err;
    if (err) {
        c->unreadable = true;
        n = left;
    } else {
        if (!c->is_begun)
            c->fill = buf[0];
        c->is_begun = true;
        c->uniform = c->uniform && fp_agent_is_uniform(buf, n, c->fill);
        fp_agent_hash(agent, &c->sha, buf, n);
    }
    c->range.at += n;
    c->range.left -= n;
    return FP_OK;
}

static int send_digests(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_chunk_digest_reply_tag);
    fp_ChunkDigestReply *reply = &out->body.chunk_digest_reply;

    reply->gen = fp_agent_gen(task->storage);
    reply->first = c->first;
    reply->digests.size = (pb_size_t)(DIGEST_SIZE * c->collected);
    memcpy(reply->digests.bytes, c->digests, reply->digests.size);
    reply->status.size = (pb_size_t)c->collected;
    memcpy(reply->status.bytes, c->status, c->collected);
    c->first += c->collected;
    c->count -= c->collected;
    c->collected = 0;
    reply->last = c->count == 0;
    task->computing = true;
    return fp_agent_send_part(agent, reply->last);
}

int fp_agent_chunk_digest_step(struct fp_agent *agent,
                               struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    int err;

    if (!task->computing)
        return send_digests(agent, task);
    if (!may_hash(agent, task))
        return FP_AGENT_WAIT;
    err = hash_slice(agent, task);
    if (err)
        return err;
    if (c->range.left == 0)
        end_chunk(agent, task);
    task->computing =
        c->collected < reply_max(agent) && c->collected < c->count;
    return FP_AGENT_MORE;
}

/* ---- ChunkChanged ---- */

int fp_agent_chunk_changed_start(struct fp_agent *agent,
                                 struct fp_agent_task *task,
                                 const fp_Envelope *in)
{
    const fp_ChunkChangedRequest *request = &in->body.chunk_changed;
    struct fp_agent_changed *changed = &task->u.changed;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);

    if (err)
        return err;
    if (task->storage->gen == NULL)
        return fp_agent_because(task, FP_ERR_NOTSUP,
                                "the generation of this storage is not kept");
    err =
        fp_bdev_gen_changed(task->storage->gen, request->since, &changed->gen);
    changed->too_old = err == FP_ERR_STALE || err == FP_ERR_NOTSUP;
    return changed->too_old ? FP_OK : err;
}

int fp_agent_chunk_changed_step(struct fp_agent *agent,
                                struct fp_agent_task *task)
{
    struct fp_agent_changed *changed = &task->u.changed;
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_chunk_changed_reply_tag);
    fp_ChunkChangedReply *reply = &out->body.chunk_changed_reply;
    const pb_size_t max = sizeof reply->runs / sizeof reply->runs[0];
    uint32_t first = changed->next, count = 0;
    bool more = false;
    int err;

    reply->gen = changed->gen;
    reply->too_old = changed->too_old;
    while (!changed->too_old) {
        more = fp_bdev_gen_run(task->storage->gen, &first, &count);
        if (!more || reply->runs_count == max)
            break;
        reply->runs[reply->runs_count].first = first;
        reply->runs[reply->runs_count++].count = count;
        first += count;
        changed->next = first;
    }
    reply->last = !more;
    err = fp_agent_send(agent);
    if (err)
        return err;
    return more ? FP_AGENT_MORE : FP_AGENT_DONE;
}

/* ---- ChunkRead ---- */

int fp_agent_chunk_range(struct fp_agent_task *task, uint32_t first,
                         uint32_t count)
{
    int err =
        check_range(task, first, count, fp_agent_chunk_count(task->storage));

    if (err)
        return err;
    task->u.range.at = (fp_addr)first * fp_agent_chunk_size(task->storage);
    set_range(task, count);
    return FP_OK;
}

int fp_agent_chunk_read_start(struct fp_agent *agent,
                              struct fp_agent_task *task, const fp_Envelope *in)
{
    const fp_ChunkReadRequest *request = &in->body.chunk_read;
    struct fp_agent_chunks *c = &task->u.chunks;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);

    if (!err)
        err = fp_agent_chunk_range(task, request->first, request->count);
    if (!err && request->count > FP_AGENT_CHUNKS) {
        task->limit = FP_AGENT_CHUNKS;
        err = fp_agent_because(task, FP_ERR_INVAL, "too many chunks at once");
    }
    if (err)
        return err;
    c->first = request->first;
    c->count = request->count;
    c->gen_first = fp_agent_gen(task->storage);
    return fp_agent_stream(agent, task, request->stream);
}

/* Chunk by chunk: one bad page must not be blamed on two of them. */
static int image_read(struct fp_agent_task *task, fp_addr off, uint8_t *buf,
                      uint32_t size)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    uint32_t chunk_size = fp_agent_chunk_size(task->storage);

    while (size > 0) {
        uint32_t i = (uint32_t)(off / chunk_size) - c->first;
        uint32_t n = chunk_size - (uint32_t)(off % chunk_size);
        int err;

        n = n < size ? n : size;
        err = read_some(task, off, buf, n);
        if (err < 0)
            return err;
        if (err) {
            memset(buf, 0, n);
            c->lost[i / 8] |= (uint8_t)(1u << i % 8);
        }
        off += n;
        buf += n;
        size -= n;
    }
    return FP_OK;
}

int fp_agent_chunk_read_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    static const struct fp_agent_source source = { image_read, false };
    struct fp_agent_chunks *c = &task->u.chunks;
    fp_ChunkReadReply *reply;

    if (c->range.left > 0)
        return fp_agent_bulk_send(agent, task, &source);
    reply = &fp_agent_out(agent, task->id, fp_Envelope_chunk_read_reply_tag)
                 ->body.chunk_read_reply;
    reply->gen = fp_agent_gen(task->storage);
    reply->gen_first = c->gen_first;
    reply->status.size = (pb_size_t)c->count;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->lost[i / 8] & 1u << i % 8)
            reply->status.bytes[i] = fp_ChunkStatus_CHUNK_UNREADABLE;
    return fp_agent_send(agent);
}

/* ---- Freeze, Thaw ---- */

int fp_agent_freeze_start(struct fp_agent *agent, struct fp_agent_task *task,
                          const fp_Envelope *in)
{
    const fp_FreezeRequest *request = &in->body.freeze;

    task->u.freeze_ms =
        request->ms < FREEZE_MAX_MS ? request->ms : FREEZE_MAX_MS;
    return fp_agent_find_storage(agent, task, request->storage.bytes,
                                 request->storage.size);
}

/* Waits while the application has its turn. */
int fp_agent_freeze_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    int err = FP_ERR_NOTSUP;

    if (task->storage->gen != NULL)
        err = fp_bdev_gen_freeze(task->storage->gen, task->u.freeze_ms);
    if (err == FP_ERR_BUSY)
        return FP_AGENT_WAIT;
    if (err)
        return fp_agent_because(task, err, "this storage can't be frozen");
    return fp_agent_done(agent, task);
}

int fp_agent_thaw_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    const fp_ThawRequest *request = &in->body.thaw;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);

    if (!err && task->storage->gen != NULL)
        fp_bdev_gen_thaw(task->storage->gen);
    return err;
}

int fp_agent_thaw_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    return fp_agent_done(agent, task);
}
