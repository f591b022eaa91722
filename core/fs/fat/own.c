/* SPDX-License-Identifier: MIT
 *
 * Clusters of a handle's own. What a file has on the medium is never written
 * over: changed clusters are copied to new ones, which form one stretch in the
 * middle of the chain, linked on to what follows it there. Only bytes behind
 * the end of the file, in its last cluster, are written where they are.
 *
 *     head  o--o--o--o--o--o--o     on the medium
 *                     \  /
 *     own           o--o            as the handle sees it
 */
#include "core/fs/fat/vol.h"

/* Copies what of cluster `index` is content and is not about to be written. A
 * sector's copy is the window looking at another place. */
static void copy(struct fp_fat *fs, const struct fp_fat_file *f, uint32_t index,
                 uint32_t from, uint32_t to)
{
    uint32_t pos = index << fs->cluster_shift, size = fs->sector_size;
    uint32_t sector = fp_fat_sector_of(fs, from);
    uint32_t end = sector + (1u << fs->spc_shift);

    to = fp_fat_sector_of(fs, to) - sector;
    for (; sector < end && pos < fp_fat_handle(f)->size && !fs->err;
         sector++, pos += size) {
        if (pos >= f->put_from && pos < f->put_to &&
            f->put_to - pos >= size - 1)
            continue;
        fp_fat_show(fs, sector);
        fp_fat_flush(fs, &fs->win);
        if (fs->err)
            return;
        fp_fat_aim(fs, sector + to);
    }
}

/* The cluster at `index` of what the handle has so far; 0: none. */
static uint32_t at(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    if (index >= f->own.first + f->own.count &&
        index >= fp_fat_clusters(fs, fp_fat_handle(f)->size))
        return 0;
    return fp_fat_cluster(fs, f, index);
}

/* One more: in front of its own, which then follow on it, or behind them. */
static void own_one(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index,
                    uint32_t near)
{
    struct fp_fat_stretch *own = &f->own;
    bool is_head = !own->count || index < own->first;
    uint32_t old = at(fs, f, index), next = at(fs, f, index + 1);
    uint32_t cluster = fp_fat_alloc(fs, near);

    if (next)
        fp_fat_set(fs, cluster, next);
    if (!is_head)
        fp_fat_set(fs, own->tail, cluster);
    if (fs->err)
        return;
    if (is_head) {
        own->first = index;
        own->head = cluster;
    }
    if (!is_head || !own->count)
        own->tail = cluster;
    own->count++;
    fp_fat_forget(f, index);
    if (old)
        copy(fs, f, index, old, cluster);
}

/* What comes in front is made from its end on, and yet is to lie in order: so
 * it leaves room for what is still to come. */
void fp_fat_own_cluster(struct fp_fat *fs, struct fp_fat_file *f, uint32_t i)
{
    struct fp_fat_stretch *own = &f->own;
    uint32_t room = fs->next;

    while (!fs->err && i - own->first >= own->count) {
        uint32_t index = i, near;

        if (i < own->first) {
            index = own->first - 1;
            near = room + (index - i);
        } else {
            if (own->count)
                index = own->first + own->count;
            near = at(fs, f, index - 1);
        }
        own_one(fs, f, index, near);
    }
}

void fp_fat_disown(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    struct fp_fat_stretch *own = &f->own;
    uint32_t keep = index > own->first ? index - own->first : 0;
    uint32_t head = own->head, tail = own->tail;

    fp_fat_forget(f, index);
    if (keep >= own->count)
        return;
    if (keep) {
        own->tail = fp_fat_cluster(fs, f, index - 1);
        head = fp_fat_next(fs, own->tail);
        fp_fat_set(fs, own->tail, FP_FAT_EOC);
        own->count = keep;
    } else {
        memset(own, 0, sizeof *own);
    }
    fp_fat_free(fs, head, tail);
}
