/* SPDX-License-Identifier: MIT
 *
 * Writing files. The content is brought to the file's buffer before its first
 * change, and leaves it whole: flush() writes it to a free block, then it gets
 * its entry. A staged file stops between the two until its commit.
 */
#include "core/fs/minifs/mini.h"

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

/* Is there an entry for the file, which becomes fs->found, and unless its
 * content is there already a block for it, fs->next, with another for the
 * metadata? */
static int find_room(struct fp_mini *fs, const struct fp_mini_file *f)
{
    int err = fp_mini_find_name(fs, f->name);

    fs->next = fp_mini_next_free(fs, fs->block);
    if (!err && (fs->found == fs->limit ||
                 (f->state != FP_MINI_FLUSHED &&
                  fp_mini_next_free(fs, fs->next) == fs->next)))
        err = FP_ERR_NOSPC;
    return err;
}

static int flush(struct fp_mini *fs, struct fp_mini_file *f)
{
    int err = find_room(fs, f);

    if (err || f->state != FP_MINI_DIRTY)
        return err;
    err = fp_mini_store(fs, f->buf, 0, f->size);
    if (err)
        return err;
    f->block = fs->next;
    f->state = FP_MINI_FLUSHED;
    return FP_OK;
}

int fp_mini_fsync(struct fp_file *file)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    uint8_t *entry;
    int err;

    if (f->state == FP_MINI_SETTLED)
        return FP_OK;
    if (f->name[0] == 0xff)
        return FP_ERR_NOENT;
    err = flush(fs, f);
    if (err || f->is_staged)
        return err;
    fs->next = fp_mini_next_free(fs, f->block);
    entry = fs->found;
    memcpy(entry, f->name, FP_MINI_NAME);
    fp_mini_put16(fs, entry + 12, f->size);
    fp_mini_put16(fs, entry + 14, f->block);
    if (entry == fs->end)
        fs->end += FP_MINI_SECTION;
    err = fp_mini_commit(fs);
    if (!err)
        f->state = FP_MINI_SETTLED;
    return err;
}

/* A name that is there gives its block back, but only afterwards. */
int fp_mini_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);

    return size > fs->file_max ? FP_ERR_FBIG
                               : find_room(fs, fp_mini_file_of(file));
}

/* There is no place for a time. What is written from now on waits for another
 * commit. */
int fp_mini_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err;

    (void)meta;
    f->is_staged = false;
    err = fp_mini_fsync(file);
    f->is_staged = true;
    return err;
}

int fp_mini_close(struct fp_file *file)
{
    int err = FP_OK;

    if (!fp_mini_file_of(file)->is_staged)
        err = fp_mini_fsync(file);
    fp_mini_forget(file);
    return err == FP_ERR_NOENT ? FP_OK : err; /* it is gone */
}
