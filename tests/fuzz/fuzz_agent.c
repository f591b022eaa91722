/* SPDX-License-Identifier: MIT
 *
 * A hostile host in front of the whole agent: link, messages, tasks, littlefs.
 *
 * Input: bytes, eaten from the front. One chooses what comes next:
 *   & 7   0..3  a request that an honest host could have sent, of the kind that
 *               the next byte says; & 8: some bytes of its struct are others
 *         4     a BULK record: raw or a fill, on one of few streams
 *         5     a MSG or BULK frame of any bytes
 *         6     raw bytes on the wire
 *         7     a new handshake and Hello; & 8: no Hello; & 16: the flash, a
 *               card, is pulled or put in
 *   >> 5  turns of the loop afterwards
 * The host remembers the nonce it was given last, so that Format and restores
 * are reached too.
 *
 * Every input begins on the same flash, which holds a formatted volume, of which
 * one path is protected; the last blocks are read-only, those before hidden.
 * They must be as they were when the input is used up.
 */
#include "core/bdev/gen.h"
#include "core/bdev/ram.h"
#include "core/digest/crc32.h"
#include "core/host/drivers.h"
#include "device-agent/agent.h"
#include "proto/message.h"
#include "tests/fuzz/choice.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE  512
#define BLOCK_COUNT 64
#define FRAME       1024
#define BUFFER      (4 * (FRAME + 64))

static uint8_t flash[BLOCK_SIZE * BLOCK_COUNT], formatted[sizeof flash];
static uint8_t maps[64], block_buf[BLOCK_SIZE], scratch[1024];
static uint8_t lz4_in[1024], lz4_out[2 * FRAME];
static uint16_t lz4_table[256];
static uint64_t ws[4096];
static uint8_t tx[BUFFER], rx[BUFFER], host_tx[BUFFER], host_rx[BUFFER];
static uint8_t to_agent[65536], to_host[65536];
static size_t to_agent_size, to_host_size;
static uint32_t now_ms, nonce_count;
static struct fp_bdev_ram ram;
static struct fp_bdev_gen gen;
static struct fp_vfs vfs;
static struct fp_agent agent;
static struct fp_link host;
static bool is_formatted;
static struct choice input;
static fp_Envelope request, reply;
static uint8_t nonce[8];

static const uint8_t epoch[8] = { 1 };

static size_t push(uint8_t *to, size_t *at, const uint8_t *buf, size_t size)
{
    if (size > sizeof to_agent - *at)
        size = sizeof to_agent - *at;
    memcpy(to + *at, buf, size);
    *at += size;
    return size;
}

static size_t agent_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    return push(to_host, &to_host_size, buf, size);
}

static size_t host_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    return push(to_agent, &to_agent_size, buf, size);
}

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return now_ms;
}

#define GUARDED (sizeof flash - 8 * BLOCK_SIZE)

static const struct fp_agent_region regions[] = {
    { "keys", GUARDED, 4 * BLOCK_SIZE, FP_AGENT_REGION_HIDDEN },
    { "boot", GUARDED + 4 * BLOCK_SIZE, 4 * BLOCK_SIZE,
      FP_AGENT_REGION_RDONLY },
    { "fs", 0, GUARDED, 0 },
};
static struct fp_agent_storage storages[] = {
    { .name = "flash0",
      .dev = &gen.bdev,
      .gen = &gen,
      .regions = regions,
      .region_count = 3 },
};
static const char *const protected[] = { "/flash/keep" };
static struct fp_agent_volume volumes[1];
static uint32_t card; /* odd: it is in */

static uint32_t medium(void *ctx, const char *storage)
{
    (void)ctx;
    (void)storage;
    return card % 2 ? card : 0;
}

static struct fp_agent_config cfg = {
    .id = "fuzz",
    .model = "fuzz",
    .firmware = "1",
    .epoch = epoch,
    .vfs = &vfs,
    .storages = storages,
    .storage_count = 1,
    .volumes = volumes,
    .volume_count = 1,
    .protected_paths = protected,
    .send = agent_send,
    .frame_max = FRAME,
    .tx_buf = tx,
    .tx_size = sizeof tx,
    .rx_buf = rx,
    .rx_size = sizeof rx,
    .lz4_in = lz4_in,
    .lz4_in_size = sizeof lz4_in,
    .lz4_out = lz4_out,
    .lz4_out_size = sizeof lz4_out,
    .lz4_table = lz4_table,
    .lz4_table_count = 256,
    .scratch = scratch,
    .scratch_size = sizeof scratch,
    .block_buf = block_buf,
    .block_buf_size = sizeof block_buf,
    .medium = medium,
};

