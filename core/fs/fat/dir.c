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
#include "core/fs/fat/fat.h"
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
    *at = (struct fp_fat_cursor){ .head = head, .cluster = head };
}

int fp_fat_slot(struct fp_fat *fs, const struct fp_fat_cursor *at,
                uint8_t **slot)
{
    uint32_t off = at->slot * FP_FAT_SLOT, sector = fs->root_start;
    int err;

    if (at->slot >= (at->head ? FP_FAT_SLOTS_MAX : fs->root_slots))
        return FP_ERR_NOENT;
    if (at->head) {
        off &= (1u << fs->cluster_shift) - 1;
        if (!fp_fat_is_cluster(fs, at->cluster))
            return at->cluster ? FP_ERR_CORRUPT : FP_ERR_NOENT;
        sector = fp_fat_sector_of(fs, at->cluster);
    }
    err = fp_fat_load(fs, &fs->win, sector + (off >> fs->sector_shift));
    *slot = fs->win.buf + (off & (fp_fat_sector_size(fs) - 1));
    return err;
}

int fp_fat_cursor_step(struct fp_fat *fs, struct fp_fat_cursor *at)
{
    uint32_t mask = (1u << fs->cluster_shift) - 1;

    at->slot++;
    if (!at->head || at->slot * FP_FAT_SLOT & mask)
        return FP_OK;
    return fp_fat_next(fs, at->cluster, &at->cluster);
}

/* --- moves --- */

static uint32_t peer_sector(const uint8_t *raw)
{
    return fp_get_le32(raw + FP_FAT_AT_PEER);
}

static uint32_t peer_off(const uint8_t *raw)
{
    return fp_get_le16(raw + FP_FAT_AT_PEER + 4) * FP_FAT_SLOT;
}

bool fp_fat_is_moving(const uint8_t *raw, uint8_t kind)
{
    return raw[FP_FAT_AT_CASE] & FP_FAT_MOVING && raw[FP_FAT_AT_MOVE] == kind;
}

int fp_fat_peer(struct fp_fat *fs, const struct fp_fat_place *place,
                uint8_t kind, uint8_t **peer)
{
    uint32_t sector = peer_sector(place->raw);
    uint32_t off = peer_off(place->raw);
    uint8_t *raw;
    int err;

    *peer = NULL;
    if (sector < fs->root_start || sector >= fs->sectors ||
        off >= fp_fat_sector_size(fs))
        return FP_OK;
    err = fp_fat_load(fs, &fs->win, sector);
    raw = fs->win.buf + off;
    if (!err && raw[0] && raw[0] != 0xe5 && fp_fat_is_moving(raw, kind) &&
        peer_sector(raw) == place->sector && peer_off(raw) == place->off)
        *peer = raw;
    return err;
}

/* --- entries --- */

const uint8_t fp_fat_part_at[13] = { 1,  3,  5,  7,  9,  14, 16,
                                     18, 20, 22, 24, 28, 30 };

/* What has been read of a long name. */
struct parts {
    uint32_t want; /* the part to come next; 0: it is whole */
    uint8_t sum;
};

/* Takes one part. want stays FP_FAT_NONE as long as nothing fits. */
static void take_part(struct fp_fat *fs, struct parts *parts,
                      const struct fp_fat_cursor *here,
                      struct fp_fat_place *place)
{
    const uint8_t *raw = place->raw;
    uint32_t part = raw[0] & 0x3f;
    uint16_t *to;

    if (raw[0] & 0x40) {
        place->first = *here;
        place->slots = 0;
        parts->want = part;
        parts->sum = raw[13];
        fs->units = part * 13;
    }
    if (part != parts->want || part - 1 >= FP_FAT_PARTS_MAX ||
        parts->sum != raw[13]) {
        parts->want = FP_FAT_NONE;
        return;
    }
    parts->want = part - 1;
    place->slots++;
    to = fs->name + parts->want * 13;
    for (uint32_t i = 0; i < 13; i++) {
        to[i] = fp_get_le16(raw + fp_fat_part_at[i]);
        if (!to[i] && fs->units > parts->want * 13 + i)
            fs->units = parts->want * 13 + i;
    }
}

/* Reads on to the next entry of 8.3, in use; the parts before it, if they are
 * its own, make up its long name. */
static int next_entry(struct fp_fat *fs, struct fp_fat_cursor *at,
                      struct fp_fat_place *place)
{
    struct parts parts = { .want = FP_FAT_NONE };

    for (;;) {
        struct fp_fat_cursor here = *at;
        uint8_t *raw;
        int err = fp_fat_slot(fs, at, &raw);

        if (err)
            return err == FP_ERR_NOENT ? 0 : err;
        if (!raw[0])
            return 0;
        memcpy(place->raw, raw, FP_FAT_SLOT);
        place->sector = fs->win.sector;
        place->off = (uint32_t)(raw - fs->win.buf);
        err = fp_fat_cursor_step(fs, at);
        if (err)
            return err;
        if (place->raw[0] == 0xe5) {
            parts.want = FP_FAT_NONE;
        } else if ((place->raw[FP_FAT_AT_ATTR] & 0x3f) == FP_FAT_LONG) {
            take_part(fs, &parts, &here, place);
        } else if (place->raw[FP_FAT_AT_ATTR] & FP_FAT_LABEL) {
            parts.want = FP_FAT_NONE;
        } else {
            if (parts.want || parts.sum != fp_fat_checksum(place->raw)) {
                fs->units = place->slots = 0;
                place->first = here;
            }
            place->slots++;
            return 1;
        }
    }
}

