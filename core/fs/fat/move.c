/* SPDX-License-Identifier: MIT
 *
 * An entry goes from one sector to another, in steps of which a power cut may
 * come after each:
 *
 *     1. the old entry is marked as leaving, with where it goes
 *     2. the new one is written, marked as arrived, with where it came from;
 *        from here on the old one, as both name each other, is hidden
 *     3. the old one is dropped
 *     4. a directory's ".." is put right
 *     5. the new one's mark goes
 *
 * The mark takes the places of the times of creation and of last access. Where
 * both lie in one sector, one program does it all, for the window does not
 * move between.
 */
#include "core/fs/fat/vol.h"

#define FREE 0xe5

void fp_fat_move_mark(uint8_t *raw, uint8_t kind, uint32_t sector, uint32_t off)
{
    raw[FP_FAT_AT_CASE] |= FP_FAT_MOVING;
    raw[FP_FAT_AT_MOVE] = kind;
    fp_put_le32(raw + FP_FAT_AT_PEER, sector);
    fp_put_le16(raw + FP_FAT_AT_PEER + 4, (uint16_t)(off / FP_FAT_SLOT));
}

/* Drops the entry at `raw` in the window, and the parts of its name that are in
 * this sector, too: where the others are is not known here. */
static void drop_peer(struct fp_fat *fs, uint8_t *raw)
{
    uint8_t sum = fp_fat_checksum(raw);

    fs->win.dirty = fs->win.is_meta = true;
    fs->changes++;
    raw[0] = FREE;
    while (raw > fs->win.buf) {
        raw -= FP_FAT_SLOT;
        if ((raw[FP_FAT_AT_ATTR] & 0x3f) != FP_FAT_LONG || raw[0] == FREE ||
            raw[13] != sum)
            return;
        raw[0] = FREE;
    }
}

int fp_fat_parent_set(struct fp_fat *fs, uint32_t head, uint32_t parent)
{
    uint8_t *raw;
    int err;

    if (!fp_fat_is_cluster(fs, head))
        return FP_ERR_CORRUPT;
    err = fp_fat_load(fs, &fs->win, fp_fat_sector_of(fs, head));
    raw = fs->win.buf + FP_FAT_SLOT;
    if (parent == fs->root_cluster)
        parent = 0;
    if (err || memcmp(raw, "..         ", 11) != 0 ||
        fp_fat_head(raw) == parent)
        return err;
    err = fp_fat_edit(fs, fs->win.sector, FP_FAT_SLOT, &raw);
    fp_fat_head_set(raw, parent, 0);
    return err;
}

int fp_fat_settle(struct fp_fat *fs, struct fp_fat_place *place, uint32_t dir,
                  const uint8_t *times)
{
    uint8_t *raw;
    int err = fp_fat_peer(fs, place, FP_FAT_LEAVING, &raw);

    if (err)
        return err;
    if (raw)
        drop_peer(fs, raw);
    if (fp_fat_is_dir(place->raw))
        err = fp_fat_parent_set(fs, fp_fat_head(place->raw), dir);
    if (!err)
        err = fp_fat_edit(fs, place->sector, place->off, &raw);
    if (err)
        return err;
    raw[FP_FAT_AT_CASE] &= (uint8_t)~FP_FAT_MOVING;
    memcpy(raw + FP_FAT_AT_MOVE, times, 7);
    memcpy(place->raw, raw, FP_FAT_SLOT);
    return FP_OK;
}

int fp_fat_lookup_rw(struct fp_fat *fs, const char *path,
                     struct fp_fat_place *place, uint32_t *dir,
                     const char **name)
{
    static const uint8_t unknown[7];
    int err = fp_fat_lookup(fs, path, place, dir, name);

    if (!err && place->sector != FP_FAT_NONE &&
        fp_fat_is_moving(place->raw, FP_FAT_ARRIVED)) {
        err = fp_fat_begin(fs);
        if (!err)
            err = fp_fat_settle(fs, place, *dir, unknown);
    }
    return err;
}
