/* SPDX-License-Identifier: MIT
 *
 * The content of a file being written. Flash that something refers to is never
 * written again: from the block that holds the position of the write to the
 * end of the file everything goes to fresh blocks, and those before it are
 * shared with the old version until a commit names the new head.
 *
 *     old   [0][1][2][3][4]
 *     write at       ^
 *     new   [0][1][2'][3'][4']      2' begins with a copy of 2
 *
 * A run of writes stays open (f->writing): the block being filled, and in the
 * file's cache the bytes not programmed yet. It is finished, that is the rest
 * of the old version copied behind, by a read, a seek and write elsewhere, or
 * a sync. An inline body that lies in the cache as a whole needs no other place
 * meanwhile: the run begins at 0, and so puts each byte where it was.
 *
 * Errors  after any, the handle has to go back to what it had at its last
 *         sync (write.c), as the file on flash does
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define BAD_TRIES 16

static FP_LFS_APART uint32_t header_size(uint32_t index)
{
    uint32_t size = 0;

    if (index == 0)
        return 0;
    do
        size += 4;
    while (index % 2 == 0 && (index /= 2));
    return size;
}

/* --- blocks --- */

static int copy_block(struct fp_lfs *fs, uint32_t from, uint32_t to,
                      uint32_t size)
{
    for (uint32_t off = 0, n; off < size; off += n) {
        int err;

        n = fp_lfs_min(fs->cache_size, size - off);
        err = fp_lfs_read_raw(fs, from, off, fs->pcache, n);
        if (!err)
            err = fp_lfs_prog(fs, to, off, fs->pcache, n);
        if (err)
            return err;
    }
    return FP_OK;
}

/* Programs buf at the end of what is programmed in the block. When that is
 * bad, it goes elsewhere with what it holds. */
static int prog_next(struct fp_lfs *fs, struct fp_lfs_file *f,
                     const uint8_t *buf, uint32_t size)
{
    uint32_t block = f->wblock;
    int err = FP_OK, tries = 0;

    for (;;) {
        if (!err)
            err = fp_lfs_prog(fs, block, f->cache_off, buf, size);
        if (err != FP_LFS_BAD || tries++ == BAD_TRIES)
            break;
        err = fp_lfs_alloc_erased(fs, &block);
        if (!err)
            err = copy_block(fs, f->wblock, block, f->cache_off);
    }
    f->wblock = block;
    f->cache_off += size;
    return err;
}

static int flush_cache(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    uint32_t size = fp_lfs_align_up(f->cache_size, fs->prog_size);

    if (!size)
        return FP_OK;
    memset(f->buf + f->cache_size, 0xff, size - f->cache_size);
    f->cache_size = 0;
    return prog_next(fs, f, f->buf, size);
}

/* Bytes into the block being written; the caller keeps within it. */
static int put(struct fp_lfs *fs, struct fp_lfs_file *f, const uint8_t *buf,
               uint32_t size)
{
    while (size > 0) {
        uint32_t cap =
            fp_lfs_min(fs->cache_size, fs->block_size - f->cache_off);
        uint32_t n = fp_lfs_min(size, cap - f->cache_size);
        int err = FP_OK;

        if (!FP_LFS_SMALL && n == cap) {
            n = size - size % fs->prog_size;
            err = prog_next(fs, f, buf, n);
        } else {
            memcpy(f->buf + f->cache_size, buf, n);
            f->cache_size += n;
            if (f->cache_size == cap)
                err = flush_cache(fs, f);
        }
        if (err)
            return err;
        buf += n;
        size -= n;
    }
    return FP_OK;
}

/* Opens block windex, whose predecessor is wprev. Pointer k + 1 of it is
 * pointer k of the block that pointer k names. */
static int open_block(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    uint32_t to = f->wprev, size = header_size(f->windex);
    int err;

    /* The allocator walks back from wprev, so these come first. */
    f->wblock = FP_LFS_NULL;
    f->wstart = f->wpos;
    f->cache_off = f->cache_size = 0;
    err = fp_lfs_alloc_erased(fs, &f->wblock);
    for (uint32_t off = 0; off < size && !err; off += 4) {
        uint8_t raw[4];

        fp_put_le32(raw, to);
        err = put(fs, f, raw, 4);
        if (!err && off + 4 < size)
            err = fp_lfs_word(fs, to, off, &to);
    }
    return err;
}

static int put_content(struct fp_lfs *fs, struct fp_lfs_file *f,
                       const uint8_t *buf, uint32_t size)
{
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t left = fs->block_size - f->cache_off - f->cache_size;
        uint32_t n = fp_lfs_min(size, left);

        if (n > 0) {
            err = put(fs, f, buf, n);
            f->wpos += n;
            buf += n;
            size -= n;
            continue;
        }
        err = flush_cache(fs, f);
        f->wprev = f->wblock;
        f->windex++;
        if (!err)
            err = open_block(fs, f);
    }
    return err;
}

