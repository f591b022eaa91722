/* SPDX-License-Identifier: MIT
 *
 * Removing and renaming: only metadata moves.
 */
#include "core/fs/minifs/mini.h"

/* Open files that had the new name, fs->name, are gone, and those of `old`
 * have it. A staged one will take the name that it was opened with. */
static void tell_files(const struct fp_mini *fs, const uint8_t *old)
{
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_file *file = fs->files[i];
        struct fp_mini_file *f;

        if (file == NULL || file->flags & FP_O_STAGE)
            continue;
        f = fp_mini_file_of(file);
        if (memcmp(f->name, fs->name, FP_MINI_NAME) == 0)
            f->name[0] = 0xff;
        else if (memcmp(f->name, old, FP_MINI_NAME) == 0)
            memcpy(f->name, fs->name, FP_MINI_NAME);
    }
}

static void remove_entry(struct fp_mini *fs, uint8_t *entry)
{
    uint8_t *behind = entry + FP_MINI_SECTION;

    memmove(entry, behind, (size_t)(fs->end - behind));
    fs->end -= FP_MINI_SECTION;
}

int fp_mini_rename(struct fp_mount *mnt, const char *from, const char *to,
                   uint32_t flags)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    uint8_t old[FP_MINI_NAME], *entry, *target;
    int err = fp_mini_find(fs, from, false);

    entry = fs->found;
    memcpy(old, fs->name, FP_MINI_NAME);
    if (!err)
        err = fp_mini_find(fs, to, true);
    if (err)
        return err;
    target = fs->found;
    if (target < fs->end && flags & FP_RENAME_NOREPLACE)
        return FP_ERR_EXIST;
    if (target == entry)
        return FP_OK; /* another spelling of the same name */
    if (fs->name[0] == 0xff)
        target = entry;
    fs->next = fp_mini_next_free(fs, fs->block);
    memcpy(entry, fs->name, FP_MINI_NAME);
    if (target < fs->end)
        remove_entry(fs, target);
    err = fp_mini_commit(fs);
    if (!err)
        tell_files(fs, old);
    return err;
}

/* A removal is a rename to no name, which replaces the entry itself. */
int fp_mini_remove(struct fp_mount *mnt, const char *path)
{
    return fp_mini_rename(mnt, path, "/", 0);
}
