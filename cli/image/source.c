/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "cli/image/source.h"

#include "cli/command.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A tree nested deeper than this is one that contains itself. */
#define DEPTH_MAX 128

/* --- what there is -------------------------------------------------------- */

static struct fpc_source *new_item(struct fpc_sources *list, const char *path)
{
    struct fpc_source *items = list->items;
    char *copy = strdup(path);

    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;

        items = realloc(items, room * sizeof *items);
        if (items) {
            list->items = items;
            list->room = room;
        }
    }
    if (!items || !copy) {
        free(copy);
        fpc_error("out of memory");
        return NULL;
    }
    items[list->count] = (struct fpc_source){ .path = copy };
    return &items[list->count++];
}

static int add(struct fpc_sources *list, const char *path)
{
    struct fpc_source *item;
    struct stat st;

    if (stat(path, &st) != 0)
        return fpc_failed(path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        fpc_error("%s: neither file nor directory: an image can't hold it",
                  path);
        return FPC_EXIT_FAILED;
    }
    item = new_item(list, path);
    if (!item)
        return FPC_EXIT_FAILED;
    item->is_dir = S_ISDIR(st.st_mode);
    item->size = item->is_dir ? 0 : (uint64_t)st.st_size;
    item->meta.has_mtime = true;
    item->meta.mtime_ns =
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return FPC_EXIT_OK;
}

static int add_entries(struct fpc_sources *list, const char *dir)
{
    struct dirent **names;
    char path[PATH_MAX];
    int status = FPC_EXIT_OK, count = scandir(dir, &names, NULL, alphasort);

    if (count < 0)
        return fpc_failed(dir);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;

        if (status == FPC_EXIT_OK && strcmp(name, ".") != 0 &&
            strcmp(name, "..") != 0) {
            if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >=
                sizeof path) {
                errno = ENAMETOOLONG;
                status = fpc_failed(dir);
            } else {
                status = add(list, path);
            }
        }
        free(names[i]);
    }
    free(names);
    return status;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    while ((path = strchr(path, '/')) != NULL) {
        depth++;
        path++;
    }
    return depth;
}

/* The list is the queue of directories that are still to be read. */
static int read_dir(struct fpc_sources *list, const char *dir)
{
    int status = add_entries(list, dir);

    for (size_t i = 0; status == FPC_EXIT_OK && i < list->count; i++) {
        /* Its path stays where it is when the list moves. */
        const char *path = list->items[i].path;

        if (!list->items[i].is_dir)
            continue;
        if (depth_of(path + list->root_len) > DEPTH_MAX) {
            fpc_error("%s: nested deeper than %d", path, DEPTH_MAX);
            return FPC_EXIT_FAILED;
        }
        status = add_entries(list, path);
    }
    return status;
}

static int read_stdin(struct fpc_sources *list)
{
    struct fpc_source *item = new_item(list, "-");

    if (!item)
        return FPC_EXIT_FAILED;
    item->is_stdin = true;
    item->meta.has_mtime = true;
    item->meta.mtime_ns = (int64_t)time(NULL) * 1000000000;
    return FPC_EXIT_OK;
}

int fpc_sources_read(struct fpc_sources *list, const char *root, bool or_stdin)
{
    struct stat st;

    *list = (struct fpc_sources){ .root_len = strlen(root) };
    if (or_stdin && strcmp(root, "-") == 0)
        return read_stdin(list);
    if (stat(root, &st) != 0)
        return fpc_failed(root);
    list->of_dir = S_ISDIR(st.st_mode);
    if (!list->of_dir)
        return add(list, root);
    while (list->root_len > 1 && root[list->root_len - 1] == '/')
        list->root_len--;
    return read_dir(list, root);
}

void fpc_sources_free(struct fpc_sources *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
    *list = (struct fpc_sources){ 0 };
}

const char *fpc_source_below(const struct fpc_sources *list,
                             const struct fpc_source *source)
{
    const char *below = source->path + list->root_len;

    while (below[0] == '/' && below[1] == '/')
        below++;
    return below;
}

/* --- putting it in -------------------------------------------------------- */

static int copy_content(struct fp_file *file, FILE *in, const char *path)
{
    static uint8_t buf[65536];
    size_t n;

    while ((n = fread(buf, 1, sizeof buf, in)) > 0) {
        int32_t err = fp_fs_write(file, buf, (uint32_t)n);

        if (err < 0)
            return err;
    }
    if (ferror(in)) {
        fpc_failed(path);
        return 1;
    }
    return FP_OK;
}

/* The old file stays until the new one is whole, but for regions, which are
 * written where they are. */
static uint32_t flags_of(const struct fp_mount *mnt)
{
    uint32_t flags = FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;

    return mnt->ops->commit ? flags | FP_O_STAGE : flags;
}

int fpc_source_store(const struct fpc_source *source, struct fp_mount *mnt,
                     const char *name)
{
    FILE *in = source->is_stdin ? stdin : fopen(source->path, "rb");
    const uint32_t flags = flags_of(mnt);
    struct fp_file file;
    int err, close_err;

    if (!in) {
        fpc_failed(source->path);
        return 1;
    }
    err = fp_fs_open(mnt, &file, name, flags);
    if (err == FP_OK) {
        err = copy_content(&file, in, source->path);
        if (err == FP_OK && flags & FP_O_STAGE)
            err = fp_fs_commit(&file, &source->meta);
        close_err = fp_fs_close(&file);
        err = err ? err : close_err;
    }
    if (!source->is_stdin)
        fclose(in);
    return err;
}
