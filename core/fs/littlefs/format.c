/* SPDX-License-Identifier: MIT
 *
 * A new filesystem: both blocks of the pair {0,1} get the superblock, with
 * revisions behind whatever was there, so that nothing older can win.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

/* The log that a format writes: revision, superblock, its record, FCRC and CRC.
 * In a unit that one CRC tag does not span others follow, as far apart as one
 * reaches. */
#define LOG_SIZE 64u
#define TAG_SPAN 1026u

static int check_config(const struct fp_lfs *fs, const struct fp_fs_config *cfg)
{
    if (cfg->name_max > FP_NAME_MAX || fs->block_size < 128 ||
        fs->block_size % fs->dev->block_size)
        return FP_ERR_INVAL;
    if (cfg->block_count &&
        (cfg->block_count < 2 || cfg->block_count > fs->block_count))
        return FP_ERR_INVAL;
    return FP_OK;
}

/* The later of the two that are there becomes m's first. */
static void take_old(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    uint32_t first = 0, second = 0;

    (void)fp_lfs_revision(fs, 0, &first);
    (void)fp_lfs_revision(fs, 1, &second);
    fp_lfs_pair_set(m->pair, 0, 1);
    m->rev = first;
    if ((int32_t)(second - first) > 0) {
        fp_lfs_pair_set(m->pair, 1, 0);
        m->rev = second;
    }
}

/* Writes the pair out twice, as a commit that does not fit its log would: each
 * time to the other block. The earlier one goes first, for with the later one
 * gone it would be a volume, of long ago. */
static int write_super(struct fp_lfs *fs)
{
    struct fp_lfs_mdir *m = &fs->slots[0];
    int err;

    (void)fp_lfs_op(fs, FP_LFS_NAME_SUPER, 0, "littlefs", 8);
    fp_lfs_le(&fs->super.version, FP_LFS_SUPER_WORDS);
    (void)fp_lfs_op(fs, FP_LFS_STRUCT_INLINE, 0, &fs->super, sizeof fs->super);
    take_old(fs, m);
    fp_lfs_pair_set(m->tail, FP_LFS_NULL, FP_LFS_NULL);
    err = fp_lfs_compact(fs, m, false);
    return err ? err : fp_lfs_compact(fs, m, false);
}

int fp_lfs_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size)
{
    struct fp_lfs *fs = ws;
    int err;

    fp_lfs_setup(dev, cfg, ws, ws_size);
    err = check_config(fs, cfg);
    if (err)
        return err;
    fs->super.version = cfg->version ? cfg->version : 0x20001;
    fs->super.block_size = fs->block_size;
    fs->super.block_count =
        cfg->block_count ? cfg->block_count : fs->block_count;
    fs->super.name_max = cfg->name_max;
    err = fp_lfs_judge(fs);
    return err ? err : fp_lfs_finish(fs, write_super(fs));
}

/* Files would have made the log of the pair longer. */
int fp_lfs_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size)
{
    struct fp_lfs *fs = ws;
    struct fp_fs_blank blank = { .dev = dev, .also = 0xff };
    uint32_t count;
    int err;

    fp_lfs_setup(dev, cfg, ws, ws_size);
    err = check_config(fs, cfg);
    if (err)
        return err;
    count = cfg->block_count ? cfg->block_count : fs->block_count;
    blank.buf = fs->pcache;
    blank.size = fs->cache_size;
    for (uint32_t block = 0; block < 2; block++) {
        fp_addr off = block * fs->block_size;

        fp_fs_blank_but(&blank, off + 8, "littlefs", 8);
        for (uint32_t at = 0; at < fs->prog_size; at += TAG_SPAN)
            (void)fp_fs_blank_to(&blank, off + at, LOG_SIZE);
    }
    return fp_fs_blank_to(&blank, (fp_addr)count * fs->block_size, 0);
}
