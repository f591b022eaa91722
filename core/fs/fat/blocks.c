/* SPDX-License-Identifier: MIT
 *
 * What each sector is used for, as the table has it: that a cluster is in use
 * it says, whether by a file or by a directory it does not.
 */
#include "core/fs/fat/vol.h"

int fp_fat_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    uint32_t count = 1u << (fs->cluster_shift - fs->sector_shift);
    uint32_t sector = 0, end = fs->data_start;
    int err = FP_OK;

    for (; sector < end && !err; sector++)
        err = fn(ctx, sector, FP_BLOCK_METADATA);
    for (uint32_t n = 2; n <= fs->last && !err; n++) {
        uint32_t value;

        err = fp_fat_get(fs, n, &value);
        for (uint32_t i = 0; value && i < count && !err; i++)
            err = fn(ctx, fp_fat_sector_of(fs, n) + i,
                     value == FP_FAT_BAD ? FP_BLOCK_BAD : FP_BLOCK_DATA);
    }
    for (sector = fp_fat_sector_of(fs, fs->last + 1);
         sector < fs->sectors && !err; sector++)
        err = fn(ctx, sector, FP_BLOCK_METADATA);
    return err;
}
