/* SPDX-License-Identifier: MIT
 *
 * The agent on a micro:bit: 144 KB of its flash as /flash, a littlefs, over
 * the USB cable that powers it. Figures that cost RAM are here and in
 * limits.cmake; docs/microbit.md says what each costs.
 *
 * An application lives in this loop too, and uses `vfs` from it.
 */
#include "core/fs/littlefs/littlefs.h"
#include "device-agent/agent.h"
#include "device-agent/ports/microbit/port.h"

/* 512 is the least that every message fits; two a buffer are the least, too. */
#define FRAME_MAX   640
#define BUFFER_SIZE (2 * (FRAME_MAX + FP_FRAME_OVERHEAD))

/* Small caches, since flash is read as fast as RAM; fewer entries a directory
 * block than might fit one, whose names would have to be a few bytes long. */
#define LITTLEFS_CACHE   128
#define LITTLEFS_OPTIONS "entries=24,addresses=4,lookahead=20"
#define WORKSPACE_SIZE   3200

/* Of the agent alone: an upload, and a file for each request. The commit of the
 * upload reads the file that was there before. */
#define FILES_MAX (FP_AGENT_REQUESTS + FP_AGENT_UPLOADS)

/* One bit for 4 KiB of flash, twice. */
#define GEN_MAPS_SIZE 10

static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
static struct fp_vfs vfs;

static struct fp_bdev_gen gen;
static uint8_t gen_maps[GEN_MAPS_SIZE];

static struct fp_agent_storage storages[] = {
    { .name = "flash0", .dev = &gen.bdev, .gen = &gen },
};

static uint64_t workspace[WORKSPACE_SIZE / sizeof(uint64_t)];

static struct fp_agent_volume volumes[] = {
    { .path = "/flash",
      .storage = "flash0",
      .fs = "littlefs",
      .cfg = { .max_files = FILES_MAX,
               .cache_size = LITTLEFS_CACHE,
               .options = LITTLEFS_OPTIONS },
      .ws = workspace,
      .ws_size = sizeof workspace },
};

static uint8_t tx_buf[BUFFER_SIZE], rx_buf[BUFFER_SIZE];
static uint8_t scratch[512];
static char id[FP_PORT_ID_SIZE];
static uint8_t epoch[FP_EPOCH_SIZE];

/* What the agent grants the host, and some of what needs no grant. */
_Static_assert(FP_PORT_UART_IN >= BUFFER_SIZE + FP_FRAME_OVERHEAD,
               "what is under way finds room while the agent is at work");

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
    fp_port_random(buf, size);
    return true;
}

static bool counter(void *ctx, uint32_t index, const char **name,
                    uint64_t *value)
{
    (void)ctx;
    *name =
        index == 0 ? "microbit.uart_lost_bytes" : "microbit.stack_free_bytes";
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
    .model = "microbit",
    .firmware = FP_PORT_VERSION,
    .epoch = epoch,
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
    /* Blocks are written in a restore only, which has unmounted the one volume
     * there is before: its memory is free then. */
    .block_buf = (uint8_t *)workspace,
    .block_buf_size = sizeof workspace,
    .entropy = entropy,
    .counter = counter,
    .reboot = restart,
};

static struct fp_agent agent;

static int start(void)
{
    struct fp_bdev_gen_config gen_config = {
        .clock_ms = clock_ms,
        .maps = gen_maps,
        .maps_size = sizeof gen_maps,
    };
    int err;

    fp_port_id(id);
    fp_port_random(epoch, sizeof epoch);
    for (size_t i = 0; i < sizeof epoch; i++)
        gen_config.epoch[i] = epoch[i];
    config.boot_reason = fp_port_boot_reason();
    err = fp_bdev_gen_init(&gen, fp_port_flash_init(), &gen_config);
    if (err)
        return err;
    fp_vfs_init(&vfs, drivers);
    return fp_agent_init(&agent, &config, fp_port_now_ms());
}

/* Only what never was written: damage is for a person to look at. */
static void format_blank(void)
{
    if (volumes[0].mount_err == FP_ERR_NOENT && volumes[0].erased)
        (void)fp_agent_format(&agent, &volumes[0], NULL);
}

/* The agent wants to be called when bytes come, and every millisecond does no
 * harm: what wakes the CPU is that. */
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
    fp_port_clock_init();
    fp_port_uart_init();
    if (start() != FP_OK)
        return 1; /* a figure above breaks a rule of agent.h: starts again */
    format_blank();
    for (;;)
        serve();
}
