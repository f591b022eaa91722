/* SPDX-License-Identifier: MIT
 *
 * Removing and renaming: only metadata moves.
 */
#include "core/fs/minifs/mini.h"

/* Open files that had the name are gone, and those of `old` have it. A staged
 * one will take the name that it was opened with. */
static void tell_files(const struct fp_mini *fs, const uint8_t *old,
                       const uint8_t *name)
{
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_mini_file *f = fs->files[i];

        if (f == NULL || f->is_staged)
            continue;
        if (memcmp(f->name, name, FP_MINI_NAME) == 0)
            f->name[0] = 0xff;
        else if (memcmp(f->name, old, FP_MINI_NAME) == 0)
            memcpy(f->name, name, FP_MINI_NAME);
    }
}

static void remove_entry(struct fp_mini *fs, uint32_t index)
{
    uint8_t *entry = fp_mini_entry(fs, index);

    fs->count--;
    memmove(entry, entry + FP_MINI_SECTION,
            FP_MINI_SECTION * (fs->count - index));
    for (struct fp_mini_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->index > index)
            d->index--;
}

int fp_mini_rename(struct fp_mount *mnt, const char *from, const char *to,
                   uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    uint8_t old[FP_MINI_NAME], name[FP_MINI_NAME];
    int index = fp_mini_find(fs, from, false, old), target = index, err;
    uint32_t block;

    if (index >= 0)
        target = fp_mini_find(fs, to, true, name);
    if (target < 0)
        return target;
    if (target < (int)fs->count && flags & FP_RENAME_NOREPLACE)
        return FP_ERR_EXIST;
    if (target == index)
        return FP_OK; /* another spelling of the same name */
    if (name[0] == 0xff)
        target = index;
    block = fp_mini_next_free(fs, fs->block);
    memcpy(fp_mini_entry(fs, (uint32_t)index), name, FP_MINI_NAME);
    if (target < (int)fs->count)
        remove_entry(fs, (uint32_t)target);
    err = fp_mini_commit(fs, block);
    if (!err)
        tell_files(fs, old, name);
    return err;
}

/* A removal is a rename to no name, which replaces the entry itself. */
int fp_mini_remove(struct fp_mount *mnt, const char *path)
{
    return fp_mini_rename(mnt, path, "/", 0);
}
