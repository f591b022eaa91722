/* SPDX-License-Identifier: MIT
 *
 * Open files, writing. A handle buffers one data page and one index page; what
 * does not fit goes to flash uncommitted (commit.c).
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

/* What was not committed is given up; sweeping finds it. */
static int give_up(struct fp_spf *fs, struct fp_spf_file *f, int err)
{
    fs->swept = false;
    f->dirty = f->flushed = false;
    f->lost |= f->head == FP_SPF_NONE || fp_spf_adopt(fs, f, f->head);
    return fp_spf_failed(fs, err);
}

/* From here on the handle has what is not committed. */
static int start(struct fp_spf *fs, struct fp_spf_file *f)
{
    int err = f->lost ? FP_ERR_STALE : fp_spf_begin(fs);

    if (err || f->dirty)
        return err;
    if (f->lost)
        return FP_ERR_STALE;
    if (fp_spf_is_dirty(fs, f->id))
        return FP_ERR_BUSY;
    f->dirty = true;
    return FP_OK;
}

static int new_id(struct fp_spf *fs, uint32_t *id)
{
    for (*id = 1; *id <= fs->id_max; ++*id)
        if (!fp_spf_bit(fs->ids, *id)) {
            fp_spf_bit_set(fs->ids, *id);
            return FP_OK;
        }
    return FP_ERR_NOSPC;
}

/* Is an open file going to take the name in fs->name? */
static bool is_pending(const struct fp_spf *fs)
{
    for (const struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f->head == FP_SPF_NONE && !f->lost && !f->staged &&
            f->name[fs->name_size] == 0 &&
            memcmp(f->name, fs->name, fs->name_size) == 0)
            return true;
    return false;
}

static int open_new(struct fp_spf *fs, struct fp_spf_file *f, uint32_t flags)
{
    int err;

    if (flags & FP_O_EXCL && is_pending(fs))
        return FP_ERR_EXIST;
    err = fp_spf_claim(fs, f);
    if (err)
        return err;
    err = new_id(fs, &f->id);
    if (err) {
        fp_spf_release(fs, f);
        return err;
    }
    memset(f->name, 0, fs->name_len);
    memcpy(f->name, fs->name, fs->name_size);
    f->staged = flags & FP_O_STAGE;
    f->dirty = true;
    return FP_OK;
}

static int open_old(struct fp_spf *fs, struct fp_spf_file *f, uint32_t page,
                    uint32_t flags)
{
    int err = fp_spf_claim(fs, f);

    if (err)
        return err;
    err = fp_spf_adopt(fs, f, page);
    /* A file too damaged to be read can be replaced. */
    if (err == FP_ERR_CORRUPT && flags & FP_O_TRUNC)
        err = FP_OK;
    if (!err && flags & FP_O_TRUNC && f->size > 0) {
        err = start(fs, f);
        f->size = 0;
    }
    if (err)
        fp_spf_release(fs, f);
    return err;
}

int fp_spf_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    struct fp_spf_place place;
    int err = flags & FP_O_WRITE ? fp_spf_begin(fs) : FP_OK;

    if (!err)
        err = fp_spf_lookup(fs, path, &place);
    if (!(flags & FP_O_CREATE) &&
        (err == FP_ERR_INVAL || err == FP_ERR_NAMETOOLONG))
        return FP_ERR_NOENT;
    if (err == FP_ERR_NOENT && flags & FP_O_CREATE)
        return open_new(fs, f, flags);
    if (err)
        return err;
    if (flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    if (place.dir)
        return FP_ERR_ISDIR;
    return flags & FP_O_STAGE ? open_new(fs, f, flags)
                              : open_old(fs, f, place.page, flags);
}

int32_t fp_spf_read_rw(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    uint8_t *to = buf;
    uint32_t done = 0;

    if (f->lost)
        return FP_ERR_STALE;
    if (!f->dirty)
        return fp_spf_read_ro(file, buf, size);
    /* Page by page, so that what is buffered is written before it goes. */
    while (done < size && f->pos < f->size) {
        uint32_t span = f->pos / fs->payload;
        uint32_t n =
            fp_spf_min(size - done, fs->payload - f->pos % fs->payload);
        int err = FP_OK;

        if (f->dspan != span) {
            err = fp_spf_flush(fs, f);
            if (!err)
                err = fp_spf_want_table(fs, f, fp_spf_index_of(fs, span));
        }
        if (err)
            return give_up(fs, f, err);
        err = fp_spf_read_ro(file, to + done, n);
        if (err <= 0)
            return err;
        done += (uint32_t)err;
    }
    return (int32_t)done;
}

/* Data page `span` to the buffer, for `n` bytes to be written at `off`. */
static int prepare(struct fp_spf *fs, struct fp_spf_file *f, uint32_t span,
                   uint32_t n)
{
    int err;

    if (f->dspan == span)
        return FP_OK;
    err = fp_spf_flush(fs, f);
    if (err)
        return err;
    if (n == fs->payload || span >= fp_spf_spans(fs, f->size)) {
        memset(f->data, 0xff, fs->page_size);
        f->dspan = span;
        return FP_OK;
    }
    err = fp_spf_want_table(fs, f, fp_spf_index_of(fs, span));
    return err ? err : fp_spf_load_data(fs, f, span);
}

