/* SPDX-License-Identifier: MIT
 *
 * Reading bytes of blocks by way of a cache: the common one, or, for its
 * content, an open file's (fs->via). Each holds a window of a single block, as
 * long as the cache but for what is read by itself. What the common one holds
 * of a block is dropped when that is programmed or erased (prog.c).
 *
 * While a log is read (fs->scan), its windows follow each other without a gap,
 * and each goes into the CRC as a whole when the next one takes its place. With
 * FP_LFS_SMALL every window is that long, and none goes into a CRC.
 */
#include "core/digest/crc32.h"
#include "core/fs/littlefs/lfs.h"

#include <string.h>

/* Pairs, pointers and revisions stand alone: small windows serve. Who reads
 * more than that wants what follows it as well. */
#define ALONE_MAX 8u

bool fp_lfs_pair_ok(const struct fp_lfs *fs, const uint32_t pair[2])
{
    return pair[0] < fs->block_count && pair[1] < fs->block_count &&
           pair[0] != pair[1];
}

int fp_lfs_read_raw(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                    uint32_t size)
{
    return fp_bdev_read(fs->dev, (fp_addr)block * fs->block_size + off, buf,
                        size);
}

/* Puts the window that has byte `off` in the cache. */
static int fill(struct fp_lfs *fs, struct fp_lfs_cache *cache, uint32_t block,
                uint32_t off, uint32_t window)
{
    int err;

    if (block >= fs->block_count || off >= fs->block_size)
        return FP_ERR_CORRUPT;
    cache->block = FP_LFS_NULL;
    cache->off = off - off % window;
    cache->size = fp_lfs_min(window, fs->block_size - cache->off);
    err = fp_lfs_read_raw(fs, block, cache->off, cache->buf, cache->size);
    if (!err)
        cache->block = block;
    return err;
}

static bool holds(const struct fp_lfs_cache *cache, uint32_t block,
                  uint32_t off)
{
    return cache->block == block && off - cache->off < cache->size;
}

#if FP_LFS_SMALL

int fp_lfs_read(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                uint32_t size)
{
    struct fp_lfs_cache *cache = FP_READONLY ? &fs->rcache : fs->via;
    uint8_t *to = buf;

    while (size > 0) {
        uint32_t at, n;
        int err = FP_OK;

        if (!holds(cache, block, off))
            err = fill(fs, cache, block, off, fs->cache_size);
        if (err)
            return err;
        at = off - cache->off;
        n = fp_lfs_min(cache->size - at, size);
        if (buf) {
            memcpy(to, cache->buf + at, n);
            to += n;
        } else {
            fs->scan.crc = fp_crc32(fs->scan.crc, cache->buf + at, n);
        }
        off += n;
        size -= n;
    }
    return FP_OK;
}

#else

void fp_lfs_fold(struct fp_lfs *fs, uint32_t to)
{
    const struct fp_lfs_cache *cache = &fs->rcache;
    struct fp_lfs_scan *s = &fs->scan;
    uint32_t at = s->folded - cache->off;

    if (cache->block != s->block || at >= cache->size)
        return;
    to = fp_lfs_min(to, cache->off + cache->size);
    s->crc = fp_crc32(s->crc, cache->buf + at, to - s->folded);
    s->folded = to;
}

/* Up to size bytes by way of the cache; or how an attempt failed. */
static int32_t copy(struct fp_lfs *fs, uint32_t block, uint32_t off,
                    uint8_t *to, uint32_t size, uint32_t window)
{
    struct fp_lfs_cache *cache = fs->via;

    while (!holds(cache, block, off)) {
        uint32_t from = off;
        int err;

        if (block == fs->scan.block) {
            fp_lfs_fold(fs, FP_LFS_NULL);
            from = fs->scan.folded;
        }
        err = fill(fs, cache, block, from, window);
        if (err)
            return err;
    }
    size = fp_lfs_min(cache->off + cache->size - off, size);
    memcpy(to, cache->buf + (off - cache->off), size);
    return (int32_t)size;
}

int fp_lfs_read(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                uint32_t size)
{
    uint32_t window = fs->cache_size;
    uint8_t *to = buf;

    if (size <= ALONE_MAX && fs->via == &fs->rcache && block != fs->scan.block)
        window = fs->alone_size;
    while (size > 0) {
        int32_t n = copy(fs, block, off, to, size, window);

        if (n < 0)
            return n;
        to += n;
        off += (uint32_t)n;
        size -= (uint32_t)n;
    }
    return FP_OK;
}

#endif

int fp_lfs_words(struct fp_lfs *fs, uint32_t block, uint32_t off,
                 uint32_t *words, uint32_t count)
{
    int err = fp_lfs_read(fs, block, off, words, 4 * count);

    fp_lfs_le(words, count);
    return err;
}

int fp_lfs_word(struct fp_lfs *fs, uint32_t block, uint32_t off, uint32_t *word)
{
    return fp_lfs_words(fs, block, off, word, 1);
}

void fp_lfs_forget(struct fp_lfs *fs, uint32_t block)
{
    if (fs->rcache.block == block)
        fs->rcache.block = FP_LFS_NULL;
}

bool fp_lfs_pair_shares(const uint32_t a[2], const uint32_t b[2])
{
    return a[0] == b[0] || a[0] == b[1] || a[1] == b[0] || a[1] == b[1];
}

bool fp_lfs_pair_equal(const uint32_t a[2], const uint32_t b[2])
{
    return (a[0] == b[0] && a[1] == b[1]) || (a[0] == b[1] && a[1] == b[0]);
}
