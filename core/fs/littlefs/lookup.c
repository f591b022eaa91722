/* SPDX-License-Identifier: MIT
 *
 * From a path to an entry: component by component, each searched through the
 * pairs of its directory by the hash of the name, which the index holds (with
 * FP_LFS_SMALL it has none, and names are compared).
 *
 * Entries are sorted by unsigned bytes, and a longer name comes before its own
 * prefix. A search that is about to create stops at the first pair whose last
 * entry lies behind the name, as the reference's does; a reader goes on to the
 * end, so that a directory out of order is still read.
 *
 * A damaged image may have two entries for one directory, or one that leads
 * back up: whoever walks such a tree never ends. Mount compares all entries
 * with all directories (fs->doubted); only where they do not match is each
 * step down checked against the first entry that leads to that directory.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

static bool is_super(const struct fp_lfs_mdir *m, uint32_t id)
{
    return fp_lfs_rec_kind(m->ents[id].name) == FP_LFS_SUPER;
}

int fp_lfs_name_cmp(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    const char *name, uint32_t len, int *order)
{
    fp_lfs_rec rec = m->ents[id].name;
    uint32_t off = fp_lfs_rec_off(rec), left = fp_lfs_rec_len(rec);
    uint32_t common = fp_lfs_min(len, left), n;
    uint8_t part[16];

    for (uint32_t done = 0; done < common; done += n) {
        int err;

        n = fp_lfs_min(common - done, sizeof part);
        err = fp_lfs_read(fs, m->pair[0], off + done, part, n);
        *order = memcmp(name + done, part, n);
        if (err || *order)
            return err;
    }
    *order = (int)left - (int)len;
    return FP_OK;
}

#if FP_LFS_SMALL

/* The id is that of the name, or what it would get. The superblock entry is no
 * name and stays first. */
int fp_lfs_find_in(struct fp_lfs *fs, struct fp_lfs_place *place,
                   bool for_create)
{
    struct fp_lfs_chain dir;
    int err, order;

    fp_lfs_chain_begin(&dir, place->dir[0], place->dir[1]);
    place->kind = 0;
    do {
        const struct fp_lfs_mdir *m;

        err = fp_lfs_chain_next(fs, &dir);
        if (err)
            return err;
        m = dir.m;
        fp_lfs_pair_set(place->pair, m->pair[0], m->pair[1]);
        place->id = 0;
        for (uint16_t id = 0; id < m->count; id++) {
            err = fp_lfs_name_cmp(fs, m, id, place->name, place->name_len,
                                  &order);
            if (err)
                return err;
            if (!order && fp_lfs_ent_visible(fs, m, id)) {
                place->id = id;
                place->kind = (uint8_t)fp_lfs_rec_kind(m->ents[id].name);
                return FP_OK;
            }
            if (!FP_READONLY && (order >= 0 || is_super(m, id)))
                place->id = (uint16_t)(id + 1);
        }
    } while (dir.m->hard &&
             (FP_READONLY || !for_create || place->id == dir.m->count));
    return for_create ? FP_OK : FP_ERR_NOENT;
}

#else

/* The id that `name` has in m; m->count: it has none. */
static int search(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                  const char *name, uint32_t len, uint32_t *id)
{
    uint32_t hash = fp_lfs_hash(0, (const uint8_t *)name, len);
    int order, err;

    for (*id = 0; *id < m->count; ++*id) {
        if (m->ents[*id].hash != fp_lfs_hash16(hash) ||
            fp_lfs_rec_len(m->ents[*id].name) != len ||
            !fp_lfs_ent_visible(fs, m, *id))
            continue;
        err = fp_lfs_name_cmp(fs, m, *id, name, len, &order);
        if (err || order == 0)
            return err;
    }
    return FP_OK;
}

/* The first entry that comes after `name`; m->count when none does. The
 * superblock entry is no name and stays first. */
static int insertion(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     const char *name, uint32_t len, uint32_t *id)
{
    uint32_t low = m->count && is_super(m, 0), high = m->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order, err = fp_lfs_name_cmp(fs, m, mid, name, len, &order);

        if (err)
            return err;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    *id = low;
    return FP_OK;
}

/* What is looked for: a name in a directory. */
struct target {
    const uint32_t *head;
    const char *name;
    uint32_t len;
    bool for_create;
};

/* The id that the name has in m, or, for creating, would get; else m->count. */
static int look(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                const struct target *t, uint32_t *id, bool *found)
{
    int err = search(fs, m, t->name, t->len, id);

    *found = *id < m->count;
    if (err || *found || !t->for_create)
        return err;
    return insertion(fs, m, t->name, t->len, id);
}