static void turn(void)
{
    struct fp_link_frame frame;

    now_ms++;
    fp_link_poll(&host, now_ms);
    fp_agent_input(&agent, to_agent, to_agent_size, now_ms);
    to_agent_size = 0;
    fp_agent_poll(&agent, now_ms);
    fp_link_input(&host, to_host, to_host_size, now_ms);
    to_host_size = 0;
    while (fp_link_peek(&host, &frame)) {
        if (frame.kind == FP_FRAME_MSG &&
            fp_message_decode(&reply, frame.payload, frame.size) == 0 &&
            reply.which_body == fp_Envelope_nonce_reply_tag)
            memcpy(nonce, reply.body.nonce_reply.nonce.bytes, sizeof nonce);
        fp_link_take(&host);
    }
}

static void connect_host(void)
{
    const struct fp_link_config link = {
        .crc32 = fp_crc32,
        .send = host_send,
        .host = true,
        .frame_max = FRAME,
        .tx_buf = host_tx,
        .tx_size = sizeof host_tx,
        .rx_buf = host_rx,
        .rx_size = sizeof host_rx,
    };
    uint8_t start[8] = { 0 };

    nonce_count++;
    memcpy(start, &nonce_count, sizeof nonce_count);
    fp_link_init(&host, &link, now_ms);
    fp_link_start(&host, start, now_ms);
    for (int i = 0; i < 50 && fp_link_state(&host) != FP_LINK_UP; i++)
        turn();
}

/* ---- requests ---- */

static void send_frame(enum fp_frame_kind kind, const uint8_t *data,
                       size_t size)
{
    uint8_t *room = fp_link_alloc(&host, size);

    if (room == NULL)
        return;
    memcpy(room, data, size);
    fp_link_commit(&host, kind, size);
}

#define SET(field, text)                             \
    do {                                             \
        const char *said = (text); /* chosen once */ \
                                                     \
        FP_MESSAGE_SET(field, said, strlen(said));   \
    } while (0)

/* Paths that are there, are not, are protected, or are none. */
static const char *path(void)
{
    static const char *const paths[] = {
        "/flash/a",    "/flash/dir",   "/flash/dir/b",
        "/flash/keep", "/flash/KEEP.", "/flash",
        "/",           "/flash/../x",  "/flash/keep/x"
    };

    return paths[choose(&input) % (sizeof paths / sizeof paths[0])];
}

static void set_put_open(fp_PutOpenRequest *r)
{
    r->upload_id.size = 16;
    r->upload_id.bytes[0] = choose(&input) & 3;
    SET(r->path, path());
    r->size = choose16(&input) % 5000u;
    r->mode = (fp_PutMode)(choose(&input) % 3);
    r->stream = 1 + choose(&input) % 4u;
}

static void set_commit(fp_PutCommitRequest *r)
{
    static uint8_t zeros[5000];
    size_t size = choose16(&input) % sizeof zeros;
    struct fp_sha256 sha;

    fp_sha256_init(&sha);
    fp_sha256_update(&sha, zeros, size);
    fp_sha256_final(&sha, r->sha256.bytes);
    r->sha256.size = 32;
    r->upload_id.size = 16;
    r->upload_id.bytes[0] = choose(&input) & 3;
    r->op_id.size = 8;
    r->op_id.bytes[0] = choose(&input);
    r->if_absent = choose(&input) % 4 == 1;
}

