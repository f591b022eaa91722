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
static int check_rest(struct fp_bon *fs, const char *rest)
{
    int err = FP_OK;

    while (!err && *rest != '\0') {
        err = fp_bon_component(fs, rest, &rest);
        rest += !err && *rest == '/';
    }
    return err;
}

/* A name that is not there, or is to be replaced: kept until it is taken. */
static int keep_path(struct fp_bon *fs, struct fp_bon_file *f, const char *path)
{
    size_t size = strlen(path) + 1;

    if (size > fs->path_size)
        return FP_ERR_NAMETOOLONG;
    memcpy(path_of(f), path, size);
    return FP_OK;
}

static int begin(struct fp_bon *fs, struct fp_bon_file *f,
                 const struct fp_bon_place *place, bool is_there)
{
    f->size = f->expect = 0;
    f->parent = place->parent.row;
    return fp_bon_shadow_begin(fs, f, is_there ? &place->node : NULL);
}

int fp_bon_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_place place;
    int err = fp_bon_find(fs, path, flags & FP_O_CREATE, &place);
    bool is_there = !err;

    if (is_there && flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    f->is_own_data = place.is_own_data;
    if (is_there && fp_bon_is_dir(&place.node) && !f->is_own_data &&
        !fs->is_raw)
        return FP_ERR_ISDIR;
    if (err == FP_ERR_NOENT && flags & FP_O_CREATE)
        err = check_rest(fs, place.rest);
    if (!err)
        err = fp_bon_claim(fs, f);
    if (err)
        return err;
    f->cached = FP_BON_NOTHING;
    f->is_staged = flags & FP_O_STAGE;
    if (is_there && !f->is_staged) {
        f->node = place.node.row;
        f->size = f->expect = place.node.data_size;
    } else {
        err = keep_path(fs, f, path);
    }
    if (!err && (!is_there || flags & FP_O_TRUNC))
        err = begin(fs, f, &place, is_there);
    if (err)
        fp_bon_release(fs, f);
    return err;
}

/* After a failure there is what there was at the last fsync; what has no name
 * yet is not there at all. */
static int give_up(struct fp_bon *fs, struct fp_bon_file *f, int err)
{
    struct fp_bon_node node;

    fp_bon_shadow_drop(f);
    f->size = 0;
    if (f->node == 0)
        f->is_stale = true;
    else if (fp_bon_load(fs, f->node, &node) == FP_OK)
        f->size = node.data_size;
    return fp_bon_settle(fs, err);
}

/* The record's data comes to a shadow. */
static int make_dirty(struct fp_bon *fs, struct fp_bon_file *f)
{
    struct fp_bon_node node;
    uint8_t buf[64];
    int err = fp_bon_prepare(fs);

    if (f->is_stale)
        return FP_ERR_STALE;
    if (err || f->is_dirty)
        return err;
    err = fp_bon_load(fs, f->node, &node);
    f->size = f->expect = err ? 0 : node.data_size;
    f->parent = node.parent;
    if (!err)
        err = fp_bon_shadow_begin(fs, f, &node);
    for (uint32_t at = 0; at < f->size && !err; at += sizeof buf) {
        uint32_t n = f->size - at < sizeof buf ? f->size - at : sizeof buf;

        err = fp_bon_read(fs, fp_bon_data_at(&node) + at, buf, n);
        if (!err)
            err = fp_bon_shadow_write(fs, f, at, buf, n);
    }
    return err;
}

/* Up to `end`, which is more than there is, zeros. */
static int extend(struct fp_bon *fs, struct fp_bon_file *f, uint32_t end)
{
    uint32_t from = f->size;

    f->size = end;
    return fp_bon_shadow_write(fs, f, from, NULL, end - from);
}

int32_t fp_bon_read_rw(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    int err;

    if (!f->is_dirty)
        return f->is_stale ? FP_ERR_STALE : fp_bon_read_ro(file, buf, size);
    if (f->pos >= f->size)
        return 0;
    if (size > f->size - f->pos)
        size = f->size - f->pos;
    err = fp_bon_shadow_read(fs, f, f->pos, buf, size);
    if (err)
        return err;
    f->pos += size;
    return (int32_t)size;
}

int32_t fp_bon_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    int err = make_dirty(fs, f);
    uint32_t pos = file->flags & FP_O_APPEND ? f->size : f->pos;

    if (!err && (pos > FP_BON_DATA_MAX || size > FP_BON_DATA_MAX - pos))
        return FP_ERR_FBIG;
    if (!err && pos > f->size)
        err = extend(fs, f, pos);
    if (!err) {
        if (pos + size > f->size)
            f->size = pos + size;
        err = fp_bon_shadow_write(fs, f, pos, buf, size);
    }
    if (err)
        return give_up(fs, f, err);
    f->pos = pos + size;
    return (int32_t)size;
}

/* What is cut off becomes zeros where the record's last row shows it. */
int fp_bon_truncate(struct fp_file *file, uint64_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    uint32_t was, pad;
    int err;

    if (size > FP_BON_DATA_MAX)
        return FP_ERR_FBIG;
    err = make_dirty(fs, f);
    was = f->size;
    if (!err && size > was)
        err = extend(fs, f, (uint32_t)size);
    f->size = (uint32_t)size;
    pad = (uint32_t) - (FP_BON_HEAD + f->handle_size + f->size) % FP_BON_ROW;
    if (!err && size < was)
        err = fp_bon_shadow_write(fs, f, f->size, NULL,
                                  pad < was - f->size ? pad : was - f->size);
    return err ? give_up(fs, f, err) : FP_OK;
}

int fp_bon_fsync(struct fp_file *file)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    int err;

    if (f->is_stale)
        return FP_ERR_STALE;
    if (!f->is_dirty)
        return FP_OK;
    if (!f->is_staged)
        return f->is_gone ? FP_ERR_NOENT : fp_bon_publish(fs, f);
    err = fp_bon_prepare(fs);
    if (!err)
        err = fp_bon_shadow_finish(fs, f, f->parent);
    if (err)
        return give_up(fs, f, err);
    f->cached = FP_BON_NOTHING;
    return FP_OK;
}

int fp_bon_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    uint32_t row, rows;
    int err = fp_bon_map(fs);

    if (err)
        return err;
    if (size > FP_BON_DATA_MAX)
        return FP_ERR_FBIG;
    rows = fp_bon_rows(FP_BON_HEAD + FP_BON_NAME_MAX + (uint32_t)size);
    if (f->shadow == 0 &&
        (fp_bon_longest(fs, &row) < rows || fs->free < rows + FP_BON_KEEP))
        return FP_ERR_NOSPC;
    f->expect = (uint32_t)size;
    return FP_OK;
}

/* There is no place for a time. */
int fp_bon_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    (void)meta;
    return f->is_stale ? FP_ERR_STALE : fp_bon_publish(fp_bon_of(file->mnt), f);
}

int fp_bon_close(struct fp_file *file)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    bool has_rows = f->is_gone || f->shadow != 0;
    int err = FP_OK;

    if (f->is_dirty && !f->is_gone && !f->is_staged) {
        err = fp_bon_publish(fs, f);
        has_rows = err != FP_OK && f->shadow != 0;
    }
    fp_bon_release(fs, f);
    return has_rows && fs->is_mapped ? fp_bon_settle(fs, err) : err;
}
