/* SPDX-License-Identifier: MIT
 *
 * The windows, and entries of the allocation table. Source: the format page,
 * FAT entries.
 */
#include "core/fs/fat/vol.h"

int fp_fat_read(struct fp_fat *fs, uint32_t sector, void *buf, uint32_t count)
{
    return fp_bdev_read(fs->dev, (fp_addr)sector << fs->sector_shift, buf,
                        count << fs->sector_shift);
}

int fp_fat_load(struct fp_fat *fs, struct fp_fat_window *w, uint32_t sector)
{
    int err = FP_OK;

    if (w->sector == sector)
        return FP_OK;
    if (w->dirty)
        err = fs->flush(fs, w);
    if (err)
        return err;
    w->sector = FP_FAT_NONE;
    err = fp_fat_read(fs, sector, w->buf, 1);
    if (!err)
        w->sector = sector;
    return err;
}

uint32_t fp_fat_table_at(const struct fp_fat *fs, uint32_t n)
{
    return fs->bits == 12 ? n + n / 2 : n * (fs->bits / 8u);
}

int fp_fat_table_byte(struct fp_fat *fs, uint32_t at, uint8_t **p)
{
    int err = fp_fat_load(fs, &fs->fat,
                          fs->fat_start + fs->fat_first * fs->fat_sectors +
                              (at >> fs->sector_shift));

    *p = fs->fat.buf + (at & (fp_fat_sector_size(fs) - 1));
    return err;
}

int fp_fat_get(struct fp_fat *fs, uint32_t n, uint32_t *value)
{
    uint32_t at = fp_fat_table_at(fs, n), v, top;
    uint8_t *p;
    int err = fp_fat_table_byte(fs, at, &p);

    if (err)
        return err;
    if (fs->bits == 32) {
        *value = fp_get_le32(p) & FP_FAT_EOC;
        return FP_OK;
    }
    v = p[0];
    /* The second byte may lie in the next sector. */
    err = fp_fat_table_byte(fs, at + 1, &p);
    v |= (uint32_t)*p << 8;
    if (fs->bits == 12)
        v = n & 1 ? v >> 4 : v & 0xfff;
    top = (1u << fs->bits) - 9;
    *value = v >= top ? v | (FP_FAT_EOC << fs->bits & FP_FAT_EOC) : v;
    return err;
}

int fp_fat_next(struct fp_fat *fs, uint32_t n, uint32_t *next)
{
    int err = fp_fat_get(fs, n, next);

    if (!err && *next > FP_FAT_BAD)
        *next = 0;
    else if (!err && !fp_fat_is_cluster(fs, *next))
        err = FP_ERR_CORRUPT;
    return err;
}