static void set_chunks(fp_Envelope *env)
{
    uint32_t first = choose(&input) % 12u, count = 1 + choose(&input) % 8u;
    uint32_t stream = 1 + choose(&input) % 4u;

    switch (env->which_body) {
    case fp_Envelope_chunk_digest_tag:
        SET(env->body.chunk_digest.storage, "flash0");
        env->body.chunk_digest.first = first;
        env->body.chunk_digest.count = count;
        env->body.chunk_digest.level = first == 0 && count == 1;
        break;
    case fp_Envelope_chunk_read_tag:
        SET(env->body.chunk_read.storage, "flash0");
        env->body.chunk_read.first = first;
        env->body.chunk_read.count = count;
        env->body.chunk_read.stream = stream;
        break;
    default:
        SET(env->body.chunk_write.storage, "flash0");
        FP_MESSAGE_SET(env->body.chunk_write.nonce, nonce, 8);
        env->body.chunk_write.first = first;
        env->body.chunk_write.count = count;
        env->body.chunk_write.stream = stream;
        break;
    }
}

/* What an honest host would say in a request of this kind. */
static void fill_in(fp_Envelope *env)
{
    switch (env->which_body) {
    case fp_Envelope_hello_tag:
        env->body.hello.version_min = env->body.hello.version_max = 1;
        env->body.hello.nonce.size = 8;
        env->body.hello.features = UINT32_MAX;
        break;
    case fp_Envelope_stat_tag:
        SET(env->body.stat.path, path());
        break;
    case fp_Envelope_list_tag:
        SET(env->body.list.path, path());
        env->body.list.limit = choose(&input) & 3;
        break;
    case fp_Envelope_read_tag:
        SET(env->body.read.path, path());
        env->body.read.stream = 1 + choose(&input) % 4u;
        break;
    case fp_Envelope_digest_tag:
        SET(env->body.digest.path, path());
        break;
    case fp_Envelope_put_open_tag:
        set_put_open(&env->body.put_open);
        break;
    case fp_Envelope_put_commit_tag:
        set_commit(&env->body.put_commit);
        break;
    case fp_Envelope_put_abort_tag:
        env->body.put_abort.upload_id.size = 16;
        env->body.put_abort.upload_id.bytes[0] = choose(&input) & 3;
        break;
    case fp_Envelope_mkdir_tag:
        SET(env->body.mkdir.path, path());
        break;
    case fp_Envelope_remove_tag:
        SET(env->body.remove.path, path());
        break;
    case fp_Envelope_rename_tag:
        SET(env->body.rename.from, path());
        SET(env->body.rename.to, path());
        break;
    case fp_Envelope_truncate_tag:
        SET(env->body.truncate.path, path());
        env->body.truncate.size = choose16(&input);
        break;
    case fp_Envelope_attr_get_tag:
        SET(env->body.attr_get.path, path());
        break;
    case fp_Envelope_attr_set_tag:
        SET(env->body.attr_set.path, path());
        SET(env->body.attr_set.value, "value");
        break;
    case fp_Envelope_mount_tag:
        SET(env->body.mount.volume, "/flash");
        break;
    case fp_Envelope_unmount_tag:
        SET(env->body.unmount.volume, "/flash");
        break;
    case fp_Envelope_format_tag:
        SET(env->body.format.volume, "/flash");
        FP_MESSAGE_SET(env->body.format.nonce, nonce, 8);
        break;
    case fp_Envelope_check_tag:
        SET(env->body.check.volume, "/flash");
        env->body.check.repair = choose(&input) & 1;
        break;
    case fp_Envelope_chunk_digest_tag:
    case fp_Envelope_chunk_read_tag:
    case fp_Envelope_chunk_write_tag:
        set_chunks(env);
        break;
    case fp_Envelope_chunk_changed_tag:
        SET(env->body.chunk_changed.storage, "flash0");
        env->body.chunk_changed.since = choose(&input);
        break;
    case fp_Envelope_freeze_tag:
        SET(env->body.freeze.storage, "flash0");
        env->body.freeze.ms = choose(&input);
        break;
    case fp_Envelope_thaw_tag:
        SET(env->body.thaw.storage, "flash0");
        break;
    case fp_Envelope_restore_begin_tag:
        SET(env->body.restore_begin.storage, "flash0");
        FP_MESSAGE_SET(env->body.restore_begin.nonce, nonce, 8);
        break;
    case fp_Envelope_restore_end_tag:
        SET(env->body.restore_end.storage, "flash0");
        break;
    default:
        break;
    }
}

