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
static void copy(struct fp_fat *fs, struct fp_file *file, uint32_t index,
                 uint32_t from, uint32_t to)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    uint32_t pos = index << fs->cluster_shift, size = fs->sector_size;
    uint32_t sector = fp_fat_sector_of(fs, from);
    uint32_t end = sector + (1u << fs->spc_shift);

    to -= from;
    to <<= fs->spc_shift;
    for (; sector < end && pos < file->size; sector++, pos += size) {
        if (pos - f->put_from < f->put_starts)
            continue;
        fp_fat_show(fs, sector);
        fp_fat_flush(fs, &fs->win);
        if (fs->err)
            return;
        fp_fat_aim(fs, sector + to);
    }
}

/* The cluster at `index` of what the handle has so far; 0: none. */
static uint32_t at(struct fp_fat *fs, struct fp_file *file, uint32_t index)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (index >= f->own.first + f->own.count &&
        index >= fp_fat_clusters(fs, file->size))
        return 0;
    return fp_fat_cluster(fs, file, index);
}

/* Each is put in front of the handle's own, which then follow on it, or behind
 * them. What comes in front is made from its end on, and yet is to lie in
 * order: so it leaves room for what is still to come. */
void fp_fat_own_cluster(struct fp_fat *fs, struct fp_file *file, uint32_t i)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_stretch *own = &f->own;
    uint32_t room = fs->next;

    if (!own->count)
        own->first = i;
    while (!fs->err && i - own->first >= own->count) {
        bool is_front = i < own->first;
        uint32_t index = own->first + (is_front ? 0xffffffff : own->count);
        uint32_t near = is_front ? room + (index - i) : at(fs, file, index - 1);
        uint32_t old = at(fs, file, index), next = at(fs, file, index + 1);
        uint32_t cluster = fp_fat_alloc(fs, near);

        if (next)
            fp_fat_set(fs, cluster, next);
        if (index > own->first)
            fp_fat_set(fs, near, cluster);
        if (fs->err)
            return;
        if (index <= own->first) {
            own->first = index;
            own->head = cluster;
        }
        own->count++;
        fp_fat_forget(file, index);
        if (old)
            copy(fs, file, index, old, cluster);
    }
}

/* Where the file is cut off right behind its own, they no longer lead on. */
void fp_fat_disown(struct fp_fat *fs, struct fp_file *file, uint32_t index)
{
    struct fp_fat_stretch *own = &fp_fat_file_of(file)->own;
    uint32_t keep = index > own->first ? index - own->first : 0;
    uint32_t head = own->head, gone = own->count - keep, last;

    fp_fat_forget(file, index);
    if (!own->count || keep > own->count)
        return;
    if (keep) {
        last = fp_fat_cluster(fs, file, index - 1);
        head = fp_fat_get(fs, last);
        if (fs->err) /* its end is still where it was */
            return;
        fp_fat_set(fs, last, FP_FAT_EOC);
    } else {
        own->head = 0;
    }
    own->count = keep;
    fp_fat_free(fs, head, gone);
}
