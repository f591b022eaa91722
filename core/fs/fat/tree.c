/* SPDX-License-Identifier: MIT
 *
 * Entries made, moved and removed on demand.
 */
#include "core/fs/fat/vol.h"

/* "." and "..", by which others find their way. */
static int put_dots(struct fp_fat *fs, uint32_t cluster, uint32_t parent)
{
    struct fp_fat_place dot = { 0 };
    uint8_t *raw;
    int err = fp_fat_edit(fs, fp_fat_sector_of(fs, cluster), 0, &raw);

    if (err)
        return err;
    memset(dot.raw, ' ', 11);
    fp_fat_entry_init(&dot, FP_FAT_DIR);
    for (uint32_t i = 0; i < 2; i++) {
        dot.raw[i] = '.';
        fp_fat_head_set(dot.raw, cluster, 0);
        memcpy(raw + i * FP_FAT_SLOT, dot.raw, FP_FAT_SLOT);
        cluster = parent == fs->root_cluster ? 0 : parent;
    }
    return FP_OK;
}

int fp_fat_mkdir(struct fp_mount *mnt, const char *path)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_place place;
    uint32_t dir, cluster;
    const char *name;
    int err = fp_fat_lookup(fs, path, &place, &dir, &name);

    if (err != FP_ERR_NOENT || !name)
        return err ? err : FP_ERR_EXIST;
    err = fp_fat_begin(fs);
    if (!err)
        err = fp_fat_room(fs, dir, name, &place);
    if (!err)
        err = fp_fat_alloc(fs, 0, &cluster);
    if (err)
        return err;
    fp_fat_entry_init(&place, FP_FAT_DIR);
    fp_fat_head_set(place.raw, cluster, 0);
    err = fp_fat_zero(fs, cluster);
    if (!err)
        err = put_dots(fs, cluster, dir);
    if (err) {
        fp_fat_free(fs, cluster, 1);
        return err;
    }
    err = fp_fat_entry_put(fs, &place);
    return err ? err : fp_fat_finish(fs);
}

/* May the entry go? A directory must be empty. */
static int check_removable(struct fp_fat *fs, const struct fp_fat_place *place)
{
    struct fp_fat_place entry;
    struct fp_fat_cursor at;
    int got;

    if (place->raw[FP_FAT_AT_ATTR] & FP_FAT_READONLY)
        return FP_ERR_ACCES;
    if (!fp_fat_is_dir(place->raw))
        return FP_OK;
    fp_fat_cursor_start(&at, fp_fat_dir_head(fs, place));
    got = fp_fat_entry(fs, &at, &entry);
    return got == 1 ? FP_ERR_NOTEMPTY : got;
}

int fp_fat_remove(struct fp_mount *mnt, const char *path)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_place place;
    const char *name;
    uint32_t dir;
    int err = fp_fat_lookup_rw(fs, path, &place, &dir, &name);

    if (!err)
        err = check_removable(fs, &place);
    if (!err)
        err = fp_fat_begin(fs);
    if (!err)
        err = fp_fat_entry_drop(fs, &place);
    if (!err)
        err = fp_fat_flush_all(fs);
    if (err)
        return err;
    fp_fat_abandon(fs, &place);
    return fp_fat_finish(fs);
}

/* --- rename --- */

struct move {
    struct fp_fat_place from, to;
    uint32_t to_dir;
    const char *name; /* the new one */
    bool is_there;    /* something has it, */
    bool is_same;     /* the entry itself, spelled otherwise */
    uint8_t times[7]; /* what the mark takes the place of */
};

static int find_ends(struct fp_fat *fs, struct move *m, const char *from,
                     const char *to)
{
    const char *name;
    uint32_t dir;
    int err = fp_fat_lookup_rw(fs, from, &m->from, &dir, &name);

    if (err)
        return err;
    fs->barred = fp_fat_is_dir(m->from.raw) ? fp_fat_head(m->from.raw) : 0;
    err = fp_fat_lookup_rw(fs, to, &m->to, &m->to_dir, &m->name);
    fs->barred = 0;
    if (err == FP_ERR_NOENT && m->name)
        return FP_OK;
    m->is_there = true;
    m->is_same = m->to.sector == m->from.sector && m->to.off == m->from.off;
    return err;
}