static void send_request(pb_size_t tag, bool spoilt)
{
    static uint32_t id;
    uint8_t buf[FRAME];
    int size;

    memset(&request, 0, sizeof request);
    request.id = ++id;
    request.which_body = tag;
    fill_in(&request);
    if (spoilt)
        spoil(&input, &request);
    size = fp_message_encode(&request, buf, sizeof buf);
    if (size > 0)
        send_frame(FP_FRAME_MSG, buf, (size_t)size);
}

/* An LZ4 block of any bytes. */
static void send_block(uint8_t stream)
{
    uint8_t buf[FP_BULK_RAW_HEADER + 64];
    size_t size = choose(&input) % 64u;

    for (size_t i = 0; i < size; i++)
        buf[FP_BULK_RAW_HEADER + i] = choose(&input);
    send_frame(FP_FRAME_BULK, buf, fp_bulk_put_lz4(buf, stream, size));
}

static void send_record(void)
{
    static uint8_t buf[FP_BULK_RAW_HEADER + 900];
    uint8_t stream = 1 + choose(&input) % 4u;
    size_t size = choose16(&input) % 900u;
    uint32_t fill = (uint32_t)choose_number(&input);

    if (size % 3 == 0)
        send_frame(FP_FRAME_BULK, buf, fp_bulk_put_raw(buf, stream, size));
    else if (size % 3 == 1)
        send_block(stream);
    else
        send_frame(FP_FRAME_BULK, buf, fp_bulk_put_fill(buf, stream, 0, fill));
}

static void send_any(bool framed, bool bulk)
{
    uint8_t buf[256];
    size_t size = choose(&input);

    for (size_t i = 0; i < size; i++)
        buf[i] = choose(&input);
    if (framed)
        send_frame(bulk ? FP_FRAME_BULK : FP_FRAME_MSG, buf, size);
    else
        push(to_agent, &to_agent_size, buf, size);
}

/* ---- one input ---- */

static void start(void)
{
    const struct fp_bdev_gen_config config = { .clock_ms = clock_ms,
                                               .maps = maps,
                                               .maps_size = sizeof maps };

    memcpy(flash, formatted, sizeof flash);
    fp_bdev_ram_init(&ram, 16, BLOCK_SIZE, BLOCK_COUNT, flash);
    ram.bdev.flags |= FP_BDEV_REMOVABLE;
    card = 1;
    if (fp_bdev_gen_init(&gen, &ram.bdev, &config) != FP_OK)
        abort();
    fp_vfs_init(&vfs, fp_host_drivers);
    volumes[0] = (struct fp_agent_volume){ .path = "/flash",
                                           .storage = "flash0",
                                           .region = "fs",
                                           .cfg = { .max_files = 10 },
                                           .ws = ws,
                                           .ws_size = sizeof ws };
    to_agent_size = to_host_size = 0;
    if (fp_agent_init(&agent, &cfg, now_ms) != FP_OK)
        abort();
    if (!is_formatted) {
        cfg.protected_count = 0;
        if (fp_agent_format(&agent, &volumes[0], NULL) != FP_OK)
            abort();
        memcpy(formatted, flash, sizeof formatted);
        is_formatted = true;
    }
    cfg.protected_count = nonce_count % 2; /* with and without */
    connect_host();
    send_request(fp_Envelope_hello_tag, false);
}

static void event(uint8_t how)
{
    switch (how & 7) {
    case 4:
        send_record();
        break;
    case 5:
        send_any(true, how & 8);
        break;
    case 6:
        send_any(false, false);
        break;
    case 7:
        if (how & 16)
            card++;
        else
            connect_host();
        if (!(how & 24))
            send_request(fp_Envelope_hello_tag, false);
        break;
    default:
        send_request(choose(&input) % 64u, how & 8);
        break;
    }
    for (unsigned i = 0; i <= how >> 5; i++)
        turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool once;

    if (!once)
        memset(formatted, 0xff, sizeof formatted);
    once = true;
    input = (struct choice){ data, data + size };
    start();
    while (input.at < input.end)
        event(choose(&input));
    if (memcmp(flash + GUARDED, formatted + GUARDED, sizeof flash - GUARDED))
        abort();
    fp_agent_deinit(&agent);
    return 0;
}
