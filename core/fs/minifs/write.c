/* SPDX-License-Identifier: MIT
 *
 * Writing files. The content is brought to the file's buffer before its first
 * change, and leaves it whole: flush() writes it to a free block, publish()
 * gives it its entry. A staged file stops between the two until its commit.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                 uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int index = fp_mini_find(fs, path, flags & FP_O_CREATE, f->name);
    bool is_new = index == (int)fs->count;

    if (index < 0)
        return index;
    if (!is_new && flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    f->block = FP_MINI_NO_BLOCK;
    f->is_staged = flags & FP_O_STAGE;
    if (is_new || flags & FP_O_TRUNC)
        f->state = FP_MINI_DIRTY;
    return fp_mini_claim(fs, f, (uint32_t)index);
}

/* The content comes to the buffer, zeros behind it up to `end`, to which it
 * may grow. */
static int make_dirty(struct fp_mini *fs, struct fp_mini_file *f, uint64_t end)
{
    int err = FP_OK;

    if (end > fs->file_max)
        return FP_ERR_FBIG;
    if (f->state != FP_MINI_DIRTY && f->size > 0)
        err =
            fp_bdev_read(fs->dev, fp_mini_addr(fs, f->block), f->buf, f->size);
    if (err)
        return err;
    f->state = FP_MINI_DIRTY;
    if ((uint32_t)end > f->size)
        memset(f->buf + f->size, 0, (uint32_t)end - f->size);
    return FP_OK;
}

int32_t fp_mini_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_mini_file *f = fp_mini_file_of(file);
    uint32_t pos = file->flags & FP_O_APPEND ? f->size : f->pos;
    uint32_t end = pos + size; /* both are at most INT32_MAX */
    int err = make_dirty(fp_mini_of(file->mnt), f, end);

    if (err)
        return err;
    memcpy(f->buf + pos, buf, size);
    f->pos = end;
    if (f->size < end)
        f->size = end;
    return (int32_t)size;
}

int fp_mini_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = make_dirty(fp_mini_of(file->mnt), f, size);

    if (!err)
        f->size = (uint32_t)size;
    return err;
}

/* Where content goes, if another block is left for the metadata. */
static uint32_t content_block(const struct fp_mini *fs)
{
    uint32_t block = fp_mini_next_free(fs, fs->block);

    return fp_mini_next_free(fs, block) == block ? FP_MINI_NO_BLOCK : block;
}

static int flush(struct fp_mini *fs, struct fp_mini_file *f)
{
    uint32_t block = content_block(fs);
    int err = FP_OK;

    if (f->state != FP_MINI_DIRTY)
        return FP_OK;
    if (block == FP_MINI_NO_BLOCK)
        return FP_ERR_NOSPC;
    if (f->size > 0)
        err = fp_mini_store(fs, block, f->buf, 0, f->size);
    if (err)
        return err;
    f->block = block;
    f->state = FP_MINI_FLUSHED;
    return FP_OK;
}

/* Content, and unless that is all, the entry. */
static int publish(struct fp_mini *fs, struct fp_mini_file *f, bool has_entry)
{
    int index = fp_mini_find_name(fs, f->name), err;
    uint32_t block;
    uint8_t *entry;

    if (index < 0)
        return index;
    err = index == (int)fs->slots ? FP_ERR_NOSPC : flush(fs, f);
    if (err || !has_entry)
        return err;
    block = fp_mini_next_free(fs, f->block);
    entry = fp_mini_entry(fs, (uint32_t)index);
    memcpy(entry, f->name, FP_MINI_NAME);
    fp_mini_put16(fs, entry + 12, f->size);
    fp_mini_put16(fs, entry + 14, f->block);
    if (index == (int)fs->count)
        fs->count++;
    err = fp_mini_commit(fs, block);
    if (!err)
        f->state = FP_MINI_SETTLED;
    return err;
}

int fp_mini_fsync(struct fp_file *file)
{
    struct fp_mini_file *f = fp_mini_file_of(file);

    if (f->state == FP_MINI_SETTLED)
        return FP_OK;
    if (f->name[0] == 0xff)
        return FP_ERR_NOENT;
    return publish(fp_mini_of(file->mnt), f, !f->is_staged);
}

/* A name that is there gives its block back, but only afterwards. */
int fp_mini_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    int index = fp_mini_find_name(fs, fp_mini_file_of(file)->name);

    if (index < 0)
        return index;
    if (size > fs->file_max)
        return FP_ERR_FBIG;
    return index == (int)fs->slots || content_block(fs) == FP_MINI_NO_BLOCK
               ? FP_ERR_NOSPC
               : FP_OK;
}

/* There is no place for a time. */
int fp_mini_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    (void)meta;
    return publish(fp_mini_of(file->mnt), fp_mini_file_of(file), true);
}

int fp_mini_close(struct fp_file *file)
{
    int err = FP_OK;

    if (!fp_mini_file_of(file)->is_staged)
        err = fp_mini_fsync(file);
    fp_mini_close_ro(file);
    return err == FP_ERR_NOENT ? FP_OK : err; /* it is gone */
}
