/* SPDX-License-Identifier: MIT
 *
 * What a power cut left is put right before the first write.
 *
 *     a pending move    its source is deleted
 *     half-orphans      a directory relocated, the parent's entry names the
 *                       new pair, the thread the old one: the parent is right
 *     orphans           a directory removed, the thread still has it: out
 *
 * Only when the orphan flag says so does anyone look for the last two. Nothing
 * is moved for wear meanwhile, so every correction is final and their number
 * is bounded by that of the pairs. Then the superblock is given the version
 * and the block count that the mount asked for.
 *
 * Source: the format page, section 6.
 */
#include "core/fs/littlefs/lfs.h"

static int repair_move(struct fp_lfs *fs)
{
    uint32_t pair[2], id = fp_lfs_tag_id(fs->gdisk.tag);
    struct fp_lfs_mdir *m;
    int err;

    if (!fp_lfs_has_move(&fs->gdisk))
        return FP_OK;
    err = fp_lfs_find_in_thread(fs, fs->gdisk.pair, pair);
    if (!err)
        err = fp_lfs_get(fs, pair, &m);
    if (err && err != FP_ERR_NOENT)
        return err;
    fp_lfs_want_no_move(fs);
    /* A move of nothing is only forgotten. */
    if (err || id >= m->count ||
        fp_lfs_rec_kind(m->ents[id].name) == FP_LFS_SUPER)
        return fp_lfs_commit(fs, fs->root);
    return fp_lfs_commit_delete(fs, pair, id);
}

/* The first correction that is to be made along the thread: links first, then
 * pairs without an entry are dropped. FP_ERR_NOENT: there is none. */
static int repair_next(struct fp_lfs *fs, bool drop)
{
    struct fp_lfs_chain thread;
    struct fp_lfs_place *parent = fs->parent;

    fp_lfs_chain_begin(&thread, 0, 1);
    for (;;) {
        uint32_t pred[2];
        int err = fp_lfs_chain_next(fs, &thread);

        if (err)
            return err;
        if (thread.m->hard || fp_lfs_pair_is_null(thread.next))
            continue;
        fp_lfs_pair_set(pred, thread.m->pair[0], thread.m->pair[1]);
        err = fp_lfs_find_parent(fs, thread.next, parent);
        if (err && err != FP_ERR_NOENT)
            return err;
        if (err && drop)
            return fp_lfs_unlink(fs, thread.next);
        /* Two entries for parts of one pair are not a power cut's doing. */
        if (!err && !drop && !fp_lfs_pair_equal(parent->dir, thread.next)) {
            fp_lfs_op_pair(fs, FP_LFS_SOFTTAIL, FP_LFS_NO_ID, parent->dir);
            return fp_lfs_commit(fs, pred);
        }
    }
}

/* Every correction is final, so there are no more of them than pairs. */
static int repair_orphans(struct fp_lfs *fs)
{
    uint32_t left = fs->block_count;
    int err = FP_OK;

    if (!(fs->gdisk.tag & FP_LFS_G_ORPHANS))
        return FP_OK;
    for (int drop = 0; drop <= 1; drop++) {
        do
            err = left-- ? repair_next(fs, drop) : FP_ERR_CORRUPT;
        while (!err);
        if (err != FP_ERR_NOENT)
            return err;
    }
    fp_lfs_pend(fs, -1);
    return fp_lfs_commit(fs, fs->root);
}

/* --- the superblock's record --- */

/* Puts a word of the record of one superblock, if it says something else. */
static int put_record(struct fp_lfs *fs, const uint32_t pair[2], uint32_t at,
                      uint32_t value)
{
    uint32_t record[6];
    struct fp_lfs_mdir *m;
    int err = fp_lfs_get(fs, pair, &m);

    if (!err)
        err = fp_lfs_rec_words(fs, m, m->ents[0].strct, record, 6);
    if (err || record[at] == value)
        return err;
    record[at] = value;
    fp_lfs_le(record, 6);
    (void)fp_lfs_op(fs, FP_LFS_STRUCT_INLINE, 0, record, sizeof record);
    return fp_lfs_commit(fs, pair);
}

/* The record alone makes a volume 2.1. */
static int upgrade(struct fp_lfs *fs)
{
    int err;

    if (!fs->upgrade)
        return FP_OK;
    err = put_record(fs, fs->root, 0, 0x20001);
    if (err)
        return err;
    fs->minor = 1;
    fs->mnt->cfg.version = 0x20001;
    fs->upgrade = false;
    /* What was judged erased by the rules of 2.0 is judged anew. */
    fp_lfs_drop_slots(fs, NULL);
    return FP_OK;
}

static int stay_below(void *ctx, uint32_t block, enum fp_block_use use)
{
    (void)use;
    return block < *(const uint32_t *)ctx ? FP_OK : FP_ERR_NOSPC;
}

/* FP_ERR_NOSPC: a block from `count` on is in use. */
static FP_LFS_APART int check_below(struct fp_lfs *fs, uint32_t count)
{
    struct fp_lfs_walk w = { .fs = fs, .fn = stay_below, .ctx = &count };

    return fp_lfs_traverse(&w);
}

/* The root's record is the one that counts, so its commit is the moment that
 * the volume has another size: it may not yet use what that adds, nor any
 * more what that takes. A cut before the other records follow leaves them to
 * the next mount that writes. */
static int resize(struct fp_lfs *fs)
{
    uint32_t from = fs->block_count, to = fs->resize;
    struct fp_lfs_chain supers;
    int err = FP_OK;

    fp_lfs_chain_begin(&supers, 0, 1);
    if (!to)
        return FP_OK;
    if (to < fs->super.block_count)
        err = check_below(fs, to);
    if (err)
        return err;
    fp_lfs_alloc_resize(fs, fp_lfs_min(from, to));
    err = put_record(fs, fs->root, 2, to);
    fp_lfs_alloc_resize(fs, err ? from : to);
    if (!err)
        fs->super.block_count = to;
    while (!err && !fp_lfs_pair_shares(supers.next, fs->root)) {
        uint32_t at[2] = { supers.next[0], supers.next[1] };

        err = put_record(fs, at, 2, to);
        if (!err)
            err = fp_lfs_chain_next(fs, &supers);
    }
    if (!err)
        fs->resize = fs->uneven = 0;
    return err;
}

int fp_lfs_repair(struct fp_lfs *fs)
{
    int err;

    fs->still = true;
    err = repair_move(fs);
    if (!err)
        err = repair_orphans(fs);
    if (!err && FP_LFS_EXTRAS)
        err = upgrade(fs);
    if (!err && FP_LFS_EXTRAS)
        err = resize(fs);
    fs->still = false;
    return err;
}

int fp_lfs_step(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    int err;

    if (step->kind == FP_STEP_CHECK)
        return fp_lfs_check_step(fs, step);
    if (mnt->cfg.flags & FP_MOUNT_RDONLY)
        return FP_ERR_ROFS;
    err = fp_lfs_prepare(fs);
    step->done = step->kind != FP_STEP_COMPACT;
    if (!err && step->kind == FP_STEP_COMPACT)
        err = fp_lfs_compact_step(fs, step);
    if (!err && step->kind == FP_STEP_GC)
        err = fp_lfs_alloc_fill(fs);
    return fp_lfs_finish(fs, err);
}
