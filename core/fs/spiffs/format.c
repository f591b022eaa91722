/* SPDX-License-Identifier: MIT
 *
 * A new volume: every block erased, then each gets its erase count and magic.
 * Two blocks without magic are no volume: before anything is erased two lose
 * it, and a format that is cut short leaves none. A layout that has no magic
 * has nothing of the kind.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

/* `mnt`, which stays, is what the layout is made of. */
static int begin(struct fp_mount *mnt, struct fp_bdev *dev,
                 const struct fp_fs_config *cfg, void *ws, size_t ws_size)
{
    const uint32_t needs = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    struct fp_spf *fs = ws;
    int err;

    *mnt = (struct fp_mount){ .dev = dev, .cfg = *cfg };
    if (mnt->cfg.block_size == 0)
        mnt->cfg.block_size = dev->block_size;
    if ((dev->flags & needs) != needs ||
        mnt->cfg.block_size % dev->block_size != 0)
        return FP_ERR_NOTSUP;
    err = fp_spf_layout(fs, dev, &mnt->cfg);
    if (err)
        return err;
    fs->mnt = mnt;
    fs->dev = dev;
    return fp_spf_place(fs, ws, ws_size);
}

int fp_spf_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size)
{
    struct fp_mount mnt;
    struct fp_spf *fs = ws;
    int err = begin(&mnt, dev, cfg, ws, ws_size);

    if (err)
        return err;
    memset(fs->map, FP_SPF_NOPAGE, fs->pages);
    for (uint32_t b = 0; b < 2 && !err; b++)
        err = fp_spf_spoil(fs, b);
    for (uint32_t b = 0; b < fs->block_count && !err; b++) {
        err = fp_spf_clear(fs, b);
        fp_bdev_yield(dev);
    }
    for (uint32_t b = 0; b < fs->block_count && !err; b++)
        err = fp_spf_stamp(fs, b);
    return err ? err : fp_bdev_sync(dev);
}

/* Files would have lookup entries and pages. */
int fp_spf_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size)
{
    struct fp_fs_blank blank = { .dev = dev, .also = 0xff };
    struct fp_mount mnt;
    struct fp_spf *fs = ws;
    int err = begin(&mnt, dev, cfg, ws, ws_size);

    if (err)
        return err;
    blank.buf = fs->map; /* and what follows */
    blank.size = (uint32_t)(ws_size - (size_t)(fs->map - (uint8_t *)ws));
    for (uint32_t b = 0; b < fs->block_count; b++)
        (void)fp_fs_blank_to(&blank, fp_spf_magic_at(fs, b), 2u * fs->w);
    return fp_fs_blank_to(&blank, (fp_addr)fs->block_count * fs->block_size, 0);
}
