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

/* Bytes of one chunk; the last may be shorter. */
static uint32_t chunk_bytes(const struct fp_agent_storage *storage,
                            uint32_t chunk)
{
    fp_addr off = (fp_addr)chunk * fp_agent_chunk_size(storage);
    fp_addr left = fp_agent_storage_size(storage) - off;

    return left < fp_agent_chunk_size(storage) ? (uint32_t)left
                                               : fp_agent_chunk_size(storage);
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

static void begin_chunk(struct fp_agent_chunks *c)
{
    c->in_chunk = 0;
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
    c->level = request->level;
    if (FP_AGENT_LEVELS && c->level == 1)
        limit = limit / FANOUT + (limit % FANOUT != 0);
    err = check_range(task, request->first, request->count, limit);
    if (err)
        return err;
    c->first = request->first;
    c->count = request->count;
    c->reply_first = c->first;
    c->at = FP_AGENT_LEVELS && c->level == 1 ? c->first * FANOUT : c->first;
    begin_chunk(c);
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

static void add_entry(struct fp_agent *agent, uint32_t chunk_max,
                      struct fp_agent_chunks *c, uint8_t *digest)
{
    fp_sha256_update(&agent->upper, digest, DIGEST_SIZE);
    if (c->at % FANOUT != 0 && c->at != chunk_max)
        return;
    fp_sha256_final(&agent->upper, digest);
    fp_sha256_init(&agent->upper);
    keep_entry(c, digest,
               c->upper_unreadable ? fp_ChunkStatus_CHUNK_UNREADABLE
                                   : fp_ChunkStatus_CHUNK_OK);
    c->upper_unreadable = false;
}

#else
#define may_hash(agent, task)            true
#define add_entry(agent, max, c, digest) ((void)(agent), (void)(max))
#endif

/* The chunk is read to its end: its entry, at level 0 into the reply, at level
 * 1 into the hash above. */
static void end_chunk(struct fp_agent *agent,
                      const struct fp_agent_storage *storage,
                      struct fp_agent_chunks *c)
{
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
    c->at++;
    begin_chunk(c);
    if (c->level == 0)
        keep_entry(c, digest, status);
    else
        add_entry(agent, fp_agent_chunk_count(storage), c, digest);
}

/* By rot, or by what the firmware hides. */
static bool is_unreadable(int err)
{
    return err == FP_ERR_CORRUPT || err == FP_ERR_IO || err == FP_ERR_ACCES;
}

/* One slice of the current chunk. */
static int hash_slice(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    struct fp_bdev *dev = fp_agent_dev(task->storage);
    uint8_t *buf = agent->scratch;
    uint32_t left = chunk_bytes(task->storage, c->at) - c->in_chunk;
    uint32_t n = agent->scratch_size;
    fp_addr off =
        (fp_addr)c->at * fp_agent_chunk_size(task->storage) + c->in_chunk;
    int err;

    n = n < left ? n : left;
    err = fp_bdev_read(dev, off, buf, n);
    if (err && !is_unreadable(err))
        return err;
    if (err) {
        c->unreadable = true;
        c->in_chunk += left;
        return FP_OK;
    }
    if (c->in_chunk == 0)
        c->fill = buf[0];
    c->uniform =
        c->uniform && buf[0] == c->fill && memcmp(buf, buf + 1, n - 1) == 0;
    fp_agent_hash(agent, &c->sha, buf, n);
    c->in_chunk += n;
    return FP_OK;
}

static int send_digests(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_chunks *c = &task->u.chunks;
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_chunk_digest_reply_tag);
    fp_ChunkDigestReply *reply = &out->body.chunk_digest_reply;
    int err;

    reply->gen = fp_agent_gen(task->storage);
    reply->first = c->reply_first;
    reply->digests.size = (pb_size_t)(DIGEST_SIZE * c->collected);
    memcpy(reply->digests.bytes, c->digests, reply->digests.size);
    reply->status.size = (pb_size_t)c->collected;
    memcpy(reply->status.bytes, c->status, c->collected);
    c->reply_first += c->collected;
    reply->last = c->reply_first == c->first + c->count;
    err = fp_agent_send(agent);
    if (err)
        return err;
    c->collected = 0;
    task->computing = true;
    return reply->last ? FP_AGENT_DONE : FP_AGENT_MORE;
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
    if (c->in_chunk == chunk_bytes(task->storage, c->at))
        end_chunk(agent, task->storage, c);
    if (c->collected == reply_max(agent) ||
        c->reply_first + c->collected == c->first + c->count)
        task->computing = false;
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

int fp_agent_chunk_read_start(struct fp_agent *agent,
                              struct fp_agent_task *task, const fp_Envelope *in)
{
    const fp_ChunkReadRequest *request = &in->body.chunk_read;
    struct fp_agent_chunks *c = &task->u.chunks;
    int err = fp_agent_find_storage(agent, task, request->storage.bytes,
                                    request->storage.size);

    if (!err)
        err = check_range(task, request->first, request->count,
                          fp_agent_chunk_count(task->storage));
    if (!err && request->count > FP_AGENT_CHUNKS) {
        task->limit = FP_AGENT_CHUNKS;
        err = fp_agent_because(task, FP_ERR_INVAL, "too many chunks at once");
    }
    if (!err)
        err = fp_agent_stream(agent, task, request->stream);
    if (err)
        return err;
    c->first = request->first;
    c->count = request->count;
    c->gen_first = fp_agent_gen(task->storage);
    return FP_OK;
}

/* Notes which chunks of [off, off + size) can't be read. */
static void mark_unreadable(const struct fp_agent_storage *storage,
                            struct fp_agent_chunks *c, fp_addr off,
                            uint32_t size)
{
    uint32_t chunk_size = fp_agent_chunk_size(storage);
    uint32_t first = (uint32_t)(off / chunk_size) - c->first;
    uint32_t last = (uint32_t)((off + size - 1) / chunk_size) - c->first;

    for (uint32_t i = first; i <= last; i++)
        c->lost[i / 8] |= (uint8_t)(1u << i % 8);
}

/* A piece that reaches over the end of a chunk would blame both for one bad
 * page: it is read again chunk by chunk. */
static int image_read(struct fp_agent *agent, struct fp_agent_task *task,
                      fp_addr off, uint8_t *buf, uint32_t size)
{
    uint32_t chunk_size = fp_agent_chunk_size(task->storage);
    struct fp_bdev *dev = fp_agent_dev(task->storage);
    int err = fp_bdev_read(dev, off, buf, size);

    (void)agent;
    if (!err || !is_unreadable(err))
        return err;
    while (size > 0) {
        uint32_t n = chunk_size - (uint32_t)(off % chunk_size);

        n = n < size ? n : size;
        err = fp_bdev_read(dev, off, buf, n);
        if (err && !is_unreadable(err))
            return err;
        if (err) {
            memset(buf, 0, n);
            mark_unreadable(task->storage, &task->u.chunks, off, n);
        }
        off += n;
        buf += n;
        size -= n;
    }
    return FP_OK;
}

int fp_agent_chunk_read_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_source source = { image_read,
                                            task->storage->dev->read_size };
    struct fp_agent_chunks *c = &task->u.chunks;
    fp_addr begin = (fp_addr)c->first * fp_agent_chunk_size(task->storage);
    uint32_t last = c->first + c->count - 1;
    fp_addr end = (fp_addr)last * fp_agent_chunk_size(task->storage) +
                  chunk_bytes(task->storage, last);
    fp_addr off = begin + c->in_chunk, left = end - off;
    fp_ChunkReadReply *reply;
    int got;

    if (left > 0) {
        got = fp_agent_bulk_send(agent, task, &source, &off, &left, NULL);
        task->bulk = left > 0;
        c->in_chunk = (uint32_t)(off - begin);
        return got;
    }
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
