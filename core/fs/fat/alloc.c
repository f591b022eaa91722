/* SPDX-License-Identifier: MIT
 *
 * Free clusters: the table itself says which. They are looked for from where
 * the last was found, so that files written one after another lie so.
 */
#include "core/fs/fat/vol.h"

/* The next free cluster from `from` on, below `end`; `end`: none. */
static int search(struct fp_fat *fs, uint32_t from, uint32_t end,
                  uint32_t *cluster)
{
    int err = FP_OK;

    for (; from < end; from++) {
        uint32_t value;

        err = fp_fat_get(fs, from, &value);
        if (err || !value)
            break;
    }
    *cluster = from;
    return err;
}

int fp_fat_alloc(struct fp_fat *fs, uint32_t near, uint32_t *cluster)
{
    uint32_t end = fs->last + 1, n = end;
    int err = FP_OK;

    if (fp_fat_is_counted(fs) && !fs->free)
        return FP_ERR_NOSPC;
    if (near && near < fs->last)
        err = search(fs, near + 1, near + 2, &n);
    if (!err && (n == end || n == near + 2))
        err = search(fs, fs->next, end, &n);
    if (!err && n == end)
        err = search(fs, 2, end, &n);
    if (err)
        return err;
    if (n == end) {
        fs->free = 0;
        fs->counted = end;
        return FP_ERR_NOSPC;
    }
    fs->next = n < fs->last ? n + 1 : 2;
    *cluster = n;
    return fp_fat_set(fs, n, FP_FAT_EOC);
}

void fp_fat_free(struct fp_fat *fs, uint32_t head, uint32_t count)
{
    for (; count && fp_fat_is_cluster(fs, head); count--) {
        uint32_t next;

        if (fp_fat_get(fs, head, &next) || !next || next == FP_FAT_BAD ||
            fp_fat_set(fs, head, 0))
            return;
        head = next;
    }
}

int fp_fat_zero(struct fp_fat *fs, uint32_t cluster)
{
    uint32_t sector = fp_fat_sector_of(fs, cluster);
    uint32_t end = sector + (1u << (fs->cluster_shift - fs->sector_shift));
    int err = fp_fat_flush(fs, &fs->win);

    if (err)
        return err;
    memset(fs->win.buf, 0, fp_fat_sector_size(fs));
    for (; sector < end && !err; sector++) {
        fs->win.sector = sector;
        fs->win.dirty = true;
        fs->win.is_meta = false; /* nobody knows of it yet */
        err = fp_fat_flush(fs, &fs->win);
    }
    return err;
}
