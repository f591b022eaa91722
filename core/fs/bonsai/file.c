/* SPDX-License-Identifier: MIT
 *
 * Reading files. The rows of an open file are not given to anybody else before
 * it is closed.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_claim(struct fp_bon *fs, struct fp_bon_file *f)
{
    for (uint32_t i = 0; i < fs->max_files; i++)
        if (fs->files[i] == NULL) {
            fs->files[i] = f;
            f->buf = fs->bufs + i * (FP_BON_ROW + fs->path_size);
            return FP_OK;
        }
    return FP_ERR_NFILE;
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
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_place place;
    int err = fp_bon_find(fs, path, flags & FP_O_CREATE, &place);

    if (err)
        return err;
    f->is_own_data = place.is_own_data;
    if (fp_bon_is_dir(&place.node) && !place.is_own_data && !fs->is_raw)
        return FP_ERR_ISDIR;
    f->node = place.node.row;
    f->size = f->expect = place.node.data_size;
    return fp_bon_claim(fs, f);
}

int32_t fp_bon_read_ro(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_node node;
    int err = fp_bon_load(fs, f->node, &node);

    if (err)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    if (f->pos >= node.data_size)
        return 0;
    if (size > node.data_size - f->pos)
        size = node.data_size - f->pos;
    err = fp_bon_read(fs, fp_bon_data_at(&node) + f->pos, buf, size);
    if (err)
        return err;
    f->pos += size;
    return (int32_t)size;
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
