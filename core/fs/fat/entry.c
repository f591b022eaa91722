/* SPDX-License-Identifier: MIT
 *
 * Entries made and unmade. All slots of an entry go into one sector, so that
 * one program makes it; only a name that fills more than a sector, or a full
 * directory that has no such room left, takes two, and then the 8.3 slot comes
 * last. Where the directory ends it is made longer slot by slot: the end moves
 * on first, and then the slot where it was is a free one like others.
 */
#include "core/fs/fat/vol.h"

#define ROUNDS_MAX 64u
#define NO_DATE    0x21

/* Room that is looked for in a directory. */
struct gap {
    bool aligned;     /* in one sector */
    uint32_t run;     /* slots that are free up to here */
    uint8_t *digit;   /* of the alias that is looked for, NULL: of none */
    uint32_t digits;  /* that others have there, a bit each */
    uint32_t cluster; /* the last of the directory */
    struct fp_fat_cursor at;
};

/* The room is the first that there is, and ends at the 8.3 slot. */
static void see_free(struct fp_fat *fs, struct gap *gap,
                     struct fp_fat_place *place, const uint8_t *raw)
{
    uint32_t off = (uint32_t)(raw - fs->win.buf);

    if (gap->run == place->slots)
        return;
    if (gap->aligned && !off)
        gap->run = 0;
    if (!gap->run++)
        place->first = gap->at;
    place->off = off;
    place->sector = fs->win.sector;
}

static void see_used(struct gap *gap, const struct fp_fat_place *place,
                     const uint8_t *raw)
{
    if (gap->run != place->slots)
        gap->run = 0;
    if (!gap->digit)
        return;
    *gap->digit = raw[gap->digit - place->raw];
    if (memcmp(place->raw, raw, 11) == 0)
        gap->digits |= 1u << (*gap->digit & 15);
}

/* One more cluster of zeros for the directory. */
static void grow(struct fp_fat *fs, struct gap *gap)
{
    if (!gap->at.head || gap->at.slot >= FP_FAT_SLOTS_MAX) {
        fp_fat_fail(fs, FP_ERR_NOSPC);
        return;
    }
    gap->at.cluster = fp_fat_alloc(fs, gap->cluster);
    fp_fat_zero(fs, gap->at.cluster);
    fp_fat_set(fs, gap->cluster, gap->at.cluster);
}

/* Makes the slot at which the directory ends a free one. What is in the next
 * never counted. */
static const uint8_t *push_end(struct fp_fat *fs, struct gap *gap)
{
    struct fp_fat_cursor next;
    const uint8_t *raw;

    if (!fp_fat_slot(fs, &gap->at))
        grow(fs, gap);
    next = gap->at;
    fp_fat_cursor_step(fs, &next);
    raw = fp_fat_slot(fs, &next);
    if (raw && raw[0])
        *fp_fat_slot_edit(fs, &next) = 0;
    raw = fp_fat_slot_edit(fs, &gap->at);
    *(uint8_t *)raw = FP_FAT_FREE;
    return raw;
}

/* Where there can be room, or else an alias that is taken. */
static void start(const struct fp_fat *fs, struct gap *gap,
                  const struct fp_fat_place *place)
{
    gap->run = gap->digits = 0;
    fp_fat_cursor_start(&gap->at, place->dir);
#if !FP_FAT_SMALL
    if (!gap->digit && gap->aligned)
        fp_fat_index_start_room(&fs->index, place->slots, &gap->at);
#else
    (void)fs;
#endif
}

/* Through all slots that an alias may be in, and on until there is room. */
static void scan(struct fp_fat *fs, struct gap *gap, struct fp_fat_place *place)
{
    const uint8_t *raw = NULL;
    bool is_end = false;

    start(fs, gap, place);
    while (!fs->err && !((is_end || !gap->digit) && gap->run == place->slots)) {
        /* Within a sector of a cluster the next slot is behind this one. */
        raw = !FP_FAT_SMALL && raw && !is_end && gap->at.head &&
                      (uint32_t)(raw + FP_FAT_SLOT - fs->win.buf) &
                          (fs->sector_size - 1)
                  ? raw + FP_FAT_SLOT
                  : fp_fat_slot(fs, &gap->at);
        is_end = !raw || !raw[0];
        if (is_end) {
            if (gap->run == place->slots)
                return;
            raw = push_end(fs, gap);
        }
        if (raw[0] == FP_FAT_FREE)
            see_free(fs, gap, place, raw);
        else
            see_used(gap, place, raw);
        gap->cluster = gap->at.cluster;
        fp_fat_cursor_step(fs, &gap->at);
    }
}

