/* SPDX-License-Identifier: MIT
 *
 * Programming and erasing. Everything programmed is read back and compared at
 * once: flash that does not keep a byte is found while the data is still at
 * hand, and the caller goes elsewhere with it.
 *
 * The program cache collects the bytes of one log. It holds whole program
 * units but for its end; what is left of a unit is filled with 0xff, which on
 * flash programs nothing.
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
    for (uint32_t i = 0; i < fs->slot_count; i++)
        if (!fs->slots[i].pins && fp_lfs_pair_shares(fs->slots[i].pair, pair))
            fs->slots[i].valid = false;
    fp_bdev_yield(fs->dev);
    return verdict(fp_bdev_erase(fs->dev, block * per, per));
}

static int read_back(struct fp_lfs *fs, uint32_t block, uint32_t off,
                     const uint8_t *buf, uint32_t size)
{
    struct fp_lfs_cache *cache = &fs->rcache;

    cache->block = FP_LFS_NULL;
    while (size > 0) {
        uint32_t n = fp_lfs_min(size, fs->cache_size);
        int err = fp_lfs_read_raw(fs, block, off, cache->buf, n);

        if (err)
            return verdict(err);
        if (memcmp(cache->buf, buf, n) != 0)
            return FP_LFS_BAD;
        cache->off = off;
        cache->size = n;
        buf += n;
        off += n;
        size -= n;
    }
    cache->block = block; /* the end of it is read next, as a rule */
    return FP_OK;
}

int fp_lfs_prog_checked(struct fp_lfs *fs, uint32_t block, uint32_t off,
                        const uint8_t *buf, uint32_t size)
{
    fp_addr at = (fp_addr)block * fs->block_size + off;
    int err = verdict(fp_bdev_prog(fs->dev, at, buf, size));

    return err ? err : read_back(fs, block, off, buf, size);
}

int fp_lfs_prog_flush(struct fp_lfs *fs)
{
    struct fp_lfs_cache *cache = &fs->pcache;
    uint32_t block = cache->block;
    uint32_t size = fp_lfs_align_up(cache->size, fs->prog_size);

    cache->block = FP_LFS_NULL;
    if (block == FP_LFS_NULL || !size)
        return FP_OK;
    memset(cache->buf + cache->size, 0xff, size - cache->size);
    return fp_lfs_prog_checked(fs, block, cache->off, cache->buf, size);
}

static void start(struct fp_lfs *fs, uint32_t block, uint32_t off)
{
    struct fp_lfs_cache *cache = &fs->pcache;

    cache->block = block;
    cache->size = off % fs->prog_size;
    cache->off = off - cache->size;
    memset(cache->buf, 0xff, cache->size);
}

int fp_lfs_prog(struct fp_lfs *fs, uint32_t block, uint32_t off,
                const void *buf, uint32_t size)
{
    struct fp_lfs_cache *cache = &fs->pcache;
    const uint8_t *from = buf;
    uint32_t end = cache->off + cache->size;

    if (cache->block == block && off > end &&
        off < fp_lfs_align_up(end, fs->prog_size)) {
        /* Padding within a unit. */
        memset(cache->buf + cache->size, 0xff, off - end);
        cache->size += off - end;
    } else if (cache->block != block || off != end) {
        int err = fp_lfs_prog_flush(fs);

        if (err)
            return err;
        start(fs, block, off);
    }
    while (size > 0) {
        uint32_t n = fp_lfs_min(size, fs->cache_size - cache->size);

        memcpy(cache->buf + cache->size, from, n);
        cache->size += n;
        from += n;
        off += n;
        size -= n;
        if (cache->size == fs->cache_size) {
            int err = fp_lfs_prog_flush(fs);

            if (err)
                return err;
            if (off < fs->block_size)
                start(fs, block, off);
        }
    }
    return FP_OK;
}
