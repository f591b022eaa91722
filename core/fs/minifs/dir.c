/* SPDX-License-Identifier: MIT
 *
 * The one directory: the entries of the metadata. They are listed from the
 * last to the first, so that a program may remove what it has been told: a
 * removal closes the gap from behind.
 *
 * Names are stored as up to 12 bytes of anything but 0xff; shown is what can
 * stand in a path. "%2F" is a '/' and "%25" a '%', and a '%' that stands before
 * anything else is itself, so that names without oddities look like themselves
 * and every name shown leads to its file.
 */
#include "core/fs/minifs/mini.h"

static const char *escapes_of(const struct fp_mini *fs)
{
    return fs->is_raw ? NULL : "\2/2F%25";
}

/* fs->name becomes the path's first component as stored, padded with 0xff; 1
 * where another follows. */
static int take_name(struct fp_mini *fs, const char *path)
{
    uint32_t size;

    memset(fs->name, 0xff, FP_MINI_NAME);
    path++;
    size = fp_fs_unescape(&path, escapes_of(fs), fs->name, FP_MINI_NAME);
    if (size > FP_MINI_NAME)
        return FP_ERR_NAMETOOLONG;
    return memchr(fs->name, 0xff, size) != NULL ? FP_ERR_INVAL : *path != '\0';
}

int fp_mini_find_name(struct fp_mini *fs, const uint8_t name[FP_MINI_NAME])
{
    int err = fp_mini_look(fs);
    uint8_t *entry = fp_mini_entry(fs, 0);

    while (entry < fs->end && memcmp(entry, name, FP_MINI_NAME) != 0)
        entry += FP_MINI_SECTION;
    fs->found = entry;
    return err;
}

int fp_mini_find(struct fp_mini *fs, const char *path, bool is_made)
{
    int more = take_name(fs, path), err;

    if (more < 0)
        return more;
    err = fp_mini_find_name(fs, fs->name);
    if (err)
        return err;
    if (fs->found < fs->end)
        return more ? FP_ERR_NOTDIR : FP_OK;
    return is_made && !more ? FP_OK : FP_ERR_NOENT;
}

int fp_mini_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    int err = fp_mini_find(fs, path, false);

    if (err)
        return err;
    st->size = fp_mini_size(fs, fs->found);
    return FP_OK;
}

static void show(const struct fp_mini *fs, const uint8_t *stored,
                 struct fp_dirent *entry)
{
    uint32_t size = 0;

    while (size < FP_MINI_NAME && stored[size] != 0xff)
        size++;
    fp_fs_escape(entry, escapes_of(fs), stored, size);
}

/* A directory's state is where the entry ends that is told next, NULL before
 * the first. */
int fp_mini_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_mini *fs = fp_mini_of(dir->mnt);
    uint8_t **end = (uint8_t **)(void *)dir->state, *at = *end;
    int err = fp_mini_look(fs);

    if (err)
        return err;
    if (at == NULL || at > fs->end)
        at = fs->end;
    at -= FP_MINI_SECTION;
    if (at == fs->meta)
        return 0;
    *end = at;
    show(fs, at, entry);
    entry->st.size = fp_mini_size(fs, at);
    return 1;
}
