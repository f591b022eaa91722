/* SPDX-License-Identifier: MIT */
#include "core/bdev/ram.h"

#include <string.h>

static struct fp_bdev_ram *ram(struct fp_bdev *dev)
{
    return (struct fp_bdev_ram *)dev;
}

static int ram_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    memcpy(buf, ram(dev)->mem + off, size);
    return FP_OK;
}

static int ram_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    const uint8_t *src = buf;
    uint8_t *dst = ram(dev)->mem + off;

    if (dev->flags & FP_BDEV_OVERWRITE) {
        memcpy(dst, src, size);
        return FP_OK;
    }
    /* NOR only clears bits: a missing erase shows up as wrong data here
     * exactly as it would on the chip. */
    for (uint32_t i = 0; i < size; i++)
        dst[i] &= src[i];
    return FP_OK;
}

static int ram_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    memset(ram(dev)->mem + (size_t)block * dev->block_size, 0xff,
           (size_t)count * dev->block_size);
    return FP_OK;
}

static const struct fp_bdev_ops ram_ops = {
    .read = ram_read, .prog = ram_prog, .erase = ram_erase,
    /* .sync stays NULL: memory has nothing buffered */
};

void fp_bdev_ram_init(struct fp_bdev_ram *ram, uint32_t prog_size,
                      uint32_t block_size, uint32_t block_count, void *mem)
{
    FP_ASSERT(prog_size > 0 && block_size > 0 && block_count > 0);
    FP_ASSERT(block_size % prog_size == 0);

    *ram = (struct fp_bdev_ram){
        .bdev = {
            .ops = &ram_ops,
            .read_size = 1,
            .prog_size = prog_size,
            .block_size = block_size,
            .block_count = block_count,
            .flags = FP_BDEV_REPROG | FP_BDEV_ERASED_FF,
        },
        .mem = mem,
    };
}
