/* SPDX-License-Identifier: MIT
 *
 * Writing tags and closing commits.
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

#define CRC_INIT   0xffffffffu
#define FCRC_TAKES 12u
#define CCRC_TAKES 8u

static int put(struct fp_lfs *fs, struct fp_lfs_log *log, const void *buf,
               uint32_t size)
{
    int err;

    if (!size)
        return FP_OK;
    err = fp_lfs_prog(fs, log->block, log->off, buf, size);
    log->crc = fp_crc32(log->crc, buf, size);
    log->off += size;
    return err;
}

int fp_lfs_log_begin(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t block,
                     uint32_t rev)
{
    uint8_t raw[4];

    *log = (struct fp_lfs_log){ .block = block,
                                .ptag = 0xffffffffu,
                                .crc = CRC_INIT };
    fs->pcache.block = FP_LFS_NULL;
    fp_put_le32(raw, rev);
    return put(fs, log, raw, 4);
}

void fp_lfs_log_append(struct fp_lfs_log *log, const struct fp_lfs_mdir *m)
{
    *log = (struct fp_lfs_log){
        .block = m->pair[0], .off = m->off, .ptag = m->etag, .crc = CRC_INIT
    };
}

static int put_tag(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t tag)
{
    uint8_t raw[4];

    fp_put_be32(raw, tag ^ log->ptag);
    log->ptag = tag;
    return put(fs, log, raw, 4);
}

int fp_lfs_log_ram(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t tag,
                   const void *buf)
{
    int err;

    if (log->off + 4 + fp_lfs_tag_size(tag) > fs->block_size - CCRC_TAKES)
        return FP_ERR_NOSPC;
    err = put_tag(fs, log, tag);
    return err ? err : put(fs, log, buf, fp_lfs_tag_size(tag));
}

int fp_lfs_log_flash(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t tag,
                     uint32_t block, uint32_t off)
{
    uint32_t left = fp_lfs_tag_size(tag);
    int err;

    if (log->off + 4 + left > fs->block_size - CCRC_TAKES)
        return FP_ERR_NOSPC;
    err = put_tag(fs, log, tag);
    while (!err && left > 0) {
        /* By way of the stack: programming reads back through the cache that
         * this was read into. */
        uint8_t part[64];
        uint32_t n = fp_lfs_min(left, sizeof part);

        err = fp_lfs_read(fs, block, off, part, n);
        if (!err)
            err = put(fs, log, part, n);
        off += n;
        left -= n;
    }
    return err;
}

int fp_lfs_log_op(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t tag,
                  const struct fp_lfs_op *op)
{
    if (op->on_flash)
        return fp_lfs_log_flash(fs, log, tag, op->block, op->off);
    return fp_lfs_log_ram(fs, log, tag, op->buf);
}

/* The unit behind the commit, as it reads now: its CRC and its first byte. */
static int look_ahead(struct fp_lfs *fs, const struct fp_lfs_log *log,
                      uint32_t end, uint32_t *crc, uint8_t *first)
{
    uint32_t done = 0;

    *crc = CRC_INIT;
    while (done < fs->prog_size) {
        uint8_t part[64];
        uint32_t n = fp_lfs_min(fs->prog_size - done, sizeof part);
        int err = fp_lfs_read(fs, log->block, end + done, part, n);

        if (err)
            return err;
        if (!done)
            *first = part[0];
        *crc = fp_crc32(*crc, part, n);
        done += n;
    }
    return FP_OK;
}

static int put_fcrc(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t crc)
{
    uint8_t raw[8];
    int err = put_tag(fs, log, fp_lfs_tag(FP_LFS_FCRC, FP_LFS_NO_ID, 8));

    fp_put_le32(raw, fs->prog_size);
    fp_put_le32(raw + 4, crc);
    return err ? err : put(fs, log, raw, 8);
}

/* The CRC tag whose padding reaches `to`. */
static int put_ccrc(struct fp_lfs *fs, struct fp_lfs_log *log, uint32_t to,
                    uint8_t erased)
{
    uint32_t flip = (uint32_t)(~erased >> 7 & 1);
    uint32_t tag =
        fp_lfs_tag(FP_LFS_CCRC | flip, FP_LFS_NO_ID, to - (log->off + 4));
    uint8_t raw[4];
    int err = put_tag(fs, log, tag);

    fp_put_le32(raw, log->crc);
    if (!err)
        err = put(fs, log, raw, 4);
    log->off = to;
    log->ptag = tag ^ flip << 31;
    log->crc = CRC_INIT;
    return err;
}

int fp_lfs_log_end(struct fp_lfs *fs, struct fp_lfs_log *log)
{
    uint32_t room = FCRC_TAKES + CCRC_TAKES;
    uint32_t end = fp_lfs_align_up(fp_lfs_min(log->off + room, fs->block_size),
                                   fs->prog_size);

    while (log->off < end) {
        uint32_t head = log->off + 4, to = fp_lfs_min(end - head, 0x3fe) + head;
        uint8_t erased = 0xff;
        int err;

        if (to < end) {
            to = fp_lfs_min(to, end - room);
        } else if (end + fs->prog_size <= fs->block_size) {
            uint32_t crc;

            err = look_ahead(fs, log, end, &crc, &erased);
            if (err && err != FP_ERR_CORRUPT)
                return err;
            /* Unreadable is not erased: without an FCRC nobody appends. */
            if (!err && fs->minor >= 1)
                err = put_fcrc(fs, log, crc);
            else
                err = FP_OK;
            if (err)
                return err;
        }
        err = put_ccrc(fs, log, to, erased);
        if (err)
            return err;
    }
    return fp_lfs_prog_flush(fs);
}
