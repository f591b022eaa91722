/* SPDX-License-Identifier: MIT
 *
 * A hostile host in front of the whole agent: link, messages, tasks, littlefs.
 *
 * Input: records of a kind byte, a size byte and that many bytes.
 *   kind & 3  0, 1  a MSG frame of these bytes
 *             2     a BULK frame of these bytes
 *             3     raw bytes on the wire; none: a new handshake; one of
 *                   0xff: the flash, a card, is pulled or put in
 *   kind >> 2       turns of the loop afterwards
 *
 * Every input begins on the same flash, which holds a formatted volume, and
 * every session with a Hello that offers all features.
 */
#include "core/bdev/gen.h"
#include "core/bdev/ram.h"
#include "core/digest/crc32.h"
#include "core/host/drivers.h"
#include "device-agent/agent.h"
#include "proto/message.h"

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

static struct fp_agent_storage storages[] = {
    { .name = "flash0", .dev = &gen.bdev, .gen = &gen },
};
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
    while (fp_link_peek(&host, &frame))
        fp_link_take(&host);
}

static void say_hello(void)
{
    static const fp_Envelope hello = {
        .id = 1,
        .which_body = fp_Envelope_hello_tag,
        .body.hello = { .version_min = 1,
                        .version_max = 1,
                        .features = UINT32_MAX },
    };
    uint8_t *room = fp_link_alloc(&host, 64);
    int size = room != NULL ? fp_message_encode(&hello, room, 64) : 0;

    if (size > 0)
        fp_link_commit(&host, FP_FRAME_MSG, (size_t)size);
    turn();
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
    uint8_t nonce[8] = { 0 };

    nonce_count++;
    memcpy(nonce, &nonce_count, sizeof nonce_count);
    fp_link_init(&host, &link, now_ms);
    fp_link_start(&host, nonce, now_ms);
    for (int i = 0; i < 50 && fp_link_state(&host) != FP_LINK_UP; i++)
        turn();
    say_hello();
}

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
                                           .cfg = { .max_files = 10 },
                                           .ws = ws,
                                           .ws_size = sizeof ws };
    to_agent_size = to_host_size = 0;
    if (fp_agent_init(&agent, &cfg, now_ms) != FP_OK)
        abort();
    if (!is_formatted) {
        if (fp_agent_format(&agent, &volumes[0], NULL) != FP_OK)
            abort();
        memcpy(formatted, flash, sizeof formatted);
        is_formatted = true;
    }
    connect_host();
}

static void record(uint8_t kind, const uint8_t *data, size_t size)
{
    uint8_t *room;

    if ((kind & 3) == 3 && size == 0)
        connect_host();
    else if ((kind & 3) == 3 && size == 1 && data[0] == 0xff)
        card++;
    else if ((kind & 3) == 3)
        push(to_agent, &to_agent_size, data, size);
    else if ((room = fp_link_alloc(&host, size)) != NULL) {
        memcpy(room, data, size);
        fp_link_commit(&host, (kind & 3) == 2 ? FP_FRAME_BULK : FP_FRAME_MSG,
                       size);
    }
    for (unsigned i = 0; i <= kind >> 2; i++)
        turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool once;

    if (!once)
        memset(formatted, 0xff, sizeof formatted);
    once = true;
    start();
    while (size >= 2) {
        size_t n = data[1] < size - 2 ? data[1] : size - 2;

        record(data[0], data + 2, n);
        data += 2 + n;
        size -= 2 + n;
    }
    fp_agent_deinit(&agent);
    return 0;
}