static int check_replaceable(struct fp_fat *fs, const struct move *m,
                             uint32_t flags)
{
    bool is_dir = fp_fat_is_dir(m->to.raw);

    if (!m->is_there || m->is_same)
        return FP_OK;
    if (flags & FP_RENAME_NOREPLACE)
        return FP_ERR_EXIST;
    if (is_dir != fp_fat_is_dir(m->from.raw))
        return is_dir ? FP_ERR_ISDIR : FP_ERR_NOTDIR;
    return check_removable(fs, &m->to);
}

/* The steps of move.c. The old entry of a name that is replaced gets new
 * content, so that one program replaces. */
static int move(struct fp_fat *fs, struct move *m)
{
    uint8_t *raw, letters;
    int err = FP_OK;

    if (!m->is_there || m->is_same)
        err = fp_fat_room(fs, m->to_dir, m->name, &m->to);
    if (!err)
        err = fp_fat_edit(fs, m->from.sector, m->from.off, &raw);
    if (err)
        return err;
    memcpy(m->times, m->from.raw + FP_FAT_AT_MOVE, sizeof m->times);
    fp_fat_move_mark(raw, FP_FAT_LEAVING, m->to.sector, m->to.off);
    letters = m->to.raw[FP_FAT_AT_CASE];
    memcpy(m->to.raw + FP_FAT_AT_ATTR, m->from.raw + FP_FAT_AT_ATTR,
           FP_FAT_SLOT - FP_FAT_AT_ATTR);
    m->to.raw[FP_FAT_AT_CASE] =
        letters & (FP_FAT_LOWER_BASE | FP_FAT_LOWER_EXT);
    fp_fat_move_mark(m->to.raw, FP_FAT_ARRIVED, m->from.sector, m->from.off);
    if (m->is_there && !m->is_same) {
        err = fp_fat_edit(fs, m->to.sector, m->to.off, &raw);
        if (!err)
            memcpy(raw, m->to.raw, FP_FAT_SLOT);
    } else {
        err = fp_fat_entry_put(fs, &m->to);
    }
    if (!err)
        err = fp_fat_entry_drop(fs, &m->from);
    if (!err)
        err = fp_fat_settle(fs, &m->to, m->to_dir, m->times);
    return err ? err : fp_fat_flush_all(fs);
}

/* Handles of the entry that moved go on with the new one; after an error
 * nobody knows which it is. */
static void lead(struct fp_fat *fs, const struct move *m, bool has_failed)
{
    for (struct fp_fat_node *node = fs->nodes; node; node = node->next) {
        struct fp_fat_file *f = (struct fp_fat_file *)node;

        if (node->is_dir || f->sector != m->from.sector ||
            f->off != m->from.off)
            continue;
        f->sector = m->to.sector;
        f->off = m->to.off;
        node->ended |= has_failed;
    }
}

int fp_fat_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct move m = { .is_there = false };
    struct fp_fat_place old;
    int err = find_ends(fs, &m, from, to);

    if (!err)
        err = check_replaceable(fs, &m, flags);
    if (!err)
        err = fp_fat_begin(fs);
    if (err)
        return err;
    old = m.to;
    err = move(fs, &m);
    if (!err && m.is_there && !m.is_same)
        fp_fat_abandon(fs, &old);
    lead(fs, &m, err != FP_OK);
    return err ? err : fp_fat_finish(fs);
}

int fp_fat_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns)
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_place place;
    const char *name;
    uint32_t dir;
    uint8_t *raw;
    int err = fp_fat_lookup_rw(fs, path, &place, &dir, &name);

    if (!err && place.sector == FP_FAT_NONE)
        err = FP_ERR_NOTSUP; /* the root has no entry */
    if (!err)
        err = fp_fat_begin(fs);
    if (!err)
        err = fp_fat_edit(fs, place.sector, place.off, &raw);
    if (err)
        return err;
    fp_fat_time_set(fs, raw, mtime_ns);
    return fp_fat_finish(fs);
}
