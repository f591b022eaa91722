/* SPDX-License-Identifier: MIT
 *
 * The thread: the list of all metadata pairs, from {0,1} from tail to tail,
 * and searches along it. Every search is bounded by the number of blocks, so
 * a thread that loops is an error and not a hang.
 */
#include "core/fs/littlefs/lfs.h"

void fp_lfs_gstate_xor(struct fp_lfs_gstate *to, const struct fp_lfs_gstate *by)
{
    to->tag ^= by->tag;
    to->pair[0] ^= by->pair[0];
    to->pair[1] ^= by->pair[1];
}

bool fp_lfs_gstate_is_zero(const struct fp_lfs_gstate *g)
{
    return !(g->tag | g->pair[0] | g->pair[1]);
}

/* The first entry, along the thread, of a directory that shares a block with
 * `pair`. The source of a pending move does not count. */
int fp_lfs_find_parent(struct fp_lfs *fs, const uint32_t pair[2],
                       struct fp_lfs_place *place)
{
    uint32_t at[2] = { 0, 1 };

    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, at, &m);

        if (err)
            return err;
        for (uint32_t id = 0; id < m->count; id++) {
            uint32_t child[2];

            if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR ||
                !fp_lfs_ent_visible(fs, m, id))
                continue;
            err = fp_lfs_ent_pair(fs, m, id, child);
            if (err)
                return err;
            if (!fp_lfs_pair_shares(child, pair))
                continue;
            fp_lfs_pair_set(place->pair, m->pair[0], m->pair[1]);
            fp_lfs_pair_set(place->dir, child[0], child[1]);
            place->id = (uint16_t)id;
            return FP_OK;
        }
        if (fp_lfs_pair_is_null(m->tail))
            return FP_ERR_NOENT;
        fp_lfs_pair_set(at, m->tail[0], m->tail[1]);
    }
    return FP_ERR_CORRUPT;
}

/* The pair whose tail shares a block with `pair`. */
int fp_lfs_find_pred(struct fp_lfs *fs, const uint32_t pair[2],
                     uint32_t pred[2], bool *hard)
{
    uint32_t at[2] = { 0, 1 };

    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, at, &m);

        if (err)
            return err;
        if (fp_lfs_pair_is_null(m->tail))
            return FP_ERR_NOENT;
        if (fp_lfs_pair_shares(m->tail, pair)) {
            fp_lfs_pair_set(pred, m->pair[0], m->pair[1]);
            *hard = m->hard;
            return FP_OK;
        }
        fp_lfs_pair_set(at, m->tail[0], m->tail[1]);
    }
    return FP_ERR_CORRUPT;
}

/* The pair in the thread that shares a block with `pair`. */
int fp_lfs_find_in_thread(struct fp_lfs *fs, const uint32_t pair[2],
                          uint32_t found[2])
{
    uint32_t at[2] = { 0, 1 };

    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, at, &m);

        if (err)
            return err;
        if (fp_lfs_pair_shares(m->pair, pair)) {
            fp_lfs_pair_set(found, m->pair[0], m->pair[1]);
            return FP_OK;
        }
        if (fp_lfs_pair_is_null(m->tail))
            return FP_ERR_NOENT;
        fp_lfs_pair_set(at, m->tail[0], m->tail[1]);
    }
    return FP_ERR_CORRUPT;
}
