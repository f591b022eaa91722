/* SPDX-License-Identifier: MIT
 *
 * Reading bytes of blocks through the one read cache. The cache holds a window
 * of a single block; what it holds is dropped when that block is programmed
 * or erased (prog.c).
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

bool fp_lfs_pair_ok(const struct fp_lfs *fs, const uint32_t pair[2])
{
    return pair[0] < fs->block_count && pair[1] < fs->block_count &&
           pair[0] != pair[1];
}

int fp_lfs_read_raw(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                    uint32_t size)
{
    fp_addr at = (fp_addr)block * fs->block_size + off;

    if (block >= fs->block_count || size > fs->block_size ||
        off > fs->block_size - size)
        return FP_ERR_CORRUPT;
    return fp_bdev_read(fs->dev, at, buf, size);
}

static int fill(struct fp_lfs *fs, uint32_t block, uint32_t off, uint32_t hint)
{
    struct fp_lfs_cache *cache = &fs->rcache;
    uint32_t unit = fs->dev->read_size;
    uint32_t start = off - off % unit;
    uint32_t want = fp_lfs_min(hint, fs->cache_size) + (off - start);
    uint32_t size =
        fp_lfs_min(fp_lfs_align_up(want, unit), fs->block_size - start);
    int err;

    size = fp_lfs_min(size, fs->cache_size);
    cache->block = FP_LFS_NULL;
    err = fp_lfs_read_raw(fs, block, start, cache->buf, size);
    if (err)
        return err;
    cache->block = block;
    cache->off = start;
    cache->size = size;
    return FP_OK;
}

int fp_lfs_peek(struct fp_lfs *fs, uint32_t block, uint32_t off, uint32_t hint,
                const uint8_t **bytes, uint32_t *avail)
{
    struct fp_lfs_cache *cache = &fs->rcache;

    if (block >= fs->block_count || off >= fs->block_size)
        return FP_ERR_CORRUPT;
    if (cache->block != block || off < cache->off ||
        off - cache->off >= cache->size) {
        int err = fill(fs, block, off, hint ? hint : 1);

        if (err)
            return err;
    }
    *bytes = cache->buf + (off - cache->off);
    *avail = cache->size - (off - cache->off);
    return FP_OK;
}

int fp_lfs_read(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                uint32_t size, uint32_t hint)
{
    uint8_t *to = buf;

    while (size > 0) {
        const uint8_t *from;
        uint32_t n;
        int err =
            fp_lfs_peek(fs, block, off, hint > size ? hint : size, &from, &n);

        if (err)
            return err;
        n = fp_lfs_min(n, size);
        memcpy(to, from, n);
        to += n;
        off += n;
        size -= n;
    }
    return FP_OK;
}

void fp_lfs_forget(struct fp_lfs *fs, uint32_t block)
{
    if (fs->rcache.block == block)
        fs->rcache.block = FP_LFS_NULL;
}
