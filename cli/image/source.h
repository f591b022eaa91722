/* SPDX-License-Identifier: MIT
 *
 * What comes from here into a volume: a file, or all that a directory holds.
 *
 * Memory  the list owns its sources; fpc_sources_free() frees them
 * Errors  exit codes, told on stderr; of fpc_source_store() see there
 */
#ifndef FPC_IMAGE_SOURCE_H
#define FPC_IMAGE_SOURCE_H

#include "core/fs/fs.h"

#include <stdbool.h>
#include <stddef.h>

struct fpc_source {
    char *path; /* here */
    bool is_dir;
    bool is_stdin;
    uint64_t size; /* at the time of listing; 0 for a directory */
    struct fp_commit_meta meta;
};

struct fpc_sources {
    struct fpc_source *items; /* directories before what they hold */
    size_t count;
    bool of_dir;     /* the root is a directory, and no item itself */
    size_t root_len; /* bytes of each path that the root stands for */
    /* private */
    size_t room;
};

/* Lists the file `root`, or what lies below the directory `root`; "-" is what
 * comes on stdin, if `or_stdin`. Symbolic links are followed: no format has
 * them. */
int fpc_sources_read(struct fpc_sources *list, const char *root, bool or_stdin);
void fpc_sources_free(struct fpc_sources *list);

/* What the path adds to the root's: "/sub/name", "" for a root that is a
 * file. */
const char *fpc_source_below(const struct fpc_sources *list,
                             const struct fpc_source *source);

/* Writes a file into the volume under `name`, in place of one that is there,
 * with the time it has here. An enum fp_error, or 1 when this side failed and
 * that has been told. */
int fpc_source_store(const struct fpc_source *source, struct fp_mount *mnt,
                     const char *name);

#endif
