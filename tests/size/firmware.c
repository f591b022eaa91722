/* SPDX-License-Identifier: MIT
 *
 * The least firmware that the agent lives in, to be weighed: one flash, one
 * volume, no chip. What a port adds (start, UART, flash) stands here as a few
 * stores to addresses that nobody has.
 *
 * Memory  static, all of it, so that the linker's map tells what it costs
 * Figures of each configuration come from tests/size/firmware.py: FRAME_MAX,
 *         RX_SIZE, TX_SIZE, BLOCK_SIZE, DRIVER, WORKSPACE, CACHE_SIZE, OPTIONS
 */
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/minifs/minifs.h"
#include "device-agent/agent.h"

#define BLOCK_COUNT (65536 / BLOCK_SIZE)
#define FILES_MAX   (FP_AGENT_REQUESTS + FP_AGENT_UPLOADS)

#define UART  ((volatile uint8_t *)0x40000000)
#define CLOCK ((volatile uint32_t *)0x40001000)
#define FLASH ((volatile uint8_t *)0x10000000)

int main(void);

static int flash_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    uint8_t *dst = buf;

    (void)dev;
    for (uint32_t i = 0; i < size; i++)
        dst[i] = FLASH[off + i];
    return FP_OK;
}

static int flash_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    const uint8_t *src = buf;

    (void)dev;
    for (uint32_t i = 0; i < size; i++)
        FLASH[off + i] = src[i];
    return FP_OK;
}

static int flash_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        FLASH[(block + i) * dev->block_size] = 0xff;
    return FP_OK;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read,
    .prog = flash_prog,
    .erase = flash_erase,
};

static struct fp_bdev flash = {
    .ops = &flash_ops,
    .read_size = 1,
    .prog_size = 4,
    .block_size = BLOCK_SIZE,
    .block_count = BLOCK_COUNT,
    .flags = FP_BDEV_ERASED_FF | FP_BDEV_REPROG,
};

static struct fp_bdev_gen gen;
static uint8_t gen_maps[2 * (65536 / 4096 / 8)];

static struct fp_agent_storage storage;

static const struct fp_fs_ops *const drivers[] = { &DRIVER, NULL };
static struct fp_vfs vfs;
static uint64_t workspace[WORKSPACE / sizeof(uint64_t)];

static struct fp_agent_volume volume;

/* Stores take less flash than initial values, of which most are 0. */
static void name_all(void)
{
    storage.name = "flash0";
    storage.dev = &gen.bdev;
    storage.gen = &gen;
    volume.path = "/flash";
    volume.storage = "flash0";
    volume.cfg.max_files = FILES_MAX;
    volume.cfg.cache_size = CACHE_SIZE;
    volume.cfg.options = OPTIONS;
    volume.ws = workspace;
    volume.ws_size = sizeof workspace;
}

static size_t uart_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    for (size_t i = 0; i < size; i++)
        *UART = buf[i];
    return size;
}

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return *CLOCK;
}

static uint8_t rx_buf[RX_SIZE], tx_buf[TX_SIZE];

static const struct fp_agent_config config = {
    .id = "0",
    .model = "size",
    .firmware = "1",
    .vfs = &vfs,
    .storages = &storage,
    .storage_count = 1,
    .volumes = &volume,
    .volume_count = 1,
    .send = uart_send,
    .frame_max = FRAME_MAX,
    .tx_buf = tx_buf,
    .tx_size = sizeof tx_buf,
    .rx_buf = rx_buf,
    .rx_size = sizeof rx_buf,
    /* .scratch stays NULL: the memory of a message serves */
    /* A restore has unmounted the one volume there is. */
    .block_buf = (uint8_t *)workspace,
    .block_buf_size = sizeof workspace,
};

static struct fp_agent agent;

int main(void)
{
    const struct fp_bdev_gen_config gen_config = {
        .clock_ms = clock_ms,
        .maps = gen_maps,
        .maps_size = sizeof gen_maps,
    };
    int err = fp_bdev_gen_init(&gen, &flash, &gen_config);

    if (err)
        return err;
    name_all();
    fp_vfs_init(&vfs, drivers);
    err = fp_agent_init(&agent, &config, *CLOCK);
    while (!err) {
        uint8_t byte = *UART;

        fp_agent_input(&agent, &byte, 1, *CLOCK);
        (void)fp_agent_poll(&agent, *CLOCK);
    }
    return err;
}
