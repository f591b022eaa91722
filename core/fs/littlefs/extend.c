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
 * a sync.
 *
 * Errors  whatever fails, the handle goes back to what it had at its last
 *         sync, and so does the file on flash
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define BAD_TRIES 16

static uint32_t header_size(uint32_t index)
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

/* Moves the block being written elsewhere: what is programmed is copied. */
static int move_block(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    uint8_t *part = fs->pcache;
    uint32_t from = f->wblock, block;

    for (int i = 0; i < BAD_TRIES; i++) {
        int err = fp_lfs_alloc_erased(fs, &block);

        for (uint32_t off = 0; off < f->cache_off && !err;) {
            uint32_t n = fp_lfs_min(fs->cache_size, f->cache_off - off);

            err = fp_lfs_read_raw(fs, from, off, part, n);
            if (!err)
                err = fp_lfs_prog(fs, block, off, part, n);
            off += n;
        }
        if (err == FP_LFS_BAD)
            continue;
        if (!err)
            f->wblock = f->cache_block = block;
        return err;
    }
    return FP_ERR_IO;
}

/* Programs buf at the end of what is programmed in the block. */
static int prog_next(struct fp_lfs *fs, struct fp_lfs_file *f,
                     const uint8_t *buf, uint32_t size)
{
    for (int i = 0; i < BAD_TRIES; i++) {
        int err = fp_lfs_prog(fs, f->wblock, f->cache_off, buf, size);

        if (!err) {
            f->cache_off += size;
            return FP_OK;
        }
        if (err == FP_LFS_BAD)
            err = move_block(fs, f);
        if (err)
            return err;
    }
    return FP_ERR_IO;
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
        uint32_t n,
            cap = fp_lfs_min(fs->cache_size, fs->block_size - f->cache_off);
        int err = FP_OK;

        if (f->cache_size == 0 && size >= cap) {
            n = size - size % fs->prog_size;
            err = prog_next(fs, f, buf, n);
        } else {
            n = fp_lfs_min(size, cap - f->cache_size);
            memcpy(f->buf + f->cache_size, buf, n);
            f->cache_size += n;
            if (f->cache_size == cap)
                err = flush_cache(fs, f);
        }
        if (err)
            return err;
        f->woff += n;
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
    f->cache_off = f->cache_size = f->woff = 0;
    err = fp_lfs_alloc_erased(fs, &f->wblock);
    if (err)
        return err;
    f->cache_block = f->wblock;
    for (uint32_t off = 0; off < size; off += 4) {
        uint8_t raw[4];

        fp_put_le32(raw, to);
        err = put(fs, f, raw, 4);
        if (!err && off + 4 < size)
            err = fp_lfs_read(fs, to, off, raw, 4);
        if (err)
            return err;
        to = fp_get_le32(raw);
    }
    return FP_OK;
}

static int put_content(struct fp_lfs *fs, struct fp_lfs_file *f,
                       const uint8_t *buf, uint32_t size)
{
    while (size > 0) {
        uint32_t n;
        int err;

        if (f->woff == fs->block_size) {
            err = flush_cache(fs, f);
            if (err)
                return err;
            f->wprev = f->wblock;
            f->windex++;
            err = open_block(fs, f);
            if (err)
                return err;
        }
        n = fp_lfs_min(size, fs->block_size - f->woff);
        err = put(fs, f, buf, n);
        if (err)
            return err;
        f->wpos += n;
        buf += n;
        size -= n;
    }
    return FP_OK;
}

static int put_zeros(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t size)
{
    static const uint8_t zeros[64];

    while (size > 0) {
        uint32_t n = fp_lfs_min(size, sizeof zeros);
        int err = put_content(fs, f, zeros, n);

        if (err)
            return err;
        size -= n;
    }
    return FP_OK;
}

