/* SPDX-License-Identifier: MIT
 *
 * One group of the volume at a time is rewritten, by way of a spare:
 *
 *     open    erase the spare; sectors that are written go to their place in
 *             it, where reads find them
 *     copy    the group's other sectors follow
 *     mark    a record in the journal: this group is that spare, whose CRC is
 *     erase   the group
 *     program the group, out of the spare
 *     clear   a record in the journal: nothing is under way
 *
 * The last valid record, that with the highest number, says what a cut left. A
 * mark whose spare has the CRC: the redo may have begun, the spare is whole,
 * and it starts again from the mark. Anything else: the group was not touched
 * yet, or is finished.
 *
 * Why that holds whatever a cut leaves
 *
 * A record that was torn may be valid at one start and not at the next. So no
 * erase of a group rests on a record that was found: a redo that starts again
 * writes its mark again, and is under way from then on. Nor is anything ever
 * written behind a record that may be torn, over cells that only look erased:
 * the first record after a start goes to the other half of the journal, which
 * is erased for it. Its number leaves one out, that of a torn record which did
 * not look valid and may do so later.
 *
 * An erase that was torn leaves old records, or pieces of them, in that other
 * half; their numbers are lower than the last one's, which lies in this half
 * and is not erased before the other one has a higher. A spare is only erased
 * when what it was marked for is on the volume: should the clear behind the
 * mark be undecided, the redo that starts again either fails its CRC or writes
 * what is there.
 *
 * Nothing is programmed in place. It could only be where a whole sector lands
 * at once, or where the change lies in one unit that does; and FAT's free
 * entries are 0, so that allocating sets bits.
 */
#include "core/bdev/sector.h"

#include "core/bdev/sector_record.h"
#include "core/bytes.h"
#include "core/digest/crc32.h"

#include <stddef.h>
#include <string.h>

#define RECORD_ROOM 32 /* a multiple of smaller units of programming */

/* In place of the offset of the next record, before the first after a start:
 * what was found may be found otherwise at the next one. */
#define UNDECIDED UINT32_MAX

static struct fp_bdev_sector *sector_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_sector *)dev;
}

static fp_addr spare_off(const struct fp_bdev_sector *s)
{
    return (fp_addr)(FP_SECTOR_JOURNALS + s->spare) * s->group_size;
}

static int erase_group(struct fp_bdev_sector *s, struct fp_bdev *dev,
                       fp_addr off)
{
    const uint32_t size = s->under->block_size;

    fp_bdev_yield(dev);
    return fp_bdev_erase(dev, (uint32_t)(off / size), s->group_size / size);
}

/* The byte of `held`, and the bit in it, of the sector at `at` in the group. */
static uint8_t *held(struct fp_bdev_sector *s, uint32_t at, uint8_t *bit)
{
    uint32_t sector = at / s->bdev.block_size;

    *bit = (uint8_t)(1 << sector % 8);
    return &s->held[sector / 8];
}

static bool is_held(struct fp_bdev_sector *s, fp_addr off)
{
    uint8_t bit;

    if (!s->open || off - s->group >= s->group_size)
        return false;
    return *held(s, (uint32_t)(off - s->group), &bit) & bit;
}

static int sector_read(struct fp_bdev *dev, fp_addr off, void *buf,
                       uint32_t size)
{
    struct fp_bdev_sector *s = sector_of(dev);
    uint8_t *dst = buf;
    int err = FP_OK;

    if (!s->open)
        return fp_bdev_read(s->under, off, buf, size);
    while (!err && size > 0) {
        uint32_t n = dev->block_size - (uint32_t)(off % dev->block_size);

        if (n > size)
            n = size;
        if (is_held(s, off))
            err = fp_bdev_read(s->reserve, spare_off(s) + (off - s->group), dst,
                               n);
        else
            err = fp_bdev_read(s->under, off, dst, n);
        off += n;
        dst += n;
        size -= n;
    }
    return err;
}

/* Programs a sector of the open group into the spare. */
static int prog_spare(struct fp_bdev_sector *s, uint32_t at, const void *src)
{
    uint8_t bit, *byte = held(s, at, &bit);
    int err =
        fp_bdev_prog(s->reserve, spare_off(s) + at, src, s->bdev.block_size);

    if (!err)
        *byte |= bit;
    return err;
}

/* --- the journal ---------------------------------------------------------- */

