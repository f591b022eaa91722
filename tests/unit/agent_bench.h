/* SPDX-License-Identifier: MIT
 *
 * The real agent on the real littlefs on memory as flash, and a host at the
 * other end of the real link, in one process and on a clock that the test
 * moves.
 */
#ifndef FP_TESTS_UNIT_AGENT_BENCH_H
#define FP_TESTS_UNIT_AGENT_BENCH_H

#include "core/bdev/fault.h"
#include "core/bdev/ram.h"
#include "core/bdev/trace.h"
#include "core/digest/crc32.h"
#include "core/fs/littlefs/littlefs.h"
#include "device-agent/agent.h"
#include "proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK_SIZE  4096
#define BLOCK_COUNT 64
#define FLASH_SIZE  (BLOCK_SIZE * BLOCK_COUNT)
#define FRAME       1024
#define BUFFER      (8 * (FRAME + 64))
#define REPLIES_MAX 200
#define BULK_MAX    (2 * FLASH_SIZE)

struct pipe_end {
    uint8_t bytes[65536];
    size_t size;
    bool cut; /* what is sent is lost */
};

struct bench {
    uint8_t flash[FLASH_SIZE];
    struct fp_bdev_ram ram;
    uint8_t fault_block[BLOCK_SIZE];
    struct fp_bdev_fault fault;
    struct fp_bdev_trace trace;
    struct fp_bdev_stats stats;
    struct fp_bdev_gen gen;
    uint8_t maps[64];
    const struct fp_fs_ops *drivers[2];
    struct fp_vfs vfs;
    struct fp_agent_region regions[1];
    struct fp_agent_storage storages[1];
    struct fp_agent_volume volumes[1];
    struct fp_agent_config cfg;
    struct fp_agent agent;
    uint8_t ws[65536];
    uint8_t scratch[1024], block_buf[BLOCK_SIZE];
    uint8_t tx[BUFFER], rx[BUFFER], host_tx[BUFFER], host_rx[BUFFER];
    uint8_t lz4_in[2048], lz4_out[4096];
    uint16_t lz4_table[512];
    uint32_t features;            /* agreed upon by bench_hello() */
    struct fp_lz4_decoder unpack; /* the host's, if so */
    uint8_t ring[FP_LZ4_WINDOW_MAX];
    uint32_t lz4_records;
    size_t bulk_payload; /* bytes of all BULK payloads */
    struct fp_link host;
    struct pipe_end to_agent, to_host;
    uint32_t now_ms, nonce, next_id;
    uint32_t extra_flags; /* of the flash */
    size_t tx_size;       /* the agent's; 0: all there is */
    size_t line_bytes;    /* that the agent's line takes a turn; 0: any */
    size_t line_taken;
    uint32_t rash_writes; /* while bytes might have been on their way */
    bool is_up;
    bool refuses; /* the firmware keeps its storage */
    unsigned reboots;
    uint64_t hashed; /* calls */
    /* what came in for the request under way */
    fp_Envelope replies[REPLIES_MAX];
    size_t bulk_before[REPLIES_MAX]; /* bulk_payload when each came */
    uint32_t reply_count, event_count;
    fp_Event last_event, last_media;
    uint32_t media_count; /* of media in and out */
    uint8_t bulk[BULK_MAX];
    size_t bulk_size;
    uint32_t fill_records;
    uint8_t bulk_stream;
    fp_Envelope req;
};

static inline size_t push(struct pipe_end *pipe, const uint8_t *buf,
                          size_t size)
{
    if (pipe->cut)
        return size;
    if (size > sizeof pipe->bytes - pipe->size)
        size = sizeof pipe->bytes - pipe->size;
    memcpy(pipe->bytes + pipe->size, buf, size);
    pipe->size += size;
    return size;
}

static inline size_t bench_agent_send(void *ctx, const uint8_t *buf,
                                      size_t size)
{
    struct bench *b = ctx;

    if (b->line_bytes != 0 && size > b->line_bytes - b->line_taken)
        size = b->line_bytes - b->line_taken;
    b->line_taken += size;
    return push(&b->to_host, buf, size);
}