/* What is at hand of the directory may spare reading it from its head: the
 * pair that has the name, or, for creating, one with entries before it. */
static int nearest(struct fp_lfs *fs, const struct target *t, uint32_t pair[2])
{
    fp_lfs_pair_set(pair, t->head[0], t->head[1]);
    for (uint32_t i = 0; i < fs->slot_count; i++) {
        const struct fp_lfs_mdir *m = &fs->slots[i];
        uint32_t id;
        bool found;
        int err;

        if (!m->valid || !fp_lfs_pair_equal(m->dir, t->head))
            continue;
        err = look(fs, m, t, &id, &found);
        if (err)
            return err;
        if (!found && (!t->for_create || !id || is_super(m, id - 1)))
            continue;
        fp_lfs_pair_set(pair, m->pair[0], m->pair[1]);
        if (id < m->count || !m->hard)
            break;
    }
    return FP_OK;
}

int fp_lfs_find_in(struct fp_lfs *fs, struct fp_lfs_place *place,
                   bool for_create)
{
    const struct target t = { place->dir, place->name, place->name_len,
                              for_create };
    struct fp_lfs_chain dir = { 0 };
    int err = nearest(fs, &t, dir.next);

    place->kind = 0;
    while (!err && !(err = fp_lfs_chain_next(fs, &dir))) {
        struct fp_lfs_mdir *m = dir.m;
        uint32_t id;
        bool found;

        err = look(fs, m, &t, &id, &found);
        if (err)
            return err;
        fp_lfs_pair_set(m->dir, place->dir[0], place->dir[1]);
        fp_lfs_pair_set(place->pair, m->pair[0], m->pair[1]);
        place->id = (uint16_t)id;
        if (found) {
            place->kind = (uint8_t)fp_lfs_rec_kind(m->ents[id].name);
            return FP_OK;
        }
        if (!m->hard || id < m->count)
            return for_create ? FP_OK : FP_ERR_NOENT;
    }
    return err;
}

#endif

int fp_lfs_enter(struct fp_lfs *fs, const struct fp_lfs_place *place,
                 uint32_t pair[2])
{
    struct fp_lfs_place parent;
    struct fp_lfs_mdir *m;
    int err;

    if (place->kind != FP_LFS_DIR)
        return FP_ERR_NOTDIR;
    if (place->is_root) {
        fp_lfs_pair_set(pair, fs->root[0], fs->root[1]);
        return FP_OK;
    }
    err = fp_lfs_get(fs, place->pair, &m);
    if (!err)
        err = fp_lfs_ent_pair(fs, m, place->id, pair);
    if (err || !FP_LFS_EXTRAS || !fs->doubted)
        return err;
    /* Is this the entry that the directory belongs to? */
    err = fp_lfs_find_parent(fs, pair, &parent);
    if (!err && (!fp_lfs_pair_shares(parent.pair, place->pair) ||
                 parent.id != place->id || fp_lfs_pair_shares(pair, fs->root)))
        err = FP_ERR_CORRUPT;
    return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
}

static const char *behind_slashes(const char *path)
{
    while (*path == '/')
        path++;
    return path;
}

int fp_lfs_lookup(struct fp_lfs *fs, const char *path, bool for_create,
                  struct fp_lfs_place *place)
{
    place->is_root = true;
    place->kind = FP_LFS_DIR;
    place->id = 0;
    fp_lfs_pair_set(place->pair, fs->root[0], fs->root[1]);

    path = behind_slashes(path);
    while (*path) {
        size_t len = strcspn(path, "/");
        int err = fp_lfs_enter(fs, place, place->dir);

        if (err)
            return err;
        if (len > fs->super.name_max)
            return FP_ERR_NAMETOOLONG;
        place->is_root = false;
        place->name = path;
        place->name_len = (uint16_t)len;
        path = behind_slashes(path + len);
        err = fp_lfs_find_in(fs, place, for_create && !*path);
        if (err)
            return err;
    }
    return FP_OK;
}

int fp_lfs_find(struct fp_lfs *fs, const char *path, struct fp_lfs_mdir **m,
                uint32_t *id)
{
    struct fp_lfs_place place;
    int err = fp_lfs_lookup(fs, path, false, &place);

    if (err)
        return err;
    *id = place.id;
    return fp_lfs_get(fs, place.pair, m);
}
