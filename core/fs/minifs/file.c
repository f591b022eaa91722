/* SPDX-License-Identifier: MIT
 *
 * Reading files. An open file is one of the mount's list: the block that it
 * reads from is not given to anybody else before it is closed.
 */
#include "core/fs/minifs/mini.h"

/* Takes one of the mount's files for f. */
static int claim(struct fp_mini *fs, struct fp_mini_file *f)
{
    uint8_t *buf = fs->limit;

    for (uint32_t i = 0; i < fs->max_files; i++, buf += fs->block_size)
        if (fs->files[i] == NULL) {
            fs->files[i] = f;
            f->buf = buf;
            return FP_OK;
        }
    return FP_ERR_NFILE;
}

/* On a volume that is only read, no flag asks for more than the file. */
int fp_mini_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                 uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = fp_mini_find(fs, path, flags & FP_O_CREATE);
    const uint8_t *entry = fs->found;

    if (err)
        return err;
    if (entry < fs->end && flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    memcpy(f->name, fs->name, FP_MINI_NAME);
    f->is_staged = flags & FP_O_STAGE;
    f->block = FP_MINI_NO_BLOCK;
    if (entry == fs->end || flags & FP_O_TRUNC) {
        f->state = FP_MINI_DIRTY;
    } else if (fp_mini_is_sound(fs, entry)) {
        f->size = fp_mini_size(fs, entry);
        f->block = fp_mini_block(fs, entry);
    } else {
        return FP_ERR_CORRUPT;
    }
    return claim(fs, f);
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
    if (f->state == FP_MINI_DIRTY)
        memcpy(buf, f->buf + f->pos, size);
    else
        err = fp_bdev_read(fs->dev, fp_mini_addr(fs, f->block) + f->pos, buf,
                           size);
    if (err)
        return err;
    f->pos += size;
    return (int32_t)size;
}

/* In unsigned numbers all that is out of range is too large. */
int64_t fp_mini_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    struct fp_mini_file *f = fp_mini_file_of(file);
    uint64_t pos = (uint64_t)off;

    if (whence != FP_SEEK_SET)
        pos += whence == FP_SEEK_CUR ? f->pos : f->size;
    if (pos > INT32_MAX)
        return FP_ERR_INVAL;
    f->pos = (uint32_t)pos;
    return f->pos;
}

int fp_mini_forget(struct fp_file *file)
{
    struct fp_mini_file **at = fp_mini_of(file->mnt)->files;

    while (*at != fp_mini_file_of(file))
        at++;
    *at = NULL;
    return FP_OK;
}
