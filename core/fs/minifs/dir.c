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

/* fs->name becomes the path's first component as stored, padded with 0xff; 1
 * where another follows. */
static int take_name(struct fp_mini *fs, const char *path)
{
    uint32_t len = 0;

    memset(fs->name, 0xff, FP_MINI_NAME);
    for (path++; *path != '\0' && (*path != '/' || fs->is_raw); path++) {
        char byte = *path;

        if (byte == '%' && !fs->is_raw && path[1] == '2' &&
            (path[2] == 'F' || path[2] == '5')) {
            path += 2;
            byte = *path == 'F' ? '/' : '%';
        }
        if ((uint8_t)byte == 0xff)
            return FP_ERR_INVAL;
        if (len == FP_MINI_NAME)
            return FP_ERR_NAMETOOLONG;
        fs->name[len++] = (uint8_t)byte;
    }
    return *path != '\0';
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

/* "%25" also stands for a '%' before a '2': it might begin an escape. */
static void show(const struct fp_mini *fs, const uint8_t *stored,
                 struct fp_dirent *entry)
{
    char *out = entry->name;

    for (uint32_t i = 0; i < FP_MINI_NAME && stored[i] != 0xff; i++) {
        char byte = (char)stored[i];

        if (!fs->is_raw &&
            (byte == '/' || (byte == '%' && stored[i + 1] == '2'))) {
            *out++ = '%';
            *out++ = '2';
            byte = byte == '/' ? 'F' : '5';
        }
        *out++ = byte;
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
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
