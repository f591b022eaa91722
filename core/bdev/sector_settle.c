/* SPDX-License-Identifier: MIT
 *
 * A redo in a dump, where nobody says where the reserve is or how large groups
 * are. But records have a CRC, so that the one with the highest number is found
 * wherever it lies; and so has the spare that a mark is about: the size of a
 * group with which the spare has its CRC is the right one.
 *
 * Only one volume's journal is expected in a dump. That it is this volume's
 * shows in the group: where its redo was under way, some of it is what the
 * spare has, or is erased.
 */
#include "core/bdev/sector.h"

#include "core/bdev/sector_record.h"
#include "core/bytes.h"
#include "core/digest/crc32.h"

#include <string.h>

#define SLOT      32u  /* every record begins at a multiple of it */
#define GROUP_MIN 512u /* no erase block is smaller that has a journal */
#define GROUP_MAX (FP_BDEV_SECTOR_GROUP_MAX * 512u)

struct record {
    fp_addr at;
    uint32_t seq, group, spare, crc;
};

struct settling {
    struct fp_bdev *dump;
    const struct fp_bdev_sector_volume *volume;
    struct record last; /* seq 0: none was found */
};

static bool is_in_volume(const struct settling *s, fp_addr at)
{
    return at >= s->volume->off && at - s->volume->off < s->volume->size;
}

/* What lies at `at`, if it is a record and the last one so far. */
static void look(struct settling *s, fp_addr at, const uint8_t *buf)
{
    if (fp_get_le32(buf) <= s->last.seq || is_in_volume(s, at) ||
        fp_get_le32(buf + 16) != fp_crc32(FP_SECTOR_RECORD_SEED, buf, 16))
        return;
    s->last = (struct record){
        .at = at,
        .seq = fp_get_le32(buf),
        .group = fp_get_le32(buf + 4),
        .spare = fp_get_le32(buf + 8),
        .crc = fp_get_le32(buf + 12),
    };
}

static int find_last(struct settling *s)
{
    const fp_addr end = fp_bdev_size(s->dump);
    uint8_t buf[8 * SLOT];
    int err = FP_OK;

    for (fp_addr at = 0; end - at >= sizeof buf && !err; at += sizeof buf) {
        err = fp_bdev_read(s->dump, at, buf, sizeof buf);
        for (uint32_t i = 0; i < sizeof buf && !err; i += SLOT)
            look(s, at + i, buf + i);
    }
    return err;
}

/* Compares the spare at `spare` with the group: does it have the CRC, and does
 * the group look as if it was to become that? */
static bool is_spare(const struct settling *s, fp_addr spare, uint32_t size,
                     fp_addr group)
{
    uint8_t a[64], b[64], erased[64];
    uint32_t crc = UINT32_MAX, alike = 0;

    memset(erased, 0xff, sizeof erased);
    for (uint32_t at = 0; at < size; at += sizeof a) {
        if (fp_bdev_read(s->dump, spare + at, a, sizeof a) != FP_OK ||
            fp_bdev_read(s->dump, group + at, b, sizeof b) != FP_OK)
            return false;
        crc = fp_crc32(crc, a, sizeof a);
        alike +=
            memcmp(a, b, sizeof a) == 0 || memcmp(b, erased, sizeof b) == 0;
    }
    return crc == s->last.crc && alike > 0;
}

/* The size of a group, and where the spare is. The record lies in the first
 * group of the reserve or in its second. */
static bool find_spare(const struct settling *s, fp_addr group, fp_addr *spare,
                       uint32_t *size)
{
    const fp_addr end = fp_bdev_size(s->dump);

    for (*size = GROUP_MIN; *size <= GROUP_MAX; *size *= 2)
        for (uint32_t half = 0; half < FP_SECTOR_JOURNALS; half++) {
            fp_addr index = s->last.at / *size - half;

            *spare = (index + FP_SECTOR_JOURNALS + s->last.spare) * *size;
            if (index <= end / *size && *spare < end && end - *spare >= *size &&
                group % *size == 0 &&
                is_spare(s, *spare, *size, s->volume->off + group))
                return true;
        }
    return false;
}

static int copy(struct fp_bdev *dump, fp_addr from, fp_addr to, uint32_t size)
{
    uint8_t buf[128];
    int err = FP_OK;

    for (uint32_t at = 0; at < size && !err; at += sizeof buf) {
        err = fp_bdev_read(dump, from + at, buf, sizeof buf);
        if (!err)
            err = fp_bdev_prog(dump, to + at, buf, sizeof buf);
    }
    return err;
}

int fp_bdev_sector_settle(struct fp_bdev *dump,
                          const struct fp_bdev_sector_volume *volume)
{
    struct settling s = { .dump = dump, .volume = volume };
    static const uint8_t no_crc[4];
    fp_addr group, spare;
    uint32_t size;
    int err = find_last(&s);

    group = (fp_addr)s.last.group * volume->sector_size;
    if (err || s.last.seq == 0 || s.last.group == FP_SECTOR_NO_GROUP ||
        group >= volume->size || !find_spare(&s, group, &spare, &size))
        return err;
    err = copy(dump, spare, volume->off + group, size);
    /* The record before it says that nothing is under way. */
    return err ? err
               : fp_bdev_prog(dump, s.last.at + 16, no_crc, sizeof no_crc);
}
