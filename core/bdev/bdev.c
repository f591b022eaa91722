/* SPDX-License-Identifier: MIT
 *
 * The front end of a block device. Everything that a caller can get wrong is
 * found here once, so that a kind of device holds only what is particular to
 * it. Offsets arrive from images and links: no sum below may overflow.
 */
#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>

static bool fits(fp_addr end, fp_addr off, uint32_t size, uint32_t unit)
{
    return off <= end && size <= end - off && off % unit == 0 &&
           size % unit == 0;
}

int fp_bdev_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    if (!fits(fp_bdev_size(dev), off, size, dev->read_size))
        return FP_ERR_INVAL;
    if (size == 0)
        return FP_OK;
    return dev->ops->read(dev, off, buf, size);
}

int fp_bdev_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                 uint32_t size)
{
    if (!fits(fp_bdev_size(dev), off, size, dev->prog_size))
        return FP_ERR_INVAL;
    if (size == 0)
        return FP_OK;
    if (dev->flags & FP_BDEV_RDONLY)
        return FP_ERR_ROFS;
    return dev->ops->prog(dev, off, buf, size);
}

int fp_bdev_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    if (!fits(dev->block_count, block, count, 1))
        return FP_ERR_INVAL;
    if (count == 0)
        return FP_OK;
    if (dev->flags & FP_BDEV_RDONLY)
        return FP_ERR_ROFS;
    return dev->ops->erase(dev, block, count);
}

int fp_bdev_sync(struct fp_bdev *dev)
{
    return dev->ops->sync == NULL ? FP_OK : dev->ops->sync(dev);
}

void fp_bdev_yield(struct fp_bdev *dev)
{
    if (dev->ops->yield != NULL)
        dev->ops->yield(dev);
}

fp_addr fp_bdev_size(const struct fp_bdev *dev)
{
    return (fp_addr)dev->block_size * dev->block_count;
}