/* Where the digit of an alias goes, if only a look can tell which. */
static uint8_t *alias_of(struct fp_fat *fs, struct fp_fat_place *place,
                         uint32_t round)
{
#if !FP_FAT_SMALL
    uint32_t known = place->dir == fs->index.dir ? ROUNDS_MAX : 0;

    for (uint32_t i = 0; i < known; i++)
        if (fp_fat_index_digit(fs, place->raw,
                               fp_fat_alias_make(fs, place->raw, i)))
            return NULL;
#endif
    return fp_fat_alias_make(fs, place->raw, round);
}

void fp_fat_room(struct fp_fat *fs, struct fp_fat_place *place)
{
    uint32_t digit, round = 0;
    struct gap gap;

    fp_fat_name_take(fs, place->name, place->raw);
    place->slots = 1 + (fs->units + 12) / 13;
    gap.aligned = place->slots <= fs->sector_size / FP_FAT_SLOT;
    do {
        gap.digit = fs->units ? alias_of(fs, place, round) : NULL;
        scan(fs, &gap, place);
        if (fs->err == FP_ERR_NOSPC && gap.aligned) {
            fs->err = FP_OK;
            gap.aligned = false;
            scan(fs, &gap, place);
        }
        for (digit = 1; gap.digits >> digit & 1;)
            digit++;
    } while (digit > 9 && ++round < ROUNDS_MAX);
    if (digit > 9)
        fp_fat_fail(fs, FP_ERR_NOSPC);
    if (gap.digit)
        *gap.digit = (uint8_t)('0' + digit);
#if !FP_FAT_SMALL
    if (gap.aligned && !fs->err)
        fp_fat_index_room(&fs->index, place);
    fp_fat_index_add(fs, place);
#endif
}

/* Part `part` of the long name, from 1. */
static void put_part(const struct fp_fat *fs, uint8_t *raw, uint32_t part)
{
    const uint16_t *units = &fs->name[(part - 1) * 13];

    raw[0] = (uint8_t)(part | (part * 13 >= fs->units ? 0x40 : 0));
    raw[FP_FAT_AT_ATTR] = FP_FAT_LONG;
    raw[FP_FAT_AT_CASE] = 0;
    raw[13] = (uint8_t)fs->sum;
    fp_fat_put16(raw + FP_FAT_AT_LOW, 0);
    for (uint32_t i = 0; i < 13; i++)
        fp_fat_put16(raw + fp_fat_part_at[i], units[i]);
}

void fp_fat_entry_put(struct fp_fat *fs, const struct fp_fat_place *place)
{
    struct fp_fat_cursor at = place->first;

    fs->sum = fp_fat_checksum(place->raw);
    for (uint32_t left = place->slots; --left;) {
        put_part(fs, fp_fat_slot_edit(fs, &at), left);
        fp_fat_cursor_step(fs, &at);
    }
    memcpy(fp_fat_edit(fs, place->sector, place->off), place->raw, FP_FAT_SLOT);
}

void fp_fat_entry_drop(struct fp_fat *fs, const struct fp_fat_place *place)
{
    struct fp_fat_cursor at = place->first;

#if !FP_FAT_SMALL
    fp_fat_index_gone(fs);
    fp_fat_index_freed(fs);
#endif
    *fp_fat_edit(fs, place->sector, place->off) = FP_FAT_FREE;
    for (uint32_t left = place->slots; left > 1; left--) {
        *fp_fat_slot_edit(fs, &at) = FP_FAT_FREE;
        fp_fat_cursor_step(fs, &at);
    }
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
