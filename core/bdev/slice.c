/* SPDX-License-Identifier: MIT */
#include "core/bdev/slice.h"

static struct fp_bdev_slice *slice_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_slice *)dev;
}

static fp_addr moved(const struct fp_bdev_slice *slice, fp_addr off)
{
    return off + slice->first;
}

static int slice_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_bdev_slice *slice = slice_of(dev);

    return fp_bdev_read(slice->under, moved(slice, off), buf, size);
}

static int slice_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fp_bdev_slice *slice = slice_of(dev);

    return fp_bdev_prog(slice->under, moved(slice, off), buf, size);
}

static int slice_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_bdev_slice *slice = slice_of(dev);
    const uint32_t size = slice->under->block_size;

    /* Blocks smaller than those below: erasing is a hint there. */
    if (dev->block_size != size)
        return FP_OK;
    return fp_bdev_erase(slice->under, (uint32_t)(slice->first / size) + block,
                         count);
}

static int slice_sync(struct fp_bdev *dev)
{
    return fp_bdev_sync(slice_of(dev)->under);
}

static void slice_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(slice_of(dev)->under);
}

static const struct fp_bdev_ops slice_ops = {
    .read = slice_read,
    .prog = slice_prog,
    .erase = slice_erase,
    .sync = slice_sync,
    .yield = slice_yield,
};

int fp_bdev_slice_init(struct fp_bdev_slice *slice, struct fp_bdev *under,
                       fp_addr off, fp_addr size)
{
    fp_addr end = fp_bdev_size(under);
    uint32_t block_size = under->block_size;

    if (off > end || size > end - off || size == 0)
        return FP_ERR_INVAL;
    /* Where programming replaces, blocks may be smaller. */
    while ((off % block_size != 0 || size % block_size != 0) &&
           under->flags & FP_BDEV_OVERWRITE && block_size % 2 == 0)
        block_size /= 2;
    if (off % block_size != 0 || size % block_size != 0 ||
        block_size % under->prog_size != 0 || size / block_size > UINT32_MAX)
        return FP_ERR_INVAL;

    *slice = (struct fp_bdev_slice){
        .bdev = *under,
        .under = under,
        .first = off,
    };
    slice->bdev.ops = &slice_ops;
    slice->bdev.block_size = block_size;
    slice->bdev.block_count = (uint32_t)(size / block_size);
    if (block_size != under->block_size)
        slice->bdev.flags &= ~(uint32_t)FP_BDEV_ERASED_FF;
    return FP_OK;
}
