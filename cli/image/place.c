/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/place.h"

#include "cli/image/kinds.h"

#include <stdio.h>
#include <string.h>

bool fpc_place_is_slashed(const char *operand)
{
    size_t n = strlen(operand);

    return n > 0 && operand[n - 1] == '/';
}

bool fpc_place_is_flat(const struct fp_mount *mnt)
{
    return mnt->ops->mkdir == NULL;
}

bool fpc_place_root_full(struct fp_mount *mnt, const char *name, uint64_t size)
{
    struct fp_statfs st;

    return fpc_image_kind(mnt->ops->name)->sized_root &&
           strrchr(name, '/') == name && fp_fs_statfs(mnt, &st) == FP_OK &&
           strcmp(st.version, "32") != 0 && st.free > size;
}

int fpc_place_look(struct fpc_image *image, struct fpc_place *place)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_stat st;
    int err = fp_fs_stat(mnt, place->path, &st);

    place->is_dir = err == FP_OK && st.type == FP_TYPE_DIR;
    if (err == FP_ERR_NOENT && place->must_be_dir && fpc_place_is_flat(mnt))
        place->is_dir = true;
    if (err && err != FP_ERR_NOENT)
        return fpc_image_failed(image, place->path, err);
    if (place->is_dir || !place->must_be_dir)
        return FPC_EXIT_OK;
    return fpc_image_failed(image, place->path, err ? err : FP_ERR_NOTDIR);
}

/* The last part of a path, and how long it is: "" for one that has no name of
 * its own. */
static const char *last_part(const char *path, size_t *n)
{
    size_t end = strlen(path), start;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/';)
        start--;
    *n = end - start;
    if ((*n == 1 && path[start] == '.') ||
        (*n == 2 && memcmp(path + start, "..", 2) == 0))
        *n = 0;
    return path + start;
}

int fpc_place_name(const struct fpc_place *place, const char *from,
                   const char *below, char out[FP_PATH_MAX + 1])
{
    const char *base = strcmp(place->path, "/") == 0 ? "" : place->path;
    size_t n = 0;
    const char *name = place->is_dir ? last_part(from, &n) : "";
    int size = snprintf(out, FP_PATH_MAX + 1, "%s%s%.*s%s", base, n ? "/" : "",
                        (int)n, name, below);

    if (size > FP_PATH_MAX)
        return FP_ERR_NAMETOOLONG;
    if (size == 0)
        strcpy(out, "/");
    return FP_OK;
}
