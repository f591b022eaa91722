/* SPDX-License-Identifier: MIT
 *
 * Format: everything erased, metadata without entries in block 0. Source: the
 * format page, Mount.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_format(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws, size_t ws_size)
{
    struct fp_mini *fs = ws;

    (void)ws_size;
    if (!fp_mini_setup(dev, cfg, ws))
        return FP_ERR_NOTSUP;
    for (uint32_t block = 0; block < dev->block_count; block++) {
        int err = fp_bdev_erase(dev, block, 1);

        if (err)
            return err;
        fp_bdev_yield(dev);
    }
    memcpy(fs->meta, FP_MINI_MAGIC, FP_MINI_MAGIC_SIZE);
    fs->meta[FP_MINI_MAGIC_SIZE] = fs->version;
    fs->next = 0;
    fs->end = fp_mini_entry(fs, 0);
    return fp_mini_write_meta(fs);
}
