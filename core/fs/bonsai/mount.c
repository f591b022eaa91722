/* SPDX-License-Identifier: MIT
 *
 * Mounting reads the System File, the root's head and the journal; the tree
 * is walked when somebody needs to know what is free.
 */
#include "core/fs/bonsai/bon.h"

static const uint8_t system_file[] = "\x0b\x04\0\0\0\0\0\0system_file";

bool fp_bon_can_write(const struct fp_bdev *dev)
{
    /* Programs are as large as a block at most. */
    return dev->flags & FP_BDEV_ERASED_FF && FP_BON_ROW % dev->block_size == 0;
}

static uint32_t path_size_of(const struct fp_fs_config *cfg)
{
    return fp_fs_option(cfg->options, "path", 256);
}

/* Behind the struct: a pointer for each file, a byte for each row and one more;
 * and, to write, a row, and a path for each file. */
size_t fp_bon_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg)
{
    size_t each = sizeof(void *), files = cfg->max_files;
    fp_addr rows = fp_bdev_size(dev) / FP_BON_ROW;

    if (rows < 4 || rows > FP_BON_ROWS_MAX || dev->read_size != 1)
        return 0;
    if (!(cfg->flags & FP_MOUNT_RDONLY)) {
        each += path_size_of(cfg);
        rows += FP_BON_ROW;
    }
    return sizeof(struct fp_bon) + (size_t)rows + 1 +
           (files ? files : 4) * each;
}

void fp_bon_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws)
{
    struct fp_bon *fs = ws;
    uint32_t rows = (uint32_t)(fp_bdev_size(dev) / FP_BON_ROW);

    memset(fs, 0, sizeof *fs + rows + 1 + cfg->max_files * sizeof(void *));
    fs->files = (struct fp_file **)(void *)(fs + 1);
    fs->map = (uint8_t *)(fs->files + cfg->max_files);
    fs->cache = fs->map + rows + 1;
    fs->journal = fs->journal_space;
    fs->row = fs->row_space;
    fs->handle = fs->handle_space;
    fs->dev = dev;
    fs->rows = fs->cached = rows;
    fs->max_files = cfg->max_files;
    fs->path_size = path_size_of(cfg);
    if (FP_BON_RAW)
        fs->is_raw = fp_fs_option(cfg->options, "raw", 0);
}

/* The System File is there; the root, where there is one, agrees on `start`,
 * which its parent address gives away. */
static void check_start(struct fp_bon *fs, const char *options)
{
    uint8_t head[sizeof system_file - 1];
    uint32_t start = 0;

    fp_bon_read(fs, 0, head, sizeof head);
    if (memcmp(head, system_file, sizeof head) != 0)
        fp_bon_fail(fs, FP_ERR_CORRUPT);
    fp_bon_read(fs, FP_BON_ROW, head, FP_BON_HEAD);
    if (head[0] != FP_BON_NO_FILE)
        start = fp_get_le32(head + 3) - FP_BON_ROW;
    fs->start = fp_fs_option(options, "start", start);
    if (head[0] != FP_BON_NO_FILE && fs->start != start)
        fp_bon_fail(fs, FP_ERR_INVAL);
    if (start % FP_BON_ROW != 0)
        fp_bon_fail(fs, FP_ERR_CORRUPT);
}

int fp_bon_mount(struct fp_mount *mnt)
{
    struct fp_bon *fs = mnt->ws;

    fp_bon_setup(mnt->dev, &mnt->cfg, fs);
    mnt->cfg.block_size = FP_BON_ROW;
    mnt->file_max = FP_BON_DATA_MAX;
    if (fp_bon_is_raw(fs) || !fp_bon_can_write(mnt->dev))
        mnt->cfg.flags |= FP_MOUNT_RDONLY;
    fp_bon_load_journal(fs);
    check_start(fs, mnt->cfg.options);
    return fp_bon_result(fs);
}
