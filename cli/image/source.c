/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/source.h"

#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

/* --- the list ------------------------------------------------------------- */

struct fpc_source *fpc_sources_add(struct fpc_sources *list, const char *path)
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

void fpc_sources_free(struct fpc_sources *list)
{
    if (list->ops && list->ops->free)
        list->ops->free(list);
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

int fpc_sources_see(const struct fpc_sources *list)
{
    int status = FPC_EXIT_OK;

    for (size_t i = 0; i < list->count && status == FPC_EXIT_OK; i++)
        if (list->items[i].unseen)
            status = list->ops->see(&list->items[i]);
    return status;
}

/* --- putting it in -------------------------------------------------------- */

struct writing {
    struct fp_file file;
    int err; /* of the volume */
};

static int write_piece(void *ctx, const void *buf, size_t size)
{
    struct writing *w = ctx;
    int32_t n = fp_fs_write(&w->file, buf, (uint32_t)size);

    w->err = n < 0 ? n : FP_OK;
    return n < 0 ? FPC_EXIT_FAILED : FPC_EXIT_OK;
}

/* The old file stays until the new one is whole, but for regions, which are
 * written where they are. */
static uint32_t flags_of(const struct fp_mount *mnt)
{
    uint32_t flags = FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;

    return mnt->ops->commit ? flags | FP_O_STAGE : flags;
}

int fpc_source_store(const struct fpc_sources *list,
                     const struct fpc_source *source, struct fp_mount *mnt,
                     const char *name, uint32_t more_flags)
{
    const uint32_t flags = flags_of(mnt) | more_flags;
    struct writing w = { .err = FP_OK };
    int err = fp_fs_open(mnt, &w.file, name, flags), status, close_err;

    if (err)
        return err;
    status = list->ops->read(list, source, write_piece, &w);
    err = w.err ? w.err : status;
    if (err == FP_OK && flags & FP_O_STAGE)
        err = fp_fs_commit(&w.file, &source->meta);
    close_err = fp_fs_close(&w.file);
    return err ? err : close_err;
}

int fpc_sources_check(const struct fpc_sources *list, const char *target,
                      bool lossy)
{
    if (list->left_out == 0 || lossy)
        return FPC_EXIT_OK;
    fpc_error("%s: not made: %zu of the entries cannot be in an image; --lossy "
              "leaves %s out",
              target, list->left_out, list->left_out == 1 ? "it" : "them");
    return FPC_EXIT_FAILED;
}

static int set_time(struct fp_mount *mnt, const char *name,
                    const struct fp_commit_meta *meta)
{
    int err = meta && meta->has_mtime ? fp_fs_settime(mnt, name, meta->mtime_ns)
                                      : FP_OK;

    return err == FP_ERR_NOTSUP ? FP_OK : err;
}

int fpc_source_mkdir(struct fp_mount *mnt, const char *name,
                     const struct fp_commit_meta *meta)
{
    struct fp_stat st;
    int err = fp_fs_mkdir(mnt, name);

    if (err == FP_OK)
        return set_time(mnt, name, meta);
    if (err == FP_ERR_NOTSUP)
        return FP_OK;
    if (err != FP_ERR_EXIST)
        return err;
    err = fp_fs_stat(mnt, name, &st);
    return err == FP_OK && st.type != FP_TYPE_DIR ? FP_ERR_NOTDIR : err;
}
