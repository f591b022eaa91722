/* SPDX-License-Identifier: MIT */
#include "core/bdev/mpy.h"

#include <stddef.h>

#define DEFAULT_BLOCK_SIZE 512

static struct fp_bdev_mpy *mpy_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_mpy *)dev;
}

static int error_of(int32_t result)
{
    switch (result) {
    case FP_ERR_NOMEM:
    case FP_ERR_BUSY:
    case FP_ERR_NODEV:
    case FP_ERR_ROFS:
        return result;
    default:
        return result < 0 ? FP_ERR_IO : FP_OK;
    }
}

static int32_t ask(struct fp_bdev_mpy *mpy, enum fp_mpy_ioctl op, uint32_t arg)
{
    return mpy->cfg.ioctl(mpy->cfg.ctx, op, arg);
}

/* One call in the simple form, one a block in the extended one. Either src or
 * dst. */
static int move(struct fp_bdev *dev, fp_addr off, uint8_t *dst,
                const uint8_t *src, uint32_t size)
{
    const struct fp_bdev_mpy_config *cfg = &mpy_of(dev)->cfg;
    int err = FP_OK;

    for (uint32_t done = 0, n; done < size && !err; done += n) {
        uint32_t block = (uint32_t)((off + done) / dev->block_size);
        uint32_t in = (uint32_t)((off + done) % dev->block_size);

        n = size - done;
        if (cfg->extended && n > dev->block_size - in)
            n = dev->block_size - in;
        err = error_of(
            dst != NULL ? cfg->readblocks(cfg->ctx, block, in, dst + done, n)
                        : cfg->writeblocks(cfg->ctx, block, in, src + done, n));
    }
    return err;
}

static int mpy_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    return move(dev, off, buf, NULL, size);
}

static int mpy_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    return move(dev, off, NULL, buf, size);
}

static int mpy_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_bdev_mpy *mpy = mpy_of(dev);
    int err = FP_OK;

    /* In the simple form writing does it. */
    for (; mpy->cfg.extended && count > 0 && !err; count--)
        err = error_of(ask(mpy, FP_MPY_ERASE, block++));
    return err;
}

static int mpy_sync(struct fp_bdev *dev)
{
    return error_of(ask(mpy_of(dev), FP_MPY_SYNC, 0));
}

static const struct fp_bdev_ops mpy_ops = {
    .read = mpy_read,
    .prog = mpy_prog,
    .erase = mpy_erase,
    .sync = mpy_sync,
};

int fp_bdev_mpy_init(struct fp_bdev_mpy *mpy,
                     const struct fp_bdev_mpy_config *cfg)
{
    int32_t count, size;
    int err;

    *mpy = (struct fp_bdev_mpy){ .cfg = *cfg };
    err = error_of(ask(mpy, FP_MPY_INIT, 0));
    if (err)
        return err;
    count = ask(mpy, FP_MPY_BLOCK_COUNT, 0);
    size = ask(mpy, FP_MPY_BLOCK_SIZE, 0);
    if (count < 0 || size < 0)
        return error_of(count < 0 ? count : size);
    if (size == 0)
        size = DEFAULT_BLOCK_SIZE;

    mpy->bdev = (struct fp_bdev){
        .ops = &mpy_ops,
        .read_size = (uint32_t)size,
        .prog_size = (uint32_t)size,
        .block_size = (uint32_t)size,
        .block_count = (uint32_t)count,
        .flags = cfg->flags | FP_BDEV_OVERWRITE,
    };
    if (cfg->extended) {
        mpy->bdev.read_size = 1;
        mpy->bdev.prog_size = cfg->prog_size != 0 ? cfg->prog_size : 1;
        mpy->bdev.flags = cfg->flags;
    }
    return count == 0 || (uint32_t)size % mpy->bdev.prog_size != 0
               ? FP_ERR_INVAL
               : FP_OK;
}

int fp_bdev_mpy_deinit(struct fp_bdev_mpy *mpy)
{
    int err = mpy_sync(&mpy->bdev);
    int end = error_of(ask(mpy, FP_MPY_DEINIT, 0));

    return err ? err : end;
}
