/* SPDX-License-Identifier: MIT
 *
 * Reading files. An open file is one of the mount's list: the block that it
 * reads from is not given to anybody else before it is closed.
 */
#include "core/fs/minifs/mini.h"

/* On a volume that is only read, no flag asks for more than the file. */
int fp_mini_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                 uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = fp_mini_find(fs, path, flags & FP_O_CREATE);
    const uint8_t *entry = fs->found;
    int slot;

    if (err)
        return err;
    if (entry < fs->end && flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    memcpy(f->name, fs->name, FP_MINI_NAME);
    f->block = FP_MINI_NO_BLOCK;
    if (entry == fs->end || flags & FP_O_TRUNC) {
        f->state = FP_MINI_DIRTY;
    } else if (fp_mini_is_sound(fs, entry)) {
        file->size = fp_mini_size(fs, entry);
        f->block = fp_mini_block(fs, entry);
    } else {
        return FP_ERR_CORRUPT;
    }
    slot = fp_fs_claim(fs->files, fs->max_files, file);
    f->buf = fs->limit + (uint32_t)slot * fs->block_size;
    return slot < 0 ? slot : FP_OK;
}

int32_t fp_mini_read(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);

    if (f->state != FP_MINI_DIRTY)
        return fp_bdev_read(fs->dev, fp_mini_addr(fs, f->block) + file->pos,
                            buf, size);
    memcpy(buf, f->buf + file->pos, size);
    return FP_OK;
}

int fp_mini_forget(struct fp_file *file)
{
    return fp_fs_release(fp_mini_of(file->mnt)->files, file);
}
