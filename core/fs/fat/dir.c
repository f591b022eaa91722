/* SPDX-License-Identifier: MIT
 *
 * Directories: walking the slots, putting names together, finding paths,
 * listing. Source: the format page, directory entries and long names.
 *
 * An entry that is moved away is marked first, with where it goes, and so is
 * the one that it becomes, with where it came from. While both are there the
 * second counts, and the first is hidden ("What our driver does" on the format
 * page).
 */
#include "core/fs/fat/vol.h"

_Static_assert(sizeof(struct fp_fat_dir) <= FP_DIR_STATE,
               "FP_DIR_STATE is too small for FAT");

static struct fp_fat_dir *dir_of(struct fp_dir *dir)
{
    return (struct fp_fat_dir *)(void *)dir->state;
}

/* --- slots --- */

void fp_fat_cursor_start(struct fp_fat_cursor *at, uint32_t head)
{
    at->head = at->cluster = head;
    at->slot = 0;
}

uint8_t *fp_fat_slot(struct fp_fat *fs, struct fp_fat_cursor *at)
{
    uint32_t off = at->slot * FP_FAT_SLOT, sector = fs->root_start;
    uint32_t cluster = at->cluster;
    uint8_t *buf;

    if (at->slot >= (at->head ? FP_FAT_SLOTS_MAX : fs->root_slots))
        return NULL;
    if (at->head) {
        off &= (1u << fs->cluster_shift) - 1;
        if (at->slot && !off) {
            cluster = fp_fat_next(fs, cluster);
            if (!cluster)
                return NULL;
        }
        sector = fp_fat_sector_of(fs, cluster);
    }
    buf = fp_fat_show(fs, sector + (off >> fs->sector_shift));
    if (fs->err)
        return NULL;
    at->cluster = cluster;
    at->slot++;
    return buf + (off & (fs->sector_size - 1));
}

/* --- moves --- */

uint8_t *fp_fat_peer(struct fp_fat *fs, const struct fp_fat_place *place,
                     uint8_t kind)
{
    const uint8_t *mark = place->raw + FP_FAT_AT_PEER;
    uint32_t sector = fp_fat_u32(mark);
    uint8_t *raw;

    if (sector - fs->root_start >= fs->sectors - fs->root_start)
        return NULL;
    raw = fp_fat_show(fs, sector) +
          (fp_fat_u16(mark + 4) & (fs->sector_size - FP_FAT_SLOT));
    mark = raw + FP_FAT_AT_PEER;
    if (fs->err || raw[0] == FP_FAT_FREE || !(raw[FP_FAT_AT_CASE] & kind) ||
        fp_fat_u32(mark) != place->sector || fp_fat_u16(mark + 4) != place->off)
        return NULL;
    return raw;
}

/* --- entries --- */

const uint8_t fp_fat_part_at[13] = { 1,  3,  5,  7,  9,  14, 16,
                                     18, 20, 22, 24, 28, 30 };

/* Takes one part of a long name. `want` is the part that has to come, 0 after
 * the last; returns the next. */
static uint32_t take_part(struct fp_fat *fs, uint32_t want,
                          const struct fp_fat_cursor *here,
                          struct fp_fat_place *place)
{
    const uint8_t *raw = place->raw;
    uint32_t part = raw[0] & 0x3f;
    uint16_t *to;

    if (raw[0] & 0x40) {
        place->first = *here;
        place->slots = 0;
        want = part;
        fs->sum = raw[13];
    }
    if (part != want || part - 1 >= FP_FAT_PARTS_MAX || fs->sum != raw[13])
        return FP_FAT_NONE;
    to = &fs->name[part * 13];
    if (!place->slots++)
        *to = 0;
    for (uint32_t i = 13; i-- > 0;)
        *--to = (uint16_t)fp_fat_u16(raw + fp_fat_part_at[i]);
    return part - 1;
}

/* "." and ".." are no entries, and what has been moved away is not here. */
static bool is_entry(struct fp_fat *fs, const struct fp_fat_place *place)
{
    return place->raw[0] != FP_FAT_FREE && place->raw[0] != '.' &&
           !(place->raw[FP_FAT_AT_CASE] & FP_FAT_LEAVING &&
             fp_fat_peer(fs, place, FP_FAT_ARRIVED));
}

/* The parts before a slot of 8.3, if they are its own, make up its long name.
 */
bool fp_fat_entry(struct fp_fat *fs, struct fp_fat_cursor *at,
                  struct fp_fat_place *place)
{
    uint32_t want = FP_FAT_NONE;