/* The next record: a mark of the spare for a group, or a clear. */
static int append(struct fp_bdev_sector *s, uint32_t group)
{
    const uint32_t fields[] = { s->seq + 1, group, s->spare, s->crc };
    uint8_t *buf = s->buf;
    int err;

    if (s->next >= s->group_size) {
        err = erase_group(s, s->reserve, s->journal ^ s->group_size);
        if (err)
            return err;
        s->journal ^= s->group_size;
        s->next = 0;
    }
    memset(buf, 0xff, s->slot_size);
    for (uint32_t i = 0; i < 4; i++)
        fp_put_le32(buf + 4 * i, fields[i]);
    fp_put_le32(buf + 16, fp_crc32(FP_SECTOR_RECORD_SEED, buf, 16));
    err = fp_bdev_prog(s->reserve, (fp_addr)s->journal + s->next, buf,
                       s->slot_size);
    if (err)
        return err;
    s->next += s->slot_size;
    s->seq++;
    return FP_OK;
}

/* Reads the record at `next` into the buffer: FP_ERR_CORRUPT if it is none. */
static int read_record(struct fp_bdev_sector *s)
{
    uint8_t *buf = s->buf;
    int err = FP_ERR_CORRUPT;

    if (s->next < s->group_size)
        err = fp_bdev_read(s->reserve, (fp_addr)s->journal + s->next, buf,
                           s->slot_size);
    if (!err &&
        fp_get_le32(buf + 16) != fp_crc32(FP_SECTOR_RECORD_SEED, buf, 16))
        err = FP_ERR_CORRUPT;
    return err;
}

/* Finds the last record; its group and CRC. Both halves are written without
 * gaps from their start. */
static int find_last(struct fp_bdev_sector *s, uint32_t *group, uint32_t *crc)
{
    const uint8_t *buf = s->buf;
    uint32_t last = 0;
    int err;

    do {
        s->next = 0;
        while ((err = read_record(s)) == FP_OK) {
            s->next += s->slot_size;
            if (fp_get_le32(buf) <= s->seq)
                continue;
            last = s->journal;
            s->seq = fp_get_le32(buf);
            *group = fp_get_le32(buf + 4);
            s->spare = fp_get_le32(buf + 8);
            *crc = fp_get_le32(buf + 12);
        }
        s->journal ^= s->group_size;
    } while (err == FP_ERR_CORRUPT && s->journal != 0);
    s->journal = last;
    s->next = UNDECIDED;
    s->seq++;
    return err == FP_ERR_CORRUPT ? FP_OK : err;
}

/* --- a redo --------------------------------------------------------------- */

/* Passes over the group: to the spare come the sectors that it has not, or
 * (back) all go to the volume. */
static int pass(struct fp_bdev_sector *s, bool back)
{
    const uint32_t size = s->bdev.block_size;
    int err = FP_OK;

    s->crc = UINT32_MAX;
    for (uint32_t at = 0; !err && at < s->group_size; at += size) {
        fp_addr off = s->group + at;

        err = sector_read(&s->bdev, off, s->buf, size);
        if (!err && back)
            err = fp_bdev_prog(s->under, off, s->buf, size);
        else if (!err && !is_held(s, off))
            err = prog_spare(s, at, s->buf);
        s->crc = fp_crc32(s->crc, s->buf, size);
    }
    return err;
}

/* Closes the window: what it holds comes to the volume. */
static int flush(struct fp_bdev_sector *s)
{
    int err;

    if (!s->open)
        return FP_OK;
    err = pass(s, false);
    if (!err)
        err = append(s, (uint32_t)(s->group / s->bdev.block_size));
    if (!err)
        err = erase_group(s, s->under, s->group);
    if (!err)
        err = pass(s, true);
    if (!err)
        err = append(s, FP_SECTOR_NO_GROUP);
    if (!err)
        s->open = false;
    return err;
}

/* Makes room for the sector at `off`: its group's window, in which it is not
 * held. */
static int open_window(struct fp_bdev_sector *s, fp_addr off)
{
    int err;

    if (s->open && off - s->group < s->group_size && !is_held(s, off))
        return FP_OK;
    err = flush(s);
    if (err)
        return err;
    if (++s->spare >= s->spare_count)
        s->spare = 0;
    err = erase_group(s, s->reserve, spare_off(s));
    if (err)
        return err;
    s->open = true;
    s->group = off - off % s->group_size;
    memset(s->held, 0, sizeof s->held);
    return FP_OK;
}

/* One sector, unless it is there as it is to be, and will be at the next start,
 * which the first record of this one sees to. */
