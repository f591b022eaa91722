/* SPDX-License-Identifier: MIT
 *
 * Writing logs: tags with their data, and the end of a commit.
 *
 * The program cache holds the end of the log, from the last program unit that
 * is on flash. The first error stays in fs->log and lets all that follows do
 * nothing, so that whoever writes a log asks for it once, at the end.
 *
 * A commit ends on a program unit. Its CRC tag takes the padding as its own
 * length, so that the next tag is found; lengths end at 0x3fe, so a commit on
 * a large unit closes with a chain of CRC tags. Version 2.1 puts before the
 * last one a checksum of the unit behind it as it reads now (FCRC): at the
 * next mount it tells whether anybody has begun to program there.
 *
 * Source: the format page, section 3.4.
 */
#include "core/digest/crc32.h"
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define CRC_INIT   0xffffffffu
#define FCRC_TAKES 12u
#define CCRC_TAKES 8u

/* --- bytes --- */

static void fail(struct fp_lfs *fs, int err)
{
    if (!fs->log.err)
        fs->log.err = err;
}

/* What is held goes to flash, with 0xff up to the end of a unit: that programs
 * nothing. */
static void flush(struct fp_lfs *fs)
{
    struct fp_lfs_log *log = &fs->log;
    uint32_t size = fp_lfs_align_up(log->held, fs->prog_size);

    memset(fs->pcache + log->held, 0xff, size - log->held);
    if (size && !log->err)
        log->err =
            fp_lfs_prog(fs, log->block, log->off - log->held, fs->pcache, size);
    log->held = 0;
}

/* From memory at buf or, when that is NULL, from flash. */
static void put(struct fp_lfs *fs, const uint8_t *buf, uint32_t off,
                uint32_t size)
{
    struct fp_lfs_log *log = &fs->log;

    while (size > 0) {
        uint8_t *to = fs->pcache + log->held;
        uint32_t n = fp_lfs_min(size, fs->cache_size - log->held);

        if (buf) {
            memcpy(to, buf, n);
            buf += n;
        } else if (!log->err) {
            log->err = fp_lfs_read(fs, log->source, off, to, n);
            off += n;
        }
        log->crc = fp_crc32(log->crc, to, n);
        log->held += n;
        log->off += n;
        size -= n;
        if (log->held == fs->cache_size)
            flush(fs);
    }
}

/* --- tags --- */

static FP_LFS_APART void start(struct fp_lfs *fs, uint32_t block, uint32_t off,
                               uint32_t ptag)
{
    struct fp_lfs_log *log = &fs->log;

    log->err = FP_OK;
    log->block = block;
    log->off = off;
    log->held = 0;
    log->ptag = ptag;
    log->crc = CRC_INIT;
}

static void put_word(struct fp_lfs *fs, uint32_t word)
{
    fp_lfs_le(&word, 1);
    put(fs, (const uint8_t *)&word, 0, 4);
}

void fp_lfs_log_begin(struct fp_lfs *fs, uint32_t block, uint32_t rev)
{
    start(fs, block, 0, 0xffffffffu);
    put_word(fs, rev);
}

void fp_lfs_log_append(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    start(fs, m->pair[0], m->off, m->etag);
}

void fp_lfs_log_count(struct fp_lfs *fs)
{
    start(fs, FP_LFS_NULL, 0, 0);
}

static void put_tag(struct fp_lfs *fs, uint32_t tag)
{
    uint8_t raw[4];

    fp_put_be32(raw, tag ^ fs->log.ptag);
    fs->log.ptag = tag;
    put(fs, raw, 0, 4);
}

void fp_lfs_log_put(struct fp_lfs *fs, uint32_t tag, const void *buf,
                    uint32_t off)
{
    struct fp_lfs_log *log = &fs->log;
    uint32_t size = fp_lfs_tag_size(tag);

    if (log->err)
        return;
    if (log->block == FP_LFS_NULL) {
        log->off += 4 + size;
    } else if (log->off + 4 + size > fs->block_size - CCRC_TAKES) {
        log->err = FP_ERR_NOSPC;
    } else {
        put_tag(fs, tag);
        put(fs, buf, off, size);
    }
}

