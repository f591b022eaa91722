/* SPDX-License-Identifier: MIT
 *
 * Reading files. The rows of an open file are not given to anybody else before
 * it is closed.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_claim(struct fp_bon *fs, struct fp_bon_file *f,
                  const struct fp_bon_place *place)
{
    uint32_t i = 0;

    while (i < fs->max_files && fs->files[i] != NULL)
        i++;
    if (i == fs->max_files)
        fp_bon_fail(fs, FP_ERR_NFILE);
    if (fs->err)
        return;
    fs->files[i] = f;
    f->buf = fs->bufs + i * (FP_BON_ROW + fs->path_size);
    f->cached = FP_BON_NOTHING;
    f->is_own_data = place->is_own_data;
    f->node = place->node.row;
    f->size = f->expect = place->node.data_size;
}

void fp_bon_release(struct fp_bon *fs, struct fp_bon_file *f)
{
    struct fp_bon_file **at = fs->files;

    while (*at != f)
        at++;
    *at = NULL;
}

int fp_bon_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_place place;

    fp_bon_fail(fs, fp_bon_find_file(fs, path, flags, &place));
    fp_bon_claim(fs, fp_bon_file_of(file), &place);
    return fp_bon_result(fs);
}

uint32_t fp_bon_clip(const struct fp_bon_file *f, uint32_t end, uint32_t size)
{
    uint32_t left = f->pos < end ? end - f->pos : 0;

    return size < left ? size : left;
}

int32_t fp_bon_advance(struct fp_bon *fs, struct fp_bon_file *f, uint32_t size)
{
    int err = fp_bon_result(fs);

    if (err)
        return err;
    f->pos += size;
    return (int32_t)size;
}

int32_t fp_bon_read_ro(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_node node;

    if (!fp_bon_load(fs, f->node, &node))
        fp_bon_fail(fs, FP_ERR_CORRUPT);
    size = fp_bon_clip(f, node.data_size, size);
    fp_bon_read(fs, fp_bon_data_at(&node) + f->pos, buf, size);
    return fp_bon_advance(fs, f, size);
}

/* In unsigned numbers all that is out of range is too large. */
int64_t fp_bon_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    uint64_t pos = (uint64_t)off;

    if (whence == FP_SEEK_CUR)
        pos += f->pos;
    if (whence == FP_SEEK_END)
        pos += f->size;
    if (pos > INT32_MAX)
        return FP_ERR_INVAL;
    f->pos = (uint32_t)pos;
    return f->pos;
}

int fp_bon_close_ro(struct fp_file *file)
{
    fp_bon_release(fp_bon_of(file->mnt), fp_bon_file_of(file));
    return FP_OK;
}
