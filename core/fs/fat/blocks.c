/* SPDX-License-Identifier: MIT
 *
 * What each sector is used for, as the table has it: that a cluster is in use
 * it says, whether by a file or by a directory it does not.
 */
#include "core/fs/fat/vol.h"

int fp_fat_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_fat *fs = fp_fat_enter(mnt);
    uint32_t end = fs->data_start + ((fs->last - 1) << fs->spc_shift);

    for (uint32_t sector = 0; sector < fs->sectors && !fs->err; sector++) {
        enum fp_block_use use = FP_BLOCK_METADATA;

        if (sector >= fs->data_start && sector < end) {
            uint32_t value = fp_fat_get(
                fs, 2 + ((sector - fs->data_start) >> fs->spc_shift));

            if (!value)
                continue;
            use = value == FP_FAT_BAD ? FP_BLOCK_BAD : FP_BLOCK_DATA;
        }
        fs->err = fn(ctx, sector, use);
    }
    return fs->err;
}
