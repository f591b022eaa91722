/* SPDX-License-Identifier: MIT
 *
 * Open files, reading. What is known of a chain is kept as runs of clusters
 * that follow each other on the medium, so a file in one piece needs no walk,
 * and whole runs are read at once.
 */
#include "core/fs/fat/vol.h"

_Static_assert(sizeof(struct fp_fat_file) <= FP_FILE_STATE,
               "FP_FILE_STATE is too small for FAT");

void fp_fat_claim(struct fp_fat *fs, struct fp_file *file)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    uint32_t i = 0;

    for (uint32_t used = fs->files_used; used & 1; used >>= 1)
        i++;
    if (i >= fs->mnt->cfg.max_files)
        fp_fat_fail(fs, FP_ERR_NFILE);
    if (fs->err)
        return;
    fs->files_used |= 1u << i;
    f->slot = i;
    f->name = (char *)fs->names + i * FP_FAT_NAME_SIZE;
#if !FP_FAT_SMALL
    f->runs = f->last = fs->runs + i * fs->layout.runs;
    *f->runs = (struct fp_fat_run){ 0, 0, 0 };
#endif
    f->node.sector = FP_FAT_NONE;
    fp_fat_node_add(fs, &f->node);
}

void fp_fat_release(struct fp_fat *fs, struct fp_file *file)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    fp_fat_node_del(fs, &f->node);
    fs->files_used &= ~(1u << f->slot);
}

void fp_fat_take(struct fp_file *file, const struct fp_fat_place *place)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    f->head = fp_fat_head(place->raw);
    file->size = f->disk_size = fp_fat_size(place->raw);
    f->node.sector = place->sector;
    f->node.off = place->off;
}

struct fp_fat_node *fp_fat_node_at(const struct fp_fat *fs,
                                   struct fp_fat_node *node, uint32_t sector,
                                   uint32_t off)
{
    node = node ? node->next : fs->nodes;
    while (node && (node->sector != sector || node->off != off))
        node = node->next;
    return node;
}

/* --- what is known of a chain --- */

#if FP_FAT_SMALL

void fp_fat_forget(struct fp_file *file, uint32_t index)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_run *run = &f->run;

    if (index <= run->index)
        run->index = index = 0;
    run->count = fp_fat_min(run->count, index - run->index);
}

/* The run to look for `index` from: the last that begins there or before. */
static struct fp_fat_run *known(struct fp_file *file, uint32_t index)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (index < f->run.index)
        fp_fat_forget(file, 0);
    return &f->run;
}

/* Where the run goes that follows this one, the last. */
static struct fp_fat_run *after(const struct fp_fat *fs, struct fp_file *file,
                                struct fp_fat_run *run)
{
    (void)fs;
    (void)file;
    return run;
}

#else

void fp_fat_forget(struct fp_file *file, uint32_t index)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    while (f->last != f->runs && f->last->index >= index)
        f->last--;
    f->last->count = fp_fat_min(f->last->count, index - f->last->index);
}

static struct fp_fat_run *known(struct fp_file *file, uint32_t index)
{
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_run *run = f->last;

    while (run->index > index)
        run--;
    return run;
}

static struct fp_fat_run *after(const struct fp_fat *fs, struct fp_file *file,
                                struct fp_fat_run *run)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (run->count && run + 1 < f->runs + fs->layout.runs)
        run++;
    f->last = run;
    return run;
}

#endif

/* The cluster at `index`, which follows on `cluster`, as the handle sees it. */
static uint32_t step(struct fp_fat *fs, struct fp_file *file, uint32_t index,
                     uint32_t cluster)
{
    struct fp_fat_file *f = fp_fat_file_of(file);

    if (f->own.count && index == f->own.first)
        return f->own.head;
    return index ? fp_fat_next(fs, cluster) : f->head;
}

const struct fp_fat_run *fp_fat_find(struct fp_fat *fs, struct fp_file *file,
                                     uint32_t index, uint32_t last)
{
    struct fp_fat_run *run = known(file, index);
    uint32_t end, next;

    while (!fs->err && (end = run->index + run->count) <= last) {
        next = step(fs, file, end, run->cluster + run->count - 1);
        if (!fp_fat_is_cluster(fs, next)) {
            fp_fat_fail(fs, FP_ERR_CORRUPT);
            if (index < end) /* it may be that nobody needs what comes */
                fs->err = FP_OK;
            break;
        }
        if (next != run->cluster + run->count) {
            if (index < end)
                break;
            run = after(fs, file, run);
            run->index = end;
            run->cluster = next;
            run->count = 0;
        }
        run->count++;
    }
    return run;
}

uint32_t fp_fat_cluster(struct fp_fat *fs, struct fp_file *file, uint32_t index)
{
    const struct fp_fat_run *run = fp_fat_find(fs, file, index, index);

    return fs->err ? 0 : run->cluster + (index - run->index);
}

bool fp_fat_piece(struct fp_fat *fs, struct fp_fat_piece *p)
{
    uint32_t shift = fs->cluster_shift, size = fs->sector_size, n, at, left;
    const struct fp_fat_run *run;

    p->pos += p->n;
    left = p->end - p->pos;
    if (!left || fs->err)
        return false;
    run = fp_fat_find(fs, p->file, p->pos >> shift, (p->end - 1) >> shift);
    at = (p->pos - (run->index << shift)) >> fs->sector_shift;
    p->sector = fp_fat_sector_of(fs, run->cluster) + at;
    p->off = p->pos & (size - 1);
    n = fp_fat_min(left >> fs->sector_shift, (run->count << fs->spc_shift) - at)
        << fs->sector_shift;
    if (p->off || !n)
        n = fp_fat_min(left, size - p->off);
    p->n = n;
    return !fs->err;
}

/* Whole sectors go past the window; it may hold one of them, changed. */
static void read_whole(struct fp_fat *fs, uint32_t sector, uint8_t *buf,
                       uint32_t size)
{
    uint32_t held = fs->win.sector - sector;

    fs->err =
        fp_bdev_read(fs->dev, (fp_addr)sector << fs->sector_shift, buf, size);
    if (held < size >> fs->sector_shift)
        memcpy(buf + (held << fs->sector_shift), fs->win.buf, fs->sector_size);
}

int fp_fat_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_fat_place place;
    struct fp_fat *fs = fp_fat_find_path(mnt, path, &place);

    (void)flags; /* to read: the volume is read-only */
    if (fp_fat_is_dir(place.raw))
        fp_fat_fail(fs, FP_ERR_ISDIR);
    fp_fat_claim(fs, file);
    if (!fs->err)
        fp_fat_take(file, &place);
    return fs->err;
}

int32_t fp_fat_file_read(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_fat *fs = fp_fat_enter(file->mnt);
    struct fp_fat_file *f = fp_fat_file_of(file);
    struct fp_fat_piece p;
    uint8_t *to = buf;

    if (f->node.ended)
        return FP_ERR_STALE;
    fp_fat_piece_start(&p, file, file->pos, size);
    for (; fp_fat_piece(fs, &p); to += p.n)
        if (p.n >= fs->sector_size)
            read_whole(fs, p.sector, to, p.n);
        else
            memcpy(to, fp_fat_show(fs, p.sector) + p.off, p.n);
    return fs->err;
}

int fp_fat_close_ro(struct fp_file *file)
{
    fp_fat_release(fp_fat_of(file->mnt), file);
    return FP_OK;
}