/* Copies the old version from wpos up to `to`. */
static int put_old(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t to)
{
    while (f->wpos < to) {
        uint8_t part[128];
        uint32_t n = fp_lfs_min(to - f->wpos, sizeof part);
        int32_t got = fp_lfs_file_read_at(fs, f, f->wpos, part, n);
        int err = got < 0 ? got : put_content(fs, f, part, n);

        if (err)
            return err;
    }
    return FP_OK;
}

/* --- runs --- */

/* Opens a run at `pos`, with the old version's [0, pos) before it. */
static int begin(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos)
{
    uint32_t off, index, block = FP_LFS_NULL;
    int err = FP_OK;

    f->windex = f->wpos = f->wstart = 0;
    f->wprev = f->wblock = FP_LFS_NULL;
    if (f->body.kind == FP_LFS_CTZ && pos > 0) {
        index = fp_lfs_ctz_index(fs->block_size, pos - 1, &off);
        err = fp_lfs_ctz_find(fs, f, index, &block);
        if (err)
            return err;
        if (off + 1 == fs->block_size) {
            f->windex = index + 1;
            f->wprev = block;
            f->wpos = pos;
        } else {
            f->windex = index;
            f->wpos = pos - (off + 1 - header_size(index));
            if (index > 0)
                err = fp_lfs_ctz_find(fs, f, index - 1, &f->wprev);
        }
    }
    if (err)
        return err;
    f->wstart = f->wpos;
    f->writing = true;
    err = open_block(fs, f);
    return err ? err : put_old(fs, f, pos);
}

static int finish(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    int err = put_old(fs, f, f->body.size);

    if (!err)
        err = flush_cache(fs, f);
    if (err)
        return err;
    f->body = (struct fp_lfs_body){ FP_LFS_CTZ, f->wblock, f->wpos };
    f->writing = false;
    f->foreign = false;
    fp_lfs_ctz_forget(fs, f);
    f->cache_block = FP_LFS_NULL;
    return FP_OK;
}

/* An inline body goes to blocks. What lies in the cache is written from a
 * second place, since the run needs the cache: the part that a first program
 * takes is there already. */
static int leave_inline(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t keep)
{
    uint32_t n = f->body.size;
    int err;

    if (f->foreign) {
        err = begin(fs, f, n);
    } else {
        f->windex = f->wpos = f->wstart = 0;
        f->wprev = f->wblock = FP_LFS_NULL;
        f->writing = true;
        err = fp_lfs_alloc_erased(fs, &f->wblock);
        f->cache_block = f->wblock;
        f->cache_off = 0;
        f->cache_size = f->woff = f->wpos = n = keep;
        if (!err && f->cache_size == fs->cache_size)
            err = flush_cache(fs, f);
    }
    if (err)
        return err;
    f->body = (struct fp_lfs_body){ FP_LFS_CTZ, FP_LFS_NULL, 0 };
    f->foreign = false;
    return FP_OK;
}

/* Brings an inline body that is read from the log into the cache. */
static int load_inline(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    int32_t n;

    if (!f->foreign || f->body.size > fs->cache_size)
        return FP_OK;
    n = fp_lfs_file_read_at(fs, f, 0, f->buf, f->body.size);
    f->foreign = n < 0;
    return n < 0 ? n : FP_OK;
}

void fp_lfs_body_revert(const struct fp_lfs *fs, struct fp_lfs_file *f)
{
    f->body = f->saved;
    f->writing = f->dirty = false;
    fp_lfs_ctz_forget(fs, f);
    f->cache_block = FP_LFS_NULL;
    /* The cache has held other things since; the log has it. */
    f->foreign = f->body.kind == FP_LFS_INLINE && f->body.size > 0;
}

static int write_inline(struct fp_lfs *fs, struct fp_lfs_file *f,
                        const uint8_t *buf, uint32_t size)
{
    uint32_t end = f->pos + size;
    int err = load_inline(fs, f);

    if (err)
        return err;
    if (f->pos > f->body.size)
        memset(f->buf + f->body.size, 0, f->pos - f->body.size);
    memcpy(f->buf + f->pos, buf, size);
    if (end > f->body.size)
        f->body.size = end;
    return FP_OK;
}

