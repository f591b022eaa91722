/* SPDX-License-Identifier: MIT
 *
 * Compacting in advance of the write that would wait for it: metadata whose
 * log is nearly full is written out afresh.
 *
 * A pair is compacted when the next commit or two would do it anyway, and
 * when that leaves room: one whose entries themselves take three quarters of
 * a block would be full again at once. So a second run finds nothing to do.
 */
#include "core/fs/littlefs/lfs.h"

/* Where a compaction stands between slices. */
struct position {
    uint32_t at[2];
    uint32_t changes; /* the application may have written since */
    bool begun;
};

static bool is_full(const struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    return !m->erased || m->off > fs->block_size - fs->block_size / 8;
}

/* Compacts the pair if that is worth it. It may relocate then: p->at follows it
 * as an open listing does. */
static int compact_pair(struct fp_lfs *fs, struct position *p,
                        struct fp_lfs_mdir *m)
{
    struct fp_lfs_node here = { .what = FP_LFS_NODE_DIR };
    uint32_t live;
    int err;

    if (!is_full(fs, m))
        return FP_OK;
    fs->part->expanded = false;
    live = fp_lfs_live_size(fs, m, 0, m->count);
    if (fs->log.err || live > fs->block_size / 4 * 3)
        return fs->log.err;
    m->erased = false; /* so nothing is appended, not even nothing */
    fp_lfs_pair_set(here.pair, m->pair[0], m->pair[1]);
    fp_lfs_pair_set(here.dir, FP_LFS_NULL, FP_LFS_NULL);
    fp_lfs_node_add(fs, &here);
    err = fp_lfs_commit(fs, p->at);
    fp_lfs_node_del(fs, &here);
    fp_lfs_pair_set(p->at, here.pair[0], here.pair[1]);
    return err;
}

int fp_lfs_compact_step(struct fp_lfs *fs, struct fp_step *step)
{
    struct position *p = (struct position *)(void *)step->state;
    struct fp_lfs_mdir *m;
    int err = FP_OK;

    if (p->begun && p->changes != fs->changes)
        err = fp_lfs_find_in_thread(fs, p->at, p->at);
    if (!p->begun || err == FP_ERR_NOENT) {
        fp_lfs_pair_set(p->at, 0, 1);
        err = FP_OK;
    }
    p->begun = true;
    if (!err)
        err = fp_lfs_get(fs, p->at, &m);
    if (!err)
        err = compact_pair(fs, p, m);
    if (!err)
        err = fp_lfs_get(fs, p->at, &m);
    if (err)
        return err;
    p->changes = fs->changes;
    step->total = fs->mdir_count;
    step->progress++;
    /* Pairs of a damaged volume that share blocks lead round and round. */
    step->done =
        fp_lfs_pair_is_null(m->tail) || step->progress > fs->block_count;
    fp_lfs_pair_set(p->at, m->tail[0], m->tail[1]);
    return FP_OK;
}
