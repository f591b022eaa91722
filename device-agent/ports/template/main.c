/* SPDX-License-Identifier: MIT
 *
 * A firmware that is nothing but the agent: the flash of flash.c as /flash, a
 * littlefs, over the wire of uart.c. Nothing here knows the chip.
 *
 * Figures that cost RAM are here and in CMakeLists.txt; docs/porting.md says
 * what each costs. As they stand they fit 16 KB.
 *
 * An application lives in this loop too, and uses `vfs` from it; in a task of
 * its own it takes a lock around that, and serve() the same.
 */
#include "core/fs/littlefs/littlefs.h"
#include "device-agent/agent.h"
#include "port.h"

/* 512 is the least, that every message fits. A frame has 13 bytes more on the
 * wire: 2 % of 640. Two of them a buffer is the least, too; four keep the wire
 * busy while the flash works. */
#define FRAME_MAX   640
#define BUFFER_SIZE (2 * (FRAME_MAX + FP_FRAME_OVERHEAD))

/* An upload, and a file for each request; add those that your application has
 * open at once. */
#define FILES_MAX (FP_AGENT_REQUESTS + FP_AGENT_UPLOADS)

/* What littlefs takes with these options. Too little is no accident: the volume
 * is not mounted and says so. */
#define LITTLEFS_CACHE   128
#define LITTLEFS_OPTIONS "entries=24,addresses=4,lookahead=20"
#define WORKSPACE_SIZE   (2368 + 288 * FILES_MAX)

/* Two bits for 4 KiB of flash. */
#define FLASH_SIZE    (FP_PORT_BLOCK_SIZE * FP_PORT_BLOCK_COUNT)
#define GEN_MAPS_SIZE (2 * ((FLASH_SIZE + 32767) / 32768))

_Static_assert(FP_PORT_UART_IN >= BUFFER_SIZE + FP_FRAME_OVERHEAD,
               "what is under way finds room while the agent is at work");

static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
static struct fp_vfs vfs;

/* Counts every write, whose ever it is: backups rely on it, so nobody uses the
 * flash but through it. */
static struct fp_bdev_gen gen;
static uint8_t gen_maps[GEN_MAPS_SIZE];

static struct fp_agent_storage storages[] = {
    { .name = "flash0", .dev = &gen.bdev, .gen = &gen },
};

/* A block is collected here in a restore only, which has unmounted the one
 * volume there is before: its memory is free then. */
static union {
    uint64_t aligned;
    uint8_t workspace[WORKSPACE_SIZE];
    uint8_t block[FP_PORT_BLOCK_SIZE];
} memory;

static struct fp_agent_volume volumes[] = {
    { .path = "/flash",
      .storage = "flash0",
      .fs = "littlefs",
      .cfg = { .max_files = FILES_MAX,
               .cache_size = LITTLEFS_CACHE,
               .options = LITTLEFS_OPTIONS },
      .ws = memory.workspace,
      .ws_size = sizeof memory.workspace,
      .format_erased = true },
};

static uint8_t tx_buf[BUFFER_SIZE], rx_buf[BUFFER_SIZE];
static uint8_t scratch[512];
static char id[FP_PORT_ID_SIZE];
static uint8_t epoch[FP_EPOCH_SIZE];

static size_t wire_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    return fp_port_uart_send(buf, size);
}

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return fp_port_now_ms();
}

static bool entropy(void *ctx, uint8_t *buf, size_t size)
{
    (void)ctx;
    return fp_port_random(buf, size);
}

/* Shown with the device's other counters. */
static bool counter(void *ctx, uint32_t index, const char **name,
                    uint64_t *value)
{
    (void)ctx;
    *name = index == 0 ? "board.uart_lost_bytes" : "board.stack_free_bytes";
    *value = index == 0 ? fp_port_uart_lost() : fp_port_stack_free();
    return index < 2;
}

static void restart(void *ctx)
{
    (void)ctx;
    fp_port_restart();
}

static struct fp_agent_config config = {
    .id = id,
    .model = "board",
    .firmware = "1.0.0",
    .vfs = &vfs,
    .storages = storages,
    .storage_count = 1,
    .volumes = volumes,
    .volume_count = 1,
    .send = wire_send,
    .frame_max = FRAME_MAX,
    .tx_buf = tx_buf,
    .tx_size = sizeof tx_buf,
    .rx_buf = rx_buf,
    .rx_size = sizeof rx_buf,
    .scratch = scratch,
    .scratch_size = sizeof scratch,
    .block_buf = memory.block,
    .block_buf_size = sizeof memory.block,
    .entropy = entropy,
    .counter = counter,
    .reboot = restart,
};

static struct fp_agent agent;

static int start(void)
{
    const struct fp_bdev_gen_config gen_config = {
        .clock_ms = clock_ms,
        .maps = gen_maps,
        .maps_size = sizeof gen_maps,
    };
    int err = fp_bdev_gen_init(&gen, fp_port_flash_init(), &gen_config);

    if (err)
        return err;
    fp_port_id(id);
    if (fp_port_random(epoch, sizeof epoch))
        config.epoch = epoch;
    fp_vfs_init(&vfs, drivers);
    return fp_agent_init(&agent, &config, fp_port_now_ms());
}

/* The agent wants to be called when bytes come; every millisecond does no harm:
 * what wakes the CPU is that. */
static void serve(void)
{
    uint8_t buf[64];
    size_t n = fp_port_uart_recv(buf, sizeof buf);

    if (n > 0)
        fp_agent_input(&agent, buf, n, fp_port_now_ms());
    if (fp_agent_poll(&agent, fp_port_now_ms()) > 0)
        fp_port_uart_sleep();
}

int main(void)
{
    fp_port_chip_init();
    fp_port_uart_init();
    if (start() != FP_OK)
        for (;;)
            ; /* a figure breaks a rule of agent.h: which, a debugger shows */
    for (;;)
        serve();
}
