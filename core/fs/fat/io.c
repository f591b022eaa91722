/* SPDX-License-Identifier: MIT
 *
 * The windows, and entries of the allocation table. Source: the format page,
 * FAT entries.
 */
#include "core/fs/fat/vol.h"

uint32_t fp_fat_u16(const uint8_t *p)
{
    return fp_get_le16(p);
}

FP_FAT_APART uint32_t fp_fat_u32(const uint8_t *p)
{
    return fp_get_le32(p);
}

void fp_fat_put16(uint8_t *p, uint32_t v)
{
    fp_put_le16(p, (uint16_t)v);
}

void fp_fat_put32(uint8_t *p, uint32_t v)
{
    fp_put_le32(p, v);
}

FP_FAT_APART void fp_fat_fail_by(struct fp_fat *fs, int positive)
{
    if (!fs->err)
        fs->err = -positive;
}

bool fp_fat_is_cluster(const struct fp_fat *fs, uint32_t n)
{
    return n >= 2 && n <= fs->last;
}

uint32_t fp_fat_sector_of(struct fp_fat *fs, uint32_t n)
{
    if (!fp_fat_is_cluster(fs, n))
        fp_fat_fail(fs, FP_ERR_CORRUPT);
    return fs->data_start + ((n - 2) << fs->spc_shift);
}

uint32_t fp_fat_clusters(const struct fp_fat *fs, uint32_t size)
{
    return size ? ((size - 1) >> fs->cluster_shift) + 1 : 0;
}

uint32_t fp_fat_head(const uint8_t *raw)
{
    return fp_fat_u16(raw + FP_FAT_AT_HIGH) << 16 |
           fp_fat_u16(raw + FP_FAT_AT_LOW);
}

uint32_t fp_fat_size(const uint8_t *raw)
{
    return fp_fat_u32(raw + FP_FAT_AT_SIZE);
}

uint8_t *fp_fat_load(struct fp_fat *fs, struct fp_fat_window *w,
                     uint32_t sector)
{
    if (fs->err || w->sector == sector)
        return w->buf;
    if (w->dirty)
        fs->flush(fs, w);
    if (fs->err)
        return w->buf;
    fs->err = fp_bdev_read(fs->dev, (fp_addr)sector << fs->sector_shift, w->buf,
                           fs->sector_size);
    w->sector = fs->err ? FP_FAT_NONE : sector;
    return w->buf;
}

uint8_t *fp_fat_show(struct fp_fat *fs, uint32_t sector)
{
    return fp_fat_load(fs, &fs->win, sector);
}

void fp_fat_aim(struct fp_fat *fs, uint32_t sector)
{
    fs->win.sector = sector;
    fs->win.dirty = true;
    fs->win.is_meta = false;
}

uint32_t fp_fat_table_at(const struct fp_fat *fs, uint32_t n)
{
    return n * (fs->bits / 4u) / 2;
}

uint32_t fp_fat_exchange(struct fp_fat *fs, uint32_t n, uint32_t mask,
                         uint32_t value)
{
    uint32_t at = fp_fat_table_at(fs, n), width = fs->bits, old = 0;
    uint32_t shift = n * width & 7; /* 4 for the odd ones of FAT12 */

    mask <<= shift;
    value <<= shift;
    /* Byte by byte: those of FAT12 may lie in two sectors. */
    for (uint32_t i = 0; i < width; i += 8, at++) {
        uint32_t sector = fs->fat_start + (at >> fs->sector_shift);
        uint8_t *p = fp_fat_load(fs, &fs->fat, sector), flip;

        p += at & (fs->sector_size - 1);
        old |= (uint32_t)*p << i;
        flip = (uint8_t)((*p ^ value >> i) & mask >> i);
        if (flip && !fs->err) {
            *p ^= flip;
            fs->fat.dirty = true;
        }
    }
    return old >> shift;
}

/* Where there is room for it, those of FAT16 and FAT32, which lie in one
 * sector, are read at once; most in the sector of the last one. */
static uint32_t read_entry(struct fp_fat *fs, uint32_t n)
{
#if !FP_FAT_SMALL
    if (fs->bits != 12) {
        const uint32_t at = fs->bits == 16 ? 2 * n : 4 * n;
        const uint32_t sector = fs->fat_start + (at >> fs->sector_shift);
        const uint8_t *p = fs->fat.buf + (at & (fs->sector_size - 1));

        if (fs->fat.sector != sector)
            (void)fp_fat_load(fs, &fs->fat, sector);
        return fs->bits == 16 ? fp_get_le16(p) : fp_get_le32(p);
    }
#endif
    return fp_fat_exchange(fs, n, 0, 0);
}

uint32_t fp_fat_get(struct fp_fat *fs, uint32_t n)
{
    uint32_t v = read_entry(fs, n) & fs->mask;

    if (v >= fs->mask - (FP_FAT_EOC - FP_FAT_BAD))
        v |= ~fs->mask;
    return fs->err ? 0 : v;
}

uint32_t fp_fat_next(struct fp_fat *fs, uint32_t n)
{
    uint32_t next = fp_fat_get(fs, n);

    if (fp_fat_is_cluster(fs, next))
        return next;
    if (next <= FP_FAT_BAD)
        fp_fat_fail(fs, FP_ERR_CORRUPT);
    return 0;
}
