/* SPDX-License-Identifier: MIT
 *
 * Entries made and unmade. All slots of an entry go into one sector, so that
 * one program makes it; only a name that fills more than a sector, or a full
 * directory that has no such room left, takes two, and then the 8.3 slot comes
 * last. Where the rest of the last sector is too short, the entry goes to the
 * start of the next, and only then the slots between, at which the directory
 * ended, are given out as free: it is that program which makes the entry.
 */
#include "core/fs/fat/vol.h"

#define FREE       0xe5
#define ROUNDS_MAX 64u

/* Room that is looked for in a directory. */
struct gap {
    uint32_t need, run; /* slots: wanted, and free up to here */
    bool aligned;       /* in one sector, or from the start of one */
    bool found;
    uint32_t tails;   /* of aliases that are taken, a bit each */
    uint32_t cluster; /* the last of the directory */
    struct fp_fat_cursor start, at;
};

static uint32_t slots_of(const struct fp_fat *fs)
{
    return fp_fat_sector_size(fs) / FP_FAT_SLOT;
}

static void see_free(const struct fp_fat *fs, struct gap *gap)
{
    bool starts = gap->at.slot % slots_of(fs) == 0;
    bool spills = gap->need > slots_of(fs);

    if (gap->found || (gap->aligned && spills && !gap->run && !starts))
        return;
    if (!gap->run || (gap->aligned && !spills && starts)) {
        gap->start = gap->at;
        gap->run = 0;
    }
    gap->found = ++gap->run == gap->need;
}

static void see_used(struct gap *gap, const uint8_t *raw, const uint8_t *alias)
{
    if (!gap->found)
        gap->run = 0;
    if (!(raw[FP_FAT_AT_ATTR] & FP_FAT_LABEL))
        gap->tails |= 1u << fp_fat_alias_tail(alias, raw);
}

/* Through all slots; gap->at stands behind the last then. */
static int scan(struct fp_fat *fs, uint32_t dir, struct gap *gap,
                const uint8_t *alias)
{
    gap->run = gap->tails = 0;
    gap->found = false;
    fp_fat_cursor_start(&gap->at, dir);
    for (;;) {
        uint8_t *raw;
        int err = fp_fat_slot(fs, &gap->at, &raw);

        if (err || !raw[0])
            return err == FP_ERR_NOENT ? FP_OK : err;
        if (raw[0] == FREE)
            see_free(fs, gap);
        else
            see_used(gap, raw, alias);
        gap->cluster = gap->at.cluster;
        err = fp_fat_cursor_step(fs, &gap->at);
        if (err)
            return err;
    }
}

/* One more cluster of zeros for the directory. */
static int grow(struct fp_fat *fs, struct gap *gap)
{
    int err;

    if (!gap->at.head || gap->at.slot >= FP_FAT_SLOTS_MAX)
        return FP_ERR_NOSPC;
    err = fp_fat_alloc(fs, gap->cluster, &gap->at.cluster);
    if (!err)
        err = fp_fat_zero(fs, gap->at.cluster);
    return err ? err : fp_fat_set(fs, gap->cluster, gap->at.cluster);
}

/* Makes slots behind the end of the directory, and the one after them if it is
 * there, ends of it: what was in them never counted. */
static int clear(struct fp_fat *fs, struct gap *gap, uint32_t from)
{
    for (;;) {
        bool is_behind = gap->at.slot == from + gap->need;
        uint8_t *raw;
        int err = fp_fat_slot(fs, &gap->at, &raw);

        if (err == FP_ERR_NOENT && is_behind)
            return FP_OK;
        if (err == FP_ERR_NOENT) {
            err = grow(fs, gap);
            if (!err)
                err = fp_fat_slot(fs, &gap->at, &raw);
        }
        if (!err && raw[0])
            err = fp_fat_slot_edit(fs, &gap->at, &raw);
        if (err)
            return err;
        raw[0] = 0;
        if (is_behind)
            return FP_OK;
        if (gap->at.slot == from)
            gap->start = gap->at;
        gap->cluster = gap->at.cluster;
        err = fp_fat_cursor_step(fs, &gap->at);
        if (err)
            return err;
    }
}

/* Room at the end, with free slots just before it. */
static int extend(struct fp_fat *fs, struct gap *gap,
                  struct fp_fat_place *place)
{
    uint32_t slots = slots_of(fs), end = gap->at.slot, from = end;
    bool spills = gap->need > slots;

    if (gap->run && (!gap->aligned || spills || end % slots))
        from = gap->start.slot;
    if (gap->aligned && from % slots &&
        (spills || from % slots + gap->need > slots)) {
        from = (end + slots - 1) / slots * slots;
        place->pad = gap->at;
        place->pads = from - end;
    }
    return clear(fs, gap, from);
}

