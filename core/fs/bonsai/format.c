/* SPDX-License-Identifier: MIT
 *
 * Format: everything erased, then the root, and last the System File, without
 * which there is no volume.
 */
#include "core/fs/bonsai/bon.h"

static int put(struct fp_bon *fs, uint32_t row, const char *handle,
               uint32_t parent, bool has_fsa)
{
    uint8_t *at = fs->row;

    memset(at, 0, FP_BON_ROW);
    at[0] = (uint8_t)strlen(handle);
    fp_put_le32(at + 3, parent);
    memcpy(at + FP_BON_HEAD, handle, at[0]);
    if (has_fsa) {
        at[1] = 4;
        fp_put_le32(at + FP_BON_FSA, fp_bon_addr(fs, FP_BON_ROOT + 1));
    }
    return fp_bdev_prog(fs->dev, (fp_addr)row * FP_BON_ROW, at, FP_BON_ROW);
}

int fp_bon_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size)
{
    struct fp_bon *fs = ws;
    int err;

    (void)ws_size;
    if (!fp_bon_can_write(dev))
        return FP_ERR_NOTSUP;
    fp_bon_setup(dev, cfg, ws);
    fs->start = fp_fs_option(cfg->options, "start", 0);
    if (fs->start % FP_BON_ROW != 0)
        return FP_ERR_INVAL;
    for (uint32_t block = 0; block < dev->block_count; block++) {
        err = fp_bdev_erase(dev, block, 1);
        if (err)
            return err;
        fp_bdev_yield(dev);
    }
    err = put(fs, FP_BON_ROOT, "root", fp_bon_addr(fs, FP_BON_ROOT), false);
    return err ? err : put(fs, 0, "system_file", 0, true);
}

/* Files would have rows behind the root's. */
int fp_bon_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size)
{
    struct fp_fs_blank blank = { .dev = dev, .also = 0xff };

    (void)cfg;
    if (!fp_bon_can_write(dev))
        return FP_ERR_NOTSUP;
    blank.buf = ws;
    blank.size = (uint32_t)ws_size;
    fp_fs_blank_but(&blank, FP_BON_HEAD, "system_file", 11);
    fp_fs_blank_but(&blank, FP_BON_ROW + FP_BON_HEAD, "root", 4);
    (void)fp_fs_blank_to(&blank, 0, (FP_BON_ROOT + 1) * FP_BON_ROW);
    return fp_fs_blank_to(&blank, fp_bdev_size(dev), 0);
}
