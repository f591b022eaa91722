/* SPDX-License-Identifier: MIT
 *
 * What reaches the medium, and when: the windows are programmed, entries of the
 * table changed, the volume marked dirty and clean.
 */
#include "core/fs/fat/vol.h"

static void prog(struct fp_fat *fs, uint32_t sector, const uint8_t *buf)
{
    if (!fs->err)
        fs->err = fp_bdev_prog(fs->dev, (fp_addr)sector << fs->sector_shift,
                               buf, fs->sector_size);
}

/* The table's window goes to each copy, the one that is read first: when the
 * power fails between them that one counts. */
void fp_fat_flush(struct fp_fat *fs, struct fp_fat_window *w)
{
    uint32_t sector = fs->fat.sector;

    if (fs->fat.dirty && (w == &fs->fat || w->is_meta)) {
        for (uint32_t i = 0; i < fs->fat_count; i++, sector += fs->fat_sectors)
            prog(fs, sector, fs->fat.buf);
        fs->fat.dirty = fs->err != FP_OK;
    }
    if (w->dirty) {
        prog(fs, w->sector, w->buf);
        w->dirty = fs->err != FP_OK;
    }
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

/* `slot` in the window is going to be changed; after an error nothing is. */
static FP_FAT_APART uint8_t *change(struct fp_fat *fs, uint8_t *slot)
{
    if (fs->err || !slot)
        return fs->nowhere;
    fs->win.dirty = fs->win.is_meta = true;
    fp_fat_changed(fs);
    return slot;
}

uint8_t *fp_fat_edit(struct fp_fat *fs, uint32_t sector, uint32_t off)
{
    return change(fs, fp_fat_show(fs, sector) + off);
}

uint8_t *fp_fat_slot_edit(struct fp_fat *fs, struct fp_fat_cursor *at)
{
    return change(fs, fp_fat_slot(fs, at));
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

/* Sets or clears the mark: in the table's entry 1, of FAT12 in the boot
 * sector. Where the boot sector has it, too, it goes when the volume is clean.
 */
static void mark(struct fp_fat *fs, bool is_dirty)
{
    uint8_t state;

    if (fs->clean)
        fp_fat_exchange(fs, 1, fs->clean, is_dirty ? 0 : fs->clean);
    if (!fs->clean || !is_dirty) {
        state = fp_fat_show(fs, 0)[fs->state_off];
        if ((state & 1) != is_dirty)
            *fp_fat_edit(fs, 0, fs->state_off) = state ^ 1;
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
    uint32_t free = fp_fat_is_counted(fs) ? fs->free : 0xffffffff;
    uint8_t *raw;

    if (!fs->info)
        return;
    raw = fp_fat_show(fs, fs->info) + 488;
    if (fp_fat_u32(raw) == free && fp_fat_u32(raw + 4) == fs->next)
        return;
    raw = fp_fat_edit(fs, fs->info, 488);
    fp_fat_put32(raw, free);
    fp_fat_put32(raw + 4, fs->next);
}

int fp_fat_sync(struct fp_mount *mnt)
{
    struct fp_fat *fs = fp_fat_enter(mnt);

    if (!fs->marked)
        return FP_OK;
    write_info(fs);
    fp_fat_flush_all(fs);
    /* What was out of order before stays marked until it is repaired; and an
     * open file may have clusters that a cut would lose. */
    if (!fs->dirty && !fs->files_used)
        mark(fs, false);
    fp_fat_finish(fs);
    fs->marked = fs->err || fs->dirty || fs->files_used;
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
