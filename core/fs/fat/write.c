/* SPDX-License-Identifier: MIT
 *
 * Open files, writing. Content goes to clusters of the handle's own (own.c),
 * whole sectors straight from the caller's bytes; fsync and close make it the
 * file's (save.c).
 */
#include "core/fs/fat/vol.h"

#define COUNT_SLICE 64u

/* What was not saved is gone. */
static void revert(struct fp_fat *fs, struct fp_fat_file *f)
{
    fp_fat_disown(fs, f, 0);
    f->size = f->disk_size;
    fp_fat_forget(f, 0);
    if (f->by_name)
        f->node.ended = true;
}

static int open_new(struct fp_fat *fs, struct fp_fat_file *f, uint32_t dir,
                    const char *name)
{
    uint8_t raw[FP_FAT_SLOT];
    int err = fp_fat_name_take(fs, name, raw);

    if (!err)
        err = fp_fat_claim(fs, f);
    if (err)
        return err;
    f->by_name = true;
    f->dir = dir;
    memcpy(f->name, name, strlen(name) + 1);
    return FP_OK;
}

int fp_fat_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_place place;
    const char *name;
    uint32_t dir;
    int err;

    if (!(flags & FP_O_WRITE))
        return fp_fat_open_ro(mnt, file, path, flags);
    err = fp_fat_lookup_rw(fs, path, &place, &dir, &name);
    if (err == FP_ERR_NOENT && name && flags & FP_O_CREATE)
        return open_new(fs, f, dir, name);
    if (!err && flags & FP_O_EXCL)
        err = FP_ERR_EXIST;
    if (!err && fp_fat_is_dir(place.raw))
        err = FP_ERR_ISDIR;
    if (!err && place.raw[FP_FAT_AT_ATTR] & FP_FAT_READONLY)
        err = FP_ERR_ACCES;
    if (err)
        return err;
    if (flags & FP_O_STAGE)
        return open_new(fs, f, dir, name);
    err = fp_fat_claim(fs, f);
    if (err)
        return err;
    fp_fat_take(f, &place);
    if (flags & FP_O_TRUNC)
        f->size = 0;
    return FP_OK;
}

int32_t fp_fat_read_rw(struct fp_file *file, void *buf, uint32_t size)
{
    return fp_fat_file_of(file)->node.ended ? FP_ERR_STALE
                                            : fp_fat_file_read(file, buf, size);
}

/* --- putting bytes --- */

/* Part of a sector, by way of the window; buf NULL: zeros. */
static int put_part(struct fp_fat *fs, bool is_fresh, uint32_t sector,
                    uint32_t off, const uint8_t *buf, uint32_t n)
{
    int err = FP_OK;

    if (is_fresh && fs->win.sector != sector) {
        /* Nothing there counts: it need not be read. */
        err = fp_fat_flush(fs, &fs->win);
        if (err)
            return err;
        fs->win.sector = sector;
        memset(fs->win.buf, 0, fp_fat_sector_size(fs));
    }
    err = fp_fat_load(fs, &fs->win, sector);
    if (err)
        return err;
    if (buf)
        memcpy(fs->win.buf + off, buf, n);
    else
        memset(fs->win.buf + off, 0, n);
    fs->win.dirty = true;
    fs->win.is_meta = false;
    return FP_OK;
}

static int put_whole(struct fp_fat *fs, uint32_t sector, const uint8_t *buf,
                     uint32_t count)
{
    if (fs->win.sector - sector < count) {
        fs->win.sector = FP_FAT_NONE;
        fs->win.dirty = false;
    }
    return fp_bdev_prog(fs->dev, (fp_addr)sector << fs->sector_shift, buf,
                        count << fs->sector_shift);
}

static int put(struct fp_fat *fs, struct fp_fat_file *f, uint32_t pos,
               const uint8_t *buf, uint32_t size)
{
    int err = fp_fat_own(fs, f, pos, size);

    for (uint32_t done = 0, n; done < size && !err; done += n) {
        uint32_t sector, off, whole;

        n = size - done;
        err = fp_fat_locate(fs, f, pos + done, &sector, &off, &n);
        if (err)
            break;
        whole = off || !buf ? 0 : n >> fs->sector_shift;
        if (whole) {
            n = whole << fs->sector_shift;
            err = put_whole(fs, sector, buf + done, whole);
        } else {
            n = fp_fat_min(n, fp_fat_sector_size(fs) - off);
            err = put_part(fs, pos + done - off >= f->size, sector, off,
                           buf ? buf + done : NULL, n);
        }
    }
    if (!err && pos + size > f->size)
        f->size = pos + size;
    return err;
}

