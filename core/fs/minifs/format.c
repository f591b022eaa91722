/* SPDX-License-Identifier: MIT
 *
 * Format: everything erased, metadata without entries in block 0. Source: the
 * format page, Mount. What was metadata is none first: a format that is cut
 * leaves no volume.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_format(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws, size_t ws_size)
{
    struct fp_mini *fs = ws;
    int err = FP_OK;

    (void)ws_size;
    if (!fp_mini_setup(dev, cfg, ws))
        return FP_ERR_NOTSUP;
    memset(fs->meta, 0, fs->block_size);
    for (uint32_t block = 0; block < fs->block_count && !err; block++)
        if (fp_mini_is_marked(fs, block) > 0)
            err = fp_mini_drop(fs, block);
    for (uint32_t block = 0; block < dev->block_count && !err; block++) {
        err = fp_bdev_erase(dev, block, 1);
        fp_bdev_yield(dev);
    }
    if (err)
        return err;
    memcpy(fs->meta, FP_MINI_MAGIC, FP_MINI_MAGIC_SIZE);
    fs->meta[FP_MINI_MAGIC_SIZE] = fs->version;
    fs->next = 0;
    fs->end = fp_mini_entry(fs, 0);
    return fp_mini_write_meta(fs);
}

/* Files would have entries behind the header, and content in other blocks. */
int fp_mini_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                     void *ws, size_t ws_size)
{
    struct fp_fs_blank blank = { .dev = dev, .also = 0xff };
    struct fp_mini *fs = ws;

    (void)ws_size;
    if (!fp_mini_setup(dev, cfg, ws))
        return FP_ERR_NOTSUP;
    blank.buf = fs->meta;
    blank.size = fs->block_size;
    fp_fs_blank_but(&blank, 1, &FP_MINI_MAGIC[1], FP_MINI_MAGIC_SIZE - 1);
    (void)fp_fs_blank_to(&blank, 0, FP_MINI_SECTION);
    return fp_fs_blank_to(&blank, fp_bdev_size(dev), 0);
}