static int write_blocks(struct fp_lfs *fs, struct fp_lfs_file *f,
                        const uint8_t *buf, uint32_t size)
{
    int err = FP_OK;

    if (f->writing && f->wpos != f->pos)
        err = finish(fs, f);
    if (!err && !f->writing && f->body.kind == FP_LFS_INLINE) {
        /* What this write covers need not go along, if it covers the end. */
        uint32_t keep = f->body.size;

        err = load_inline(fs, f);
        if (f->pos < keep && f->pos + size >= keep && !f->foreign)
            keep = f->pos;
        if (!err)
            err = leave_inline(fs, f, keep);
        if (!err && f->wpos > f->pos)
            err = finish(fs, f);
    }
    if (!err && !f->writing)
        err = begin(fs, f, fp_lfs_min(f->pos, f->body.size));
    if (!err && f->pos > f->wpos)
        err = put_zeros(fs, f, f->pos - f->wpos);
    return err ? err : put_content(fs, f, buf, size);
}

int fp_lfs_body_write(struct fp_lfs *fs, struct fp_lfs_file *f,
                      const uint8_t *buf, uint32_t size)
{
    uint32_t end = f->pos + size;
    int err;

    if (size > fs->file_max || f->pos > fs->file_max - size)
        return FP_ERR_FBIG;
    f->dirty = true;
    if (!f->writing && f->body.kind == FP_LFS_INLINE && end <= fs->inline_max &&
        f->body.size <= fs->inline_max)
        err = write_inline(fs, f, buf, size);
    else
        err = write_blocks(fs, f, buf, size);
    if (err)
        fp_lfs_body_revert(fs, f);
    else
        f->pos = end;
    return err;
}

int fp_lfs_body_flush(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    int err = f->writing ? finish(fs, f) : FP_OK;

    if (err)
        fp_lfs_body_revert(fs, f);
    return err;
}

/* --- truncation --- */

static int shrink(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t size)
{
    uint32_t off, block;
    int err;

    if (f->body.kind == FP_LFS_INLINE && f->foreign) {
        err = load_inline(fs, f);
        if (!err && f->foreign && size > fs->cache_size) {
            err = leave_inline(fs, f, f->body.size);
            if (!err)
                err = finish(fs, f);
        }
        if (err)
            return err;
    }
    if (f->body.kind == FP_LFS_CTZ && size > fs->inline_max) {
        err = fp_lfs_ctz_find(
            fs, f, fp_lfs_ctz_index(fs->block_size, size - 1, &off), &block);
        if (err)
            return err;
        f->body.head = block;
    } else if (f->body.kind == FP_LFS_CTZ || f->foreign) {
        int32_t n = fp_lfs_file_read_at(fs, f, 0, fs->pcache, size);

        if (n < 0)
            return n;
        memcpy(f->buf, fs->pcache, size);
        f->body.kind = FP_LFS_INLINE;
        f->body.head = 0;
        f->foreign = false;
        f->cache_block = FP_LFS_NULL;
    }
    f->body.size = size;
    fp_lfs_ctz_forget(fs, f);
    return FP_OK;
}

static int grow(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t size)
{
    static const uint8_t zero[1];
    uint32_t pos = f->pos;
    int err;

    f->pos = size - 1; /* the hole before it is filled with zeros */
    err = fp_lfs_body_write(fs, f, zero, 1);
    f->pos = pos;
    return err;
}

int fp_lfs_body_truncate(struct fp_lfs *fs, struct fp_lfs_file *f,
                         uint32_t size)
{
    int err = fp_lfs_body_flush(fs, f);

    if (err || size == f->body.size)
        return err;
    f->dirty = true;
    err = size > f->body.size ? grow(fs, f, size) : shrink(fs, f, size);
    if (err)
        fp_lfs_body_revert(fs, f);
    return err;
}
