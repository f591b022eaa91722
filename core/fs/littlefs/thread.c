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

int fp_lfs_chain_next(struct fp_lfs *fs, struct fp_lfs_chain *chain)
{
    int err;

    if (fp_lfs_pair_is_null(chain->next))
        return FP_ERR_NOENT;
    if (chain->hops++ > fs->block_count)
        return FP_ERR_CORRUPT;
    err = fp_lfs_get(fs, chain->next, &chain->m);
    if (!err)
        fp_lfs_pair_set(chain->next, chain->m->tail[0], chain->m->tail[1]);
    return err;
}

/* The entry in m of a directory that shares a block with `pair`. The source of
 * a pending move does not count. FP_ERR_NOENT: none. */
static int find_child(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      const uint32_t pair[2], struct fp_lfs_place *place)
{
    for (uint32_t id = 0; id < m->count; id++) {
        int err;

        if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR ||
            !fp_lfs_ent_visible(fs, m, id))
            continue;
        err = fp_lfs_ent_pair(fs, m, id, place->dir);
        if (!err && !fp_lfs_pair_shares(place->dir, pair))
            continue;
        fp_lfs_pair_set(place->pair, m->pair[0], m->pair[1]);
        place->id = (uint16_t)id;
        return err;
    }
    return FP_ERR_NOENT;
}

/* The first such entry along the thread. */
int fp_lfs_find_parent(struct fp_lfs *fs, const uint32_t pair[2],
                       struct fp_lfs_place *place)
{
    struct fp_lfs_chain thread;
    int err, found = FP_ERR_NOENT;

    fp_lfs_chain_begin(&thread, 0, 1);
    while (found == FP_ERR_NOENT) {
        err = fp_lfs_chain_next(fs, &thread);
        if (err)
            return err;
        found = find_child(fs, thread.m, pair, place);
    }
    return found;
}

int fp_lfs_find_along(struct fp_lfs *fs, const uint32_t pair[2],
                      uint32_t found[2], bool tails)
{
    struct fp_lfs_chain thread;
    const uint32_t *at;
    int err;

    fp_lfs_chain_begin(&thread, 0, 1);
    do {
        err = fp_lfs_chain_next(fs, &thread);
        if (err)
            return err;
        at = tails ? thread.next : thread.m->pair;
    } while (fp_lfs_pair_is_null(at) || !fp_lfs_pair_shares(at, pair));
    fp_lfs_pair_set(found, thread.m->pair[0], thread.m->pair[1]);
    return tails && thread.m->hard;
}
