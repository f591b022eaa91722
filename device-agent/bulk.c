/* SPDX-License-Identifier: MIT
 *
 * The bytes of streams, both ways.
 *
 * Out: content is read straight into the link's buffer. Where a whole frame
 * would be one byte repeated, the run is followed further and goes out as one
 * fill record, so that erased flash costs next to nothing on the line.
 *
 * In: a record goes to the upload or the ChunkWrite that its stream names. A
 * fill record may stand for 4 GiB; it is taken by scratch_size bytes a poll,
 * agent->bulk_done counting, and the frame stays in front meanwhile.
 */
#include "device-agent/private.h"

#include "core/digest/crc32.h"

#include <string.h>

#define RUN_MIN 32      /* shorter ones are not worth a record of their own */
#define RUN_MAX 262144u /* bytes that one step follows a run */

static bool is_uniform(const uint8_t *buf, uint32_t size, uint8_t value)
{
    return buf[0] == value && memcmp(buf, buf + 1, size - 1) == 0;
}

static uint32_t at_most(uint64_t left, uint32_t max)
{
    return left < max ? (uint32_t)left : max;
}

/* How far the run of `value` goes on from `off`, in whole pieces of scratch. */
static int follow_run(struct fp_agent *agent, struct fp_agent_task *task,
                      const struct fp_agent_source *source, uint64_t off,
                      uint64_t left, uint8_t value, uint32_t *run,
                      uint32_t *crc)
{
    uint8_t *scratch = agent->cfg->scratch;
    uint32_t max = (uint32_t)agent->cfg->scratch_size;

    max -= max % source->align;
    *run = 0;
    while (*run < left && *run < RUN_MAX) {
        uint32_t n = at_most(left - *run, max);
        int err = source->read(agent, task, off + *run, scratch, n);

        if (err)
            return err;
        if (!is_uniform(scratch, n, value))
            break;
        if (crc != NULL)
            *crc = fp_crc32(*crc, scratch, n);
        *run += n;
    }
    return FP_OK;
}

/* Payload of the next frame: what the line is best at, but a read's size at
 * least. */
static size_t frame_size(const struct fp_agent *agent,
                         const struct fp_agent_source *source)
{
    size_t size = fp_link_payload(&agent->link);
    size_t least = source->align + (size_t)FP_BULK_RAW_HEADER;

    return size < least ? fp_link_frame_max(&agent->link) : size;
}

int fp_agent_bulk_send(struct fp_agent *agent, struct fp_agent_task *task,
                       const struct fp_agent_source *source, uint64_t *off,
                       uint64_t *left, uint32_t *crc)
{
    size_t max = frame_size(agent, source);
    uint8_t *frame = fp_link_alloc(&agent->link, max);
    uint8_t *data = frame + FP_BULK_RAW_HEADER;
    uint32_t n, run = 0;
    int err;

    if (frame == NULL)
        return FP_AGENT_MORE;
    n = at_most(UINT32_MAX, (uint32_t)max - FP_BULK_RAW_HEADER);
    n -= n % source->align;
    n = at_most(*left, n);
    if (n == 0)
        return fp_agent_because(
            task, FP_ERR_NOTSUP,
            "a frame is smaller than a read of this medium");
    err = source->read(agent, task, *off, data, n);
    if (err)
        return err;
    if (crc != NULL)
        *crc = fp_crc32(*crc, data, n);
    if (n >= RUN_MIN && is_uniform(data, n, data[0])) {
        uint8_t value = data[0];

        err = follow_run(agent, task, source, *off + n, *left - n, value, &run,
                         crc);
        if (err)
            return err;
        n += run;
        fp_link_commit(&agent->link, FP_FRAME_BULK,
                       fp_bulk_put_fill(frame, task->stream, value, n));
    } else {
        fp_link_commit(&agent->link, FP_FRAME_BULK,
                       fp_bulk_put_raw(frame, task->stream, n));
    }
    *off += n;
    *left -= n;
    return FP_AGENT_MORE;
}

bool fp_agent_stream_in_use(struct fp_agent *agent, uint32_t stream)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 && agent->tasks[i].stream == stream)
            return true;
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].stream == stream)
            return true;
    return false;
}

int fp_agent_stream(struct fp_agent *agent, struct fp_agent_task *task,
                    uint32_t stream)
{
    if (stream < 1 || stream > 255)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "a stream is a number from 1 to 255");
    if (fp_agent_stream_in_use(agent, stream))
        return fp_agent_because(task, FP_ERR_INVAL, "the stream is in use");
    task->stream = (uint8_t)stream;
    return FP_OK;
}

/* Who takes what comes on a stream. */
static struct fp_agent_upload *upload_of(struct fp_agent *agent, uint8_t stream)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].stream == stream)
            return &agent->uploads[i];
    return NULL;
}

/* The bytes of a whole upload may come before its file is open. */
static bool is_opening(const struct fp_agent *agent, uint8_t stream)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 && agent->tasks[i].stream == stream &&
            agent->tasks[i].job == &fp_agent_job_put_open)
            return true;
    return false;
}

static struct fp_agent_task *blocks_of(struct fp_agent *agent, uint8_t stream)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 && agent->tasks[i].stream == stream &&
            agent->tasks[i].job == &fp_agent_job_chunk_write)
            return &agent->tasks[i];
    return NULL;
}

/* The next piece of the record, in *size bytes; a fill's lies in scratch. */
static const uint8_t *piece(struct fp_agent *agent, const struct fp_bulk *rec,
                            uint32_t *size)
{
    uint32_t left = rec->size - agent->bulk_done;

    *size = at_most(left, (uint32_t)agent->cfg->scratch_size);
    if (rec->type == FP_BULK_RAW)
        return rec->data + agent->bulk_done;
    memset(agent->cfg->scratch, rec->fill, *size);
    return agent->cfg->scratch;
}

bool fp_agent_bulk_take(struct fp_agent *agent, const uint8_t *payload,
                        size_t size, bool *wrote)
{
    struct fp_agent_upload *upload;
    struct fp_agent_task *task;
    struct fp_bulk rec;
    const uint8_t *data;
    uint32_t n;
    int got;

    if (fp_bulk_parse(&rec, payload, size) != 0) {
        agent->counts.refused++;
        return true;
    }
    if (is_opening(agent, rec.stream))
        return false;
    upload = upload_of(agent, rec.stream);
    task = upload == NULL ? blocks_of(agent, rec.stream) : NULL;
    if (upload == NULL && task == NULL) {
        agent->counts.stray_bulk++;
        return true;
    }
    data = piece(agent, &rec, &n);
    if (task != NULL && n > fp_agent_blocks_room(task))
        n = fp_agent_blocks_room(task);
    got = upload != NULL ? fp_agent_put_write(agent, upload, data, n)
                         : fp_agent_blocks_write(agent, task, data, n);
    if (got == FP_AGENT_WAIT)
        return false;
    *wrote = true;
    agent->bulk_done += n;
    return agent->bulk_done >= rec.size;
}
