/* SPDX-License-Identifier: MIT
 *
 * Listings: a node's children in their order, and its own data, if it has
 * some, as ".data" before them.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_place place;
    int err;

    (void)fp_bon_find_file(fs, path, 0, &place);
    err = fp_bon_result(fs);
    st->size = place.node.data_size;
    if (err != FP_ERR_ISDIR)
        return err;
    st->type = FP_TYPE_DIR;
    st->size = 0;
    return FP_OK;
}

static struct fp_bon_dir *dir_of(struct fp_dir *dir)
{
    return (struct fp_bon_dir *)(void *)dir->state;
}

int fp_bon_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_dir *d = dir_of(dir);
    struct fp_bon_place place;
    int err;

    (void)fp_bon_find_file(fs, path, 0, &place);
    err = fp_bon_result(fs);
    if (err != FP_ERR_ISDIR)
        return err ? err : FP_ERR_NOTDIR;
    d->node = place.node.row;
    d->next = fs->dirs;
    fs->dirs = d;
    return FP_OK;
}

int fp_bon_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_bon *fs = fp_bon_of(dir->mnt);
    struct fp_bon_dir *d = dir_of(dir);
    struct fp_bon_node node, kid;
    int got = 0, err;

    if (fp_bon_is_raw(fs))
        return fp_bon_readdir_raw(fs, d, entry);
    if (!fp_bon_load(fs, d->node, &node))
        return fp_bon_result(fs);
    if (!d->has_told_data && node.data_size > 0) {
        d->has_told_data = true;
        memcpy(entry->name, ".data", 6);
        entry->name_len = 5;
        entry->st.size = node.data_size;
        return 1;
    }
    if (fp_bon_kid(fs, &node, &d->index, &kid)) {
        got = 1;
        fp_bon_show(fs, &kid, entry);
        if (fp_bon_is_dir(&kid))
            entry->st.type = FP_TYPE_DIR;
        else
            entry->st.size = kid.data_size;
    }
    err = fp_bon_result(fs);
    return err ? err : got;
}

int fp_bon_closedir(struct fp_dir *dir)
{
    struct fp_bon_dir **at = &fp_bon_of(dir->mnt)->dirs;

    while (*at != dir_of(dir))
        at = &(*at)->next;
    *at = dir_of(dir)->next;
    return FP_OK;
}
