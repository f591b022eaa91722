/* SPDX-License-Identifier: MIT
 *
 * Finding names without reading a directory from its start each time, where
 * there is room for it (FP_FAT_SMALL). Four things are noted:
 *
 * - Of one directory that was searched in vain, a bit for the hash of each name
 *   in it, and of each that comes to it. A name whose bit is clear is not there.
 *   That stays right whatever is removed, moved away or made of its clusters,
 *   for a bit too many only costs a search; and every name that comes goes by
 *   fp_fat_room(). An alias whose bit is clear is nobody's yet, either.
 * - Where the last name was found. The next search starts behind it, as long
 *   as nothing has changed on the volume: who reads the files of a directory
 *   one after the other finds each at once.
 * - Where directories on the way to others were found. The entry is still there
 *   until one goes or a cluster is freed, so that it is looked at first.
 * - Where a directory last had room for an entry, the first that there was. Up
 *   to there none of as many slots comes to be before an entry goes; so who
 *   makes many files in a directory does not look through all of it for each.
 *
 * Only the last component of a path counts for the first two, or the
 * directories on the way would take turns.
 */
#include "core/fs/fat/vol.h"

#if !FP_FAT_SMALL

static uint32_t byte_of(const struct fp_fat *fs, uint32_t hash)
{
    return hash / 8 % fs->layout.names;
}

static bool has(const struct fp_fat *fs, uint32_t hash)
{
    return fs->index.bits[byte_of(fs, hash)] >> hash % 8 & 1;
}

static void add(struct fp_fat *fs, const struct fp_fat_place *place)
{
    uint32_t hashes[2];

    fp_fat_name_hashes(fs, place->raw, hashes);
    for (uint32_t i = 0; i < 2; i++)
        fs->index.bits[byte_of(fs, hashes[i])] |=
            (uint8_t)(1u << hashes[i] % 8);
}

void fp_fat_index_start(struct fp_fat *fs)
{
    fs->index.dir = fs->index.at.head = FP_FAT_NONE;
    fp_fat_index_gone(fs);
    fp_fat_index_freed(fs);
}

void fp_fat_index_room(struct fp_fat_index *index,
                       const struct fp_fat_place *place)
{
    index->room = place->first;
    index->room_slots = place->slots;
}

void fp_fat_index_start_room(const struct fp_fat_index *index, uint32_t slots,
                             struct fp_fat_cursor *at)
{
    if (index->room.head == at->head && index->room_slots <= slots)
        *at = index->room;
}

void fp_fat_index_freed(struct fp_fat *fs)
{
    fs->index.room.head = FP_FAT_NONE;
}

void fp_fat_index_gone(struct fp_fat *fs)
{
    for (uint32_t i = 0; i < FP_FAT_WAYS; i++)
        fs->index.ways[i].head = FP_FAT_NONE;
}

void fp_fat_index_add(struct fp_fat *fs, const struct fp_fat_place *place)
{
    if (place->dir == fs->index.dir)
        add(fs, place);
}

static bool find_digit(const struct fp_fat *fs, const uint8_t *raw,
                       uint8_t *digit)
{
    uint32_t hashes[2];

    for (*digit = '1'; *digit <= '9'; ++*digit) {
        fp_fat_name_hashes(fs, raw, hashes);
        if (!has(fs, hashes[0]))
            return true;
    }
    return false;
}

bool fp_fat_index_alias(struct fp_fat *fs, struct fp_fat_place *place)
{
    uint8_t *raw = place->raw;

    if (place->dir != fs->index.dir)
        return false;
    for (uint32_t round = 0; round < FP_FAT_ROUNDS_MAX; round++)
        if (find_digit(fs, raw, fp_fat_alias_make(fs, raw, round)))
            return true;
    return false;
}

/* From `at` to the end. */
static bool search(struct fp_fat *fs, struct fp_fat_cursor *at, bool learns,
                   struct fp_fat_place *place)
{
    while (fp_fat_entry(fs, at, place)) {
        if (learns)
            add(fs, place);
        if (fp_fat_name_is(fs, place))
            return true;
    }
    return false;
}

static bool search_all(struct fp_fat *fs, bool is_last,
                       struct fp_fat_place *place)
{
    struct fp_fat_index *index = &fs->index;
    bool learns = is_last && index->dir != place->dir;
    struct fp_fat_cursor at;

    if (learns) {
        index->dir = FP_FAT_NONE;
        memset(index->bits, 0, fs->layout.names);
    }
    fp_fat_cursor_start(&at, place->dir);
    if (search(fs, &at, learns, place)) {
        if (is_last) {
            index->at = at;
            index->changes = fs->changes;
        }
        return true;
    }
    if (learns && !fs->err)
        index->dir = place->dir;
    return false;
}

/* The entry at the cursor alone, if there is one. */
static bool is_at(struct fp_fat *fs, struct fp_fat_cursor at,
                  struct fp_fat_place *place)
{
    return at.head == place->dir && fp_fat_entry(fs, &at, place) &&
           fp_fat_name_is(fs, place);
}

static bool search_way(struct fp_fat *fs, struct fp_fat_place *place)
{
    struct fp_fat_cursor *way = &fs->index.ways[place->dir % FP_FAT_WAYS];

    if (is_at(fs, *way, place))
        return true;
    if (!search_all(fs, false, place))
        return false;
    *way = place->first;
    return true;
}

bool fp_fat_find_name(struct fp_fat *fs, struct fp_fat_place *place)
{
    struct fp_fat_index *index = &fs->index;
    bool is_last = !strchr(place->name, '/');

    if (fs->err)
        return false;
    if (!is_last)
        return search_way(fs, place);
    if (index->dir == place->dir && !has(fs, fp_fat_name_hash(place->name)))
        return false;
    if (index->at.head == place->dir && index->changes == fs->changes &&
        search(fs, &index->at, false, place))
        return true;
    return search_all(fs, true, place);
}

#endif
