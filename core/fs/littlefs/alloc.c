/* SPDX-License-Identifier: MIT
 *
 * Free blocks. There is no map of them on flash: a block is free when nothing
 * refers to it. A window of the device is looked at at a time: one walk over
 * the filesystem marks in a bitmap what is in use there; then free ones are
 * handed out in order, and the window moves on, round and round. The first
 * window lies at a place that differs from mount to mount, so that wear
 * spreads.
 *
 * In use is what flash refers to, what open files refer to, and what the
 * running operation has taken and not linked yet (flight).
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define BAD_TRIES 32

static int mark(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct fp_lfs *fs = ctx;
    uint32_t i = block >= fs->look_start
                     ? block - fs->look_start
                     : block + (fs->block_count - fs->look_start);

    (void)use;
    if (i < fs->look_bits)
        fs->look[i / 8] |= (uint8_t)(1u << i % 8);
    return FP_OK;
}

static int walk_body(struct fp_lfs *fs, const struct fp_lfs_body *body,
                     fp_fs_block_fn fn, void *ctx)
{
    return body->kind == FP_LFS_CTZ
               ? fp_lfs_ctz_walk(fs, body->head, body->size, fn, ctx)
               : FP_OK;
}

int fp_lfs_file_walk(struct fp_lfs *fs, const struct fp_lfs_file *f,
                     fp_fs_block_fn fn, void *ctx)
{
    int err = walk_body(fs, &f->body, fn, ctx);

    if (err || !f->writing)
        return err;
    if (f->wblock != FP_LFS_NULL)
        err = fn(ctx, f->wblock, FP_BLOCK_DATA);
    return err ? err : fp_lfs_ctz_walk(fs, f->wprev, f->wstart, fn, ctx);
}

static int mark_file(struct fp_lfs *fs, const struct fp_lfs_file *f)
{
    int err = fp_lfs_file_walk(fs, f, mark, fs);

    if (err || f->saved.head == f->body.head)
        return err;
    return walk_body(fs, &f->saved, mark, fs);
}

static void mark_pair(struct fp_lfs *fs, const uint32_t pair[2])
{
    (void)mark(fs, pair[0], FP_BLOCK_METADATA);
    (void)mark(fs, pair[1], FP_BLOCK_METADATA);
}

static int fill(struct fp_lfs *fs)
{
    int err;

    fs->look_start = (fs->look_start + fs->look_bits) % fs->block_count;
    fs->look_bits = fp_lfs_min(fs->look_size * 8, fs->block_count);
    fs->look_next = 0;
    memset(fs->look, 0, fs->look_size);
    err = fp_lfs_traverse(fs, mark, fs);
    for (const struct fp_lfs_node *n = fs->nodes; n && !err; n = n->next)
        if (n->what == FP_LFS_NODE_FILE)
            err = mark_file(fs, (const struct fp_lfs_file *)(const void *)n);
    for (uint32_t i = 0; i < fs->flight_count; i++)
        (void)mark(fs, fs->flight[i], FP_BLOCK_METADATA);
    /* Until all its links are new, flash still leads to the old pair. */
    for (uint32_t i = 0; i < fs->moved_count; i++)
        mark_pair(fs, fs->moved[i].old);
    if (err)
        fs->look_bits = 0; /* half marked is worse than not at all */
    return err;
}

int fp_lfs_alloc_fill(struct fp_lfs *fs)
{
    return fs->look_next < fs->look_bits ? FP_OK : fill(fs);
}

int fp_lfs_alloc(struct fp_lfs *fs, uint32_t *block)
{
    uint32_t seen = 0;

    for (;;) {
        int err;

        while (fs->look_next < fs->look_bits) {
            uint32_t i = fs->look_next++;

            seen++;
            if (fs->look[i / 8] >> i % 8 & 1)
                continue;
            fs->look[i / 8] |= (uint8_t)(1u << i % 8);
            *block = (fs->look_start + i) % fs->block_count;
            fs->used_known = false;
            return FP_OK;
        }
        /* What was left of the first window may have been freed since, so
         * the round is full only once it has been looked at again. */
        if (seen > fs->block_count + fs->look_size * 8)
            return FP_ERR_NOSPC;
        err = fill(fs);
        if (err)
            return err;
    }
}

void fp_lfs_alloc_resize(struct fp_lfs *fs, uint32_t block_count)
{
    fs->block_count = fs->mnt->cfg.block_count = block_count;
    fs->look_bits = fs->look_next = 0;
}

int fp_lfs_alloc_erased(struct fp_lfs *fs, uint32_t *block)
{
    for (int i = 0; i < BAD_TRIES; i++) {
        int err = fp_lfs_alloc(fs, block);

        if (!err)
            err = fp_lfs_erase(fs, *block);
        if (err != FP_LFS_BAD)
            return err;
    }
    return FP_ERR_IO;
}

int fp_lfs_alloc_flight(struct fp_lfs *fs, uint32_t *block)
{
    int err;

    if (fs->flight_count == FP_LFS_FLIGHT_MAX)
        return FP_ERR_IO;
    err = fp_lfs_alloc(fs, block);
    if (!err)
        fs->flight[fs->flight_count++] = *block;
    return err;
}
