/* SPDX-License-Identifier: MIT
 *
 * Open files, reading. What is known of a chain is kept as runs of clusters
 * that follow each other on the medium, so a file in one piece needs no walk,
 * and whole runs are read at once.
 */
#include "core/fs/fat/vol.h"

_Static_assert(sizeof(struct fp_fat_file) <= FP_FILE_STATE,
               "FP_FILE_STATE is too small for FAT");

int fp_fat_claim(struct fp_fat *fs, struct fp_fat_file *f)
{
    uint32_t i = 0;

    while (i < fs->mnt->cfg.max_files && fs->files_used >> i & 1)
        i++;
    if (i == fs->mnt->cfg.max_files)
        return FP_ERR_NFILE;
    fs->files_used |= 1u << i;
    f->slot = (uint8_t)i;
    f->runs = (struct fp_fat_run *)(void *)(fs->files + i * fs->file_stride);
    f->name = (char *)(f->runs + fs->runs);
    f->sector = FP_FAT_NONE;
    fp_fat_node_add(fs, &f->node);
    return FP_OK;
}

void fp_fat_release(struct fp_fat *fs, struct fp_fat_file *f)
{
    fp_fat_node_del(fs, &f->node);
    fs->files_used &= ~(1u << f->slot);
}

void fp_fat_take(struct fp_fat_file *f, const struct fp_fat_place *place)
{
    f->head = fp_fat_head(place->raw);
    f->size = f->disk_size = fp_get_le32(place->raw + FP_FAT_AT_SIZE);
    f->sector = place->sector;
    f->off = place->off;
    f->run_count = 0;
}

void fp_fat_forget(struct fp_fat_file *f, uint32_t index)
{
    uint32_t i = 0;

    /* They may overlap: each has to end there. */
    for (; i < f->run_count && f->runs[i].index < index; i++)
        f->runs[i].count =
            fp_fat_min(f->runs[i].count, index - f->runs[i].index);
    f->run_count = (uint16_t)i;
}

/* The cluster that follows on `cluster`, which is at index - 1, as the handle
 * sees it. */
static int step(struct fp_fat *fs, const struct fp_fat_file *f, uint32_t index,
                uint32_t cluster, uint32_t *next)
{
    int err = FP_OK;

    if (f->own_count && index == f->own_first)
        *next = f->own_head;
    else if (!index)
        *next = f->head;
    else
        err = fp_fat_next(fs, cluster, next);
    if (!err && !fp_fat_is_cluster(fs, *next))
        err = FP_ERR_CORRUPT;
    return err;
}

/* Remembers a run behind runs[i - 1]; where there is no room another goes. */
static struct fp_fat_run *insert(struct fp_fat *fs, struct fp_fat_file *f,
                                 uint32_t i, struct fp_fat_run run)
{
    if (f->run_count == fs->runs) {
        uint32_t out = f->run_turn++ % fs->runs;

        if (out + 1 == i && fs->runs > 1)
            out = i % fs->runs;
        i -= out < i;
        f->run_count--;
        memmove(f->runs + out, f->runs + out + 1,
                (f->run_count - out) * sizeof run);
    }
    memmove(f->runs + i + 1, f->runs + i, (f->run_count - i) * sizeof run);
    f->run_count++;
    f->runs[i] = run;
    return f->runs + i;
}

int fp_fat_find(struct fp_fat *fs, struct fp_fat_file *f, uint32_t index,
                uint32_t *cluster, uint32_t *count)
{
    uint32_t i = f->run_count, end, next = 0;
    struct fp_fat_run *run;
    int err;

    while (i && f->runs[i - 1].index > index)
        i--;
    run = i ? &f->runs[i - 1] : NULL;
    for (;;) {
        end = run ? run->index + run->count : 0;
        /* Known, and what follows, too, or enough of it. */
        if (index < end && index + *count <= end)
            break;
        err = step(fs, f, end, run ? run->cluster + run->count - 1 : 0, &next);
        if (err && index < end)
            break; /* it may be that nobody needs what comes */
        if (err)
            return err;
        if (run && next == run->cluster + run->count) {
            run->count++;
        } else if (index < end) {
            break;
        } else {
            run = insert(fs, f, i, (struct fp_fat_run){ end, next, 1 });
            i = (uint32_t)(run - f->runs) + 1;
        }
    }
    *cluster = run->cluster + (index - run->index);
    *count = fp_fat_min(*count, end - index);
    return FP_OK;
}

