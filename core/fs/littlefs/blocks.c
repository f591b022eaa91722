/* SPDX-License-Identifier: MIT
 *
 * Which blocks are in use: both of every pair in the thread, both of every
 * pair that a directory entry names, and every block of every file.
 *
 * A power cut during a relocation may leave a directory that its parent
 * already names by its new pair while the thread still has the old one; the
 * new one may continue in a pair that the thread does not know yet. So while
 * the orphan flag stands, the pairs of all directory entries are followed as
 * well, and blocks are then reported more than once.
 *
 * On a damaged image lists may run into each other. A walk ends with
 * FP_ERR_CORRUPT when it has seen several times as many blocks as there are.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

struct walk {
    struct fp_lfs *fs;
    fp_fs_block_fn fn;
    void *ctx;
    uint32_t left;
};

static int report(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct walk *w = ctx;

    if (w->left-- == 0)
        return FP_ERR_CORRUPT;
    return w->fn(w->ctx, block, use);
}

static int report_pair(struct walk *w, const uint32_t pair[2])
{
    int err = report(w, pair[0], FP_BLOCK_METADATA);

    return err ? err : report(w, pair[1], FP_BLOCK_METADATA);
}

/* The pair itself and the files in it. */
static int report_mdir(struct walk *w, const struct fp_lfs_mdir *m)
{
    struct fp_lfs *fs = w->fs;
    int err = report_pair(w, m->pair);

    for (uint32_t id = 0; id < m->count && !err; id++) {
        fp_lfs_rec rec = m->ents[id].strct;
        uint32_t list[2];

        if (fp_lfs_rec_kind(rec) != FP_LFS_CTZ || fp_lfs_rec_len(rec) < 8 ||
            fp_lfs_ent_moved(fs, m, id))
            continue;
        err = fp_lfs_ent_pair(fs, m, id, list);
        if (!err)
            err = fp_lfs_ctz_walk(fs, list[0], list[1], report, w);
    }
    return err;
}

/* A directory's pairs from its head on. */
static int report_chain(struct walk *w, struct fp_lfs_chain *dir)
{
    int err;

    do {
        err = fp_lfs_chain_next(w->fs, dir);
        if (!err)
            err = report_mdir(w, dir->m);
    } while (!err && dir->m->hard);
    return err;
}

/* The directories named in the pair at `pair`, which is read again after each:
 * following them takes the slots. */
static int report_children(struct walk *w, const uint32_t pair[2])
{
    struct fp_lfs *fs = w->fs;

    for (uint32_t id = 0;; id++) {
        struct fp_lfs_chain dir = { 0 };
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, pair, &m);

        if (err || id >= m->count)
            return err;
        if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR)
            continue;
        err = fp_lfs_ent_pair(fs, m, id, dir.next);
        if (!err)
            err = report_chain(w, &dir);
        if (err)
            return err;
    }
}

int fp_lfs_traverse(struct fp_lfs *fs, fp_fs_block_fn fn, void *ctx)
{
    struct walk w = { fs, fn, ctx,
                      fp_lfs_min(fs->block_count, 1u << 29) * 4 + 64 };
    struct fp_lfs_chain thread = FP_LFS_THREAD;
    int err;

    while (!(err = fp_lfs_chain_next(fs, &thread))) {
        uint32_t pair[2] = { thread.m->pair[0], thread.m->pair[1] };

        err = report_mdir(&w, thread.m);
        if (!err && fs->gdisk.tag & FP_LFS_G_ORPHANS)
            err = report_children(&w, pair);
        if (err)
            return err;
    }
    return err == FP_ERR_NOENT ? FP_OK : err;
}

/* --- counting --- */

int fp_lfs_tally(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct fp_lfs_tally *t = ctx;
    uint32_t i = block - t->start + (block < t->start ? t->wrap : 0);
    uint32_t bit = 1u << i % 8;

    (void)use;
    if (i >= t->size)
        return FP_OK;
    if (t->bits && t->bits[i / 8] & bit)
        return FP_OK;
    if (t->bits)
        t->bits[i / 8] |= (uint8_t)bit;
    t->count++;
    return FP_OK;
}

/* A sound volume names each block once, so that counting is enough. With the
 * orphan flag it takes a bitmap, window by window; the allocator's, which
 * then has to look afresh. */
int fp_lfs_count_used(struct fp_lfs *fs, uint32_t *used)
{
    struct fp_lfs_tally t = { .size = fs->block_count };
    int err = FP_OK;

    if (!fs->used_known) {
        if (fs->gdisk.tag & FP_LFS_G_ORPHANS) {
            t.bits = fs->look;
            t.size = fs->look_size * 8;
            fs->look_bits = 0;
        }
        for (; t.start < fs->block_count && !err; t.start += t.size) {
            memset(fs->look, 0, t.bits ? fs->look_size : 0);
            err = fp_lfs_traverse(fs, fp_lfs_tally, &t);
        }
        fs->used = fp_lfs_min(t.count, fs->block_count);
        fs->used_known = !err;
    }
    *used = fs->used;
    return err;
}

int fp_lfs_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    return fp_lfs_traverse(fp_lfs_of(mnt), fn, ctx);
}
