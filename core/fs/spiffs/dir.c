/* SPDX-License-Identifier: MIT
 *
 * Listing a directory, which is: all names that start as its own does. One
 * that has a slash further on stands for a directory in it, which is given
 * when its first name comes by. Whether a name is the first is found by looking
 * at those before it, and that only if a small filter does not know that none
 * of this directory came by.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

_Static_assert(sizeof(struct fp_spf_dir) <= FP_DIR_STATE,
               "FP_DIR_STATE is too small for spiffs");

static struct fp_spf_dir *dir_of(struct fp_dir *dir)
{
    return (struct fp_spf_dir *)(void *)dir->state;
}

int fp_spf_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    struct fp_spf_dir *d = dir_of(dir);
    struct fp_spf_place place;
    int err = fp_spf_lookup(fs, path, &place);

    if (err == FP_ERR_INVAL || err == FP_ERR_NAMETOOLONG)
        return FP_ERR_NOENT;
    if (err)
        return err;
    if (!place.dir)
        return FP_ERR_NOTDIR;
    if (fs->raw)
        return FP_OK;
    if (fs->name_size > 0 || fs->slash)
        fs->name[fs->name_size++] = '/';
    else if (path[1] != '\0')
        fs->name[fs->name_size++] = '/'; /* the directory named "" */
    if (fs->name_size > sizeof d->name)
        return FP_ERR_NAMETOOLONG;
    memcpy(d->name, fs->name, fs->name_size);
    d->size = (uint8_t)fs->name_size;
    return FP_OK;
}

static bool starts_with(const uint8_t *name, uint32_t size,
                        const uint8_t *start, uint32_t start_size)
{
    return size >= start_size && memcmp(name, start, start_size) == 0;
}

/* Did a name in the pages before `end` start as fs->name[0..size) does? */
static int came_by(struct fp_spf *fs, struct fp_spf_dir *d, uint32_t size,
                   uint32_t end, bool *came)
{
    uint32_t bit = fp_spf_hash(fs->name, size) % 64;

    *came = false;
    if (!fp_spf_bit(d->seen, bit)) {
        fp_spf_bit_set(d->seen, bit);
        return FP_OK;
    }
    return fp_spf_find_prefix(fs, fs->name, size, end, came);
}

/* The name in fs->name, of the header at `page`, as an entry; 0: it is none of
 * this directory or its directory was given. */
static int give(struct fp_spf *fs, struct fp_spf_dir *d, uint32_t page,
                struct fp_dirent *entry)
{
    const uint8_t *rest = fs->name + d->size, *slash;
    uint32_t size = fs->name_size - d->size;
    bool found = false;
    int err;

    slash = fs->raw ? NULL : memchr(rest, '/', size);
    entry->st.type = slash != NULL ? FP_TYPE_DIR : FP_TYPE_FILE;
    if (slash != NULL) {
        size = (uint32_t)(slash - rest);
        entry->st.size = 0;
        err = came_by(fs, d, d->size + size + 1, page, &found);
        if (err || found)
            return err;
    } else if (!fs->raw) {
        fs->name[fs->name_size] = '/';
        err = fp_spf_find_prefix(fs, fs->name, fs->name_size + 1, fs->pages,
                                 &found);
        if (err)
            return err;
    }
    size = fp_spf_encode(fs, rest, size, found, entry->name);
    entry->name_len = (uint16_t)fp_spf_min(size, FP_NAME_MAX);
    return 1;
}

int fp_spf_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_spf *fs = fp_spf_of(dir->mnt);
    struct fp_spf_dir *d = dir_of(dir);
    struct fp_spf_head head;

    while (d->page < fs->pages) {
        uint32_t page = d->page++;
        const uint8_t *name;
        int err;

        if (!(fs->map[page] & FP_SPF_HEAD))
            continue;
        err = fp_spf_read_head(fs, page, fs->page, &head);
        if (err)
            return err;
        name = fp_spf_name_get(fs, fs->page, &fs->name_size);
        if (!starts_with(name, fs->name_size, d->name, d->size))
            continue;
        memcpy(fs->name, name, fs->name_size);
        entry->st.size = fp_spf_size_get(fs, fs->page);
        err = give(fs, d, page, entry);
        if (err)
            return err;
    }
    return 0;
}
