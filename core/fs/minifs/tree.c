/* SPDX-License-Identifier: MIT
 *
 * Removing and renaming: only metadata moves.
 */
#include "core/fs/minifs/mini.h"

/* Open files of that name have another, or none any more. A staged one will
 * take the name that it was opened with. */
static void tell_files(const struct fp_mini *fs, const uint8_t *name,
                       const uint8_t *to)
{
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_mini_file *f = fs->files[i];

        if (f == NULL || f->is_staged ||
            memcmp(f->name, name, FP_MINI_NAME) != 0)
            continue;
        if (to != NULL)
            memcpy(f->name, to, FP_MINI_NAME);
        else
            f->is_gone = true;
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

int fp_mini_remove(struct fp_mount *mnt, const char *path)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    uint8_t name[FP_MINI_NAME];
    uint32_t block;
    int err = fp_mini_prepare(fs), index;

    if (err)
        return err;
    index = fp_mini_find(fs, path, false, name);
    if (index < 0)
        return index;
    err = fp_mini_next_free(fs, fs->block, &block);
    if (err)
        return err;
    remove_entry(fs, (uint32_t)index);
    err = fp_mini_commit(fs, block);
    if (!err)
        tell_files(fs, name, NULL);
    return err;
}

int fp_mini_rename(struct fp_mount *mnt, const char *from, const char *to,
                   uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    uint8_t old[FP_MINI_NAME], name[FP_MINI_NAME];
    uint32_t block;
    int err = fp_mini_prepare(fs), index, target;

    if (err)
        return err;
    index = fp_mini_find(fs, from, false, old);
    if (index < 0)
        return index;
    target = fp_mini_find(fs, to, true, name);
    if (target < 0 && (target != FP_ERR_NOENT || name[0] == 0xff))
        return target;
    if (target >= 0 && flags & FP_RENAME_NOREPLACE)
        return FP_ERR_EXIST;
    err = fp_mini_next_free(fs, fs->block, &block);
    if (err)
        return err;
    memcpy(fp_mini_entry(fs, (uint32_t)index), name, FP_MINI_NAME);
    if (target >= 0 && target != index)
        remove_entry(fs, (uint32_t)target);
    err = fp_mini_commit(fs, block);
    if (err)
        return err;
    tell_files(fs, name, NULL);
    tell_files(fs, old, name);
    return FP_OK;
}
