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
    int found = fp_mini_find(fs, path, flags & FP_O_CREATE, f->name);

    if (found >= 0 && flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    f->block = FP_MINI_NO_BLOCK;
    if (found >= 0 && !(flags & FP_O_TRUNC))
        found = fp_mini_attach(fs, f, found);
    else if (found >= 0 || (found == FP_ERR_NOENT && flags & FP_O_CREATE &&
                            f->name[0] != 0xff))
        f->is_dirty = f->is_changed = true;
    f->is_staged = flags & FP_O_STAGE;
    if (found < 0 && !f->is_changed)
        return found;
    return fp_mini_claim(fs, f);
}

/* The content comes to the buffer, zeros behind it up to `end`. */
static int make_dirty(struct fp_mini *fs, struct fp_mini_file *f, uint32_t end)
{
    int err = FP_OK;

    if (!f->is_dirty && f->size > 0)
        err =
            fp_bdev_read(fs->dev, fp_mini_addr(fs, f->block), f->buf, f->size);
    if (err)
        return err;
    f->is_dirty = f->is_changed = true;
    if (end > f->size)
        memset(f->buf + f->size, 0, end - f->size);
    return FP_OK;
}

int32_t fp_mini_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    uint32_t pos = file->flags & FP_O_APPEND ? f->size : f->pos;
    uint32_t max = fp_mini_file_max(fs);
    int err;

    if (pos > max || size > max - pos)
        return FP_ERR_FBIG;
    err = make_dirty(fs, f, pos);
    if (err)
        return err;
    memcpy(f->buf + pos, buf, size);
    f->pos = pos + size;
    if (f->pos > f->size)
        f->size = f->pos;
    return (int32_t)size;
}

int fp_mini_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err;

    if (size > fp_mini_file_max(fs))
        return FP_ERR_FBIG;
    err = make_dirty(fs, f, (uint32_t)size);
    if (!err)
        f->size = (uint32_t)size;
    return err;
}

/* The first is where content goes. */
static int find_two_free(const struct fp_mini *fs, uint32_t *block)
{
    uint32_t other;
    int err = fp_mini_next_free(fs, fs->block, block);

    if (!err)
        err = fp_mini_next_free(fs, *block, &other);
    return err ? err : other == *block ? FP_ERR_NOSPC : FP_OK;
}

/* Content to a free block, if another is left for the metadata. */
static int flush(struct fp_mini *fs, struct fp_mini_file *f)
{
    uint32_t block;
    int err;

    if (!f->is_dirty)
        return FP_OK;
    err = find_two_free(fs, &block);
    if (!err && f->size > 0)
        err = fp_mini_store(fs, block, f->buf, f->size);
    if (err)
        return err;
    f->block = block;
    f->is_dirty = false;
    return FP_OK;
}

/* Content, then the entry. */
static int publish(struct fp_mini *fs, struct fp_mini_file *f)
{
    int err = fp_mini_prepare(fs), index;
    uint32_t block;

    if (err)
        return err;
    index = fp_mini_find_name(fs, f->name);
    if (index < 0 && fs->count == fs->slots)
        return FP_ERR_NOSPC;
    err = flush(fs, f);
    if (!err)
        err = fp_mini_next_free(fs, f->block, &block);
    if (err)
        return err;
    if (index < 0)
        index = (int)fs->count++;
    fp_mini_set_entry(fs, (uint32_t)index, f);
    err = fp_mini_commit(fs, block);
    f->is_changed = err != FP_OK;
    return err;
}

int fp_mini_fsync(struct fp_file *file)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err;

    if (!f->is_changed)
        return FP_OK;
    if (f->is_staged) {
        err = fp_mini_prepare(fs);
        return err ? err : flush(fs, f);
    }
    return f->is_gone ? FP_ERR_NOENT : publish(fs, f);
}

/* A name that is there gives its block back, but only afterwards. */
int fp_mini_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    uint32_t block;
    int err = fp_mini_look(fs);

    if (size > fp_mini_file_max(fs))
        return FP_ERR_FBIG;
    if (!err && fs->count == fs->slots && fp_mini_find_name(fs, f->name) < 0)
        err = FP_ERR_NOSPC;
    return err ? err : find_two_free(fs, &block);
}

/* There is no place for a time. */
int fp_mini_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    (void)meta;
    return publish(fp_mini_of(file->mnt), fp_mini_file_of(file));
}

int fp_mini_close(struct fp_file *file)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = FP_OK;

    if (f->is_changed && !f->is_gone && !(f->is_staged))
        err = publish(fs, f);
    fp_mini_release(fs, f);
    return err;
}
