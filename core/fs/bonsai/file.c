/* SPDX-License-Identifier: MIT
 *
 * Reading files. The rows of an open file are not given to anybody else before
 * it is closed.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_claim(struct fp_bon *fs, struct fp_file *file,
                  const struct fp_bon_place *place)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    int slot;

    if (fs->err)
        return;
    slot = fp_fs_claim(fs->files, fs->max_files, file);
    fs->err = slot < 0 ? slot : FP_OK;
    if (fs->err)
        return;
    f->path = (char *)fs->cache + FP_BON_ROW + (uint32_t)slot * fs->path_size;
    f->is_own_data = place->is_own_data;
    f->node = place->node.row;
    file->size = place->node.data_size;
}

int fp_bon_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_place place;

    (void)fp_bon_find_file(fs, path, flags, &place);
    fp_bon_claim(fs, file, &place);
    return fp_bon_result(fs);
}

/* Of a record that is being written only file->size is right. */
int32_t fp_bon_file_read(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_bon *fs = fp_bon_of(file->mnt);
    const struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_node node;
    bool is_written = f->shadow != 0;

    if (!fp_bon_load(fs, is_written ? f->shadow : f->node, &node) ||
        f->is_stale || (!is_written && file->pos + size > node.data_size))
        fp_bon_fail(fs, FP_ERR_STALE); /* or a change of it failed half way */
    fp_bon_read(fs, fp_bon_data_at(&node) + file->pos, buf, size);
    return fp_bon_result(fs);
}

int fp_bon_close_ro(struct fp_file *file)
{
    return fp_fs_release(fp_bon_of(file->mnt)->files, file);
}
