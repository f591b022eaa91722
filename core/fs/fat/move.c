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

/* Drops the entry at `raw` in the window, and the parts of its name that are in
 * this sector, too: where the others are is not known here. */
static void drop_peer(struct fp_fat *fs, uint8_t *raw)
{
    uint8_t sum = fp_fat_checksum(raw);
    uint32_t off = (uint32_t)(raw - fs->win.buf);

#if !FP_FAT_SMALL
    fp_fat_index_freed(fs);
#endif
    raw = fp_fat_change(fs, raw);
    for (;;) {
        *raw = FP_FAT_FREE;
        if (!off)
            return;
        off -= FP_FAT_SLOT;
        raw -= FP_FAT_SLOT;
        if ((raw[FP_FAT_AT_ATTR] & 0x3f) != FP_FAT_LONG ||
            raw[0] == FP_FAT_FREE || raw[13] != sum)
            return;
    }
}

void fp_fat_parent_set(struct fp_fat *fs, uint32_t head, uint32_t parent)
{
    uint32_t sector = fp_fat_sector_of(fs, head);
    const uint8_t *raw;

    raw = fp_fat_show(fs, sector) + FP_FAT_SLOT;
    if (parent == fs->root_cluster)
        parent = 0;
    if (raw[0] == '.' && raw[1] == '.' && fp_fat_head(raw) != parent)
        fp_fat_head_set(fp_fat_edit(fs, sector, FP_FAT_SLOT), parent, 0);
}

/* `raw` is one end of a move of which the other is `peer`. */
static FP_FAT_APART void mark(uint8_t *raw, uint8_t kind,
                              const struct fp_fat_place *peer)
{
    raw[FP_FAT_AT_CASE] |= kind;
    fp_fat_put32(raw + FP_FAT_AT_PEER, peer->sector);
    fp_fat_put16(raw + FP_FAT_AT_PEER + 4, peer->off);
}

/* The last two steps: place->raw has no mark. */
static void arrive(struct fp_fat *fs, const struct fp_fat_place *place)
{
    if (fp_fat_is_dir(place->raw))
        fp_fat_parent_set(fs, fp_fat_head(place->raw), place->dir);
    memcpy(fp_fat_edit(fs, place->sector, place->off), place->raw, FP_FAT_SLOT);
}

void fp_fat_move(struct fp_fat *fs, struct fp_fat_place *from,
                 struct fp_fat_place *to)
{
    const uint8_t letters = FP_FAT_LOWER_BASE | FP_FAT_LOWER_EXT;
    uint8_t own = to->raw[FP_FAT_AT_CASE] & letters;

    mark(fp_fat_edit(fs, from->sector, from->off), FP_FAT_LEAVING, to);
    memcpy(to->raw + FP_FAT_AT_ATTR, from->raw + FP_FAT_AT_ATTR,
           FP_FAT_SLOT - FP_FAT_AT_ATTR);
    to->raw[FP_FAT_AT_CASE] = own;
    fp_fat_entry_put(fs, to);
    mark(fp_fat_edit(fs, to->sector, to->off), FP_FAT_ARRIVED, from);
    fp_fat_entry_drop(fs, from);
    arrive(fs, to);
    fp_fat_flush_all(fs);
}

void fp_fat_settle_old(struct fp_fat *fs, struct fp_fat_place *place)
{
    uint8_t *raw;

    if (!(place->raw[FP_FAT_AT_CASE] & FP_FAT_ARRIVED))
        return;
    fp_fat_begin(fs);
    raw = fp_fat_peer(fs, place, FP_FAT_LEAVING);
    if (raw)
        drop_peer(fs, raw);
    place->raw[FP_FAT_AT_CASE] ^= FP_FAT_ARRIVED;
    memset(place->raw + FP_FAT_AT_PEER, 0, FP_FAT_MARK);
    arrive(fs, place);
}

struct fp_fat *fp_fat_find_rw(struct fp_mount *mnt, const char *path,
                              struct fp_fat_place *place)
{
    struct fp_fat *fs = fp_fat_find_path(mnt, path, place);

    fp_fat_settle_old(fs, place);
    return fs;
}
