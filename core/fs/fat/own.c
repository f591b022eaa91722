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

static int cluster_at(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index,
                      uint32_t *cluster)
{
    uint32_t count = 1;

    return fp_fat_find(fs, f, index, cluster, &count);
}

/* Copies what of cluster `index` is content and is not about to be written. A
 * sector's copy is the window looking at another place. */
static int copy(struct fp_fat *fs, const struct fp_fat_file *f, uint32_t index,
                uint32_t from, uint32_t to)
{
    uint32_t pos = index << fs->cluster_shift, size = fp_fat_sector_size(fs);
    uint32_t sectors = 1u << (fs->cluster_shift - fs->sector_shift);

    for (uint32_t i = 0; i < sectors && pos < f->size; i++, pos += size) {
        int err;

        if (pos >= f->put_from && pos < f->put_to &&
            f->put_to - pos >= size - 1)
            continue;
        err = fp_fat_load(fs, &fs->win, fp_fat_sector_of(fs, from) + i);
        if (!err)
            err = fp_fat_flush(fs, &fs->win);
        if (err)
            return err;
        fs->win.sector = fp_fat_sector_of(fs, to) + i;
        fs->win.dirty = true;
        fs->win.is_meta = false;
    }
    return FP_OK;
}

/* One more behind its own: a copy, or new at the end. */
static int own_next(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    uint32_t count = fp_fat_clusters(fs, f->size), old = 0, next = FP_FAT_EOC;
    uint32_t near = f->own_tail, cluster;
    int err = FP_OK;

    if (index < count)
        err = cluster_at(fs, f, index, &old);
    if (!err && index + 1 < count)
        err = cluster_at(fs, f, index + 1, &next);
    if (!err && !f->own_count) {
        near = 0;
        if (index)
            err = cluster_at(fs, f, index - 1, &near);
    }
    if (!err)
        err = fp_fat_alloc(fs, near, &cluster);
    if (!err && next != FP_FAT_EOC)
        err = fp_fat_set(fs, cluster, next);
    if (!err && f->own_count)
        err = fp_fat_set(fs, f->own_tail, cluster);
    if (err)
        return err;
    if (!f->own_count) {
        f->own_first = index;
        f->own_head = cluster;
    }
    f->own_tail = cluster;
    f->own_count++;
    fp_fat_forget(f, index);
    return old ? copy(fs, f, index, old, cluster) : FP_OK;
}

static int own_back(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    uint32_t head = 0, tail = 0, count = 0;
    int err = FP_OK;

    for (uint32_t i = index; i < f->own_first && !err; i++) {
        uint32_t old, cluster;

        err = cluster_at(fs, f, i, &old);
        if (!err)
            err = fp_fat_alloc(fs, tail, &cluster);
        if (err)
            break;
        if (tail)
            err = fp_fat_set(fs, tail, cluster);
        else
            head = cluster;
        tail = cluster;
        count++;
        if (!err)
            err = copy(fs, f, i, old, cluster);
    }
    if (!err)
        err = fp_fat_set(fs, tail, f->own_head);
    if (err) {
        fp_fat_free(fs, head, count);
        return err;
    }
    f->own_head = head;
    f->own_first = index;
    f->own_count += count;
    fp_fat_forget(f, index);
    return FP_OK;
}

int fp_fat_own_cluster(struct fp_fat *fs, struct fp_fat_file *f, uint32_t i)
{
    int err = FP_OK;

    if (f->own_count && i < f->own_first)
        err = own_back(fs, f, i);
    while (!err && (!f->own_count || i >= f->own_first + f->own_count))
        err = own_next(fs, f, f->own_count ? f->own_first + f->own_count : i);
    return err;
}

int fp_fat_own(struct fp_fat *fs, struct fp_fat_file *f, uint32_t pos,
               uint32_t n)
{
    uint32_t last = (pos + (n - 1)) >> fs->cluster_shift;
    uint32_t i = pos >> fs->cluster_shift;
    int err = FP_OK;

    f->put_from = pos;
    f->put_to = pos + (n - 1);
    /* The last cluster has room behind the end. */
    if (pos >= f->disk_size && i < fp_fat_clusters(fs, f->disk_size))
        i++;
    for (; i <= last && !err; i++)
        err = fp_fat_own_cluster(fs, f, i);
    f->put_to = f->put_from;
    return err;
}

void fp_fat_disown(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index)
{
    uint32_t keep = index > f->own_first ? index - f->own_first : 0, last, next;
    uint32_t count = f->own_count;

    if (keep >= count)
        return;
    fp_fat_forget(f, f->own_first + keep);
    if (!keep) {
        f->own_count = 0;
        fp_fat_free(fs, f->own_head, count);
        return;
    }
    if (cluster_at(fs, f, index - 1, &last) || fp_fat_next(fs, last, &next) ||
        fp_fat_set(fs, last, FP_FAT_EOC))
        return;
    f->own_tail = last;
    f->own_count = keep;
    fp_fat_free(fs, next, count - keep);
}
