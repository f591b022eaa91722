/* SPDX-License-Identifier: MIT
 *
 * Where the files of a volume go to: a directory here, or a tar archive.
 *
 * Memory  the sink is the caller's; after a success of open() close() follows,
 *         which says whether all of it is there
 * Errors  exit codes, told on stderr
 */
#ifndef FPC_IMAGE_SINK_H
#define FPC_IMAGE_SINK_H

#include "cli/image/image.h"
#include "cli/image/tree.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

struct fpc_sink;

struct fpc_sink_ops {
    bool goes_on; /* after a put that was refused (FPC_EXIT_REFUSED) */
    int (*open)(struct fpc_sink *sink, const char *path);
    /* One file or directory of the image. `name`, "/sub/file", is a safe one,
     * and directories come before what they hold. */
    int (*put)(struct fpc_sink *sink, struct fpc_image *image,
               const struct fpc_node *node, const char *name);
    /* `status`: of all that was put; an exit code in its stead. */
    int (*close)(struct fpc_sink *sink, int status);
};

struct fpc_sink {
    const struct fpc_sink_ops *ops;
    const char *path; /* as the caller calls it */
    /* private */
    struct fpc_belt *belt; /* of files that are being written */
    void *archive;
    FILE *out;           /* where the archive goes */
    bool failed;         /* it gets no end */
    char temp[PATH_MAX]; /* "": it goes to stdout */
};

extern const struct fpc_sink_ops fpc_sink_dir, fpc_sink_tar;

/* The kind that the path stands for: "-" and what ends as tar archives do, if
 * it is no directory, are archives. */
const struct fpc_sink_ops *fpc_sink_of(const char *path);

/* Writes a file of the image to `path` here, with its time. Nothing is written
 * through a symbolic link. One that is damaged in the image is not there
 * afterwards. */
int fpc_sink_write_file(struct fpc_image *image, const struct fpc_node *node,
                        const char *path);

#endif
