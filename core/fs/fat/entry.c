/* SPDX-License-Identifier: MIT
 *
 * Entries made and unmade. All slots of an entry go into one sector, so that
 * one program makes it; only a name that fills more than a sector, or a full
 * directory that has no such room left, takes two, and then the 8.3 slot comes
 * last. Where the directory ends it is made longer slot by slot: the end moves
 * on first, and then the slot where it was is a free one like others.
 */
#include "core/fs/fat/vol.h"

#define NO_DATE 0x21

/* One more cluster of zeros behind the last, where `at` is. */
static void extend(struct fp_fat *fs, const struct fp_fat_cursor *at)
{
    uint32_t cluster;

    if (!at->head || at->slot >= FP_FAT_SLOTS_MAX)
        fp_fat_fail(fs, FP_ERR_NOSPC);
    cluster = fp_fat_alloc(fs, at->cluster);
    fp_fat_zero(fs, cluster);
    fp_fat_set(fs, at->cluster, cluster);
}

/* The directory ends at the slot of place, before `at`, which becomes a free
 * one. What is in the next never counted. */
static const uint8_t *push_end(struct fp_fat *fs, struct fp_fat_cursor at,
                               const struct fp_fat_place *place)
{
    uint8_t *raw = fp_fat_slot(fs, &at);

    if (raw && raw[0])
        *fp_fat_change(fs, raw) = 0;
    raw = fp_fat_edit(fs, place->sector, place->off);
    *raw = FP_FAT_FREE;
    return raw;
}

/* The slot after the one at `raw`, if there is one. */
static const uint8_t *next_slot(struct fp_fat *fs, struct fp_fat_cursor *at,
                                const uint8_t *raw)
{
    /* Within a sector of a cluster it is behind that. */
    if (FP_FAT_SMALL || !raw || !at->head ||
        !((uint32_t)(raw + FP_FAT_SLOT - fs->win.buf) & (fs->sector_size - 1)))
        return fp_fat_slot(fs, at);
    at->slot++;
    return raw + FP_FAT_SLOT;
}

/* Finds the first place->slots that are free and of which none but the first is
 * at a multiple of `unit`. The last of them is the 8.3 slot. */
static void find_gap(struct fp_fat *fs, struct fp_fat_place *place,
                     uint32_t unit)
{
    const uint8_t *raw = NULL;
    struct fp_fat_cursor at;
    uint32_t run = 0;

    fp_fat_cursor_start(&at, place->dir);
#if !FP_FAT_SMALL
    if (unit != FP_FAT_NONE)
        fp_fat_index_start_room(&fs->index, place->slots, &at);
#endif
    while (run < place->slots && !fs->err) {
        if (!(at.slot & unit))
            run = 0;
        if (!run)
            place->first = at;
        raw = next_slot(fs, &at, raw);
        if (!raw) {
            extend(fs, &at);
            continue;
        }
        place->off = (uint32_t)(raw - fs->win.buf);
        place->sector = fs->win.sector;
        if (!raw[0])
            raw = push_end(fs, at, place);
        run = raw[0] == FP_FAT_FREE ? run + 1 : 0;
    }
}

/* Gives the alias the first digit that no other there has. */
static bool find_digit(struct fp_fat *fs, struct fp_fat_place *place,
                       uint8_t *digit)
{
    uint32_t taken = 1;
    struct fp_fat_cursor at;
    const uint8_t *raw;

    fp_fat_cursor_start(&at, place->dir);
    while ((raw = fp_fat_slot(fs, &at)) && raw[0]) {
        *digit = raw[digit - place->raw];
        if (memcmp(place->raw, raw, 11) == 0)
            taken |= 1u << (*digit & 15);
    }
    for (*digit = '0'; taken & 1; taken >>= 1)
        ++*digit;
    return *digit <= '9';
}

/* Makes the 8.3 name an alias that is nobody's. */
static void make_alias(struct fp_fat *fs, struct fp_fat_place *place)
{
#if !FP_FAT_SMALL
    if (fp_fat_index_alias(fs, place))
        return;
#endif
    for (uint32_t round = 0; round < FP_FAT_ROUNDS_MAX; round++)
        if (find_digit(fs, place, fp_fat_alias_make(fs, place->raw, round)))
            return;
    fp_fat_fail(fs, FP_ERR_NOSPC);
}

void fp_fat_room(struct fp_fat *fs, struct fp_fat_place *place)
{
    /* All in one sector, if that has so many. */
    uint32_t unit = fs->sector_size / FP_FAT_SLOT - 1;

    fp_fat_name_take(fs, place);
    if (place->slots > unit + 1)
        unit = FP_FAT_NONE;
    for (;;) {
        find_gap(fs, place, unit);
        if (unit == FP_FAT_NONE || fs->err != FP_ERR_NOSPC)
            break;
        unit = FP_FAT_NONE;
        fs->err = FP_OK;
    }
    if (place->slots > 1)
        make_alias(fs, place);
#if !FP_FAT_SMALL
    if (unit != FP_FAT_NONE && !fs->err)
        fp_fat_index_room(&fs->index, place);
    fp_fat_index_add(fs, place);
#endif
}

/* Part `part` of the long name, from 1; the last one says so. */
static void put_part(const struct fp_fat *fs, uint8_t *raw, uint32_t part,
                     uint32_t last)
{
    const uint16_t *units = &fs->name[(part - 1) * 13];

    memset(raw, 0, FP_FAT_SLOT);
    raw[0] = (uint8_t)(part | last);
    raw[FP_FAT_AT_ATTR] = FP_FAT_LONG;
    raw[13] = (uint8_t)fs->sum;
    for (uint32_t i = 0; i < 13; i++)
        fp_fat_put16(raw + fp_fat_part_at[i], units[i]);
}

void fp_fat_entry_put(struct fp_fat *fs, struct fp_fat_place *place)
{
    uint32_t last = 0x40;

    fs->sum = fp_fat_checksum(place->raw);
    for (uint32_t left = place->slots; --left; last = 0)
        put_part(fs, fp_fat_slot_edit(fs, &place->first), left, last);
    memcpy(fp_fat_edit(fs, place->sector, place->off), place->raw, FP_FAT_SLOT);
}

void fp_fat_entry_drop(struct fp_fat *fs, struct fp_fat_place *place)
{
#if !FP_FAT_SMALL
    fp_fat_index_gone(fs);
    fp_fat_index_freed(fs);
#endif
    *fp_fat_edit(fs, place->sector, place->off) = FP_FAT_FREE;
    for (uint32_t left = place->slots; --left;)
        *fp_fat_slot_edit(fs, &place->first) = FP_FAT_FREE;
}

void fp_fat_head_set(uint8_t *raw, uint32_t head, uint32_t size)
{
    fp_fat_put16(raw + FP_FAT_AT_HIGH, (head >> 16));
    fp_fat_put16(raw + FP_FAT_AT_LOW, head);
    fp_fat_put32(raw + FP_FAT_AT_SIZE, size);
}

void fp_fat_entry_init(uint8_t *raw, uint8_t attr, uint32_t head)
{
    uint8_t letters = raw[FP_FAT_AT_CASE];

    memset(raw + FP_FAT_AT_ATTR, 0, FP_FAT_SLOT - FP_FAT_AT_ATTR);
    raw[FP_FAT_AT_ATTR] = attr;
    raw[FP_FAT_AT_CASE] = letters;
    /* Of creation, access, change. */
    raw[16] = raw[18] = raw[FP_FAT_AT_DATE] = NO_DATE;
    fp_fat_head_set(raw, head, 0);
}