/* An alias that the directory does not have; and room, if there is. */
static int scan_names(struct fp_fat *fs, uint32_t dir, struct gap *gap,
                      uint8_t *raw)
{
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        uint32_t tail = 1;
        int err;

        if (fs->units)
            fp_fat_alias_make(fs, raw, round);
        err = scan(fs, dir, gap, raw);
        if (err || !fs->units)
            return err;
        while (gap->tails >> tail & 1)
            tail++;
        if (tail <= 9) {
            fp_fat_alias_set(raw, tail);
            return FP_OK;
        }
    }
    return FP_ERR_NOSPC;
}

int fp_fat_room(struct fp_fat *fs, uint32_t dir, const char *name,
                struct fp_fat_place *place)
{
    struct gap gap = { .aligned = true };
    struct fp_fat_cursor at;
    uint8_t *raw;
    int err;

    memset(place, 0, sizeof *place);
    err = fp_fat_name_take(fs, name, place->raw);
    if (err)
        return err;
    gap.need = place->slots = 1 + (fs->units + 12) / 13;
    err = scan_names(fs, dir, &gap, place->raw);
    if (!err && !gap.found)
        err = extend(fs, &gap, place);
    if (err == FP_ERR_NOSPC) {
        gap.aligned = false;
        place->pads = 0;
        err = scan(fs, dir, &gap, place->raw);
        if (!err && !gap.found)
            err = extend(fs, &gap, place);
    }
    if (err)
        return err;
    place->first = at = gap.start;
    for (uint32_t i = 1; i < place->slots && !err; i++)
        err = fp_fat_cursor_step(fs, &at);
    if (!err)
        err = fp_fat_slot(fs, &at, &raw);
    place->sector = fs->win.sector;
    place->off = (uint32_t)(raw - fs->win.buf);
    return err;
}

/* Part `part` of the long name, from 1. */
static void put_part(const struct fp_fat *fs, uint8_t *raw, uint32_t part,
                     bool is_last, uint8_t sum)
{
    uint32_t at = (part - 1) * 13;

    memset(raw, 0xff, FP_FAT_SLOT);
    raw[0] = (uint8_t)(part | (is_last ? 0x40 : 0));
    raw[FP_FAT_AT_ATTR] = FP_FAT_LONG;
    raw[FP_FAT_AT_CASE] = 0;
    raw[13] = sum;
    fp_put_le16(raw + FP_FAT_AT_LOW, 0);
    for (uint32_t i = 0; i < 13 && at <= fs->units; i++, at++)
        fp_put_le16(raw + fp_fat_part_at[i], at < fs->units ? fs->name[at] : 0);
}

int fp_fat_entry_put(struct fp_fat *fs, struct fp_fat_place *place)
{
    struct fp_fat_cursor at = place->first;
    uint8_t *raw, sum = fp_fat_checksum(place->raw);
    int err = FP_OK;

    for (uint32_t left = place->slots; left-- > 0 && !err;) {
        err = fp_fat_slot_edit(fs, &at, &raw);
        if (err)
            return err;
        if (left)
            put_part(fs, raw, left, left + 1 == place->slots, sum);
        else
            memcpy(raw, place->raw, FP_FAT_SLOT);
        if (left)
            err = fp_fat_cursor_step(fs, &at);
    }
    for (; place->pads > 0 && !err; place->pads--, place->pad.slot++) {
        err = fp_fat_slot_edit(fs, &place->pad, &raw);
        if (!err)
            raw[0] = FREE;
    }
    return err;
}

int fp_fat_entry_drop(struct fp_fat *fs, const struct fp_fat_place *place)
{
    struct fp_fat_cursor at = place->first;
    uint8_t *raw;
    int err = fp_fat_edit(fs, place->sector, place->off, &raw);

    if (err)
        return err;
    raw[0] = FREE;
    for (uint32_t left = place->slots; --left > 0 && !err;) {
        err = fp_fat_slot_edit(fs, &at, &raw);
        if (err)
            return err;
        raw[0] = FREE;
        err = fp_fat_cursor_step(fs, &at);
    }
    return err;
}

void fp_fat_head_set(uint8_t *raw, uint32_t head, uint32_t size)
{
    fp_put_le16(raw + FP_FAT_AT_HIGH, (uint16_t)(head >> 16));
    fp_put_le16(raw + FP_FAT_AT_LOW, (uint16_t)head);
    fp_put_le32(raw + FP_FAT_AT_SIZE, size);
}