/* Zeros, if buf is NULL. */
static int write_at(struct fp_spf *fs, struct fp_spf_file *f, uint32_t pos,
                    const uint8_t *buf, uint32_t size)
{
    for (uint32_t n; size > 0; size -= n, pos += n) {
        uint32_t off = pos % fs->payload;
        uint8_t *to = f->data + fs->hdr + off;
        int err;

        n = fp_spf_min(size, fs->payload - off);
        err = prepare(fs, f, pos / fs->payload, n);
        if (err)
            return err;
        if (buf != NULL) {
            memcpy(to, buf, n);
            buf += n;
        } else {
            memset(to, 0, n);
        }
        f->ddirty = true;
        if (f->size < pos + n)
            f->size = pos + n;
    }
    return FP_OK;
}

int32_t fp_spf_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    int err = start(fs, f);

    if (err)
        return err;
    if (file->flags & FP_O_APPEND)
        f->pos = f->size;
    if (size >= FP_SPF_EMPTY - f->pos)
        return FP_ERR_FBIG;
    if (f->pos > f->size)
        err = write_at(fs, f, f->size, NULL, f->pos - f->size);
    if (!err)
        err = write_at(fs, f, f->pos, buf, size);
    if (err)
        return give_up(fs, f, err);
    f->pos += size;
    return (int32_t)size;
}

/* What is behind a file's end is erased: its last page is written anew. */
static int cut(struct fp_spf *fs, struct fp_spf_file *f, uint32_t size)
{
    uint32_t spans = fp_spf_spans(fs, size), rest = size % fs->payload;
    int err = FP_OK;

    if (f->dspan != FP_SPF_NONE && f->dspan >= spans) {
        f->dspan = FP_SPF_NONE;
        f->ddirty = false;
    }
    if (rest) {
        err = prepare(fs, f, spans - 1, 0);
        if (err)
            return err;
        memset(f->data + fs->hdr + rest, 0xff, fs->payload - rest);
        f->ddirty = true;
    }
    /* The table in the buffer loses what is cut off; others do so when they
     * are loaded. */
    if (f->tdirty)
        err = fp_spf_spill(fs, f);
    f->tspan = FP_SPF_NONE;
    f->size = size;
    f->trimmed |= f->flushed;
    if (err || spans == 0)
        return err;
    err = fp_spf_want_table(fs, f, fp_spf_index_of(fs, spans - 1));
    f->tdirty |= !err;
    return err;
}

int fp_spf_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    int err;

    if (size >= FP_SPF_EMPTY)
        return FP_ERR_FBIG;
    err = start(fs, f);
    if (err)
        return err;
    if (size < f->size)
        err = cut(fs, f, (uint32_t)size);
    else
        err = write_at(fs, f, f->size, NULL, (uint32_t)size - f->size);
    return err ? give_up(fs, f, err) : FP_OK;
}

int fp_spf_reserve(struct fp_file *file, uint64_t size)
{
    const struct fp_spf *fs = fp_spf_of(file->mnt);
    uint32_t room = (fs->block_count - 2) * fs->usable;
    uint32_t live = fs->block_count * fs->usable - fs->free - fs->gone;
    uint32_t spans, need;

    if (size >= FP_SPF_EMPTY)
        return FP_ERR_FBIG;
    spans = fp_spf_spans(fs, (uint32_t)size);
    /* Its index pages, and a header. */
    need = spans + 1 + (spans ? fp_spf_index_of(fs, spans - 1) : 0);
    return live > room || need > room - live ? FP_ERR_NOSPC : FP_OK;
}

/* Content is on flash and nowhere else, yet nobody sees it. */
static int settle(struct fp_spf *fs, struct fp_spf_file *f)
{
    int err = fp_spf_flush(fs, f);

    if (!err && f->tdirty)
        err = fp_spf_spill(fs, f);
    if (!err)
        fp_spf_forget(f);
    return err;
}

static int commit(struct fp_spf *fs, struct fp_spf_file *f)
{
    int err = fs->astray || !fs->swept ? fp_spf_begin(fs) : FP_OK;

    if (!err && f->lost)
        return FP_ERR_STALE;
    if (!err)
        err = fp_spf_commit(fs, f);
    if (err && f->dirty)
        return give_up(fs, f, err);
    if (f->trimmed)
        fs->swept = f->trimmed = false;
    return fp_spf_failed(fs, err);
}

int fp_spf_fsync(struct fp_file *file)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    int err = FP_OK;

    if (f->lost)
        return FP_ERR_STALE;
    if (f->dirty && f->staged) {
        err = settle(fs, f);
        if (err)
            return give_up(fs, f, err);
    } else if (f->dirty) {
        err = commit(fs, f);
    }
    return err ? err : fp_spf_sync(file->mnt);
}

int fp_spf_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    int err = f->lost ? FP_ERR_STALE : FP_OK;

    (void)meta; /* the format has no place for a time */
    if (!err && f->dirty)
        err = commit(fs, f);
    f->staged &= err != FP_OK;
    return err ? err : fp_spf_sync(file->mnt);
}

int fp_spf_close(struct fp_file *file)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    bool drop = f->dirty && f->staged;
    bool written = f->dirty && !f->staged;
    int err = written ? commit(fs, f) : FP_OK;

    if (written && !err)
        err = fp_spf_sync(file->mnt);
    fp_spf_release(fs, f);
    if (!drop)
        return err;
    if (f->flushed) {
        fs->swept = false;
        return fp_spf_begin(fs);
    }
    fs->ids[f->id / 8] &= (uint8_t) ~(1u << f->id % 8);
    return FP_OK;
}
