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

/* The later of the two that are there; what cannot be read counts as 0. */
static uint32_t old_revision(struct fp_lfs *fs)
{
    uint32_t rev[2] = { 0, 0 };

    for (uint32_t i = 0; i < 2; i++)
        if (fp_lfs_words(fs, i, 0, &rev[i], 1))
            rev[i] = 0;
    return (int32_t)(rev[1] - rev[0]) > 0 ? rev[1] : rev[0];
}

/* Writes the pair out twice, as a commit that does not fit its log would: each
 * time to the other block. */
static int write_super(struct fp_lfs *fs, const uint32_t record[6])
{
    struct fp_lfs_mdir *m = &fs->slots[0];
    int err = FP_OK;

    (void)fp_lfs_op(fs, FP_LFS_NAME_SUPER, 0, "littlefs", 8);
    (void)fp_lfs_op(fs, FP_LFS_STRUCT_INLINE, 0, record, 24);
    fs->still = true;
    m->rev = old_revision(fs);
    fp_lfs_pair_set(m->pair, 0, 1);
    fp_lfs_pair_set(m->tail, FP_LFS_NULL, FP_LFS_NULL);
    for (int i = 0; i < 2 && !err; i++)
        err = fp_lfs_compact(fs, m, false);
    return err;
}

int fp_lfs_format(struct fp_bdev *dev, const struct fp_fs_config *given,
                  void *ws, size_t ws_size)
{
    struct fp_fs_config cfg = *given;
    uint32_t record[6];
    struct fp_lfs *fs = ws;
    int err = fp_lfs_setup(dev, &cfg, ws, ws_size);

    if (!err)
        err = check_config(fs, &cfg);
    if (err)
        return err;
    fs->minor = cfg.version != 0x20000;
    record[0] = 0x20000 | fs->minor;
    record[1] = fs->block_size;
    record[2] = cfg.block_count ? cfg.block_count : fs->block_count;
    record[3] = cfg.name_max ? cfg.name_max : FP_NAME_MAX;
    record[4] = 0x7fffffff;
    record[5] = 1022;
    fp_lfs_le(record, 6);
    return fp_lfs_finish(fs, write_super(fs, record));
}
