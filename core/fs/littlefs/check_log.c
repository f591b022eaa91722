/* SPDX-License-Identifier: MIT
 *
 * One pair's log, tag by tag. Its checksums are right, or it would not have
 * been read at all; what is looked for is what a correct driver never writes:
 * tags that are malformed or out of place, commits that end wrongly, and
 * checksums of erased flash that are not of what is there.
 *
 * Source: the format page, sections 3.1 to 3.5 and 11.
 */
#include "core/digest/crc32.h"
#include "core/fs/littlefs/check.h"

#include <string.h>

#define IDS      256u
#define UNIT_MIN 16u /* a torn program is taken to reach that far */

struct log {
    struct fp_lfs *fs;
    struct fp_step *step;
    const struct fp_lfs_mdir *m;
    uint32_t off, ptag, tag;  /* of the tag that is looked at */
    uint32_t count;           /* of entries so far */
    uint8_t named[IDS / 8];   /* bit an entry: its name has come */
    bool first;               /* in the commit a block begins with */
    uint32_t fcrcs, last;     /* in this commit: their number; its last tag */
    uint32_t fcrc_size, fcrc; /* of the last of them */
};

#define SAY(log, level, ...) \
    fp_lfs_say((log)->step, FP_FINDING_##level, (log)->m->pair[0], __VA_ARGS__)

static bool is_named(const struct log *log, uint32_t id)
{
    return id < log->count && log->named[id / 8] >> id % 8 & 1;
}

static void set_named(struct log *log, uint32_t id, bool named)
{
    log->named[id / 8] &= (uint8_t) ~(1u << id % 8);
    log->named[id / 8] |= (uint8_t)((uint32_t)named << id % 8);
}

/* --- tags --- */

/* Bytes of data that tags of this type have; 0x3ff: it differs. */
static uint32_t fixed_size(uint32_t type)
{
    switch (type) {
    case FP_LFS_CREATE:
    case FP_LFS_DELETE:
        return 0;
    case FP_LFS_NAME_SUPER:
    case FP_LFS_STRUCT_DIR:
    case FP_LFS_STRUCT_CTZ:
    case FP_LFS_SOFTTAIL:
    case FP_LFS_HARDTAIL:
    case FP_LFS_FCRC:
        return 8;
    case FP_LFS_MOVESTATE:
        return 12;
    default:
        return 0x3ff;
    }
}

static bool is_known(uint32_t type)
{
    return fixed_size(type) != 0x3ff || type == FP_LFS_NAME_FILE ||
           type == FP_LFS_NAME_DIR || type == FP_LFS_STRUCT_INLINE ||
           type >> 8 == 3;
}

/* What can be said of a tag by itself. */
static bool is_formed(struct log *log)
{
    uint32_t type = fp_lfs_tag_type(log->tag), id = fp_lfs_tag_id(log->tag);
    uint32_t len = fp_lfs_tag_len(log->tag), fixed = fixed_size(type);
    bool needs_id = type >> 8 < 5 && type >> 8 != 1;

    if (!is_known(type))
        SAY(log, ERROR, "the tag at byte %u is of an unknown type, %x",
            log->off, type);
    else if (needs_id == (id == FP_LFS_NO_ID))
        SAY(log, ERROR, "the tag at byte %u, of type %x, %s", log->off, type,
            needs_id ? "belongs to no entry" : "belongs to an entry");
    else if (len == FP_LFS_REMOVED && type >> 8 != 3)
        SAY(log, ERROR,
            "the tag at byte %u says that it is removed, as only attributes "
            "can be",
            log->off);
    else if (fixed != 0x3ff && len != fixed)
        SAY(log, ERROR,
            "the tag at byte %u, of type %x, has %u bytes of data instead of "
            "%u",
            log->off, type, len, fixed);
    else
        return true;
    return false;
}

static void take_create(struct log *log, uint32_t id)
{
    if (id > log->count || log->count >= IDS)
        return;
    for (uint32_t i = log->count++; i > id; i--)
        set_named(log, i, is_named(log, i - 1));
    set_named(log, id, false);
}

static void take_delete(struct log *log, uint32_t id)
{
    if (id >= log->count)
        return;
    for (uint32_t i = id; i + 1 < log->count; i++)
        set_named(log, i, is_named(log, i + 1));
    log->count--;
}

/* In the commit a block begins with entries come in any order; later a name
 * follows its CREATE. */
static void take_name(struct log *log, uint32_t id)
{
    if (id >= IDS)
        return;
    if (id >= log->count && !log->first)
        SAY(log, ERROR, "entry %u is named at byte %u without being created",
            id, log->off);
    while (log->count <= id)
        set_named(log, log->count++, false);
    set_named(log, id, true);
}

static int take_hardtail(struct log *log)
{
    uint32_t pair[2];
    int err = fp_lfs_words(log->fs, log->m->pair[0], log->off + 4, pair, 2);

    if (!err && (pair[0] == FP_LFS_NULL || pair[1] == FP_LFS_NULL))
        SAY(log, ERROR, "at byte %u the directory goes on in no pair",
            log->off);
    return err;
}

static int take_fcrc(struct log *log)
{
    uint32_t fcrc[2] = { 0, 0 };
    int err = fp_lfs_words(log->fs, log->m->pair[0], log->off + 4, fcrc, 2);

    log->fcrcs++;
    log->fcrc_size = fcrc[0];
    log->fcrc = fcrc[1];
    if (!log->fs->minor)
        SAY(log, ERROR,
            "the tag at byte %u is of version 2.1, and the volume is 2.0: "
            "older drivers cannot read what follows",
            log->off);
    return err;
}

/* What can be said of it by what came before. */
static int take_tag(struct log *log)
{
    uint32_t type = fp_lfs_tag_type(log->tag), id = fp_lfs_tag_id(log->tag);

    log->last = type;
    if (!is_formed(log))
        return FP_OK;
    if (type >> 8 == 4 && log->first)
        SAY(log, WARNING,
            "the tag at byte %u creates or removes an entry in the commit "
            "that the block begins with",
            log->off);
    if ((type >> 8 == 2 || type >> 8 == 3) && !is_named(log, id))
        SAY(log, ERROR, "entry %u is given content at byte %u before its name",
            id, log->off);
    if (type >> 8 == 3 && fp_lfs_tag_size(log->tag) > log->fs->super.attr_max)
        SAY(log, ERROR, "entry %u has an attribute of %u bytes, %u are allowed",
            id, fp_lfs_tag_size(log->tag), log->fs->super.attr_max);
    switch (type) {
    case FP_LFS_CREATE:
        take_create(log, id);
        return FP_OK;
    case FP_LFS_DELETE:
        take_delete(log, id);
        return FP_OK;
    case FP_LFS_FCRC:
        return take_fcrc(log);
    case FP_LFS_HARDTAIL:
        return take_hardtail(log);
    default:
        if (type >> 8 == 0)
            take_name(log, id);
        return FP_OK;
    }
}

/* --- the end of a commit --- */

/* CRC of `size` bytes from off on. *even: they are all the same. */
static int sum_area(struct log *log, uint32_t off, uint32_t size, uint32_t *crc,
                    uint8_t *first, bool *even)
{
    uint8_t part[32];

    *crc = 0xffffffff;
    *even = true;
    for (uint32_t done = 0; done < size;) {
        uint32_t n = fp_lfs_min(size - done, sizeof part);
        int err = fp_lfs_read(log->fs, log->m->pair[0], off + done, part, n);

        if (err)
            return err;
        if (!done)
            *first = part[0];
        for (uint32_t i = 0; i < n; i++)
            *even = *even && part[i] == *first;
        *crc = fp_crc32(*crc, part, n);
        done += n;
    }
    return FP_OK;
}

/* The sum of what follows the last commit, against what is there. */
static int check_fcrc(struct log *log, uint32_t end)
{
    uint32_t crc;
    uint8_t first;
    bool even;
    int err = sum_area(log, end, log->fcrc_size, &crc, &first, &even);

    if (err || crc == log->fcrc)
        return err;
    if (even && first == 0xff)
        SAY(log, WARNING,
            "the checksum of the erased bytes behind the last commit, at byte "
            "%u, is not theirs: each mount's first write moves the pair",
            end);
    else if (!log->m->trailing)
        SAY(log, PENDING,
            "something unfinished follows the last commit, at "
            "byte %u",
            end);
    return FP_OK;
}

/* Erased flash must not look like a tag: the CRC tag has a bit for that. */
static int check_erased_bit(struct log *log, uint32_t end)
{
    uint32_t crc;
    uint8_t first;
    bool even;
    int err = sum_area(log, end, fp_lfs_min(4, log->fs->block_size - end), &crc,
                       &first, &even);

    if (!err && even && (first == 0xff || first == 0) &&
        (fp_lfs_tag_type(log->tag) & 1) != (~(uint32_t)first >> 7 & 1))
        SAY(log, ERROR,
            "erased flash behind the last commit, at byte %u, reads as a tag",
            end);
    return err;
}

static int check_end(struct log *log, uint32_t end)
{
    if (end % log->fs->dev->prog_size)
        SAY(log, WARNING,
            "the last commit ends at byte %u, within a program unit of %u: "
            "each mount's first write moves the pair",
            end, log->fs->dev->prog_size);
    if (end == log->fs->block_size)
        return FP_OK;
    if (log->fcrc_size) {
        int err = check_fcrc(log, end);

        if (err)
            return err;
    }
    return check_erased_bit(log, end);
}

static int take_crc(struct log *log)
{
    uint32_t end = log->off + 4 + fp_lfs_tag_size(log->tag);
    int err = FP_OK;

    if (fp_lfs_tag_type(log->tag) > FP_LFS_CCRC + 1)
        SAY(log, WARNING, "the checksum at byte %u is of an unused type, %x",
            log->off, fp_lfs_tag_type(log->tag));
    if (log->fcrcs > 1 || (log->fcrcs && log->last != FP_LFS_FCRC))
        SAY(log, WARNING,
            "the commit that ends at byte %u has the checksum of what follows "
            "it in the wrong place",
            end);
    if (log->fcrcs &&
        (!log->fcrc_size || log->fcrc_size > log->fs->block_size - end)) {
        SAY(log, ERROR,
            "the commit that ends at byte %u sums %u bytes behind it, and %u "
            "are there",
            end, log->fcrc_size, log->fs->block_size - end);
        log->fcrc_size = 0;
    }
    if (end >= log->m->off)
        err = check_end(log, end);
    log->ptag = log->tag ^ (fp_lfs_tag_type(log->tag) & 1) << 31;
    log->fcrcs = log->fcrc_size = 0;
    log->first = false;
    return err;
}

/* --- the pair as a whole --- */

/* Bytes that its entries take in a block of their own. */
static int live_size(struct log *log, uint32_t *size)
{
    const struct fp_lfs_mdir *m = log->m;

    *size = 0;
    for (uint32_t id = 0; id < m->count; id++) {
        struct fp_lfs_attr attr = { .len = 0 };
        uint32_t from = 0;
        int err = FP_OK;

        *size += 8 + fp_lfs_rec_len(m->ents[id].name) +
                 fp_lfs_rec_len(m->ents[id].strct);
        while (!err && from < 256) {
            err = fp_lfs_attr_next(log->fs, m, id, from, &attr);
            *size += err ? 0 : 4u + attr.len;
            from = attr.type + 1u;
        }
        if (err && err != FP_ERR_NODATA)
            return err;
    }
    return FP_OK;
}

static int check_live(struct log *log)
{
    uint32_t size;
    int err = live_size(log, &size);

    if (!err &&
        size > log->fs->block_size - fp_lfs_min(log->m->count == 1 ? 40 : 12,
                                                log->fs->block_size))
        SAY(log, ERROR,
            "the entries take %u of %u bytes: they can never be written out "
            "afresh",
            size, log->fs->block_size);
    return err;
}

int fp_lfs_check_log(struct fp_lfs *fs, struct fp_step *step,
                     const struct fp_lfs_mdir *m)
{
    struct log log = { .fs = fs,
                       .step = step,
                       .m = m,
                       .off = 4,
                       .ptag = 0xffffffff,
                       .first = true };

    while (log.off + 4 <= m->off) {
        uint8_t raw[4];
        int err = fp_lfs_read(fs, m->pair[0], log.off, raw, 4);

        if (err)
            return err;
        log.tag = fp_get_be32(raw) ^ log.ptag;
        if (fp_lfs_tag_is_crc(log.tag)) {
            err = take_crc(&log);
        } else {
            err = take_tag(&log);
            log.ptag = log.tag;
        }
        if (err)
            return err;
        log.off += 4 + fp_lfs_tag_size(log.tag);
    }
    return check_live(&log);
}