static inline size_t bench_host_send(void *ctx, const uint8_t *buf, size_t size)
{
    return push(&((struct bench *)ctx)->to_agent, buf, size);
}

static inline uint32_t bench_clock(void *ctx)
{
    return ((struct bench *)ctx)->now_ms;
}

static inline uint64_t bench_clock_us(void *ctx)
{
    return (uint64_t)((struct bench *)ctx)->now_ms * 1000;
}

/* Hashing takes a millisecond a call here. */
static inline void bench_hashed(void *ctx, uint32_t size)
{
    struct bench *b = ctx;

    (void)size;
    b->now_ms++;
    b->hashed++;
}

static inline bool bench_exclusive(void *ctx, const char *storage, bool begin)
{
    (void)storage;
    (void)begin;
    return !((struct bench *)ctx)->refuses;
}

static inline void bench_reboot(void *ctx)
{
    ((struct bench *)ctx)->reboots++;
}

static inline void bench_watch(void *ctx, const struct fp_bdev_event *event)
{
    struct bench *b = ctx;

    if ((event->op == FP_BDEV_PROG || event->op == FP_BDEV_ERASE) && b->is_up &&
        !fp_link_may_stall(&b->agent.link))
        b->rash_writes++;
}

/* The stack and the agent start, as a device does with the flash it has. */
static inline void bench_start(struct bench *b)
{
    static const uint8_t epoch[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct fp_bdev_gen_config gen = {
        .clock_ms = bench_clock,
        .clock_ctx = b,
        .maps = b->maps,
        .maps_size = sizeof b->maps,
    };

    fp_bdev_ram_init(&b->ram, 16, BLOCK_SIZE, BLOCK_COUNT, b->flash);
    b->ram.bdev.flags |= b->extra_flags;
    fp_bdev_fault_init(&b->fault, &b->ram.bdev, b->fault_block, 1);
    fp_bdev_trace_init(&b->trace, &b->fault.bdev, bench_watch, b);
    fp_bdev_stats_init(&b->stats, &b->trace.bdev, NULL);
    memcpy(gen.epoch, epoch, sizeof epoch);
    assert_int_equal(fp_bdev_gen_init(&b->gen, &b->stats.bdev, &gen), 0);
    b->drivers[0] = &fp_fs_littlefs;
    b->drivers[1] = NULL;
    fp_vfs_init(&b->vfs, b->drivers);
    b->regions[0] = (struct fp_agent_region){ .name = "tail",
                                              .off = FLASH_SIZE / 2,
                                              .size = FLASH_SIZE / 2 };
    b->storages[0] = (struct fp_agent_storage){ .name = "flash0",
                                                .dev = &b->gen.bdev,
                                                .gen = &b->gen,
                                                .stats = &b->stats,
                                                .regions = b->regions,
                                                .region_count = 1 };
    b->volumes[0] = (struct fp_agent_volume){ .path = "/flash",
                                              .storage = "flash0",
                                              .cfg = { .max_files = 10 },
                                              .ws = b->ws,
                                              .ws_size = sizeof b->ws };
    b->cfg = (struct fp_agent_config){
        .id = "bench-1",
        .model = "test",
        .firmware = "1.0",
        .epoch = epoch,
        .vfs = &b->vfs,
        .storages = b->storages,
        .storage_count = 1,
        .volumes = b->volumes,
        .volume_count = 1,
        .send = bench_agent_send,
        .frame_max = FRAME,
        .tx_buf = b->tx,
        .tx_size = b->tx_size != 0 ? b->tx_size : sizeof b->tx,
        .rx_buf = b->rx,
        .rx_size = sizeof b->rx,
        .scratch = b->scratch,
        .scratch_size = sizeof b->scratch,
        .lz4_in = b->lz4_in,
        .lz4_in_size = sizeof b->lz4_in,
        .lz4_out = b->lz4_out,
        .lz4_out_size = sizeof b->lz4_out,
        .lz4_table = b->lz4_table,
        .lz4_table_count = 512,
        .block_buf = b->block_buf,
        .block_buf_size = sizeof b->block_buf,
        .clock_us = bench_clock_us,
        .hashed = bench_hashed,
        .exclusive = bench_exclusive,
        .reboot = bench_reboot,
        .ctx = b,
    };
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, b->now_ms), FP_OK);
}

