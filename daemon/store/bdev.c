/* SPDX-License-Identifier: MIT */
#include "daemon/store/bdev.h"

static int bdev_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    /* bdev is the first member. */
    struct fpd_store_bdev *self = (struct fpd_store_bdev *)dev;

    return fpd_store_snapshot_read(self->reader, off, buf, size, NULL);
}

static int bdev_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                     uint32_t size)
{
    (void)dev;
    (void)off;
    (void)buf;
    (void)size;
    return FP_ERR_ROFS;
}

static int bdev_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    (void)dev;
    (void)block;
    (void)count;
    return FP_ERR_ROFS;
}

static const struct fp_bdev_ops bdev_ops = {
    .read = bdev_read, .prog = bdev_prog, .erase = bdev_erase,
    /* .sync stays NULL: nothing is ever written */
};

int fpd_store_bdev_init(struct fpd_store_bdev *dev,
                        struct fpd_snapshot_reader *reader, uint32_t block_size)
{
    const struct fpd_snapshot *info = fpd_store_snapshot_info(reader);
    uint64_t count;

    if (block_size == 0)
        block_size = info->chunk_size;
    count = info->size / block_size;
    if (count == 0 || count > UINT32_MAX)
        return FP_ERR_INVAL;
    *dev = (struct fpd_store_bdev){
        .bdev = { .ops = &bdev_ops,
                  .read_size = 1,
                  .prog_size = 1,
                  .block_size = block_size,
                  .block_count = (uint32_t)count,
                  .flags = FP_BDEV_RDONLY },
        .reader = reader,
    };
    return FP_OK;
}
