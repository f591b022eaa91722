/* SPDX-License-Identifier: MIT
 *
 * Reading files. An open file is one of the mount's list: the block that it
 * reads from is not given to anybody else before it is closed.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_claim(struct fp_mini *fs, struct fp_mini_file *f)
{
    for (uint32_t i = 0; i < fs->max_files; i++)
        if (fs->files[i] == NULL) {
            fs->files[i] = f;
            f->buf = fs->bufs + (size_t)i * fs->block_size;
            return FP_OK;
        }
    return FP_ERR_NFILE;
}

void fp_mini_release(struct fp_mini *fs, struct fp_mini_file *f)
{
    struct fp_mini_file **at = fs->files;

    while (*at != f)
        at++;
    *at = NULL;
}

int fp_mini_attach(const struct fp_mini *fs, struct fp_mini_file *f, int index)
{
    const uint8_t *entry = fp_mini_entry(fs, (uint32_t)index);

    if (!fp_mini_is_sound(fs, entry))
        return FP_ERR_CORRUPT;
    f->size = fp_mini_size(fs, entry);
    f->block = fp_mini_block(fs, entry);
    return FP_OK;
}

int fp_mini_open_ro(struct fp_mount *mnt, struct fp_file *file,
                    const char *path, uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int index = fp_mini_find(fs, path, false, f->name), err;

    (void)flags;
    if (index < 0)
        return index;
    err = fp_mini_attach(fs, f, index);
    return err ? err : fp_mini_claim(fs, f);
}

int32_t fp_mini_read(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = FP_OK;

    if (f->pos >= f->size)
        return 0;
    if (size > f->size - f->pos)
        size = f->size - f->pos;
    if (f->is_dirty)
        memcpy(buf, f->buf + f->pos, size);
    else
        err = fp_bdev_read(fs->dev, fp_mini_addr(fs, f->block) + f->pos, buf,
                           size);
    if (err)
        return err;
    f->pos += size;
    return (int32_t)size;
}

int64_t fp_mini_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    struct fp_mini_file *f = fp_mini_file_of(file);
    int64_t from = whence == FP_SEEK_CUR   ? f->pos
                   : whence == FP_SEEK_END ? f->size
                                           : 0;

    if (off < -from || off > INT32_MAX - from)
        return FP_ERR_INVAL;
    f->pos = (uint32_t)(from + off);
    return f->pos;
}

int fp_mini_close_ro(struct fp_file *file)
{
    fp_mini_release(fp_mini_of(file->mnt), fp_mini_file_of(file));
    return FP_OK;
}