int fp_fat_locate(struct fp_fat *fs, struct fp_fat_file *f, uint32_t pos,
                  uint32_t *sector, uint32_t *off, uint32_t *n)
{
    uint32_t within = pos & ((1u << fs->cluster_shift) - 1), most, cluster;
    uint32_t count = ((within + *n - 1) >> fs->cluster_shift) + 1;
    int err = fp_fat_find(fs, f, pos >> fs->cluster_shift, &cluster, &count);

    if (err)
        return err;
    most = (count << fs->cluster_shift) - within;
    *n = fp_fat_min(*n, most);
    *sector = fp_fat_sector_of(fs, cluster) + (within >> fs->sector_shift);
    *off = within & (fp_fat_sector_size(fs) - 1);
    return FP_OK;
}

/* Whole sectors go past the window; it may hold one of them, changed. */
static int read_whole(struct fp_fat *fs, uint32_t sector, uint8_t *buf,
                      uint32_t count)
{
    uint32_t held = fs->win.sector - sector;
    int err = fp_fat_read(fs, sector, buf, count);

    if (!err && fs->win.dirty && held < count)
        memcpy(buf + (held << fs->sector_shift), fs->win.buf,
               fp_fat_sector_size(fs));
    return err;
}

int fp_fat_read_at(struct fp_fat *fs, struct fp_fat_file *f, uint32_t pos,
                   uint8_t *buf, uint32_t size)
{
    for (uint32_t done = 0, n; done < size; done += n) {
        uint32_t sector, off, whole;
        int err;

        n = size - done;
        err = fp_fat_locate(fs, f, pos + done, &sector, &off, &n);
        if (err)
            return err;
        whole = off ? 0 : n >> fs->sector_shift;
        if (whole) {
            n = whole << fs->sector_shift;
            err = read_whole(fs, sector, buf + done, whole);
        } else {
            n = fp_fat_min(n, fp_fat_sector_size(fs) - off);
            err = fp_fat_load(fs, &fs->win, sector);
            if (!err)
                memcpy(buf + done, fs->win.buf + off, n);
        }
        if (err)
            return err;
    }
    return FP_OK;
}

int fp_fat_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_place place;
    const char *name;
    uint32_t dir;
    int err = fp_fat_lookup(fs, path, &place, &dir, &name);

    (void)flags; /* to read: the volume is read-only */
    if (!err && fp_fat_is_dir(place.raw))
        err = FP_ERR_ISDIR;
    if (!err)
        err = fp_fat_claim(fs, f);
    if (!err)
        fp_fat_take(f, &place);
    return err;
}

int32_t fp_fat_file_read(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    int err;

    if (f->pos >= f->size)
        return 0;
    size = fp_fat_min(size, f->size - f->pos);
    err = fp_fat_read_at(fp_fat_of(file->mnt), f, f->pos, buf, size);
    if (err)
        return err;
    f->pos += size;
    return (int32_t)size;
}

int64_t fp_fat_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    uint64_t base = whence == FP_SEEK_SET   ? 0
                    : whence == FP_SEEK_CUR ? f->pos
                                            : f->size;
    uint64_t pos = base + (uint64_t)off;

    if (pos > UINT32_MAX) /* so is one below 0 */
        return FP_ERR_INVAL;
    f->pos = (uint32_t)pos;
    return f->pos;
}

int fp_fat_close_ro(struct fp_file *file)
{
    fp_fat_release(fp_fat_of(file->mnt), fp_fat_file_of(file));
    return FP_OK;
}