/* Goes on with the old version up to `to`, and with zeros behind its end. */
static int put_old(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t to)
{
    int err = FP_OK;

    while (f->wpos < to && !err) {
        uint8_t part[64] = { 0 };
        uint32_t n = fp_lfs_min(to - f->wpos, sizeof part);

        if (f->wpos < f->body.size) {
            n = fp_lfs_min(n, f->body.size - f->wpos);
            err = fp_lfs_file_read_at(fs, f, f->wpos, part, n);
        }
        if (!err)
            err = put_content(fs, f, part, n);
    }
    return err;
}

/* --- runs --- */

/* Opens a run at `pos`, with the old version before it. */
static int begin(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos)
{
    uint32_t off, end = fp_lfs_min(pos, f->body.size);
    int err = FP_OK;

    f->windex = f->wpos = 0;
    f->wprev = FP_LFS_NULL;
    if (f->body.kind == FP_LFS_CTZ && end > 0) {
        f->windex = fp_lfs_ctz_index(fs->block_size, end - 1, &off);
        f->wpos = end;
        if (++off == fs->block_size)
            f->windex++;
        else
            f->wpos -= off - header_size(f->windex);
        if (f->windex > 0)
            err = fp_lfs_ctz_find(fs, f, f->windex - 1, &f->wprev);
    }
    if (err)
        return err;
    f->writing = true;
    err = open_block(fs, f);
    return err ? err : put_old(fs, f, pos);
}

void fp_lfs_body_forget(const struct fp_lfs *fs, struct fp_lfs_file *f)
{
    f->writing = f->foreign = false;
    f->cache_block = FP_LFS_NULL;
    fp_lfs_ctz_forget(fs, f);
}

static int finish(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    int err = put_old(fs, f, f->body.size);

    if (!err)
        err = flush_cache(fs, f);
    if (err)
        return err;
    f->body = (struct fp_lfs_body){ FP_LFS_CTZ, f->wblock, f->wpos };
    fp_lfs_body_forget(fs, f);
    return FP_OK;
}

int fp_lfs_body_flush(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    return f->writing ? finish(fs, f) : FP_OK;
}

/* Brings a body into the cache as an inline one of `size` bytes. */
static int load_inline(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t size)
{
    int err = fp_lfs_file_read_at(fs, f, 0, fs->pcache, size);

    if (err)
        return err;
    memcpy(f->buf, fs->pcache, size);
    f->body = (struct fp_lfs_body){ FP_LFS_INLINE, 0, size };
    fp_lfs_body_forget(fs, f);
    return FP_OK;
}

static int write_inline(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                        const uint8_t *buf, uint32_t size)
{
    int err = f->foreign ? load_inline(fs, f, f->body.size) : FP_OK;

    if (err)
        return err;
    if (pos > f->body.size)
        memset(f->buf + f->body.size, 0, pos - f->body.size);
    memcpy(f->buf + pos, buf, size);
    if (pos + size > f->body.size)
        f->body.size = pos + size;
    return FP_OK;
}

static int write_blocks(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                        const uint8_t *buf, uint32_t size)
{
    int err = FP_OK;

    if (f->writing && f->wpos > pos)
        err = finish(fs, f);
    if (!err)
        err = f->writing ? put_old(fs, f, pos) : begin(fs, f, pos);
    return err ? err : put_content(fs, f, buf, size);
}

int fp_lfs_body_write(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                      const uint8_t *buf, uint32_t size)
{
    bool stays = !f->writing && f->body.kind == FP_LFS_INLINE &&
                 pos + size <= fs->inline_max && f->body.size <= fs->inline_max;

    f->dirty = true;
    return stays ? write_inline(fs, f, pos, buf, size)
                 : write_blocks(fs, f, pos, buf, size);
}

/* --- truncation --- */

/* The head becomes the block that holds the last byte; what is inline, though
 * too long for it, goes to blocks. */
static FP_LFS_APART int shrink(struct fp_lfs *fs, struct fp_lfs_file *f,
                               uint32_t size)
{
    uint32_t off, head;
    int err;

    if (size <= fs->inline_max)
        return load_inline(fs, f, size);
    if (f->body.kind == FP_LFS_CTZ) {
        err = fp_lfs_ctz_find(
            fs, f, fp_lfs_ctz_index(fs->block_size, size - 1, &off), &head);
        f->body = (struct fp_lfs_body){ FP_LFS_CTZ, head, size };
        fp_lfs_ctz_forget(fs, f);
        return err;
    }
    f->body.size = size;
    err = begin(fs, f, size);
    return err ? err : finish(fs, f);
}

int fp_lfs_body_truncate(struct fp_lfs *fs, struct fp_lfs_file *f,
                         uint32_t size)
{
    if (size == f->body.size)
        return FP_OK;
    f->dirty = true;
    if (size > f->body.size)
        /* the hole before the last byte is filled with zeros */
        return fp_lfs_body_write(fs, f, size - 1, (const uint8_t *)"", 1);
    return shrink(fs, f, size);
}