static inline void bench_take_lz4(struct bench *b, const struct fp_bulk *rec)
{
    const uint8_t *data;
    uint32_t n;

    assert_true(b->features & fp_Feature_FEATURE_LZ4_OUT);
    do {
        n = fp_lz4_decode(&b->unpack, rec->data, rec->size, 500, &data);
        assert_int_not_equal(n, 0);
        assert_true(n <= BULK_MAX - b->bulk_size);
        memcpy(b->bulk + b->bulk_size, data, n);
        b->bulk_size += n;
    } while (!fp_lz4_decoder_take(&b->unpack, n));
    b->lz4_records++;
    b->bulk_stream = rec->stream;
}

static inline void bench_take_frame(struct bench *b,
                                    const struct fp_link_frame *frame)
{
    struct fp_bulk rec;

    if (frame->kind == FP_FRAME_MSG) {
        fp_Envelope *env;

        assert_true(b->reply_count < REPLIES_MAX);
        env = &b->replies[b->reply_count];
        assert_int_equal(fp_message_decode(env, frame->payload, frame->size),
                         0);
        if (env->which_body == fp_Envelope_event_tag) {
            b->event_count++;
            b->last_event = env->body.event;
            if (env->body.event.kind == fp_EventKind_EVENT_MEDIA_IN ||
                env->body.event.kind == fp_EventKind_EVENT_MEDIA_OUT) {
                b->last_media = env->body.event;
                b->media_count++;
            }
        } else {
            b->bulk_before[b->reply_count++] = b->bulk_payload;
        }
        return;
    }
    assert_int_equal(fp_bulk_parse(&rec, frame->payload, frame->size), 0);
    b->bulk_payload += frame->size;
    if (rec.type == FP_BULK_LZ4) {
        bench_take_lz4(b, &rec);
        return;
    }
    if (rec.type == FP_BULK_RAW && b->features != 0)
        fp_lz4_decoder_feed(&b->unpack, rec.data, rec.size);
    assert_true(rec.size <= BULK_MAX - b->bulk_size);
    if (rec.type == FP_BULK_RAW)
        memcpy(b->bulk + b->bulk_size, rec.data, rec.size);
    else
        memset(b->bulk + b->bulk_size, rec.fill, rec.size);
    b->fill_records += rec.type == FP_BULK_FILL;
    b->bulk_size += rec.size;
    b->bulk_stream = rec.stream;
}

/* One turn of everything. */
static inline void bench_turn(struct bench *b)
{
    struct fp_link_frame frame;
    struct pipe_end *pipe = &b->to_agent;

    b->line_taken = 0;
    fp_link_poll(&b->host, b->now_ms);
    fp_agent_input(&b->agent, pipe->bytes, pipe->size, b->now_ms);
    pipe->size = 0;
    if (fp_agent_poll(&b->agent, b->now_ms) > 0)
        b->now_ms++;
    pipe = &b->to_host;
    fp_link_input(&b->host, pipe->bytes, pipe->size, b->now_ms);
    pipe->size = 0;
    while (fp_link_peek(&b->host, &frame)) {
        bench_take_frame(b, &frame);
        fp_link_take(&b->host);
    }
}

static inline void bench_connect(struct bench *b)
{
    struct fp_link_config cfg = {
        .crc32 = fp_crc32,
        .send = bench_host_send,
        .ctx = b,
        .host = true,
        .frame_max = FRAME,
        .tx_buf = b->host_tx,
        .tx_size = sizeof b->host_tx,
        .rx_buf = b->host_rx,
        .rx_size = sizeof b->host_rx,
    };
    uint8_t nonce[8] = { 0 };

    b->to_agent.size = b->to_host.size = 0;
    b->to_agent.cut = b->to_host.cut = false;
    memcpy(nonce, &(uint32_t){ ++b->nonce }, 4);
    fp_link_init(&b->host, &cfg, b->now_ms);
    fp_link_start(&b->host, nonce, b->now_ms);
    for (int i = 0; i < 5000 && fp_link_state(&b->host) != FP_LINK_UP; i++)
        bench_turn(b);
    assert_int_equal(fp_link_state(&b->host), FP_LINK_UP);
    b->is_up = true;
}

