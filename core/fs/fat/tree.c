/* SPDX-License-Identifier: MIT
 *
 * Entries made, moved and removed on demand.
 */
#include "core/fs/fat/vol.h"

int fp_fat_mkdir(struct fp_mount *mnt, const char *path)
{
    struct fp_fat *fs = fp_fat_enter(mnt);
    struct fp_fat_place place;
    uint32_t cluster;
    uint8_t *raw;

    if (fp_fat_lookup(fs, path, &place))
        fp_fat_fail(fs, FP_ERR_EXIST);
    if (fs->err)
        return fs->err;
    fp_fat_begin(fs);
    fp_fat_room(fs, &place);
    cluster = fp_fat_alloc(fs, 0);
    fp_fat_zero(fs, cluster);
    raw = fp_fat_edit(fs, fp_fat_sector_of(fs, cluster), 0);
    if (fs->err) {
        fp_fat_free(fs, cluster, 1);
        return fs->err;
    }
    memset(raw, ' ', 11);
    raw[0] = '.';
    fp_fat_entry_init(raw, FP_FAT_DIR, cluster);
    memcpy(raw + FP_FAT_SLOT, raw, FP_FAT_SLOT);
    raw[FP_FAT_SLOT + 1] = '.';
    fp_fat_parent_set(fs, cluster, place.dir);
    fp_fat_entry_init(place.raw, FP_FAT_DIR, cluster);
    fp_fat_entry_put(fs, &place);
    return fp_fat_finish(fs);
}

/* May the entry go? A directory must be empty. */
static void check_removable(struct fp_fat *fs, const struct fp_fat_place *place)
{
    struct fp_fat_place entry;
    struct fp_fat_cursor at;

    if (place->raw[FP_FAT_AT_ATTR] & FP_FAT_READONLY)
        fp_fat_fail(fs, FP_ERR_ACCES);
    if (!fp_fat_is_dir(place->raw))
        return;
    fp_fat_cursor_start(&at, fp_fat_dir_head(fs, place));
    if (fp_fat_entry(fs, &at, &entry))
        fp_fat_fail(fs, FP_ERR_NOTEMPTY);
}

int fp_fat_remove(struct fp_mount *mnt, const char *path)
{
    struct fp_fat_place place;
    struct fp_fat *fs = fp_fat_find_rw(mnt, path, &place);

    check_removable(fs, &place);
    if (fs->err)
        return fs->err;
    fp_fat_begin(fs);
    fp_fat_entry_drop(fs, &place);
    fp_fat_flush_all(fs);
    if (fs->err)
        return fs->err;
    fp_fat_abandon(fs, &place, fp_fat_head(place.raw));
    return fp_fat_finish(fs);
}

/* --- rename --- */

/* Handles of the entry that moved go on with the new one; after an error
 * nobody knows which it is. */
static void lead(struct fp_fat *fs, const struct fp_fat_place *from,
                 const struct fp_fat_place *to)
{
    struct fp_fat_node *node = NULL;

    while ((node = fp_fat_node_at(fs, node, from->sector, from->off))) {
        node->sector = to->sector;
        node->off = to->off;
        node->ended |= fs->err != FP_OK;
    }
}

int fp_fat_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_fat_place a, b;
    struct fp_fat *fs = fp_fat_find_rw(mnt, from, &a);
    uint32_t head;
    bool replaces;

    fs->barred = fp_fat_head(a.raw);
    replaces = fp_fat_lookup(fs, to, &b);
    fs->barred = 0;
    if (replaces)
        fp_fat_settle_old(fs, &b);
    if (replaces && b.sector == a.sector && b.off == a.off)
        replaces = false; /* itself, spelled otherwise */
    if (replaces) {
        if (flags & FP_RENAME_NOREPLACE)
            fp_fat_fail(fs, FP_ERR_EXIST);
        if ((a.raw[FP_FAT_AT_ATTR] ^ b.raw[FP_FAT_AT_ATTR]) & FP_FAT_DIR)
            fp_fat_fail(fs,
                        fp_fat_is_dir(b.raw) ? FP_ERR_ISDIR : FP_ERR_NOTDIR);
        check_removable(fs, &b);
    }
    if (fs->err)
        return fs->err;
    fp_fat_begin(fs);
    head = fp_fat_head(b.raw);
    if (replaces)
        b.slots = 1;
    else
        fp_fat_room(fs, &b);
    if (fs->err)
        return fs->err;
    fp_fat_move(fs, &a, &b);
    if (replaces && !fs->err)
        fp_fat_abandon(fs, &b, head);
    lead(fs, &a, &b);
    return fp_fat_finish(fs);
}

int fp_fat_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns)
{
    struct fp_fat_place place;
    struct fp_fat *fs = fp_fat_find_rw(mnt, path, &place);

    if (place.sector == FP_FAT_NONE)
        fp_fat_fail(fs, FP_ERR_NOTSUP); /* the root has no entry */
    fp_fat_begin(fs);
    fp_fat_time_set(fs, fp_fat_edit(fs, place.sector, place.off), mtime_ns);
    return fp_fat_finish(fs);
}
