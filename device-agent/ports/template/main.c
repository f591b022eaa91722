/* SPDX-License-Identifier: MIT
 *
 * A board with an SPI NOR flash and a UART, to be copied: all that a firmware
 * has to do to be reached by flashport.
 *
 *   1. Copy this folder to ports/<board>/ and write the functions of port.h.
 *   2. Set the figures below as the flash's datasheet has them.
 *   3. Build fp_core, fp_proto and fp_agent with the board's compiler, with
 *      FP_ADDR32=1, FP_CRC32_SMALL=1 and FP_FAT_SMALL=1 (core/config.h), and
 *      smaller limits if RAM is short (device-agent/task.h, agent.h).
 *   4. Call agent_start() once and agent_poll() from the main loop or a task.
 *
 * The application uses the same `vfs` for its own files, from the same task (or
 * under one lock with agent_poll()).
 */
#include "core/fs/littlefs/littlefs.h"
#include "device-agent/agent.h"
#include "device-agent/ports/template/port.h"

#define PAGE_SIZE    256  /* of one program; W25Q64 */
#define SECTOR_SIZE  4096 /* of one erase */
#define SECTOR_COUNT 2048

/* Frames of 1 KiB amortise their overhead to 2 %; two of them a buffer is the
 * least, four keep a UART busy while the flash works. */
#define FRAME_MAX   1024
#define BUFFER_SIZE (4 * (FRAME_MAX + FP_FRAME_OVERHEAD))

/* ---- the flash as a block device ---- */

static int flash_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    (void)dev;
    return fp_port_flash_read((uint32_t)off, buf, size) ? FP_ERR_IO : FP_OK;
}

/* A program may span pages here; a chip would wrap around within the page. */
static int flash_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    const uint8_t *src = buf;
    uint32_t addr = (uint32_t)off;

    while (size > 0) {
        uint32_t n = PAGE_SIZE - addr % PAGE_SIZE;

        n = n < size ? n : size;
        if (fp_port_flash_prog(addr, src, n))
            return FP_ERR_IO;
        addr += n;
        src += n;
        size -= n;
        fp_bdev_yield(dev);
    }
    return FP_OK;
}

static int flash_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fp_port_flash_erase((block + i) * SECTOR_SIZE))
            return FP_ERR_IO;
        fp_bdev_yield(dev); /* feed the watchdog here, if there is one */
    }
    return FP_OK;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read, .prog = flash_prog, .erase = flash_erase,
    /* .sync stays NULL: a program has happened when it returns */
};

static struct fp_bdev flash = {
    .ops = &flash_ops,
    .read_size = 1,
    .prog_size = 16, /* littlefs writes in units of that; any that divides a
                        page serves, smaller ones waste less */
    .block_size = SECTOR_SIZE,
    .block_count = SECTOR_COUNT,
    /* On the MCU's own flash add FP_BDEV_XIP: the CPU stalls while it is
     * written, and the host must send nothing meanwhile. */
    .flags = FP_BDEV_ERASED_FF | FP_BDEV_REPROG,
};

/* ---- the agent and its memory ---- */

static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };

static struct fp_bdev_gen gen; /* counts every write, of whoever: backups rely
                                  on it, so nobody uses `flash` directly */
static uint8_t gen_maps[2 * ((SECTOR_SIZE * SECTOR_COUNT / 4096 + 7) / 8)];
static uint64_t workspace[8192 / sizeof(uint64_t)]; /* as ops->workspace()
                                                       says, or mounting fails
                                                       and says why */
static uint8_t tx_buf[BUFFER_SIZE], rx_buf[BUFFER_SIZE];
static uint8_t scratch[1024], block_buf[SECTOR_SIZE];

/* Text that comes packed takes half the time. To send it packed, too, give
 * lz4_out and lz4_table: 3 KiB at least, and 1 KB of code. */
static uint8_t lz4_in[2048];

static struct fp_vfs vfs;

static struct fp_agent_storage storages[] = {
    { .name = "flash0", .dev = &gen.bdev, .gen = &gen },
};

static struct fp_agent_volume volumes[] = {
    { .path = "/flash",
      .storage = "flash0",
      .fs = "littlefs",
      /* Those of the application beside the agent's. */
      .cfg = { .max_files = FP_AGENT_REQUESTS + FP_AGENT_UPLOADS + 2 },
      .ws = workspace,
      .ws_size = sizeof workspace },
};

static size_t wire_send(void *ctx, const uint8_t *buf, size_t size)
{
    (void)ctx;
    return fp_port_send(buf, size);
}

static uint32_t clock_ms(void *ctx)
{
    (void)ctx;
    return fp_port_now_ms();
}

static struct fp_agent_config config = {
    .model = "template",
    .firmware = "1.0.0",
    /* .epoch stays NULL: without entropy the host's nonce serves. With a random
     * number generator fill 8 bytes at each start and point to them. */
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
    .lz4_in = lz4_in,
    .lz4_in_size = sizeof lz4_in,
    .scratch = scratch,
    .scratch_size = sizeof scratch,
    .block_buf = block_buf,
    .block_buf_size = sizeof block_buf,
};

static struct fp_agent agent;

int agent_start(void);
void agent_poll(void);

/* 0, or an enum fp_error: a figure above breaks a rule of agent.h. */
int agent_start(void)
{
    const struct fp_bdev_gen_config gen_config = {
        .clock_ms = clock_ms,
        .maps = gen_maps,
        .maps_size = sizeof gen_maps,
    };
    int err = fp_bdev_gen_init(&gen, &flash, &gen_config);

    if (err)
        return err;
    fp_vfs_init(&vfs, drivers);
    config.id = fp_port_id();
    return fp_agent_init(&agent, &config, fp_port_now_ms());
}

void agent_poll(void)
{
    uint8_t buf[64];
    size_t n = fp_port_recv(buf, sizeof buf);

    if (n > 0)
        fp_agent_input(&agent, buf, n, fp_port_now_ms());
    (void)fp_agent_poll(&agent, fp_port_now_ms());
}