void fp_lfs_log_words(struct fp_lfs *fs, uint32_t tag, uint32_t *words)
{
    fp_lfs_le(words, fp_lfs_tag_len(tag) / 4);
    fp_lfs_log_put(fs, tag, words, 0);
    fp_lfs_le(words, fp_lfs_tag_len(tag) / 4); /* as they were */
}

void fp_lfs_log_op(struct fp_lfs *fs, uint32_t tag, const struct fp_lfs_op *op)
{
    fs->log.source = op->at.block;
    fp_lfs_log_put(fs, tag, op->buf, op->at.off);
}

/* --- attributes --- */

static void put_set(struct fp_lfs *fs, uint32_t id, uint32_t of)
{
    for (uint32_t i = 0; i < fs->op_count; i++) {
        const struct fp_lfs_op *op = &fs->ops[i];

        if (op->type >> 8 == 3 && op->id == of && op->len != FP_LFS_REMOVED)
            fp_lfs_log_op(fs, fp_lfs_tag(op->type, id, op->len), op);
    }
}

void fp_lfs_log_attrs(struct fp_lfs *fs, const struct fp_lfs_at *name,
                      uint32_t id, uint32_t of)
{
    const struct fp_lfs_op *op;
    struct fp_lfs_attr attr;
    uint32_t from = 0;
    int err;

    fs->log.source = name->block;
    while (!(err = fp_lfs_attr_scan(fs, name, from, &attr))) {
        uint32_t type = FP_LFS_ATTR | (uint32_t)attr.type;

        op = fp_lfs_op_typed(fs, type);
        if (!op || op->id != of)
            fp_lfs_log_put(fs, fp_lfs_tag(type, id, attr.len), NULL, attr.off);
        from = attr.type + 1u;
    }
    if (err != FP_ERR_NODATA)
        fail(fs, err);
    put_set(fs, id, of);
}

/* --- the end of a commit --- */

/* The unit behind it, as it reads now: into an FCRC. Returns the bit that makes
 * an erased tag there an invalid one. Unreadable is not erased: without an FCRC
 * nobody appends. */
static uint32_t look_ahead(struct fp_lfs *fs, uint32_t end)
{
    uint32_t block = fs->log.block, words[2] = { fs->prog_size };
    uint8_t first = 0xff;
    int err = fp_lfs_crc_at(fs, block, end, fs->prog_size);

    words[1] = fs->scan.crc;
    if (!err)
        err = fp_lfs_read(fs, block, end, &first, 1);
    if (!err && fs->minor >= 1)
        fp_lfs_log_words(fs, fp_lfs_tag(FP_LFS_FCRC, FP_LFS_NO_ID, 8), words);
    if (err != FP_ERR_CORRUPT)
        fail(fs, err);
    return (uint32_t)(~first >> 7 & 1);
}

/* The CRC tag whose padding reaches `to`. */
static void put_ccrc(struct fp_lfs *fs, uint32_t to, uint32_t flip)
{
    struct fp_lfs_log *log = &fs->log;

    put_tag(fs,
            fp_lfs_tag(FP_LFS_CCRC | flip, FP_LFS_NO_ID, to - (log->off + 4)));
    log->ptag ^= flip << 31;
    put_word(fs, log->crc);
}

int fp_lfs_log_end(struct fp_lfs *fs)
{
    struct fp_lfs_log *log = &fs->log;
    uint32_t room = FCRC_TAKES + CCRC_TAKES, to;
    uint32_t end = fp_lfs_align_up(fp_lfs_min(log->off + room, fs->block_size),
                                   fs->prog_size);

    do {
        uint32_t flip = 0;

        to = end;
        if (end - log->off > 4 + 0x3fe)
            to = fp_lfs_min(log->off + 4 + 0x3fe, end - room);
        else if (end + fs->prog_size <= fs->block_size)
            flip = look_ahead(fs, end);
        put_ccrc(fs, to, flip);
        while (to != end && log->off < to)
            put(fs, (const uint8_t *)"\xff", 0, 1);
        log->crc = CRC_INIT;
    } while (to != end);
    flush(fs);
    log->off = end;
    return log->err;
}
