/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/tree.h"

#include <stdlib.h>
#include <string.h>

static int add(struct fpc_tree *tree, const char *dir,
               const struct fp_dirent *entry)
{
    size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    char *path;

    if (tree->count == tree->room) {
        size_t room = tree->room ? 2 * tree->room : 64;
        struct fpc_node *nodes = realloc(tree->nodes, room * sizeof *nodes);

        if (!nodes)
            return FP_ERR_NOMEM;
        tree->nodes = nodes;
        tree->room = room;
    }
    if (n + 1 + entry->name_len > FP_PATH_MAX)
        return FP_ERR_NAMETOOLONG;
    path = malloc(n + 1 + entry->name_len + 1u);
    if (!path)
        return FP_ERR_NOMEM;
    memcpy(path, dir, n);
    path[n] = '/';
    memcpy(path + n + 1, entry->name, entry->name_len);
    path[n + 1 + entry->name_len] = 0;
    tree->nodes[tree->count++] =
        (struct fpc_node){ .path = path, .st = entry->st };
    return FP_OK;
}

static int read_dir(struct fpc_tree *tree, struct fp_mount *mnt,
                    const char *path, size_t limit)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    int err = fp_fs_opendir(mnt, &dir, path);

    if (err)
        return err;
    while ((err = fp_fs_readdir(&dir, &entry)) > 0) {
        err = tree->count < limit ? add(tree, path, &entry) : FP_ERR_CORRUPT;
        if (err)
            break;
    }
    fp_fs_closedir(&dir);
    return err;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct fpc_node *)a)->path,
                  ((const struct fpc_node *)b)->path);
}

static int read_below(struct fpc_tree *tree, struct fp_mount *mnt,
                      const char *root, bool recurse, bool past)
{
    /* No format spends less than four bytes on an entry. */
    size_t limit = (size_t)(fp_bdev_size(mnt->dev) / 4) + 1;
    int err;

    *tree = (struct fpc_tree){ 0 };
    err = read_dir(tree, mnt, root, limit);
    /* The nodes are the queue of directories still to be read. */
    for (size_t i = 0; recurse && err == FP_OK && i < tree->count; i++) {
        if (tree->nodes[i].st.type != FP_TYPE_DIR)
            continue;
        err = read_dir(tree, mnt, tree->nodes[i].path, limit);
        if (!past || err != FP_ERR_CORRUPT || tree->count >= limit)
            continue;
        tree->nodes[i].err = err;
        err = FP_OK;
    }
    if (err) {
        fpc_tree_free(tree);
        return err;
    }
    if (tree->count)
        qsort(tree->nodes, tree->count, sizeof *tree->nodes, by_path);
    return FP_OK;
}

int fpc_tree_read(struct fpc_tree *tree, struct fp_mount *mnt, const char *root,
                  bool recurse)
{
    return read_below(tree, mnt, root, recurse, false);
}

int fpc_tree_read_past(struct fpc_tree *tree, struct fp_mount *mnt,
                       const char *root)
{
    return read_below(tree, mnt, root, true, true);
}

void fpc_tree_free(struct fpc_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        free(tree->nodes[i].path);
    free(tree->nodes);
    *tree = (struct fpc_tree){ 0 };
}
