/* SPDX-License-Identifier: MIT
 *
 * Writing files: always a whole record, beside the old one (shadow.c), which
 * then takes its place (publish.c).
 */
#include "core/fs/bonsai/bon.h"

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
        memcpy(f->path, path, size);
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
        struct fp_bon_node node = { .parent = place.parent.row,
                                    .handle_size = fs->handle_size };

        fp_bon_begin(fs);
        file->size = 0; /* the map may have told that of the old */
        fp_bon_shadow_begin(fs, f, &node, &node);
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

    if (!fs->err)
        return FP_OK;
    fp_bon_shadow_drop(f);
    file->size = 0; /* until that is read */
    f->is_stale |= f->node == 0;
    return fp_bon_end(fs);
}

/* There is a shadow, with what the file has. */
static void make_dirty(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_node old, node;

    fp_bon_begin(fs);
    if (f->is_stale)
        fp_bon_fail(fs, FP_ERR_STALE);
    if (f->shadow != 0 || !fp_bon_load(fs, f->node, &old))
        return;
    fp_bon_get_handle(fs, &old);
    node = old;
    fp_bon_shadow_begin(fs, f, &node, &old);
}

/* buf[0..size) comes to `pos`, and zeros between that and the end if it is
 * before; without buf, `pos` is the end then. */
static int change(struct fp_file *file, uint32_t pos, const uint8_t *buf,
                  uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    uint32_t from = file->size < pos ? file->size : pos;
    struct fp_bon_node node;

    make_dirty(fs, file);
    fp_bon_load(fs, f->shadow, &node);
    node.data_size = pos + size;
    fp_bon_grow(fs, f, fp_bon_rows(fp_bon_size(&node)));
    node.row = f->shadow;
    fp_bon_put(fs, fp_bon_data_at(&node) + from, NULL, pos - from);
    fp_bon_put(fs, fp_bon_data_at(&node) + pos, buf, size);
    if (buf == NULL || file->size < pos + size)
        file->size = pos + size;
    return outcome(fs, file);
}

int fp_bon_truncate(struct fp_file *file, uint64_t size)
{
    return change(file, (uint32_t)size, NULL, 0);
}

int32_t fp_bon_write(struct fp_file *file, const void *buf, uint32_t size)
{
    return change(file, file->pos, buf, size);
}

int fp_bon_fsync(struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    if (f->is_stale)
        return FP_ERR_STALE;
    if (f->shadow == 0)
        return FP_OK;
    return f->is_gone ? FP_ERR_NOENT
                      : fp_bon_publish(fp_bon_of(file->mnt), file);
}

/* There is no place for a time. The file's flags say FP_O_STAGE no more. */
int fp_bon_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    (void)meta;
    return fp_bon_fsync(file);
}

/* The rows are taken at once. */
int fp_bon_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);

    make_dirty(fs, file);
    f->expect = fp_bon_rows(FP_BON_HEAD + FP_BON_NAME_MAX + (uint32_t)size);
    fp_bon_grow(fs, f, f->expect);
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
