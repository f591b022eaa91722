/* SPDX-License-Identifier: MIT
 *
 * Writing files. The content is brought to the file's buffer before its first
 * change, and leaves it whole: flush() writes it to a free block, then it gets
 * its entry. A staged file stops between the two until its commit.
 */
#include "core/fs/minifs/mini.h"

/* The content comes to the buffer, zeros behind it up to `end`, to which it
 * may grow. */
static int make_dirty(struct fp_file *file, uint32_t end)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    uint32_t size = file->size;

    if (f->state != FP_MINI_DIRTY && size > 0) {
        int err =
            fp_bdev_read(fs->dev, fp_mini_addr(fs, f->block), f->buf, size);

        if (err)
            return err;
    }
    f->state = FP_MINI_DIRTY;
    if (end > size)
        memset(f->buf + size, 0, end - size);
    return FP_OK;
}

int32_t fp_mini_write(struct fp_file *file, const void *buf, uint32_t size)
{
    int err = make_dirty(file, file->pos + size);

    if (!err)
        memcpy(fp_mini_file_of(file)->buf + file->pos, buf, size);
    return err;
}

int fp_mini_truncate(struct fp_file *file, uint64_t size)
{
    return make_dirty(file, (uint32_t)size);
}

/* Is there an entry for the file, which becomes fs->found, and unless its
 * content is there already a block for it, fs->next, with another for the
 * metadata? A name that is there gives its block back, but only afterwards. */
int fp_mini_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = fp_mini_find_name(fs, f->name);

    (void)size;
    fs->next = fp_mini_next_free(fs, fs->block);
    if (!err && (fs->found == fs->limit ||
                 (f->state != FP_MINI_FLUSHED &&
                  fp_mini_next_free(fs, fs->next) == fs->next)))
        err = FP_ERR_NOSPC;
    return err;
}

static int flush(struct fp_file *file)
{
    struct fp_mini *fs = fp_mini_of(file->mnt);
    struct fp_mini_file *f = fp_mini_file_of(file);
    int err = fp_mini_reserve(file, 0);

    if (err || f->state != FP_MINI_DIRTY)
        return err;
    err = fp_mini_store(fs, f->buf, 0, file->size);
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
    err = flush(file);
    if (err || file->flags & FP_O_STAGE)
        return err;
    fs->next = fp_mini_next_free(fs, f->block);
    entry = fs->found;
    memcpy(entry, f->name, FP_MINI_NAME);
    fp_mini_put16(fs, entry + 12, file->size);
    fp_mini_put16(fs, entry + 14, f->block);
    if (entry == fs->end)
        fs->end += FP_MINI_SECTION;
    err = fp_mini_commit(fs);
    if (!err)
        f->state = FP_MINI_SETTLED;
    return err;
}

/* There is no place for a time. */
int fp_mini_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    (void)meta;
    return fp_mini_fsync(file);
}