static inline struct bench *bench_new(bool formatted)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    b->now_ms = 0xfffff000u; /* the clock wraps in every test */
    memset(b->flash, 0xff, sizeof b->flash);
    bench_start(b);
    if (formatted)
        assert_int_equal(fp_agent_format(&b->agent, &b->volumes[0], NULL), 0);
    bench_connect(b);
    return b;
}

static inline void bench_free(struct bench *b)
{
    fp_agent_deinit(&b->agent);
    free(b);
}

/* The next request, to be filled in. */
static inline fp_Envelope *ask(struct bench *b, pb_size_t tag)
{
    memset(&b->req, 0, sizeof b->req);
    b->req.id = ++b->next_id;
    b->req.which_body = tag;
    return &b->req;
}

static inline void bench_send_bytes(struct bench *b, enum fp_frame_kind kind,
                                    const uint8_t *buf, size_t size)
{
    uint8_t *room = NULL;

    for (int i = 0; i < 20000 && room == NULL; i++) {
        room = fp_link_alloc(&b->host, size);
        if (room == NULL)
            bench_turn(b);
    }
    assert_non_null(room);
    memcpy(room, buf, size);
    fp_link_commit(&b->host, kind, size);
}

static inline void bench_send(struct bench *b)
{
    uint8_t buf[FRAME];
    int size = fp_message_encode(&b->req, buf, sizeof buf);

    assert_true(size > 0);
    bench_send_bytes(b, FP_FRAME_MSG, buf, (size_t)size);
}

static inline bool bench_is_last(const fp_Envelope *env)
{
    switch (env->which_body) {
    case fp_Envelope_read_reply_tag:
        return false;
    case fp_Envelope_volume_reply_tag:
        return env->body.volume_reply.last;
    case fp_Envelope_storage_reply_tag:
        return env->body.storage_reply.last;
    case fp_Envelope_list_reply_tag:
        return env->body.list_reply.last;
    case fp_Envelope_chunk_digest_reply_tag:
        return env->body.chunk_digest_reply.last;
    case fp_Envelope_chunk_changed_reply_tag:
        return env->body.chunk_changed_reply.last;
    default:
        return true;
    }
}

static inline void bench_forget(struct bench *b)
{
    b->reply_count = b->event_count = b->fill_records = 0;
    b->bulk_size = 0;
}

/* Sends the request and waits for its last answer, which is returned. */
static inline const fp_Envelope *answer(struct bench *b)
{
    const fp_Envelope *last = NULL;
    uint32_t seen = 0;

    bench_forget(b);
    bench_send(b);
    for (int i = 0; i < 50000 && last == NULL; i++) {
        bench_turn(b);
        for (; seen < b->reply_count; seen++)
            if (b->replies[seen].id == b->req.id &&
                bench_is_last(&b->replies[seen]))
                last = &b->replies[seen];
    }
    assert_non_null(last);
    return last;
}

static inline int error_of(const fp_Envelope *env)
{
    return env->which_body == fp_Envelope_failure_tag
               ? -(int)env->body.failure.error
               : 0;
}

#define SET(field, text) \
    assert_true(FP_MESSAGE_SET(field, (text), strlen(text)))

/* ---- the common ones ---- */

static inline const fp_HelloReply *bench_hello(struct bench *b,
                                               uint32_t features)
{
    fp_Envelope *env = ask(b, fp_Envelope_hello_tag);
    const fp_HelloReply *hello;

    env->body.hello.version_min = env->body.hello.version_max = 1;
    env->body.hello.features = features;
    hello = &answer(b)->body.hello_reply;
    assert_int_equal(b->replies[0].which_body, fp_Envelope_hello_reply_tag);
    b->features = hello->features;
    fp_lz4_decoder_init(&b->unpack, b->ring, sizeof b->ring);
    return hello;
}

static inline int mkdir_at(struct bench *b, const char *path, const char *op_id)
{
    fp_Envelope *env = ask(b, fp_Envelope_mkdir_tag);

    SET(env->body.mkdir.path, path);
    SET(env->body.mkdir.op_id, op_id);
    return error_of(answer(b));
}

