/* SPDX-License-Identifier: MIT
 *
 * Sources that are files and directories here, or come on stdin.
 */
#define _DEFAULT_SOURCE
#include "cli/command.h"
#include "cli/image/reader.h"
#include "cli/image/source.h"

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

/* Why no image can hold it, whatever it is; NULL: one can. */
static const char *why_not(const struct stat *st)
{
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)
               ? NULL
               : "neither file nor directory";
}

/* FPC_EXIT_OK and *why: it is there, and cannot be held. */
static int look(const char *path, struct stat *st, const char **why)
{
    struct stat link;

    *why = NULL;
    if (stat(path, st) == 0) {
        *why = why_not(st);
        return FPC_EXIT_OK;
    }
    if (errno != ENOENT || lstat(path, &link) != 0)
        return fpc_failed(path);
    *why = "a link to what is not there";
    return FPC_EXIT_OK;
}

static int add(struct fpc_sources *list, const char *path)
{
    struct fpc_source *item;
    const char *why;
    struct stat st;
    int status = look(path, &st, &why);

    if (status)
        return status;
    if (why) {
        list->left_out++;
        fpc_error("%s: an image can't hold it: %s", path, why);
        return FPC_EXIT_OK;
    }
    item = fpc_sources_add(list, path);
    if (!item)
        return FPC_EXIT_FAILED;
    fpc_reader_see(item, &st);
    return FPC_EXIT_OK;
}

/* What the directory says to be a file is looked at when it is opened. */
static int add_file(struct fpc_sources *list, const char *path)
{
    struct fpc_source *item = fpc_sources_add(list, path);

    if (!item)
        return FPC_EXIT_FAILED;
    item->unseen = true;
    return FPC_EXIT_OK;
}

static int see(struct fpc_source *item)
{
    struct stat st;

    if (stat(item->path, &st) != 0)
        return fpc_failed(item->path);
    fpc_reader_see(item, &st);
    return FPC_EXIT_OK;
}

static bool is_file(const struct dirent *entry)
{
#ifdef _DIRENT_HAVE_D_TYPE
    return entry->d_type == DT_REG;
#else
    (void)entry;
    return false;
#endif
}

static int add_entry(struct fpc_sources *list, const char *dir,
                     const struct dirent *entry)
{
    const size_t size = strlen(dir), n = strlen(entry->d_name);
    char path[PATH_MAX];

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return FPC_EXIT_OK;
    if (size + 1 + n >= sizeof path) {
        errno = ENAMETOOLONG;
        return fpc_failed(dir);
    }
    memcpy(path, dir, size);
    path[size] = '/';
    memcpy(path + size + 1, entry->d_name, n + 1);
    return is_file(entry) ? add_file(list, path) : add(list, path);
}

static int add_entries(struct fpc_sources *list, const char *dir)
{
    struct dirent **names;
    int status = FPC_EXIT_OK, count = scandir(dir, &names, NULL, alphasort);

    if (count < 0)
        return fpc_failed(dir);
    for (int i = 0; i < count; i++) {
        if (status == FPC_EXIT_OK)
            status = add_entry(list, dir, names[i]);
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

static int add_directory(struct fpc_sources *list, const char *dir,
                         unsigned how)
{
    const int status = add_entries(list, dir);

    if (status == FPC_EXIT_OK && how & FPC_SOURCES_ALL &&
        !fpc_reader_begin(list->from, list))
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    return status;
}

/* The list is the queue of directories that are still to be read. */
static int read_dir(struct fpc_sources *list, const char *dir, unsigned how)
{
    int status = add_directory(list, dir, how);

    for (size_t i = 0; status == FPC_EXIT_OK && i < list->count; i++) {
        /* Its path stays where it is when the list moves. */
        const char *path = list->items[i].path;

        if (!list->items[i].is_dir)
            continue;
        if (depth_of(path + list->root_len) > DEPTH_MAX) {
            fpc_error("%s: nested deeper than %d", path, DEPTH_MAX);
            return FPC_EXIT_FAILED;
        }
        status = add_directory(list, path, how);
    }
    return status;
}

static int read_stdin(struct fpc_sources *list)
{
    struct fpc_source *item = fpc_sources_add(list, "-");

    if (!item)
        return FPC_EXIT_FAILED;
    item->is_stdin = true;
    item->meta.has_mtime = true;
    item->meta.mtime_ns = (int64_t)time(NULL) * 1000000000;
    return FPC_EXIT_OK;
}

/* --- contents ------------------------------------------------------------- */

static int read_pieces(FILE *in, fpc_take_fn take, void *ctx)
{
    static uint8_t buf[65536];
    size_t n;
    int status = FPC_EXIT_OK;

    do {
        n = fread(buf, 1, sizeof buf, in);
        if (n > 0)
            status = take(ctx, buf, n);
    } while (status == FPC_EXIT_OK && n == sizeof buf);
    return status == FPC_EXIT_OK && ferror(in) ? fpc_failed("-") : status;
}

static int host_read(const struct fpc_sources *list,
                     const struct fpc_source *source, fpc_take_fn take,
                     void *ctx)
{
    return source->is_stdin
               ? read_pieces(stdin, take, ctx)
               : fpc_reader_read(list->from, list, source, take, ctx);
}

static void host_free(struct fpc_sources *list)
{
    fpc_reader_free(list->from);
}

static const struct fpc_source_ops host_ops = {
    .read = host_read,
    .see = see,
    .free = host_free,
};

int fpc_sources_read(struct fpc_sources *list, const char *root, unsigned how)
{
    struct stat st;

    *list = (struct fpc_sources){ .root_len = strlen(root), .ops = &host_ops };
    if (how & FPC_SOURCES_STDIN && strcmp(root, "-") == 0)
        return read_stdin(list);
    list->from = fpc_reader_new();
    if (!list->from)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    if (stat(root, &st) != 0)
        return fpc_failed(root);
    list->of_dir = S_ISDIR(st.st_mode);
    if (!list->of_dir)
        return add(list, root);
    list->meta = fpc_reader_meta(&st);
    while (list->root_len > 1 && root[list->root_len - 1] == '/')
        list->root_len--;
    return read_dir(list, root, how);
}
