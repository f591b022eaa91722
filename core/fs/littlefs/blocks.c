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

struct walk {
    struct fp_lfs *fs;
    fp_fs_block_fn fn;
    void *ctx;
    uint64_t left;
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
    int err = FP_OK;

    for (int i = 0; i < 2 && !err; i++)
        err = report(w, pair[i], FP_BLOCK_METADATA);
    return err;
}

/* The pair itself and the files in it. */
static int report_mdir(struct walk *w, const struct fp_lfs_mdir *m)
{
    struct fp_lfs *fs = w->fs;
    int err = report_pair(w, m->pair);

    for (uint32_t id = 0; id < m->count && !err; id++) {
        fp_lfs_rec rec = m->ents[id].strct;
        uint8_t raw[8];

        if (fp_lfs_rec_kind(rec) != FP_LFS_CTZ || fp_lfs_rec_len(rec) < 8 ||
            fp_lfs_ent_moved(fs, m, id))
            continue;
        err = fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(rec), raw, 8, 8);
        if (!err)
            err = fp_lfs_ctz_walk(fs, fp_get_le32(raw), fp_get_le32(raw + 4),
                                  report, w);
    }
    return err;
}

/* A directory's pairs from its head on. */
static int report_chain(struct walk *w, const uint32_t head[2])
{
    uint32_t at[2] = { head[0], head[1] };

    for (;;) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(w->fs, at, &m);

        if (!err)
            err = report_mdir(w, m);
        if (err || !m->hard)
            return err;
        fp_lfs_pair_set(at, m->tail[0], m->tail[1]);
    }
}

/* The directories named in the pair at `pair`, which is read again after each:
 * following them takes the slots. */
static int report_children(struct walk *w, const uint32_t pair[2])
{
    struct fp_lfs *fs = w->fs;

    for (uint32_t id = 0;; id++) {
        struct fp_lfs_mdir *m;
        uint32_t child[2];
        int err = fp_lfs_get(fs, pair, &m);

        if (err || id >= m->count)
            return err;
        if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR)
            continue;
        err = fp_lfs_ent_pair(fs, m, id, child);
        if (!err)
            err = report_chain(w, child);
        if (err)
            return err;
    }
}

int fp_lfs_traverse(struct fp_lfs *fs, fp_fs_block_fn fn, void *ctx)
{
    struct walk w = { fs, fn, ctx, 4 * (uint64_t)fs->block_count + 64 };
    uint32_t at[2] = { 0, 1 };

    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        uint32_t tail[2], pair[2];
        int err = fp_lfs_get(fs, at, &m);

        if (err)
            return err;
        fp_lfs_pair_set(tail, m->tail[0], m->tail[1]);
        fp_lfs_pair_set(pair, m->pair[0], m->pair[1]);
        err = report_mdir(&w, m);
        if (!err && fs->gdisk.tag & FP_LFS_G_ORPHANS)
            err = report_children(&w, pair);
        if (err)
            return err;
        if (fp_lfs_pair_is_null(tail))
            return FP_OK;
        fp_lfs_pair_set(at, tail[0], tail[1]);
    }
    return FP_ERR_CORRUPT;
}

/* --- counting --- */

struct window {
    uint8_t *bits;
    uint32_t start, size, count;
};

static int mark(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct window *win = ctx;
    uint32_t i = block - win->start;

    (void)use;
    if (i < win->size && !(win->bits[i / 8] >> i % 8 & 1)) {
        win->bits[i / 8] |= (uint8_t)(1u << i % 8);
        win->count++;
    }
    return FP_OK;
}

static int count_one(void *ctx, uint32_t block, enum fp_block_use use)
{
    (void)block;
    (void)use;
    ++*(uint32_t *)ctx;
    return FP_OK;
}

/* A sound volume names each block once, so that counting is enough. With the
 * orphan flag it takes a bitmap, window by window; the allocator's, which
 * then has to look afresh. */
int fp_lfs_count_used(struct fp_lfs *fs, uint32_t *used)
{
    struct window win = { fs->look, 0, fs->look_size * 8, 0 };
    int err = FP_OK;

    if (fs->used_known) {
        *used = fs->used;
        return FP_OK;
    }
    if (fs->gdisk.tag & FP_LFS_G_ORPHANS) {
        for (; win.start < fs->block_count && !err; win.start += win.size) {
            for (uint32_t i = 0; i < fs->look_size; i++)
                win.bits[i] = 0;
            err = fp_lfs_traverse(fs, mark, &win);
        }
        fs->look_bits = 0;
    } else {
        err = fp_lfs_traverse(fs, count_one, &win.count);
    }
    if (err)
        return err;
    *used = fs->used = fp_lfs_min(win.count, fs->block_count);
    fs->used_known = true;
    return FP_OK;
}

int fp_lfs_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    return fp_lfs_traverse(fp_lfs_of(mnt), fn, ctx);
}