int fp_fat_entry(struct fp_fat *fs, struct fp_fat_cursor *at,
                 struct fp_fat_place *place)
{
    int got;

    while ((got = next_entry(fs, at, place)) == 1) {
        uint8_t *peer = NULL;

        if (place->raw[0] == '.')
            continue; /* "." and "..": no name begins so */
        if (fp_fat_is_moving(place->raw, FP_FAT_LEAVING))
            got = fp_fat_peer(fs, place, FP_FAT_ARRIVED, &peer);
        if (got < 0 || !peer)
            return got < 0 ? got : 1;
    }
    return got;
}

/* --- paths --- */

uint32_t fp_fat_dir_head(const struct fp_fat *fs,
                         const struct fp_fat_place *place)
{
    uint32_t head;

    if (place->sector == FP_FAT_NONE)
        return fs->root_cluster;
    /* Only the root has cluster 0, and no entry. */
    head = fp_fat_head(place->raw);
    return head ? head : 1;
}

int fp_fat_find_name(struct fp_fat *fs, uint32_t dir, const char *name,
                     struct fp_fat_place *place)
{
    struct fp_fat_cursor at;
    int got;

    fp_fat_cursor_start(&at, dir);
    while ((got = fp_fat_entry(fs, &at, place)) == 1)
        if (fp_fat_name_is(fs, place->raw, name))
            return FP_OK;
    return got ? got : FP_ERR_NOENT;
}

int fp_fat_lookup(struct fp_fat *fs, const char *path,
                  struct fp_fat_place *place, uint32_t *dir, const char **name)
{
    place->sector = FP_FAT_NONE;
    place->raw[FP_FAT_AT_ATTR] = FP_FAT_DIR;
    *name = NULL;
    while (path[1] != '\0') {
        const char *next = strchr(++path, '/');
        int err;

        if (!fp_fat_is_dir(place->raw))
            return FP_ERR_NOTDIR;
        *dir = fp_fat_dir_head(fs, place);
        if (fs->barred && *dir == fs->barred)
            return FP_ERR_INVAL;
        err = fp_fat_find_name(fs, *dir, path, place);
        if (err) {
            *name = err == FP_ERR_NOENT && !next ? path : NULL;
            return err;
        }
        if (!next) {
            *name = path;
            return FP_OK;
        }
        path = next;
    }
    return FP_OK;
}

/* --- what users call --- */

static void fill_stat(const struct fp_fat *fs, const struct fp_fat_place *place,
                      struct fp_stat *st)
{
    st->type = FP_TYPE_DIR;
    if (place->sector == FP_FAT_NONE)
        return;
    if (!fp_fat_is_dir(place->raw)) {
        st->type = FP_TYPE_FILE;
        st->size = fp_get_le32(place->raw + FP_FAT_AT_SIZE);
    }
    st->has_mtime = fp_fat_time_get(fs, place->raw, &st->mtime_ns);
}

int fp_fat_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_fat_place place;
    const char *name;
    uint32_t dir;
    int err = fp_fat_lookup(fp_fat_of(mnt), path, &place, &dir, &name);

    if (!err)
        fill_stat(fp_fat_of(mnt), &place, st);
    return err;
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
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_dir *d = dir_of(dir);
    struct fp_fat_place place;
    const char *name;
    uint32_t parent;
    int err = fp_fat_lookup(fs, path, &place, &parent, &name);

    if (!err && !fp_fat_is_dir(place.raw))
        err = FP_ERR_NOTDIR;
    if (err)
        return err;
    d->node.is_dir = true;
    fp_fat_cursor_start(&d->at, fp_fat_dir_head(fs, &place));
    fp_fat_node_add(fs, &d->node);
    return FP_OK;
}

int fp_fat_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_fat *fs = fp_fat_of(dir->mnt);
    struct fp_fat_dir *d = dir_of(dir);
    struct fp_fat_place place;
    int got = 0;

    while (!d->node.ended && (got = fp_fat_entry(fs, &d->at, &place)) == 1) {
        entry->name_len =
            (uint16_t)fp_fat_name_show(fs, place.raw, entry->name);
        /* A name that no path can hold is one that nobody can open. */
        if (!entry->name_len || strlen(entry->name) != entry->name_len ||
            strchr(entry->name, '/'))
            continue;
        fill_stat(fs, &place, &entry->st);
        break;
    }
    return got;
}

int fp_fat_closedir(struct fp_dir *dir)
{
    fp_fat_node_del(fp_fat_of(dir->mnt), &dir_of(dir)->node);
    return FP_OK;
}

int fp_fat_label(struct fp_mount *mnt, char label[FP_FAT_LABEL_MAX + 1])
{
    struct fp_fat *fs = fp_fat_of(mnt);
    struct fp_fat_cursor at;
    uint32_t n = 0;
    uint8_t *raw;
    int err;

    fp_fat_cursor_start(&at, fs->root_cluster);
    while (!(err = fp_fat_slot(fs, &at, &raw)) && raw[0]) {
        if (raw[0] != 0xe5 && (raw[FP_FAT_AT_ATTR] & 0x3f) != FP_FAT_LONG &&
            raw[FP_FAT_AT_ATTR] & FP_FAT_LABEL) {
            for (n = 11; n && raw[n - 1] == ' '; n--)
                continue;
            memcpy(label, raw, n);
            break;
        }
        err = fp_fat_cursor_step(fs, &at);
        if (err)
            break;
    }
    label[n] = '\0';
    return err == FP_ERR_NOENT ? FP_OK : err;
}
