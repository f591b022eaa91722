/* SPDX-License-Identifier: MIT
 *
 * A new volume: every block erased, with its erase count and magic. A format
 * that is cut short has more than one block without magic, and is no volume.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

int fp_spf_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size)
{
    const uint32_t needs = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    struct fp_mount mnt = { .dev = dev, .cfg = *cfg };
    struct fp_spf *fs = ws;
    int err;

    if (mnt.cfg.block_size == 0)
        mnt.cfg.block_size = dev->block_size;
    if ((dev->flags & needs) != needs ||
        mnt.cfg.block_size % dev->block_size != 0)
        return FP_ERR_NOTSUP;
    err = fp_spf_layout(fs, dev, &mnt.cfg);
    if (err)
        return err;
    fs->mnt = &mnt;
    fs->dev = dev;
    err = fp_spf_place(fs, ws, ws_size);
    if (err)
        return err;
    memset(fs->map, FP_SPF_NOPAGE, fs->pages);
    for (uint32_t b = 0; b < fs->block_count && !err; b++) {
        fs->bad_block = b; /* no magic to spoil */
        err = fp_spf_erase(fs, b);
    }
    return err ? err : fp_bdev_sync(dev);
}
