/* SPDX-License-Identifier: MIT
 *
 * From a path to an entry: component by component, each searched through the
 * pairs of its directory by the hash of the name, which the index holds.
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

int fp_lfs_name_cmp(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    const char *name, uint32_t len, int *order)
{
    fp_lfs_rec rec = m->ents[id].name;
    uint32_t off = fp_lfs_rec_off(rec), left = fp_lfs_rec_len(rec);
    uint32_t common = fp_lfs_min(len, left);

    *order = 0;
    for (uint32_t done = 0; done < common;) {
        const uint8_t *p;
        uint32_t n;
        int err = fp_lfs_peek(fs, m->pair[0], off + done,
                              fs->block_size - off - done, &p, &n);

        if (err)
            return err;
        n = fp_lfs_min(n, common - done);
        *order = memcmp(name + done, p, n);
        if (*order)
            return FP_OK;
        done += n;
    }
    if (len != left)
        *order = len > left ? -1 : 1;
    return FP_OK;
}

/* The id that `name` has or would get in m. *found tells which. */
static int search(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                  const char *name, uint32_t len, uint32_t *id, bool *found)
{
    uint32_t hash = fp_lfs_hash(0, (const uint8_t *)name, len);

    *found = false;
    for (uint32_t i = 0; i < m->count; i++) {
        int order, err;

        if (m->ents[i].hash != fp_lfs_hash16(hash) ||
            fp_lfs_rec_len(m->ents[i].name) != len ||
            !fp_lfs_ent_visible(fs, m, i))
            continue;
        err = fp_lfs_name_cmp(fs, m, i, name, len, &order);
        if (err)
            return err;
        if (order == 0) {
            *id = i;
            *found = true;
            return FP_OK;
        }
    }
    return FP_OK;
}

/* The first entry that comes after `name`; m->count when none does. */
static int insertion(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     const char *name, uint32_t len, uint32_t *id)
{
    uint32_t low = 0, high = m->count;

    /* The superblock entry is no name and stays first. */
    if (high && fp_lfs_rec_kind(m->ents[0].name) == FP_LFS_SUPER)
        low = 1;
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

/* What is at hand of the directory may spare reading it from its head: the
 * pair that has the name, or, for creating, one with entries before it. */
static int nearest(struct fp_lfs *fs, const uint32_t head[2], const char *name,
                   uint32_t len, bool for_create, uint32_t pair[2])
{
    fp_lfs_pair_set(pair, head[0], head[1]);
    for (uint32_t i = 0; i < fs->slot_count; i++) {
        const struct fp_lfs_mdir *m = &fs->slots[i];
        uint32_t id = 0;
        bool found;
        int err;

        if (!m->valid || !m->count || !fp_lfs_pair_equal(m->dir, head))
            continue;
        err = search(fs, m, name, len, &id, &found);
        if (!err && !found && for_create)
            err = insertion(fs, m, name, len, &id);
        if (err)
            return err;
        if (!found &&
            (!id || fp_lfs_rec_kind(m->ents[id - 1].name) == FP_LFS_SUPER))
            continue;
        fp_lfs_pair_set(pair, m->pair[0], m->pair[1]);
        if (found || id < m->count || !m->hard)
            break;
    }
    return FP_OK;
}

int fp_lfs_find_in(struct fp_lfs *fs, const uint32_t head[2], const char *name,
                   uint32_t len, bool for_create, struct fp_lfs_place *place)
{
    bool placed = false;
    uint32_t pair[2];
    int err = nearest(fs, head, name, len, for_create, pair);

    fp_lfs_pair_set(place->dir, head[0], head[1]);
    for (uint32_t hops = 0; !err && hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        uint32_t id = 0;
        bool found;

        err = fp_lfs_get(fs, pair, &m);
        if (!err)
            err = search(fs, m, name, len, &id, &found);
        if (err)
            return err;
        fp_lfs_pair_set(m->dir, head[0], head[1]);
        if (found) {
            fp_lfs_pair_set(place->pair, m->pair[0], m->pair[1]);
            place->id = (uint16_t)id;
            place->kind = (uint8_t)fp_lfs_rec_kind(m->ents[id].name);
            return FP_OK;
        }
        if (for_create && !placed) {
            err = insertion(fs, m, name, len, &id);
            if (err)
                return err;
            if (id < m->count || !m->hard) {
                placed = true;
                fp_lfs_pair_set(place->pair, m->pair[0], m->pair[1]);
                place->id = (uint16_t)id;
            }
        }
        if (!m->hard || placed)
            return FP_ERR_NOENT;
        fp_lfs_pair_set(pair, m->tail[0], m->tail[1]);
    }
    return err ? err : FP_ERR_CORRUPT;
}

/* Is the entry at `place` the one that the directory belongs to? */
static int confirm(struct fp_lfs *fs, const uint32_t pair[2],
                   const struct fp_lfs_place *place)
{
    struct fp_lfs_place parent;
    int err;

    if (!fs->doubted)
        return FP_OK;
    err = fp_lfs_find_parent(fs, pair, &parent);
    if (err == FP_ERR_NOENT)
        return FP_ERR_CORRUPT;
    if (err)
        return err;
    if (!fp_lfs_pair_shares(parent.pair, place->pair) ||
        parent.id != place->id || fp_lfs_pair_shares(pair, fs->root))
        return FP_ERR_CORRUPT;
    return FP_OK;
}

int fp_lfs_enter(struct fp_lfs *fs, const struct fp_lfs_place *place,
                 uint32_t pair[2])
{
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
    return err ? err : confirm(fs, pair, place);
}

int fp_lfs_lookup(struct fp_lfs *fs, const char *path, bool for_create,
                  struct fp_lfs_place *place)
{
    memset(place, 0, sizeof *place);
    place->is_root = true;
    place->kind = FP_LFS_DIR;
    fp_lfs_pair_set(place->pair, fs->root[0], fs->root[1]);
    fp_lfs_pair_set(place->dir, fs->root[0], fs->root[1]);

    for (;;) {
        uint32_t head[2];
        size_t len;
        int err;

        while (*path == '/')
            path++;
        if (!*path)
            return FP_OK;
        err = fp_lfs_enter(fs, place, head);
        if (err)
            return err;
        len = strcspn(path, "/");
        if (len > fs->name_max)
            return FP_ERR_NAMETOOLONG;
        place->is_root = false;
        place->is_last = path[len + strspn(path + len, "/")] == 0;
        place->name = path;
        place->name_len = (uint16_t)len;
        err = fp_lfs_find_in(fs, head, path, (uint32_t)len,
                             for_create && place->is_last, place);
        if (err)
            return err;
        path += len;
    }
}
