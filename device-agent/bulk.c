/* SPDX-License-Identifier: MIT
 *
 * The bytes of streams, both ways.
 *
 * Out: content is read straight into the link's buffer, or, where the host
 * decodes LZ4, behind the bytes that went before and from there packed into the
 * link's buffer, if that makes it less. Where a whole frame would be one byte
 * repeated, the run is followed further and goes out as one fill record, so
 * that erased flash costs next to nothing on the line.
 *
 * In: a record goes to the upload or the ChunkWrite that its stream names. A
 * fill record may stand for 4 GiB and an LZ4 block for 255 times its size; they
 * are taken by scratch_size bytes a poll, agent->bulk_done or the decoder
 * counting, and the frame stays in front meanwhile.
 *
 * The windows of LZ4 are the session's, not the streams': what a new session
 * finds in them is nothing, and of each record the bytes enter them, wherever
 * they lead.
 */
#include "device-agent/private.h"

#include "core/digest/crc32.h"

#include <string.h>

#define ROOM_MIN 16
#define RUN_MIN  32      /* shorter ones are not worth a record of their own */
#define RUN_MAX  262144u /* bytes that one step follows a run */

static uint32_t at_most(fp_addr left, uint32_t max)
{
    return left < max ? (uint32_t)left : max;
}

static bool packs(const struct fp_agent *agent)
{
    return FP_AGENT_LZ4_OUT &&
           (agent->features & fp_Feature_FEATURE_LZ4_OUT) != 0;
}

static bool unpacks(const struct fp_agent *agent)
{
    return FP_AGENT_LZ4_IN &&
           (agent->features & fp_Feature_FEATURE_LZ4_IN) != 0;
}

uint32_t fp_agent_bulk_features(const struct fp_agent *agent)
{
    uint32_t features = 0;

    if (FP_AGENT_LZ4_IN && agent->cfg->lz4_in != NULL)
        features |= fp_Feature_FEATURE_LZ4_IN;
    if (FP_AGENT_LZ4_OUT && agent->cfg->lz4_out != NULL)
        features |= fp_Feature_FEATURE_LZ4_OUT;
    return features;
}

void fp_agent_bulk_begin(struct fp_agent *agent, uint32_t features)
{
    const struct fp_agent_config *cfg = agent->cfg;
    const struct fp_lz4_encoder_config pack = {
        .buf = cfg->lz4_out,
        .buf_size = (uint32_t)cfg->lz4_out_size,
        .window = FP_LZ4_WINDOW_MAX, /* a host has all of it */
        .table = cfg->lz4_table,
        .table_count = (uint32_t)cfg->lz4_table_count,
    };

    agent->features = features;
    agent->pack_size = 0;
    if (unpacks(agent))
        fp_lz4_decoder_init(
            fp_agent_unpack(agent), cfg->lz4_in,
            at_most((fp_addr)cfg->lz4_in_size, FP_LZ4_WINDOW_MAX));
    if (packs(agent))
        fp_lz4_encoder_init(fp_agent_pack(agent), &pack);
}

bool fp_agent_is_uniform(const uint8_t *buf, uint32_t size, uint8_t value)
{
    return buf[0] == value && memcmp(buf, buf + 1, size - 1) == 0;
}

/* Sizes of reads are a multiple of that, but the last. */
static uint32_t align_of(const struct fp_agent_task *task,
                         const struct fp_agent_source *source)
{
    return source->is_file ? 1 : task->storage->dev->read_size;
}

/* The bytes data[0..n) go out. */
static void count(struct fp_agent_task *task,
                  const struct fp_agent_source *source, const uint8_t *data,
                  uint32_t n)
{
    struct fp_agent_range *range = &task->u.range;

    if (source->is_file)
        task->u.read.crc = fp_crc32(task->u.read.crc, data, n);
    range->at += n;
    range->left -= n;
}

/* Follows the run of `value` from the range's start, in whole pieces of
 * scratch: how far it goes, or an error. */
static int follow_run(struct fp_agent *agent, struct fp_agent_task *task,
                      const struct fp_agent_source *source, uint8_t value)
{
    const struct fp_agent_range *range = &task->u.range;
    uint8_t *scratch = agent->scratch;
    uint32_t max = agent->scratch_size;
    uint32_t run = 0;

    max -= max % align_of(task, source);
    while (range->left > 0 && run < RUN_MAX) {
        uint32_t n = at_most(range->left, max);
        int err = source->read(task, range->at, scratch, n);

        if (err)
            return err;
        if (!fp_agent_is_uniform(scratch, n, value))
            break;
        count(task, source, scratch, n);
        run += n;
    }
    return (int)run;
}

