/* SPDX-License-Identifier: MIT
 *
 * One block as tools show it. Outside the table of functions, so that a
 * firmware which does not ask has nothing of it.
 */
#include "core/fs/spiffs/spf.h"
#include "core/fs/spiffs/spiffs.h"

int fp_fs_spiffs_block(struct fp_mount *mnt, uint32_t block,
                       struct fp_fs_spiffs_block *info)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    uint32_t first = block * fs->ppb + fs->lookup, end = first + fs->usable;
    uint32_t stamp;
    int err;

    *info = (struct fp_fs_spiffs_block){ .is_blank = true };
    if (block >= fs->block_count)
        return FP_ERR_INVAL;
    for (uint32_t page = first; page < end && info->is_blank; page++)
        info->is_blank = fs->map[page] == FP_SPF_FREE;
    err = fp_spf_read_count(fs, block, &stamp);
    if (err || stamp & fp_spf_ix(fs)) /* its top bit: an erase was cut off */
        return err;
    info->has_stamp = true;
    info->stamp = stamp;
    return FP_OK;
}
