/* SPDX-License-Identifier: MIT
 *
 * Free clusters: the table itself says which. They are looked for from where
 * the last was found, so that files written one after another lie so.
 */
#include "core/fs/fat/vol.h"

uint32_t fp_fat_alloc(struct fp_fat *fs, uint32_t near)
{
    uint32_t n = near, left = fs->last;

    if (!near || near >= fs->last || fp_fat_get(fs, ++n))
        for (n = fs->next; left && fp_fat_get(fs, n); left--)
            n = n < fs->last ? n + 1 : 2;
    if (!left)
        fp_fat_fail(fs, FP_ERR_NOSPC);
    if (fs->err)
        return 0;
    fs->next = n;
    fp_fat_set(fs, n, FP_FAT_EOC);
    return n;
}

void fp_fat_free(struct fp_fat *fs, uint32_t head, uint32_t count)
{
    int err = fs->err;
    uint32_t next;

    fs->err = FP_OK;
    for (; count && fp_fat_is_cluster(fs, head); count--) {
        next = fp_fat_get(fs, head);
        if (next == FP_FAT_BAD)
            break;
        fp_fat_set(fs, head, 0);
        head = next;
    }
    fs->err = err;
}

void fp_fat_zero(struct fp_fat *fs, uint32_t cluster)
{
    uint32_t sector = fp_fat_sector_of(fs, cluster);
    uint32_t end = sector + (1u << fs->spc_shift);

    for (; sector < end; sector++)
        fp_fat_blank(fs, sector);
    fp_fat_flush(fs, &fs->win);
}
