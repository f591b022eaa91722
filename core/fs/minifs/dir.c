/* SPDX-License-Identifier: MIT
 *
 * The one directory: the entries of the metadata, in their order. A removal
 * closes the gap; open listings are told (tree.c), so that each entry which
 * stays comes once.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_find_name(struct fp_mini *fs, const uint8_t name[FP_MINI_NAME])
{
    int err = fp_mini_look(fs);
    uint32_t i = 0;

    if (err)
        return err;
    while (i < fs->count &&
           memcmp(fp_mini_entry(fs, i), name, FP_MINI_NAME) != 0)
        i++;
    return (int)i;
}

int fp_mini_find(struct fp_mini *fs, const char *path, bool is_made,
                 uint8_t name[FP_MINI_NAME])
{
    int more = fp_mini_name_of(fs, path, name), index;

    if (more < 0)
        return more;
    index = fp_mini_find_name(fs, name);
    if (index == (int)fs->count)
        return is_made && !more ? index : FP_ERR_NOENT;
    return index >= 0 && more ? FP_ERR_NOTDIR : index;
}

int fp_mini_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    uint8_t name[FP_MINI_NAME];
    int index;

    st->type = FP_TYPE_DIR;
    if (path[1] == '\0')
        return FP_OK;
    index = fp_mini_find(fs, path, false, name);
    if (index < 0)
        return index;
    st->type = FP_TYPE_FILE;
    st->size = fp_mini_size(fs, fp_mini_entry(fs, (uint32_t)index));
    return FP_OK;
}

static struct fp_mini_dir *dir_of(struct fp_dir *dir)
{
    return (struct fp_mini_dir *)(void *)dir->state;
}

int fp_mini_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    struct fp_stat st;
    int err = fp_mini_stat(mnt, path, &st);

    if (err)
        return err;
    if (st.type != FP_TYPE_DIR)
        return FP_ERR_NOTDIR;
    dir_of(dir)->next = fs->dirs;
    fs->dirs = dir_of(dir);
    return FP_OK;
}

/* An entry of an image that has no name cannot be shown as a path. */
int fp_mini_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_mini *fs = fp_mini_of(dir->mnt);
    struct fp_mini_dir *d = dir_of(dir);
    int err = fp_mini_look(fs);

    if (err)
        return err;
    while (d->index < fs->count) {
        const uint8_t *stored = fp_mini_entry(fs, d->index++);

        if (stored[0] == 0xff)
            continue;
        fp_mini_show(fs, stored, entry);
        entry->st.type = FP_TYPE_FILE;
        entry->st.size = fp_mini_size(fs, stored);
        return 1;
    }
    return 0;
}

int fp_mini_closedir(struct fp_dir *dir)
{
    struct fp_mini_dir **at = &fp_mini_of(dir->mnt)->dirs;

    while (*at != dir_of(dir))
        at = &(*at)->next;
    *at = dir_of(dir)->next;
    return FP_OK;
}
