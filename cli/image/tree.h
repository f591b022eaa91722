/* SPDX-License-Identifier: MIT
 *
 * All files and directories of a mounted volume, or of one directory in it.
 *
 * Memory  the tree owns its nodes; fpc_tree_free() frees them
 * Errors  enum fp_error. FP_ERR_CORRUPT: also more entries than the volume
 *         can hold, so that directories that contain each other end
 */
#ifndef FPC_IMAGE_TREE_H
#define FPC_IMAGE_TREE_H

#include "core/fs/fs.h"

#include <stddef.h>

struct fpc_node {
    char *path; /* within the volume, "/a/b"; never "/" */
    struct fp_stat st;
    int err; /* of a directory that could not be read to its end */
};

struct fpc_tree {
    struct fpc_node *nodes;
    size_t count;
    /* private */
    size_t room;
};

/* Reads what lies below `root`. With `recurse` false, its entries only. Nodes
 * are sorted by the bytes of their paths, a directory before what it holds. */
int fpc_tree_read(struct fpc_tree *tree, struct fp_mount *mnt, const char *root,
                  bool recurse);
/* The same, past directories that are damaged: their nodes say so. */
int fpc_tree_read_past(struct fpc_tree *tree, struct fp_mount *mnt,
                       const char *root);
void fpc_tree_free(struct fpc_tree *tree);

#endif
