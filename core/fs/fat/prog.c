/* SPDX-License-Identifier: MIT
 *
 * What reaches the medium, and when: the windows are programmed, entries of the
 * table changed, the volume marked dirty and clean.
 */
#include "core/fs/fat/vol.h"

void fp_fat_prog(struct fp_fat *fs, uint32_t sector, const uint8_t *buf,
                 uint32_t size)
{
    if (!fs->err)
        fs->err = fp_bdev_prog(fs->dev, (fp_addr)sector << fs->sector_shift,
                               buf, size);
}

/* The table's window goes to each copy, the one that is read first: when the
 * power fails between them that one counts. */
static void put(struct fp_fat *fs, struct fp_fat_window *w)
{
    uint32_t left = w == &fs->fat ? fs->fat_count : 1, sector = w->sector;

    if (!w->dirty)
        return;
    for (; left; left--, sector += fs->fat_sectors)
        fp_fat_prog(fs, sector, w->buf, fs->sector_size);
    w->dirty = fs->err != FP_OK;
}

void fp_fat_flush(struct fp_fat *fs, struct fp_fat_window *w)
{
    if (w->is_meta)
        put(fs, &fs->fat);
    put(fs, w);
}

void fp_fat_blank(struct fp_fat *fs, uint32_t sector)
{
    fp_fat_flush(fs, &fs->win);
    if (fs->err)
        return;
    memset(fs->win.buf, 0, fs->sector_size);
    fp_fat_aim(fs, sector);
}

void fp_fat_flush_all(struct fp_fat *fs)
{
    fp_fat_flush(fs, &fs->fat);
    fp_fat_flush(fs, &fs->win);
}

int fp_fat_finish(struct fp_fat *fs)
{
    fp_fat_flush_all(fs);
    if (!fs->err)
        fs->err = fp_bdev_sync(fs->dev);
    return fs->err;
}

FP_FAT_APART uint8_t *fp_fat_change(struct fp_fat *fs, uint8_t *slot)
{
    if (fs->err || !slot)
        return fs->nowhere;
    fs->win.dirty = fs->win.is_meta = true;
    fp_fat_changed(fs);
    return slot;
}

uint8_t *fp_fat_edit(struct fp_fat *fs, uint32_t sector, uint32_t off)
{
    return fp_fat_change(fs, fp_fat_show(fs, sector) + off);
}

uint8_t *fp_fat_slot_edit(struct fp_fat *fs, struct fp_fat_cursor *at)
{
    return fp_fat_change(fs, fp_fat_slot(fs, at));
}

static void recount(struct fp_fat *fs)
{
    fs->counted = 2;
    fs->free = 0;
}

void fp_fat_set(struct fp_fat *fs, uint32_t n, uint32_t value)
{
    /* The top four bits of FAT32 are nobody's: they stay. */
    uint32_t old = fp_fat_exchange(fs, n, fs->mask, value) & fs->mask;

    if (fs->err)
        return;
    if (n < fs->counted)
        fs->free += (uint32_t)!value - !old;
    if (fs->free > fs->last) /* FSInfo was wrong: below 0 */
        recount(fs);
    fp_fat_changed(fs);
#if !FP_FAT_SMALL
    if (!value)
        fp_fat_index_gone(fs);
#endif
}

/* Makes four bytes of a sector the number, if they are another. */
static FP_FAT_APART void renew(struct fp_fat *fs, uint32_t sector, uint32_t off,
                               uint32_t value)
{
    if (fp_fat_u32(fp_fat_show(fs, sector) + off) != value)
        fp_fat_put32(fp_fat_edit(fs, sector, off), value);
}

/* Sets or clears the mark: in the table's entry 1, of FAT12 in the boot
 * sector. Where the boot sector has it, too, it goes when the volume is clean.
 */
static void mark(struct fp_fat *fs, uint32_t is_dirty)
{
    uint32_t state;

    if (fs->clean)
        fp_fat_exchange(fs, 1, fs->clean, is_dirty - 1);
    if (!fs->clean || !is_dirty) {
        state = fp_fat_u32(fp_fat_show(fs, 0) + fs->state_off);
        renew(fs, 0, fs->state_off, (state & ~1u) | is_dirty);
    }
    fp_fat_flush_all(fs);
}

void fp_fat_begin(struct fp_fat *fs)
{
    if (fs->marked || fs->err)
        return;
    mark(fs, true);
    fs->marked = !fs->err;
}

/* FSInfo is for the next mount. */
static void write_info(struct fp_fat *fs)
{
    if (!fs->info)
        return;
    renew(fs, fs->info, 488, fp_fat_is_counted(fs) ? fs->free : 0xffffffff);
    renew(fs, fs->info, 492, fs->next);
}

int fp_fat_sync(struct fp_mount *mnt)
{
    struct fp_fat *fs = fp_fat_enter(mnt);
    /* What was out of order before stays marked until it is repaired; and an
     * open file may have clusters that a cut would lose. */
    uint32_t stays = fs->files_used | fs->dirty;

    if (!fs->marked)
        return FP_OK;
    write_info(fs);
    fp_fat_flush_all(fs);
    if (!stays)
        mark(fs, false);
    fs->marked = fp_fat_finish(fs) || stays;
    return fs->err;
}

int fp_fat_mount_rw(struct fp_mount *mnt)
{
    const uint32_t need = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    struct fp_fat *fs = mnt->ws;
    int err = fp_fat_mount(mnt);

    if (!err && !(mnt->cfg.flags & FP_MOUNT_RDONLY) &&
        ((mnt->dev->flags & need) != need ||
         fs->sector_size % mnt->dev->prog_size))
        return FP_ERR_NOTSUP;
    fs->flush = fp_fat_flush;
    return err;
}
