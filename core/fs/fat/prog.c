/* SPDX-License-Identifier: MIT
 *
 * What reaches the medium, and when: the windows are programmed, entries of the
 * table changed, the volume marked dirty and clean.
 */
#include "core/fs/fat/vol.h"

#define CLEAN_16 0x8000u
#define CLEAN_32 0x8000000u

/* The table's window goes to each copy, the one that is read first: when the
 * power fails between them that one counts. */
static int flush_table(struct fp_fat *fs, struct fp_fat_window *w)
{
    uint32_t sector = w->sector;
    int err = FP_OK;

    for (uint32_t i = 0; i < fs->fat_count && !err; i++) {
        err = fp_bdev_prog(fs->dev, (fp_addr)sector << fs->sector_shift, w->buf,
                           fp_fat_sector_size(fs));
        sector += fs->fat_sectors;
    }
    w->dirty = err != FP_OK;
    return err;
}

int fp_fat_flush(struct fp_fat *fs, struct fp_fat_window *w)
{
    int err = FP_OK;

    if (fs->fat.dirty && (w == &fs->fat || w->is_meta))
        err = flush_table(fs, &fs->fat);
    if (err || !w->dirty)
        return err;
    err = fp_bdev_prog(fs->dev, (fp_addr)w->sector << fs->sector_shift, w->buf,
                       fp_fat_sector_size(fs));
    w->dirty = err != FP_OK;
    return err;
}

int fp_fat_flush_all(struct fp_fat *fs)
{
    int err = fp_fat_flush(fs, &fs->fat);

    return err ? err : fp_fat_flush(fs, &fs->win);
}

int fp_fat_finish(struct fp_fat *fs)
{
    int err = fp_fat_flush_all(fs);

    return err ? err : fp_bdev_sync(fs->dev);
}

int fp_fat_edit(struct fp_fat *fs, uint32_t sector, uint32_t off,
                uint8_t **slot)
{
    int err = fp_fat_load(fs, &fs->win, sector);

    *slot = fs->win.buf + off;
    if (!err) {
        fs->win.dirty = fs->win.is_meta = true;
        fs->changes++;
    }
    return err;
}

int fp_fat_slot_edit(struct fp_fat *fs, const struct fp_fat_cursor *at,
                     uint8_t **slot)
{
    int err = fp_fat_slot(fs, at, slot);

    if (!err) {
        fs->win.dirty = fs->win.is_meta = true;
        fs->changes++;
    }
    return err;
}

/* Replaces the bits of `mask` in a byte of the table. */
static int table_put(struct fp_fat *fs, uint32_t at, uint32_t value,
                     uint8_t mask)
{
    uint8_t *p;
    int err = fp_fat_table_byte(fs, at, &p);

    if (err)
        return err;
    *p = (uint8_t)((*p & ~mask) | (value & mask));
    fs->fat.dirty = true;
    return FP_OK;
}

int fp_fat_set(struct fp_fat *fs, uint32_t n, uint32_t value)
{
    uint32_t at = fp_fat_table_at(fs, n), old;
    int err = fp_fat_get(fs, n, &old);

    if (fs->bits == 12 && n & 1) {
        value <<= 4;
        old <<= 4;
    }
    if (err)
        return err;
    err = table_put(fs, at, value, fs->bits == 12 && n & 1 ? 0xf0 : 0xff);
    if (!err)
        err = table_put(fs, at + 1, value >> 8,
                        fs->bits == 12 && !(n & 1) ? 0x0f : 0xff);
    if (fs->bits == 32 && !err)
        err = table_put(fs, at + 2, value >> 16, 0xff);
    /* The top four bits are nobody's: they stay. */
    if (fs->bits == 32 && !err)
        err = table_put(fs, at + 3, value >> 24, 0x0f);
    if (!err && n < fs->counted && n >= 2)
        fs->free = fs->free + !value - !old;
    fs->changes++;
    return err;
}

/* Sets or clears the mark: in the table's entry 1, of FAT12 in the boot
 * sector. Where the boot sector has it, too, it goes when the volume is clean.
 */
static int mark(struct fp_fat *fs, bool is_dirty)
{
    uint32_t value, bit = fs->bits == 32 ? CLEAN_32 : CLEAN_16;
    uint8_t *boot;
    int err = FP_OK;

    if (fs->bits != 12) {
        err = fp_fat_get(fs, 1, &value);
        if (!err)
            err = fp_fat_set(fs, 1, is_dirty ? value & ~bit : value | bit);
    }
    if (!err && (fs->bits == 12 || !is_dirty)) {
        uint8_t state;

        err = fp_fat_load(fs, &fs->win, 0);
        state = (uint8_t)((fs->win.buf[fs->state_off] & ~1) | is_dirty);
        if (!err && fs->win.buf[fs->state_off] != state) {
            err = fp_fat_edit(fs, 0, fs->state_off, &boot);
            *boot = state;
        }
    }
    return err ? err : fp_fat_flush_all(fs);
}

int fp_fat_begin(struct fp_fat *fs)
{
    int err;

    if (fs->marked)
        return FP_OK;
    err = mark(fs, true);
    fs->marked = !err;
    return err;
}

/* FSInfo is for the next mount. */
static int write_info(struct fp_fat *fs)
{
    uint32_t free = fp_fat_is_counted(fs) ? fs->free : 0xffffffff;
    uint8_t *raw;
    int err;

    if (!fs->info)
        return FP_OK;
    err = fp_fat_load(fs, &fs->win, fs->info);
    if (err || (fp_get_le32(fs->win.buf + 488) == free &&
                fp_get_le32(fs->win.buf + 492) == fs->next))
        return err;
    err = fp_fat_edit(fs, fs->info, 488, &raw);
    fp_put_le32(raw, free);
    fp_put_le32(raw + 4, fs->next);
    return err;
}

int fp_fat_sync(struct fp_mount *mnt)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    int err;

    if (!fs->marked)
        return FP_OK;
    err = fp_fat_flush_all(fs);
    if (!err)
        err = write_info(fs);
    /* What was out of order before stays marked until it is repaired; and an
     * open file may have clusters that a cut would lose. */
    if (!err && !fs->dirty && !fs->files_used)
        err = mark(fs, false);
    if (!err)
        err = fp_fat_finish(fs);
    fs->marked = err || fs->dirty || fs->files_used;
    return err;
}

int fp_fat_unmount(struct fp_mount *mnt)
{
    return mnt->cfg.flags & FP_MOUNT_RDONLY ? FP_OK : fp_fat_sync(mnt);
}

int fp_fat_mount_rw(struct fp_mount *mnt)
{
    const uint32_t need = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    struct fp_fat *fs = mnt->ws;
    bool reads = mnt->cfg.flags & FP_MOUNT_RDONLY;
    int err;

    if (!reads && (mnt->dev->flags & need) != need)
        return FP_ERR_NOTSUP;
    err = fp_fat_mount(mnt);
    if (!err && !reads && fp_fat_sector_size(fs) % mnt->dev->prog_size)
        err = FP_ERR_NOTSUP;
    if (!err)
        fs->flush = fp_fat_flush;
    return err;
}
