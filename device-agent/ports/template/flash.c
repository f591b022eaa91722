/* SPDX-License-Identifier: MIT
 *
 * Flash as a block device, from the figures in port.h. The agent calls with
 * bounds and alignment checked: whole blocks, whole units of programming.
 *
 * A flash behind SPI says that it failed by FP_ERR_IO. One whose program
 * command wraps at the end of a page is given each page by itself here.
 */
#include "port.h"

#include <string.h>

/* Its address is what the linker script says. */
extern uint8_t fp_port_files_start[];

static int flash_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    (void)dev;
    /* FILL IN read: as it stands it is for flash that is read as memory. */
    memcpy(buf, fp_port_files_start + off, size);
    return FP_OK;
}

/* One unit of FP_PORT_PROG_SIZE bytes, at `off` of the files. `src` may be
 * aligned to nothing. */
static int prog_unit(uint32_t off, const uint8_t *src)
{
    /* FILL IN program: a unit, until it is there. */
    (void)off;
    (void)src;
    return FP_ERR_NOTSUP;
}

static int erase_block(uint32_t off)
{
    /* FILL IN erase: the block at `off`, until it is. */
    (void)off;
    return FP_ERR_NOTSUP;
}

static int flash_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    const uint8_t *src = buf;
    int err = FP_OK;

    (void)dev;
    for (uint32_t at = 0; at < size && !err; at += FP_PORT_PROG_SIZE)
        err = prog_unit((uint32_t)off + at, src + at);
    return err;
}

static int flash_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    int err = FP_OK;

    for (uint32_t i = 0; i < count && !err; i++) {
        err = erase_block((block + i) * FP_PORT_BLOCK_SIZE);
        fp_bdev_yield(dev); /* a watchdog is fed here, if there is one */
    }
    return err;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read, .prog = flash_prog, .erase = flash_erase,
    /* .sync stays NULL: what was programmed is there */
};

static struct fp_bdev flash = {
    .ops = &flash_ops,
    .read_size = 1,
    .prog_size = FP_PORT_PROG_SIZE,
    .block_size = FP_PORT_BLOCK_SIZE,
    .block_count = FP_PORT_BLOCK_COUNT,
    .flags = FP_PORT_FLASH_FLAGS,
};

struct fp_bdev *fp_port_flash_init(void)
{
    /* FILL IN flash-start: what the flash needs before its first use. */

    return &flash;
}