static inline int put_open(struct bench *b, const char *path, char id,
                           uint64_t size, fp_PutMode mode, uint64_t *off)
{
    fp_Envelope *env = ask(b, fp_Envelope_put_open_tag);
    const fp_Envelope *reply;
    uint8_t upload_id[16];

    memset(upload_id, id, sizeof upload_id);
    assert_true(FP_MESSAGE_SET(env->body.put_open.upload_id, upload_id, 16));
    SET(env->body.put_open.path, path);
    env->body.put_open.size = size;
    env->body.put_open.mode = mode;
    env->body.put_open.stream = (uint32_t)(uint8_t)id;
    reply = answer(b);
    if (error_of(reply) == 0) {
        assert_int_equal(reply->which_body, fp_Envelope_put_open_reply_tag);
        *off = reply->body.put_open_reply.off;
    }
    return error_of(reply);
}

static inline void put_bytes(struct bench *b, char id, const uint8_t *buf,
                             size_t size)
{
    uint8_t frame[FRAME];

    while (size > 0) {
        size_t n = size < 700 ? size : 700;

        memcpy(frame + FP_BULK_RAW_HEADER, buf, n);
        bench_send_bytes(b, FP_FRAME_BULK, frame,
                         fp_bulk_put_raw(frame, (uint8_t)id, n));
        buf += n;
        size -= n;
    }
}

static inline fp_PutCommitRequest *ask_commit(struct bench *b, char id,
                                              const uint8_t *buf, size_t size)
{
    fp_PutCommitRequest *commit =
        &ask(b, fp_Envelope_put_commit_tag)->body.put_commit;
    struct fp_sha256 sha;

    fp_sha256_init(&sha);
    fp_sha256_update(&sha, buf, size);
    fp_sha256_final(&sha, commit->sha256.bytes);
    commit->sha256.size = 32;
    memset(commit->upload_id.bytes, id, 16);
    commit->upload_id.size = 16;
    return commit;
}

static inline int put(struct bench *b, const char *path, char id,
                      const uint8_t *buf, size_t size)
{
    uint64_t off = 0;
    int err = put_open(b, path, id, size, fp_PutMode_PUT_STAGED, &off);

    if (err)
        return err;
    assert_int_equal(off, 0);
    put_bytes(b, id, buf, size);
    (void)ask_commit(b, id, buf, size);
    return error_of(answer(b));
}

/* The content in b->bulk, b->bulk_size. */
static inline int get(struct bench *b, const char *path)
{
    fp_Envelope *env = ask(b, fp_Envelope_read_tag);
    const fp_Envelope *end;

    SET(env->body.read.path, path);
    env->body.read.stream = 200;
    end = answer(b);
    if (error_of(end))
        return error_of(end);
    assert_int_equal(end->which_body, fp_Envelope_read_end_tag);
    assert_int_equal(end->body.read_end.len, b->bulk_size);
    assert_int_equal(end->body.read_end.crc32,
                     ~fp_crc32(0xffffffff, b->bulk, b->bulk_size));
    assert_int_equal(b->replies[0].which_body, fp_Envelope_read_reply_tag);
    assert_int_equal(b->replies[0].body.read_reply.len, b->bulk_size);
    return 0;
}

static inline void assert_content(struct bench *b, const char *path,
                                  const uint8_t *buf, size_t size)
{
    assert_int_equal(get(b, path), 0);
    assert_int_equal(b->bulk_size, size);
    assert_memory_equal(b->bulk, buf, size);
}

static inline void nonce_of(struct bench *b, uint8_t nonce[8])
{
    const fp_Envelope *reply;

    (void)ask(b, fp_Envelope_nonce_tag);
    reply = answer(b);
    assert_int_equal(reply->which_body, fp_Envelope_nonce_reply_tag);
    assert_int_equal(reply->body.nonce_reply.nonce.size, 8);
    memcpy(nonce, reply->body.nonce_reply.nonce.bytes, 8);
}

static inline void fill_random(uint8_t *buf, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        buf[i] = (uint8_t)(seed >> 56);
    }
}

#endif