static int put(struct fp_bdev_sector *s, fp_addr off, const void *src)
{
    const uint32_t size = s->bdev.block_size;
    int err = sector_read(&s->bdev, off, s->buf, size);

    if (!err && s->next != UNDECIDED && memcmp(s->buf, src, size) == 0)
        return FP_OK;
    err = open_window(s, off);
    return err ? err : prog_spare(s, (uint32_t)(off - s->group), src);
}

/* --- the device ----------------------------------------------------------- */

/* A freeze changed nothing; any other error ends the order of writes. */
static int noted(struct fp_bdev_sector *s, int err)
{
    if (err != FP_ERR_BUSY)
        s->failed = err;
    return err;
}

static int sector_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                       uint32_t size)
{
    struct fp_bdev_sector *s = sector_of(dev);
    int err = s->failed;

    for (uint32_t at = 0; !err && at < size; at += dev->block_size)
        err = noted(s, put(s, off + at, (const uint8_t *)buf + at));
    return err;
}

/* A hint, for which nothing is worth doing. */
static int sector_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    (void)dev;
    (void)block;
    (void)count;
    return FP_OK;
}

static int sector_sync(struct fp_bdev *dev)
{
    struct fp_bdev_sector *s = sector_of(dev);
    int err = s->failed;

    if (dev->flags & FP_BDEV_RDONLY)
        return FP_OK;
    if (!err)
        err = noted(s, flush(s));
    return err ? err : fp_bdev_sync(s->under);
}

static void sector_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(sector_of(dev)->under);
}

static const struct fp_bdev_ops sector_ops = {
    .read = sector_read,
    .prog = sector_prog,
    .erase = sector_erase,
    .sync = sector_sync,
    .yield = sector_yield,
};

/* Sizes of group, record and device; FP_ERR_INVAL if they do not fit. */
static int lay_out(struct fp_bdev_sector *s)
{
    const struct fp_bdev *dev = s->under, *res = s->reserve;
    uint32_t size = s->bdev.block_size, block_size = dev->block_size;
    uint32_t group = size > block_size ? size : block_size;
    uint32_t in_reserve;

    if (size < 512 || size > 4096 || (size & (size - 1)) != 0 ||
        size % dev->prog_size != 0 || group % size != 0 ||
        group % block_size != 0 || group / size > FP_BDEV_SECTOR_GROUP_MAX)
        return FP_ERR_INVAL;
    in_reserve = (uint32_t)(fp_bdev_size(res) / group);
    if (res->block_size != block_size || res->prog_size != dev->prog_size ||
        in_reserve <= FP_SECTOR_JOURNALS)
        return FP_ERR_INVAL;

    s->spare_count = in_reserve - FP_SECTOR_JOURNALS;
    s->group_size = group;
    s->slot_size = dev->prog_size > RECORD_ROOM ? dev->prog_size : RECORD_ROOM;
    s->bdev.block_count =
        (uint32_t)(fp_bdev_size(dev) / group) * (group / size);
    return s->bdev.block_count == 0 ? FP_ERR_INVAL : FP_OK;
}

/* What a cut left: a redo that may have begun is an open window, which holds
 * the whole group. */
static int recover(struct fp_bdev_sector *s)
{
    uint32_t sector = FP_SECTOR_NO_GROUP, crc = 0;
    int err = find_last(s, &sector, &crc);

    if (err || sector >= s->bdev.block_count)
        return err;
    s->group = (fp_addr)sector * s->bdev.block_size;
    if (s->group % s->group_size != 0 || s->spare >= s->spare_count)
        return FP_OK;
    s->open = true;
    memset(s->held, 0xff, sizeof s->held);
    err = pass(s, false);
    s->open = !err && s->crc == crc;
    return err == FP_ERR_CORRUPT ? FP_OK : err;
}

int fp_bdev_sector_init(struct fp_bdev_sector *sector, struct fp_bdev *under,
                        struct fp_bdev *reserve,
                        const struct fp_bdev_sector_config *cfg)
{
    const uint32_t kept = FP_BDEV_XIP | FP_BDEV_REMOVABLE | FP_BDEV_RDONLY;
    int err;

    *sector = (struct fp_bdev_sector){
        .bdev = *under,
        .under = under,
        .reserve = reserve,
        .buf = cfg->buf,
    };
    sector->bdev.ops = &sector_ops;
    sector->bdev.block_size = cfg->sector_size != 0 ? cfg->sector_size : 512;
    sector->bdev.prog_size = sector->bdev.block_size;
    sector->bdev.flags =
        (under->flags & kept) | FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    err = lay_out(sector);
    return err ? err : recover(sector);
}