/* Bytes that the next frame carries: what the line is best at, but a read's
 * size at least, and room for a fill; no more than are left. */
static uint32_t frame_room(const struct fp_agent *agent, uint32_t align,
                           fp_addr left)
{
    size_t size = fp_link_payload(&agent->link);

    if (size < align + (size_t)FP_BULK_RAW_HEADER)
        size = fp_link_frame_max(&agent->link);
    size -= FP_BULK_RAW_HEADER;
    return at_most(left > ROOM_MIN ? left : ROOM_MIN, (uint32_t)size);
}

/* Bytes to read for a frame that holds `room`. Packed, it holds more of them,
 * about as many as the last one did; what was read in vain is read again. */
static uint32_t ahead(const struct fp_agent *agent, uint32_t room)
{
    uint32_t max, n = agent->pack_size;

    if (!packs(agent))
        return room;
    max = fp_lz4_encoder_max(fp_agent_pack(agent));
    if (n < room)
        n = room;
    return n > max ? max : n;
}

/* The record of data[0..*n): as many of them as go into the frame. Returns the
 * size of its payload. */
static size_t put_record(struct fp_agent *agent, uint8_t stream,
                         const uint8_t *data, uint32_t *n, uint32_t align,
                         uint8_t *frame, uint32_t room)
{
    uint32_t size, taken;

    if (!packs(agent))
        return fp_bulk_put_raw(frame, stream, *n);
    size = fp_lz4_pack(fp_agent_pack(agent), *n, align,
                       frame + FP_BULK_RAW_HEADER, room, &taken);
    if (size == 0) {
        if (*n > room)
            *n = room - room % align;
        memcpy(frame + FP_BULK_RAW_HEADER, data, *n);
        agent->pack_size = room;
        fp_lz4_encoder_keep(fp_agent_pack(agent), *n);
        return fp_bulk_put_raw(frame, stream, *n);
    }
    *n = taken;
    agent->pack_size = taken * room / size;
    agent->pack_size += agent->pack_size / 8;
    fp_lz4_encoder_keep(fp_agent_pack(agent), taken);
    return fp_bulk_put_lz4(frame, stream, size);
}

int fp_agent_bulk_send(struct fp_agent *agent, struct fp_agent_task *task,
                       const struct fp_agent_source *source)
{
    struct fp_agent_range *range = &task->u.range;
    uint32_t align = align_of(task, source);
    uint32_t room = frame_room(agent, align, range->left);
    uint32_t n = ahead(agent, room);
    uint8_t *frame =
        fp_link_alloc(&agent->link, FP_BULK_RAW_HEADER + (size_t)room);
    uint8_t *data;
    size_t size;
    int got;

    task->bulk = true;
    if (frame == NULL)
        return FP_AGENT_WAIT;
    n = at_most(range->left, n - n % align);
    if (n == 0)
        return fp_agent_because(
            task, FP_ERR_NOTSUP,
            "a frame is smaller than a read of this medium");
    data = packs(agent) ? fp_lz4_encoder_room(fp_agent_pack(agent), n)
                        : frame + FP_BULK_RAW_HEADER;
    got = source->read(task, range->at, data, n);
    if (got)
        return got;
    if (n >= RUN_MIN && fp_agent_is_uniform(data, n, data[0])) {
        uint8_t value = data[0];

        count(task, source, data, n);
        got = follow_run(agent, task, source, value);
        if (got < 0)
            return got;
        size = fp_bulk_put_fill(frame, task->stream, value, n + (uint32_t)got);
    } else {
        size = put_record(agent, task->stream, data, &n, align, frame, room);
        count(task, source, data, n);
    }
    fp_link_commit(&agent->link, FP_FRAME_BULK, size);
    agent->queued += (uint32_t)size;
    task->bulk = range->left > 0;
    return FP_AGENT_MORE;
}

static struct fp_agent_task *task_of(struct fp_agent *agent, uint32_t stream)
{
    struct fp_agent_task *task = NULL;

    do
        task = fp_agent_task_next(agent, task);
    while (task != NULL && task->stream != stream);
    return task;
}

static struct fp_agent_upload *upload_of(struct fp_agent *agent,
                                         uint32_t stream)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].stream == stream)
            return &agent->uploads[i];
    return NULL;
}

