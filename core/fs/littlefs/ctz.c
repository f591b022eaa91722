/* SPDX-License-Identifier: MIT
 *
 * The list of blocks behind a file's content. Block i > 0 starts with
 * ctz(i) + 1 pointers; pointer k names block i - 2^k. The directory entry
 * names the last block, so one reads backwards:
 *
 *     0 <- 1 <- 2 <- 3 <- 4 <- 5      pointer 0
 *     0 <------ 2 <------ 4           pointer 1
 *     0 <---------------- 4           pointer 2
 *
 * A file remembers where blocks are, of all the pointers that a walk comes by:
 * those near its target, which serve a sequential reader (half a read a block),
 * and those at equal distances of a power of two over the whole file, which
 * serve a random one. A walk starts from the nearest known block at or behind
 * its target.
 *
 * Source: the format page, section 7.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

static uint32_t popcount(uint32_t v)
{
    uint32_t n = 0;

    for (; v; v &= v - 1)
        n++;
    return n;
}

static uint32_t ctz(uint32_t v)
{
    return popcount((v & (0 - v)) - 1);
}

static uint32_t log2_floor(uint32_t v)
{
    uint32_t n = 0;

    while (v >>= 1)
        n++;
    return n;
}

uint32_t fp_lfs_ctz_index(uint32_t block_size, uint32_t pos, uint32_t *off)
{
    uint32_t b = block_size - 8, i = pos / b;

    if (i > 0)
        i = (pos - 4 * (popcount(i - 1) + 2)) / b;
    *off = pos - b * i - 4 * popcount(i);
    return i;
}

static int read_pointer(struct fp_lfs *fs, uint32_t block, uint32_t k,
                        uint32_t *to)
{
    uint8_t raw[4];
    int err = fp_lfs_read(fs, block, 4 * k, raw, 4, 4);

    *to = fp_get_le32(raw);
    if (!err && *to >= fs->block_count)
        err = FP_ERR_CORRUPT;
    return err;
}

/* --- what is known of a file --- */

void fp_lfs_ctz_forget(const struct fp_lfs *fs, struct fp_lfs_file *f)
{
    memset(f->known, 0xff, (FP_LFS_NEAR + fs->far) * sizeof f->known[0]);
}

static void note(const struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t step,
                 uint32_t index, uint32_t block)
{
    uint32_t i = index - f->near_base, j = index >> step;

    if (block >= fs->block_count)
        return;
    if (i < FP_LFS_NEAR)
        f->known[i] = block;
    if (j << step == index && j < fs->far)
        f->known[FP_LFS_NEAR + j] = block;
}

/* Blocks near another target have been known until now. */
static void come_near(const struct fp_lfs *fs, struct fp_lfs_file *f,
                      uint32_t step, uint32_t index)
{
    uint32_t base = index - index % FP_LFS_NEAR;

    if (f->near_base == base)
        return;
    f->near_base = base;
    for (uint32_t i = 0; i < FP_LFS_NEAR; i++) {
        uint32_t j = (base + i) >> step;

        f->known[i] = j << step == base + i && j < fs->far
                          ? f->known[FP_LFS_NEAR + j]
                          : FP_LFS_NULL;
    }
}

/* The nearest known block from `index` on: its index. */
static uint32_t nearest(const struct fp_lfs *fs, struct fp_lfs_file *f,
                        uint32_t step, uint32_t index, uint32_t last,
                        uint32_t *block)
{
    uint32_t i = index - f->near_base;
    uint32_t j = (index + (1u << step) - 1) >> step;

    for (; i < FP_LFS_NEAR && f->near_base + i < last; i++)
        if ((*block = f->known[i]) != FP_LFS_NULL)
            return f->near_base + i;
    for (; j < fs->far && j << step < last; j++)
        if ((*block = f->known[FP_LFS_NEAR + j]) != FP_LFS_NULL)
            return j << step;
    *block = f->body.head;
    return last;
}

/* Follows pointer k of the block with index *at, and notes those before it. */
static int follow(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t step,
                  uint32_t *at, uint32_t k, uint32_t *block)
{
    const uint8_t *raw;
    uint32_t n, to = FP_LFS_NULL;
    int err = fp_lfs_peek(fs, *block, 0, 4 * (k + 1), &raw, &n);

    if (!err && n < 4 * (k + 1)) {
        err = read_pointer(fs, *block, k, &to);
        n = 0;
    }
    if (err)
        return err;
    for (uint32_t i = 0; 4 * i + 4 <= n && i <= ctz(*at); i++) {
        uint32_t there = fp_get_le32(raw + 4 * i);

        note(fs, f, step, *at - (1u << i), there);
        if (i == k)
            to = there;
    }
    *at -= 1u << k;
    *block = to;
    return to < fs->block_count ? FP_OK : FP_ERR_CORRUPT;
}

int fp_lfs_ctz_find(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t index,
                    uint32_t *block)
{
    uint32_t off, at, step = 0;
    uint32_t last = fp_lfs_ctz_index(fs->block_size, f->body.size - 1, &off);

    while (last && (last - 1) >> step >= fs->far)
        step++;
    come_near(fs, f, step, index);
    at = nearest(fs, f, step, index, last, block);
    while (at > index) {
        int err = follow(fs, f, step, &at,
                         fp_lfs_min(log2_floor(at - index), ctz(at)), block);

        if (err)
            return err;
    }
    return *block < fs->block_count ? FP_OK : FP_ERR_CORRUPT;
}

/* Blocks with an even index name the two before them, so every second need
 * not be read. */
int fp_lfs_ctz_walk(struct fp_lfs *fs, uint32_t head, uint32_t size,
                    fp_fs_block_fn fn, void *ctx)
{
    uint32_t off, at, block = head;

    if (!size)
        return FP_OK;
    at = fp_lfs_ctz_index(fs->block_size, size - 1, &off);
    if (at >= fs->block_count)
        return FP_ERR_CORRUPT;
    for (;;) {
        uint32_t next, after;
        int err;

        if (block >= fs->block_count)
            return FP_ERR_CORRUPT;
        err = fn(ctx, block, FP_BLOCK_DATA);
        if (err || !at)
            return err;
        err = read_pointer(fs, block, 0, &next);
        if (err)
            return err;
        if (at % 2 == 0) {
            err = read_pointer(fs, block, 1, &after);
            if (!err)
                err = fn(ctx, next, FP_BLOCK_DATA);
            if (err)
                return err;
            at -= 2;
            block = after;
        } else {
            at--;
            block = next;
        }
    }
}
