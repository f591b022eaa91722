/* SPDX-License-Identifier: MIT
 *
 * Open files, writing. Content goes to clusters of the handle's own (own.c),
 * whole sectors straight from the caller's bytes; fsync and close make it the
 * file's (save.c).
 */
#include "core/fs/fat/vol.h"

#define COUNT_SLICE 64u

static bool is_orphan(const struct fp_fat_file *f)
{
    return f->node.sector == FP_FAT_ORPHAN;
}

/* Has it no entry yet? */
static bool is_new(const struct fp_fat_file *f)
{
    return f->node.sector == FP_FAT_NONE;
}

int fp_fat_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_fat *fs = fp_fat_enter(mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_place place;
    bool by_name = flags & FP_O_STAGE;

    if (fp_fat_lookup(fs, path, &place)) {
        if (flags & FP_O_EXCL)
            fp_fat_fail(fs, FP_ERR_EXIST);
        fp_fat_check_file(fs, &place, flags & FP_O_WRITE);
    } else {
        by_name = true;
        if (!(flags & FP_O_CREATE))
            fp_fat_fail(fs, FP_ERR_NOENT);
        fp_fat_name_take(fs, &place); /* is it a name? */
    }
    fp_fat_claim(fs, file);
    if (fs->err)
        return fs->err;
    if (by_name) {
        f->node.off = place.dir;
        memcpy(f->name, place.name, strlen(place.name) + 1);
        return FP_OK;
    }
    fp_fat_take(file, &place);
    if (flags & FP_O_TRUNC)
        file->size = 0;
    return FP_OK;
}

/* --- putting bytes --- */

/* Part of a sector, by way of the window; buf NULL: zeros. */
static void put_part(struct fp_fat *fs, const struct fp_fat_piece *p,
                     const uint8_t *buf)
{
    /* What begins behind the end has nothing that counts. */
    if (p->pos - p->off >= p->file->size && fs->win.sector != p->sector)
        fp_fat_blank(fs, p->sector);
    else
        fp_fat_show(fs, p->sector);
    if (fs->err)
        return;
    fp_fat_aim(fs, p->sector);
    if (buf)
        memcpy(fs->win.buf + p->off, buf, p->n);
    else
        memset(fs->win.buf + p->off, 0, p->n);
}

static void put_whole(struct fp_fat *fs, uint32_t sector, const uint8_t *buf,
                      uint32_t size)
{
    if (fs->win.sector - sector < size >> fs->sector_shift) {
        fs->win.sector = FP_FAT_NONE;
        fs->win.dirty = false;
    }
    fp_fat_prog(fs, sector, buf, size);
}

/* Makes [pos, pos + n) of a file bytes that may be written. */
static void own(struct fp_fat *fs, struct fp_file *file, uint32_t pos,
                uint32_t n)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    uint32_t shift = fs->cluster_shift, i = pos >> shift;
    uint32_t last = (pos + (n - 1)) >> shift;

    /* Behind the end the last cluster may have room. */
    if (pos >= f->disk_size)
        i = fp_fat_clusters(fs, pos);
    f->put_from = pos;
    f->put_starts = n - fp_fat_min(n, fs->sector_size - 1);
    if (i <= last) { /* and what lies between */
        fp_fat_own_cluster(fs, file, i);
        fp_fat_own_cluster(fs, file, last);
    }
    f->put_starts = 0;
}

/* After an error it does nothing. */
static void put(struct fp_file *file, uint32_t pos, const uint8_t *buf,
                uint32_t size)
{
    struct fp_fat *fs = fp_fat_of(file->mnt);
    struct fp_fat_piece p;

    own(fs, file, pos, size);
    fp_fat_piece_start(&p, file, pos, size);
    while (fp_fat_piece(fs, &p)) {
        if (!buf)
            p.n = fp_fat_min(p.n, fs->sector_size);
        if (buf && p.n >= fs->sector_size)
            put_whole(fs, p.sector, buf, p.n);
        else
            put_part(fs, &p, buf);
        if (buf)
            buf += p.n;
    }
    if (!fs->err && p.pos > file->size)
        file->size = p.pos;
}

/* Starts to write: up to `pos` there are to be bytes. */
static struct fp_fat *start(struct fp_file *file, uint32_t pos)
{
    struct fp_fat *fs = fp_fat_enter(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (f->node.ended || is_orphan(f))
        fp_fat_fail(fs, FP_ERR_STALE);
    fp_fat_begin(fs);
    if (pos > file->size)
        put(file, file->size, NULL, pos - file->size);
    return fs;
}

/* After an error what was not saved is gone. */
static int end(struct fp_fat *fs, struct fp_file *file)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (!fs->err || f->node.ended || is_orphan(f))
        return fs->err;
    fp_fat_disown(fs, file, 0);
    file->size = f->disk_size;
    f->node.ended = is_new(f);
    return fs->err;
}

int32_t fp_fat_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_fat *fs = start(file, file->pos);

    put(file, file->pos, buf, size);
    return end(fs, file);
}

int fp_fat_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_fat *fs = start(file, (uint32_t)size);

    if (!fs->err && size < file->size) {
        fp_fat_disown(fs, file, fp_fat_clusters(fs, (uint32_t)size));
        file->size = (uint32_t)size;
    }
    return end(fs, file);
}

int fp_fat_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_fat *fs = fp_fat_enter(file->mnt);
    uint32_t have = fp_fat_clusters(fs, file->size);
    uint32_t need = fp_fat_clusters(fs, (uint32_t)size);

    while (!fs->err && fs->free + have < need) {
        if (fp_fat_is_counted(fs))
            fp_fat_fail(fs, FP_ERR_NOSPC);
        fp_fat_count(fs, COUNT_SLICE);
        fp_bdev_yield(fs->dev);
    }
    return fs->err;
}

/* meta NULL: nothing but the content. */
int fp_fat_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_fat *fs = fp_fat_enter(file->mnt);

    fp_fat_save(fs, file, meta && meta->has_mtime ? &meta->mtime_ns : NULL);
    return fp_fat_finish(fs);
}

int fp_fat_fsync(struct fp_file *file)
{
    struct fp_fat *fs = fp_fat_enter(file->mnt);

    if (!(file->flags & FP_O_STAGE))
        return fp_fat_commit(file, NULL);
    if (fp_fat_file_of(file)->node.ended)
        fp_fat_fail(fs, FP_ERR_STALE);
    if (!fp_fat_finish(fs)) /* reads come off the medium now */
        fs->win.sector = fs->fat.sector = FP_FAT_NONE;
    return fs->err;
}

/* The front end has synced what is the file's. */
int fp_fat_close(struct fp_file *file)
{
    struct fp_fat *fs = fp_fat_enter(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    bool frees = f->own.count || is_orphan(f);

    if (frees)
        fp_fat_begin(fs);
    fp_fat_disown(fs, file, 0);
    fp_fat_release(fs, file);
    if (is_orphan(f) && !fp_fat_node_at(fs, NULL, FP_FAT_ORPHAN, f->head))
        fp_fat_free(fs, f->head, FP_FAT_NONE);
    return frees ? fp_fat_finish(fs) : fs->err;
}
