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
 * A file keeps the blocks that its last walk passed (anchors, highest index
 * first), which serves a sequential reader, about one step a block; and seven
 * blocks at equal distances of a power of two (the grid), which serve a random
 * one. A walk starts from the nearest known block at or behind its target.
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

static void remember(struct fp_lfs_file *f, uint32_t index, uint32_t block)
{
    if (f->anchor_count == FP_LFS_ANCHORS) {
        memmove(f->anchors, f->anchors + 1,
                (FP_LFS_ANCHORS - 1) * sizeof f->anchors[0]);
        f->anchor_count--;
    }
    f->anchors[f->anchor_count++] = (struct fp_lfs_anchor){ index, block };
}

/* The nearest known block from `index` on. */
static uint32_t nearest(struct fp_lfs_file *f, uint32_t index, uint32_t last,
                        uint32_t step, uint32_t *block)
{
    uint32_t at = last, j = (index + (1u << step) - 1) >> step;

    *block = f->body.head;
    if (j > 0 && j <= FP_LFS_ANCHORS && f->grid_known >> (j - 1) & 1) {
        at = j << step;
        *block = f->grid[j - 1];
    }
    while (f->anchor_count && f->anchors[f->anchor_count - 1].index < index)
        f->anchor_count--;
    if (f->anchor_count && f->anchors[f->anchor_count - 1].index < at) {
        at = f->anchors[f->anchor_count - 1].index;
        *block = f->anchors[f->anchor_count - 1].block;
    }
    return at;
}

int fp_lfs_ctz_find(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t index,
                    uint32_t *block)
{
    uint32_t off, at, step = 0;
    uint32_t last = fp_lfs_ctz_index(fs->block_size, f->body.size - 1, &off);

    while (last >> step > FP_LFS_ANCHORS)
        step++;
    at = nearest(f, index, last, step, block);
    while (at > index) {
        uint32_t k = fp_lfs_min(log2_floor(at - index), ctz(at));
        int err = read_pointer(fs, *block, k, block);

        if (err)
            return err;
        at -= 1u << k;
        remember(f, at, *block);
        if (at && !(at & ((1u << step) - 1))) {
            f->grid[(at >> step) - 1] = *block;
            f->grid_known |= (uint8_t)(1u << ((at >> step) - 1));
        }
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
