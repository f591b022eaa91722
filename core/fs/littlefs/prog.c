/* SPDX-License-Identifier: MIT
 *
 * Programming and erasing. Everything programmed is read back and compared at
 * once: flash that does not keep a byte is found while the data is still at
 * hand, and the caller goes elsewhere with it.
 *
 * Errors  FP_LFS_BAD: the block is bad (or looks so); others pass through
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

/* A failed program or erase speaks against the block, not against the device,
 * unless that is gone altogether. */
static int verdict(int err)
{
    return err == FP_ERR_IO || err == FP_ERR_CORRUPT ? FP_LFS_BAD : err;
}

int fp_lfs_erase(struct fp_lfs *fs, uint32_t block)
{
    uint32_t per = fs->block_size / fs->dev->block_size;
    uint32_t pair[2] = { block, block };

    fp_lfs_forget(fs, block);
    fp_lfs_drop_slots(fs, pair);
    fp_bdev_yield(fs->dev);
    return verdict(fp_bdev_erase(fs->dev, block * per, per));
}

/* The read cache keeps the end of it, which as a rule is read next. With
 * FP_LFS_SMALL nobody programs more than a cache holds. */
static int read_back(struct fp_lfs *fs, uint32_t block, uint32_t off,
                     const uint8_t *buf, uint32_t size)
{
    struct fp_lfs_cache *cache = &fs->rcache;
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t n = FP_LFS_SMALL ? size : fp_lfs_min(size, fs->cache_size);

        cache->block = FP_LFS_NULL;
        err = fp_lfs_read_raw(fs, block, off, cache->buf, n);
        if (!err && memcmp(cache->buf, buf, n) != 0)
            err = FP_ERR_IO;
        if (!err) {
            cache->block = block;
            cache->off = off;
            cache->size = n;
        }
        buf += n;
        off += n;
        size -= n;
    }
    return err;
}

int fp_lfs_prog(struct fp_lfs *fs, uint32_t block, uint32_t off,
                const uint8_t *buf, uint32_t size)
{
    fp_addr at = (fp_addr)block * fs->block_size + off;
    int err = fp_bdev_prog(fs->dev, at, buf, size);

    if (!err)
        err = read_back(fs, block, off, buf, size);
    return verdict(err);
}
