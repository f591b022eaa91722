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
    uint32_t end = fp_fat_sector_of(fs, from + 1);

    to = fp_fat_sector_of(fs, to) - sector;
    for (; sector < end && pos < f->size && !fs->err; sector++, pos += size) {
        if (pos >= f->put_from && pos < f->put_to &&
            f->put_to - pos >= size - 1)
            continue;
        fp_fat_load(fs, &fs->win, sector);
        fp_fat_flush(fs, &fs->win);
        if (fs->err)
            return;
        fs->win.sector = sector + to;
        fs->win.dirty = true;
        fs->win.is_meta = false;
    }
}

/* One more behind its own: a copy, or new at the end. */
static void own_next(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    uint32_t count = fp_fat_clusters(fs, f->size), old = 0, next = 0;
    uint32_t near = f->own_tail, cluster;

    if (index < count)
        old = fp_fat_cluster(fs, f, index);
    if (index + 1 < count)
        next = fp_fat_cluster(fs, f, index + 1);
    if (!f->own_count)
        near = index ? fp_fat_cluster(fs, f, index - 1) : 0;
    cluster = fp_fat_alloc(fs, near);
    if (next)
        fp_fat_set(fs, cluster, next);
    if (f->own_count)
        fp_fat_set(fs, f->own_tail, cluster);
    if (fs->err)
        return;
    if (!f->own_count) {
        f->own_first = index;
        f->own_head = cluster;
    }
    f->own_tail = cluster;
    f->own_count++;
    fp_fat_forget(f, index);
    if (old)
        copy(fs, f, index, old, cluster);
}

/* More before its own: copies. */
static void own_back(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    uint32_t head = 0, tail = 0, i = index;

    for (; i < f->own_first && !fs->err; i++) {
        uint32_t old = fp_fat_cluster(fs, f, i);
        uint32_t cluster = fp_fat_alloc(fs, tail);

        if (tail)
            fp_fat_set(fs, tail, cluster);
        else
            head = cluster;
        if (cluster)
            tail = cluster;
        copy(fs, f, i, old, cluster);
    }
    fp_fat_set(fs, tail, f->own_head);
    if (fs->err) {
        fp_fat_undo(fs, head, i - index);
        return;
    }
    f->own_head = head;
    f->own_count += f->own_first - index;
    f->own_first = index;
    fp_fat_forget(f, index);
}

void fp_fat_own_cluster(struct fp_fat *fs, struct fp_fat_file *f, uint32_t i)
{
    if (f->own_count && i < f->own_first)
        own_back(fs, f, i);
    while (!fs->err && (!f->own_count || i >= f->own_first + f->own_count))
        own_next(fs, f, f->own_count ? f->own_first + f->own_count : i);
}

void fp_fat_own(struct fp_fat *fs, struct fp_fat_file *f, uint32_t pos,
                uint32_t n)
{
    uint32_t i = pos >> fs->cluster_shift;

    f->put_from = pos;
    f->put_to = pos + (n - 1);
    /* The last cluster has room behind the end. */
    if (pos >= f->disk_size && i < fp_fat_clusters(fs, f->disk_size))
        i++;
    for (; i <= f->put_to >> fs->cluster_shift && !fs->err; i++)
        fp_fat_own_cluster(fs, f, i);
    f->put_to = pos;
}

void fp_fat_disown(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    uint32_t keep = index > f->own_first ? index - f->own_first : 0;
    uint32_t count = f->own_count, head = f->own_head;

    if (keep >= count)
        return;
    if (keep) {
        f->own_tail = fp_fat_cluster(fs, f, index - 1);
        head = fp_fat_next(fs, f->own_tail);
        fp_fat_set(fs, f->own_tail, FP_FAT_EOC);
    }
    f->own_count = keep;
    fp_fat_forget(f, f->own_first + keep);
    fp_fat_undo(fs, head, count - keep);
}
