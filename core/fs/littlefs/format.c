/* SPDX-License-Identifier: MIT
 *
 * A new filesystem: both blocks of the pair {0,1} get the superblock, with
 * revisions behind whatever was there, so that nothing older can win.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

static int check_config(const struct fp_lfs *fs, const struct fp_fs_config *cfg)
{
    if (cfg->version && cfg->version != 0x20000 && cfg->version != 0x20001)
        return FP_ERR_NOTSUP;
    if (cfg->name_max > FP_NAME_MAX || fs->block_size < 128 ||
        fs->block_size % fs->dev->block_size)
        return FP_ERR_INVAL;
    if (cfg->block_count &&
        (cfg->block_count < 2 || cfg->block_count > fs->block_count))
        return FP_ERR_INVAL;
    return FP_OK;
}

static uint32_t old_revision(struct fp_lfs *fs)
{
    uint8_t raw[4];
    uint32_t rev[2] = { 0, 0 };

    for (uint32_t i = 0; i < 2; i++)
        if (fp_lfs_read(fs, i, 0, raw, 4) == FP_OK)
            rev[i] = fp_get_le32(raw);
    return (int32_t)(rev[1] - rev[0]) > 0 ? rev[1] : rev[0];
}

static int write_super(struct fp_lfs *fs, uint32_t block, uint32_t rev,
                       const uint8_t record[24])
{
    struct fp_lfs_log log;
    int err = fp_lfs_erase(fs, block);

    if (!err)
        err = fp_lfs_log_begin(fs, &log, block, rev);
    if (!err)
        err = fp_lfs_log_ram(fs, &log, fp_lfs_tag(FP_LFS_NAME_SUPER, 0, 8),
                             "littlefs");
    if (!err)
        err = fp_lfs_log_ram(fs, &log, fp_lfs_tag(FP_LFS_STRUCT_INLINE, 0, 24),
                             record);
    if (!err)
        err = fp_lfs_log_end(fs, &log);
    return err == FP_LFS_BAD ? FP_ERR_IO : err;
}

int fp_lfs_format(struct fp_bdev *dev, const struct fp_fs_config *given,
                  void *ws, size_t ws_size)
{
    struct fp_fs_config cfg = *given;
    uint8_t record[24];
    struct fp_lfs *fs = ws;
    uint32_t rev;
    int err = fp_lfs_setup(dev, &cfg, ws, ws_size);

    if (!err)
        err = check_config(fs, &cfg);
    if (err)
        return err;
    fs->minor = cfg.version == 0x20000 ? 0 : 1;
    fp_put_le32(record, 0x20000 | fs->minor);
    fp_put_le32(record + 4, fs->block_size);
    fp_put_le32(record + 8,
                cfg.block_count ? cfg.block_count : fs->block_count);
    fp_put_le32(record + 12, cfg.name_max ? cfg.name_max : FP_NAME_MAX);
    fp_put_le32(record + 16, 0x7fffffff);
    fp_put_le32(record + 20, 1022);

    rev = old_revision(fs);
    err = write_super(fs, 1, rev + 1, record);
    if (!err)
        err = write_super(fs, 0, rev + 2, record);
    if (!err)
        err = fp_bdev_sync(dev);
    return err;
}