static int check_writable(struct fp_fat *fs, const struct fp_fat_file *f)
{
    return f->node.ended || f->orphan ? FP_ERR_STALE : fp_fat_begin(fs);
}

/* Fills up to `size`. */
static int fill(struct fp_fat *fs, struct fp_fat_file *f, uint32_t size)
{
    return size > f->size ? put(fs, f, f->size, NULL, size - f->size) : FP_OK;
}

int32_t fp_fat_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    int err = check_writable(fs, f);

    if (err)
        return err;
    if (file->flags & FP_O_APPEND)
        f->pos = f->size;
    if (size > UINT32_MAX - f->pos)
        err = FP_ERR_FBIG;
    if (!err)
        err = fill(fs, f, f->pos);
    if (!err)
        err = put(fs, f, f->pos, buf, size);
    if (err) {
        revert(fs, f);
        return err;
    }
    f->pos += size;
    return (int32_t)size;
}

int fp_fat_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    int err = check_writable(fs, f);

    if (!err && size > UINT32_MAX)
        err = FP_ERR_FBIG;
    if (err)
        return err;
    if (size < f->size) {
        uint32_t count = fp_fat_clusters(fs, (uint32_t)size);

        fp_fat_disown(fs, f, count);
        fp_fat_forget(f, count);
        f->size = (uint32_t)size;
        return FP_OK;
    }
    err = fill(fs, f, (uint32_t)size);
    if (err)
        revert(fs, f);
    return err;
}

int fp_fat_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    uint32_t have = fp_fat_clusters(fs, f->size), need;

    if (size > UINT32_MAX)
        return FP_ERR_FBIG;
    need = fp_fat_clusters(fs, (uint32_t)size);
    need = need > have ? need - have : 0;
    while (fs->free < need && !fp_fat_is_counted(fs)) {
        int err = fp_fat_count(fs, COUNT_SLICE);

        if (err)
            return err;
        fp_bdev_yield(fs->dev);
    }
    return fs->free < need ? FP_ERR_NOSPC : FP_OK;
}

int fp_fat_fsync(struct fp_file *file)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    bool is_staged = f->by_name && file->flags & FP_O_STAGE;
    int err = f->node.ended ? FP_ERR_STALE : FP_OK;

    if (!err && !is_staged)
        err = fp_fat_save(fs, f, NULL);
    if (!err)
        err = fp_fat_finish(fs);
    if (!err && is_staged) /* what is read now comes off the medium */
        fs->win.sector = fs->fat.sector = FP_FAT_NONE;
    return err;
}

int fp_fat_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    int err = fp_fat_save(fs, fp_fat_file_of(file),
                          meta->has_mtime ? &meta->mtime_ns : NULL);

    return err ? err : fp_fat_finish(fs);
}

/* Does another handle have the chain of this file, which has no entry? */
static bool is_shared(const struct fp_fat *fs, const struct fp_fat_file *f)
{
    for (struct fp_fat_node *node = fs->nodes; node; node = node->next) {
        const struct fp_fat_file *other = (const struct fp_fat_file *)node;

        if (!node->is_dir && other != f && other->orphan &&
            other->head == f->head)
            return true;
    }
    return false;
}

int fp_fat_close(struct fp_file *file)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    bool writes = file->flags & FP_O_WRITE, frees;
    int err = FP_OK;

    if (writes && !f->node.ended && !f->orphan &&
        !(f->by_name && file->flags & FP_O_STAGE))
        err = fp_fat_save(fs, f, NULL);
    frees = f->orphan && !is_shared(fs, f);
    if ((f->own_count || frees) && !fp_fat_begin(fs)) {
        fp_fat_disown(fs, f, 0);
        if (frees)
            fp_fat_free(fs, f->head, fp_fat_clusters(fs, f->disk_size));
    }
    if ((writes || frees) && !err)
        err = fp_fat_finish(fs);
    fp_fat_release(fs, f);
    return err;
}