int fp_agent_stream(struct fp_agent *agent, struct fp_agent_task *task,
                    uint32_t stream)
{
    if (stream < 1 || stream > 255)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "a stream is a number from 1 to 255");
    if (task_of(agent, stream) != NULL || upload_of(agent, stream) != NULL)
        return fp_agent_because(task, FP_ERR_INVAL, "the stream is in use");
    task->stream = (uint8_t)stream;
    return FP_OK;
}

/* The next bytes that the record stands for, and how many; a fill's lie in
 * scratch. 0: it is an LZ4 block that is none. */
static uint32_t piece(struct fp_agent *agent, const struct fp_bulk *rec,
                      const uint8_t **data)
{
    uint32_t max = agent->scratch_size;

    if (FP_AGENT_LZ4_IN && rec->type == FP_BULK_LZ4)
        return fp_lz4_decode(fp_agent_unpack(agent), rec->data, rec->size, max,
                             data);
    max = at_most(rec->size - agent->bulk_done, max);
    *data = agent->scratch;
    if (rec->type == FP_BULK_RAW)
        *data = rec->data + agent->bulk_done;
    else
        memset(agent->scratch, rec->fill, max);
    return max;
}

/* The first `n` of them were taken. True: all of the record was. */
static bool taken(struct fp_agent *agent, const struct fp_bulk *rec,
                  const uint8_t *data, uint32_t n)
{
    if (FP_AGENT_LZ4_IN && rec->type == FP_BULK_LZ4)
        return fp_lz4_decoder_take(fp_agent_unpack(agent), n);
    if (rec->type == FP_BULK_RAW && unpacks(agent))
        fp_lz4_decoder_feed(fp_agent_unpack(agent), data, n);
    agent->bulk_done += n;
    return agent->bulk_done >= rec->size;
}

/* What the host meant cannot be known any more. */
static void fail(struct fp_agent *agent, struct fp_agent_upload *upload,
                 struct fp_agent_task *task)
{
    FP_AGENT_COUNT(agent, refused, 1);
    if (upload != NULL && !upload->err)
        upload->err = FP_ERR_PROTO;
    if (task != NULL)
        fp_agent_task_fail(agent, task, FP_ERR_PROTO,
                           FP_AGENT_SAY("what came is no LZ4 block"));
}

/* FP_AGENT_WAIT: flash cannot be written now. What leads nowhere is only
 * decoded, for the window's sake. */
static int give(struct fp_agent *agent, struct fp_agent_upload *upload,
                struct fp_agent_task *task, const uint8_t *data, uint32_t *n)
{
    if (upload != NULL)
        return fp_agent_put_write(agent, upload, data, *n);
    if (task == NULL)
        return FP_AGENT_MORE;
    return fp_agent_blocks_write(agent, task, data, n);
}

/* The bytes of a whole upload may come before its file is open. */
static bool is_opening(struct fp_agent_task *task)
{
    if (task == NULL || !fp_agent_is_job(task, fp_Envelope_put_open_tag))
        return false;
    task->u.put.bytes_wait = true;
    return true;
}

bool fp_agent_bulk_take(struct fp_agent *agent, const uint8_t *payload,
                        size_t size)
{
    struct fp_agent_upload *upload;
    struct fp_agent_task *task;
    struct fp_bulk rec;
    const uint8_t *data;
    bool stray;
    uint32_t n;

    if (fp_bulk_parse(&rec, payload, size) != 0 ||
        (rec.type == FP_BULK_LZ4 && !unpacks(agent))) {
        FP_AGENT_COUNT(agent, refused, 1);
        return true;
    }
    task = task_of(agent, rec.stream);
    if (FP_AGENT_WHOLE_PUT && is_opening(task))
        return false;
    upload = upload_of(agent, rec.stream);
    if (upload != NULL || (task != NULL && !fp_agent_takes_blocks(task)))
        task = NULL;
    stray = upload == NULL && task == NULL;
    if (!stray || (unpacks(agent) && rec.type != FP_BULK_FILL)) {
        n = piece(agent, &rec, &data);
        if (n == 0) {
            fail(agent, upload, task);
            return true;
        }
        if (give(agent, upload, task, data, &n) == FP_AGENT_WAIT)
            return false;
        agent->wrote = true;
        if (!taken(agent, &rec, data, n))
            return false;
    }
    FP_AGENT_COUNT(agent, stray_bulk, stray);
    return true;
}
