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

int fp_lfs_visit(struct fp_lfs_walk *w, uint32_t block)
{
    uint32_t i = block - w->start + (block < w->start ? w->wrap : 0);

    if (block >= w->fs->block_count || w->left-- == 0)
        return FP_ERR_CORRUPT;
    if (FP_LFS_TELLS && w->fn)
        return w->fn(w->ctx, block, w->use);
    if (i >= w->size)
        return FP_OK;
    if (w->bits) {
        uint8_t *byte = &w->bits[i / 8], bit = (uint8_t)(1u << i % 8);

        if (*byte & bit)
            return FP_OK;
        *byte |= bit;
    }
    w->count++;
    return FP_OK;
}

static int visit_pair(struct fp_lfs_walk *w, const uint32_t pair[2])
{
    int err;

    if (FP_LFS_TELLS)
        w->use = FP_BLOCK_METADATA;
    err = fp_lfs_visit(w, pair[0]);
    if (!err)
        err = fp_lfs_visit(w, pair[1]);
    if (FP_LFS_TELLS)
        w->use = FP_BLOCK_DATA;
    return err;
}

/* The pair itself and the files in it. */
static int visit_mdir(struct fp_lfs_walk *w, const struct fp_lfs_mdir *m)
{
    struct fp_lfs *fs = w->fs;
    int err = visit_pair(w, m->pair);

    for (uint32_t id = 0; id < m->count && !err; id++) {
        fp_lfs_rec rec = m->ents[id].strct;
        uint32_t list[2];

        if (fp_lfs_rec_kind(rec) != FP_LFS_CTZ || fp_lfs_rec_len(rec) < 8 ||
            fp_lfs_ent_moved(fs, m, id))
            continue;
        err = fp_lfs_ent_pair(fs, m, id, list);
        if (!err)
            err = fp_lfs_ctz_walk(w, list[0], list[1]);
    }
    return err;
}

/* A directory's pairs from its head on. */
static int visit_chain(struct fp_lfs_walk *w, struct fp_lfs_chain *dir)
{
    int err;

    do {
        err = fp_lfs_chain_next(w->fs, dir);
        if (!err)
            err = visit_mdir(w, dir->m);
    } while (!err && dir->m->hard);
    return err;
}

/* The directories named in the pair at `pair`, which is read again after each:
 * following them takes the slots. */
static int visit_children(struct fp_lfs_walk *w, const uint32_t pair[2])
{
    struct fp_lfs *fs = w->fs;

    for (uint32_t id = 0;; id++) {
        struct fp_lfs_chain dir;
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, pair, &m);

        if (err || id >= m->count)
            return err;
        if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR)
            continue;
        dir.hops = 0;
        err = fp_lfs_ent_pair(fs, m, id, dir.next);
        if (!err)
            err = visit_chain(w, &dir);
        if (err)
            return err;
    }
}

int fp_lfs_traverse(struct fp_lfs_walk *w)
{
    struct fp_lfs_chain thread;
    struct fp_lfs *fs = w->fs;
    int err;

    fp_lfs_chain_begin(&thread, 0, 1);
    w->left = fp_lfs_min(fs->block_count, 1u << 29) * 4 + 64;

    while (!(err = fp_lfs_chain_next(fs, &thread))) {
        uint32_t pair[2] = { thread.m->pair[0], thread.m->pair[1] };

        err = visit_mdir(w, thread.m);
        if (!err && fs->gdisk.tag & FP_LFS_G_ORPHANS)
            err = visit_children(w, pair);
        if (err)
            return err;
    }
    return err == FP_ERR_NOENT ? FP_OK : err;
}

/* --- counting --- */

/* A sound volume names each block once, so that counting is enough. With the
 * orphan flag it takes a bitmap, window by window; the allocator's, which
 * then has to look afresh. */
int fp_lfs_count_used(struct fp_lfs *fs, uint32_t *used)
{
    struct fp_lfs_walk w = { .fs = fs, .size = fs->block_count };
    int err = FP_OK;

    if (!fs->used_known) {
        if (fs->gdisk.tag & FP_LFS_G_ORPHANS) {
            w.bits = fs->look.map;
            w.size = fs->look_size * 8;
            fs->look.bits = 0;
        }
        for (; w.start < fs->block_count && !err; w.start += w.size) {
            if (w.bits)
                memset(w.bits, 0, fs->look_size);
            err = fp_lfs_traverse(&w);
        }
        fs->used = fp_lfs_min(w.count, fs->block_count);
        fs->used_known = !err;
    }
    *used = fs->used;
    return err;
}

int fp_lfs_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_lfs_walk w = { .fs = fp_lfs_of(mnt), .fn = fn, .ctx = ctx };

    return fp_lfs_traverse(&w);
}