    place->dir = at->head;
    for (;;) {
        struct fp_fat_cursor here = *at;
        const uint8_t *raw = fp_fat_slot(fs, at);
        uint8_t attr;

        if (!raw || !raw[0])
            return false;
        memcpy(place->raw, raw, FP_FAT_SLOT);
        place->sector = fs->win.sector;
        place->off = (uint32_t)(raw - fs->win.buf);
        attr = place->raw[FP_FAT_AT_ATTR];
        if (attr & FP_FAT_LABEL) {
            want = (attr & 0x3f) == FP_FAT_LONG
                       ? take_part(fs, want, &here, place)
                       : FP_FAT_NONE;
            continue;
        }
        if (want || fs->sum != fp_fat_checksum(place->raw)) {
            fs->name[0] = 0;
            place->slots = 0;
            place->first = here;
        }
        place->slots++;
        want = FP_FAT_NONE;
        if (is_entry(fs, place))
            return !fs->err;
    }
}

/* --- paths --- */

uint32_t fp_fat_dir_head(struct fp_fat *fs, const struct fp_fat_place *place)
{
    uint32_t head;

    if (place->sector == FP_FAT_NONE)
        return fs->root_cluster;
    if (!fp_fat_is_dir(place->raw))
        fp_fat_fail(fs, FP_ERR_NOTDIR);
    head = fp_fat_head(place->raw);
    /* Only the root has cluster 0, and no entry, and FP_FAT_NONE is nobody's:
     * 1 is no cluster. */
    return head + 1 < 2 ? 1 : head;
}

#if FP_FAT_SMALL /* else index.c has it */
bool fp_fat_find_name(struct fp_fat *fs, struct fp_fat_place *place)
{
    struct fp_fat_cursor at;

    fp_fat_cursor_start(&at, place->dir);
    while (fp_fat_entry(fs, &at, place))
        if (fp_fat_name_is(fs, place))
            return true;
    return false;
}
#endif

bool fp_fat_lookup(struct fp_fat *fs, const char *path,
                   struct fp_fat_place *place)
{
    bool found = true;

    place->sector = FP_FAT_NONE;
    memset(place->raw, 0, FP_FAT_SLOT);
    place->raw[FP_FAT_AT_ATTR] = FP_FAT_DIR;
    while (path && path[1]) {
        if (!found)
            fp_fat_fail(fs, FP_ERR_NOENT);
        place->dir = fp_fat_dir_head(fs, place);
        if (fs->barred && place->dir == fs->barred)
            fp_fat_fail(fs, FP_ERR_INVAL);
        place->name = ++path;
        found = fp_fat_find_name(fs, place);
        path = strchr(path, '/');
    }
    return found;
}

struct fp_fat *fp_fat_find_path(struct fp_mount *mnt, const char *path,
                                struct fp_fat_place *place)
{
    struct fp_fat *fs = fp_fat_enter(mnt);

    if (!fp_fat_lookup(fs, path, place))
        fp_fat_fail(fs, FP_ERR_NOENT);
    return fs;
}

/* --- what users call --- */

/* *st is that of an empty file so far. */
static void fill_stat(const struct fp_fat *fs, const uint8_t *raw,
                      struct fp_stat *st)
{
    if (fp_fat_is_dir(raw))
        st->type = FP_TYPE_DIR;
    else
        st->size = fp_fat_size(raw);
    st->has_mtime = fp_fat_time_get(fs, raw, &st->mtime_ns);
}

int fp_fat_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_fat_place place;
    struct fp_fat *fs = fp_fat_find_path(mnt, path, &place);

    fill_stat(fs, place.raw, st);
    return fs->err;
}

void fp_fat_node_add(struct fp_fat *fs, struct fp_fat_node *node)
{
    node->next = fs->nodes;
    fs->nodes = node;
}

void fp_fat_node_del(struct fp_fat *fs, struct fp_fat_node *node)
{
    struct fp_fat_node **p = &fs->nodes;

    while (*p != node)
        p = &(*p)->next;
    *p = node->next;
}

int fp_fat_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_fat_dir *d = dir_of(dir);
    struct fp_fat_place place;
    struct fp_fat *fs = fp_fat_find_path(mnt, path, &place);
    uint32_t head = fp_fat_dir_head(fs, &place);

    if (fs->err)
        return fs->err;
    d->node.is_dir = true;
    d->node.sector = FP_FAT_NONE;
    d->node.off = head;
    fp_fat_cursor_start(&d->at, head);
    fp_fat_node_add(fs, &d->node);
    return FP_OK;
}

int fp_fat_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_fat *fs = fp_fat_enter(dir->mnt);
    struct fp_fat_dir *d = dir_of(dir);
    struct fp_fat_place place;

    while (!d->node.ended && fp_fat_entry(fs, &d->at, &place)) {
        entry->name_len =
            (uint16_t)fp_fat_name_show(fs, entry->name, NULL, place.raw);
        /* A name that no path can hold is one that nobody can open. */
        if (!entry->name_len)
            continue;
        fill_stat(fs, place.raw, &entry->st);
        return 1;
    }
    return fs->err;
}

int fp_fat_closedir(struct fp_dir *dir)
{
    fp_fat_node_del(fp_fat_of(dir->mnt), &dir_of(dir)->node);
    return FP_OK;
}
