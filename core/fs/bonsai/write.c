/* SPDX-License-Identifier: MIT
 *
 * Writing files: always a whole record, beside the old one (shadow.c), which
 * then takes its place (publish.c).
 */
#include "core/fs/bonsai/bon.h"

static char *path_of(const struct fp_bon_file *f)
{
    return (char *)f->buf + FP_BON_ROW;
}

/* All that is missing of a path can be made, the last component's handle in
 * fs->handle. */
static void check_rest(struct fp_bon *fs, const char *rest)
{
    for (; !fs->err && *rest != '\0'; rest += *rest == '/')
        if (!fp_bon_component(fs, rest, &rest))
            fp_bon_fail(fs, FP_ERR_INVAL);
}

/* A name that is not there, or is to be replaced: kept until it is taken. */
static void keep_path(struct fp_bon *fs, struct fp_bon_file *f,
                      const char *path)
{
    size_t size = strlen(path) + 1;

    if (size > fs->path_size)
        fp_bon_fail(fs, FP_ERR_NAMETOOLONG);
    else
        memcpy(path_of(f), path, size);
}

int fp_bon_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_place place;
    bool is_there = fp_bon_find_file(fs, path, flags, &place);

    if (is_there && flags & FP_O_EXCL)
        fp_bon_fail(fs, FP_ERR_EXIST);
    check_rest(fs, place.rest);
    fp_bon_claim(fs, file, &place);
    if (fs->err)
        return fp_bon_result(fs);
    if (!is_there || flags & FP_O_STAGE) {
        f->node = 0;
        keep_path(fs, f, path);
    }
    if (!is_there || flags & FP_O_TRUNC) {
        fp_bon_begin(fs); /* a long handle takes a row at once */
        file->size = f->expect = 0;
        f->parent = place.parent.row;
        fp_bon_shadow_begin(fs, file);
    }
    if (fs->err)
        fp_fs_release(fs->files, file);
    return fp_bon_result(fs);
}

/* How a write went. After a failure there is what there was at the last fsync;
 * what has no name yet is not there at all. */
static int outcome(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    int err = fp_bon_result(fs);

    if (!err)
        return FP_OK;
    fp_bon_shadow_drop(f);
    file->size = 0;
    f->is_stale |= f->node == 0;
    fp_bon_settle(fs, file);
    fs->err = err;
    return fp_bon_end(fs);
}

/* The record comes to a shadow. */
static void make_dirty(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    fp_bon_begin(fs);
    if (f->is_stale)
        fp_bon_fail(fs, FP_ERR_STALE);
    if (!f->is_dirty && !fs->err)
        fp_bon_shadow_copy(fs, file);
}

int32_t fp_bon_read_rw(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);

    if (f->is_stale)
        return FP_ERR_STALE;
    if (!f->is_dirty)
        return fp_bon_read_ro(file, buf, size);
    fp_bon_begin(fs); /* what memory holds may have to be written */
    fp_bon_shadow(fs, file, file->pos, size, NULL, buf);
    return fp_bon_result(fs);
}

/* What it grows by is zeros; and so becomes what is cut off where the record's
 * last row shows it. */
int fp_bon_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    uint32_t from, to = (uint32_t)size;

    make_dirty(fs, file);
    from = file->size;
    file->size = to;
    if (from < to)
        fp_bon_shadow(fs, file, from, to - from, NULL, NULL);
    fp_bon_shadow_trim(fs, file);
    return outcome(fs, file);
}

int32_t fp_bon_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    uint32_t end = file->pos + size;
    int err = file->pos > file->size ? fp_bon_truncate(file, file->pos) : FP_OK;

    if (err)
        return err;
    make_dirty(fs, file);
    if (file->size < end)
        file->size = end;
    fp_bon_shadow(fs, file, file->pos, size, buf, NULL);
    if (file->size == end)
        fp_bon_shadow_trim(fs, file); /* what was cut off may be there */
    return outcome(fs, file);
}

/* There is no place for a time. */
int fp_bon_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    (void)meta;
    if (f->is_stale)
        return FP_ERR_STALE;
    if (!f->is_dirty)
        return FP_OK;
    return f->is_gone ? FP_ERR_NOENT
                      : fp_bon_publish(fp_bon_of(file->mnt), file);
}

/* What is staged comes to flash. */
int fp_bon_fsync(struct fp_file *file)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);

    if (!(file->flags & FP_O_STAGE) || !f->is_dirty)
        return fp_bon_file_commit(file, NULL);
    fp_bon_begin(fs);
    fp_bon_shadow_finish(fs, file);
    f->cached = FP_BON_NOTHING;
    return outcome(fs, file);
}

int fp_bon_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    uint32_t row, rows;

    fp_bon_map(fs);
    rows = fp_bon_rows(FP_BON_HEAD + FP_BON_NAME_MAX + (uint32_t)size);
    if (f->shadow == 0 &&
        (fp_bon_run(fs, rows, &row) < rows || fs->free < rows + FP_BON_KEEP))
        fp_bon_fail(fs, FP_ERR_NOSPC);
    if (!fs->err)
        f->expect = (uint32_t)size;
    return fp_bon_result(fs);
}

int fp_bon_close(struct fp_file *file)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);

    (void)fp_fs_release(fs->files, file);
    return (f->is_gone || f->shadow != 0) && fs->is_mapped ? fp_bon_end(fs)
                                                           : FP_OK;
}
